"""The judge computes every layer of the float IR, and NumPy says the same.

What is expected comes from PyTorch's own modules; of layers that PyTorch has not, from a module of it that is equal
in mathematics (a factorised LSTM multiplied out, a grouped one with zeros between its groups).
"""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from rnngen.errors import DataError
from rnngen.frontend import run_reference
from rnngen.ir.layers import (
    GATES,
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
)
from rnngen.ir.network import Network
from rnngen.ir.reference import run_layers

STEPS = 6
TOLERANCE = 1e-12
RANDOM = np.random.default_rng(5)


def uniform(*shape):
    return RANDOM.uniform(-1, 1, shape)


def recurrent(cell="lstm", inputs=3, hidden=5, projection=0, *, state=False, reverse=False, name="rnn"):
    rows, outputs = len(GATES[cell]) * hidden, projection or hidden
    return RecurrentLayer(
        name,
        cell,
        uniform(rows, inputs),
        uniform(rows, outputs),
        uniform(rows),
        uniform(rows),
        weight_hr=uniform(projection, hidden) if projection else None,
        reverse=reverse,
        h_0=uniform(outputs) if state else None,
        c_0=uniform(hidden) if state and cell == "lstm" else None,
    )


def agrees(layers, x, expected=None):
    """Judge and NumPy give the same after every layer; and the expected output, if there is one."""
    network = Network("net", tuple(layers))
    run = run_reference(network, x)
    assert run.judge.startswith("torch ")
    for judged, ours in zip(run.layers, run_layers(network, np.asarray(x, dtype=np.float64)), strict=True):
        assert judged.shape == ours.shape
        assert judged.dtype == np.float64
        assert np.abs(judged - ours).max() < TOLERANCE
    if expected is not None:
        expected = expected.detach().numpy() if isinstance(expected, torch.Tensor) else expected
        assert run.output.shape == expected.shape
        assert np.abs(run.output - expected).max() < TOLERANCE
    return run.output


def set_weights(module, layers):
    """Give a module of PyTorch the weights of layers: one, or one for each direction."""
    for layer, suffix in zip(layers, ("_l0", "_l0_reverse")):
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"):
            if getattr(layer, name) is not None:
                getattr(module, f"{name}{suffix}").data = torch.from_numpy(getattr(layer, name))
    return module.double()


def module_of(layer, **options):
    sizes = layer.input_size, layer.hidden_size
    if layer.cell == "lstm":
        projection = 0 if layer.weight_hr is None else layer.output_size
        return torch.nn.LSTM(*sizes, batch_first=True, proj_size=projection, **options)
    if layer.cell == "gru":
        return torch.nn.GRU(*sizes, batch_first=True, **options)
    return torch.nn.RNN(*sizes, batch_first=True, nonlinearity=layer.cell[4:], **options)


def initial(layers, sequences):
    h_0 = torch.stack([torch.from_numpy(layer.h_0).expand(sequences, -1) for layer in layers])
    if layers[0].cell != "lstm":
        return h_0
    return h_0, torch.stack([torch.from_numpy(layer.c_0).expand(sequences, -1) for layer in layers])


CELLS = [(cell, projection) for cell in GATES for projection in (0, 2) if cell == "lstm" or not projection]


@pytest.mark.parametrize("steps", [1, STEPS])
@pytest.mark.parametrize("cell, projection", CELLS)
def test_initial_states_and_directions(cell, projection, steps):
    forward = recurrent(cell, projection=projection, state=True)
    backward = recurrent(cell, projection=projection, state=True, reverse=True, name="back")
    x = uniform(2, steps, 3)
    values = torch.from_numpy(x)
    agrees([forward], x, set_weights(module_of(forward), [forward])(values, initial([forward], 2))[0])
    flipped = set_weights(module_of(backward), [backward])(values.flip(1), initial([backward], 2))[0]
    agrees([backward], x, flipped.flip(1))
    both = set_weights(module_of(forward, bidirectional=True), [forward, backward])
    output, state = both(values, initial([forward, backward], 2))
    h_n = state[0] if isinstance(state, tuple) else state
    parallel = ParallelLayer("both", (forward, backward))
    agrees([parallel], x, output)
    agrees([parallel, LastStepLayer("last", parallel.output_size)], x, output[:, -1:])
    final = LastStepLayer("final", parallel.output_size, final=True)
    agrees([parallel, final], x, torch.cat(list(h_n), dim=1)[:, None])
    agrees([backward, LastStepLayer("final", backward.output_size, final=True)], x, h_n[1][:, None])


