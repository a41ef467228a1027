"""Files that torch.onnx.export writes, by both of its exporters: equal to PyTorch in float64, or refused."""

import itertools
import logging
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from rnngen.errors import ModelError
from rnngen.frontend.onnx_model import read_onnx
from tests.frontend.onnx_cases import run_chain

torch.set_num_threads(1)

_CELLS = ("LSTM", "GRU", "tanh", "relu")
_LEGACY = list(
    itertools.product(_CELLS, (1, 2), (False, True), (False, True), ("sequence", "last", "final", "module"))
)
"""Cell, layers, bidirectional, batch_first, what the forward gives."""


class Model(nn.Module):
    """A recurrent module and what stands behind it."""

    def __init__(self, cell, layers, bidirectional, batch_first, bias, output):
        super().__init__()
        options = {"num_layers": layers, "bidirectional": bidirectional, "batch_first": batch_first, "bias": bias}
        if cell in ("tanh", "relu"):
            self.rnn = nn.RNN(3, 4, nonlinearity=cell, **options)
        else:
            self.rnn = getattr(nn, cell)(3, 4, **options)
        self.output, self.batch_first = output, batch_first
        self.fc = nn.Linear(4 if output == "final" else 4 * (1 + bidirectional), 2)

    def forward(self, x):
        y, states = self.rnn(x)
        if self.output == "module":
            return y, states
        if self.output == "final":
            h = states[0] if isinstance(states, tuple) else states
            return torch.relu(self.fc(h[-1]))
        if self.output == "last":
            y = y[:, -1] if self.batch_first else y[-1]
        return torch.relu(self.fc(y))


def _export(model, x, path, dynamo, free):
    options = {"external_data": False, "verbose": False} if dynamo else {}
    if free and dynamo:
        options["dynamic_shapes"] = ({0: torch.export.Dim("a"), 1: torch.export.Dim("b")},)
    elif free:
        options["dynamic_axes"] = {"x": {0: "a", 1: "b"}}
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(model, (x,), path, dynamo=dynamo, input_names=["x"], **options)
    finally:
        logging.disable(logging.NOTSET)
    return path


def _expected(model, x):
    """(sequences, steps, features) of PyTorch."""
    with torch.no_grad():
        y = model(x)
    if model.output in ("last", "final"):
        return y[:, None].numpy()
    y = y[0] if isinstance(y, tuple) else y
    return (y if model.batch_first else y.swapaxes(0, 1)).numpy()


def _error(tmp_path, model, dynamo, free):
    """Largest difference between the imported file and PyTorch, both in float64, on other lengths where free."""
    model = model.double().eval()
    shape = (2, 5, 3) if model.batch_first else (5, 2, 3)
    path = _export(model, torch.randn(shape, dtype=torch.float64), tmp_path / "model.onnx", dynamo, free)
    x = torch.randn((4, 7, 3) if free else shape, dtype=torch.float64)
    result = run_chain(read_onnx(path), x.numpy() if model.batch_first else x.numpy().swapaxes(0, 1))
    expected = _expected(model, x)
    assert result.shape == expected.shape
    return np.abs(result - expected).max()


