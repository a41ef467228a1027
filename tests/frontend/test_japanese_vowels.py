"""The example that trains on real data, in a short run."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from examples import japanese_vowels as example
from rnngen.errors import DataError, ToolError
from rnngen.frontend import load, run_reference

SCRIPT = Path(example.__file__)


@pytest.fixture(scope="module")
def data():
    return example.load_data()


def test_data(data):
    train, test = data
    assert (train.features.shape, test.features.shape) == ((270, 26, 12), (370, 29, 12))
    assert (train.lengths.min(), train.lengths.max(), test.lengths.min(), test.lengths.max()) == (7, 26, 7, 29)
    assert np.bincount(train.labels).tolist() == [30] * 9
    assert np.bincount(test.labels).sum() == 370
    valid = np.concatenate([row[:length] for row, length in zip(train.features, train.lengths)])
    assert np.abs(valid.mean(axis=0)).max() < 1e-12
    assert np.abs(valid.std(axis=0) - 1).max() < 1e-12
    assert not any(row[length:].any() for row, length in zip(test.features, test.lengths))


def test_accuracy_looks_at_the_last_valid_step():
    split = example.Split(np.zeros((2, 3, 12)), np.array([2, 3]), np.array([4, 5]))
    scores = np.zeros((2, 3, 9))
    scores[0, 1, 4] = scores[0, 2, 8] = scores[1, 2, 7] = 1.0
    assert example.accuracy(scores, split) == 0.5


def test_trained_network_is_imported(data, tmp_path):
    train, test = data
    model = example.train(train, hidden=32, epochs=5)
    accuracy = example.evaluate(model, test)
    assert accuracy > 0.9
    example.save(tmp_path, model, train, test)
    network = load(tmp_path / "japanese_vowels.pt", head="head")
    assert (network.name, network.input_size, network.output_size) == ("japanese_vowels", 12, 9)
    features = np.load(tmp_path / "features.npy")
    assert np.array_equal(np.load(tmp_path / "lengths.npy"), test.lengths)
    assert np.array_equal(np.load(tmp_path / "labels.npy"), test.labels)
    assert np.array_equal(np.load(tmp_path / "train_features.npy"), train.features)
    assert example.accuracy(run_reference(network, features).output, test) == accuracy


def test_same_seed_gives_the_same_network(data):
    first, second = (example.train(data[0], hidden=4, epochs=1, seed=3).state_dict() for _ in range(2))
    assert all(first[name].equal(second[name]) for name in first)


def test_as_a_script(tmp_path):
    command = [sys.executable, SCRIPT, "-o", tmp_path / "out", "--hidden", "4", "--epochs", "1"]
    environment = {"PYTHONPATH": str(SCRIPT.parents[1])}
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert run.stdout.startswith("test accuracy 0.")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "features.npy",
        "japanese_vowels.pt",
        "labels.npy",
        "lengths.npy",
        "train_features.npy",
    ]


def test_aeon_is_missing(monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    message = (
        r"^The data set needs the package aeon, which is not installed; run 'pip install --no-deps aeon==1\.6\.0'\.$"
    )
    with pytest.raises(ToolError, match=message):
        example.load_data()
    assert example.main([]) == 2
    assert "aeon" in capsys.readouterr().err


def test_data_file_is_missing(tmp_path):
    with pytest.raises(DataError, match=r"^Data file 'a\.ts' is not in '.*'; reinstall aeon==1\.6\.0\.$"):
        example.read_ts(tmp_path / "a.ts")
