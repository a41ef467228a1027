"""Where a layer of the network is narrowed: formats of its operands, sums and results.

Everything between two named points is exact.  The software model, its twin in PyTorch and the circuit read these
formats; shifts and rounding constants follow from them here, once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from rnngen.arith.activation import TanhTable, make_tanh_table
from rnngen.arith.format import Format
from rnngen.errors import FormatError

GATES = {"lstm": ("i", "f", "g", "o"), "gru": ("r", "z", "n"), "rnn_tanh": ("n",), "rnn_relu": ("n",)}
"""Gate names of each cell, in the row order of its weights."""

EMULATOR_BITS = 53
"""Sums are computed in float64 by the emulator, exactly, while they stay below 2**53."""


@dataclass(frozen=True)
class ProductFormats:
    """Formats of a matrix product with one operand (x) or two (x and h).

    Attributes:
        input_size, hidden_size: Words of x and of h that are multiplied (0 where there is none).
        x, h: Operand formats.  weight_x, weight_h: Weight formats, of equal width.
        bias: Format of the bias; its fraction is at most the accumulator's.
        point: Fraction bits that the accumulator has at least: those of the whole sum, where this is a part of one.
    """

    input_size: int
    hidden_size: int
    x: Format
    weight_x: Format
    h: Format
    weight_h: Format
    bias: Format
    point: int | None = None

    def __post_init__(self) -> None:
        if self.weight_x.width != self.weight_h.width:
            raise FormatError(
                f"Both weight formats of a layer must have one width, not {self.weight_x.width} "
                f"and {self.weight_h.width}."
            )
        if self.bias.fraction > self.fraction:
            raise FormatError(
                f"The bias must have at most the accumulator's {self.fraction} fraction bits, not {self.bias.fraction}."
            )
        if self.total_width > EMULATOR_BITS:
            raise FormatError(
                f"The sum of a row needs {self.total_width} bits and the limit is {EMULATOR_BITS}; "
                f"use fewer weight or activation bits."
            )

    def at_point(self, fraction: int) -> ProductFormats:
        """With an accumulator of so many fraction bits, if not more."""
        return replace(self, point=fraction if fraction > self._own_fraction else None)

    @property
    def fraction(self) -> int:
        """Fraction bits of the accumulator."""
        return self._own_fraction if self.point is None else max(self._own_fraction, self.point)

    @property
    def _own_fraction(self) -> int:
        """Fraction bits of its products."""
        fractions = [self.weight_x.fraction + self.x.fraction] if self.input_size else []
        fractions += [self.weight_h.fraction + self.h.fraction] if self.hidden_size else []
        return max(fractions)

    @property
    def shift_x(self) -> int:
        """Left shift of x operands that aligns their products."""
        return self.fraction - self.weight_x.fraction - self.x.fraction if self.input_size else 0

    @property
    def shift_h(self) -> int:
        """Left shift of h operands that aligns their products."""
        return self.fraction - self.weight_h.fraction - self.h.fraction if self.hidden_size else 0

    @property
    def bias_shift(self) -> int:
        """Left shift of the bias to the accumulator's point."""
        return self.fraction - self.bias.fraction

    @property
    def operand_width(self) -> int:
        """Bits of a multiplier's vector operand."""
        x_width = self.x.width + self.shift_x if self.input_size else 0
        return max(x_width, self.h.width + self.shift_h if self.hidden_size else 0)

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
        return max(self.accumulator_width, self.bias.width + self.bias_shift) + 1


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

    kind: ClassVar[str] = "lstm"
    gates: ClassVar[tuple[str, ...]] = GATES["lstm"]
    bias_slots: ClassVar[tuple[str, ...]] = GATES["lstm"]
    sum_slots: ClassVar[tuple[str, ...]] = GATES["lstm"]

    def __post_init__(self) -> None:
        if self.c.fraction > self.preactivation.fraction:
            raise FormatError(
                f"The cell state must have at most {self.preactivation.fraction} fraction bits, "
                f"those of the tanh input, not {self.c.fraction}."
            )
        _check_preactivation(self.product, self.preactivation)

    @property
    def table(self) -> TanhTable:
        """The activation table that all gates and tanh(c) share."""
        return make_tanh_table(self.preactivation.width, self.preactivation.fraction, self.gate_fraction)

    @property
    def output(self) -> Format:
        """Format of an output word."""
        return self.h

    def slot_shift(self, slot: str) -> int:
        """Right shift from accumulator to pre-activation of a gate."""
        return self.product.fraction - self.preactivation.fraction + int(slot != "g")

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
class GruFormats:
    """Every named narrowing point of a GRU layer: n = tanh(n_x + r * n_h), h' = (1 - z) * n + z * h.

    Attributes:
        product: The matrix product.  preactivation, gate_fraction: As for an LSTM.
        inner: n_x = W_in x + b_in and n_h = W_hn h + b_hn, which meet behind the product with r.
        state: h as the unit itself remembers it.  h: h as it is multiplied, and the layer's output.
    """

    product: ProductFormats
    preactivation: Format
    gate_fraction: int
    inner: Format
    state: Format
    h: Format

    kind: ClassVar[str] = "gru"
    gates: ClassVar[tuple[str, ...]] = GATES["gru"]
    bias_slots: ClassVar[tuple[str, ...]] = (*GATES["gru"], "x")
    """Gate n has two biases: with h (slot n) and with x (slot x)."""
    sum_slots: ClassVar[tuple[str, ...]] = ("r", "z", "x")

    def __post_init__(self) -> None:
        _check_preactivation(self.product, self.preactivation)
        if self.product.fraction < self.inner.fraction:
            raise FormatError(
                f"The accumulator's {self.product.fraction} fraction bits must not be fewer than the "
                f"{self.inner.fraction} of gate n's parts."
            )
        if self.candidate_shift < 0:
            raise FormatError(
                f"The parts of a GRU's gate n reach {self.inner.maximum * self.inner.step:.3g}, too far for a tanh "
                f"input of {self.preactivation.fraction} fraction bits; use more activation bits or scale the input."
            )
        if self.state_shifts[3] >= 2 * self.gate_fraction + 2:
            raise FormatError(
                f"The h of a GRU reaches {self.h.maximum * self.h.step:.3g}, too far beside gates within (-1, 1); "
                f"begin with a smaller state."
            )

    @property
    def table(self) -> TanhTable:
        """The activation table that all gates share."""
        return make_tanh_table(self.preactivation.width, self.preactivation.fraction, self.gate_fraction)

    @property
    def output(self) -> Format:
        """Format of an output word."""
        return self.h

    def slot_shift(self, slot: str) -> int:
        """Right shift from accumulator to a gate's pre-activation, or to a part of gate n."""
        target = self.preactivation.fraction - 1 if slot in ("r", "z") else self.inner.fraction
        return self.product.fraction - target

    @property
    def candidate_shift(self) -> int:
        """Right shift of n_x + r * n_h, with the fraction bits of the product, to the tanh input."""
        return self.inner.fraction + self.gate_fraction + 1 - self.preactivation.fraction

    @property
    def state_shifts(self) -> tuple[int, int, int, int]:
        """Left shifts of (1 - z) * n and z * h that align them; right shifts of the sum to state and to h."""
        n_fraction = 2 * self.gate_fraction + 1
        h_fraction = self.gate_fraction + 1 + self.state.fraction
        common = max(n_fraction, h_fraction)
        return common - n_fraction, common - h_fraction, common - self.state.fraction, common - self.h.fraction


