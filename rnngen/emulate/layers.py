"""Exact integer layers on many sequences at once.

Sums are float64 matrix products: exact, because every partial sum is an integer (times a
power of two) below 2**53, which the formats guarantee by construction.  Arrays are laid out
(words, sequences), so that a gate is a contiguous block and a step one matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from rnngen.arith.format import FloatArray, Format, IntArray
from rnngen.ir.quantised import LinearFormats, LstmFormats, QuantisedLinear, QuantisedLstm

_FLOAT_ORDER = ("i", "f", "o", "g")
"""Gate order of the emulator's rows: the three sigmoids are one block."""


@dataclass
class Saturations:
    """How many narrowings saturated, by named point."""

    counts: dict[str, int] = field(default_factory=dict)

    def add(self, point: str, count: int) -> None:
        """Adds to a point's count."""
        self.counts[point] = self.counts.get(point, 0) + count

    @property
    def total(self) -> int:
        """All points together."""
        return sum(self.counts.values())


@dataclass
class Trace:
    """Values at the named points of every step: lists over steps of (units, sequences) integers."""

    points: dict[str, list[IntArray]] = field(default_factory=dict)

    def add(self, point: str, values: FloatArray | IntArray) -> None:
        """Appends one step's values of a point."""
        self.points.setdefault(point, []).append(np.asarray(values, dtype=np.int64))


def _saturate(values: FloatArray, target: Format, point: str, saturations: Saturations) -> FloatArray:
    """Clips float-held integers in place; counts only when something is out of range."""
    if values.max() > target.maximum or values.min() < target.minimum:
        saturations.add(point, int(np.count_nonzero((values > target.maximum) | (values < target.minimum))))
        np.clip(values, target.minimum, target.maximum, out=values)
    return values


class LstmEmulator:
    """One LSTM layer, step by step; state (H, sequences) is kept between steps."""

    def __init__(self, layer: QuantisedLstm) -> None:
        self.formats: LstmFormats = layer.formats
        self.hidden_size = layer.output_size
        self._inputs = layer.formats.product.input_size
        order = [layer.gates.index(gate) for gate in _FLOAT_ORDER]
        matrix = np.concatenate(
            [
                layer.weight_x << layer.formats.product.shift_x,
                layer.weight_h << layer.formats.product.shift_h,
                self.formats.rounded_bias(layer.bias)[:, None],
            ],
            axis=1,
        ).reshape(4, self.hidden_size, -1)
        scale = np.array([2.0 ** -self.formats.gate_shift(gate) for gate in layer.gates])
        scaled = matrix.astype(np.float64) * scale[:, None, None]
        self._matrix = np.ascontiguousarray(scaled[order].reshape(4 * self.hidden_size, -1))
        self._offset = -self.formats.preactivation.minimum
        self._matrix[:, -1] += self._offset  # table indices count from 0
        table = self.formats.table.direct.astype(np.float64)
        self._tanh = table
        self._sigmoid = table + float(1 << self.formats.gate_fraction)
        self._largest = len(table) - 1

    def begin(self, sequences: int) -> None:
        """Clears the state for a number of sequences."""
        hidden = self.hidden_size
        self._operands = np.zeros((self._inputs + hidden + 1, sequences))
        self._operands[-1] = 1.0
        self._c = np.zeros((hidden, sequences))
        self._z = np.empty((4 * hidden, sequences))
        self._gates = self._z.reshape(4, hidden, sequences)
        self._index = np.empty((hidden, sequences), dtype=np.intp)

    def step(self, x: FloatArray, saturations: Saturations, trace: Trace | None = None) -> FloatArray:
        """h (H, sequences) of x (I, sequences); the result is a view that the next step overwrites."""
        operands = self._operands
        operands[: self._inputs] = x
        np.matmul(self._matrix, operands, out=self._z)
        # Gate by gate and in place: the fewer arrays, the more of the weights stay in the cache.
        for gate, z in zip(_FLOAT_ORDER, self._gates):
            self._saturate_preactivations(z, saturations)
            self._index[...] = z  # nothing is negative any more, so truncation is the floor
            if trace is not None:
                trace.add(f"z_{gate}", self._index - self._offset)
            np.take(self._tanh if gate == "g" else self._sigmoid, self._index, out=z, mode="clip")
        h = self._update(saturations)
        if trace is not None:
            trace.add("c", self._c)
            trace.add("h", h)
        operands[self._inputs : -1] = h
        return operands[self._inputs : -1]

    def _saturate_preactivations(self, z: FloatArray, saturations: Saturations) -> None:
        if z.max() >= self._largest + 1 or z.min() < 0:
            outside = (z >= self._largest + 1) | (z < 0)
            saturations.add("preactivation", int(np.count_nonzero(outside)))
            np.clip(z, 0.0, float(self._largest), out=z)

    def _update(self, saturations: Saturations) -> FloatArray:
        formats = self.formats
        i, f, o, g = self._gates
        left_fc, left_ig, right = formats.cell_shifts
        c = self._c
        c *= f
        c *= 2.0 ** (left_fc - right)
        ig = np.multiply(i, g, out=i)
        ig *= 2.0 ** (left_ig - right)
        c += ig
        c += 0.5
        np.floor(c, out=c)
        np.multiply(self._tanh_input(saturations), 2.0**formats.tanh_shift, out=ig)
        ig += self._offset
        self._index[...] = ig
        h = np.take(self._tanh, self._index, out=ig, mode="clip")
        h *= o
        h *= 2.0**-formats.output_shift
        h += 0.5
        np.floor(h, out=h)
        _saturate(h, formats.h, "h", saturations)
        return h


    def _tanh_input(self, saturations: Saturations) -> FloatArray:
        """c for its tanh, in that input's range; c itself is saturated, too."""
        c, formats = self._c, self.formats
        tanh_width = formats.preactivation.width - formats.tanh_shift
        narrow = Format(min(formats.c.width, tanh_width), formats.c.fraction)
        if c.max() <= narrow.maximum and c.min() >= narrow.minimum:  # then it is inside c's own range
            return c
        tanh_input = _saturate(c.copy(), narrow, "tanh_input", saturations)
        _saturate(c, formats.c, "c", saturations)
        return tanh_input


class LinearEmulator:
    """One Linear layer."""

    def __init__(self, layer: QuantisedLinear) -> None:
        self.formats: LinearFormats = layer.formats
        scale = 2.0**-self.formats.output_shift
        self._weight = layer.weight_x.astype(np.float64) * scale
        self._bias = self.formats.rounded_bias(layer.bias).astype(np.float64)[:, None] * scale

    def begin(self, sequences: int) -> None:
        """Nothing is kept between steps."""

    def step(self, x: FloatArray, saturations: Saturations, trace: Trace | None = None) -> FloatArray:
        """y (O, sequences) of x (I, sequences)."""
        y = np.floor(self._weight @ x + self._bias)
        _saturate(y, self.formats.y, "y", saturations)
        if trace is not None:
            trace.add("y", y)
        return y


LayerEmulator = LstmEmulator | LinearEmulator


def make_emulator(layer: QuantisedLstm | QuantisedLinear) -> LayerEmulator:
    """The emulator of a layer."""
    return LinearEmulator(layer) if isinstance(layer, QuantisedLinear) else LstmEmulator(layer)
