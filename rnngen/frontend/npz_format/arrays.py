"""The arrays of an ``.npz``, each read when it is asked for."""

from __future__ import annotations

import io
import tokenize
from pathlib import Path

import numpy as np

from rnngen.errors import ModelError
from rnngen.frontend.archive import Archive
from rnngen.frontend.tensors import listing
from rnngen.ir.layers import FloatArray

_DAMAGE = (
    ValueError,
    OSError,
    EOFError,
    LookupError,
    TypeError,
    SyntaxError,
    MemoryError,
    OverflowError,
    tokenize.TokenError,
)
"""What numpy was seen to raise on damaged members."""


class NpzArrays:
    """Arrays by name.

    Args:
        path: The file.
        title: How messages call it.

    Raises:
        ModelError: if the file cannot be read or is no ``.npz``.
    """

    def __init__(self, path: Path, title: str) -> None:
        self._title = title
        self._archive = Archive(path, title, "save it again with numpy.savez(path, ...)")
        self.names = [name.removesuffix(".npy") for name in self._archive.names if name.endswith(".npy")]
        self.used: set[str] = set()

    def read(self, layer: str, role: str, name: str) -> FloatArray:
        """One array as float64, which is exact.

        Args:
            layer, role: What it is for, for messages.
            name: Of the array.

        Raises:
            ModelError: if there is no such array, or it is damaged, not floating-point, or not finite.
        """
        if name not in self.names:
            raise ModelError(
                f"Layer '{layer}': its {role} is to be the array '{name}', which {self._title} does not hold; "
                f"there are: {listing(self.names)}."
            )
        self.used.add(name)
        array = self._load(name)
        if array.dtype.kind != "f":
            raise ModelError(
                f"Array '{name}' of {self._title} has the type {array.dtype}, which is not floating-point; "
                f"save floating-point parameters, from before any quantisation."
            )
        values = array.astype(np.float64)
        if not np.all(np.isfinite(values)):
            raise ModelError(
                f"Array '{name}' of {self._title} holds values that are not finite; all must be, so repair the model "
                f"or take an earlier one."
            )
        return values

    def _load(self, name: str) -> np.ndarray:
        data = self._archive.read(f"{name}.npy")
        try:
            stream = io.BytesIO(data)
            version = np.lib.format.read_magic(stream)
            header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = header(stream)
            if dtype.hasobject:
                raise ModelError(
                    f"Array '{name}' of {self._title} holds pickled Python objects, which are never loaded because "
                    f"they can run code; save plain arrays with numpy.savez(path, ...)."
                )
            size = int(np.prod([int(n) for n in shape], dtype=object)) * dtype.itemsize
            if size != len(data) - stream.tell():
                raise ValueError("size")
            return np.load(io.BytesIO(data), allow_pickle=False)
        except _DAMAGE as error:
            raise ModelError(
                f"Array '{name}' of {self._title} is damaged; save it again with numpy.savez(path, ...)."
            ) from error
