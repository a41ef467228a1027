"""Choice of binary points, and the integers that follow.

Widths are the user's; each tensor gets its own binary point.  Weights take the
point with the smallest squared error (a few extreme weights may saturate when
the rest gains a bit); activations take the point that just covers their range.
"""

from __future__ import annotations

import math

import numpy as np

from rnngen.arith.format import FloatArray, Format
from rnngen.errors import FormatError, ModelError
from rnngen.ir.network import LinearLayer, Network, RecurrentLayer
from rnngen.ir.quantised import (
    LinearFormats,
    LstmFormats,
    ProductFormats,
    QuantisedLayer,
    QuantisedLinear,
    QuantisedLstm,
    QuantisedNetwork,
)
from rnngen.passes.ranges import LayerRanges, measure, prove

WEIGHT_BITS = range(2, 19)
ACTIVATION_BITS = range(4, 19)
MULTIPLIER_BITS = 18
"""Operand width of the multiplier of the devices in view; alignment shifts must stay inside it."""
GUARD_BITS = 2
"""Pre-activations and c are this much wider than activations: they are few, and errors in c accumulate."""
MAX_FRACTION_BITS = 40
"""Of an accumulator: products of tiny weights need no finer point, and their bias must fit beside them."""
PREACTIVATION_INTEGER_BITS = 4
"""Sign and three bits: tanh inputs in [-8, 8), sigmoid inputs in [-16, 16)."""


def covering(width: int, largest: float) -> Format:
    """The finest signed format of a width whose range holds +-largest."""
    if largest == 0.0:
        return Format(width, width - 1)
    fraction = width - 1 - math.ceil(math.log2(largest))
    if math.floor(largest * 2.0**fraction + 0.5) > (1 << (width - 1)) - 1:
        fraction -= 1
    return Format(width, fraction)


def _squared_error(values: FloatArray, target: Format) -> float:
    return float(np.square(target.to_float(target.quantise(values)) - values).sum())


def best_weight_format(width: int, weights: FloatArray, operand: Format) -> Format:
    """The format of a width with the smallest squared error over weights that multiply ``operand``."""
    coarse = covering(width, float(np.abs(weights).max(initial=0.0)))
    finest = MAX_FRACTION_BITS - operand.fraction
    candidates = [Format(width, min(coarse.fraction + finer, finest)) for finer in range(3)]
    return min(candidates, key=lambda target: _squared_error(weights, target))


def _check_bits(name: str, bits: int, legal: range) -> None:
    if bits not in legal:
        raise FormatError(f"{name} bits must be within {legal.start}..{legal.stop - 1}, not {bits}.")


def _aligned(x: Format, weight_x: Format, h: Format, weight_h: Format) -> tuple[Format, Format]:
    """Weight formats whose products differ by no more shift than the multiplier has room for.

    The finer product is made coarser: it stays at least as fine as the other one's.
    """
    distance = (weight_x.fraction + x.fraction) - (weight_h.fraction + h.fraction)
    room_h, room_x = max(0, MULTIPLIER_BITS - h.width), max(0, MULTIPLIER_BITS - x.width)
    if distance > room_h:
        weight_x = Format(weight_x.width, weight_x.fraction - (distance - room_h))
    elif -distance > room_x:
        weight_h = Format(weight_h.width, weight_h.fraction - (-distance - room_x))
    return weight_x, weight_h


def _bias_format(bias: FloatArray, fraction: int, half: int) -> Format:
    """Room for every bias with its rounding constant, so that it never saturates."""
    largest = int(np.abs(np.floor(bias * 2.0**fraction + 0.5)).max()) + half
    return Format(max(2, largest.bit_length() + 1), fraction)


def _quantise_lstm(
    layer: RecurrentLayer, x: Format, ranges: LayerRanges, weights: int, activations: int
) -> QuantisedLstm:
    h = Format(activations, activations - 1)
    weight_x, weight_h = _aligned(
        x, best_weight_format(weights, layer.weight_ih, x), h, best_weight_format(weights, layer.weight_hh, h)
    )
    fraction = max(weight_x.fraction + x.fraction, weight_h.fraction + h.fraction)
    preactivation = Format(activations + GUARD_BITS, activations + GUARD_BITS - PREACTIVATION_INTEGER_BITS)
    if fraction < preactivation.fraction:
        preactivation = Format(preactivation.width, fraction)
    bias = layer.bias_ih + layer.bias_hh
    half = 1 << (fraction - preactivation.fraction)
    product = ProductFormats(
        layer.input_size, layer.hidden_size, x, weight_x, h, weight_h, _bias_format(bias, fraction, half)
    )
    c = covering(min(activations + GUARD_BITS, MULTIPLIER_BITS), ranges.c)
    c = Format(c.width, min(c.fraction, preactivation.fraction))
    formats = LstmFormats(product, preactivation, min(activations, MULTIPLIER_BITS - 2), c, h)
    return QuantisedLstm(
        layer.name,
        weight_x.quantise(layer.weight_ih),
        weight_h.quantise(layer.weight_hh),
        product.bias.quantise(bias),
        formats,
    )


def _quantise_linear(
    layer: LinearLayer, x: Format, ranges: LayerRanges, weights: int, activations: int
) -> QuantisedLinear:
    weight = best_weight_format(weights, layer.weight, x)
    fraction = weight.fraction + x.fraction
    y = covering(activations, ranges.y)
    y = Format(y.width, min(y.fraction, fraction))
    half = 1 << (fraction - y.fraction)
    product = ProductFormats(layer.input_size, 0, x, weight, x, weight, _bias_format(layer.bias, fraction, half))
    return QuantisedLinear(
        layer.name, weight.quantise(layer.weight), product.bias.quantise(layer.bias), LinearFormats(product, y)
    )


def quantise(
    network: Network, weight_bits: int = 8, activation_bits: int = 16, calibration: FloatArray | None = None
) -> QuantisedNetwork:
    """Choose every format and quantise the parameters.

    Args:
        network: The float network.
        weight_bits: 2..18.  activation_bits: 4..18.
        calibration: Real input (sequences, steps, features), or None for proved ranges.

    Raises:
        FormatError: if a width is out of range.
        DataError: if the calibration input has a wrong shape or is not finite.
    """
    _check_bits("Weight", weight_bits, WEIGHT_BITS)
    _check_bits("Activation", activation_bits, ACTIVATION_BITS)
    for layer in network.layers:
        if not isinstance(layer, LinearLayer) and not (isinstance(layer, RecurrentLayer) and layer.cell == "lstm"):
            raise ModelError(f"Layer '{layer.name}' has no datapath yet; an LSTM of one direction has.")
    ranges = prove(network) if calibration is None else measure(network, calibration)
    x = covering(activation_bits, ranges[0].x)
    layers: list[QuantisedLayer] = []
    for layer, layer_ranges in zip(network.layers, ranges):
        if isinstance(layer, LinearLayer):
            layers.append(_quantise_linear(layer, x, layer_ranges, weight_bits, activation_bits))
        else:
            assert isinstance(layer, RecurrentLayer)
            layers.append(_quantise_lstm(layer, x, layer_ranges, weight_bits, activation_bits))
        x = layers[-1].output_format
    return QuantisedNetwork(network.name, tuple(layers), weight_bits, activation_bits)
