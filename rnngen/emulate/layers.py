"""Exact integer layers on many sequences at once.

Sums are float64 matrix products: exact, because every partial sum is an integer (times a
power of two) below 2**53, which the formats guarantee by construction.  Arrays are laid out
(words, sequences), so that a gate is a contiguous block and a step one matrix product.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from rnngen.arith.format import FloatArray, Format, IntArray
from rnngen.ir.quantised import GruFormats, LinearFormats, LstmFormats, QuantisedLayer, QuantisedMap


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


class _Product:
    """Sums with their biases and rounding constants, each slot at the point it is narrowed to (not yet floored).

    Args:
        order: Slots in the order of the result's rows.
        offsets: By slot, what is added behind the narrowing.
    """

    def __init__(self, layer: QuantisedLayer, order: Sequence[str], offsets: Mapping[str, int]) -> None:
        formats, product = layer.formats, layer.formats.product
        self._inputs, self._hidden = product.input_size, product.hidden_size
        units = layer.output_size
        weight_x = _by_gate(layer, layer.weight_x << product.shift_x)
        weight_h = _by_gate(layer, layer.weight_h << product.shift_h) if layer.weight_h is not None else {}
        bias = layer.rounded_bias().astype(np.float64) * 2.0**product.bias_shift
        blocks, tables = [], []
        for slot in order:
            scale = 2.0 ** -formats.slot_shift(slot)
            gate = "n" if slot == "x" else slot
            block = np.zeros((units, self._inputs + self._hidden + 1))
            if slot != "n" or not isinstance(formats, GruFormats):
                block[:, : self._inputs] = weight_x[gate] * scale
            if slot != "x" and weight_h:
                block[:, self._inputs : -1] = weight_h[gate] * scale
            index = formats.bias_slots.index(slot)
            table = bias[:, index * units : (index + 1) * units] * scale + offsets.get(slot, 0)
            if not layer.symbols:
                block[:, -1] = table[0]
            blocks.append(block)
            tables.append(table)
        self._sums = _sums_of_x(layer, order) if layer.apart else None
        self._matrix = np.ascontiguousarray(np.concatenate(blocks))
        self._table = np.concatenate(tables, axis=1).T if layer.symbols else None  # (rows, V)

    def begin(self, sequences: int) -> None:
        """Makes room for a number of sequences."""
        self._operands = np.zeros((self._inputs + self._hidden + 1, sequences))
        self._operands[-1] = 1.0
        self.result = np.empty((len(self._matrix), sequences))

    def run(self, x: FloatArray, h: FloatArray | None) -> FloatArray:
        """The sums (rows, sequences) in ``result``, which the next run overwrites."""
        if self._table is None and self._sums is None:
            self._operands[: self._inputs] = x
        if h is not None and self._hidden:
            self._operands[self._inputs : -1] = h
        np.matmul(self._matrix, self._operands, out=self.result)
        if self._table is not None:
            self.result += self._table[:, x[0].astype(np.intp)]
        if self._sums is not None:
            rows, words, scales = self._sums
            self.result[rows] += x[words] * scales
        return self.result


def _sums_of_x(layer: QuantisedLayer, order: Sequence[str]) -> tuple[IntArray, IntArray, FloatArray]:
    """Of an engine whose x is multiplied apart: the rows that sums of x enter, their words, and what scales them."""
    units, slots = np.arange(layer.output_size), layer.formats.sum_slots
    inside = [slot for slot in order if slot in slots]
    rows = np.concatenate([order.index(slot) * len(units) + units for slot in inside])
    words = np.concatenate([units * len(slots) + slots.index(slot) for slot in inside])
    scales = np.repeat([2.0 ** -layer.formats.slot_shift(slot) for slot in inside], len(units))
    return rows, words, scales[:, None]


def _by_gate(layer: QuantisedLayer, weight: IntArray) -> dict[str, FloatArray]:
    parts = np.split(weight.astype(np.float64), len(layer.gates))
    return dict(zip(layer.gates, parts))


class _Table:
    """tanh and sigmoid of pre-activations that count from 0."""

    def __init__(self, formats: LstmFormats | GruFormats) -> None:
        self.offset = -formats.preactivation.minimum
        self.tanh = formats.table.direct.astype(np.float64)
        self.sigmoid = self.tanh + float(1 << formats.gate_fraction)
        self.largest = len(self.tanh) - 1

    def saturate(self, z: FloatArray, saturations: Saturations) -> None:
        """Clips indices, still with their fractions, in place."""
        if z.max() >= self.largest + 1 or z.min() < 0:
            outside = (z >= self.largest + 1) | (z < 0)
            saturations.add("preactivation", int(np.count_nonzero(outside)))
            np.clip(z, 0.0, float(self.largest), out=z)


def column(state: IntArray | None) -> FloatArray:
    """A state (words,) of all sequences, or one for each (sequences, words), to add to (words, sequences); None: 0."""
    return np.zeros((1, 1)) if state is None else np.atleast_2d(state).T.astype(np.float64)


class LstmEmulator:
    """Gates and state of an LSTM; c (H, sequences) is kept between steps."""

    _ORDER = ("i", "f", "o", "g")

    def __init__(self, layer: QuantisedLayer, formats: LstmFormats) -> None:
        self.formats = formats
        self._units, self._begin = layer.output_size, column(layer.state_0)
        self._table = _Table(formats)
        self._product = _Product(layer, self._ORDER, dict.fromkeys(self._ORDER, self._table.offset))

    def begin(self, sequences: int) -> None:
        """Clears the state for a number of sequences."""
        self._product.begin(sequences)
        self._c = np.zeros((self._units, sequences)) + self._begin
        self._gates = self._product.result.reshape(4, self._units, sequences)
        self._index = np.empty((self._units, sequences), dtype=np.intp)

    def step(
        self, x: FloatArray, h: FloatArray | None, saturations: Saturations, trace: Trace | None = None
    ) -> FloatArray:
        """o * tanh(c) (H, sequences) of x (I, sequences) and h; a view that the next step overwrites."""
        self._product.run(x, h)
        # Gate by gate and in place: the fewer arrays, the more of the weights stay in the cache.
        for gate, z in zip(self._ORDER, self._gates):
            self._table.saturate(z, saturations)
            self._index[...] = z  # nothing is negative any more, so truncation is the floor
            if trace is not None:
                trace.add(f"z_{gate}", self._index - self._table.offset)
            np.take(self._table.tanh if gate == "g" else self._table.sigmoid, self._index, out=z, mode="clip")
        m = self._update(saturations)
        if trace is not None:
            trace.add("c", self._c)
            trace.add("h", m)
        return m

    @property
    def state(self) -> FloatArray:
        """c (H, sequences)."""
        return self._c

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
        ig += self._table.offset
        self._index[...] = ig
        m = np.take(self._table.tanh, self._index, out=ig, mode="clip")
        m *= o
        m *= 2.0**-formats.output_shift
        m += 0.5
        np.floor(m, out=m)
        _saturate(m, formats.h, "h", saturations)
        return m

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


class GruEmulator:
    """A GRU; the state, finer than h, is kept between steps."""

    _ORDER = ("r", "z", "n", "x")

    def __init__(self, layer: QuantisedLayer, formats: GruFormats) -> None:
        self.formats = formats
        self._units, self._begin = layer.output_size, column(layer.state_0)
        self._table = _Table(formats)
        self._product = _Product(layer, self._ORDER, {"r": self._table.offset, "z": self._table.offset})

    def begin(self, sequences: int) -> None:
        """Clears the state for a number of sequences."""
        self._product.begin(sequences)
        self._state = np.zeros((self._units, sequences)) + self._begin

    @property
    def state(self) -> FloatArray:
        """What the units remember (H, sequences)."""
        return self._state

    def step(
        self, x: FloatArray, h: FloatArray | None, saturations: Saturations, trace: Trace | None = None
    ) -> FloatArray:
        """h' (H, sequences) of x (I, sequences) and h."""
        formats, table = self.formats, self._table
        sums = np.floor(self._product.run(x, h))
        z_r, z_z, n_h, n_x = np.split(sums, 4)
        for z in (z_r, z_z):
            table.saturate(z, saturations)
        for part in (n_h, n_x):
            _saturate(part, formats.inner, "inner", saturations)
        r, z = (table.sigmoid[values.astype(np.intp)] for values in (z_r, z_z))
        one = 2.0 ** (formats.gate_fraction + 1)
        candidate = np.floor((n_x * one + r * n_h) * 2.0**-formats.candidate_shift + 0.5) + table.offset
        table.saturate(candidate, saturations)
        n = table.tanh[candidate.astype(np.intp)]
        left_n, left_h, right_state, right_h = formats.state_shifts
        total = (one - z) * n * 2.0**left_n + z * self._state * 2.0**left_h
        self._state = _saturate(np.floor(total * 2.0**-right_state + 0.5), formats.state, "c", saturations)
        result = _saturate(np.floor(total * 2.0**-right_h + 0.5), formats.h, "h", saturations)
        if trace is not None:
            for slot, values in (("r", z_r - table.offset), ("z", z_z - table.offset), ("n", n_h), ("x", n_x)):
                trace.add(f"z_{slot}", values)
            trace.add("c", self._state)
            trace.add("h", result)
        return result


