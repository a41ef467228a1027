"""A recurrent layer in two blocks: what multiplies x, and what multiplies h.

The first one is a Linear layer that gives the sums of x, with the biases and rounding constants of the whole inside, at
the whole accumulator's binary point and in as many bits as they need: nothing is rounded, and nothing ever saturates.
Its rows are in the order in which the second one reads them, unit by unit.  The second one multiplies h alone, and the
sums of a step are its biases in that step.  Together they compute the layer in every bit, on one device or on two.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rnngen.arith.format import Format, IntArray
from rnngen.arith.points import rounding_constants
from rnngen.errors import ModelError
from rnngen.ir.layers import LinearLayer, RecurrentLayer
from rnngen.ir.network import Network
from rnngen.ir.quantised import Block, Branch, LinearFormats, QuantisedLayer, QuantisedNetwork
from rnngen.passes.cut import Part, check_ranges, float_part, join, part_of
from rnngen.passes.formats import sum_width

_Number = TypeVar("_Number", np.int64, np.float64)

SUFFIX = ".x"
"""What the name of a layer's first half ends with."""


def kept_together(network: QuantisedNetwork, block: int) -> str:
    """Why the x and the h of a block are multiplied by one engine; empty if they may be multiplied apart."""
    own = network.blocks[block]
    layer = network.layers[own.branches[0].last]
    if own.stored:
        return f"layer '{layer.name}' works on whole stored sequences"
    if len(own.branches[0].indices) > 1:
        return f"layer '{layer.name}' has two stages (projected, factorised or grouped)"
    if layer.apart:
        return f"the x of layer '{layer.name}' is multiplied apart already"
    if layer.weight_h is None:
        return f"layer '{layer.name}' multiplies no h"
    if layer.symbols:
        return f"layer '{layer.name}' reads a table of {layer.symbols} symbols, and nothing of x is multiplied"
    if layer.banks:
        return f"the rows of layer '{layer.name}' are sparse"
    return ""


def separable(network: QuantisedNetwork) -> tuple[int, ...]:
    """Blocks whose x and h may be multiplied apart."""
    return tuple(block for block in range(len(network.blocks)) if not kept_together(network, block))


def halved(network: QuantisedNetwork, blocks: Collection[int]) -> QuantisedNetwork:
    """The network with some of its blocks in two each, x before h.

    Raises:
        ModelError: if one of them cannot be.
    """
    layers: list[QuantisedLayer] = []
    made: list[Block] = []
    for index, block in enumerate(network.blocks):
        reason = kept_together(network, index) if index in blocks else ""
        if reason:
            raise ModelError(f"x and h cannot be multiplied apart: {reason}.")
        own = [network.layers[k] for branch in block.branches for k in sorted(branch.indices)]
        if index in blocks:
            (layer,) = own
            before = made[-1].source if made else -1
            made += [_alone(len(layers), before), replace(block, branches=(Branch(((len(layers) + 1,),)),))]
            layers += [sums_of_x(layer), without_x(layer)]
        else:
            made.append(_moved(block, len(layers) - min(k for branch in block.branches for k in branch.indices)))
            layers += own
    return replace(network, layers=tuple(layers), blocks=tuple(made))


def whole(network: QuantisedNetwork) -> QuantisedNetwork:
    """The network with every two halves as one block again, where both are there: the inverse of ``halved``."""
    layers: list[QuantisedLayer] = []
    made: list[Block] = []
    for index, block in enumerate(network.blocks):
        own = [network.layers[k] for branch in block.branches for k in sorted(branch.indices)]
        if index and own[0].apart:
            layers[-1] = _together(layers[-1], own[0])
            made[-1] = replace(block, branches=made[-1].branches)
        else:
            made.append(_moved(block, len(layers) - min(k for branch in block.branches for k in branch.indices)))
            layers += own
    return replace(network, layers=tuple(layers), blocks=tuple(made))


def _alone(layer: int, source: int) -> Block:
    return Block((Branch(((layer,),)),), source=source)


def _moved(block: Block, distance: int) -> Block:
    """With its layers so much further behind."""
    branches = tuple(
        Branch(tuple(tuple(k + distance for k in stage) for stage in branch.stages), branch.reverse)
        for branch in block.branches
    )
    return replace(block, branches=branches)


def _by_unit(rows: NDArray[_Number], gates: int) -> NDArray[_Number]:
    """Rows (gates * units, ..) in the order of units."""
    return rows.reshape(gates, -1, *rows.shape[1:]).swapaxes(0, 1).reshape(rows.shape)


def _by_gate(rows: NDArray[_Number], gates: int) -> NDArray[_Number]:
    """The inverse of ``_by_unit``."""
    return rows.reshape(-1, gates, *rows.shape[1:]).swapaxes(0, 1).reshape(rows.shape)


def _inside(layer: QuantisedLayer) -> IntArray:
    """Of the biases (bias slots, units) those that x's sums hold, (gates, units)."""
    slots = layer.formats.bias_slots
    return layer.bias.reshape(len(slots), -1)[[slots.index(slot) for slot in layer.formats.sum_slots]]


