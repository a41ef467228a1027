"""A layer's rows cut over devices, each of which computes as many of its units, and joined again.

Every device multiplies the whole h.  It lies on each of them in another order: the device's own units first, then those
of the device behind it, and so on around, so that a device's own results are the first words of its h.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rnngen.arith.format import IntArray
from rnngen.ir.quantised import QuantisedLayer, QuantisedNetwork


def row_slice(layer: QuantisedLayer, number: int, count: int) -> QuantisedLayer:
    """The part of a layer that device ``number`` of ``count`` computes."""
    units = layer.output_size // count
    first = number * units
    assert layer.weight_h is not None, "a layer whose rows are cut multiplies h"
    weight_h = _rows(layer.weight_h, layer.output_size, first, units)
    return replace(
        layer,
        weight_x=_rows(layer.weight_x, layer.output_size, first, units),
        weight_h=np.roll(weight_h, -first, axis=1),
        bias=_rows(layer.bias, layer.output_size, first, units),
    )


def _rows(values: IntArray, size: int, first: int, units: int) -> IntArray:
    """Of every gate the rows of these units."""
    by_gate = values.reshape(-1, size, *values.shape[1:])[:, first : first + units]
    return by_gate.reshape(-1, *values.shape[1:])


def joined_rows(slices: Sequence[QuantisedLayer]) -> QuantisedLayer:
    """The layer that was cut: the inverse of ``row_slice``."""
    weights = [np.roll(_of(part.weight_h), number * part.output_size, axis=1) for number, part in enumerate(slices)]
    units = slices[0].output_size
    return replace(
        slices[0],
        weight_x=_side_by_side([part.weight_x for part in slices], units),
        weight_h=_side_by_side(weights, units),
        bias=_side_by_side([part.bias for part in slices], units),
    )


def _of(weight_h: IntArray | None) -> IntArray:
    assert weight_h is not None, "a layer whose rows are cut multiplies h"
    return weight_h


def _side_by_side(parts: Sequence[IntArray], units: int) -> IntArray:
    """Of every gate the rows of all parts."""
    rest = parts[0].shape[1:]
    by_gate = np.concatenate([part.reshape(-1, units, *rest) for part in parts], axis=1)
    return by_gate.reshape(-1, *rest)


def sliced(network: QuantisedNetwork, number: int, count: int) -> QuantisedNetwork:
    """A network of one layer with the rows of one device."""
    (layer,) = network.layers
    return replace(network, layers=(row_slice(layer, number, count),))


def unsliced(networks: Sequence[QuantisedNetwork]) -> QuantisedNetwork:
    """The network whose rows were cut."""
    return replace(networks[0], layers=(joined_rows([network.layers[0] for network in networks]),))