@dataclass(frozen=True)
class LinearFormats:
    """A product and its narrowed output: a Linear layer or a plain RNN, with the function that follows.

    Attributes:
        function: ``"clamp"`` (limits only: none, ReLU, hardtanh, hard sigmoid), ``"tanh"`` or ``"sigmoid"``.
        y: The output.  low, high: Integers of ``y`` that a clamp does not leave; its limits if None.
        preactivation: Input of tanh, where there is one (a sigmoid's has one fraction bit less).
    """

    product: ProductFormats
    y: Format
    function: str = "clamp"
    low: int | None = None
    high: int | None = None
    preactivation: Format | None = None

    gates: ClassVar[tuple[str, ...]] = ("y",)
    bias_slots: ClassVar[tuple[str, ...]] = ("y",)
    sum_slots: ClassVar[tuple[str, ...]] = ("y",)
    """Of each kind of layer the bias slots of sums that x enters, by gate."""

    def __post_init__(self) -> None:
        if self.function == "clamp" and self.product.fraction < self.y.fraction:
            raise FormatError(
                f"The accumulator's {self.product.fraction} fraction bits must not be fewer than the "
                f"output's {self.y.fraction}."
            )
        if self.preactivation is not None:
            _check_preactivation(self.product, self.preactivation)

    @property
    def kind(self) -> str:
        """``"linear"`` or, with a table, ``"table"``."""
        return "linear" if self.function == "clamp" else "table"

    @property
    def limits(self) -> tuple[int, int]:
        """Smallest and largest output."""
        low, high = self.y.minimum, self.y.maximum
        return (low if self.low is None else self.low), (high if self.high is None else self.high)

    @property
    def table(self) -> TanhTable:
        """The activation table of tanh or sigmoid."""
        assert self.preactivation is not None
        fraction = self.y.fraction - int(self.function == "sigmoid")
        return make_tanh_table(self.preactivation.width, self.preactivation.fraction, fraction)

    @property
    def output(self) -> Format:
        """Format of an output word."""
        return self.y

    def slot_shift(self, slot: str) -> int:
        """Right shift from accumulator to y, or to the pre-activation."""
        if self.preactivation is None:
            return self.product.fraction - self.y.fraction
        return self.product.fraction - self.preactivation.fraction + int(self.function == "sigmoid")


LayerFormats = LstmFormats | GruFormats | LinearFormats


def _check_preactivation(product: ProductFormats, preactivation: Format) -> None:
    if product.fraction < preactivation.fraction:
        raise FormatError(
            f"The accumulator's {product.fraction} fraction bits must not be fewer than the "
            f"pre-activation's {preactivation.fraction}."
        )


def rounding_constants(formats: LayerFormats) -> tuple[int, ...]:
    """What a bias holds besides itself so that its narrowing rounds: by bias slot, in units of the bias."""
    shift = formats.product.bias_shift
    return tuple((1 << formats.slot_shift(slot)) >> (1 + shift) for slot in formats.bias_slots)
