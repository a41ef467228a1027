"""Folding: the same outputs before and after, over random networks and by hand; what cannot be folded is refused."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import event, given, settings
from hypothesis import strategies as st

from rnngen.errors import ModelError
from rnngen.ir.layers import (
    ActivationLayer,
    AffineLayer,
    ArgmaxLayer,
    EmbeddingLayer,
    FactorisedLayer,
    GroupCell,
    GroupedLayer,
    LastStepLayer,
    LinearLayer,
    ParallelLayer,
    RecurrentLayer,
    parameters,
)
from rnngen.ir.network import Network
from rnngen.ir.reference import run_layers
from rnngen.passes.fold import fold

torch.set_num_threads(1)

SIZES = (2, 4, 6)
TAKERS = (LinearLayer, RecurrentLayer, ParallelLayer, FactorisedLayer, GroupedLayer)


def uniform(rng, *shape):
    return rng.uniform(-0.8, 0.8, shape)


def affine(rng, size, name="affine"):
    return AffineLayer(name, rng.uniform(-2, 2, size), rng.uniform(-1, 1, size))


def linear(rng, inputs, outputs, name="fc"):
    return LinearLayer(name, uniform(rng, outputs, inputs), uniform(rng, outputs))


def recurrent(rng, cell, inputs, hidden, projection=0, reverse=False, states=False, name="rnn"):
    rows, size = {"lstm": 4, "gru": 3}.get(cell, 1) * hidden, projection or hidden
    return RecurrentLayer(
        name,
        cell,
        uniform(rng, rows, inputs),
        uniform(rng, rows, size),
        uniform(rng, rows),
        uniform(rng, rows),
        uniform(rng, projection, hidden) if projection else None,
        reverse,
        uniform(rng, size) if states else None,
        uniform(rng, hidden) if states and cell == "lstm" else None,
    )


def factorised(rng, inputs, hidden, rank=2, name="flstm"):
    shapes = ((rank, inputs), (rank, hidden), (4 * hidden, rank), (4 * hidden,))
    return FactorisedLayer(name, *(uniform(rng, *shape) for shape in shapes))


def grouped(rng, inputs, hidden, outputs, count=2, name="glstm"):
    rows = 4 * hidden // count
    shapes = ((rows, inputs // count), (rows, outputs // count), (rows,))
    cells = tuple(GroupCell(f"{name}.{j}", *(uniform(rng, *shape) for shape in shapes)) for j in range(count))
    return GroupedLayer(name, cells, uniform(rng, outputs, hidden))


def random_layer(rng, kind, inputs, outputs):
    """A layer of a kind; only some kinds take ``outputs``."""
    if kind in ("lstm", "gru", "rnn_tanh", "rnn_relu"):
        projection = outputs if kind == "lstm" and rng.random() < 0.5 else 0
        hidden = 5 if projection else outputs
        return recurrent(rng, kind, inputs, hidden, projection, rng.random() < 0.5, rng.random() < 0.5)
    makers = {
        "parallel": lambda: ParallelLayer(
            "parallel",
            (recurrent(rng, "gru", inputs, outputs // 2), recurrent(rng, "lstm", inputs, outputs // 2, reverse=True)),
        ),
        "factorised": lambda: factorised(rng, inputs, outputs),
        "grouped": lambda: grouped(rng, inputs, 4, outputs),
        "linear": lambda: linear(rng, inputs, outputs),
        "affine": lambda: affine(rng, inputs),
        "activation": lambda: ActivationLayer("act", str(rng.choice(["relu", "sigmoid", "tanh"])), inputs),
        "last": lambda: LastStepLayer("last", inputs),
    }
    return makers[kind]()


RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu", "parallel", "factorised", "grouped")
KINDS = (*RECURRENT, "linear", "linear", "affine", "affine", "affine", "activation", "last", "final")


@st.composite
def networks(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    layers, size = [], draw(st.sampled_from(SIZES))
    if draw(st.booleans()):
        layers.append(EmbeddingLayer("table", uniform(rng, 5, size)))
    for kind in draw(st.lists(st.sampled_from(KINDS), min_size=2, max_size=7)):
        if kind == "final":
            if layers and isinstance(layers[-1], TAKERS[1:]):
                layers.append(LastStepLayer("final", size, final=True))
            continue
        layers.append(random_layer(rng, kind, size, draw(st.sampled_from(SIZES))))
        size = layers[-1].output_size
    if draw(st.booleans()):
        layers.append(ArgmaxLayer("argmax", size))
    if not layers:
        layers.append(affine(rng, size))
    return Network("net", tuple(replace(layer, name=f"{n}") for n, layer in enumerate(layers))), rng


def foldable(layers):
    """Whether every run of affine layers stands behind a Linear layer or a table, or before a layer with weights."""
    chain = [layer for layer in layers if not isinstance(layer, LastStepLayer)]
    for index, layer in enumerate(chain):
        if not isinstance(layer, AffineLayer):
            continue
        first = next((n for n in reversed(range(index)) if not isinstance(chain[n], AffineLayer)), None)
        last = next((n for n in range(index, len(chain)) if not isinstance(chain[n], AffineLayer)), None)
        behind = first is not None and isinstance(chain[first], LinearLayer | EmbeddingLayer)
        if not behind and not (last is not None and isinstance(chain[last], TAKERS)):
            return False
    return True


def run(network, x):
    return run_layers(network, x)[-1]


def random_input(rng, network):
    if network.symbols:
        return rng.integers(0, network.symbols, (2, 5, 1)).astype(float)
    return rng.uniform(-1, 1, (2, 5, network.input_size))


def check_fold(network, x):
    before, folded = run(network, x), fold(network)
    after = run(folded, x)
    assert before.shape == after.shape
    assert np.abs(before - after).max() < 1e-12 * max(1.0, np.abs(before).max())
    assert not any(isinstance(layer, AffineLayer) for layer in folded.layers)
    return folded


@settings(max_examples=300)
@given(networks())
def test_random_networks(case):
    network, rng = case
    if not foldable(network.layers):
        event("refused")
        with pytest.raises(ModelError, match=r"^Layer '\d+' scales and shifts every element and stands "):
            fold(network)
        return
    event("folded" if any(isinstance(layer, AffineLayer) for layer in network.layers) else "nothing to fold")
    folded = check_fold(network, random_input(rng, network))
    again = fold(folded)
    assert [layer.name for layer in again.layers] == [layer.name for layer in folded.layers]
    for one, other in zip(folded.layers, again.layers):
        assert all(np.array_equal(array, parameters(other)[label]) for label, array in parameters(one).items())
    assert folded.macs <= network.macs


@pytest.fixture
def rng():
    return np.random.default_rng(0)


TAKING = {
    "linear": lambda rng: linear(rng, 4, 3),
    "lstm": lambda rng: recurrent(rng, "lstm", 4, 3, states=True),
    "projected": lambda rng: recurrent(rng, "lstm", 4, 3, projection=2),
    "gru": lambda rng: recurrent(rng, "gru", 4, 3, states=True),
    "rnn_tanh": lambda rng: recurrent(rng, "rnn_tanh", 4, 3),
    "rnn_relu": lambda rng: recurrent(rng, "rnn_relu", 4, 3, reverse=True),
    "parallel": lambda rng: ParallelLayer(
        "p", (recurrent(rng, "gru", 4, 3), recurrent(rng, "gru", 4, 3, reverse=True))
    ),
    "factorised": lambda rng: factorised(rng, 4, 3),
    "grouped": lambda rng: grouped(rng, 4, 6, 2),
}


@pytest.mark.parametrize("make", TAKING.values(), ids=TAKING)
def test_an_affine_layer_before_it_goes_into_it(rng, make):
    network = Network("net", (affine(rng, 4), make(rng)))
    folded = check_fold(network, random_input(rng, network))
    assert [layer.name for layer in folded.layers] == [network.layers[1].name]
    assert folded.macs == network.macs


@pytest.mark.parametrize("make", TAKING.values(), ids=TAKING)
def test_only_the_input_side_changes(rng, make):
    """The recurrent weights, the GRU's b_hn and given states stay as they are, bit for bit."""
    layer = make(rng)
    (folded,) = fold(Network("net", (affine(rng, 4), layer))).layers
    changed = {
        label.rpartition(".")[2]
        for label, array in parameters(layer).items()
        if not np.array_equal(array, parameters(folded)[label])
    }
    expected = {"linear": {"weight", "bias"}, "factorised": {"weight_in", "bias"}, "grouped": {"weight_ih", "bias"}}
    kind = next(name for name, maker in TAKING.items() if maker is make)
    assert changed == expected.get(kind, {"weight_ih", "bias_ih"})


