"""A model's graph followed symbolically: one method for each normalised operation, a ``Chain`` at the end.

A graph reader (torch.export, ONNX) calls the methods in the order of the graph.  They take and give ``Value``:
``Steps`` (layers applied to the accelerator's input), ``Host`` (what the host computes) or ``Constant``.
Layouts are followed and not guessed: which axis of the input is time is what the recurrent layers say.

An operation that is not one of the accelerator's stays on the host if it stands before the first recurrent
layer or behind the last one, else the model is refused.  A graph that branches is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rnngen.frontend import layout
from rnngen.frontend.axes import AxisTracer, features_axis
from rnngen.frontend.chain import Chain
from rnngen.frontend.closing import close, is_features
from rnngen.frontend.layout import Unsupported
from rnngen.frontend.traced import (
    UNIT,
    Atom,
    Constant,
    Direction,
    Host,
    Pending,
    Piece,
    Size,
    Stack,
    Stage,
    Steps,
    Value,
)
from rnngen.ir.layers import (
    ActivationLayer,
    AffineLayer,
    ArgmaxLayer,
    EmbeddingLayer,
    FloatArray,
    Layer,
    LinearLayer,
    RecurrentLayer,
)

__all__ = ["Constant", "Host", "Size", "Steps", "Tracer", "Value"]


class Tracer(AxisTracer):
    """Follows one model.

    Args:
        title, stem, source, kind: As in ``Chain``.

    All methods take ``where``, the operation's place in the model, which names its layer and stands in messages,
    and raise ModelError where the model must be refused.  A method that gives a ``Host`` value gives it without a
    shape: set it with ``shaped`` where it is known.
    """

    # Layers

    def _closed(self, where: str, operation: str, value: Value, axis: int) -> Steps | Host:
        """The value with its features along ``axis``, ready for a layer; a Host where that has to stay there."""
        if isinstance(value, Constant):
            raise self.refuse(where, f"({operation}) computes with constants alone, not with the model's input.")
        if isinstance(value, Host):
            if value.base is not None:
                return self.unsupported(where, operation, [value])
            if value.shape is None:
                raise self.refuse(
                    where, f"({operation}) takes a tensor of unknown shape; save the model with its shapes."
                )
            value = self._begin(value.shape, value.done)
        try:
            at = layout.position(axis, len(value.axes))
            closed = close(value, at)
        except Unsupported as reason:
            self._stages(where, value)
            return self.unsupported(where, operation, [value], str(reason))
        self.role(where, value.axes[at], "features")
        return closed

    def _check_size(self, where: str, value: Steps, size: int) -> None:
        if value.size != size:
            raise self.refuse(where, f"takes {size} features but gets {value.size}; check the model's sizes.")

    def _append(self, value: Steps, stage: Stage, size: int | None = None) -> Steps:
        """One more layer; with ``size`` the features are as many from now on."""
        if size is None:
            return replace(value, stages=(*value.stages, stage))
        axes = tuple(
            tuple(Atom(UNIT, size) if atom.label == UNIT else atom for atom in axis) for axis in value.axes
        )
        return replace(value, axes=axes, stages=(*value.stages, stage), size=size)

    def recurrent(
        self, where: str, value: Value, layers: Sequence[Sequence[Direction]], time_axis: int
    ) -> tuple[Value, Value, Value]:
        """A recurrent module: y, h_n and c_n, in PyTorch's shapes.

        Args:
            where: Its place.
            value: (T, F), (T, B, F) or (B, T, F).
            layers: For each layer its directions, 1 or 2, the second reversed; initial states are theirs.
            time_axis: Which axis of the value is T.

        Returns:
            y of the value's shape with D * H features, h_n (layers * D, B, H), c_n the same (an LSTM's only).
        """
        if isinstance(value, Host) and value.base is not None:
            raise self.refuse(
                where, f"is a recurrent layer behind what stays on the host ({value.done[0]}); "
                f"the layers of the accelerator must follow one another."
            )
        closed = self._closed(where, "recurrent layer", value, -1)
        if not isinstance(closed, Steps) or len(closed.axes) not in (2, 3):
            raise self.refuse(where, "must take a sequence of shape (steps, features), with or without a batch axis.")
        if not closed.whole_steps:
            raise self.refuse(
                where, "is a recurrent layer behind one that leaves a single step; give it the whole sequence."
            )
        self._check_size(where, closed, layers[0][0].input_size)
        time_axis = layout.position(time_axis, len(closed.axes) - 1)
        for number, axis in enumerate(closed.axes[:-1]):
            if len(axis) > 1:
                raise self.refuse(where, "takes an axis in which steps and sequences are merged; reshape it back.")
            self.role(where, axis, "steps" if number == time_axis else "sequences")
        return self._stacked(where, closed, layers, time_axis)

    def _stacked(
        self, where: str, value: Steps, layers: Sequence[Sequence[Direction]], time_axis: int
    ) -> tuple[Steps, Steps, Steps]:
        stack = Stack(where, tuple(tuple(branches) for branches in layers))
        top = len(stack.layers) - 1
        first = stack.layers[top][0]
        batch = [axis for number, axis in enumerate(value.axes[:-1]) if number != time_axis]
        directions = [Piece(top, branch, "all") for branch in range(len(stack.layers[top]))]
        hidden = first.hidden_size if isinstance(first, RecurrentLayer) else first.output_size
        count = sum(len(branches) for branches in stack.layers)

        def make(axes: list[tuple[Atom, ...]], pieces: list[Piece], size: int) -> Steps:
            value_ = replace(value, axes=tuple(axes), size=size, stack=stack, whole_steps=pieces[0].step == "all")
            return layout.with_pieces(value_, pieces)

        def final(cell: bool) -> list[Piece]:
            places = [(k, b) for k, branches in enumerate(stack.layers) for b in range(len(branches))]
            return [Piece(layer, branch, "final", cell) for layer, branch in places]

        features = (Atom("stack0", len(directions)), Atom(UNIT, first.output_size))
        states = (Atom("stack0", count),)
        return (
            make([*value.axes[:-1], features], directions, first.output_size),
            make([states, *batch, (Atom(UNIT, first.output_size),)], final(False), first.output_size),
            make([states, *batch, (Atom(UNIT, hidden),)], final(True), hidden),
        )

    def step(self, where: str, value: Value, layer: RecurrentLayer) -> Value:
        """A cell whose state the model takes in and gives out: each call is one step; gives the new h."""
        closed = self._closed(where, "cell", value, -1)
        if not isinstance(closed, Steps):
            raise self.refuse(where, f"is a recurrent cell behind what stays on the host ({closed.done[0]}).")
        self._check_size(where, closed, layer.input_size)
        for axis in closed.axes[:-1]:
            self.role(where, axis, "sequences")
        self.note("Each call of the model is one step; the accelerator keeps the state.")
        return self._append(closed, layer, layer.output_size)

    def linear(self, where: str, value: Value, weight: FloatArray, bias: FloatArray | None = None) -> Value:
        """``weight x + bias`` over the last axis; weight (O, I)."""
        closed = self._closed(where, "linear", value, -1)
        if isinstance(closed, Host):
            return closed
        self._check_size(where, closed, weight.shape[1])
        zeros = np.zeros(weight.shape[0]) if bias is None else bias
        return self._append(closed, LinearLayer(where, weight, zeros), weight.shape[0])

    def activation(self, where: str, value: Value, function: str, low: float = -1.0, high: float = 1.0) -> Value:
        """An element-wise function of ``rnngen.ir.layers.ACTIVATIONS``."""
        value = self._elementwise(where, function, value)
        if isinstance(value, Host):
            return value
        return self._append(value, Pending(where, lambda size: ActivationLayer(where, function, size, low, high)))

    def _elementwise(self, where: str, operation: str, value: Value) -> Steps | Host:
        """The value ready for a layer that does not care which axis the features are."""
        if isinstance(value, Steps) and value.stack is None:
            return value
        at = -1
        if isinstance(value, Steps):
            at = next((i for i in range(len(value.axes)) if features_axis(value, i)), -1)
        closed = self._closed(where, operation, value, at)
        if isinstance(closed, Steps) and isinstance(value, Host):
            return self._begin(value.shape or (), value.done)  # the features may be any axis
        return closed

    def affine(self, where: str, value: Value, scale: FloatArray, shift: FloatArray, axis: int) -> Value:
        """``scale * x + shift`` along an axis, which is that of the features; both (F,)."""
        closed = self._closed(where, "affine", value, axis)
        if isinstance(closed, Host):
            return closed
        self._check_size(where, closed, scale.size)
        return self._affine(where, closed, scale, shift)

    def _affine(self, where: str, value: Steps, scale: FloatArray, shift: FloatArray) -> Steps:
        last = value.stages[-1] if value.stages else None
        if isinstance(last, LinearLayer) and np.all(scale == 1.0) and not np.any(last.bias):
            return replace(value, stages=(*value.stages[:-1], replace(last, bias=shift)))  # MatMul + Add
        return self._append(value, AffineLayer(where, scale, shift))

    def batch_norm(
        self,
        where: str,
        value: Value,
        mean: FloatArray,
        variance: FloatArray,
        weight: FloatArray | None,
        bias: FloatArray | None,
        epsilon: float,
        axis: int = 1,
    ) -> Value:
        """A batch norm at inference, with its running statistics; all (F,)."""
        scale = (1.0 if weight is None else weight) / np.sqrt(variance + epsilon)
        shift = (0.0 if bias is None else bias) - mean * scale
        return self.affine(where, value, scale, shift, axis)

    def arithmetic(self, where: str, operation: str, left: Value, right: Value) -> Value:
        """``add``, ``sub``, ``mul`` or ``div`` of two tensors, one of them a constant for each feature."""
        constant = right if isinstance(right, Constant) else left
        value = left if constant is right else right
        if not isinstance(constant, Constant) or (operation == "div" and constant is left):
            return self.unsupported(where, operation, [left, right])
        array = np.asarray(constant.array, dtype=np.float64)
        one, zero = np.ones_like(array), np.zeros_like(array)
        scale, shift = {
            "add": (one, array),
            "sub": (one, -array) if constant is right else (-one, array),
            "mul": (array, zero),
            "div": (np.divide(one, array, where=array != 0, out=np.full_like(array, np.inf)), zero),
        }[operation]
        return self._broadcast(where, operation, value, scale, shift)

    def _broadcast(
        self, where: str, operation: str, value: Value, scale: FloatArray, shift: FloatArray
    ) -> Value:
        if scale.size == 1:
            ready = self._elementwise(where, operation, value)
            if isinstance(ready, Host):
                return ready
            a, b = float(scale.reshape(())), float(shift.reshape(()))
            if ready.size:
                return self._affine(where, ready, np.full(ready.size, a), np.full(ready.size, b))
            stage = Pending(where, lambda size: AffineLayer(where, np.full(size, a), np.full(size, b)))
            return self._append(ready, stage)
        varying = [axis - scale.ndim for axis, size in enumerate(scale.shape) if size != 1]
        rank = len(value.axes) if isinstance(value, Steps) else len(getattr(value, "shape", None) or ())
        if len(varying) != 1 or scale.ndim > rank:
            return self.unsupported(where, operation, [value], f"its constant has the shape {scale.shape}")
        return self.affine(where, value, scale.ravel(), shift.ravel(), varying[0])

    def embedding(self, where: str, value: Value, table: FloatArray) -> Value:
        """Rows of a table (V, D), chosen by the symbols that the input holds."""
        if isinstance(value, Host) and value.base is None and value.shape is not None:
            value = self._begin(value.shape, value.done)
        if isinstance(value, Host):
            return self.unsupported(where, "embedding", [value])
        if not isinstance(value, Steps) or value.stages or value.stack is not None:
            raise self.refuse(where, "is an embedding behind other layers; it must be the first, on the model's input.")
        size = int(table.shape[1])
        return replace(
            value, axes=(*value.axes, (Atom(UNIT, size),)), stages=(EmbeddingLayer(where, table),), size=size
        )

    def one_hot(self, where: str, value: Value, classes: int) -> Value:
        """A one-hot code of the input's symbols: an embedding whose table is the identity."""
        return self.embedding(where, value, np.eye(classes))

    # Ends

    def softmax(self, where: str, value: Value, axis: int, operation: str = "softmax") -> Value:
        """A softmax or its logarithm: stays on the host, but an argmax behind it can do without."""
        ordered = isinstance(value, Steps) and value.recurrent and self._has_features(value, axis)
        host = self.unsupported(where, operation, [value])
        return replace(host, keeps_order=ordered)

    def _has_features(self, value: Steps, axis: int) -> bool:
        try:
            return features_axis(value, axis)
        except Unsupported:
            return False

    def argmax(self, where: str, value: Value, axis: int, keep: bool = False) -> Value:
        """The number of the largest feature, the first of equals."""
        ordered = value.base if isinstance(value, Host) and value.keeps_order else None
        if isinstance(value, Host) and ordered is not None and self._has_features(ordered, axis):
            self.note(f"{value.done[-1].split(' is ')[0]} is dropped because the argmax behind it is the same.")
            value = ordered
        if not isinstance(value, Steps) or not value.recurrent or not self._has_features(value, axis):
            return self.unsupported(where, "argmax", [value])
        closed = self._closed(where, "argmax", value, axis)
        if isinstance(closed, Host):
            return closed
        done = self._append(closed, ArgmaxLayer(where, closed.size), 1)
        return done if keep else layout.squeeze(done, [axis])

    def finish(self, outputs: Sequence[Value], states: Sequence[Value] = ()) -> Chain:
        """The chain that gives the first output; the others may only be final states.

        Args:
            outputs: What the model returns.
            states: Those among them that are new states of cells (``step``).

        Raises:
            ModelError: if there is no recurrent layer, or an output is another one.
        """
        value = outputs[0]
        base = value.base if isinstance(value, Host) else value
        if not isinstance(base, Steps) or not base.recurrent:
            host = value.done if isinstance(value, Host) else ()
            raise self.refuse(
                "forward",
                "gives nothing that a supported recurrent layer computed"
                + (f" ({host[0].rstrip('.')})" if host else "")
                + "; LSTM, GRU and RNN layers are supported.",
            )
        for number, other in enumerate(outputs[1:], 1):
            if any(other is state for state in states):
                continue
            if not isinstance(other, Steps) or other.stack is None or not _is_state(other):
                raise self.refuse(
                    "forward",
                    f"gives {len(outputs)} tensors, and number {number + 1} is no final state of a recurrent layer; "
                    f"one output is supported, so wrap the model in one that returns it alone.",
                )
            self.note("The final states that the model returns beside its output are not taken.")
        layers = _built(self._stages("forward", base))
        if base.stack is not None and not any(is_features(base, at) for at in range(len(base.axes))):
            raise self.refuse(
                base.stack.name, "gives out its directions on separate axes; join them along the features."
            )
        after = value.done if isinstance(value, Host) else ()
        return Chain(self.title, self.stem, self.source, self.kind, layers, base.host_before, after, tuple(self.notes))


def _is_state(value: Steps) -> bool:
    """Whether a value is h_n or c_n, or a part of one."""
    return all(piece.step == "final" for piece in layout.ordered_pieces(value))


def _built(stages: Sequence[Stage]) -> tuple[Layer, ...]:
    """The layers, with the sizes that were pending; the first stage with one of its own tells those before it."""
    sizes = [0 if isinstance(stage, Pending) else stage.input_size for stage in stages]
    size = next(size for size in sizes if size)
    layers: list[Layer] = []
    for stage in stages:
        layer = stage.build(size) if isinstance(stage, Pending) else stage
        size = layer.output_size
        layers.append(layer)
    return tuple(layers)
