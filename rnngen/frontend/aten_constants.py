"""What an exported program computes of its constants alone: in NumPy, float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rnngen.frontend.program import Array

LIMIT = 1 << 28
"""Largest constant that is made, in elements."""


def _expand(array: Array, size: Sequence[int]) -> Array:
    lead = len(size) - array.ndim
    full = [array.shape[i - lead] if length == -1 else length for i, length in enumerate(size)]
    return np.broadcast_to(array, full)


def _squeeze(array: Array, dim: int | Sequence[int] | None = None) -> Array:
    dims = range(array.ndim) if dim is None else [dim] if isinstance(dim, int) else dim
    return array.squeeze(tuple(d for d in dims if array.shape[d] == 1))


def _slice(array: Array, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Array:
    return np.swapaxes(np.swapaxes(array, 0, dim)[slice(start, end, step)], 0, dim)


def _weight_norm(v: Array, g: Array, dim: int = 0) -> Array:
    axes = tuple(axis for axis in range(v.ndim) if axis != dim % v.ndim)
    return v * (g / np.sqrt(np.sum(v * v, axis=axes, keepdims=True)))


def _full(size: Sequence[int], value: float = 0.0) -> Array:
    return np.full(tuple(size), float(value))


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "expand": lambda a, size, **_: _expand(a, size),
    "expand_as": lambda a, other: np.broadcast_to(a, other.shape),
    "repeat": lambda a, repeats: np.tile(a, tuple(repeats)),
    "view": lambda a, size: a.reshape(tuple(size)),
    "reshape": lambda a, shape: a.reshape(tuple(shape)),
    "unsqueeze": lambda a, dim: np.expand_dims(a, dim),
    "squeeze": _squeeze,
    "transpose": lambda a, dim0, dim1: np.swapaxes(a, dim0, dim1),
    "permute": lambda a, dims: a.transpose(dims),
    "t": lambda a: a.T,
    "numpy_T": lambda a: a.T,
    "select": lambda a, dim, index: np.take(a, index, axis=dim),
    "slice": _slice,
    "cat": lambda tensors, dim=0: np.concatenate(tensors, axis=dim),
    "stack": lambda tensors, dim=0: np.stack(tensors, axis=dim),
    "add": lambda a, b, alpha=1: a + alpha * b,
    "sub": lambda a, b, alpha=1: a - alpha * b,
    "rsub": lambda a, b, alpha=1: b - alpha * a,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "neg": lambda a: -a,
    "exp": np.exp,
    "sqrt": np.sqrt,
    "rsqrt": lambda a: 1.0 / np.sqrt(a),
    "reciprocal": lambda a: 1.0 / a,
    "tanh": np.tanh,
    "matmul": lambda a, b: a @ b,
    "mm": lambda a, b: a @ b,
    "_weight_norm_interface": lambda v, g, dim=0: (_weight_norm(v, g, dim), g),
    "_weight_norm": _weight_norm,
    "zeros_like": lambda a, **_: np.zeros(a.shape),
    "ones_like": lambda a, **_: np.ones(a.shape),
    "full_like": lambda a, fill_value, **_: np.full(a.shape, float(fill_value)),
}

MAKERS: dict[str, Callable[..., float]] = {
    "zeros": lambda **_: 0.0,
    "ones": lambda **_: 1.0,
    "full": lambda fill_value, **_: fill_value,
    "new_zeros": lambda **_: 0.0,
    "new_ones": lambda **_: 1.0,
    "new_full": lambda fill_value, **_: fill_value,
    "zeros_like": lambda **_: 0.0,
    "ones_like": lambda **_: 1.0,
    "full_like": lambda fill_value, **_: fill_value,
    "scalar_tensor": lambda s, **_: s,
}
"""Operations that fill a tensor whose shape the program states with one number."""


def compute(operation: str, arguments: dict[str, Any]) -> Any:
    """The result of an operation on arrays and numbers, or None if it is not one that is followed.

    Args:
        operation: Its name without namespace and overload.
        arguments: In the order of its schema.
    """
    function = _FUNCTIONS.get(operation)
    if function is None:
        return None
    arguments = {name: value for name, value in arguments.items() if name not in ("dtype", "device", "pin_memory")}
    keywords = {name: arguments.pop(name) for name in ("alpha", "implicit") if name in arguments}
    try:
        result = function(*arguments.values(), **keywords)
    except (TypeError, ValueError, IndexError):
        return None
    return result if all(part.size <= LIMIT for part in _parts(result)) else None


def _parts(result: Any) -> Sequence[Array]:
    return result if isinstance(result, tuple) else (result,)


def fill(operation: str, arguments: dict[str, Any], shape: tuple[int, ...]) -> Array | None:
    """The result of one of ``MAKERS``; None for a shape that is too large."""
    if int(np.prod(shape, dtype=object)) > LIMIT:
        return None
    return _full(shape, MAKERS[operation](**{k: v for k, v in arguments.items() if k != "self"}))