def test_by_hand():
    """y = 2 (3 (5 x + 7) + 1) + 4 = 30 x + 48."""
    layers = (
        AffineLayer("in", np.array([5.0]), np.array([7.0])),
        LinearLayer("fc", np.array([[3.0]]), np.array([1.0])),
        AffineLayer("out", np.array([2.0]), np.array([4.0])),
    )
    (layer,) = fold(Network("net", layers)).layers
    assert (layer.name, layer.weight.tolist(), layer.bias.tolist()) == ("fc", [[30.0]], [48.0])


def test_table_by_hand():
    """Row v = (v, 10 v): W = [1 1], scaled by (2, 1) and shifted by (0, 3), plus b = 1: 2 v + 10 v + 3 + 1."""
    layers = (
        EmbeddingLayer("table", np.array([[0.0, 0.0], [1.0, 10.0]])),
        AffineLayer("scale", np.array([2.0, 1.0]), np.array([0.0, 3.0])),
        LinearLayer("fc", np.array([[1.0, 1.0]]), np.array([1.0])),
    )
    (layer,) = fold(Network("net", layers)).layers
    assert (layer.name, layer.table.tolist()) == ("table", [[4.0], [16.0]])


def test_all_linear_layers_behind_a_table_go_into_it(rng):
    layers = (EmbeddingLayer("table", uniform(rng, 5, 4)), linear(rng, 4, 3, "a"), linear(rng, 3, 2, "b"))
    network = Network("net", layers)
    assert [layer.name for layer in check_fold(network, random_input(rng, network)).layers] == ["table"]


