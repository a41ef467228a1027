"""A layer cut over devices, by its outputs or by its inputs, and joined again.

By outputs, every device multiplies the whole vector that the devices exchange.  It lies on each of them in another
order: what the device itself gives first, then what the others give.  ``order`` says how: the devices by their distance
around from each of them on, itself (0) first; as its words come.  By inputs, every device gives sums of all outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rnngen.arith.format import Format, IntArray
from rnngen.arith.points import rounding_constants
from rnngen.ir.quantised import (
    Branch,
    LinearFormats,
    ProductFormats,
    QuantisedLayer,
    QuantisedMap,
    QuantisedNetwork,
)
from rnngen.passes.formats import bias_format, sum_width

Order = Sequence[int]


def row_slice(layer: QuantisedLayer, number: int, order: Order) -> QuantisedLayer:
    """The part of a layer that device ``number`` computes."""
    units = layer.output_size // len(order)
    first = number * units
    weight_h = None if layer.weight_h is None else _rows(layer.weight_h, layer.output_size, first, units)
    return replace(
        layer,
        weight_x=_rows(layer.weight_x, layer.output_size, first, units),
        weight_h=None if weight_h is None else _turned(weight_h, number, order),
        bias=_rows(layer.bias, layer.output_size, first, units),
    )


def _rows(values: IntArray, size: int, first: int, units: int) -> IntArray:
    """Of every gate the rows of these units."""
    by_gate = values.reshape(-1, size, *values.shape[1:])[:, first : first + units]
    return by_gate.reshape(-1, *values.shape[1:])


def _turned(weights: IntArray, number: int, order: Order) -> IntArray:
    """Columns of all devices in the order of one of them."""
    parts = np.split(weights, len(order), axis=1)
    return np.hstack([parts[(number + distance) % len(order)] for distance in order])


def _straight(weights: IntArray, number: int, order: Order) -> IntArray:
    """The inverse of ``_turned``."""
    parts, count = np.split(weights, len(order), axis=1), len(order)
    return np.hstack([parts[order.index((device - number) % count)] for device in range(count)])


def joined_rows(slices: Sequence[QuantisedLayer], order: Order) -> QuantisedLayer:
    """The layer that was cut: the inverse of ``row_slice``."""
    units = slices[0].output_size
    weights = [
        _straight(part.weight_h, number, order) for number, part in enumerate(slices) if part.weight_h is not None
    ]
    return replace(
        slices[0],
        weight_x=_side_by_side([part.weight_x for part in slices], units),
        weight_h=_side_by_side(weights, units) if weights else None,
        bias=_side_by_side([part.bias for part in slices], units),
    )


def _side_by_side(parts: Sequence[IntArray], units: int) -> IntArray:
    """Of every gate the rows of all parts."""
    rest = parts[0].shape[1:]
    by_gate = np.concatenate([part.reshape(-1, units, *rest) for part in parts], axis=1)
    return by_gate.reshape(-1, *rest)


def projection_slice(layer: QuantisedLayer, number: int, order: Order) -> QuantisedLayer:
    """The rows of a projection that give a group's own slice of h; what other devices give is its h, not its x."""
    count = len(order)
    own = layer.weight_x.shape[1] // count
    rows = row_slice(layer, number, order)
    weights = _turned(rows.weight_x, number, order)
    return replace(
        rows, weight_x=weights[:, :own], weight_h=weights[:, own:], formats=_operands(layer, own, (count - 1) * own)
    )


def joined_projection(slices: Sequence[QuantisedLayer], order: Order) -> QuantisedLayer:
    """The projection that was cut: the inverse of ``projection_slice``."""
    count, own = len(slices), slices[0].weight_x.shape[1]
    columns = [np.hstack([part.weight_x, _others(part)]) for part in slices]
    whole = [
        replace(part, weight_x=_straight(weights, number, order), weight_h=None)
        for number, (part, weights) in enumerate(zip(slices, columns))
    ]
    return replace(joined_rows(whole, order), formats=_operands(slices[0], count * own, 0))


def _others(layer: QuantisedLayer) -> IntArray:
    assert layer.weight_h is not None, "a projection that was cut multiplies what other devices give"
    return layer.weight_h


def _operands(layer: QuantisedLayer, inputs: int, hidden: int) -> LinearFormats:
    """The formats with other numbers of words of x and of h, which are alike."""
    formats = layer.formats
    assert isinstance(formats, LinearFormats), "a projection is a Linear layer"
    product = formats.product
    alike = replace(product, input_size=inputs, hidden_size=hidden, h=product.x, weight_h=product.weight_x)
    return replace(formats, product=alike)


