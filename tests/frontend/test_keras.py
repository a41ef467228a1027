"""``.keras`` files: the imported network equals what Keras computed (cases.json; see keras_cases/make.py)."""

import numpy as np
import pytest

from rnngen.frontend.keras_model import read_keras
from rnngen.ir.layers import ActivationLayer, LastStepLayer, LinearLayer, ParallelLayer, RecurrentLayer
from rnngen.ir.network import Network
from rnngen.ir.reference import run_layers
from tests.frontend.keras_cases.files import CASES, config_of, layer_of, sequential, write_case, write_h5, write_keras
from tests.frontend.keras_cases.make import given, weight


def softmax(z):
    return np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)


def run(chain, x):
    """Output for x (1, steps, features), or (1, steps) of symbols, the host's softmax included."""
    output = run_layers(Network("network", chain.layers), x if x.ndim == 3 else x[..., None])[-1]
    return softmax(output) if any(task.startswith("Softmax") for task in chain.host_after) else output


def without_masked(name, x):
    """Which steps to give: the host leaves masked ones out, two in each case with a mask."""
    if "mask" not in name:
        return np.ones(x.shape[1], dtype=bool)
    kept = np.any(x[0] != -1.0, axis=-1) if x.ndim == 3 else x[0] != 0
    assert kept.tolist() == [True, False, True, True, False]
    return kept


@pytest.mark.parametrize("name", CASES)
def test_computes_what_keras_computes(tmp_path, name):
    chain = read_keras(write_case(tmp_path / "model.keras", name))
    case = CASES[name]
    x, expected = np.array(case["input"]), np.array(case["output"])
    kept = without_masked(name, x)
    got = run(chain, x[:, kept])
    expected = expected[:, kept] if expected.ndim == 3 else expected
    assert got.shape == (expected if expected.ndim == 3 else expected[:, None]).shape
    assert np.abs(got.reshape(expected.shape) - expected).max() < 1e-12


def test_cases_can_tell_layers_apart():
    """Formulas of weights and input give outputs of some size, so that the comparison means something."""
    assert all(np.abs(case["output"]).max() > 0.1 for case in CASES.values())
    assert np.abs(given((1, 5, 3), False)).max() > 1.0


@pytest.mark.parametrize(
    ("name", "before", "after", "notes"),
    [
        (
            "stacked",
            (),
            ("Softmax of 'dense_1' over the output; it does not change which is the largest.",),
            (
                "Dropout 'dropout' does nothing at inference.",
                "Dropout inside LSTM 'a' does nothing at inference.",
            ),
        ),
        (
            "softmax layer",
            (),
            ("Softmax of 'softmax' over the outputs of each step; it does not change which is the largest.",),
            (),
        ),
        (
            "functional mask",
            ("Masking 'masking': leave the steps whose values are all -1 out of a sequence.",),
            (),
            (),
        ),
        (
            "embedding mask",
            ("Embedding 'embedding' masks symbol 0: leave the steps with symbol 0 out of a sequence.",),
            (),
            (),
        ),
        ("functional state", (), (), ("LSTM 'lstm' also returns its state, which the model does not use.",)),
        (
            "stateful",
            (),
            (),
            (
                "LSTM 'lstm' is stateful: it keeps its state from call to call, the accelerator until the end of a "
                "sequence (TLAST).",
            ),
        ),
        ("time distributed", (), (), ("SpatialDropout1D 'spatial_dropout1d' does nothing at inference.",)),
    ],
)
def test_says_what_is_not_in_the_accelerator(tmp_path, name, before, after, notes):
    chain = read_keras(write_case(tmp_path / "model.keras", name))
    assert (chain.host_before, chain.host_after, chain.notes) == (before, after, notes)


def test_chain(tmp_path):
    chain = read_keras(write_case(tmp_path / "my net.keras", "stacked"))
    assert (chain.title, chain.stem, chain.source, chain.kind) == (
        "Model 'my net.keras'",
        "my net",
        "my net.keras",
        "keras",
    )
    assert [(type(layer), layer.name) for layer in chain.layers] == [
        (RecurrentLayer, "z"),
        (RecurrentLayer, "a"),
        (ParallelLayer, "bidirectional"),
        (LastStepLayer, "bidirectional.last"),
        (LinearLayer, "dense"),
        (ActivationLayer, "dense.activation"),
        (LinearLayer, "dense_1"),
    ]
    assert [branch.name for branch in chain.layers[2].branches] == ["bidirectional.forward", "bidirectional.backward"]


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4"])
def test_types_of_weights(tmp_path, dtype):
    case = CASES["GRU sequences"]
    path = write_keras(tmp_path / "model.keras", case["config"], write_h5(case["h5"], dtype))
    assert np.abs(run(read_keras(path), np.array(case["input"])) - np.array(case["output"])).max() < 1e-12


def test_bfloat16(tmp_path):
    """Keras stores it as the upper halves of float32, with the type in an attribute."""
    import h5py

    case = CASES["GRU sequences"]
    tree = {
        key: (weight(key, tuple(entry)).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
        if isinstance(entry, list)
        else entry
        for key, entry in case["h5"].items()
    }
    temporary = tmp_path / "weights.h5"
    temporary.write_bytes(write_h5(tree))
    with h5py.File(temporary, "r+") as file:
        for key, entry in tree.items():
            if isinstance(entry, np.ndarray):
                file[key].attrs["dtype"] = "bfloat16"
    path = write_keras(tmp_path / "model.keras", case["config"], temporary.read_bytes())
    assert np.abs(run(read_keras(path), np.array(case["input"])) - np.array(case["output"])).max() < 1e-12


def test_older_version_without_names(tmp_path):
    """Keras may write no ``backward_layer`` where it made that layer itself."""
    case, config = CASES["GRU both ways"], config_of("GRU both ways")
    layer_of(config, 1).pop("backward_layer")
    tree = {key: entry for key, entry in case["h5"].items() if isinstance(entry, list)}
    path = write_keras(tmp_path / "model.keras", config, write_h5(tree), "3.3.3")
    assert np.abs(run(read_keras(path), np.array(case["input"])) - np.array(case["output"])).max() < 1e-12


def test_third_of_a_class_by_its_group(tmp_path):
    """Groups are numbered class by class in the order of the model, whatever the layers' names."""
    layers = [("Dense", {"name": name, "units": 3}) for name in ("dense_2", "x", "dense")]
    config = sequential(("LSTM", {"name": "l", "units": 3, "return_sequences": True}), *layers)
    tree = {"layers/lstm/cell/vars/0": [3, 12], "layers/lstm/cell/vars/1": [3, 12], "layers/lstm/cell/vars/2": [12]}
    for group in ("dense", "dense_1", "dense_2"):
        tree |= {f"layers/{group}/vars/0": [3, 3], f"layers/{group}/vars/1": [3]}
    chain = read_keras(write_keras(tmp_path / "model.keras", config, write_h5(tree)))
    for layer, group in zip(chain.layers[1:], ("dense", "dense_1", "dense_2"), strict=True):
        assert np.array_equal(layer.weight, weight(f"layers/{group}/vars/0", (3, 3)).T)
