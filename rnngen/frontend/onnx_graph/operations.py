"""The operations of ONNX that the accelerator can do, each put into the tracer's terms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from rnngen.frontend.onnx_graph import moves
from rnngen.frontend.onnx_graph.call import Call, NotOursError
from rnngen.frontend.onnx_graph.known import NotFoldedError
from rnngen.frontend.onnx_graph.values import Constant, Host, Joined, Steps, Value


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
    "Concat": moves.concat,
    "Conv": _conv,
    "Div": _arithmetic("div"),
    "Dropout": _dropout,
    "Flatten": moves.flatten,
    "Gather": moves.gather,
    "Gemm": _gemm,
    "HardSigmoid": _hard_sigmoid,
    "Identity": _identity,
    "LogSoftmax": _softmax,
    "MatMul": _matmul,
    "Mul": _arithmetic("mul"),
    "OneHot": _one_hot,
    "ReduceMax": moves.reduce,
    "ReduceMean": moves.reduce,
    "ReduceMin": moves.reduce,
    "ReduceSum": moves.reduce,
    "Relu": _activation("relu"),
    "Reshape": moves.reshape,
    "Sigmoid": _activation("sigmoid"),
    "Slice": moves.slice_,
    "Softmax": _softmax,
    "Split": moves.split,
    "Squeeze": moves.squeeze,
    "Sub": _arithmetic("sub"),
    "Tanh": _activation("tanh"),
    "Transpose": moves.transpose,
    "Unsqueeze": moves.unsqueeze,
}
"""What the accelerator can do of each operation."""


def run(call: Call) -> Sequence[Value | Joined]:
    """The outputs of an operation; of one that the accelerator cannot do, what the host makes of it."""
    if call.inputs and isinstance(call.inputs[0], Joined):
        part = moves.part_of(call, call.inputs[0])
        if part is not None:
            return [part]
    call = replace(call, inputs=tuple(moves.separate(call.tracer, value) for value in call.inputs))
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
