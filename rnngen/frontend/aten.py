"""The operations of exported programs in the tracer's terms: one function for each that a layer can come from."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnngen.frontend.aten_axes import AXES
from rnngen.frontend.operation import Handler, Operation
from rnngen.frontend.program import Length
from rnngen.frontend.tracing import Constant, Host, Steps, Value


def _same(op: Operation) -> Value:
    return op.tracer.identity(op.first)


def _dropout(op: Operation) -> Value:
    if op.get("train", op.get("training", False)):
        raise op.tracer.refuse(op.where, "is a dropout in training mode; export the model in eval mode.")
    return op.tracer.identity(op.first, f"'{op.where}' is a dropout, which does nothing at inference.")


def _cast(op: Operation) -> Value:
    return op.host("it makes whole numbers of others") if op.rounds else op.tracer.identity(op.first)


def _function(function: str) -> Handler:
    return lambda op: op.tracer.activation(op.where, op.first, function)


def _hardtanh(op: Operation) -> Value:
    return _limited(op, float(op.get("min_val", -1.0)), float(op.get("max_val", 1.0)))


def _limited(op: Operation, low: float, high: float) -> Value:
    if not low < high:
        return op.host(f"its limits are {low} and {high}")
    return op.tracer.activation(op.where, op.first, "hardtanh", low, high)


def _clamp(op: Operation) -> Value:
    low, high = op.get("min"), op.get("max")
    if low == 0 and high is None:
        return op.tracer.activation(op.where, op.first, "relu")
    if not isinstance(low, (int, float)) or not isinstance(high, (int, float)):
        return op.host("it has one limit")
    return _limited(op, float(low), float(high))


def _linear(op: Operation) -> Value:
    return op.tracer.linear(op.where, op.first, op.parameter("weight"), op.constant("bias"))


def _matmul(op: Operation) -> Value:
    left, right = list(op.arguments.values())[:2]
    if not isinstance(right, Constant) or right.array.ndim != 2:
        return op.host("it multiplies two tensors of the input" if not isinstance(right, Constant) else "")
    return op.tracer.linear(op.where, left, right.array.T)


def _addmm(op: Operation) -> Value:
    bias, value, weight = list(op.arguments.values())[:3]
    plain = op.get("alpha", 1) == 1 and op.get("beta", 1) == 1
    if not isinstance(weight, Constant) or not isinstance(bias, Constant) or bias.array.ndim != 1 or not plain:
        return op.host()
    return op.tracer.linear(op.where, value, weight.array.T, np.broadcast_to(bias.array, op.shape[-1:]).copy())


def _arithmetic(operation: str, swapped: bool = False) -> Handler:
    def handle(op: Operation) -> Value:
        given = list(op.arguments.values())[:2]
        if any(isinstance(value, Length) for value in given):
            return op.host("it computes with a length of the input")
        left, right = (_operand(value) for value in given)
        if op.get("rounding_mode") is not None:
            return op.host("it rounds")
        alpha = op.get("alpha", 1)
        if alpha != 1:
            left, right = (_scaled(left, alpha), right) if swapped else (left, _scaled(right, alpha))
            if left is None or right is None:
                return op.host("it has a factor alpha")
        return op.tracer.arithmetic(op.where, operation, *((right, left) if swapped else (left, right)))

    return handle


def _operand(value: Any) -> Any:
    """A number as a constant."""
    return Constant(np.asarray(value, dtype=np.float64)) if isinstance(value, (bool, int, float)) else value


def _scaled(value: Any, factor: float) -> Constant | None:
    return Constant(value.array * factor) if isinstance(value, Constant) else None


def _negative(op: Operation) -> Value:
    return op.tracer.arithmetic(op.where, "mul", op.first, Constant(np.asarray(-1.0)))


def _batch_norm(op: Operation) -> Value:
    mean, variance = op.constant("running_mean"), op.constant("running_var")
    if op.get("training", False) or mean is None or variance is None:
        raise op.tracer.refuse(
            op.where,
            "is a batch norm that takes its statistics from the input; "
            "export the model in eval mode, with track_running_stats=True.",
        )
    weight, bias = op.constant("weight"), op.constant("bias")
    axis = 1 if len(op.source) > 1 else 0
    return op.tracer.batch_norm(op.where, op.first, mean, variance, weight, bias, float(op.get("eps", 1e-5)), axis)


def _embedding(op: Operation) -> Value:
    return op.tracer.embedding(op.where, op.arguments["indices"], op.parameter("weight"))


def _one_hot(op: Operation) -> Value:
    return op.tracer.one_hot(op.where, op.first, int(op.shape[-1]))


def _softmax(op: Operation) -> Value:
    return op.tracer.softmax(op.where, op.first, int(op.get("dim")), op.name.strip("_"))


def _argmax(op: Operation) -> Value:
    if op.get("dim") is None:
        return op.host("it goes over all axes")
    return op.tracer.argmax(op.where, op.first, int(op.get("dim")), bool(op.get("keepdim", False)))


def _max(op: Operation) -> tuple[Value | None, ...]:
    if op.get("dim") is None or not isinstance(op.first, (Steps, Host)):
        return (op.host(), None)
    number = op.tracer.argmax(op.where, op.first, int(op.get("dim")), bool(op.get("keepdim", False)))
    return (op.host("it gives the largest value itself"), number)


HANDLERS: dict[str, Handler] = {
    **AXES,
    **dict.fromkeys(("contiguous", "clone", "detach", "alias", "lift_fresh", "lift_fresh_copy", "detach_"), _same),
    **dict.fromkeys(("dropout", "feature_dropout", "alpha_dropout", "native_dropout"), _dropout),
    **dict.fromkeys(("to", "_to_copy", "type_as"), _cast),
    "relu": _function("relu"),
    "sigmoid": _function("sigmoid"),
    "tanh": _function("tanh"),
    "hardsigmoid": _function("hardsigmoid"),
    "relu6": lambda op: _limited(op, 0.0, 6.0),
    "hardtanh": _hardtanh,
    "clamp": _clamp,
    "clamp_min": _clamp,
    "linear": _linear,
    "matmul": _matmul,
    "mm": _matmul,
    "addmm": _addmm,
    "add": _arithmetic("add"),
    "sub": _arithmetic("sub"),
    "rsub": _arithmetic("sub", swapped=True),
    "mul": _arithmetic("mul"),
    "div": _arithmetic("div"),
    "neg": _negative,
    **dict.fromkeys(("batch_norm", "_native_batch_norm_legit_no_training"), _batch_norm),
    "embedding": _embedding,
    "one_hot": _one_hot,
    **dict.fromkeys(("softmax", "log_softmax", "_softmax", "_log_softmax"), _softmax),
    "argmax": _argmax,
    "max": _max,
}
"""What each operation becomes; any other is computed on the host or refused."""

VIEWS = frozenset(
    (
        *("transpose", "permute", "t", "numpy_T", "squeeze", "unsqueeze", "view", "reshape", "flatten", "unflatten"),
        *("expand", "expand_as", "select", "slice", "narrow", "split", "split_with_sizes", "chunk", "unbind"),
        *("contiguous", "detach", "alias", "dropout", "feature_dropout", "alpha_dropout", "to"),
    )
)
"""Operations whose result may share memory with their first argument."""

IN_PLACE = frozenset(
    (
        *("relu_", "sigmoid_", "tanh_", "hardsigmoid_", "hardtanh_", "relu6_", "clamp_"),
        *("add_", "sub_", "mul_", "div_", "dropout_", "squeeze_", "unsqueeze_", "transpose_", "t_"),
    )
)
"""Operations that change their first argument and are followed."""
