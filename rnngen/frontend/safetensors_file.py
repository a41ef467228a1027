"""Reading ``.safetensors`` files; needs no PyTorch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors import SafetensorError, deserialize

from rnngen.errors import ModelError
from rnngen.frontend.tensors import Checkpoint, Tensor
from rnngen.ir.network import FloatArray

_NUMPY_TYPES = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}
TYPE_NAMES = {
    "F16": "float16",
    "BF16": "bfloat16",
    "F32": "float32",
    "F64": "float64",
    "I8": "int8",
    "U8": "uint8",
    "I16": "int16",
    "I32": "int32",
    "I64": "int64",
    "BOOL": "bool",
}
"""PyTorch's name of each type of the format; others are shown as the format spells them."""


def _to_float64(data: bytearray, dtype: str) -> FloatArray:
    if dtype == "BF16":  # the upper half of a float32
        return (np.frombuffer(data, dtype="<u2").astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    return np.frombuffer(data, dtype=_NUMPY_TYPES[dtype]).astype(np.float64)


def _tensor(name: str, shape: list[int], dtype: str, data: bytearray) -> Tensor:
    return Tensor(name, tuple(shape), TYPE_NAMES.get(dtype, dtype), lambda: _to_float64(data, dtype))


def read_safetensors(path: Path) -> Checkpoint:
    """All tensors of a safetensors file, sorted by name.

    Raises:
        ModelError: if the file cannot be read or is corrupt.
    """
    title = f"Model '{path.name}'"
    try:
        entries = deserialize(path.read_bytes())
    except OSError as error:
        raise ModelError(f"{title} cannot be read ({error.strerror}); check the file and its permissions.") from error
    except SafetensorError as error:
        raise ModelError(
            f"{title} is not a valid safetensors file ({error}); copy or save it again with safetensors' save_file."
        ) from error
    tensors = {
        name: _tensor(name, entry["shape"], entry["dtype"], entry["data"])
        for name, entry in sorted(entries, key=lambda pair: pair[0])
    }
    return Checkpoint(title, path.stem, path.name, "safetensors", tensors)