@pytest.mark.parametrize(("cell", "layers", "bidirectional", "batch_first", "output"), _LEGACY)
def test_legacy_exporter(tmp_path, cell, layers, bidirectional, batch_first, output):
    number = _LEGACY.index((cell, layers, bidirectional, batch_first, output))
    torch.manual_seed(number)
    model = Model(cell, layers, bidirectional, batch_first, bool(number % 3), output)
    assert _error(tmp_path, model, dynamo=False, free=bool((number // 4 + number) % 2)) < 1e-12


@pytest.mark.parametrize(
    ("output", "free"), [("sequence", False), ("sequence", True), ("last", True), ("final", True), ("module", True)]
)
@pytest.mark.parametrize(
    ("cell", "layers", "bidirectional", "batch_first"), [("LSTM", 2, True, True), ("GRU", 2, False, False)]
)
def test_new_exporter(tmp_path, cell, layers, bidirectional, batch_first, output, free):
    torch.manual_seed(1)
    model = Model(cell, layers, bidirectional, batch_first, True, output)
    assert _error(tmp_path, model, dynamo=True, free=free) < 1e-12


def test_float32_weights_are_taken_exactly(tmp_path):
    torch.manual_seed(2)
    model = Model("LSTM", 1, True, False, True, "sequence").eval()
    path = _export(model, torch.randn(5, 2, 3), tmp_path / "model.onnx", dynamo=False, free=True)
    x = torch.randn(6, 3, 3, dtype=torch.float64)
    result = run_chain(read_onnx(path), x.numpy().swapaxes(0, 1))
    assert np.abs(result - _expected(model.double(), x)).max() < 1e-12


class Around(nn.Module):
    """Embedding and dropout before, batch norm, hard functions and a classifier behind."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(10, 6)
        self.gru = nn.GRU(6, 4, num_layers=2, dropout=0.5, batch_first=True)
        self.norm = nn.BatchNorm1d(4)
        self.fc1, self.fc2 = nn.Linear(4, 5), nn.Linear(5, 3)
        self.norm.running_mean.uniform_(-1, 1)
        self.norm.running_var.uniform_(0.5, 2)

    def forward(self, symbols):
        y, _ = self.gru(nn.functional.dropout(self.embedding(symbols), training=self.training))
        z = nn.functional.hardtanh(self.fc1(self.norm(y[:, -1])), -0.5, 0.75)
        return torch.softmax(self.fc2(nn.functional.hardsigmoid(z)), dim=-1).argmax(-1)


def test_all_around(tmp_path):
    torch.manual_seed(3)
    model = Around().double().eval()
    symbols = torch.randint(0, 10, (40, 6))
    path = _export(model, symbols, tmp_path / "model.onnx", dynamo=False, free=True)
    chain = read_onnx(path)
    assert [type(layer).__name__ for layer in chain.layers] == [
        "EmbeddingLayer", "RecurrentLayer", "RecurrentLayer", "LastStepLayer", "AffineLayer", "LinearLayer",
        "ActivationLayer", "ActivationLayer", "LinearLayer", "ArgmaxLayer",
    ]  # fmt: skip
    with torch.no_grad():
        assert np.array_equal(run_chain(chain, symbols.numpy()[..., None])[:, 0, 0], model(symbols).numpy())


class Stateful(nn.Module):
    """A state of the model's own, the same for every sequence."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3, 4, bidirectional=True)
        self.h = nn.Parameter(torch.randn(2, 1, 4))
        self.c = nn.Parameter(torch.randn(2, 1, 4))
        self.output, self.batch_first = "sequence", False

    def forward(self, x):
        batch = x.size(1)
        return self.lstm(x, (self.h.expand(-1, batch, -1).contiguous(), self.c.expand(-1, batch, -1).contiguous()))[0]


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("dynamo", [False, True])
def test_initial_state_of_the_model(tmp_path, dynamo, free):
    torch.manual_seed(4)
    model = Stateful()
    assert _error(tmp_path, model, dynamo, free) < 1e-12
    forward, backward = read_onnx(tmp_path / "model.onnx").layers[0].branches
    assert np.array_equal(forward.h_0, model.h[0, 0].detach().numpy())
    assert np.array_equal(backward.c_0, model.c[1, 0].detach().numpy())


def test_a_projection_that_the_new_exporter_drops_is_refused(tmp_path):
    path = _export(nn.LSTM(3, 4, proj_size=2), torch.zeros(5, 2, 3), tmp_path / "p.onnx", dynamo=True, free=False)
    with pytest.raises(ModelError) as error:
        read_onnx(path)
    assert str(error.value) == (
        "Model 'p.onnx': 'node_lstm__2' (LSTM): initial_c must have 1 directions of 2 units, not the shape (1, 2, 4); "
        "torch.onnx.export(dynamo=True) writes such a file for proj_size, so give the state dict instead."
    )


@pytest.mark.parametrize(
    ("module", "x", "dynamo"),
    [(nn.RNN(3, 4), (5, 2, 3), True), (nn.LSTMCell(3, 4), (2, 3), True), (nn.GRUCell(3, 4), (2, 3), False)],
)
def test_cells_written_out_are_refused(tmp_path, module, x, dynamo):
    path = _export(module, torch.zeros(x), tmp_path / "cell.onnx", dynamo, free=False)
    with pytest.raises(ModelError) as error:
        read_onnx(path)
    assert str(error.value) == (
        "Model 'cell.onnx' holds no recurrent node (LSTM, GRU, RNN); cells written out as single operations, as "
        "torch.onnx.export writes nn.LSTMCell and, with dynamo=True, nn.RNN, cannot be read, so export a recurrent "
        "layer with dynamo=False or give the state dict."
    )
