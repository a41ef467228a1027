"""Modules of rnngen.nn in an exported program: one operation each, where their loop would be unrolled."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from rnngen.frontend.own_modules import is_own, layers_of
from rnngen.frontend.traced import Direction
from rnngen.ir.layers import FactorisedLayer, GroupedLayer

if TYPE_CHECKING:
    import torch


@cache
def _operation() -> Any:
    """The operation that stands for such a module; its values are never computed."""
    import torch

    def recurrent(x: Any, number: int, size: int, time_axis: int) -> Any:
        return _results(x, size, time_axis)

    schema = "(Tensor x, int number, int size, int time_axis) -> (Tensor, Tensor, Tensor)"
    operation = torch.library.custom_op("rnngen::recurrent", recurrent, mutates_args=(), schema=schema)
    operation.register_fake(recurrent)
    return operation


def _results(x: torch.Tensor, size: int, time_axis: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    batch = [length for axis, length in enumerate(x.shape[:-1]) if axis != time_axis]
    y, state = x.new_empty((*x.shape[:-1], size)), (1, *batch, size)
    return y, x.new_empty(state), x.new_empty(state)


def replace_own(module: torch.nn.Module) -> tuple[Direction, ...]:
    """Put one operation in the place of each module of rnngen.nn.

    Args:
        module: A copy of the user's; it is changed.

    Returns:
        The layers by the number that the operation carries.
    """
    layers: list[Direction] = []
    for path, child in list(module.named_modules()):
        if is_own(child):
            (layer,) = layers_of(child, path)
            if isinstance(layer, (FactorisedLayer, GroupedLayer)):
                child.forward = _stub(child, len(layers), layer.output_size)
                layers.append(layer)
    return tuple(layers)


def _stub(module: torch.nn.Module, number: int, size: int) -> Any:
    first = bool(getattr(module, "batch_first", False))

    def forward(x: torch.Tensor, state: Any = None) -> Any:
        if state is not None:
            raise ValueError("a state given to a module of rnngen.nn cannot be followed")
        y, h, c = _operation()(x, number, size, 1 if first and x.dim() == 3 else 0)
        return y, (h, c)

    return forward
