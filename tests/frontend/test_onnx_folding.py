"""Constants of a graph: as the onnx package computes them, and what is known of shapes that are not all known."""

import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from rnngen.frontend.onnx_graph.file import convert
from rnngen.frontend.onnx_graph.folding import fold
from rnngen.frontend.onnx_graph.known import NotFoldedError
from rnngen.frontend.onnx_graph.values import repeated

M = np.arange(-6.0, 6.0).reshape(3, 4)
P, Q = np.array([7, -7, 6]), np.array([-2, 2, 4])
B, C = np.array([True, False, True]), np.array([True, True, False])


def i(*values):
    return np.array(values, dtype=np.int64)


CASES = [
    ("Abs", (M,), {}),
    ("Exp", (M / 4,), {}),
    ("Log", (M + 7,), {}),
    ("MatMul", (M, M.T), {}),
    ("Pow", (M, np.array(2)), {}),
    ("Pow", (M + 7, np.array(0.5)), {}),
    ("Reciprocal", (M + 6.5,), {}),
    ("ReduceL2", (M, i(1)), {}),
    ("ReduceSum", (M, i(0)), {"keepdims": 0}),
    ("ReduceSum", (M,), {}),
    ("Relu", (M,), {}),
    ("Sigmoid", (M,), {}),
    ("Tanh", (M / 4,), {}),
    ("Add", (M, M[0]), {}),
    ("And", (B, C), {}),
    ("Cast", (M / 3,), {"to": TensorProto.FLOAT}),
    ("Cast", (M / 3,), {"to": TensorProto.INT64}),
    ("Cast", (P,), {"to": TensorProto.BOOL}),
    ("Concat", (M, M), {"axis": 1}),
    ("ConstantOfShape", (i(2, 3),), {}),
    ("Div", (P, Q), {}),
    ("Div", (M, M[0] + 0.5), {}),
    ("Equal", (P, i(7, 7, 7)), {}),
    ("Expand", (M[:1], i(2, 3, 1)), {}),
    ("Gather", (M, i(2, 0)), {}),
    ("Gather", (M, np.array(-1)), {"axis": 1}),
    ("Greater", (P, Q), {}),
    ("GreaterOrEqual", (P, Q), {}),
    ("Identity", (M,), {}),
    ("Less", (P, Q), {}),
    ("LessOrEqual", (P, Q), {}),
    ("Max", (P, Q), {}),
    ("Min", (M, M[0], M[1]), {}),
    ("Mul", (P, Q), {}),
    ("Neg", (M,), {}),
    ("Not", (B,), {}),
    ("Or", (B, C), {}),
    ("Range", (np.array(1), np.array(8), np.array(3)), {}),
    ("ReduceProd", (P, i(0)), {"keepdims": 0}),
    ("Reshape", (M, i(0, 2, -1)), {}),
    ("Size", (M,), {}),
    ("Slice", (M, i(1), i(3)), {}),
    ("Slice", (M, i(-2, 3), i(2**63 - 1, 0), i(0, 1), i(1, -2)), {}),
    ("Slice", (M, i(-1), i(-(2**63) + 1), i(1), i(-1)), {}),
    ("Slice", (M, i(0), i(-9), i(1), i(1)), {}),
    ("Sqrt", (M + 6,), {}),
    ("Squeeze", (M[:, None], i(1)), {}),
    ("Squeeze", (M[:1],), {}),
    ("Sub", (M, M[:, :1]), {}),
    ("Tile", (M, i(2, 1)), {}),
    ("Transpose", (M,), {}),
    ("Transpose", (M[None],), {"perm": [1, 0, 2]}),
    ("Unsqueeze", (M, i(0, -1)), {}),
    ("Where", (B, P, Q), {}),
]


@pytest.mark.parametrize("number", range(len(CASES)))
def test_known_values(number):
    operation, inputs, attributes = CASES[number]
    names = [f"x{place}" for place in range(len(inputs))]
    entries = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in zip(names, inputs)
    ]
    output = helper.make_tensor_value_info("y", TensorProto.UNDEFINED, None)
    graph = helper.make_graph([helper.make_node(operation, names, ["y"], **attributes)], "g", entries, [output])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    (expected,) = ReferenceEvaluator(proto).run(None, dict(zip(names, inputs)))
    (result,) = fold(operation, attributes, inputs)
    expected = convert(np.asarray(expected), "y")
    assert result.dtype == expected.dtype
    assert result.shape == expected.shape
    exact = operation not in ("Exp", "Log", "Sigmoid", "Tanh", "ReduceL2")
    assert np.array_equal(result, expected) if exact else np.allclose(result, expected, rtol=1e-14, atol=0.0)


