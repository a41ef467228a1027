"""The exact arithmetic on tensors, with straight-through gradients.

A value is an integer held in float64, as in ``rnngen.emulate``: every sum stays below 2**53 by construction of the
formats, so whatever order a matrix product adds in, nothing is rounded that a format does not round.  Rounding and
saturation, tables and shifts are those of ``rnngen.arith``.

Gradients (the straight-through estimator, Bengio, Leonard & Courville 2013, arXiv 1308.3432): rounding passes them
unchanged, saturation where nothing saturates and not beyond, and a table has the slope of the tanh that it stands for.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import linear

from rnngen.arith.activation import TanhTable
from rnngen.arith.format import Format
from rnngen.arith.points import GruFormats, LayerFormats, LinearFormats, LstmFormats, rounding_constants


def floor(values: torch.Tensor) -> torch.Tensor:
    """The largest integers not above; passes gradients unchanged."""
    return values.detach().floor() + (values - values.detach())


def saturate(values: torch.Tensor, low: int, high: int) -> torch.Tensor:
    """Limits; no gradient beyond them."""
    return values.clamp(float(low), float(high))


def quantise(values: torch.Tensor, target: Format) -> torch.Tensor:
    """Integers of a format from real values: ``Format.quantise``."""
    rounded = floor(values.double() * 2.0**target.fraction + 0.5)
    return saturate(rounded, target.minimum, target.maximum)


@dataclass(frozen=True, eq=False)
class Weights:
    """Real parameters of an engine in one pass, as an ``ir.quantised.QuantisedLayer`` has them.

    Attributes:
        weight_x: (gates * units, I).  weight_h: (gates * units, P), None where no h is multiplied.
        bias: (bias slots * units,), float64; one row a symbol where x is one, and weight_x has no columns then.
    """

    weight_x: torch.Tensor
    weight_h: torch.Tensor | None
    bias: torch.Tensor


class Table(torch.nn.Module):
    """tanh and sigmoid of integer pre-activations."""

    values: torch.Tensor
    slopes: torch.Tensor

    def __init__(self, table: TanhTable) -> None:
        super().__init__()
        self._low, self._high = table.in_format.minimum, table.in_format.maximum
        self.one = float(1 << table.out_fraction)
        inputs = np.arange(self._low, self._high + 1) * 2.0**-table.in_fraction
        slopes = (1.0 - np.tanh(inputs) ** 2) * 2.0 ** (table.out_fraction - table.in_fraction)
        self.register_buffer("values", torch.from_numpy(table.direct.astype(np.float64)), persistent=False)
        self.register_buffer("slopes", torch.from_numpy(slopes), persistent=False)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """T(n) for integers, which are saturated first; a sigmoid is that and ``one``."""
        z = saturate(z, self._low, self._high)
        index = z.detach().long() - self._low
        return self.values[index] + self.slopes[index] * (z - z.detach())


class Engine(torch.nn.Module):
    """What an engine computes: sums over x and h with their biases, narrowed, and the element-wise path behind them."""

    def __init__(self, formats: LayerFormats, units: int) -> None:
        super().__init__()
        self.formats, self.units = formats, units
        product = formats.product
        halves = torch.tensor(rounding_constants(formats), dtype=torch.float64).repeat_interleave(units)
        scales = torch.tensor([2.0 ** -formats.slot_shift(slot) for slot in formats.bias_slots], dtype=torch.float64)
        self._halves: torch.Tensor
        self._scales: torch.Tensor
        self.register_buffer("_halves", halves, persistent=False)
        self.register_buffer("_scales", scales.repeat_interleave(units), persistent=False)
        self._shift_x, self._shift_h = 2.0**product.shift_x, 2.0**product.shift_h

    def load(self, weights: Weights) -> None:
        """Quantises the parameters for what follows."""
        product = self.formats.product
        self._matrix_x = self._matrix(quantise(weights.weight_x, product.weight_x) * self._shift_x, "n")
        self._matrix_h: torch.Tensor | None = None
        if weights.weight_h is not None:
            self._matrix_h = self._matrix(quantise(weights.weight_h, product.weight_h) * self._shift_h, "x")
        bias = quantise(weights.bias, product.bias) + self._halves
        self._bias = bias * 2.0**product.bias_shift * self._scales

    def _matrix(self, weight: torch.Tensor, without: str) -> torch.Tensor:
        """Rows by bias slot, each at the point that it is narrowed to; in a GRU one slot has nothing of an operand."""
        if isinstance(self.formats, GruFormats):
            r, z, n = weight.chunk(3)
            rows = {"r": r, "z": z, "n": n, "x": n, without: torch.zeros_like(n)}
            weight = torch.cat([rows[slot] for slot in self.formats.bias_slots])
        return weight * self._scales[:, None]

    def project(self, x: torch.Tensor) -> torch.Tensor:
        """What x and the biases give of the sums (..., bias slots * units), not yet floored.

        Args:
            x: (..., I), or symbols (..., 1).
        """
        if self._bias.dim() == 2:
            return self._bias[x[..., 0].long()]
        return linear(x, self._matrix_x, self._bias)

    def step(self, sums: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        """Output words (..., units) of a step: ``project`` of its x, and h (..., P)."""
        if self._matrix_h is not None:
            sums = sums + linear(h, self._matrix_h)
        return self._finish(floor(sums))

    def begin(self, sequences: int) -> None:
        """Sequences begin, from zeros."""
        self._state = self._bias.new_zeros(sequences, self.units)

    @abstractmethod
    def _finish(self, sums: torch.Tensor) -> torch.Tensor:
        """The output of the narrowed sums."""


class LstmEngine(Engine):
    """Gates and state of an LSTM; gives o * tanh(c)."""

    def __init__(self, formats: LstmFormats, units: int) -> None:
        super().__init__(formats, units)
        self._points, self._table = formats, Table(formats.table)

    def _finish(self, sums: torch.Tensor) -> torch.Tensor:
        points, one = self._points, self._table.one
        i, f, g, o = self._table(sums).chunk(4, dim=-1)
        left_fc, left_ig, right = points.cell_shifts
        c = (f + one) * self._state * 2.0 ** (left_fc - right) + (i + one) * g * 2.0 ** (left_ig - right)
        c = floor(c + 0.5)
        self._state = saturate(c, points.c.minimum, points.c.maximum)
        width = min(points.c.width, points.preactivation.width - points.tanh_shift)
        narrow = Format(width, points.c.fraction)
        tanh_input = saturate(c, narrow.minimum, narrow.maximum) * 2.0**points.tanh_shift
        m = floor(self._table(tanh_input) * (o + one) * 2.0**-points.output_shift + 0.5)
        return saturate(m, points.h.minimum, points.h.maximum)


class GruEngine(Engine):
    """A GRU, whose state is finer than its h."""

    def __init__(self, formats: GruFormats, units: int) -> None:
        super().__init__(formats, units)
        self._points, self._table = formats, Table(formats.table)

    def _finish(self, sums: torch.Tensor) -> torch.Tensor:
        points, half = self._points, self._table.one
        z_r, z_z, n_h, n_x = sums.chunk(4, dim=-1)
        n_h, n_x = (saturate(part, points.inner.minimum, points.inner.maximum) for part in (n_h, n_x))
        r, z = self._table(z_r) + half, self._table(z_z) + half
        n = self._table(floor((n_x * 2.0 * half + r * n_h) * 2.0**-points.candidate_shift + 0.5))
        left_n, left_h, right_state, right_h = points.state_shifts
        total = (2.0 * half - z) * n * 2.0**left_n + z * self._state * 2.0**left_h
        state, h = (floor(total * 2.0**-right + 0.5) for right in (right_state, right_h))
        self._state = saturate(state, points.state.minimum, points.state.maximum)
        return saturate(h, points.h.minimum, points.h.maximum)


class DenseEngine(Engine):
    """A Linear layer with its function, or a plain RNN."""

    def __init__(self, formats: LinearFormats, units: int) -> None:
        super().__init__(formats, units)
        self._function = Function(formats)

    def _finish(self, sums: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self._function(sums)
        return y


class Function(torch.nn.Module):
    """The function of a Linear layer, a plain RNN or a map, of floored sums."""

    def __init__(self, formats: LinearFormats) -> None:
        super().__init__()
        self._limits = formats.limits
        self._table = None if formats.preactivation is None else Table(formats.table)
        self._sigmoid = formats.function == "sigmoid"

    def forward(self, sums: torch.Tensor) -> torch.Tensor:
        """Words of ``formats.y``."""
        if self._table is None:
            return saturate(sums, *self._limits)
        values: torch.Tensor = self._table(sums)
        return values + self._table.one if self._sigmoid else values


def make_engine(formats: LayerFormats, units: int) -> Engine:
    """The engine of a layer with so many output words a step."""
    if isinstance(formats, LstmFormats):
        return LstmEngine(formats, units)
    return GruEngine(formats, units) if isinstance(formats, GruFormats) else DenseEngine(formats, units)
