"""The operations of exported programs that move, split, take and join axes."""

from __future__ import annotations

from collections.abc import Sequence

from rnngen.frontend.layout import position
from rnngen.frontend.operation import Handler, Operation
from rnngen.frontend.program import Length
from rnngen.frontend.tracing import Value

END = (1 << 63) - 1
"""What the program says for "to the end"."""


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


def _from_end(op: Operation, dim: int, *places: int) -> bool:
    """Whether places on an axis are known although its length is not: those from the end, and the beginning."""
    return not isinstance(op.source[dim], Length) or not any(isinstance(at, Length) or 0 < at < END for at in places)


def _select(op: Operation) -> Value:
    dim, index = int(op.get("dim")), op.get("index")
    if not _from_end(op, dim, index):
        return op.host(f"it takes entry {index} of an axis whose length is not fixed")
    return op.tracer.select(op.where, op.first, dim, int(index))


def _slice(op: Operation) -> Value:
    dim, start, stop = int(op.get("dim", 0)), op.get("start", 0), op.get("end", END)
    if not _from_end(op, dim, start, stop):
        return op.host(f"it takes entries {start} to {stop} of an axis whose length is not fixed")
    return op.tracer.slice(op.where, op.first, dim, int(start), int(stop), int(op.get("step", 1)))


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


AXES: dict[str, Handler] = {
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
}
"""What each operation on axes becomes."""
