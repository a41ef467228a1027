"""The operations of ONNX that the accelerator can do, each put into the tracer's terms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from rnngen.frontend.onnx_graph.file import Array
from rnngen.frontend.onnx_graph.folding import (
    NotFoldedError,
    axes_of,
    known,
    sizes,
    slices,
    split_sizes,
)
from rnngen.frontend.onnx_graph.graph import Node
from rnngen.frontend.onnx_graph.values import Constant, Host, Joined, Known, Size, Steps, Value, shape_of
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


def _activation(function: str) -> Callable[[Call], Value]:
    return lambda call: call.tracer.activation(call.where, call.value, function)


def _hard_sigmoid(call: Call) -> Value:
    """clip(alpha x + beta, 0, 1), which is a hardsigmoid of 6 alpha x + 6 beta - 3."""
    alpha, beta = call.number("alpha", 0.2), call.number("beta", 0.5)
    value = call.value
    if np.float32(alpha) != np.float32(1 / 6) or beta != 0.5:
        scale, shift = np.array(6.0 * alpha), np.array(6.0 * beta - 3.0)
        value = call.tracer.arithmetic(f"{call.where}.scale", "mul", value, Constant(scale))
        value = call.tracer.arithmetic(f"{call.where}.shift", "add", value, Constant(shift))
    return call.tracer.activation(call.where, value, "hardsigmoid")


def _clip(call: Call) -> Value:
    limits = [call.node.attributes.get(key) for key in ("min", "max")]
    if call.opset >= 11:
        arrays = [call.constant(place) for place in (1, 2)]
        limits = [None if array is None else float(array.reshape(())) for array in arrays]
    low, high = limits
    if low == 0.0 and (high is None or high >= np.finfo(np.float32).max):
        return call.tracer.activation(call.where, call.value, "relu")
    if low is None or high is None or not low < high:
        raise NotOursError("it must have two limits")
    return call.tracer.activation(call.where, call.value, "hardtanh", low, high)


def _gemm(call: Call) -> Value:
    attributes = call.node.attributes
    weight, bias = call.numbers(1), call.constant(2)
    if attributes.get("transA", 0) or weight.ndim != 2:
        raise NotOursError("its first input is transposed")
    weight = weight if attributes.get("transB", 0) else weight.T
    weight = call.number("alpha", 1.0) * weight
    rows = weight.shape[0]
    if bias is None:
        bias = np.zeros(rows)
    if bias.size not in (1, rows) or (bias.ndim > 1 and bias.shape[-1] != bias.size):
        raise NotOursError("its C is not one number for each output")
    bias = call.number("beta", 1.0) * np.broadcast_to(bias.ravel(), (rows,))
    return call.tracer.linear(call.where, call.value, weight, bias)


def _matmul(call: Call) -> Value:
    weight = call.numbers(1)
    if weight.ndim != 2:
        raise NotOursError(f"its second input has {weight.ndim} axes")
    return call.tracer.linear(call.where, call.value, weight.T.copy())


def _conv(call: Call) -> Value:
    """A convolution of kernel 1 is a linear layer over the channels."""
    weight, bias = call.numbers(1), call.constant(2)
    attributes = call.node.attributes
    plain = weight.ndim == 3 and weight.shape[2] == 1 and attributes.get("group", 1) == 1
    if not plain or any(attributes.get("pads", [])) or set(attributes.get("strides", [1])) != {1}:
        raise NotOursError("only kernels of length 1 are linear layers")
    value = call.tracer.permute(call.where, call.value, [0, 2, 1])
    value = call.tracer.linear(call.where, value, weight[:, :, 0], bias)
    return call.tracer.permute(call.where, value, [0, 2, 1])


def _gather(call: Call) -> Value:
    data, where = call.inputs[:2]
    if isinstance(data, np.ndarray) and isinstance(where, (Steps, Host)):
        if data.ndim != 2 or call.node.attributes.get("axis", 0) != 0 or data.dtype != np.float64:
            raise NotOursError("it is no embedding")
        return call.tracer.embedding(call.where, where, data)
    axis, index = call.axis(0), call.numbers(1)
    if index.size != 1 or index.ndim > 1 or index.dtype != np.int64:
        raise NotOursError("it takes several entries of an axis")
    at = int(index.reshape(()))
    if index.ndim == 0:
        return call.tracer.select(call.where, call.value, axis, at)
    stop = at + 1 if at != -1 else 2**62
    return call.tracer.slice(call.where, call.value, axis, at, stop)


def _slice(call: Call) -> Value:
    value = call.value
    for axis, start, stop, step in slices(call.node.attributes, call.constants):
        value = call.tracer.slice(call.where, value, axis, start, stop, step)
    return value


def _split(call: Call) -> list[Value]:
    axis, pieces = call.axis(0), len(call.node.outputs)
    length = call.shape[axis]
    if not isinstance(length, int):
        raise NotOursError("the length of the axis that it splits is not known")
    lengths = split_sizes(call.node.attributes, call.constants, length, pieces)
    ends = [int(end) for end in np.cumsum(lengths)]
    return [
        call.tracer.slice(call.where, call.value, axis, end - size, end) for size, end in zip(lengths, ends)
    ]


def _concat(call: Call) -> Value | Joined:
    steps = [value for value in call.inputs if isinstance(value, Steps) and value.stack is not None]
    axis = int(call.node.attributes["axis"])
    if len(steps) == len(call.inputs) and len({id(value.stack) for value in steps}) > 1:
        return Joined(call.where, tuple(steps), axis % len(steps[0].axes))
    values = [value if isinstance(value, (Steps, Host)) else Constant(np.zeros(0)) for value in call.inputs]
    return call.tracer.cat(call.where, values, axis)


def _part(call: Call, joined: Joined) -> Value | None:
    """One entry of joined states; None if it is more than that."""
    index = call.constant(1)
    axis = int(call.node.attributes.get("axis", 0)) % len(joined.values[0].axes)
    if call.node.operation != "Gather" or axis != joined.axis or index is None or index.ndim or not known(index):
        return None
    found = joined.find(int(index))
    return None if found is None else call.tracer.select(call.where, found[0], axis, found[1])


def _transpose(call: Call) -> Value:
    order = call.node.attributes.get("perm") or list(range(len(call.shape)))[::-1]
    return call.tracer.permute(call.where, call.value, order)


def _squeeze(call: Call) -> Value:
    return _without(call, axes_of(call.node.attributes, call.constants))


def _without(call: Call, axes: Sequence[int] | None) -> Value:
    """Axes of length 1 dropped; one that is named has this length, or the model does not run."""
    value, shape = call.value, call.shape
    if axes is None:
        return call.tracer.squeeze(call.where, value)
    if any(not -len(shape) <= axis < len(shape) for axis in axes):
        raise NotOursError("it names an axis that its input has not")
    gone = {axis % len(shape) for axis in axes}
    if any(isinstance(shape[axis], int) and shape[axis] != 1 for axis in gone):
        raise NotOursError("an axis that it drops is not of length 1")
    free = {axis for axis in gone if shape[axis] != 1}
    if free and isinstance(value, Steps):
        if any(not atom.label.startswith("axis") for axis in free for atom in value.axes[axis]):
            raise NotOursError("an axis that it drops is not of length 1")
        value = value.with_axes(tuple(() if at in free else axis for at, axis in enumerate(value.axes)))
    return call.tracer.squeeze(call.where, value, sorted(gone))


def _unsqueeze(call: Call) -> Value:
    axes = axes_of(call.node.attributes, call.constants)
    if axes is None:
        raise NotOursError("it names no axes")
    value, rank = call.value, len(call.shape) + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        value = call.tracer.unsqueeze(call.where, value, axis)
    return value


def _reshape(call: Call) -> Value:
    target = sizes(call.constant(1))
    if target.count(None) == 1 and -1 not in target:
        target = [-1 if size is None else size for size in target]
    shape = [size for size in target if size is not None]
    if len(shape) < len(target):
        raise NotOursError("its shape is not known")
    if 0 in shape and call.node.attributes.get("allowzero", 0):
        raise NotOursError("it makes an empty tensor")
    return call.tracer.reshape(call.where, call.value, shape)


def _flatten(call: Call) -> Value:
    shape, axis = call.shape, call.axis(1)
    if axis == 0:
        return call.tracer.reshape(call.where, call.value, [1, -1])
    after = [size for size in shape[axis:] if isinstance(size, int)]
    if len(after) < len(shape[axis:]):
        raise NotOursError("the length of an axis that it joins is not known")
    return call.tracer.reshape(call.where, call.value, [-1, int(np.prod(after))])


def _reduce(call: Call) -> Value:
    """A mean, sum or extreme along axes of length 1 changes nothing."""
    axes = axes_of(call.node.attributes, call.constants)
    if not axes or any(call.shape[axis] != 1 for axis in axes):
        raise NotOursError("")
    return call.value if call.node.attributes.get("keepdims", 1) else _without(call, axes)


def _cast(call: Call) -> Value:
    from onnx import TensorProto

    floats = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)
    value = call.value
    symbols = isinstance(value, Steps) and not value.stages and value.stack is None
    if call.node.attributes["to"] not in floats and not symbols:
        raise NotOursError("it makes integers")
    return value


def _identity(call: Call) -> Value:
    return call.value


def _dropout(call: Call) -> Value:
    training = call.constant(2)
    if training is not None and training.any():
        raise NotOursError("it is in training mode")
    return call.tracer.identity(call.value, f"'{call.where}' is a dropout, which does nothing at inference.")


def _batch_norm(call: Call) -> Value:
    scale, shift, mean, variance = (call.numbers(place) for place in range(1, 5))
    attributes = call.node.attributes
    if attributes.get("training_mode", 0) or not attributes.get("spatial", 1):
        raise NotOursError("it is in training mode or not spatial")
    epsilon = call.number("epsilon", 1e-5)
    return call.tracer.batch_norm(call.where, call.value, mean, variance, scale, shift, epsilon)


def _arithmetic(operation: str) -> Callable[[Call], Value]:
    def run(call: Call) -> Value:
        values: list[Value] = []
        for place, value in enumerate(call.inputs):
            if isinstance(value, (Steps, Host)):
                values.append(value)
            else:
                values.append(Constant(call.numbers(place).astype(np.float64), call.node.inputs[place]))
        return call.tracer.arithmetic(call.where, operation, values[0], values[1])

    return run


def _argmax(call: Call) -> Value:
    if call.node.attributes.get("select_last_index", 0):
        raise NotOursError("it takes the last of equals")
    keep = bool(call.node.attributes.get("keepdims", 1))
    return call.tracer.argmax(call.where, call.value, call.axis(0), keep)


def _softmax(call: Call) -> Value:
    # Before version 13 all axes from this one on are taken together.
    axis = call.axis(-1 if call.opset >= 13 else 1)
    if call.opset < 13 and axis != len(call.shape) - 1:
        raise NotOursError("it is over several axes")
    return call.tracer.softmax(call.where, call.value, axis, call.node.operation)


def _one_hot(call: Call) -> Value:
    depth, values = call.numbers(1), call.numbers(2)
    if depth.size != 1 or list(values.ravel()) != [0, 1] or call.node.attributes.get("axis", -1) != -1:
        raise NotOursError("it is no code of 0 and 1 along a new last axis")
    return call.tracer.one_hot(call.where, call.value, int(depth.reshape(())))


Operation: TypeAlias = "Callable[[Call], Value | Joined | list[Value]]"

OPERATIONS: dict[str, Operation] = {
    "Add": _arithmetic("add"),
    "ArgMax": _argmax,
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "Div": _arithmetic("div"),
    "Dropout": _dropout,
    "Flatten": _flatten,
    "Gather": _gather,
    "Gemm": _gemm,
    "HardSigmoid": _hard_sigmoid,
    "Identity": _identity,
    "LogSoftmax": _softmax,
    "MatMul": _matmul,
    "Mul": _arithmetic("mul"),
    "OneHot": _one_hot,
    "ReduceMax": _reduce,
    "ReduceMean": _reduce,
    "ReduceMin": _reduce,
    "ReduceSum": _reduce,
    "Relu": _activation("relu"),
    "Reshape": _reshape,
    "Sigmoid": _activation("sigmoid"),
    "Slice": _slice,
    "Softmax": _softmax,
    "Split": _split,
    "Squeeze": _squeeze,
    "Sub": _arithmetic("sub"),
    "Tanh": _activation("tanh"),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
"""What the accelerator can do of each operation."""


def run(call: Call) -> Sequence[Value | Joined]:
    """The outputs of an operation; of one that the accelerator cannot do, what the host makes of it."""
    if isinstance(call.inputs[0], Joined):
        part = _part(call, call.inputs[0])
        if part is not None:
            return [part]
    call = replace(call, inputs=tuple(separate(call.tracer, value) for value in call.inputs))
    traced = [value for value in call.inputs if isinstance(value, (Steps, Host))]
    blind = any(isinstance(value, Host) and value.base is None and value.shape is None for value in traced)
    operation = OPERATIONS.get(call.node.operation)
    reason = ""
    if operation is not None and not blind:
        try:
            result = operation(call)
            return result if isinstance(result, list) else [result]
        except (NotOursError, NotFoldedError) as error:
            reason = str(error)
        except IndexError:
            reason = "it names an axis that its input has not"
    host = call.tracer.unsupported(call.where, call.node.operation, traced, reason)
    return [host] * len(call.node.outputs)


def separate(tracer: Tracer, value: Known | None) -> Known | None:
    """A value that is not ``Joined``: states of several nodes together are refused by the tracer."""
    return tracer.cat(value.where, value.values, value.axis) if isinstance(value, Joined) else value
