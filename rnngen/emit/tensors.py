"""Float and integer parameters of a design as safetensors, and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from rnngen.arith.format import IntArray
from rnngen.emit.document import integer_arrays
from rnngen.emit.float_document import float_arrays
from rnngen.errors import DesignError
from rnngen.ir.network import Network
from rnngen.ir.quantised import QuantisedNetwork

FLOAT_FILE = "data/float.safetensors"
INTEGER_FILE = "data/integers.safetensors"


def float_bytes(network: Network) -> bytes:
    """The float64 parameters, named ``INDEX.FIELD``."""
    return save(float_arrays(network))


def integer_bytes(network: QuantisedNetwork) -> bytes:
    """The integer parameters, named ``INDEX.FIELD``, in the narrowest type that holds them."""
    arrays = integer_arrays(network)
    return save({name: np.ascontiguousarray(_narrowest(array)) for name, array in arrays.items()})


def _narrowest(array: IntArray) -> np.ndarray[tuple[int, ...], np.dtype[np.signedinteger]]:
    for kind in (np.int8, np.int16, np.int32):
        limits = np.iinfo(kind)
        if array.min(initial=0) >= limits.min and array.max(initial=0) <= limits.max:
            return array.astype(kind)
    return array


def read_arrays(path: Path) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]]:
    """All arrays of a file.

    Raises:
        DesignError: if it cannot be read.
    """
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise DesignError(f"'{path}' cannot be read ({error}); generate the design again.") from error
