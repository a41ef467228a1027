"""A quantised network in exact fractions, one element at a time.

Written from the definitions of ``rnngen.ir.quantised``: it knows binary points, not shifts.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from rnngen.arith.format import Format
from rnngen.emulate.network import Emulation, run_values
from rnngen.ir.quantised import Block, Branch, LinearFormats, QuantisedLayer, QuantisedMap, QuantisedNetwork

Point = tuple[int, str]


def real(integer: int, fmt: Format) -> Fraction:
    return Fraction(int(integer)) / Fraction(2) ** fmt.fraction


class Model:
    """Exact narrowing with a count of saturations for each layer (or post) and point."""

    def __init__(self) -> None:
        self.counts: dict[Point, int] = Counter()

    def narrow(self, value: Fraction, width: int, fraction: int, point: Point) -> int:
        """Rounds half up, then saturates."""
        integer = math.floor(value * Fraction(2) ** fraction + Fraction(1, 2))
        return self.limit(integer, -(2 ** (width - 1)), 2 ** (width - 1) - 1, point)

    def limit(self, integer: int, low: int, high: int, point: Point) -> int:
        limited = min(max(integer, low), high)
        self.counts[point] += limited != integer
        return limited


def row_sum(layer: QuantisedLayer, row: int, slot: int, x: Sequence[int], h: Sequence[int], parts: str) -> Fraction:
    """Bias of a slot and the products of x, of h or of both (``parts``) of a row of the matrix."""
    product = layer.formats.product
    bias = layer.bias[x[0]] if layer.symbols else layer.bias
    total = real(bias[slot], product.bias)
    if "x" in parts and not layer.symbols:
        words = x[layer.x_offset : layer.x_offset + product.input_size]
        pairs = zip(layer.weight_x[row], words, strict=True)
        total += sum(real(w, product.weight_x) * real(v, product.x) for w, v in pairs)
    if "h" in parts and layer.weight_h is not None:
        words = h[layer.h_offset : layer.h_offset + product.hidden_size]
        pairs = zip(layer.weight_h[row], words, strict=True)
        total += sum(real(w, product.weight_h) * real(v, product.h) for w, v in pairs)
    return total


class Engine:
    """One layer with its state."""

    def __init__(self, model: Model, index: int, layer: QuantisedLayer) -> None:
        self.model, self.index, self.layer, self.formats = model, index, layer, layer.formats
        self.state = [0] * layer.output_size if layer.state_0 is None else layer.state_0.tolist()

    def narrow(self, value: Fraction, fmt: Format, point: str, fewer: int = 0) -> int:
        return self.model.narrow(value, fmt.width, fmt.fraction - fewer, (self.index, point))

    def tanh(self, z: int) -> Fraction:
        """Of an integer of the pre-activation's format."""
        table = self.formats.table
        return Fraction(int(table.direct[z - self.formats.preactivation.minimum])) / 2**table.out_fraction

    def gate(self, value: Fraction, tanh: bool) -> Fraction:
        """sigmoid(z) = (1 + tanh(z / 2)) / 2: its input has one fraction bit less, so the integer is the same."""
        squashed = self.tanh(self.narrow(value, self.formats.preactivation, "preactivation", 0 if tanh else 1))
        return squashed if tanh else (1 + squashed) / 2

    def step(self, x: Sequence[int], h: Sequence[int]) -> list[int]:
        unit = {"lstm": self.lstm, "gru": self.gru}.get(self.layer.kind, self.dense)
        return [unit(number, x, h) for number in range(self.layer.output_size)]

    def lstm(self, unit: int, x: Sequence[int], h: Sequence[int]) -> int:
        formats, units, z_fmt = self.formats, self.layer.output_size, self.formats.preactivation
        rows = [row * units + unit for row in range(4)]
        i, f, g, o = (
            self.gate(row_sum(self.layer, row, row, x, h, "xh"), gate == "g") for row, gate in zip(rows, "ifgo")
        )
        cell = f * real(self.state[unit], formats.c) + i * g
        self.state[unit] = self.narrow(cell, formats.c, "c")
        # tanh(c): c at its own binary point, saturated to the reach of the tanh input.
        places = z_fmt.fraction - formats.c.fraction
        short = Format(min(formats.c.width, z_fmt.width - places), formats.c.fraction)
        squashed = self.tanh(self.narrow(cell, short, "tanh_input") * 2**places)
        return self.narrow(o * squashed, formats.h, "h")

    def gru(self, unit: int, x: Sequence[int], h: Sequence[int]) -> int:
        """n = tanh(n_x + r * n_h), h' = (1 - z) * n + z * h; bias slots r, z, n (with h) and x."""
        formats, units = self.formats, self.layer.output_size
        rows = [slot * units + unit for slot in range(4)]
        r, z = (self.gate(row_sum(self.layer, row, row, x, h, "xh"), False) for row in rows[:2])
        n_h = self.narrow(row_sum(self.layer, rows[2], rows[2], x, h, "h"), formats.inner, "inner")
        n_x = self.narrow(row_sum(self.layer, rows[2], rows[3], x, h, "x"), formats.inner, "inner")
        n = self.gate(real(n_x, formats.inner) + r * real(n_h, formats.inner), True)
        new = (1 - z) * n + z * real(self.state[unit], formats.state)
        self.state[unit] = self.narrow(new, formats.state, "c")
        return self.narrow(new, formats.h, "h")

    def dense(self, unit: int, x: Sequence[int], h: Sequence[int]) -> int:
        total = row_sum(self.layer, unit, unit, x, h, "xh")
        target = self.formats.preactivation or self.formats.y
        fraction = target.fraction - (self.formats.function == "sigmoid")
        return function(self.model, math.floor(total * Fraction(2) ** fraction + Fraction(1, 2)), self.formats,
                        (self.index, "y"))  # fmt: skip


