"""One operation of a graph, as the readers of single operations see it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnngen.frontend.onnx_graph.file import Array
from rnngen.frontend.onnx_graph.graph import Node
from rnngen.frontend.onnx_graph.known import known
from rnngen.frontend.onnx_graph.values import Host, Known, Size, Steps, Value, shape_of
from rnngen.frontend.tracing import Tracer


class NotOursError(Exception):
    """The accelerator cannot do the operation; the text says why, where the name alone does not."""


@dataclass(frozen=True, eq=False)
class Call:
    """One operation on a value that the tracer follows.

    Attributes:
        tracer: What follows the model.
        node: The operation.
        opset: Its version.
        inputs: Its inputs; None for one that is left out.
    """

    tracer: Tracer
    node: Node
    opset: int
    inputs: tuple[Known | None, ...]

    @property
    def where(self) -> str:
        """The operation's place."""
        return self.node.name

    @property
    def value(self) -> Value:
        """The first input, which the tracer follows."""
        value = self.inputs[0]
        if not isinstance(value, (Steps, Host)):
            raise NotOursError("its first input is a constant")
        return value

    @property
    def shape(self) -> tuple[Size | None, ...]:
        """Of the first input."""
        shape = shape_of(self.value)
        if shape is None:
            raise NotOursError("the shape of its input is not known")
        return shape

    def axis(self, default: int) -> int:
        """The attribute, not negative."""
        axis = int(self.node.attributes.get("axis", default))
        return axis + len(self.shape) if axis < 0 else axis

    def number(self, name: str, default: float) -> float:
        """An attribute, which ONNX keeps as float32; so is its default."""
        return float(np.float32(self.node.attributes.get(name, default)))

    def constant(self, place: int) -> Array | None:
        """An input that must be constant; None if it is left out."""
        value = self.inputs[place] if place < len(self.inputs) else None
        if value is None:
            return None
        if not isinstance(value, np.ndarray):
            raise NotOursError(f"its input '{self.node.inputs[place]}' is not constant")
        return value

    def numbers(self, place: int) -> Array:
        """An input that must be there, constant, and known."""
        array = self.constant(place)
        if array is None or not known(array):
            raise NotOursError(f"its input number {place + 1} is not constant")
        return array

    @property
    def constants(self) -> list[Array | None]:
        """The inputs behind the first, for the readers of axes and sizes."""
        return [None, *(self.constant(place) for place in range(1, len(self.inputs)))]
