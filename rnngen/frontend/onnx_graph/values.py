"""What a name of an ONNX graph stands for while the graph is followed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from rnngen.frontend.onnx_graph.file import Array
from rnngen.frontend.onnx_graph.known import NotFoldedError, bounded, known, sizes
from rnngen.frontend.tracing import Constant, Host, Size, Steps, Value

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True, eq=False)
class Repeated:
    """A constant repeated along axes whose length is not known.

    Attributes:
        array: Of length 1 along these axes.
        axes: Their numbers.
    """

    array: Array
    axes: frozenset[int]


@dataclass(frozen=True, eq=False)
class Joined:
    """States of several recurrent nodes behind one another, as torch's exporter writes h_n of a module's layers.

    Attributes:
        where: The Concat.
        values: What is joined.
        axis: Along which axis, not negative.
    """

    where: str
    values: tuple[Steps, ...]
    axis: int

    def find(self, index: int) -> tuple[Steps, int] | None:
        """The tensor that holds an entry of the axis, and which of its own it is; None if there is no such one."""
        lengths = [value.shape[self.axis] for value in self.values]
        numbers = [length for length in lengths if isinstance(length, int)]
        if len(numbers) < len(lengths) or not -sum(numbers) <= index < sum(numbers):
            return None
        index %= sum(numbers)
        for value, length in zip(self.values, numbers):
            if index < length:
                return value, index
            index -= length
        return None


Known: TypeAlias = "Array | Repeated | Joined | Value"
"""A constant or shape (``known``), a constant repeated, states joined, or what the tracer follows."""


class Scope:
    """The values of a graph by name; a graph inside another sees those outside.

    Args:
        outer: The scope around it.
        stored: The graph's own tensors.
        read: How a stored tensor becomes an array.
    """

    def __init__(
        self,
        outer: Scope | None,
        stored: Sequence[onnx.TensorProto],
        read: Callable[[onnx.TensorProto], Array],
    ) -> None:
        self._outer = outer
        self._stored = {tensor.name: tensor for tensor in stored}
        self._read = read
        self._values: dict[str, Known] = {}

    def get(self, name: str) -> Known | None:
        """The value of that name; None if there is none."""
        if name in self._values:
            return self._values[name]
        if name in self._stored:
            self._values[name] = self._read(self._stored[name])
            return self._values[name]
        return None if self._outer is None else self._outer.get(name)

    def set(self, name: str, value: Known) -> None:
        """Give a name its value; an empty name is nobody's."""
        if name:
            self._values[name] = value


def shape_of(value: Known) -> tuple[Size | None, ...] | None:
    """Lengths of the axes; None for one, or for all, that are not known."""
    if isinstance(value, np.ndarray):
        return tuple(int(size) for size in value.shape)
    if isinstance(value, Repeated):
        return tuple(None if axis in value.axes else int(n) for axis, n in enumerate(value.array.shape))
    return value.shape if isinstance(value, (Steps, Host)) else None


def repeated(array: Array, target: Array | None) -> Repeated:
    """A constant broadcast to a shape that is known in part.

    Raises:
        NotFoldedError: if the constant does not fit.
    """
    wanted = sizes(target)
    free = frozenset(axis for axis, size in enumerate(wanted) if not isinstance(size, int))
    shape = tuple(size if isinstance(size, int) else 1 for size in wanted)
    lead = len(wanted) - array.ndim
    if not known(array) or lead < 0 or any(axis >= lead and array.shape[axis - lead] != 1 for axis in free):
        raise NotFoldedError
    try:
        return Repeated(np.broadcast_to(array, bounded(np.broadcast_shapes(array.shape, shape))).copy(), free)
    except ValueError as error:
        raise NotFoldedError from error


__all__ = ["Constant", "Host", "Joined", "Known", "Repeated", "Scope", "Size", "Steps", "Value", "repeated", "shape_of"]
