"""Input arrays: one check for all who take them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rnngen.errors import DataError
from rnngen.ir.network import FloatArray


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
