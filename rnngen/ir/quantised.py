"""The network in integers: what the emulator computes and the circuit holds.

A layer is a matrix product over one or two operands (x, and for recurrent
layers h) followed by element-wise work.  Both operands share one accumulator:
their binary points are brought together by a constant left shift of the
operand, which is wiring and costs nothing in a circuit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnngen.arith.activation import TanhTable, make_tanh_table
from rnngen.arith.format import Format, IntArray
from rnngen.errors import FormatError
from rnngen.ir.network import GATES

EMULATOR_BITS = 53
"""Sums are computed in float64 by the emulator, exactly, while they stay below 2**53."""


@dataclass(frozen=True)
class ProductFormats:
    """Formats of a matrix product with one operand (x) or two (x and h).

    Attributes:
        input_size, hidden_size: I and H (0 where there is no h).
        x, h: Operand formats.  weight_x, weight_h: Weight formats, of equal width.
        bias: Format of the bias; its fraction is the accumulator's.
    """

    input_size: int
    hidden_size: int
    x: Format
    weight_x: Format
    h: Format
    weight_h: Format
    bias: Format

    def __post_init__(self) -> None:
        if self.weight_x.width != self.weight_h.width:
            raise FormatError(
                f"Both weight formats of a layer must have one width, not {self.weight_x.width} "
                f"and {self.weight_h.width}."
            )
        if self.bias.fraction != self.fraction:
            raise FormatError(
                f"The bias must have the accumulator's {self.fraction} fraction bits, not {self.bias.fraction}."
            )
        if self.total_width > EMULATOR_BITS:
            raise FormatError(
                f"The sum of a row needs {self.total_width} bits and the limit is {EMULATOR_BITS}; "
                f"use fewer weight or activation bits."
            )

    @property
    def fraction(self) -> int:
        """Fraction bits of the accumulator."""
        x_fraction = self.weight_x.fraction + self.x.fraction
        return max(x_fraction, self.weight_h.fraction + self.h.fraction) if self.hidden_size else x_fraction

    @property
    def shift_x(self) -> int:
        """Left shift of x operands that aligns their products."""
        return self.fraction - self.weight_x.fraction - self.x.fraction

    @property
    def shift_h(self) -> int:
        """Left shift of h operands that aligns their products."""
        return self.fraction - self.weight_h.fraction - self.h.fraction if self.hidden_size else 0

    @property
    def operand_width(self) -> int:
        """Bits of a multiplier's vector operand."""
        h_width = self.h.width + self.shift_h if self.hidden_size else 0
        return max(self.x.width + self.shift_x, h_width)

    @property
    def weight_width(self) -> int:
        """Bits of a weight."""
        return self.weight_x.width

    @property
    def accumulator_width(self) -> int:
        """Bits that hold the products of a row whatever the data."""
        terms = self.input_size + self.hidden_size
        return self.weight_width + self.operand_width + (terms - 1).bit_length()

    @property
    def total_width(self) -> int:
        """Bits that hold the products of a row with bias and rounding constant."""
        return max(self.accumulator_width, self.bias.width) + 1


