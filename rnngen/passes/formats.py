"""Choice of binary points.

Widths are the user's; each tensor gets its own binary point.  Weights take the
point with the smallest squared error (a few extreme weights may saturate when
the rest gains a bit); activations take the point that just covers their range.
"""

from __future__ import annotations

import math

import numpy as np

from rnngen.arith.format import FloatArray, Format, IntArray
from rnngen.errors import FormatError
from rnngen.ir.quantised import ProductFormats
from rnngen.ir.trained import TrainedLayer

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


def at_most(target: Format, fraction: int) -> Format:
    """The format with no more than ``fraction`` fraction bits."""
    return Format(target.width, min(target.fraction, fraction), target.signed)


def _squared_error(values: FloatArray, target: Format) -> float:
    return float(np.square(target.to_float(target.quantise(values)) - values).sum())


def best_weight_format(width: int, weights: FloatArray, operand: Format) -> Format:
    """The format of a width with the smallest squared error over weights that multiply ``operand``."""
    coarse = covering(width, float(np.abs(weights).max(initial=0.0)))
    finest = MAX_FRACTION_BITS - operand.fraction
    candidates = [Format(width, min(coarse.fraction + finer, finest)) for finer in range(3)]
    return min(candidates, key=lambda target: _squared_error(weights, target))


def is_too_narrow(target: Format, weights: FloatArray) -> bool:
    """Whether weights saturate so in a format that a coarser one of its width has the smaller squared error."""
    coarse = covering(target.width, float(np.abs(weights).max(initial=0.0))).fraction
    coarser = [Format(target.width, fraction) for fraction in range(coarse, target.fraction)]
    return any(_squared_error(weights, each) < _squared_error(weights, target) for each in coarser)


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


def trained_formats(name: str, x: Format, h: Format, trained: TrainedLayer, inputs: int) -> tuple[Format, Format]:
    """Formats that hold trained integers exactly: their own binary points, the wider one's width.

    Args:
        name: The layer's.
        x, h: Formats of the operands.
        trained: The integers.
        inputs: Words of x that are multiplied; 0 where it is a symbol.

    Raises:
        FormatError: if aligning the products takes more bits than the multiplier has room for.
    """
    width = max(2, trained.weight_ih.bits if inputs else 0, trained.weight_hh.bits)
    weight_h = Format(width, trained.weight_hh.fraction)
    weight_x = Format(width, trained.weight_ih.fraction) if inputs else weight_h
    if not inputs or _aligned(x, weight_x, h, weight_h) == (weight_x, weight_h):
        return weight_x, weight_h
    distance = abs((weight_x.fraction + x.fraction) - (weight_h.fraction + h.fraction))
    fitting = MULTIPLIER_BITS - distance
    fewer = f"use at most {fitting} activation bits, or " if fitting >= 4 else ""
    raise FormatError(
        f"Layer '{name}' was trained with integers whose products with x and with h lie {distance} bits apart, and "
        f"beside operands of {x.width} bits the multiplier has room for {MULTIPLIER_BITS - x.width}; {fewer}train both "
        f"weights with scales that are nearer to each other."
    )


def weight_formats(
    width: int, weight_x: FloatArray, x: Format, weight_h: FloatArray | None, h: Format
) -> tuple[Format, Format]:
    """Formats of the weights of x and of h; where one of them is absent, that of the other one."""
    format_x = best_weight_format(width, weight_x, x) if weight_x.size else None
    format_h = best_weight_format(width, weight_h, h) if weight_h is not None else None
    if format_x is None or format_h is None:
        only = format_x or format_h
        assert only is not None
        return only, only
    return _aligned(x, format_x, h, format_h)


def bias_format(bias: FloatArray, fraction: int, half: int) -> Format:
    """Room for every bias with its rounding constant, so that it never saturates."""
    largest = int(np.abs(np.floor(bias * 2.0**fraction + 0.5)).max()) + half
    return Format(max(2, largest.bit_length() + 1), fraction)


def sum_width(weight: IntArray, bias: IntArray, x: Format) -> int:
    """Bits that hold every row's sum with its bias, whatever x is.

    Args:
        weight: (rows, I), at the accumulator's point.  bias: (rows,), likewise.
    """
    up, down = np.maximum(weight, 0).sum(axis=1), np.minimum(weight, 0).sum(axis=1)
    least = int((up * x.minimum + down * x.maximum + bias).min())
    most = int((up * x.maximum + down * x.minimum + bias).max())
    return max(2, (-least - 1).bit_length() + 1 if least < 0 else 2, most.bit_length() + 1 if most > 0 else 2)


def product_fraction(x: Format, weight_x: Format, h: Format, weight_h: Format, inputs: int, hidden: int) -> int:
    """Fraction bits of an accumulator of both products."""
    fractions = [weight_x.fraction + x.fraction] if inputs else []
    return max(fractions + ([weight_h.fraction + h.fraction] if hidden else []))


def preactivation_format(activations: int, fraction: int) -> Format:
    """Input of tanh for a width of activations, no finer than the accumulator."""
    width = activations + GUARD_BITS
    return Format(width, min(width - PREACTIVATION_INTEGER_BITS, fraction))


def gate_fraction(activations: int) -> int:
    """Fraction bits of gates."""
    return min(activations, MULTIPLIER_BITS - 2)


def state_format(activations: int, largest: float, finest: int) -> Format:
    """A state that a unit keeps: wider than activations, as far as the multiplier allows."""
    return at_most(covering(min(activations + GUARD_BITS, MULTIPLIER_BITS), largest), finest)


def make_product(
    inputs: int, hidden: int, x: Format, weight_x: Format, h: Format, weight_h: Format,
    bias: FloatArray, half: int, bias_fraction: int,
) -> ProductFormats:  # fmt: skip
    """The formats of a product; ``half``: largest rounding constant at ``bias_fraction``."""
    return ProductFormats(inputs, hidden, x, weight_x, h, weight_h, bias_format(bias, bias_fraction, half))
