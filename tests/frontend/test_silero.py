"""A network nobody here trained: the voice activity detector of the silero-vad package."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from rnngen.errors import ModelError
from rnngen.frontend import inspect, load, run_reference


@pytest.fixture(scope="module")
def checkpoint() -> Path:
    spec = importlib.util.find_spec("silero_vad")  # importing it would need torchaudio
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "data" / "silero_vad_16k.safetensors"


def test_inspect(checkpoint):
    summary = inspect(checkpoint)
    assert [(layer.name, layer.kind, layer.supported) for layer in summary.layers] == [("lstm_cell", "lstm", True)]
    assert (summary.selected, summary.name) == ("lstm_cell", "silero_vad_16k")
    assert "final_conv.weight" in summary.other


def test_load(checkpoint):
    network = load(checkpoint)
    (layer,) = network.layers
    assert (layer.name, layer.input_size, layer.hidden_size) == ("lstm_cell", 128, 128)
    assert np.array_equal(layer.weight_hh, load_file(checkpoint)["lstm_cell.weight_hh"])


def test_reference_is_the_cell_stepped(checkpoint):
    network = load(checkpoint)
    x = np.random.default_rng(0).normal(size=(2, 20, 128))
    cell = torch.nn.LSTMCell(128, 128)
    state = {key.removeprefix("lstm_cell."): torch.from_numpy(value) for key, value in load_file(checkpoint).items()}
    cell.load_state_dict({key: value for key, value in state.items() if key in cell.state_dict()})
    cell.double()
    h = c = torch.zeros(2, 128, dtype=torch.float64)
    expected = []
    with torch.no_grad():
        for step in torch.from_numpy(x).unbind(1):
            h, c = cell(step, (h, c))
            expected.append(h.numpy())
    assert np.abs(run_reference(network, x).output - np.stack(expected, axis=1)).max() < 1e-12


def test_its_last_layer_is_a_convolution(checkpoint):
    message = (
        r"^Head 'final_conv' must be a Linear layer \(a 2-D weight\) or a batch norm \(running_mean and running_var\), "
        r"but it has a weight of shape \(1, 128, 1\) and a bias; "
    )
    with pytest.raises(ModelError, match=message):
        load(checkpoint, head="final_conv")
