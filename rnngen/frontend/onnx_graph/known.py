"""Values that are known before run time, and what the inputs and attributes of an operation say of axes and sizes.

A known value is an array of float64, int64 or bool.  A value known in part (the shape of a tensor whose batch is
free) is an array of dtype object: each element an int, a bool, a symbol such as ``"N"``, or None for one that is
not known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnngen.frontend.onnx_graph.file import Array

ELEMENTS = 2**28
"""Largest constant that a graph may make out of a smaller one, in elements."""

Attributes = Mapping[str, Any]
Inputs = Sequence[Array | None]


class NotFoldedError(Exception):
    """The value is not known before run time."""


def known(array: Array) -> bool:
    """Whether every element is a number."""
    return array.dtype != object


def settle(array: Array) -> Array:
    """An array of dtype object as int64 or bool, where every element is known."""
    if known(array):
        return array
    if all(isinstance(value, (bool, np.bool_)) for value in array.flat) and array.size:
        return array.astype(bool)
    if all(isinstance(value, (int, np.integer)) and not isinstance(value, bool) for value in array.flat):
        return array.astype(np.int64)
    return array


def integers(array: Array | None) -> list[int]:
    """The elements of a known int64 array of at most one dimension.

    Raises:
        NotFoldedError: if it is another array.
    """
    if array is None or array.dtype != np.int64 or array.ndim > 1:
        raise NotFoldedError
    return [int(value) for value in np.atleast_1d(array)]


def sizes(array: Array | None) -> list[int | str | None]:
    """The elements of an array that tells sizes, known or not."""
    if array is None or array.ndim != 1 or array.dtype not in (np.int64, object):
        raise NotFoldedError
    return [value if value is None or isinstance(value, str) else int(value) for value in array]


def axes_of(attributes: Attributes, inputs: Inputs, place: int = 1) -> list[int] | None:
    """Axes from the attribute (older operator versions) or from an input; None if there are none."""
    if "axes" in attributes:
        return [int(axis) for axis in attributes["axes"]]
    if len(inputs) > place and inputs[place] is not None:
        return integers(inputs[place])
    return None


def slices(attributes: Attributes, inputs: Inputs) -> list[tuple[int, int, int, int]]:
    """(axis, start, end, step) of each sliced axis, from the attributes (version 1) or inputs."""
    if "starts" in attributes:
        starts, ends = list(attributes["starts"]), list(attributes["ends"])
        axes, steps = attributes.get("axes"), None
    else:
        starts, ends = integers(inputs[1]), integers(inputs[2])
        axes = integers(inputs[3]) if len(inputs) > 3 and inputs[3] is not None else None
        steps = integers(inputs[4]) if len(inputs) > 4 and inputs[4] is not None else None
    axes = list(range(len(starts))) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    return list(zip(axes, starts, ends, steps, strict=True))


def split_sizes(attributes: Attributes, inputs: Inputs, length: int, outputs: int) -> list[int]:
    """Lengths of the pieces of a Split, equal ones (the last may be shorter) if none are given."""
    if "split" in attributes:
        return [int(size) for size in attributes["split"]]
    if len(inputs) > 1 and inputs[1] is not None:
        return integers(inputs[1])
    piece = -(-length // outputs)
    return [min(piece, length - piece * index) for index in range(outputs)]


def bounded(shape: Sequence[int]) -> tuple[int, ...]:
    """The shape of a constant.

    Raises:
        NotFoldedError: if it has more than ``ELEMENTS`` elements or a negative length.
    """
    if math.prod(shape) > ELEMENTS or any(size < 0 for size in shape):
        raise NotFoldedError
    return tuple(shape)