def test_split():
    for attributes, inputs, outputs in (({"axis": 1}, (M, i(1, 3)), 2), ({"axis": 1, "split": [1, 3]}, (M,), 2)):
        left, right = fold("Split", attributes, inputs, outputs)
        assert np.array_equal(left, M[:, :1])
        assert np.array_equal(right, M[:, 1:])
    assert [piece.shape for piece in fold("Split", {}, (M,), 2)] == [(2, 4), (1, 4)]


def some(*values):
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


PARTLY = [
    ("Gather", (some("b", 4), np.array(1)), {}, np.array(4)),
    ("Gather", (some("b", 4), i(0)), {}, some("b")),
    ("Concat", (i(2), some("b")), {"axis": 0}, some(2, "b")),
    ("Mul", (some("b", 4), i(2, 2)), {}, some(None, 8)),
    ("Equal", (some("b", 4), i(1, 4)), {}, some(None, True)),
    ("Equal", (some("b", None), some("b", "b")), {}, some(True, None)),
    ("Equal", (some("b", 4), i(-1, -1)), {}, np.array([False, False])),
    ("Where", (np.array([True, False]), i(1, 1), some("b", "c")), {}, some(1, "c")),
    ("Slice", (some("b", 4, 5), i(1), i(3)), {}, i(4, 5)),
    ("Cast", (some("b"),), {"to": TensorProto.INT64}, some("b")),
    ("Not", (some(None),), {}, some(None)),
]


@pytest.mark.parametrize("number", range(len(PARTLY)))
def test_partly_known_values(number):
    operation, inputs, attributes, expected = PARTLY[number]
    (result,) = fold(operation, attributes, inputs)
    assert result.dtype == expected.dtype
    assert result.shape == expected.shape
    assert list(result.ravel()) == list(expected.ravel())


UNKNOWN = [
    ("RandomNormal", (), {}),
    ("Cast", (some("b"),), {"to": TensorProto.FLOAT}),
    ("Cast", (M,), {"to": TensorProto.STRING}),
    ("ConstantOfShape", (i(2**20, 2**20),), {}),
    ("Expand", (M, i(2**30, 3, 4)), {}),
    ("Tile", (M, i(2**30, 1)), {}),
    ("Range", (np.array(0), np.array(2**40), np.array(1)), {}),
    ("Range", (np.array(0), np.array(5), np.array(0)), {}),
    ("Div", (P, np.zeros(3, np.int64)), {}),
    ("Gather", (M, i(9)), {}),
    ("Where", (some(None, True), i(1, 1), i(2, 2)), {}),
    ("Add", (M, np.zeros(3)), {}),
    ("ReduceProd", (some("b", 2),), {}),
    ("Gather", (M, some("b")), {}),
    ("Unsqueeze", (M,), {}),
    ("Exp", (some(1, "b"),), {}),
    ("Squeeze", (M, i(2**62)), {}),
    ("Pow", (P, Q), {}),
    ("MatMul", (P, Q), {}),
    ("ReduceSum", (M,), {"noop_with_empty_axes": 1}),
]


@pytest.mark.parametrize("number", range(len(UNKNOWN)))
def test_unknown_values(number):
    operation, inputs, attributes = UNKNOWN[number]
    with pytest.raises(NotFoldedError):
        fold(operation, attributes, inputs)


def test_repeated_constant():
    value = repeated(np.array([[1.0, 2.0]]), some(3, "b", 2))
    assert value.axes == {1}
    assert np.array_equal(value.array, np.tile([[[1.0, 2.0]]], (3, 1, 1)))
    with pytest.raises(NotFoldedError):
        repeated(np.zeros((2, 1)), some("b", 4))
    with pytest.raises(NotFoldedError):
        repeated(np.zeros((1, 2)), some("b", 3))
    with pytest.raises(NotFoldedError):
        repeated(np.zeros((1, 1)), some("b", 2**40))
