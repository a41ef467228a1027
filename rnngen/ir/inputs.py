"""Input arrays: one check for all who take them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rnngen.errors import DataError
from rnngen.ir.network import FloatArray, Network


def check_array(x: npt.ArrayLike, features: int, what: str) -> FloatArray:
    """The array as float64 (sequences, steps, features).

    Raises:
        DataError: on a wrong type, wrong shape, no steps, or a value that is not finite.
    """
    array = np.asarray(x)
    if array.dtype.kind not in "fiu":
        raise DataError(f"{what} must hold real numbers, not '{array.dtype}'.")
    if array.ndim != 3 or array.shape[2] != features or array.size == 0:
        raise DataError(
            f"{what} must have the shape (sequences, steps, {features}) with at least one sequence and step, "
            f"not {array.shape}."
        )
    array = array.astype(np.float64)
    if not np.all(np.isfinite(array)):
        where = [int(i) for i in np.argwhere(~np.isfinite(array))[0]]
        raise DataError(f"{what} holds {array[tuple(where)]} at {where}; all values must be finite.")
    return array


def check_input(x: npt.ArrayLike, network: Network, what: str) -> FloatArray:
    """Input of a network as float64 (sequences, steps, input size); symbols may come as (sequences, steps).

    Raises:
        DataError: as ``check_array``, and for symbols that are no integers of 0 .. V - 1.
    """
    array = np.asarray(x)
    if not network.symbols:
        return check_array(array, network.input_size, what)
    values = check_array(array[:, :, None] if array.ndim == 2 else array, 1, what)
    wrong = (values != np.floor(values)) | (values < 0) | (values >= network.symbols)
    if np.any(wrong):
        where = [int(i) for i in np.argwhere(wrong)[0]]
        raise DataError(
            f"{what} must hold symbols, integers within 0..{network.symbols - 1}, "
            f"not {values[tuple(where)]:g} at {where}."
        )
    return values


def check_lengths(lengths: Sequence[int] | None, values: FloatArray) -> tuple[int, ...]:
    """Steps of each sequence of (sequences, longest, features); all of them if None.

    Raises:
        DataError: if there is not one length a sequence, or one is not within 1 .. longest.
    """
    sequences, longest = int(values.shape[0]), int(values.shape[1])
    if lengths is None:
        return (longest,) * sequences
    if len(lengths) != sequences:
        raise DataError(f"There must be {sequences} lengths, one a sequence, not {len(lengths)}.")
    for number, length in enumerate(lengths):
        if not 1 <= length <= longest:
            raise DataError(f"Length {number} must be within 1..{longest}, not {length}.")
    return tuple(int(length) for length in lengths)
