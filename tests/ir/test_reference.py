"""The NumPy network against PyTorch's equations, written out and by PyTorch itself."""

import math

import numpy as np
import torch

from rnngen.ir.network import LinearLayer, Network, RecurrentLayer
from rnngen.ir.reference import run_layers, run_recurrent


def run_lstm(layer, x):
    run = run_recurrent(layer, x)
    return run.output, run.states


def random_lstm(inputs, hidden, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    shapes = ((4 * hidden, inputs), (4 * hidden, hidden), (4 * hidden,), (4 * hidden,))
    return RecurrentLayer(f"l{seed}", "lstm", *(rng.uniform(-scale, scale, shape) for shape in shapes))


def as_torch(layer):
    module = torch.nn.LSTM(layer.input_size, layer.hidden_size, batch_first=True).double()
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    module.load_state_dict({f"{name}_l0": torch.from_numpy(getattr(layer, name)) for name in names})
    return module


def test_one_unit_by_hand():
    columns = [np.array([[0.5], [-0.25], [0.75], [1.0]]), np.array([[0.1], [0.2], [0.3], [0.4]])]
    biases = [np.array([0.1, -0.2, 0.3, -0.4]), np.array([0.05, 0.06, 0.07, 0.08])]
    hidden, cells = run_lstm(RecurrentLayer("l", "lstm", *columns, *biases), np.array([[[1.0], [-2.0]]]))

    def sigmoid(z):
        return 1 / (1 + math.exp(-z))

    h = c = 0.0
    for t, x in enumerate((1.0, -2.0)):
        i, f, g, o = (columns[0][n, 0] * x + columns[1][n, 0] * h + biases[0][n] + biases[1][n] for n in range(4))
        c = sigmoid(f) * c + sigmoid(i) * math.tanh(g)
        h = sigmoid(o) * math.tanh(c)
        assert abs(cells[0, t, 0] - c) < 1e-15
        assert abs(hidden[0, t, 0] - h) < 1e-15


def test_hidden_and_cell_states_equal_torch():
    for scale in (0.1, 1.0, 30.0):  # 30: saturated gates
        layer = random_lstm(5, 7, scale=scale)
        x = np.random.default_rng(1).uniform(-1, 1, (4, 25, 5))
        hidden, cells = run_lstm(layer, x)
        with torch.no_grad():
            expected, (_, last_cell) = as_torch(layer)(torch.from_numpy(x))
        assert np.abs(hidden - expected.numpy()).max() < 1e-12
        assert np.abs(cells[:, -1] - last_cell[0].numpy()).max() < 1e-12


def test_every_layer_consumes_the_one_before():
    rng = np.random.default_rng(2)
    head = LinearLayer("fc", rng.normal(size=(3, 4)), rng.normal(size=3))
    network = Network("net", (random_lstm(5, 6, 1), random_lstm(6, 4, 2), head))
    x = rng.uniform(-1, 1, (2, 9, 5))
    first, second, third = run_layers(network, x)
    assert np.array_equal(first, run_lstm(network.layers[0], x)[0])
    assert np.array_equal(second, run_lstm(network.layers[1], first)[0])
    assert np.array_equal(third, second @ head.weight.T + head.bias)


def test_sequences_are_independent():
    network = Network("net", (random_lstm(5, 6),))
    x = np.random.default_rng(3).uniform(-1, 1, (3, 8, 5))
    alone = np.concatenate([run_layers(network, x[n : n + 1])[0] for n in range(3)])
    assert np.abs(run_layers(network, x)[0] - alone).max() < 1e-14