@pytest.mark.parametrize(
    "branches",
    [
        (recurrent("lstm"), recurrent("gru", hidden=4, reverse=True)),
        (recurrent("lstm", projection=2), recurrent("lstm", projection=3, reverse=True)),
        (recurrent("lstm", hidden=3), recurrent("lstm", hidden=5, projection=3, reverse=True)),
        (recurrent("lstm", projection=7), recurrent("lstm", projection=7, reverse=True)),
        (recurrent("gru", reverse=True), recurrent("gru")),
        (recurrent("rnn_tanh"), recurrent("rnn_relu", reverse=True), recurrent("gru")),
    ],
)
def test_branches_that_no_one_module_computes(branches):
    parallel = ParallelLayer("branches", branches)
    x = uniform(2, STEPS, 3)
    alone = [agrees([branch], x) for branch in branches]
    agrees([parallel], x, np.concatenate(alone, axis=2))
    finals = [values[:, :1] if branch.reverse else values[:, -1:] for branch, values in zip(branches, alone)]
    agrees([parallel, LastStepLayer("f", parallel.output_size, final=True)], x, np.concatenate(finals, axis=2))


@pytest.mark.parametrize("projection", [5, 6, 9])
def test_a_projection_that_widens(projection):
    """nn.LSTM refuses P >= H; with units that are always 0 it has more of them."""
    layer = recurrent(projection=projection, state=True)
    hidden = projection + 1

    def padded(array):
        gates = array.reshape(4, 5, -1)
        wide = np.concatenate([gates, np.zeros((4, hidden - 5, gates.shape[2]))], axis=1)
        return torch.from_numpy(wide.reshape(4 * hidden, *array.shape[1:]))

    module = torch.nn.LSTM(3, hidden, batch_first=True, proj_size=projection).double()
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    state = {f"{name}_l0": padded(getattr(layer, name)) for name in names}
    state["weight_hr_l0"] = torch.nn.functional.pad(torch.from_numpy(layer.weight_hr), (0, hidden - 5))
    module.load_state_dict(state)
    x = uniform(2, STEPS, 3)
    h_0, c_0 = initial([layer], 2)
    start = h_0.contiguous(), torch.nn.functional.pad(c_0, (0, hidden - 5))
    agrees([layer], x, module(torch.from_numpy(x), start)[0])


def test_factorised_is_the_lstm_multiplied_out():
    layer = FactorisedLayer("f", uniform(4, 3), uniform(4, 5), uniform(20, 4), uniform(20))
    module = torch.nn.LSTM(3, 5, batch_first=True).double()
    out = layer.weight_out
    arrays = (out @ layer.weight_in, out @ layer.weight_rec, layer.bias, np.zeros(20))
    dense = RecurrentLayer("dense", "lstm", *arrays)
    x = uniform(2, STEPS, 3)
    expected, (h_n, _) = set_weights(module, [dense])(torch.from_numpy(x))
    agrees([layer], x, expected)
    agrees([layer, LastStepLayer("final", 5, final=True)], x, h_n[0][:, None])


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_grouped_is_a_projected_lstm_with_zeros_between_groups(groups):
    inputs, hidden, outputs = 2, 4, 3  # of a group
    cells = tuple(
        GroupCell(f"g.{n}", uniform(4 * hidden, inputs), uniform(4 * hidden, outputs), uniform(4 * hidden))
        for n in range(groups)
    )
    layer = GroupedLayer("g", cells, uniform(groups * outputs, groups * hidden))

    def spread(name, columns):
        wide = np.zeros((4, groups, hidden, groups, columns))
        for n, cell in enumerate(cells):
            wide[:, n, :, n] = getattr(cell, name).reshape(4, hidden, columns)
        return wide.reshape(4 * groups * hidden, groups * columns)

    bias = np.stack([cell.bias.reshape(4, hidden) for cell in cells], axis=1).ravel()
    arrays = (spread("weight_ih", inputs), spread("weight_hh", outputs), bias, np.zeros_like(bias), layer.projection)
    dense = RecurrentLayer("dense", "lstm", *arrays)
    x = uniform(2, STEPS, groups * inputs)
    expected, (h_n, _) = set_weights(module_of(dense), [dense])(torch.from_numpy(x))
    agrees([layer], x, expected)
    agrees([layer, LastStepLayer("final", layer.output_size, final=True)], x, h_n[0][:, None])


