"""Arrays in and out of .npy files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from rnngen.arith.format import FloatArray
from rnngen.emit.folder import write_atomically
from rnngen.errors import DataError
from rnngen.ir.inputs import check_input
from rnngen.ir.network import Network


def read_array(path: Path, network: Network, what: str) -> FloatArray:
    """Input of a network, (sequences, steps, input size) float64, from a .npy file.

    Raises:
        DataError: if the file is missing or damaged, or the array is not what it should be.
    """
    if not path.is_file():
        raise DataError(f"{what} '{path}' does not exist or is not a file; give a .npy file.")
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{what} '{path}' cannot be read as .npy ({error}); save it with numpy.save.") from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{what} '{path}' is an archive of arrays; save one array with numpy.save.")
    return check_input(array, network, f"{what} '{path}'")


def write_array(path: Path, array: FloatArray) -> None:
    """Writes a .npy file, whole or not at all.

    Raises:
        DesignError: if it cannot be written.
    """
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    write_atomically(path, buffer.getvalue())
