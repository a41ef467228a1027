"""The arrays of a model.weights.h5: read by h5py, only plain ones, only of the shapes that are expected."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from rnngen.errors import ModelError, ToolError
from rnngen.ir.layers import FloatArray

if TYPE_CHECKING:
    import h5py

_DAMAGE = (OSError, RuntimeError, ValueError, LookupError, TypeError, AttributeError, MemoryError, ArithmeticError)
"""What h5py was seen to raise on damaged files."""

Shape = tuple[int | None, ...]


def _hdf5(title: str) -> Any:
    try:
        import h5py
    except ImportError as error:
        raise ToolError(
            f"Reading {title.lower()} needs h5py, which is not installed; run 'python -m pip install h5py'."
        ) from error
    return h5py


class Weights:
    """Arrays by group.

    Args:
        title: How messages call the model.
        data: All bytes of model.weights.h5.

    Raises:
        ModelError: if the bytes are no HDF5 file.
        ToolError: if h5py is not installed.
    """

    def __init__(self, title: str, data: bytes) -> None:
        self._title = title
        self._h5py = _hdf5(title)
        try:
            self._file = self._h5py.File(io.BytesIO(data), "r")
        except _DAMAGE as error:
            raise self._damaged("it is no HDF5 file") from error

    def read(
        self,
        name: str,
        group: str,
        labels: tuple[str, ...],
        shapes: tuple[Shape, ...],
        more: tuple[str, ...] = (),
    ) -> list[FloatArray]:
        """The arrays ``group/vars/0, 1, ...``, as many as there are labels, each of its shape (None: any size).

        Args:
            name: Name of the layer, for messages.
            group: For instance ``layers/lstm/cell``.
            labels: What each array is, for messages.
            shapes: Of each array.
            more: Variables behind these that must be there and are not read.

        Raises:
            ModelError: if an array is missing, too many, of another shape or type, not plain, or not finite.
        """
        try:
            return self._read(name, group, labels, shapes, more)
        except _DAMAGE as error:
            raise self._damaged(f"the arrays in '{group}' cannot be read") from error

    def layers(self) -> tuple[str, ...]:
        """The groups of all layers, for instance ``layers/lstm_1``."""
        try:
            return tuple(f"layers/{name}" for name in self._group("layers", "layers") or ())
        except _DAMAGE as error:
            raise self._damaged("its layers cannot be listed") from error

    def _read(
        self,
        name: str,
        group: str,
        labels: tuple[str, ...],
        shapes: tuple[Shape, ...],
        more: tuple[str, ...],
    ) -> list[FloatArray]:
        variables = self._group(name, f"{group}/vars")
        every = labels + more
        keys = [str(number) for number in range(len(every))]
        if variables is None or sorted(variables) != sorted(keys):
            there = 0 if variables is None else len(variables)
            state = "the model has not been built" if there == 0 else "the file does not fit its config.json"
            raise ModelError(
                f"{self._title}: layer '{name}' must have {len(every)} arrays ({', '.join(every)}) in "
                f"'{group}/vars' of model.weights.h5, not {there}; {state}, so build it and save it again with "
                f"model.save(path)."
            )
        entries = zip(keys, labels, shapes)
        return [self._array(name, label, variables, key, shape) for key, label, shape in entries]

    def _group(self, name: str, path: str) -> h5py.Group | None:
        """The group at a path of plain groups; None where there is none."""
        here: Any = self._file
        for part in path.split("/"):
            link = here.get(part, getlink=True)
            if link is None:
                return None
            if not isinstance(link, self._h5py.HardLink):
                raise self._not_plain(name, path)
            here = here[part]
            if not isinstance(here, self._h5py.Group):
                raise self._not_plain(name, path)
        return here

    def _array(self, name: str, label: str, group: h5py.Group, key: str, shape: Shape) -> FloatArray:
        hard = isinstance(group.get(key, getlink=True), self._h5py.HardLink)
        if not hard or not isinstance(group[key], self._h5py.Dataset) or not _is_plain(group[key]):
            raise self._not_plain(name, f"{group.name}/{key}")
        dataset: h5py.Dataset = group[key]
        found = dataset.shape
        if len(found) != len(shape) or any(want not in (None, size) for want, size in zip(shape, found)):
            expected = "(" + ", ".join("any" if size is None else str(size) for size in shape) + ")"
            raise ModelError(
                f"{self._title}: {label} of layer '{name}' must have the shape {expected}, not {found}; "
                f"save the model again with model.save(path)."
            )
        return self._values(name, label, dataset)

    def _values(self, name: str, label: str, dataset: h5py.Dataset) -> FloatArray:
        brain = str(dataset.attrs.get("dtype", "")) == "bfloat16"
        if dataset.dtype.kind != "f" and not (brain and dataset.dtype == np.uint16):
            raise ModelError(
                f"{self._title}: {label} of layer '{name}' has the type {dataset.dtype}, which is not floating-point; "
                f"rnngen quantises the network itself, so save the model before quantisation."
            )
        raw = dataset[()]
        if brain:  # the upper half of a float32
            raw = (np.asarray(raw, dtype=np.uint32) << 16).view(np.float32)
        values = np.array(raw, dtype=np.float64)
        if not np.all(np.isfinite(values)):
            raise ModelError(
                f"{self._title}: {label} of layer '{name}' holds values that are not finite; all must be, so repair "
                f"the model or take an earlier one."
            )
        return values

    def _not_plain(self, name: str, path: str) -> ModelError:
        return ModelError(
            f"{self._title}: '{path}' in model.weights.h5, of layer '{name}', is a link, or compressed, or kept "
            f"elsewhere; only arrays as Keras writes them are read, so save the model again with model.save(path)."
        )

    def _damaged(self, what: str) -> ModelError:
        return ModelError(
            f"{self._title} has a damaged model.weights.h5 ({what}); copy it or save it again with model.save(path)."
        )


def _is_plain(dataset: h5py.Dataset) -> bool:
    """Whether all values of a dataset are stored in this file as they are, so that reading takes what is there."""
    if dataset.shape is None or dataset.is_virtual or dataset.external is not None:
        return False
    return bool(dataset.id.get_storage_size() == dataset.size * dataset.dtype.itemsize)
