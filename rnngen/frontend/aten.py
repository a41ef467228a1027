"""The operations of exported programs in the tracer's terms: one function for each that a layer can come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from rnngen.frontend.layout import position
from rnngen.frontend.program import FLOATS, Length
from rnngen.frontend.tracing import Constant, Host, Steps, Tracer, Value
from rnngen.ir.layers import ArgmaxLayer, FloatArray

END = (1 << 63) - 1
"""What the program says for "to the end"."""


@dataclass(frozen=True, eq=False)
class Operation:
    """One call on values that depend on the model's input.

    Attributes:
        tracer: Who follows the model.
        name: The operation without namespace and overload, for instance ``add``.
        where: Its place.
        arguments: By the names of its schema; tensors are ``Value``, numbers are numbers.
        shape: Sizes of the first result.
        source: Sizes of the first argument.
    """

    tracer: Tracer
    name: str
    where: str
    arguments: Mapping[str, Any]
    shape: tuple[int, ...]
    source: tuple[int, ...]

    def get(self, name: str, default: Any = None) -> Any:
        """An argument, or its default."""
        value = self.arguments.get(name)
        return default if value is None else value

    @property
    def first(self) -> Any:
        """The first argument."""
        return next(iter(self.arguments.values()))

    def constant(self, name: str) -> FloatArray | None:
        """An argument that must be a constant; None where it is not given.

        Raises:
            ModelError: if it depends on the model's input.
        """
        value = self.arguments.get(name)
        if value is None:
            return None
        if not isinstance(value, Constant):
            raise self.tracer.refuse(
                self.where, f"({self.name}) takes its {name} from the model's input and not from its parameters; "
                f"only fixed parameters are supported."
            )
        return value.array

    def parameter(self, name: str) -> FloatArray:
        """An argument that must be a constant and be there."""
        value = self.constant(name)
        if value is None:
            raise self.tracer.refuse(self.where, f"({self.name}) has no {name}; give it one or leave it out.")
        return value

    def host(self, reason: str = "") -> Host:
        """The same on the host."""
        values: list[Value] = []
        for argument in self.arguments.values():
            for entry in argument if isinstance(argument, list) else [argument]:
                values += [entry] if isinstance(entry, (Steps, Host)) else []
        return self.tracer.unsupported(self.where, self.name, values, reason)


Handler: TypeAlias = Callable[[Operation], "Value | tuple[Value | None, ...]"]


def _same(op: Operation) -> Value:
    return op.tracer.identity(op.first)


def _dropout(op: Operation) -> Value:
    if op.get("train", op.get("training", False)):
        raise op.tracer.refuse(op.where, "is a dropout in training mode; export the model in eval mode.")
    return op.tracer.identity(op.first, f"'{op.where}' is a dropout, which does nothing at inference.")


def _cast(op: Operation) -> Value:
    value: Value = op.first
    code = op.get("dtype")
    if code is None or code in FLOATS:
        return value
    index = isinstance(value, Steps) and (not value.stages or isinstance(value.stages[-1], ArgmaxLayer))
    return value if index and not getattr(value, "stack", None) else op.host("it makes whole numbers of features")


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
            op.where, "is a batch norm that takes its statistics from the input; "
            "export the model in eval mode, with track_running_stats=True."
        )
    weight, bias = op.constant("weight"), op.constant("bias")
    axis = 1 if len(op.source) > 1 else 0
    return op.tracer.batch_norm(op.where, op.first, mean, variance, weight, bias, float(op.get("eps", 1e-5)), axis)


def _embedding(op: Operation) -> Value:
    return op.tracer.embedding(op.where, op.arguments["indices"], op.parameter("weight"))


def _one_hot(op: Operation) -> Value:
    return op.tracer.one_hot(op.where, op.first, int(op.shape[-1]))


def _transpose(op: Operation) -> Value:
    rank = len(op.source)
    order = list(range(rank))
    one, two = (position(int(op.get(name, default)), rank) for name, default in (("dim0", 0), ("dim1", 1)))
    order[one], order[two] = two, one
    return op.tracer.permute(op.where, op.first, order)


def _reversed_axes(op: Operation) -> Value:
    return op.tracer.permute(op.where, op.first, list(range(len(op.source)))[::-1])


def _permute(op: Operation) -> Value:
    return op.tracer.permute(op.where, op.first, op.get("dims"))


def _squeeze(op: Operation) -> Value:
    dim = op.get("dim")
    return op.tracer.squeeze(op.where, op.first, [dim] if isinstance(dim, int) else dim)


def _unsqueeze(op: Operation) -> Value:
    return op.tracer.unsqueeze(op.where, op.first, int(op.get("dim")))


def _reshape(op: Operation) -> Value:
    return op.tracer.reshape(op.where, op.first, op.shape)


def _expand(op: Operation) -> Value:
    return op.first if op.shape == op.source else op.host("it repeats the tensor")


def _select(op: Operation) -> Value:
    return op.tracer.select(op.where, op.first, int(op.get("dim")), int(op.get("index")))


def _slice(op: Operation) -> Value:
    start, stop = int(op.get("start", 0)), min(int(op.get("end", END)), END)
    return op.tracer.slice(op.where, op.first, int(op.get("dim", 0)), start, stop, int(op.get("step", 1)))


def _narrow(op: Operation) -> Value:
    dim = int(op.get("dim"))
    start = int(op.get("start")) % op.source[dim]
    return op.tracer.slice(op.where, op.first, dim, start, start + int(op.get("length")))


def _pieces(op: Operation, sizes: Sequence[int]) -> tuple[Value, ...]:
    dim, at, values = int(op.get("dim", 0)), 0, []
    for size in sizes:
        values.append(op.tracer.slice(op.where, op.first, dim, at, at + size))
        at += size
    return tuple(values)


def _split(op: Operation) -> tuple[Value, ...]:
    sizes = op.get("split_size", op.get("split_sizes"))
    total = op.source[int(op.get("dim", 0))]
    if isinstance(sizes, int):
        sizes = [min(sizes, total - at) for at in range(0, total, sizes)]
    return _pieces(op, sizes)


def _chunk(op: Operation) -> tuple[Value, ...]:
    total = op.source[int(op.get("dim", 0))]
    each = -(-total // int(op.get("chunks")))
    return _pieces(op, [min(each, total - at) for at in range(0, total, each)])


def _unbind(op: Operation) -> tuple[Value, ...]:
    dim = int(op.get("dim", 0))
    return tuple(op.tracer.select(op.where, op.first, dim, index) for index in range(op.source[dim]))


def _cat(op: Operation) -> Value:
    return op.tracer.cat(op.where, op.first, int(op.get("dim", 0)))


def _stack(op: Operation) -> Value:
    return op.tracer.stack(op.where, op.first, int(op.get("dim", 0)))


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
    "transpose": _transpose,
    "permute": _permute,
    **dict.fromkeys(("t", "numpy_T"), _reversed_axes),
    "squeeze": _squeeze,
    "unsqueeze": _unsqueeze,
    **dict.fromkeys(("view", "reshape", "flatten", "unflatten", "_unsafe_view"), _reshape),
    **dict.fromkeys(("expand", "expand_as"), _expand),
    "select": _select,
    "slice": _slice,
    "narrow": _narrow,
    **dict.fromkeys(("split", "split_with_sizes"), _split),
    "chunk": _chunk,
    "unbind": _unbind,
    **dict.fromkeys(("cat", "concat", "concatenate"), _cat),
    "stack": _stack,
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
