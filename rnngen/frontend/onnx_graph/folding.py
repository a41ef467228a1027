"""Constants and shapes: what of an ONNX graph can be computed before any input is there.

Arithmetic is float64; a Cast to a narrower type rounds as it says.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from rnngen.frontend.onnx_graph.file import Array
from rnngen.frontend.onnx_graph.known import (
    Attributes,
    Inputs,
    NotFoldedError,
    axes_of,
    bounded,
    integers,
    known,
    settle,
    slices,
    split_sizes,
)


def _elementwise(function: Callable[..., Any]) -> Callable[[Attributes, Inputs], Array]:
    def one(*values: Any) -> Any:
        return None if any(value is None or isinstance(value, str) for value in values) else function(*values)

    def run(attributes: Attributes, inputs: Inputs) -> Array:
        arrays = [array for array in inputs if array is not None]
        if all(known(array) for array in arrays):
            result = np.asarray(function(*arrays))
            return result.astype(np.int64) if result.dtype.kind in "iu" else result
        return np.asarray(np.frompyfunc(one, len(arrays), 1)(*arrays), dtype=object)

    return run


def _divide(a: Any, b: Any) -> Any:
    """Division as ONNX has it: of integers towards zero."""
    if np.asarray(a).dtype.kind == "f":
        return a / b
    if np.any(np.asarray(b) == 0):
        raise NotFoldedError
    quotient = np.abs(a) // np.abs(b)
    return quotient * np.sign(a) * np.sign(b)


def _equal(attributes: Attributes, inputs: Inputs) -> Array:
    a, b = _two(inputs)
    if known(a) and known(b):
        return np.asarray(a == b)

    def one(x: Any, y: Any) -> bool | None:
        if isinstance(x, str) and x == y:
            return True
        free = x is None or y is None or isinstance(x, str) or isinstance(y, str)
        # A size that is not known is still no negative number.
        negative = any(isinstance(value, (int, np.integer)) and value < 0 for value in (x, y))
        return (False if negative and x is not None and y is not None else None) if free else bool(x == y)

    return np.asarray(np.frompyfunc(one, 2, 1)(a, b), dtype=object)


def _two(inputs: Inputs) -> tuple[Array, Array]:
    if len(inputs) != 2 or inputs[0] is None or inputs[1] is None:
        raise NotFoldedError
    return inputs[0], inputs[1]


def _first(inputs: Inputs) -> Array:
    if not inputs or inputs[0] is None:
        raise NotFoldedError
    return inputs[0]


def _cast(attributes: Attributes, inputs: Inputs) -> Array:
    from onnx import TensorProto

    array, to = _first(inputs), attributes["to"]
    if not known(array):
        if to in (TensorProto.INT64, TensorProto.INT32):
            return array
        raise NotFoldedError
    narrow = {TensorProto.FLOAT: np.float32, TensorProto.DOUBLE: np.float64, TensorProto.FLOAT16: np.float16}
    if to in narrow:
        return array.astype(narrow[to]).astype(np.float64)
    if to in (TensorProto.INT64, TensorProto.INT32):
        return array.astype(np.int64)
    if to == TensorProto.BOOL:
        return array.astype(bool)
    raise NotFoldedError


def _squeeze(attributes: Attributes, inputs: Inputs) -> Array:
    array, axes = _first(inputs), axes_of(attributes, inputs)
    return np.squeeze(array, axis=None if axes is None else tuple(axes))


def _unsqueeze(attributes: Attributes, inputs: Inputs) -> Array:
    axes = axes_of(attributes, inputs)
    if axes is None:
        raise NotFoldedError
    return np.expand_dims(_first(inputs), tuple(axes))


def _reshape(attributes: Attributes, inputs: Inputs) -> Array:
    array, target = _first(inputs), integers(inputs[1])
    if not attributes.get("allowzero", 0):
        target = [array.shape[index] if size == 0 else size for index, size in enumerate(target)]
    return array.reshape(target)


def _transpose(attributes: Attributes, inputs: Inputs) -> Array:
    return np.transpose(_first(inputs), attributes.get("perm"))


def _gather(attributes: Attributes, inputs: Inputs) -> Array:
    array, where = _two(inputs)
    if where.dtype != np.int64:
        raise NotFoldedError
    return np.asarray(np.take(array, where, axis=attributes.get("axis", 0)), dtype=array.dtype)


def _slice(attributes: Attributes, inputs: Inputs) -> Array:
    array = _first(inputs)
    for axis, start, end, step in slices(attributes, inputs):
        array = array[(slice(None),) * (axis % array.ndim) + (slice(start, end, step),)]
    return array


def _concat(attributes: Attributes, inputs: Inputs) -> Array:
    arrays = [array for array in inputs if array is not None]
    if not all(known(array) for array in arrays):
        arrays = [array.astype(object) for array in arrays]
    return np.concatenate(arrays, axis=attributes["axis"])


def _expand(attributes: Attributes, inputs: Inputs) -> Array:
    array, target = _first(inputs), integers(inputs[1])
    return np.broadcast_to(array, bounded(np.broadcast_shapes(array.shape, tuple(target)))).copy()


def _filled(attributes: Attributes, inputs: Inputs) -> Array:
    value = attributes.get("value")
    fill = np.zeros(1) if value is None else value
    return np.full(bounded(integers(inputs[0])), fill.flat[0], dtype=fill.dtype)


def _range(attributes: Attributes, inputs: Inputs) -> Array:
    start, limit, delta = (_first([array]) for array in inputs)
    if not all(known(array) for array in (start, limit, delta)) or float(delta) == 0.0:
        raise NotFoldedError
    bounded([max(0, math.ceil((float(limit) - float(start)) / float(delta)))])
    return np.asarray(np.arange(start.item(), limit.item(), delta.item()))


def _tile(attributes: Attributes, inputs: Inputs) -> Array:
    array, repeats = _first(inputs), integers(inputs[1])
    bounded([array.size, *repeats])
    return np.tile(array, repeats)


def _where(attributes: Attributes, inputs: Inputs) -> Array:
    condition = _first(inputs)
    if condition.dtype != bool:
        raise NotFoldedError
    a, b = _two(inputs[1:])
    return np.where(condition, a, b)


def _reduction(function: Callable[..., Any]) -> Callable[[Attributes, Inputs], Array]:
    def run(attributes: Attributes, inputs: Inputs) -> Array:
        array, axes = _first(inputs), axes_of(attributes, inputs)
        if not known(array) or attributes.get("noop_with_empty_axes", 0):
            raise NotFoldedError
        axis = None if axes is None else tuple(axes)
        return np.asarray(function(array, axis=axis, keepdims=bool(attributes.get("keepdims", 1))))

    return run


def _real(function: Callable[[Any], Any]) -> Callable[[Attributes, Inputs], Array]:
    """Of known floats alone."""

    def run(attributes: Attributes, inputs: Inputs) -> Array:
        array = _first(inputs)
        if array.dtype != np.float64:
            raise NotFoldedError
        return np.asarray(function(array))

    return run


def _power(attributes: Attributes, inputs: Inputs) -> Array:
    base, exponent = _two(inputs)
    if base.dtype != np.float64 or not known(exponent):
        raise NotFoldedError
    return np.asarray(np.power(base, exponent))


def _matmul(attributes: Attributes, inputs: Inputs) -> Array:
    a, b = _two(inputs)
    if a.dtype != np.float64 or b.dtype != np.float64:
        raise NotFoldedError
    return np.asarray(a @ b)


_FOLDS: dict[str, Callable[[Attributes, Inputs], Array]] = {
    "Abs": _elementwise(np.abs),
    "Add": _elementwise(operator.add),
    "And": _elementwise(np.logical_and),
    "Cast": _cast,
    "Concat": _concat,
    "ConstantOfShape": _filled,
    "Div": _elementwise(_divide),
    "Equal": _equal,
    "Exp": _real(np.exp),
    "Expand": _expand,
    "Gather": _gather,
    "Greater": _elementwise(operator.gt),
    "GreaterOrEqual": _elementwise(operator.ge),
    "Identity": lambda attributes, inputs: _first(inputs),
    "Less": _elementwise(operator.lt),
    "LessOrEqual": _elementwise(operator.le),
    "Log": _real(np.log),
    "MatMul": _matmul,
    "Max": _elementwise(lambda first, *rest: _chain(np.maximum, first, *rest)),
    "Min": _elementwise(lambda first, *rest: _chain(np.minimum, first, *rest)),
    "Mul": _elementwise(operator.mul),
    "Neg": _elementwise(operator.neg),
    "Not": _elementwise(np.logical_not),
    "Or": _elementwise(np.logical_or),
    "Pow": _power,
    "Range": _range,
    "Reciprocal": _real(np.reciprocal),
    "ReduceL2": _reduction(lambda array, **where: np.sqrt(np.sum(array * array, **where))),
    "ReduceProd": _reduction(np.prod),
    "ReduceSum": _reduction(np.sum),
    "Relu": _real(lambda array: np.maximum(array, 0.0)),
    "Reshape": _reshape,
    "Sigmoid": _real(lambda array: 0.5 * (1.0 + np.tanh(0.5 * array))),
    "Size": lambda attributes, inputs: np.asarray(_first(inputs).size, dtype=np.int64),
    "Slice": _slice,
    "Sqrt": _real(np.sqrt),
    "Squeeze": _squeeze,
    "Sub": _elementwise(operator.sub),
    "Tanh": _real(np.tanh),
    "Tile": _tile,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Where": _where,
}


def _chain(function: Callable[[Any, Any], Any], first: Any, *rest: Any) -> Any:
    for other in rest:
        first = function(first, other)
    return first


def fold(operation: str, attributes: Attributes, inputs: Inputs, outputs: int = 1) -> list[Array]:
    """The outputs of an operation whose inputs are all constants or shapes.

    Args:
        operation: ONNX's name of it.
        attributes: By name; tensors as arrays.
        inputs: None for one that is left out.
        outputs: How many there are.

    Raises:
        NotFoldedError: if the operation is none of those known here, or the inputs do not tell enough.
    """
    try:
        if operation == "Split":
            array, axis = _first(inputs), attributes.get("axis", 0)
            ends = np.cumsum(split_sizes(attributes, inputs, array.shape[axis], outputs))[:-1]
            return np.split(array, ends, axis=axis)
        if operation not in _FOLDS:
            raise NotFoldedError
        return [settle(_FOLDS[operation](attributes, inputs))]
    except (ValueError, IndexError, TypeError, KeyError, ArithmeticError) as error:
        raise NotFoldedError from error
