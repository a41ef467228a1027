"""The float reference is the user's own PyTorch model, and NumPy says the same."""

import sys

import numpy as np
import pytest
import torch

from rnngen.errors import DataError
from rnngen.frontend import load, run_reference
from rnngen.ir.reference import run_layers


class Model(torch.nn.Module):
    def __init__(self, inputs, hidden, layers, bias):
        super().__init__()
        self.lstm = torch.nn.LSTM(inputs, hidden, layers, bias=bias, batch_first=True)
        self.fc = torch.nn.Linear(hidden, 3, bias=bias)

    def forward(self, x):
        return self.fc(self.lstm(x)[0])


@pytest.mark.parametrize("inputs, hidden, layers, bias", [(3, 4, 1, True), (5, 8, 3, True), (1, 1, 2, False)])
def test_equals_the_model_itself_and_numpy(inputs, hidden, layers, bias):
    torch.manual_seed(hidden)
    model = Model(inputs, hidden, layers, bias).double()
    network = load(model, select="lstm", head="fc")
    x = np.random.default_rng(0).uniform(-2, 2, (3, 30, inputs))
    run = run_reference(network, x)
    assert run.judge == f"torch {torch.__version__.split('+')[0]} float64"
    assert [layer.shape for layer in run.layers] == [(3, 30, hidden)] * layers + [(3, 30, 3)]
    assert all(layer.dtype == np.float64 for layer in run.layers)
    assert np.abs(run.output - model(torch.from_numpy(x)).detach().numpy()).max() < 1e-12
    for ours, theirs in zip(run_layers(network, x), run.layers):
        assert np.abs(ours - theirs).max() < 1e-12


def test_without_torch(monkeypatch):
    network = load(torch.nn.LSTM(3, 4))
    x = np.ones((2, 5, 3))
    judged = run_reference(network, x)
    monkeypatch.setitem(sys.modules, "torch", None)
    run = run_reference(network, x)
    assert run.judge == "numpy float64"
    assert np.abs(run.output - judged.output).max() < 1e-12


def test_input_may_be_read_only_float32():
    x = np.ones((2, 5, 3), np.float32)
    x.flags.writeable = False
    assert run_reference(load(torch.nn.LSTM(3, 4)), x).output.shape == (2, 5, 4)


@pytest.mark.parametrize("shape", [(5, 3), (2, 5, 4), (0, 5, 3), (2, 0, 3)])
def test_wrong_shape(shape):
    message = r"^Input must have the shape \(sequences, steps, 3\) with at least one sequence and step, not \(.*\)\.$"
    with pytest.raises(DataError, match=message):
        run_reference(load(torch.nn.LSTM(3, 4)), np.zeros(shape))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_finite(value):
    x = np.zeros((2, 5, 3))
    x[1, 4, 2] = value
    with pytest.raises(DataError, match=rf"^Input holds {value} at \[1, 4, 2\]; all values must be finite\.$"):
        run_reference(load(torch.nn.LSTM(3, 4)), x)
