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
from rnngen.frontend.axes import features_axis
from rnngen.frontend.chain import Chain
from rnngen.frontend.closing import is_features
from rnngen.frontend.elementwise import ElementTracer
from rnngen.frontend.layout import Unsupported
from rnngen.frontend.traced import (
    RECURRENT,
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
    ArgmaxLayer,
    EmbeddingLayer,
    FloatArray,
    Layer,
    LinearLayer,
    ParallelLayer,
    RecurrentLayer,
)

__all__ = ["Constant", "Host", "Size", "Steps", "Tracer", "Value"]


class Tracer(ElementTracer):
    """Follows one model.

    Args:
        title, stem, source, kind: As in ``Chain``.

    All methods take ``where``, the operation's place in the model, which names its layer and stands in messages,
    and raise ModelError where the model must be refused.  A method that gives a ``Host`` value gives it without a
    shape: set it with ``shaped`` where it is known.
    """

    # Layers

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
                where,
                f"is a recurrent layer behind what stays on the host ({value.done[0].rstrip('.')}); "
                f"the layers of the accelerator must follow one another.",
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
            raise self.refuse(
                where, f"is a recurrent cell behind what stays on the host ({closed.done[0].rstrip('.')})."
            )
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
        """The chain that gives the first output; the others may only be final states of its layers.

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
        finals: list[Steps] = []
        for number, other in enumerate(outputs[1:], 1):
            if any(other is state for state in states):
                continue
            if not isinstance(other, Steps) or other.stack is None or not is_state(other):
                raise self.refuse(
                    "forward",
                    f"gives {len(outputs)} tensors, and number {number + 1} is no final state of a recurrent layer; "
                    f"one output is supported, so wrap the model in one that returns it alone.",
                )
            finals.append(other)
        layers = _built(self._stages("forward", base))
        self._check_states(layers, finals)
        if base.stack is not None and not any(is_features(base, at) for at in range(len(base.axes))):
            raise self.refuse(
                base.stack.name, "gives out its directions on separate axes; join them along the features."
            )
        after = value.done if isinstance(value, Host) else ()
        notes, caller = tuple(self.notes), bool(self.given or finals)
        return Chain(self.title, self.stem, self.source, self.kind, layers, base.host_before, after, notes, caller)

    def _check_states(self, layers: Sequence[Layer], finals: Sequence[Steps]) -> None:
        """Refuse states that the caller gives to some layers alone, and final ones of what is no layer of the chain."""
        names = [branch.name for layer in layers for branch in _directions(layer)]
        without = [name for name in names if name not in self.given]
        if self.given and without:
            raise self.refuse(
                without[0],
                f"begins with a state of the model's own, while the caller gives that of '{next(iter(self.given))}'; "
                f"take the states of all recurrent layers from inputs, or of none.",
            )
        for value in finals:
            assert value.stack is not None
            for piece in layout.ordered_pieces(value):
                name = value.stack.layers[piece.layer][piece.branch].name
                if name not in names:
                    raise self.refuse(
                        name,
                        "gives out its final state, but the first output of forward does not need this layer; "
                        "leave the state out.",
                    )
        if self.given:
            self.note("The states that sequences begin with are the caller's: they are written over the control port.")
        if finals:
            self.note("The final states that the model returns beside its output are read over the control port.")


def _directions(layer: Layer) -> tuple[Layer, ...]:
    """The layers with a state that a layer is."""
    if isinstance(layer, ParallelLayer):
        return layer.branches
    return (layer,) if isinstance(layer, RECURRENT) else ()


def is_state(value: Steps) -> bool:
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
