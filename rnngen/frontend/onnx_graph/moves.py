"""Operations of ONNX that move values and compute none, and embeddings, in the tracer's terms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnngen.frontend.onnx_graph.call import Call, NotOursError
from rnngen.frontend.onnx_graph.known import axes_of, known, sizes, slices, split_sizes
from rnngen.frontend.onnx_graph.values import Constant, Host, Joined, Known, Steps, Value
from rnngen.frontend.tracing import Tracer


def gather(call: Call) -> Value:
    """An embedding of symbols, or one entry of an axis."""
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


def slice_(call: Call) -> Value:
    """A range of entries of each of some axes."""
    value = call.value
    for axis, start, stop, step in slices(call.node.attributes, call.constants):
        value = call.tracer.slice(call.where, value, axis, start, stop, step)
    return value


def split(call: Call) -> list[Value]:
    """An axis cut in pieces."""
    axis, pieces = call.axis(0), len(call.node.outputs)
    length = call.shape[axis]
    if not isinstance(length, int):
        raise NotOursError("the length of the axis that it splits is not known")
    lengths = split_sizes(call.node.attributes, call.constants, length, pieces)
    ends = [int(end) for end in np.cumsum(lengths)]
    return [
        call.tracer.slice(call.where, call.value, axis, end - size, end) for size, end in zip(lengths, ends)
    ]


def concat(call: Call) -> Value | Joined:
    """Tensors side by side: directions of one node, or states of several (``Joined``)."""
    steps = [value for value in call.inputs if isinstance(value, Steps) and value.stack is not None]
    axis = int(call.node.attributes["axis"])
    if len(steps) == len(call.inputs) and len({id(value.stack) for value in steps}) > 1:
        return Joined(call.where, tuple(steps), axis % len(steps[0].axes))
    values = [value if isinstance(value, (Steps, Host)) else Constant(np.zeros(0)) for value in call.inputs]
    return call.tracer.cat(call.where, values, axis)


def part_of(call: Call, joined: Joined) -> Value | None:
    """One entry of joined states; None if it is more than that."""
    index = call.constant(1)
    axis = int(call.node.attributes.get("axis", 0)) % len(joined.values[0].axes)
    if call.node.operation != "Gather" or axis != joined.axis or index is None or index.ndim or not known(index):
        return None
    found = joined.find(int(index))
    return None if found is None else call.tracer.select(call.where, found[0], axis, found[1])


def transpose(call: Call) -> Value:
    """Axes in another order."""
    order = call.node.attributes.get("perm") or list(range(len(call.shape)))[::-1]
    return call.tracer.permute(call.where, call.value, order)


def squeeze(call: Call) -> Value:
    """Without axes of length 1."""
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


def unsqueeze(call: Call) -> Value:
    """With new axes of length 1."""
    axes = axes_of(call.node.attributes, call.constants)
    if axes is None:
        raise NotOursError("it names no axes")
    value, rank = call.value, len(call.shape) + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        value = call.tracer.unsqueeze(call.where, value, axis)
    return value


def reshape(call: Call) -> Value:
    """Another shape."""
    target = sizes(call.constant(1))
    if target.count(None) == 1 and -1 not in target:
        target = [-1 if size is None else size for size in target]
    shape = [size for size in target if size is not None]
    if len(shape) < len(target):
        raise NotOursError("its shape is not known")
    if 0 in shape and call.node.attributes.get("allowzero", 0):
        raise NotOursError("it makes an empty tensor")
    return call.tracer.reshape(call.where, call.value, shape)


def flatten(call: Call) -> Value:
    """Two axes of all there are."""
    shape, axis = call.shape, call.axis(1)
    if axis == 0:
        return call.tracer.reshape(call.where, call.value, [1, -1])
    after = [size for size in shape[axis:] if isinstance(size, int)]
    if len(after) < len(shape[axis:]):
        raise NotOursError("the length of an axis that it joins is not known")
    return call.tracer.reshape(call.where, call.value, [-1, int(np.prod(after))])


def reduce(call: Call) -> Value:
    """A mean, sum or extreme along axes of length 1 changes nothing."""
    axes = axes_of(call.node.attributes, call.constants)
    if not axes or any(call.shape[axis] != 1 for axis in axes):
        raise NotOursError("")
    return call.value if call.node.attributes.get("keepdims", 1) else _without(call, axes)


def separate(tracer: Tracer, value: Known | None) -> Known | None:
    """A value that is not ``Joined``: states of several nodes together are refused by the tracer."""
    return tracer.cat(value.where, value.values, value.axis) if isinstance(value, Joined) else value