@dataclass(frozen=True)
class LstmFormats:
    """Every named narrowing point of an LSTM layer.

    Attributes:
        product: The matrix product.
        preactivation: Input of tanh; a sigmoid's input has one fraction bit less.
        gate_fraction: Fraction bits of tanh results (sigmoid results have one more).
        c: Cell state, with at most the fraction bits of ``preactivation``.
        h: Layer output.
    """

    product: ProductFormats
    preactivation: Format
    gate_fraction: int
    c: Format
    h: Format

    def __post_init__(self) -> None:
        if self.c.fraction > self.preactivation.fraction:
            raise FormatError(
                f"The cell state must have at most {self.preactivation.fraction} fraction bits, "
                f"those of the tanh input, not {self.c.fraction}."
            )
        if self.product.fraction < self.preactivation.fraction:
            raise FormatError(
                f"The accumulator's {self.product.fraction} fraction bits must not be fewer than the "
                f"pre-activation's {self.preactivation.fraction}."
            )

    @property
    def table(self) -> TanhTable:
        """The activation table that all gates and tanh(c) share."""
        return make_tanh_table(self.preactivation.width, self.preactivation.fraction, self.gate_fraction)

    def gate_shift(self, gate: str) -> int:
        """Right shift from accumulator to pre-activation of a gate."""
        return self.product.fraction - self.preactivation.fraction + int(gate != "g")

    def rounded_bias(self, bias: IntArray) -> IntArray:
        """Biases (4H,) with the rounding constant of their gate's narrowing added."""
        hidden = self.product.hidden_size
        halves = [(1 << self.gate_shift(gate)) >> 1 for gate in GATES["lstm"]]
        return bias + np.repeat(np.array(halves, dtype=np.int64), hidden)

    @property
    def cell_shifts(self) -> tuple[int, int, int]:
        """Left shifts of f*c and i*g that align them, and the right shift of their sum to c."""
        fc_fraction = self.gate_fraction + 1 + self.c.fraction
        ig_fraction = 2 * self.gate_fraction + 1
        common = max(fc_fraction, ig_fraction)
        return common - fc_fraction, common - ig_fraction, common - self.c.fraction

    @property
    def tanh_shift(self) -> int:
        """Left shift of c to the tanh input."""
        return self.preactivation.fraction - self.c.fraction

    @property
    def output_shift(self) -> int:
        """Right shift of o * tanh(c) to h."""
        return 2 * self.gate_fraction + 1 - self.h.fraction


@dataclass(frozen=True)
class LinearFormats:
    """Formats of a Linear layer: the product and its narrowed output."""

    product: ProductFormats
    y: Format

    def __post_init__(self) -> None:
        if self.product.fraction < self.y.fraction:
            raise FormatError(
                f"The accumulator's {self.product.fraction} fraction bits must not be fewer than the "
                f"output's {self.y.fraction}."
            )

    @property
    def output_shift(self) -> int:
        """Right shift from accumulator to y."""
        return self.product.fraction - self.y.fraction

    def rounded_bias(self, bias: IntArray) -> IntArray:
        """Biases (O,) with the rounding constant of the narrowing added."""
        return bias + ((1 << self.output_shift) >> 1)


@dataclass(frozen=True, eq=False)
class QuantisedLstm:
    """Integer parameters of an LSTM layer: weights (4H, I), (4H, H) and the summed bias (4H,)."""

    name: str
    weight_x: IntArray
    weight_h: IntArray
    bias: IntArray
    formats: LstmFormats

    gates = GATES["lstm"]

    @property
    def output_size(self) -> int:
        """Words of one output step."""
        return self.formats.product.hidden_size

    @property
    def output_format(self) -> Format:
        """Format of an output word."""
        return self.formats.h


@dataclass(frozen=True, eq=False)
class QuantisedLinear:
    """Integer parameters of a Linear layer: weight (O, I) and bias (O,)."""

    name: str
    weight_x: IntArray
    bias: IntArray
    formats: LinearFormats

    gates = ("y",)

    @property
    def output_size(self) -> int:
        """Words of one output step."""
        return int(self.weight_x.shape[0])

    @property
    def output_format(self) -> Format:
        """Format of an output word."""
        return self.formats.y


QuantisedLayer = QuantisedLstm | QuantisedLinear


@dataclass(frozen=True, eq=False)
class QuantisedNetwork:
    """A chain of integer layers.

    Attributes:
        name: The network's name.
        layers: In order; each layer's output format is the next one's x format.
        weight_bits, activation_bits: Widths the formats were chosen for.
    """

    name: str
    layers: tuple[QuantisedLayer, ...]
    weight_bits: int
    activation_bits: int

    @property
    def input_size(self) -> int:
        """Words of one input step."""
        return self.layers[0].formats.product.input_size

    @property
    def input_format(self) -> Format:
        """Format of an input word."""
        return self.layers[0].formats.product.x

    @property
    def output_size(self) -> int:
        """Words of one output step."""
        return self.layers[-1].output_size

    @property
    def output_format(self) -> Format:
        """Format of an output word."""
        return self.layers[-1].output_format

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one step."""
        return sum(
            int(layer.weight_x.size) + (int(layer.weight_h.size) if isinstance(layer, QuantisedLstm) else 0)
            for layer in self.layers
        )


