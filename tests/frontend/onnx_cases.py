"""Small ONNX graphs for the tests, and how they are run: by the onnx package's own evaluator, in float64."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference
from onnx.reference import ReferenceEvaluator

from rnngen.frontend.chain import Chain
from rnngen.ir.network import Network
from rnngen.ir.reference import run_layers

INPUTS, HIDDEN = 3, 4
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
X = {"x": ("t", "b", INPUTS)}

Arrays = dict[str, np.ndarray]


def weights(
    operation: str = "LSTM", inputs: int = INPUTS, hidden: int = HIDDEN, directions: int = 1, seed: int = 0
) -> Arrays:
    """W, R and B of a node, in float64."""
    rng = np.random.default_rng(seed)
    rows = GATES[operation] * hidden
    shapes = {"W": (directions, rows, inputs), "R": (directions, rows, hidden), "B": (directions, 2 * rows)}
    return {name: rng.uniform(-1, 1, shape) for name, shape in shapes.items()}


def node(operation: str, inputs: Sequence[str], outputs: Sequence[str], name: str = "", **attributes: Any) -> Any:
    """A node; its name is that of its first output where none is given."""
    return helper.make_node(operation, list(inputs), list(outputs), name=name, **attributes)


def rnn(
    operation: str = "LSTM", inputs: str = "x W R B", outputs: str = "Y", name: str = "rnn", **attributes: Any
) -> Any:
    """A recurrent node; ``-`` stands for an input or output that is left out."""
    names = [[part.strip("-") for part in text.split()] for text in (inputs, outputs)]
    attributes = {"hidden_size": HIDDEN} | attributes
    return node(operation, *names, name=name, **attributes)


def model(
    nodes: Sequence[Any],
    arrays: Mapping[str, np.ndarray],
    inputs: Mapping[str, Sequence[int | str]] = X,
    outputs: Sequence[str] = ("y",),
    opset: int = 20,
    symbols: Sequence[str] = (),
    name: str = "small",
) -> onnx.ModelProto:
    """A model of float64 inputs (int64 those of ``symbols``); the outputs' types are inferred."""
    entries = [
        helper.make_tensor_value_info(key, TensorProto.INT64 if key in symbols else TensorProto.DOUBLE, shape)
        for key, shape in inputs.items()
    ]
    graph = helper.make_graph(
        list(nodes),
        name,
        entries,
        [onnx.ValueInfoProto(name=key) for key in outputs],
        [numpy_helper.from_array(np.asarray(array), key) for key, array in arrays.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    inferred = {entry.name: entry for entry in shape_inference.infer_shapes(proto).graph.output}
    for entry in graph.output:
        found = inferred[entry.name].type.tensor_type
        rank = len(found.shape.dim) if found.HasField("shape") else 3
        kind = found.elem_type or TensorProto.DOUBLE
        entry.CopyFrom(helper.make_tensor_value_info(entry.name, kind, [None] * rank))
    proto.graph.CopyFrom(graph)
    return proto


def judge(proto: onnx.ModelProto, feeds: Mapping[str, np.ndarray], outputs: Sequence[str] | None = None) -> list[Any]:
    """What the onnx package itself computes of a model."""
    return list(ReferenceEvaluator(proto).run(None if outputs is None else list(outputs), dict(feeds)))


def run_chain(chain: Chain, x: np.ndarray) -> np.ndarray:
    """Output (sequences, steps, features) of a chain, of x (sequences, steps, features)."""
    return run_layers(Network("chain", chain.layers), np.asarray(x, dtype=np.float64))[-1]