def test_two_linear_layers_stay_two(rng):
    """4 -> 1 -> 4 has 8 products, merged it would have 16."""
    network = Network("net", (linear(rng, 4, 1, "a"), affine(rng, 1), linear(rng, 1, 4, "b")))
    assert [layer.name for layer in check_fold(network, random_input(rng, network)).layers] == ["a", "b"]


@pytest.mark.parametrize(
    "kinds",
    [
        "lstm affine last linear",
        "lstm final affine linear",
        "lstm affine affine linear",
        "linear affine affine last argmax",
        "linear last affine",
        "table last affine gru",
        "table last linear",
        "affine last linear",
        "lstm affine last affine linear",
        "linear affine activation affine linear",
    ],
)
def test_steps_are_no_wall(rng, kinds):
    makers = {
        "table": lambda: EmbeddingLayer("table", uniform(rng, 5, 4)),
        "final": lambda: LastStepLayer("final", 4, final=True),
        "argmax": lambda: ArgmaxLayer("argmax", 4),
    }
    layers = tuple(makers[k]() if k in makers else random_layer(rng, k, 4, 4) for k in kinds.split())
    network = Network("net", layers)
    check_fold(network, random_input(rng, network))


def test_reversed_layer_keeps_its_final_step(rng):
    layers = (affine(rng, 4), recurrent(rng, "gru", 4, 3, reverse=True), LastStepLayer("h_n", 3, final=True))
    network = Network("net", (*layers, affine(rng, 3, "bn"), linear(rng, 3, 2)))
    assert [layer.name for layer in check_fold(network, random_input(rng, network)).layers] == ["rnn", "h_n", "fc"]


def test_batch_norm_of_torch(rng):
    """A trained BatchNorm1d between two layers, by PyTorch itself."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 2))
    model = model.double()
    for _ in range(5):
        model(torch.randn(16, 4).double())
    model.eval()
    first, _, norm, last = model
    scale = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach().numpy()
    shift = norm.bias.detach().numpy() - norm.running_mean.numpy() * scale
    layers = (
        LinearLayer("first", first.weight.detach().numpy(), first.bias.detach().numpy()),
        ActivationLayer("relu", "relu", 3),
        AffineLayer("norm", scale, shift),
        LinearLayer("last", last.weight.detach().numpy(), last.bias.detach().numpy()),
    )
    x = rng.uniform(-1, 1, (6, 1, 4))
    folded = fold(Network("net", layers))
    assert [layer.name for layer in folded.layers] == ["first", "relu", "last"]
    expected = model(torch.from_numpy(x[:, 0])).detach().numpy()
    assert np.abs(run(folded, x)[:, 0] - expected).max() < 1e-12


def test_the_rest_of_the_network_stays(rng):
    network = Network("net", (affine(rng, 4), linear(rng, 4, 2)), "m.onnx", ("Scaled.",), ("Softmax.",))
    folded = fold(network)
    assert (folded.name, folded.source) == ("net", "m.onnx")
    assert (folded.host_before, folded.host_after) == (("Scaled.",), ("Softmax.",))
    assert len(network.layers) == 2


@pytest.mark.parametrize(
    "kinds, where, advice",
    [
        ("lstm affine", "behind 'lstm' at the end", "compute it on the host"),
        ("lstm affine activation", "between 'lstm' and 'activation'", "end the accelerator at 'lstm'"),
        ("lstm affine argmax", "between 'lstm' and 'argmax'", "end the accelerator at 'lstm'"),
        ("lstm affine affine", "between 'lstm' and 'affine'", "end the accelerator at 'lstm'"),
        ("lstm last affine", "behind 'last' at the end", "compute it on the host"),
        ("linear activation affine", "behind 'activation' at the end", "compute it on the host"),
        ("affine activation linear", "at the start before 'activation'", "compute it on the host"),
        ("affine", "alone", "compute it on the host"),
    ],
)
def test_refused(rng, kinds, where, advice):
    layers = [ArgmaxLayer("argmax", 4) if k == "argmax" else random_layer(rng, k, 4, 4) for k in kinds.split()]
    layers = [replace(layer, name=k) for k, layer in zip(kinds.split(), layers)]
    sentence = (
        f"Layer 'affine' scales and shifts every element and stands {where}, where no Linear, recurrent or Embedding "
        f"layer can take it in; {advice}, or put a Linear layer behind 'affine'."
    )
    with pytest.raises(ModelError, match=f"^{re.escape(sentence)}$"):
        fold(Network("net", tuple(layers)))
