"""Networks nobody here trained: sleepecg's Keras files, held to Keras' equations and to Keras' own outputs."""

import io
import re
import sys
import zipfile

import h5py
import numpy as np
import pytest

from examples.sleep_stages import CLASSIFIERS, extract_classifier, night
from rnngen.errors import ToolError
from rnngen.frontend.keras_model import read_keras
from rnngen.ir.layers import AffineLayer, ParallelLayer
from rnngen.ir.network import Network
from rnngen.ir.reference import run_layers

STEPS = 239  # two hours
# What Keras 3.15.1 (float32) predicts for night(120): stages, each for so many steps; first and last probabilities.
RUNS = (("3", 47), ("1", 1), ("3", 2), ("1", 3), ("3", 18), ("1", 152), ("3", 3), ("1", 13))
FIRST = [0.0005521262064576149, 0.26689738035202026, 0.04267333447933197, 0.6898772120475769]
LAST = [0.00044601017725653946, 0.5266339778900146, 0.15911449491977692, 0.3138055205345154]


@pytest.fixture(scope="module")
def features():
    return night(120)


@pytest.fixture(scope="module", params=CLASSIFIERS)
def classifier(request, tmp_path_factory):
    return extract_classifier(request.param, tmp_path_factory.mktemp("classifiers"))


def softmax(z):
    return np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)


def keras_gru(x, group):
    """Keras' GRU with reset_after, as its documentation writes it: kernels (inputs, 3 units), gates z, r, h."""
    kernel, recurrent, (bias, recurrent_bias) = (group[str(number)][()].astype(np.float64) for number in range(3))
    units = len(recurrent)
    h, outputs = np.zeros(units), []
    for step in x:
        from_x, from_h = step @ kernel + bias, h @ recurrent + recurrent_bias
        z = 1 / (1 + np.exp(-(from_x[:units] + from_h[:units])))
        r = 1 / (1 + np.exp(-(from_x[units : 2 * units] + from_h[units : 2 * units])))
        candidate = np.tanh(from_x[2 * units :] + r * from_h[2 * units :])
        h = z * h + (1 - z) * candidate
        outputs.append(h)
    return np.array(outputs)


def keras_network(path, x):
    """The whole network from its HDF5 file, in float64: masking, batch norm, Dense, two bidirectional GRUs, Dense."""
    with zipfile.ZipFile(path) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
        layers = file["layers"]
        gamma, beta, mean, variance = (layers[f"batch_normalization/vars/{n}"][()].astype(float) for n in range(4))
        x = gamma * (x - mean) / np.sqrt(variance + 0.001) + beta
        x = np.maximum(x @ layers["dense/vars/0"][()].astype(float) + layers["dense/vars/1"][()], 0)
        for name in ("bidirectional", "bidirectional_1"):
            forward = keras_gru(x, layers[f"{name}/forward_layer/cell/vars"])
            backward = keras_gru(x[::-1], layers[f"{name}/backward_layer/cell/vars"])[::-1]
            x = np.concatenate([forward, backward], axis=1)
        return x @ layers["dense_1/vars/0"][()].astype(float) + layers["dense_1/vars/1"][()]


def test_import_equals_keras_equations(classifier, features):
    chain = read_keras(classifier)
    got = run_layers(Network("sleep", chain.layers), features)[-1][0]
    assert got.shape == (STEPS, 3 if classifier.stem.startswith("ws") else 4)
    assert np.abs(got - keras_network(classifier, features[0])).max() < 1e-12


def test_layers(classifier):
    chain = read_keras(classifier)
    assert [layer.name for layer in chain.layers] == [
        "batch_normalization",
        "dense",
        "re_lu",
        "bidirectional",
        "bidirectional_1",
        "dense_1",
    ]
    assert isinstance(chain.layers[0], AffineLayer)
    for layer, inputs in zip(chain.layers[3:5], (64, 16), strict=True):
        assert isinstance(layer, ParallelLayer)
        assert [(b.cell, b.input_size, b.hidden_size, b.reverse) for b in layer.branches] == [
            ("gru", inputs, 8, False),
            ("gru", inputs, 8, True),
        ]
    assert chain.host_before == ("Masking 'masking': leave the steps whose values are all -1 out of a sequence.",)
    assert chain.host_after == (
        "Softmax of 'dense_1' over the outputs of each step; it does not change which is the largest.",
    )


def test_stages_are_those_of_keras(tmp_path, features):
    chain = read_keras(extract_classifier("wrn-gru-mesa", tmp_path))
    probabilities = softmax(run_layers(Network("sleep", chain.layers), features)[-1][0])
    stages = "".join(str(stage) for stage in probabilities.argmax(axis=1))
    assert stages == "".join(stage * steps for stage, steps in RUNS)
    assert np.abs(probabilities[[0, -1]] - [FIRST, LAST]).max() < 1e-4  # Keras computes in float32


def test_no_step_of_the_night_is_masked(features):
    assert features.shape == (1, STEPS, 36)
    assert not np.any(np.all(features == -1.0, axis=2))


def test_missing_packages(monkeypatch):
    monkeypatch.setitem(sys.modules, "sleepecg", None)
    sentence = "This needs sleepecg, which is not installed; run 'pip install -r requirements-models.txt'."
    with pytest.raises(ToolError, match=f"^{re.escape(sentence)}$"):
        night(120)
    monkeypatch.delitem(sys.modules, "sleepecg")
    for name in [name for name in sys.modules if name.split(".")[0] in ("sleepecg", "scipy")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ToolError, match=r"^sleepecg needs scipy[a-z.]*, which is not installed; run 'pip install -r "):
        night(120)