def _constants(layer: QuantisedLayer) -> IntArray:
    """Rounding constants of the same, (gates, 1)."""
    constants = dict(zip(layer.formats.bias_slots, rounding_constants(layer.formats)))
    return np.array([[constants[slot]] for slot in layer.formats.sum_slots], dtype=np.int64)


def sums_of_x(layer: QuantisedLayer) -> QuantisedLayer:
    """The half that multiplies x: a Linear layer of gates * units outputs."""
    product, gates = layer.formats.product, len(layer.gates)
    assert product.bias_shift == 0, "only tables of symbols have biases that are coarser than the accumulator"
    weight = _by_unit(layer.weight_x, gates)
    bias = _by_unit((_inside(layer) + _constants(layer)).ravel(), gates)
    own = replace(product, hidden_size=0, h=product.x, weight_h=product.weight_x, point=product.fraction)
    width = sum_width(weight << product.shift_x, bias, product.x)
    formats = LinearFormats(own.at_point(product.fraction), Format(width, product.fraction))
    return QuantisedLayer(layer.name + SUFFIX, weight, None, bias, formats)


def without_x(layer: QuantisedLayer) -> QuantisedLayer:
    """The half that multiplies h, with the sums of x as its biases."""
    product, slots = layer.formats.product, layer.formats.bias_slots
    sums = sums_of_x(layer).output_format
    inside = [slots.index(slot) for slot in layer.formats.sum_slots]
    width = sums.width if len(inside) == len(slots) else max(sums.width, product.bias.width)
    own = replace(
        product, input_size=0, x=sums, weight_x=product.weight_h, bias=Format(width, product.fraction),
        point=product.fraction,
    )  # fmt: skip
    bias = layer.bias.reshape(len(slots), -1).copy()
    bias[inside] = 0
    return replace(
        layer,
        weight_x=np.zeros((len(layer.weight_x), 0), dtype=np.int64),
        bias=bias.ravel(),
        formats=replace(layer.formats, product=own.at_point(product.fraction)),
        apart=True,
    )


def _together(x: QuantisedLayer, h: QuantisedLayer) -> QuantisedLayer:
    """The layer of two halves."""
    product, gates, slots = x.formats.product, len(h.gates), h.formats.bias_slots
    formats = replace(
        h.formats,
        product=replace(
            h.formats.product, input_size=product.input_size, x=product.x, weight_x=product.weight_x, bias=product.bias,
            point=None,
        ),
    )  # fmt: skip
    made = replace(h, weight_x=_by_gate(x.weight_x, gates), formats=formats, apart=False)
    inside = _by_gate(x.bias, gates).reshape(gates, -1) - _constants(made)
    bias = h.bias.reshape(len(slots), -1).copy()
    bias[[slots.index(slot) for slot in h.formats.sum_slots]] = inside
    return replace(made, bias=bias.ravel())


def cut_apart(
    network: Network, quantised: QuantisedNetwork, ranges: Sequence[range], names: Sequence[str]
) -> list[Part]:
    """The parts of a network some of whose blocks are halved; where both halves are in a part they are one block.

    The float layer of such a block is with its second half; its first one has the Linear layer that it is.

    Args:
        ranges, names: As for ``cut.cut``.

    Raises:
        ModelError: as there.
    """
    check_ranges(ranges, len(quantised.blocks))
    parts = []
    for blocks, name in zip(ranges, names, strict=True):
        behind: tuple[LinearLayer, ...] = ()
        if blocks.stop < len(quantised.blocks) and _first(quantised, blocks.stop).apart:
            behind = (_linear(network, quantised, blocks[-1]),)
        floats = float_part(network, quantised, blocks, name, behind)
        piece = whole(part_of(quantised, blocks, name))
        if behind:
            last = replace(piece.blocks[-1], source=len(floats.layers) - 1)
            piece = replace(piece, blocks=(*piece.blocks[:-1], last))
        parts.append(Part(floats, piece))
    return parts


def join_halves(parts: Sequence[Part], name: str) -> Part:
    """The network that parts were cut from, with its blocks whole; the inverse of ``cut_apart``."""
    joined = join(parts, name)
    return Part(joined.network, whole(joined.quantised))


def _first(network: QuantisedNetwork, block: int) -> QuantisedLayer:
    return network.layers[network.blocks[block].branches[0].stages[0][0]]


def _linear(network: Network, quantised: QuantisedNetwork, block: int) -> LinearLayer:
    """The float layer of a block that multiplies x."""
    layer = network.layers[quantised.blocks[block].source + 1]
    assert isinstance(layer, RecurrentLayer), "only recurrent layers are halved"
    gates = len(layer.gates)
    bias = layer.bias_ih + layer.bias_hh
    if layer.cell == "gru":  # gate n keeps the bias of h apart, as it does h
        bias[-layer.hidden_size :] = layer.bias_ih[-layer.hidden_size :]
    weight = _by_unit(layer.weight_ih, gates)
    return LinearLayer(layer.name + SUFFIX, weight, _by_unit(bias, gates))