def function(model: Model, integer: int, formats: LinearFormats, point: Point) -> int:
    """A Linear layer's function; what the function itself cuts off is no saturation."""
    y, z_fmt = formats.y, formats.preactivation
    if z_fmt is None:
        assert formats.function == "clamp"
        low = -math.inf if formats.low is None else formats.low
        high = math.inf if formats.high is None else formats.high
        return model.limit(int(min(max(integer, low), high)), y.minimum, y.maximum, point)
    z = model.limit(integer, z_fmt.minimum, z_fmt.maximum, point)
    table = formats.table
    value = Fraction(int(table.direct[z - z_fmt.minimum])) / 2**table.out_fraction
    value = (1 + value) / 2 if formats.function == "sigmoid" else value
    result = value * Fraction(2) ** y.fraction
    assert result.denominator == 1
    assert y.minimum <= result <= y.maximum
    return int(result)


def run_branch(model: Model, network: QuantisedNetwork, branch: Branch, steps: list[list[int]]) -> list[list[int]]:
    """Results of a sequence, each at its input's step."""
    engines = {index: Engine(model, index, network.layers[index]) for index in branch.indices}
    begins = network.layers[branch.stages[0][0]].h_0
    h = [0] * network.layers[branch.last].output_size if begins is None else begins.tolist()
    outputs = []
    for x in reversed(steps) if branch.reverse else steps:
        values: list[int] = list(x)
        for stage in branch.stages:
            values = [word for index in stage for word in engines[index].step(values, h)]
        h = values
        outputs.append(values)
    return outputs[::-1] if branch.reverse else outputs


def run_block(model: Model, network: QuantisedNetwork, number: int, steps: list[list[int]]) -> list[list[int]]:
    block = network.blocks[number]
    results = [run_branch(model, network, branch, steps) for branch in block.branches]
    if block.select == "final":
        results = [[r[0] if branch.reverse else r[-1]] for branch, r in zip(block.branches, results)]
    elif block.select == "last":
        results = [result[-1:] for result in results]
    joined = [[word for part in parts for word in part] for parts in zip(*results, strict=True)]
    return [post(model, len(network.layers) + number, block, words) for words in joined]


def post(model: Model, index: int, block: Block, words: list[int]) -> list[int]:
    for passed in block.post:
        if isinstance(passed, QuantisedMap):
            formats, product = passed.formats, passed.formats.product
            target = formats.preactivation or formats.y
            places = product.fraction - target.fraction + (formats.function == "sigmoid")
            sums = [Fraction(passed.scale * word + passed.bias) / Fraction(2) ** places for word in words]
            words = [function(model, math.floor(total), formats, (index, "y")) for total in sums]
        else:
            words = [words.index(max(words))]
    return words


def check_joints(network: QuantisedNetwork) -> None:
    """What one part gives is in the format that the next one takes."""
    given = network.input_format
    for block in network.blocks:
        for branch in block.branches:
            h, words = network.layers[branch.last].output_format, given
            for stage in branch.stages:
                for layer in (network.layers[index] for index in stage):
                    assert layer.symbols or layer.formats.product.x == words
                    assert layer.weight_h is None or layer.formats.product.h == h
                words = network.layers[stage[0]].output_format
                assert all(network.layers[index].output_format == words for index in stage)
            assert h == network.layers[block.branches[0].last].output_format
        given = h
        for passed in block.post:
            assert not isinstance(passed, QuantisedMap) or passed.formats.product.x == given
            given = passed.output_format
    assert given == network.output_format


def run_model(network: QuantisedNetwork, x: np.ndarray) -> tuple[list[list[list[int]]], Model, int]:
    """Output integers, saturations inside, and saturated inputs."""
    inputs, model, outputs = Model(), Model(), []
    fmt = network.input_format
    for sequence in x.tolist():
        steps = [[inputs.narrow(Fraction(v), fmt.width, fmt.fraction, (0, "x")) for v in step] for step in sequence]
        for number in range(len(network.blocks)):
            steps = run_block(model, network, number, steps)
        outputs.append(steps)
    return outputs, model, sum(inputs.counts.values())


def assert_equal(network: QuantisedNetwork, x: np.ndarray) -> tuple[Emulation, Model]:
    """The emulator gives the model's values and counts."""
    check_joints(network)
    got = run_values(network, x)
    output, model, input_saturations = run_model(network, x)
    assert got.output.tolist() == output
    counts = {
        (index, point): n for index, counted in enumerate(got.saturations) for point, n in counted.items() if n
    }
    assert counts == {key: n for key, n in model.counts.items() if n}
    assert got.input_saturations == input_saturations
    assert got.total_saturations == sum(model.counts.values())
    return got, model