def sums_format(layer: QuantisedLayer) -> Format:
    """Of the sums of some inputs of a Linear layer, or of all: at the accumulator's point, never rounded or saturated.

    As 0 is among the values of every input, no sum of some of them is larger than what all may give.
    """
    product = layer.formats.product
    weight, bias = layer.weight_x << product.shift_x, layer.bias << product.bias_shift
    bits = (sum_width(weight, each, product.x) for each in (bias, np.zeros_like(bias)))
    return Format(max(*bits, layer.output_format.width), product.fraction)


def input_slice(network: QuantisedNetwork, number: int, devices: int) -> QuantisedNetwork:
    """What a device computes of a Linear layer that is cut by its inputs: sums, the first device's with the biases.

    The first device adds those of the others to its own and takes the layer's function of the total.
    """
    (block,), (layer,) = network.blocks, network.layers
    each, own, sums = network.input_size // devices, layer.formats.product, sums_format(layer)
    part = replace(
        layer,
        weight_x=layer.weight_x[:, number * each : (number + 1) * each],
        bias=layer.bias if number == 0 else np.zeros_like(layer.bias),
        formats=LinearFormats(replace(own, input_size=each).at_point(own.fraction), sums),
        x_offset=number * each,
    )
    block = replace(block, inputs=network.input_size)
    if number == 0:
        block = replace(block, joins=devices - 1, post=(_function(layer, sums),))
    return replace(network, layers=(part,), blocks=(block,))


def _function(layer: QuantisedLayer, sums: Format) -> QuantisedMap:
    """What a Linear layer makes of its sums."""
    assert isinstance(layer.formats, LinearFormats), "Linear layers alone are cut by inputs"
    (constant,), one = rounding_constants(layer.formats), Format(2, 0)
    half = constant << layer.formats.product.bias_shift
    bias = bias_format(np.zeros(1), sums.fraction, half)
    product = ProductFormats(1, 0, sums, one, sums, one, bias)
    return QuantisedMap(layer.name, layer.output_size, 1, half, replace(layer.formats, product=product))


def joined_inputs(networks: Sequence[QuantisedNetwork]) -> QuantisedNetwork:
    """The network that was cut: the inverse of ``input_slice``."""
    first = networks[0]
    (block,), (layer,) = first.blocks, first.layers
    (function,) = block.post
    assert isinstance(function, QuantisedMap), "the total passes the layer's function"
    product = replace(layer.formats.product, input_size=block.inputs)
    whole = replace(
        layer,
        weight_x=np.hstack([network.layers[0].weight_x for network in networks]),
        formats=replace(function.formats, product=product),
    )
    return replace(first, layers=(whole,), blocks=(replace(block, inputs=0, joins=0, post=()),))


def sliced(network: QuantisedNetwork, number: int, order: Order, by_inputs: bool = False) -> QuantisedNetwork:
    """A network of one block with what one device computes: rows of its layer, one of its groups, or some inputs."""
    if by_inputs:
        return input_slice(network, number, len(order))
    (block,) = network.blocks
    if len(block.branches[0].stages[0]) == 1:
        (layer,) = network.layers
        return replace(network, layers=(row_slice(layer, number, order),))
    gates = replace(network.layers[number], h_offset=0)
    projection = projection_slice(network.layers[-1], number, order)
    stages = Branch(((0,), (1,)))
    own = replace(block, branches=(stages,), inputs=network.input_size)
    return replace(network, layers=(gates, projection), blocks=(own,))


def unsliced(networks: Sequence[QuantisedNetwork], order: Order) -> QuantisedNetwork:
    """The network that was cut."""
    first, count = networks[0], len(networks)
    (block,) = first.blocks
    if block.joins:
        return joined_inputs(networks)
    if len(first.layers) == 1:
        return replace(first, layers=(joined_rows([network.layers[0] for network in networks], order),))
    size = first.layers[0].formats.product.hidden_size
    gates = [replace(network.layers[0], h_offset=number * size) for number, network in enumerate(networks)]
    projection = joined_projection([network.layers[1] for network in networks], order)
    stages = Branch((tuple(range(count)), (count,)))
    return replace(first, layers=(*gates, projection), blocks=(replace(block, branches=(stages,), inputs=0),))