def clamp(values: FloatArray, formats: LinearFormats, point: str, saturations: Saturations) -> FloatArray:
    """Limits in place; what the function cuts off is no saturation, what the format cuts off is."""
    low, high = formats.limits
    above = values > formats.y.maximum if high == formats.y.maximum else np.zeros(1, dtype=bool)
    below = values < formats.y.minimum if low == formats.y.minimum else np.zeros(1, dtype=bool)
    count = int(np.count_nonzero(above)) + int(np.count_nonzero(below))
    if count:
        saturations.add(point, count)
    return np.clip(values, low, high, out=values)


def apply_function(sums: FloatArray, formats: LinearFormats, saturations: Saturations) -> FloatArray:
    """A Linear layer's function of its floored sums, at y's point or at the pre-activation's."""
    if formats.preactivation is None:
        return clamp(sums, formats, "y", saturations)
    z = _saturate(sums, formats.preactivation, "y", saturations)
    table = formats.table
    values = table.direct.astype(np.float64)[(z - formats.preactivation.minimum).astype(np.intp)]
    return values + float(1 << table.out_fraction) if formats.function == "sigmoid" else values


class DenseEmulator:
    """A Linear layer, or a plain RNN where h is multiplied, too."""

    def __init__(self, layer: QuantisedLayer, formats: LinearFormats) -> None:
        self.formats = formats
        self._product = _Product(layer, ("y",), {})

    def begin(self, sequences: int) -> None:
        """Makes room for a number of sequences."""
        self._product.begin(sequences)

    def step(
        self, x: FloatArray, h: FloatArray | None, saturations: Saturations, trace: Trace | None = None
    ) -> FloatArray:
        """y (O, sequences) of x (I, sequences) and h."""
        y = apply_function(np.floor(self._product.run(x, h)), self.formats, saturations)
        if trace is not None:
            trace.add("y", y)
        return y


LayerEmulator = LstmEmulator | GruEmulator | DenseEmulator


def make_emulator(layer: QuantisedLayer) -> LayerEmulator:
    """The emulator of a layer."""
    if isinstance(layer.formats, LstmFormats):
        return LstmEmulator(layer, layer.formats)
    if isinstance(layer.formats, GruFormats):
        return GruEmulator(layer, layer.formats)
    return DenseEmulator(layer, layer.formats)


def run_map(layer: QuantisedMap, x: FloatArray, saturations: Saturations) -> FloatArray:
    """Each word's function."""
    formats = layer.formats
    sums = np.floor((x * layer.scale + layer.bias) * 2.0 ** -formats.slot_shift("y"))
    return apply_function(sums, formats, saturations)
