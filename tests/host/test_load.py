"""Parameters that a running accelerator is given: of another design, or of a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from rnngen.emit.design import Design
from rnngen.flow import GenerateOptions, emulate, generate
from rnngen.host import open_device

X = np.random.default_rng(0).uniform(-1, 1, (3, 6, 5))
torch.set_num_threads(1)


def model_of(seed: int) -> nn.LSTM:
    torch.manual_seed(seed)
    return nn.LSTM(5, 7, batch_first=True)


def design_of(folder: Path, seed: int, double_buffer: bool = False) -> Design:
    options = GenerateOptions(
        lanes=(4, 3, 2), loadable=True, double_buffer=double_buffer, calibrate=X, name="net"
    )  # fmt: skip
    return generate(model_of(seed), folder, options)


def test_an_image_for_two_images_holds_one(tmp_path: Path) -> None:
    """What is loaded is the same for a circuit of one image: only the digest differs, and the check with it."""
    one, two = (design_of(tmp_path / str(double), 1, double) for double in (False, True))
    first, second = ((design.folder / "data" / "parameters.bin").read_bytes() for design in (one, two))
    assert first[24:-4] == second[24:-4]
    assert first[8:24] != second[8:24]


@pytest.mark.verilator
def test_another_design_is_loaded_while_this_one_runs(tmp_path: Path) -> None:
    first, second = (design_of(tmp_path / str(seed), seed, True) for seed in (1, 2))
    with open_device(first, "simulation") as device:
        assert np.array_equal(device.run(X), emulate(first, X).output)
        for design in (second, first, second):
            device.load(design)
            assert np.array_equal(device.run(X), emulate(design, X).output)
