"""Recurrent nodes given to the tracer: where they begin, what state they begin with, and the shapes they give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from rnngen.errors import ModelError
from rnngen.frontend.onnx_graph.file import Array
from rnngen.frontend.onnx_graph.graph import Node
from rnngen.frontend.onnx_graph.known import NotFoldedError, known, slices, split_sizes
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


@dataclass(frozen=True)
class Part:
    """Entries of the first axis of an input of the model; ``stop`` is None where that is its end."""

    name: str
    start: int = 0
    stop: int | None = None

    def overlaps(self, other: Part) -> bool:
        """Whether both hold an entry of one input."""
        after = self.stop is not None and self.stop <= other.start
        before = other.stop is not None and other.stop <= self.start
        return self.name == other.name and not after and not before


@dataclass(eq=False)
class Sequences:
    """The recurrent nodes of a model.

    Attributes:
        source: The model.
        tracer: What follows its values.
        given: Inputs of the model and parts of them, and which input: there a state comes from that is kept outside.
        parts: Which of their entries these are, where they are whole entries of the first axis.
        taken: Those that recurrent nodes begin with.
        ones: Axes that have length 1 by their making, of values by name.
    """

    source: Source
    tracer: Tracer
    given: dict[str, str] = field(default_factory=dict)
    parts: dict[str, Part] = field(default_factory=dict)
    taken: list[Part] = field(default_factory=list)
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
        parts: list[Part] = []
        for key in ("initial_h", "initial_c"):
            state = self._state(label, key, names.get(key, ""), given.get(key))
            parts += [state] if isinstance(state, Part) else []
            arrays[key] = None if isinstance(state, Part) else state
        layers = read_layers(node.operation, node.name, label, node.attributes, arrays)
        if parts:
            self._take(node, label, parts, layers)
        return self._shaped(node, self._begin(node, label, given.get("X"), layers[0].input_size), layers)

    def _weight(self, label: str, key: str, value: Known | None) -> Array | None:
        if value is None:
            return None
        if not isinstance(value, np.ndarray) or not known(value):
            raise ModelError(f"{label}: {key} must be constant, not computed from the model's input.")
        return value

    def _take(self, node: Node, label: str, parts: list[Part], layers: tuple[RecurrentLayer, ...]) -> None:
        """States that the caller gives."""
        if node.operation == "LSTM" and len(parts) < 2:
            raise ModelError(
                f"{label} takes one of initial_h and initial_c from an input of the model ('{parts[0].name}') and the "
                f"other one not; take both from inputs."
            )
        for part in parts:
            if node.attributes.get("layout", 0) == 1 and part != Part(part.name):
                raise ModelError(
                    f"{label} begins with a part of the model's input '{part.name}', which with layout 1 is some of "
                    f"the sequences; give it the whole input."
                )
            if any(part.overlaps(other) for other in self.taken):
                raise ModelError(
                    f"{label} begins with entries of the model's input '{part.name}' that are a state already; give "
                    f"each state entries of its own."
                )
            self.taken.append(part)
        for number, layer in enumerate(layers):
            self.tracer.given[layer.name] = tuple((part.name, part.start + number) for part in parts)

    def cut(self, node: Node, arrays: Sequence[Array | None]) -> None:
        """Remember which entries of an input a node gives; ``arrays``: its constant inputs."""
        part = self.parts.get(node.inputs[0]) if node.inputs else None
        if part is None:
            return
        if node.operation in ("Identity", "Cast"):
            self.parts[node.outputs[0]] = part
            return
        with suppress(NotFoldedError):
            for output, (start, stop) in zip(node.outputs, self._ranges(node, arrays, part)):
                self.parts[output] = Part(part.name, part.start + start, part.start + stop)

    def _ranges(self, node: Node, arrays: Sequence[Array | None], part: Part) -> list[tuple[int, int]]:
        """First entry and end of each output of a node that cuts the first axis.

        Raises:
            NotFoldedError: if it does something else.
        """
        length = self._length(part)
        if length is None:
            raise NotFoldedError
        if node.operation == "Slice":
            found = slices(node.attributes, arrays)
            if [(axis, step) for axis, _, _, step in found] != [(0, 1)]:
                raise NotFoldedError
            start, stop, _ = slice(found[0][1], found[0][2]).indices(length)
            return [(start, stop)]
        if node.operation == "Split" and node.attributes.get("axis", 0) == 0:
            ends = np.cumsum([0, *split_sizes(node.attributes, arrays, length, len(node.outputs))])
            return [(int(start), int(stop)) for start, stop in zip(ends, ends[1:])]
        raise NotFoldedError

    def _length(self, part: Part) -> int | None:
        """How many entries a part has; None if the file does not say it."""
        if part.stop is not None:
            return part.stop - part.start
        size = self.source.shapes.get(part.name, ("",))[0]
        return size if isinstance(size, int) else None

    def _state(self, label: str, key: str, name: str, value: Known | None) -> Array | Part | None:
        """An initial state, or None for zeros: the one place that says which states there can be."""
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
            part = self.parts.get(name)
            if part is None:
                raise ModelError(
                    f"{label}: {origin} that is moved about; give the input itself or entries of its first axis, or "
                    f"name the node (--select) to begin every sequence with zeros and keep the state inside the "
                    f"accelerator."
                )
            return part
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
