"""Small models to import: dicts of arrays, and a function that saves one as a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import save_file

Arrays = dict[str, npt.NDArray[np.generic]]


def lstm_arrays(
    inputs: int = 3, hidden: int = 4, prefix: str = "", suffix: str = "_l0", gates: int = 4, seed: int = 0
) -> Arrays:
    """Parameters of one recurrent layer under PyTorch's names."""
    rng = np.random.default_rng(seed)
    rows = gates * hidden
    shapes = {"weight_ih": (rows, inputs), "weight_hh": (rows, hidden), "bias_ih": (rows,), "bias_hh": (rows,)}
    return {f"{prefix}{name}{suffix}": rng.uniform(-1, 1, shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.fixture
def arrays() -> Callable[..., Arrays]:
    return lstm_arrays


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Write arrays to ``NAME.safetensors`` and give its path."""

    def write(state: Arrays, name: str = "model") -> Path:
        path = tmp_path / f"{name}.safetensors"
        save_file(dict(state), path)
        return path

    return write
