"""Ranges: no run of the float network leaves what is proved, and what is measured is what a run shows."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnngen.errors import ModelError
from rnngen.ir.layers import FactorisedLayer, GroupedLayer, ParallelLayer, RecurrentLayer
from rnngen.ir.network import LastStepLayer, LinearLayer, Network
from rnngen.ir.reference import run_layer, run_recurrent
from rnngen.passes.ranges import CELL_RANGE_LIMIT, LayerRanges, measure, prove
from tests.random_networks import RECURRENT, Description, descriptions, make_input, make_network

torch.set_num_threads(1)
LOOSE = 1 + 1e-12
"""Rounding of the float run."""


def extreme_input(network: Network, seed: int, steps: int) -> np.ndarray:
    """Random input and, of real numbers, corners of [-1, 1]: some kept for the whole sequence, some new each step."""
    x = make_input(network, seed, 8, steps)
    if not network.symbols:
        x[:4] = np.sign(x[:4])
        x[4:6] = np.sign(x[4:6, :1])
    return x


def assert_inside(layer: RecurrentLayer | FactorisedLayer | GroupedLayer, ranges: LayerRanges, x: np.ndarray) -> None:
    run = run_recurrent(layer, x)
    assert np.abs(run.output).max() <= ranges.y * LOOSE
    if not isinstance(layer, RecurrentLayer) or layer.cell == "lstm":
        assert np.abs(run.states).max() <= ranges.c * LOOSE or ranges.c == CELL_RANGE_LIMIT
    if run.inner is not None:
        assert np.abs(run.inner).max() <= ranges.inner * LOOSE


def assert_all_inside(network: Network, x: np.ndarray) -> None:
    before = None
    for layer, ranges in zip(network.layers, prove(network), strict=True):
        assert np.abs(x).max() <= ranges.x * LOOSE or (network.symbols and before is None)
        y = run_layer(layer, x, before)
        assert np.abs(y).max() <= ranges.y * LOOSE
        if isinstance(layer, ParallelLayer):
            for branch, own in zip(layer.branches, ranges.branches, strict=True):
                assert_inside(branch, own, x)
        elif isinstance(layer, RecurrentLayer | FactorisedLayer | GroupedLayer):
            assert_inside(layer, ranges, x)
        x, before = y, layer


@given(st.integers(0, 10**6), st.integers(1, 4), descriptions(5), st.sampled_from([0.1, 1.0, 4.0]))
@settings(max_examples=150)
def test_proved_ranges_hold(seed: int, inputs: int, description: Description, scale: float) -> None:
    network = make_network(seed, inputs, description, scale)
    assert_all_inside(network, extreme_input(network, seed + 1, 12))


@pytest.mark.parametrize("scale", [0.3, 3.0])
@pytest.mark.parametrize("kind", RECURRENT)
def test_proved_ranges_of_each_layer_hold(kind: str, scale: float) -> None:
    two = kind.endswith("projected") or kind in ("factorised", "grouped")
    for seed in range(5):
        network = make_network(seed, 6, ((kind, 4, 3) if two else (kind, 4),), scale)
        assert_all_inside(network, extreme_input(network, seed, 30))


def one(cell: str, w: float, u: float, b: float = 0.0, b_h: float = 0.0) -> RecurrentLayer:
    """One unit, one input; every gate has the same weights."""
    gates = {"lstm": 4, "gru": 3}.get(cell, 1)
    return RecurrentLayer("l", cell, *(np.full((gates, 1), v) for v in (w, u)), *(np.full(gates, v) for v in (b, b_h)))


def test_proved_by_hand() -> None:
    """A ReLU's fixed point 1 / (1 - 1/2) is reached; gate n's larger part is 2 * 1 + 1 or |-3| * 1 + 4."""
    (relu,) = prove(Network("n", (one("rnn_relu", 0.75, 0.5, 0.25),)))
    assert (relu.x, relu.y) == (1.0, 2.0)
    assert run_recurrent(one("rnn_relu", 0.75, 0.5, 0.25), np.ones((1, 60, 1))).output.max() == pytest.approx(2.0)
    assert prove(Network("n", (one("gru", 2.0, -3.0, 1.0, 4.0),)))[0].inner == 7.0
    assert prove(Network("n", (one("gru", 2.0, -1.0, 1.0, 0.5),)))[0].inner == 3.0
    assert prove(Network("n", (one("rnn_tanh", 2.0, -1.0),)))[0] == LayerRanges(1.0, 1.0)
    chain = Network("n", (LinearLayer("fc", np.array([[2.0, -3.0]]), np.array([-0.5])), LastStepLayer("last", 1)))
    assert prove(chain) == [LayerRanges(1.0, 5.5), LayerRanges(5.5, 5.5)]


def test_measured_states_are_pytorchs() -> None:
    torch.manual_seed(0)
    module = torch.nn.LSTMCell(3, 4).double()
    fields = [getattr(module, name).detach().numpy() for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    x = np.random.default_rng(1).uniform(-2, 2, (2, 7, 3))
    (ranges,) = measure(Network("n", (RecurrentLayer("l", "lstm", *fields),)), x)
    h = c = torch.zeros(2, 4, dtype=torch.float64)
    largest = [0.0, 0.0]
    for t in range(7):
        h, c = module(torch.from_numpy(x[:, t]), (h, c))
        largest = [max(old, float(v.abs().max())) for old, v in zip(largest, (h, c))]
    assert (ranges.x, ranges.y, ranges.c) == pytest.approx((np.abs(x).max(), *largest), abs=1e-14)


def test_measured_parts_of_gate_n() -> None:
    """Both biases count, each with its own product: n_x = 2 x + 1 and n_h = -3 h + 4, h being 0 at first."""
    layer = one("gru", 2.0, -3.0, 1.0, 4.0)
    assert measure(Network("n", (layer,)), np.array([[[0.5]]]))[0].inner == 4.0
    assert measure(Network("n", (layer,)), np.array([[[-4.0]]]))[0].inner == 7.0


def test_measured_ranges_of_stages_and_branches() -> None:
    x = np.random.default_rng(2).uniform(-1, 1, (3, 5, 4))
    projected, factorised, grouped = (make_network(3, 4, ((kind, 3, 2),)) for kind in RECURRENT if kind in
                                      ("projected", "factorised", "grouped"))  # fmt: skip
    for network in (projected, factorised, grouped):
        (ranges,), (layer,) = measure(network, x), network.layers
        run = run_recurrent(layer, x)
        h_0 = layer.h_0 if isinstance(layer, RecurrentLayer) and layer.h_0 is not None else np.zeros(1)
        assert ranges.y == max(np.abs(run.output).max(), np.abs(h_0).max())
        assert ranges.inner == np.abs(run.inner).max()
        assert ranges.c >= np.abs(run.states).max() > 0
    network = make_network(3, 4, (("bidirectional gru", 3),))
    (ranges,), (both,) = measure(network, x), network.layers
    assert isinstance(both, ParallelLayer)
    alone = [measure(Network("n", (branch,)), x)[0] for branch in both.branches]
    assert list(ranges.branches) == alone
    assert ranges.y == max(branch.y for branch in alone) >= np.abs(run_layer(both, x)).max()


def test_given_states_count() -> None:
    starts = {"h_0": np.array([-3.0]), "c_0": np.array([5.0])}
    layer = RecurrentLayer("l", "lstm", *(np.zeros((4, 1)),) * 2, *(np.zeros(4),) * 2, **starts)
    both = ParallelLayer("both", (layer, replace(layer, h_0=np.array([4.0]), reverse=True)))
    for find in (prove, lambda network: measure(network, np.zeros((1, 1, 1)))):
        (alone,), (beside,) = (find(Network("n", (chosen,))) for chosen in (layer, both))
        assert (alone.y, alone.c) == (3.0, 5.0)
        assert (beside.y, beside.branches[0].y, beside.branches[1].y) == (4.0, 3.0, 4.0)


@pytest.mark.parametrize("recurrence, shown", [(1.0, "1"), (1.25, "1.25")])
def test_relu_without_a_bound(recurrence: float, shown: str) -> None:
    sentence = (
        "Layer 'l' is a plain RNN with ReLU whose output has no bound that its weights prove (rows of |weight_hh| sum "
        f"to {shown}, the limit is 1); give real input to calibrate with."
    )
    network = Network("n", (one("rnn_relu", 1.0, -recurrence),))
    with pytest.raises(ModelError, match=f"^{re.escape(sentence)}$"):
        prove(network)
    assert measure(network, np.ones((1, 1, 1)))[0].y == 1.0
