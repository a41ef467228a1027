"""An ONNX graph followed node by node: constants folded, the rest given to the tracer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from rnngen.errors import ModelError
from rnngen.frontend import layout
from rnngen.frontend.onnx_graph.call import Call
from rnngen.frontend.onnx_graph.file import Array, to_array
from rnngen.frontend.onnx_graph.folding import fold
from rnngen.frontend.onnx_graph.graph import (
    BRANCHES,
    MOVES,
    Node,
    holds,
    inner_names,
    needed_nodes,
    node_name,
    read_node,
    recurrent_nodes,
)
from rnngen.frontend.onnx_graph.known import NotFoldedError, axes_of, known, settle, slices
from rnngen.frontend.onnx_graph.moves import separate
from rnngen.frontend.onnx_graph.operations import run
from rnngen.frontend.onnx_graph.sequences import Part, Sequences, Source
from rnngen.frontend.onnx_graph.values import (
    Host,
    Known,
    Repeated,
    Scope,
    Steps,
    Value,
    repeated,
    shape_of,
)
from rnngen.frontend.tracing import Tracer

if TYPE_CHECKING:
    import onnx

_FILLS = ("ConstantOfShape", "Expand")
_KEEPS = ("Cast", "Identity", "Slice")
"""Operations on a ``Repeated`` that leave its axes where they are."""


class Walk:
    """Follows the graph of a model, and of the branches inside it that are taken.

    Args:
        source: The model.
        tracer: What follows its values.
    """

    def __init__(self, source: Source, tracer: Tracer) -> None:
        self.source, self.tracer = source, tracer
        self._begun = source.select is None
        self._sequences = Sequences(source, tracer)

    # Graphs

    def follow(
        self, graph: onnx.GraphProto, wanted: Sequence[str], constants: Mapping[str, Array]
    ) -> list[Known]:
        """The values of some outputs of the model's graph.

        Args:
            graph: The graph.
            wanted: Names of the outputs.
            constants: Values of inputs that are constant.

        Raises:
            ModelError: if what makes them is neither the accelerator's nor can stay on the host.
        """
        scope = self._scope(graph, None)
        for entry in graph.input:
            if entry.name in constants:
                scope.set(entry.name, constants[entry.name])
            elif scope.get(entry.name) is None:
                self._sequences.given[entry.name] = entry.name
                self._sequences.parts[entry.name] = Part(entry.name)
                scope.set(entry.name, self._input(entry.name))
        values = self._values(graph, scope, wanted)
        if not self._begun:
            raise ModelError(
                f"Selection '{self.source.select}' is a node of {self.tracer.source} that '{wanted[0]}' does not need; "
                f"choose another."
            )
        return values

    def _scope(self, graph: onnx.GraphProto, outer: Scope | None) -> Scope:
        return Scope(outer, graph.initializer, lambda t: to_array(t, self.source.title, self.source.folder))

    def _input(self, name: str) -> Value:
        shape = self.source.shapes.get(name)
        return Host(None, (), shape=shape) if shape is None or not self._begun else self.tracer.input(shape)

    def _values(self, graph: onnx.GraphProto, scope: Scope, wanted: Sequence[str]) -> list[Known]:
        nodes, names = needed_nodes(graph, wanted)
        for proto in nodes:
            node = read_node(proto, self.source.title, self.source.folder)
            inputs = tuple(self._lookup(node, name, scope) if name else None for name in node.inputs)
            for name, value in zip(node.outputs, self._outputs(proto, node, inputs, scope, names)):
                scope.set(name, self._with_shape(name, value))
        return [self._found(graph.name, name, scope) for name in wanted]

    def _lookup(self, node: Node, name: str, scope: Scope) -> Known:
        return self._found(node.name, name, scope)

    def _found(self, where: str, name: str, scope: Scope) -> Known:
        value = scope.get(name)
        if value is None:
            raise self.tracer.refuse(where, f"reads '{name}', which is no value of the model; export it again.")
        return value

    def _with_shape(self, name: str, value: Known) -> Known:
        shape = self.source.shapes.get(name)
        if isinstance(value, Host) and value.shape is None and shape is not None:
            return replace(value, shape=shape)
        return value

    # Nodes

    def _outputs(
        self, proto: onnx.NodeProto, node: Node, inputs: tuple[Known | None, ...], scope: Scope, names: Collection[str]
    ) -> Sequence[Known]:
        if node.operation == "If":
            return self._if(proto, node, inputs, scope, names)
        if node.branches:
            return self._inner(node, inputs, scope)
        if node.recurrent:
            self._begun = self._begun or node.name == self.source.select
            return self._sequences.follow(node, inputs) if self._begun else self._traced(node, inputs)
        if node.operation == "Constant":
            return [self._constant(node)]
        if node.operation in MOVES and node.inputs[0] in self._sequences.given:
            self._sequences.given.update(dict.fromkeys(node.outputs, self._sequences.given[node.inputs[0]]))
            self._sequences.cut(node, [value if isinstance(value, np.ndarray) else None for value in inputs])
        if node.operation == "Unsqueeze":
            self._note_axes(node, inputs)
        return self._known(node, inputs) or self._traced(node, inputs)

    def _inner(self, node: Node, inputs: tuple[Known | None, ...], scope: Scope) -> Sequence[Known]:
        """A loop or another operation with a graph inside, which also reads values from outside it."""
        read = set().union(*(
            needed_nodes(graph, [entry.name for entry in graph.output])[1] for graph in node.branches.values()
        ))  # fmt: skip
        values = [*inputs, *(scope.get(name) for name in sorted(read))]
        traced = [value for value in (separate(self.tracer, v) for v in values) if isinstance(value, (Steps, Host))]
        return [self.tracer.unsupported(node.name, node.operation, traced)] * len(node.outputs)

    def _note_axes(self, node: Node, inputs: tuple[Known | None, ...]) -> None:
        """Remember which axes have length 1 by their making; the host's values have no shape that says it."""
        arrays = [value if isinstance(value, np.ndarray) else None for value in inputs]
        with suppress(NotFoldedError):
            self._sequences.ones[node.outputs[0]] = tuple(axes_of(node.attributes, arrays) or ())

    def _constant(self, node: Node) -> Array:
        for key, value in node.attributes.items():
            if key == "value" and isinstance(value, np.ndarray):
                return value
            if key in ("value_int", "value_ints"):
                return np.asarray(value, dtype=np.int64)
            if key in ("value_float", "value_floats"):
                return np.asarray(value, dtype=np.float64)
        raise self.tracer.refuse(node.name, "(Constant) holds neither numbers nor truth values; export it without.")

    def _known(self, node: Node, inputs: tuple[Known | None, ...]) -> list[Known] | None:
        """The outputs, where they are constants or shapes; None if they are not."""
        first = inputs[0] if inputs else None
        try:
            if node.operation == "Shape" and first is not None:
                return [self._shape(node, first)]
            if node.operation in _KEEPS and isinstance(first, Repeated):
                return self._kept(node, first, inputs)
            arrays = [value for value in inputs if value is None or isinstance(value, np.ndarray)]
            if not inputs or len(arrays) < len(inputs):
                return None
            target = arrays[-1]
            if node.operation in _FILLS and target is not None and not known(target):
                fill = node.attributes.get("value", np.zeros(1)) if node.operation == "ConstantOfShape" else arrays[0]
                return [repeated(np.asarray(fill), target)]
            return [*fold(node.operation, node.attributes, arrays, len(node.outputs))]
        except NotFoldedError:
            return None

    def _shape(self, node: Node, value: Known) -> Array:
        shape = shape_of(value)
        if shape is None:
            raise NotFoldedError
        start, end = node.attributes.get("start", 0), node.attributes.get("end")
        array = np.empty(len(shape), dtype=object)
        array[:] = shape
        return settle(array[slice(start, end)])

    def _kept(self, node: Node, value: Repeated, inputs: tuple[Known | None, ...]) -> list[Known]:
        arrays = [item for item in inputs[1:] if item is None or isinstance(item, np.ndarray)]
        if len(arrays) < len(inputs) - 1:
            raise NotFoldedError
        if node.operation == "Slice":
            cut = {axis % value.array.ndim for axis, *_ in slices(node.attributes, [None, *arrays])}
            if cut & value.axes:
                raise NotFoldedError
        (array,) = fold(node.operation, node.attributes, [value.array, *arrays])
        return [Repeated(array, value.axes)]

    def _traced(self, node: Node, inputs: tuple[Known | None, ...]) -> Sequence[Known]:
        counted = any(isinstance(value, Repeated) and value.array.dtype != np.float64 for value in inputs)
        if counted or not self._begun:
            values = [value for value in inputs if isinstance(value, (Steps, Host))]
            return [self.tracer.unsupported(node.name, node.operation, values)] * len(node.outputs)
        # A repeated constant is the constant that broadcasts to it.
        plain = tuple(value.array if isinstance(value, Repeated) else value for value in inputs)
        return run(Call(self.tracer, node, self.source.opset, plain))

    # If

    def _if(
        self,
        proto: onnx.NodeProto,
        node: Node,
        inputs: tuple[Known | None, ...],
        scope: Scope,
        names: Collection[str],
    ) -> Sequence[Known]:
        key = self._taken(node, inputs[0])
        if key is not None:
            return self._branch(proto, node, key, scope, names)
        if self._begun and any(True for graph in node.branches.values() for _ in recurrent_nodes(graph)):
            raise self.tracer.refuse(
                node.name,
                f"(If) holds recurrent nodes in branches that the model's input chooses; choose one of them by its "
                f"name (--select): {listing(node.branches.values())}.",
            )
        branches = [self._branch(proto, node, name, scope, names) for name in BRANCHES]
        return [self._merged(node, inputs[0], *pair) for pair in zip(*branches, strict=True)]

    def _taken(self, node: Node, condition: Known | None) -> str | None:
        """The branch that the condition or the selection takes; None if the model's input does."""
        if isinstance(condition, np.ndarray) and condition.dtype == bool and condition.size == 1:
            return BRANCHES[0] if condition.item() else BRANCHES[1]
        select = self.source.select
        if select is not None:
            return next((name for name in BRANCHES if holds(node.branches[name], select)), None)
        return None

    def _branch(
        self, proto: onnx.NodeProto, node: Node, key: str, scope: Scope, names: Collection[str]
    ) -> list[Known]:
        """The outputs of the If by one branch; what nobody needs is an empty constant."""
        graph = node.branches[key]
        wanted = inner_names(graph, proto, names)
        values = dict(zip(wanted, self._values(graph, self._scope(graph, scope), wanted), strict=True))
        result = []
        for inner, name in zip(graph.output, node.outputs, strict=True):
            if inner.name in self._sequences.given:
                self._sequences.given[name] = self._sequences.given[inner.name]
            result.append(values.get(inner.name, np.zeros(0)))
        return result

    def _merged(self, node: Node, condition: Known | None, left: Known, right: Known) -> Known:
        """What both branches give, where they differ by axes of length 1 at most; else the host's choice."""
        if left is right:
            return left
        if isinstance(left, np.ndarray) and isinstance(right, np.ndarray) and np.array_equal(left, right):
            return left
        if isinstance(left, Steps) and isinstance(right, Steps) and _same(left, right):
            return left if len(left.axes) > len(right.axes) else right
        values = [value for value in (left, right, condition) if isinstance(value, (Steps, Host))]
        return self.tracer.unsupported(node.name, "If", values, "its condition is not known before run time")


def _same(left: Steps, right: Steps) -> bool:
    """Whether two tensors are one but for axes of the batch, which one of them leaves out."""
    fewer, more = sorted((left, right), key=lambda value: len(value.axes))
    if left.stages != right.stages or left.stack is not right.stack or left.whole_steps != right.whole_steps:
        return False
    if left.labels != right.labels or layout.ordered_pieces(left) != layout.ordered_pieces(right):
        return False
    rest = [axis for axis in more.axes if axis not in fewer.axes]
    kept = tuple(axis for axis in more.axes if axis in fewer.axes)
    return kept == fewer.axes and not any(atom.stacked or atom.label == "unit" for axis in rest for atom in axis)


def listing(graphs: Collection[onnx.GraphProto]) -> str:
    """The recurrent nodes of some graphs, for messages."""
    return ", ".join(f"'{node_name(node)}' ({node.op_type})" for graph in graphs for node in recurrent_nodes(graph))



