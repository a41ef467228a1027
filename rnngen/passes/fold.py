"""Element-by-element scaling and shifting, and what follows a table, computed into the parameters beside them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rnngen.errors import ModelError
from rnngen.ir.layers import (
    AffineLayer,
    EmbeddingLayer,
    FactorisedLayer,
    FloatArray,
    GroupCell,
    GroupedLayer,
    LastStepLayer,
    Layer,
    LinearLayer,
    ParallelLayer,
    RecurrentLayer,
)
from rnngen.ir.network import Network


def fold(network: Network) -> Network:
    """The same network without affine layers, and with no Linear layer behind an Embedding.

    Exact but for float64 rounding, and idempotent:

    * an affine layer behind a Linear layer or an Embedding goes into its rows: s (W x + b) + t = (s W) x + (s b + t);
    * one before a Linear or a recurrent layer of any kind goes into that one's columns:
      W (s x + t) + b = (W s) x + (b + W t);
    * a Linear layer behind an Embedding goes into its table;
    * the choice of a step stands in the way of none of these, an activation of all;
    * two Linear layers stay two: merged, they can need more products.

    Raises:
        ModelError: if an affine layer stands beside no layer that can take it.
    """
    layers = network.layers
    while (shorter := _fold_one(layers)) is not None:
        layers = shorter
    for index, layer in enumerate(layers):
        if isinstance(layer, AffineLayer):
            raise _left_over(layers, index)
    return replace(network, layers=layers)


def _fold_one(layers: tuple[Layer, ...]) -> tuple[Layer, ...] | None:
    """The layers with one of them gone into its neighbour; None if nothing is left to fold."""
    for index, layer in enumerate(layers):
        before, after = _neighbour(layers, index, -1), _neighbour(layers, index, 1)
        if before is not None:
            taken = _take_behind(layers[before], layer)
            if taken is not None:
                return (*layers[:before], taken, *layers[before + 1 : index], *layers[index + 1 :])
        if after is not None and isinstance(layer, AffineLayer):
            taken = _take_before(layers[after], layer.scale, layer.shift)
            if taken is not None:
                return (*layers[:index], *layers[index + 1 : after], taken, *layers[after + 1 :])
    return None


def _neighbour(layers: tuple[Layer, ...], index: int, direction: int) -> int | None:
    """Number of the next layer in a direction (1 or -1) that is no choice of a step; None at the end."""
    index += direction
    while 0 <= index < len(layers) and isinstance(layers[index], LastStepLayer):
        index += direction
    return index if 0 <= index < len(layers) else None


def _take_behind(layer: Layer, behind: Layer) -> Layer | None:
    """A layer that computes what ``behind`` makes of its output; None if there is none."""
    if isinstance(behind, AffineLayer):
        if isinstance(layer, LinearLayer):
            weight = behind.scale[:, np.newaxis] * layer.weight
            return replace(layer, weight=weight, bias=behind.scale * layer.bias + behind.shift)
        if isinstance(layer, EmbeddingLayer):
            return replace(layer, table=behind.scale * layer.table + behind.shift)
    if isinstance(behind, LinearLayer) and isinstance(layer, EmbeddingLayer):
        return replace(layer, table=layer.table @ behind.weight.T + behind.bias)
    return None


def _take_before(layer: Layer, scale: FloatArray, shift: FloatArray) -> Layer | None:
    """A layer that computes of x what this one does of scale * x + shift; None if there is none."""
    if isinstance(layer, LinearLayer):
        return replace(layer, weight=layer.weight * scale, bias=layer.bias + layer.weight @ shift)
    if isinstance(layer, RecurrentLayer):
        return _scaled_recurrent(layer, scale, shift)
    if isinstance(layer, ParallelLayer):
        return replace(layer, branches=tuple(_scaled_recurrent(branch, scale, shift) for branch in layer.branches))
    if isinstance(layer, FactorisedLayer):
        bias = layer.bias + layer.weight_out @ (layer.weight_in @ shift)
        return replace(layer, weight_in=layer.weight_in * scale, bias=bias)
    if isinstance(layer, GroupedLayer):
        count = len(layer.groups)
        slices = zip(layer.groups, np.split(scale, count), np.split(shift, count))
        return replace(layer, groups=tuple(_scaled_group(*part) for part in slices))
    return None


def _scaled_recurrent(layer: RecurrentLayer, scale: FloatArray, shift: FloatArray) -> RecurrentLayer:
    # b_ih and not b_hh: the x-part of a GRU's n stands outside the product with r.
    return replace(layer, weight_ih=layer.weight_ih * scale, bias_ih=layer.bias_ih + layer.weight_ih @ shift)


def _scaled_group(group: GroupCell, scale: FloatArray, shift: FloatArray) -> GroupCell:
    return replace(group, weight_ih=group.weight_ih * scale, bias=group.bias + group.weight_ih @ shift)


def _left_over(layers: tuple[Layer, ...], index: int) -> ModelError:
    name, before = layers[index].name, layers[index - 1].name if index else ""
    after = layers[index + 1].name if index + 1 < len(layers) else ""
    if before and after:
        where, advice = f"between '{before}' and '{after}'", f"end the accelerator at '{before}'"
    elif before:
        where, advice = f"behind '{before}' at the end", "compute it on the host"
    elif after:
        where, advice = f"at the start before '{after}'", "compute it on the host"
    else:
        where, advice = "alone", "compute it on the host"
    return ModelError(
        f"Layer '{name}' scales and shifts every element and stands {where}, where no Linear, recurrent or Embedding "
        f"layer can take it in; {advice}, or put a Linear layer behind '{name}'."
    )
