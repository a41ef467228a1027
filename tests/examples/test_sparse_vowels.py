"""The example that prunes and trains on: its masks, and a short run."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[2]


@pytest.fixture
def example(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "examples")
    return importlib.import_module("sparse_vowels")


def test_every_kind_keeps_as_many_weights(example):
    weight = torch.from_numpy(np.random.default_rng(0).normal(size=(320, 80)))
    for ratio in example.RATIOS:
        kept = {kind: choose("", weight, ratio.sparsity) for kind, choose in example.masks(ratio).items()}
        assert {int(mask.sum()) for mask in kept.values()} == {round((1 - ratio.sparsity) * 320 * 80)}
        in_bank = [kept["banks"][:, bank :: ratio.banks].sum(axis=1) for bank in range(ratio.banks)]
        assert len(np.unique(in_bank)) == 1
        tiles = kept["blocks"].reshape(80, 4, 20, 4).sum(axis=(1, 3))
        assert set(np.unique(tiles)) == {0, 16}
        threshold = weight.abs()[torch.from_numpy(kept["unstructured"])].min()
        assert (weight.abs()[torch.from_numpy(~kept["unstructured"])] <= threshold).all()


def test_as_a_script():
    command = [sys.executable, "examples/sparse_vowels.py", "--epochs", "1", "--dense-epochs", "2", "--exact", "4", "8"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT)})
    assert run.stderr == ""
    first, second = run.stdout.split("in the circuit, 4-bit weights and 8-bit activations")
    rows = re.findall(r"^ +([\d.]+) % +(\d+) ((?: +[01]\.\d{4}){6})$", first, re.MULTILINE)
    assert [(ratio, banks) for ratio, banks, _ in rows] == [
        ("50", "10"), ("75", "10"), ("87.5", "10"), ("90", "8"), ("93.75", "5"),
    ]  # fmt: skip
    rows = re.findall(r"^ +([\d.]+) % +([01]\.\d{4}) +([01]\.\d{4}) +([01]\.\d{4})$", second, re.MULTILINE)
    assert [row[0] for row in rows] == ["0", "50", "75", "87.5", "90", "93.75"]
    assert all(float(figure) > 0.5 for row in rows for figure in row[1:])  # of nine speakers
