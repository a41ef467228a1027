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


def _load(path: Path, what: str) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    if not path.is_file():
        raise DataError(f"{what} '{path}' does not exist or is not a file; give a .npy file.")
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{what} '{path}' cannot be read as .npy ({error}); save it with numpy.save.") from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{what} '{path}' is an archive of arrays; save one array with numpy.save.")
    return array


def read_array(path: Path, network: Network, what: str) -> FloatArray:
    """Input of a network, (sequences, steps, input size) float64, from a .npy file.

    Raises:
        DataError: if the file is missing or damaged, or the array is not what it should be.
    """
    return check_input(_load(path, what), network, f"{what} '{path}'")


def read_lengths(path: Path) -> list[int]:
    """Steps of each sequence from a .npy file of integers (sequences,).

    Raises:
        DataError: if the file is missing or damaged, or holds something else.
    """
    array = _load(path, "Lengths")
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise DataError(
            f"Lengths '{path}' must be integers of shape (sequences,), not {array.dtype} of shape {array.shape}."
        )
    return [int(length) for length in array]


def write_array(path: Path, array: FloatArray) -> None:
    """Writes a .npy file, whole or not at all.

    Raises:
        DesignError: if it cannot be written.
    """
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    write_atomically(path, buffer.getvalue())
