"""The nodes of an ONNX graph in plain types, and which of them an output needs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnngen.frontend.onnx_graph.file import to_array
from rnngen.frontend.onnx_graph.recurrent import CELLS

if TYPE_CHECKING:
    import onnx

OWN_DOMAINS = ("", "ai.onnx")
"""Names of ONNX's own operator set."""

BRANCHES = ("then_branch", "else_branch")


@dataclass(frozen=True, eq=False)
class Node:
    """One node.

    Attributes:
        operation: ONNX's name, with the domain before it where it is not ONNX's own.
        name: The node's, or of its first output where it has none.
        attributes: By name: numbers, texts, lists, arrays; without graphs.
        inputs, outputs: Names of values; empty for one that is left out.
        branches: Of an If, by ``BRANCHES``.
    """

    operation: str
    name: str
    attributes: dict[str, Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    branches: dict[str, onnx.GraphProto]

    @property
    def recurrent(self) -> bool:
        """Whether it is an LSTM, GRU or RNN."""
        return self.operation in CELLS


def _attribute(attribute: onnx.AttributeProto, title: str, folder: Path | None) -> Any:
    from onnx import helper

    if attribute.type == attribute.TENSOR:
        return to_array(attribute.t, title, folder)
    value = helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if attribute.type == attribute.STRINGS:
        return [text.decode("utf-8", "replace") for text in value]
    return list(value) if attribute.type in (attribute.FLOATS, attribute.INTS) else value


def node_name(node: onnx.NodeProto) -> str:
    """The node's name, or that of its first output."""
    name = node.name or next((name for name in node.output if name), node.op_type)
    # Of a name that is no UTF-8 protobuf gives the bytes.
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


def read_node(node: onnx.NodeProto, title: str, folder: Path | None) -> Node:
    """A node in plain types."""
    graphs = (node.attribute[0].GRAPH, node.attribute[0].GRAPHS) if node.attribute else ()
    return Node(
        operation=node.op_type if node.domain in OWN_DOMAINS else f"{node.domain}.{node.op_type}",
        name=node_name(node),
        attributes={a.name: _attribute(a, title, folder) for a in node.attribute if a.type not in graphs},
        inputs=tuple(node.input),
        outputs=tuple(node.output),
        branches={a.name: a.g for a in node.attribute if a.type in graphs[:1]},
    )


def recurrent_nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The recurrent nodes of a graph and of the graphs inside it, in order."""
    for node in graph.node:
        if node.op_type in CELLS and node.domain in OWN_DOMAINS:
            yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from recurrent_nodes(attribute.g)


def needed_nodes(graph: onnx.GraphProto, wanted: Collection[str]) -> tuple[list[onnx.NodeProto], set[str]]:
    """The nodes that make the wanted values, in order, and all values that they and the wanted ones are."""
    names = set(wanted)
    chosen: list[onnx.NodeProto] = []
    for node in reversed(graph.node):
        if names.isdisjoint(name for name in node.output if name):
            continue
        chosen.append(node)
        for attribute in node.attribute:
            if attribute.HasField("g"):
                names |= needed_nodes(attribute.g, inner_names(attribute.g, node, names))[1]
        names.update(name for name in node.input if name)
    return chosen[::-1], names


def inner_names(graph: onnx.GraphProto, node: onnx.NodeProto, names: Collection[str]) -> list[str]:
    """The outputs of a branch of an If that stand for its wanted outputs; all of them for another node."""
    if node.op_type != "If":
        return [output.name for output in graph.output]
    return [inner.name for inner, name in zip(graph.output, node.output) if name in names]


def holds(graph: onnx.GraphProto, select: str) -> bool:
    """Whether the recurrent node of that name is in the graph."""
    return any(node_name(node) == select for node in recurrent_nodes(graph))


def is_recurrent_output(graph: onnx.GraphProto, output: str) -> bool:
    """Whether a graph's output is computed by way of a recurrent node."""
    return any(
        node.op_type in CELLS or any(a.HasField("g") and any(recurrent_nodes(a.g)) for a in node.attribute)
        for node in needed_nodes(graph, [output])[0]
    )


MOVES = ("Cast", "Concat", "Gather", "Identity", "Reshape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze")
"""Operations that move numbers and compute none."""


def is_state(graph: onnx.GraphProto, output: str) -> bool:
    """Whether a graph's output is made of final states of recurrent nodes, by ``MOVES`` alone."""
    return bool(state_nodes(graph, output))


def state_nodes(graph: onnx.GraphProto, output: str) -> list[str]:
    """The recurrent nodes whose final states a graph's output is made of, by ``MOVES`` alone; none for another one."""
    makers = {name: (node, place) for node in graph.node for place, name in enumerate(node.output) if name}
    todo: list[str] = [output]
    found: list[str] = []
    while todo:
        node, place = makers.get(todo.pop(), (None, 0))
        if node is None or node.op_type == "Constant":
            continue
        if node.op_type in CELLS and place > 0:
            found.append(node_name(node))
        elif node.op_type in MOVES:
            data = node.input if node.op_type == "Concat" else node.input[:1]
            todo += data
        else:
            return []
    return found
