"""Recurrent nodes given to the tracer: where they begin, what state they begin with, and the shapes they give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from rnngen.errors import ModelError
from rnngen.frontend.onnx_graph.file import Array
from rnngen.frontend.onnx_graph.graph import Node
from rnngen.frontend.onnx_graph.known import known
from rnngen.frontend.onnx_graph.recurrent import INPUTS, read_layers
from rnngen.frontend.onnx_graph.values import Host, Known, Repeated, Size, Steps, Value
from rnngen.frontend.tracing import Tracer
from rnngen.ir.layers import RecurrentLayer


@dataclass(frozen=True, eq=False)
class Source:
    """What is followed.

    Attributes:
        title: How messages call the model.
        folder: Where its data outside the file may lie; None: nowhere.
        opset: Version of its operations.
        select: Name of the recurrent node to begin at; None: the accelerator begins where it can.
        shapes: Lengths of the axes of values by name, where the file or ONNX's shape inference tell them.
    """

    title: str
    folder: Path | None
    opset: int
    select: str | None
    shapes: Mapping[str, tuple[Size, ...]]


@dataclass(eq=False)
class Sequences:
    """The recurrent nodes of a model.

    Attributes:
        source: The model.
        tracer: What follows its values.
        given: Inputs of the model and parts of them, and which input: there a state comes from that is kept outside.
        ones: Axes that have length 1 by their making, of values by name.
    """

    source: Source
    tracer: Tracer
    given: dict[str, str] = field(default_factory=dict)
    ones: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def follow(self, node: Node, inputs: tuple[Known | None, ...]) -> Sequence[Known]:
        """The outputs of a recurrent node.

        Raises:
            ModelError: if the accelerator cannot do what the node does.
        """
        given = dict(zip(INPUTS, inputs))
        label = f"{self.source.title}: '{node.name}' ({node.operation})"
        if given.get("sequence_lens") is not None:
            raise ModelError(
                f"{label} is given sequence_lens, which is not supported; export the model without it, and end each "
                f"sequence at the accelerator's input."
            )
        arrays = {key: self._weight(label, key, given.get(key)) for key in ("W", "R", "B", "P")}
        names = dict(zip(INPUTS, node.inputs))
        for key in ("initial_h", "initial_c"):
            arrays[key] = self._state(label, key, names.get(key, ""), given.get(key))
        layers = read_layers(node.operation, node.name, label, node.attributes, arrays)
        return self._shaped(node, self._begin(node, label, given.get("X"), layers[0].input_size), layers)

    def _weight(self, label: str, key: str, value: Known | None) -> Array | None:
        if value is None:
            return None
        if not isinstance(value, np.ndarray) or not known(value):
            raise ModelError(f"{label}: {key} must be constant, not computed from the model's input.")
        return value

    def _state(self, label: str, key: str, name: str, value: Known | None) -> Array | None:
        """The array of an initial state, or None for zeros: the one place that says which states there can be."""
        if value is None or isinstance(value, np.ndarray):
            return value
        if isinstance(value, Repeated):
            return value.array
        if name not in self.given:
            raise ModelError(
                f"{label}: {key} ('{name}') is computed by the model from its input, which is not supported; a "
                f"sequence can begin with constants or zeros."
            )
        origin = f"{key} is an input of the model ('{self.given[name]}')"
        if self.source.select is None:
            raise ModelError(
                f"{label}: {origin}, which is not supported; name the node (--select) to begin every sequence with "
                f"zeros and keep the state inside the accelerator."
            )
        self.tracer.note(f"{label}: {origin}; it is kept inside the accelerator and begins with zeros.")
        return None

    def _begin(self, node: Node, label: str, value: Known | None, size: int) -> Value:
        """X, with the lengths of its axes where the accelerator begins at it."""
        if not isinstance(value, (Steps, Host)):
            raise ModelError(f"{label}: X must come from the model's input, not be constant.")
        if isinstance(value, Steps) or value.base is not None:
            return value
        lengths: list[Size] = list(value.shape or (f"{node.name}.0", f"{node.name}.1", size))
        if isinstance(lengths[-1], str):
            lengths[-1] = size
        for axis in self.ones.get(node.inputs[0], ()):
            lengths[axis] = 1
        return replace(value, shape=tuple(lengths))

    def _shaped(self, node: Node, value: Value, layers: tuple[RecurrentLayer, ...]) -> Sequence[Known]:
        """Y, Y_h and Y_c in ONNX's shapes: Y (T, D, B, H), states (D, B, H); of layout 1 (B, T, D, H), (B, D, H)."""
        batch_first = node.attributes.get("layout", 0) == 1
        y, h, c = self.tracer.recurrent(node.name, value, [layers], 1 if batch_first else 0)
        if not isinstance(y, Steps) or not isinstance(h, Steps) or not isinstance(c, Steps) or len(y.axes) != 3:
            raise self.tracer.refuse(node.name, "must take X of three axes.")
        first, second, (directions, units) = y.axes
        if batch_first:
            y = y.with_axes((first, second, (directions,), (units,)))
        else:
            y = y.with_axes((first, (directions,), second, (units,)))
        if y.shape[1 if batch_first else 0] == 1:
            # Of a sequence of one step the only output is also the final state.
            h = y.with_axes(((directions,), first if batch_first else second, (units,)))
        if batch_first:
            h, c = (state.with_axes((state.axes[1], state.axes[0], state.axes[2])) for state in (h, c))
        return [y, h, c][: len(node.outputs)]