MODULES = {
    ActivationLayer("relu", "relu", 4): torch.nn.ReLU(),
    ActivationLayer("sigmoid", "sigmoid", 4): torch.nn.Sigmoid(),
    ActivationLayer("tanh", "tanh", 4): torch.nn.Tanh(),
    ActivationLayer("hardsigmoid", "hardsigmoid", 4): torch.nn.Hardsigmoid(),
    ActivationLayer("hardtanh", "hardtanh", 4): torch.nn.Hardtanh(),
    ActivationLayer("relu6", "hardtanh", 4, 0.0, 6.0): torch.nn.ReLU6(),
}


@pytest.mark.parametrize("layer", MODULES, ids=lambda layer: layer.name)
def test_activations(layer):
    x = uniform(2, STEPS, 4) * 8
    agrees([layer], x, MODULES[layer](torch.from_numpy(x)))


def test_linear_and_affine():
    linear = LinearLayer("fc", uniform(3, 4), uniform(3))
    affine = AffineLayer("bn", uniform(3), uniform(3))
    x = uniform(2, STEPS, 4)
    y = torch.nn.functional.linear(torch.from_numpy(x), torch.from_numpy(linear.weight), torch.from_numpy(linear.bias))
    agrees([linear, affine], x, affine.scale * y.numpy() + affine.shift)


def test_argmax_takes_the_first_of_equals():
    x = np.array([[[1.0, 3.0, 3.0], [2.0, 2.0, 2.0], [-1.0, -2.0, -1.0], [0.0, 0.0, 5.0]]])
    agrees([ArgmaxLayer("argmax", 3)], x, np.array([[[1.0], [0.0], [0.0], [2.0]]]))


@pytest.mark.parametrize("symbols", [[[0, 8, 3], [7, 1, 0]], [[[0], [8], [3]], [[7], [1], [0]]], [[0.0, 8.0, 3.0]]])
def test_embedding_takes_symbols_with_and_without_their_axis(symbols):
    table = EmbeddingLayer("emb", uniform(9, 3))
    numbers = np.asarray(symbols, dtype=np.int64).reshape(len(symbols), 3)
    network = Network("net", (table, recurrent("gru")))
    run = run_reference(network, symbols)
    assert np.array_equal(run.layers[0], table.table[numbers])
    assert np.abs(run.output - run_layers(network, numbers[:, :, None])[-1]).max() < TOLERANCE


@pytest.mark.parametrize("value, shown", [(9, "9"), (-1, "-1"), (2.5, "2.5")])
def test_no_symbol(value, shown):
    network = Network("net", (EmbeddingLayer("emb", uniform(9, 3)),))
    message = rf"^Input must hold symbols, integers within 0\.\.8, not {shown} at \[1, 2, 0\]\.$"
    with pytest.raises(DataError, match=message):
        run_reference(network, [[0, 1, 2], [3, 4, value]])


def test_without_torch_numpy_judges(monkeypatch):
    layers = (recurrent("gru"), LastStepLayer("last", 5), LinearLayer("fc", uniform(2, 5), uniform(2)))
    network, x = Network("net", layers), uniform(2, STEPS, 3)
    judged = run_reference(network, x)
    monkeypatch.setitem(sys.modules, "torch", None)
    run = run_reference(network, x)
    assert run.judge == "numpy float64"
    assert np.abs(run.output - judged.output).max() < TOLERANCE


def test_a_read_only_network_and_input():
    layer = recurrent("gru", state=True)
    for name in ("weight_ih", "h_0"):
        getattr(layer, name).flags.writeable = False
    x = uniform(1, STEPS, 3)
    x.flags.writeable = False
    agrees([layer], x)
