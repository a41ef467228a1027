"""States given and left, against PyTorch's own h_0, c_0, h_n and c_n."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from rnngen.errors import DataError
from rnngen.ir.layers import LinearLayer, ParallelLayer, RecurrentLayer
from rnngen.ir.network import Network
from rnngen.ir.reference import recurrent_layers, run_layers, run_network

torch.set_num_threads(1)

KINDS = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn_tanh": torch.nn.RNN, "rnn_relu": torch.nn.RNN}


def module_of(kind: str, layers: int, bidirectional: bool, projection: int) -> torch.nn.Module:
    torch.manual_seed(layers + 2 * bidirectional)
    more = {"proj_size": projection} if projection else {}
    more |= {"nonlinearity": kind[4:]} if kind.startswith("rnn") else {}
    return KINDS[kind](3, 5, layers, batch_first=True, bidirectional=bidirectional, **more).double()


def network_of(module: torch.nn.Module, kind: str) -> Network:
    layers = []
    for number in range(module.num_layers):
        branches = []
        for suffix in ("", "_reverse")[: 1 + module.bidirectional]:
            names = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"] + ["weight_hr"] * bool(module.proj_size)
            arrays = [getattr(module, f"{name}_l{number}{suffix}").detach().numpy() for name in names]
            branches.append(RecurrentLayer(f"l{number}{suffix}", kind, *arrays, reverse=bool(suffix)))
        layers.append(branches[0] if len(branches) == 1 else ParallelLayer(f"p{number}", tuple(branches)))
    return Network("net", tuple(layers))


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind, projection", [("lstm", 0), ("lstm", 2), ("gru", 0), ("rnn_tanh", 0), ("rnn_relu", 0)])
def test_states_equal_those_of_pytorch(kind: str, projection: int, layers: int, bidirectional: bool) -> None:
    module = module_of(kind, layers, bidirectional, projection)
    network = network_of(module, kind)
    random = np.random.default_rng(7)
    count = layers * (1 + bidirectional)
    x, h_0 = random.normal(size=(4, 6, 3)), random.normal(size=(count, 4, projection or 5))
    c_0 = random.normal(size=(count, 4, 5)) if kind == "lstm" else None
    h, c = torch.from_numpy(h_0), None if c_0 is None else torch.from_numpy(c_0)
    with torch.no_grad():
        expected, final = module(torch.from_numpy(x), h if c is None else (h, c))
    h_n, c_n = final if c is not None else (final, None)
    names = [layer.name for layer in recurrent_layers(network)]
    given = {name: (h_0[k], None if c_0 is None else c_0[k]) for k, name in enumerate(names)}
    run = run_network(network, x, given)
    assert np.abs(run.layers[-1] - expected.numpy()).max() < 1e-12
    assert np.abs(run_layers(network, x, given)[-1] - expected.numpy()).max() < 1e-12
    for k, name in enumerate(names):
        assert np.abs(run.states[name][0] - h_n[k].numpy()).max() < 1e-12
        if c_n is None:
            assert run.states[name][1] is None
        else:
            assert np.abs(run.states[name][1] - c_n[k].numpy()).max() < 1e-12
    assert np.abs(run_layers(network, x)[-1] - expected.numpy()).max() > 1e-3  # states do matter


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_two_halves_are_the_whole(kind: str) -> None:
    """Final states of the first half given to the second."""
    network = network_of(module_of(kind, 2, False, 0), kind)
    x = np.random.default_rng(1).normal(size=(2, 8, 3))
    whole, first = run_network(network, x), run_network(network, x[:, :3])
    second = run_network(network, x[:, 3:], first.states)
    assert np.array_equal(whole.layers[-1][:, 3:], second.layers[-1])
    assert all(np.array_equal(whole.states[name][0], second.states[name][0]) for name in whole.states)


STATE = np.zeros((2, 5))


@pytest.mark.parametrize(
    ("kind", "states", "text"),
    [
        ("gru", {"l9": (STATE, None)}, "The network has no recurrent layer 'l9' to give a state; it has l0, l1."),
        (
            "lstm",
            {"l0": (STATE, None)},
            "Layer 'l0' is an LSTM, which begins with h and c, but no c is given; give both.",
        ),
        ("gru", {"l0": (STATE, STATE)}, "Layer 'l0' has no cell state, but a c is given; leave it out."),
        (
            "gru",
            {"l0": (STATE[:1], None)},
            "The state h of layer 'l0' must have the shape (2, 5) (sequences, words), not (1, 5).",
        ),
        (
            "lstm",
            {"l0": (STATE, STATE + np.inf)},
            "The state c of layer 'l0' holds values that are not finite; give numbers.",
        ),
    ],
)
def test_refused(kind: str, states: dict, text: str) -> None:
    network = network_of(module_of(kind, 2, False, 0), kind)
    with pytest.raises(DataError, match=f"^{re.escape(text)}$"):
        run_network(network, np.zeros((2, 3, 3)), states)


def test_linear_layers_have_no_state() -> None:
    network = Network("net", (LinearLayer("fc", np.eye(2), np.zeros(2)),))
    assert run_network(network, np.ones((1, 1, 2))).states == {}
