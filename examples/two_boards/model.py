"""Writes the model and the input of TWO_BOARDS.md: two LSTM layers with random weights, and a few sequences.

python examples/two_boards/model.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

INPUTS, UNITS = 12, 32
SEQUENCES, STEPS = 4, 20


def main(folder: Path) -> None:
    """Writes FOLDER/model.safetensors and FOLDER/x.npy; the same bytes each time."""
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(torch.nn.LSTM(INPUTS, UNITS, num_layers=2).state_dict(), folder / "model.safetensors")
    np.save(folder / "x.npy", np.random.default_rng(0).uniform(-1.0, 1.0, (SEQUENCES, STEPS, INPUTS)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
