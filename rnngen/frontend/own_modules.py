"""The modules of ``rnngen.nn``, live and in a state dict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from rnngen.errors import ModelError
from rnngen.ir.layers import FactorisedLayer, FloatArray, GroupCell, GroupedLayer, Layer

if TYPE_CHECKING:
    import torch

KINDS = {
    "factorised": ("weight_in", "weight_rec", "weight_out"),
    "grouped": ("weight_ih", "weight_hh", "projection"),
}
"""Parameters of each kind by their names in the module; a bias may stand beside them."""


TOP = "l0"
"""Name of a layer at the top of its model."""


def is_own(module: torch.nn.Module) -> bool:
    """Whether a live module is one of ``rnngen.nn``."""
    from rnngen import nn

    return isinstance(module, nn.FactorisedLSTM | nn.GroupedLSTM)


def layers_of(module: torch.nn.Module, name: str) -> tuple[Layer, ...]:
    """The layers that a live module of ``rnngen.nn`` computes.

    Args:
        module: A FactorisedLSTM or GroupedLSTM.
        name: Name of the layer; ``l0`` if empty.

    Raises:
        ModelError: if it is another module, a subclass that computes something else, or has no values.
    """
    from rnngen import nn

    name = name or TOP
    kinds: tuple[type[nn.FactorisedLSTM] | type[nn.GroupedLSTM], ...] = (nn.FactorisedLSTM, nn.GroupedLSTM)
    known = next((kind for kind in kinds if isinstance(module, kind)), None)
    if known is None:
        raise ModelError(
            f"Layer '{name}' must be a FactorisedLSTM or GroupedLSTM of rnngen.nn, not a {type(module).__name__}."
        )
    if any(getattr(type(module), method) is not getattr(known, method) for method in ("forward", "_run")):
        raise ModelError(
            f"Layer '{name}' is a {type(module).__name__}, which computes something else than {known.__name__}, "
            f"the class it comes from; use {known.__name__} itself."
        )
    arrays = {}
    for label in (*KINDS["factorised" if known is nn.FactorisedLSTM else "grouped"], "bias"):
        value = getattr(module, label)  # and not the state dict: a parametrised weight gives its value here
        if value is None:
            continue
        if value.is_meta:
            raise ModelError(
                f"Layer '{name}': {label} has no values (meta device); load the parameters before importing it."
            )
        arrays[label] = np.array(value.detach().cpu().double().numpy(), dtype=np.float64)
    return (_build(name, arrays),)


def find_own(names: Iterable[str]) -> dict[str, str]:
    """Modules of ``rnngen.nn`` in a state dict: their kind (a key of ``KINDS``) by prefix, in the dict's order.

    A prefix is found if all of a kind's parameters are there and, but for a bias, no others of the same module:
    ``weight_ih`` beside ``bias_ih`` is an nn.LSTMCell.
    """
    leaves: dict[str, set[str]] = {}
    for name in names:
        prefix, _, leaf = name.rpartition(".")
        leaves.setdefault(prefix, set()).add(leaf)
    found = {}
    for prefix, there in leaves.items():
        kind = next((kind for kind, roles in KINDS.items() if there - {"bias"} == set(roles)), None)
        if kind is not None:
            found[prefix] = kind
    return found


def own_layer(prefix: str, tensors: Mapping[str, FloatArray]) -> Layer | None:
    """The layer whose parameters stand under a prefix, or None if they are not those of a module of ``rnngen.nn``.

    Args:
        prefix: Where the module sits, for instance ``encoder.lstm``; empty at the top of the model.
        tensors: The state dict, by full names.

    Raises:
        ModelError: if the names are those of such a module and the shapes are not.
    """
    kind = find_own(tensors).get(prefix)
    if kind is None:
        return None
    start = f"{prefix}." if prefix else ""
    names = (*KINDS[kind], "bias")
    return _build(prefix or TOP, {name: tensors[start + name] for name in names if start + name in tensors})


def _check(name: str, label: str, array: FloatArray, dimensions: int) -> None:
    if array.ndim != dimensions or 0 in array.shape:
        raise ModelError(
            f"Layer '{name}': {label} must have {dimensions} dimensions of at least 1, not the shape {array.shape}."
        )


def _build(name: str, arrays: Mapping[str, FloatArray]) -> Layer:
    """A layer of its arrays by name in the module; no bias: zeros."""
    return _factorised(name, arrays) if "weight_out" in arrays else _grouped(name, arrays)


def _factorised(name: str, arrays: Mapping[str, FloatArray]) -> FactorisedLayer:
    weight_in, weight_rec, weight_out = (arrays[label] for label in KINDS["factorised"])
    for label, array in (("weight_in", weight_in), ("weight_rec", weight_rec), ("weight_out", weight_out)):
        _check(name, label, array, 2)
    return FactorisedLayer(name, weight_in, weight_rec, weight_out, arrays.get("bias", np.zeros(len(weight_out))))


def _grouped(name: str, arrays: Mapping[str, FloatArray]) -> GroupedLayer:
    weight_ih, weight_hh, projection = (arrays[label] for label in KINDS["grouped"])
    for label, array in (("weight_ih", weight_ih), ("weight_hh", weight_hh)):
        _check(name, label, array, 3)
    _check(name, "projection", projection, 2)
    count, rows = weight_ih.shape[:2]
    bias = arrays.get("bias", np.zeros((count, rows)))
    if weight_hh.shape[:2] != (count, rows):
        raise ModelError(
            f"Layer '{name}': weight_hh must have the shape ({count}, {rows}, states of a group), "
            f"not {weight_hh.shape}."
        )
    if bias.shape != (count, rows):
        raise ModelError(f"Layer '{name}': bias must have the shape ({count}, {rows}), not {bias.shape}.")
    cells = enumerate(zip(weight_ih, weight_hh, bias))
    return GroupedLayer(name, tuple(GroupCell(f"{name}.{index}", *cell) for index, cell in cells), projection)
