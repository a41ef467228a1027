"""Narrowing with limits, and the paths of Linear layers and plain RNNs behind it, against exact integers.

rnn_narrow takes every input of some small formats; the tails take random sums of the formats that ``quantise``
chooses.  All instances share one build.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
import pytest

from rnngen.arith.activation import TanhTable, make_tanh_table
from rnngen.ir.layers import ActivationLayer, Layer, LinearLayer, RecurrentLayer
from rnngen.ir.network import Network
from rnngen.ir.quantised import LinearFormats
from rnngen.passes.quantise import quantise
from tests.leaves.bench import Bench, Port, draw, limit, write_table

pytestmark = pytest.mark.verilator

NARROW_CYCLES, TABLE_CYCLES = 2, 7
IN_WIDTH, BIAS_WIDTH = 6, 5
CYCLES = (1 << (IN_WIDTH + BIAS_WIDTH)) + TABLE_CYCLES

# (shift, output bits, limits or None, wanted saturations among all inputs: whether there are some)
NARROW = {
    "plain": (1, 4, None, True),
    "whole": (0, 8, None, False),
    "relu": (1, 4, (0, 7), True),
    "relu_unshifted": (0, 3, (0, 3), True),
    "relu_roomy": (2, 7, (0, 63), False),
    "relu6": (2, 4, (0, 5), False),
    "both": (1, 4, (-3, 4), False),
    "both_roomy": (0, 8, (-20, 33), False),
    "negative": (1, 4, (-7, -2), False),
    "negative_to_least": (1, 4, (-8, -2), True),
    "positive": (1, 4, (2, 6), False),
    "positive_to_most": (1, 4, (2, 7), True),
    "upper_only": (1, 4, (-8, 3), True),
    "one_value": (3, 3, (1, 1), False),
    "no_limits": (1, 4, (-8, 7), True),
}


@pytest.fixture(scope="module")
def responses(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], np.ndarray]:
    """Stimulus and response of every instance by port."""
    work, bench, stimulus, rng = tmp_path_factory.mktemp("dense"), Bench(), {}, np.random.default_rng(6)
    count = np.arange(CYCLES)[:, None]
    for name, (shift, width, limits, _) in NARROW.items():
        parameters = {"IN_WIDTH": IN_WIDTH, "BIAS_WIDTH": BIAS_WIDTH, "SHIFT": shift, "OUT_WIDTH": width}
        if limits is not None:
            parameters |= {"LIMIT": 1, "LOW": limits[0], "HIGH": limits[1]}
        outputs = [Port("out", width), Port("saturated", 1, signed=False)]
        bench.add(name, "rnn_narrow", parameters, [Port("in", IN_WIDTH), Port("bias", BIAS_WIDTH)], outputs)
        stimulus[name, "in"] = (count % 64) - 32
        stimulus[name, "bias"] = (count // 64 % 32) - 16
    for name, case in CASES.items():
        if case.function != "clamp":
            write_table(work / f"{name}.hex", case.table)
        bench.add(name, case.leaf, case.parameters(f"{name}.hex"), case.inputs, case.outputs)
        stimulus[name, "sums"] = draw(rng, CYCLES, case.acc_width, case.lanes, case.typical)
        stimulus[name, "bias"] = draw(rng, CYCLES, case.bias_width, case.lanes, case.typical >> 1)
    return stimulus | bench.run(work, stimulus)


@pytest.mark.parametrize("name", NARROW)
def test_every_narrowing(name: str, responses: dict[tuple[str, str], np.ndarray]) -> None:
    shift, width, limits, saturates = NARROW[name]
    low, high = (-math.inf, math.inf) if limits is None else limits
    least, most = -(1 << (width - 1)), (1 << (width - 1)) - 1
    # A limit at the format's own end is none: what lies beyond it, the format cuts off.
    low, high = -math.inf if low == least else low, math.inf if high == most else high
    outs, flags = [], []
    for total in (responses[name, "in"] + responses[name, "bias"])[:-NARROW_CYCLES, 0].tolist():
        limited = min(max(math.floor(Fraction(total, 1 << shift)), low), high)
        outs.append(min(max(limited, least), most))
        flags.append(int(outs[-1] != limited))
    assert responses[name, "out"][NARROW_CYCLES:, 0].tolist() == outs
    assert responses[name, "saturated"][NARROW_CYCLES:, 0].tolist() == flags
    assert (sum(flags) > 0) == saturates


@dataclass(frozen=True)
class Case:
    """A tail: sums and biases have ``acc_fraction`` bits, y has ``y_fraction``, z is tanh's argument."""

    function: str
    lanes: int
    acc_width: int
    bias_width: int
    acc_fraction: int
    y_width: int
    y_fraction: int
    low: int = 0
    high: int = 0
    z_width: int = 0
    z_fraction: int = 0

    @cached_property
    def table(self) -> TanhTable:
        """A sigmoid's result has one fraction bit more than the table's, and a sign bit that stays 0."""
        return make_tanh_table(self.z_width, self.z_fraction, self.y_fraction - (self.function == "sigmoid"))

    @property
    def limits(self) -> tuple[int, int]:
        return self.low, self.high

    @property
    def ends(self) -> tuple[int, int]:
        """Limits of y's format."""
        return -(1 << (self.y_width - 1)), (1 << (self.y_width - 1)) - 1

    @property
    def leaf(self) -> str:
        return "rnn_linear_tail" if self.function == "clamp" else "rnn_table_tail"

    @property
    def narrow_fraction(self) -> int:
        """Fraction bits of what is narrowed first: of y, of tanh's argument, one less of a sigmoid's."""
        if self.function == "clamp":
            return self.y_fraction
        return self.z_fraction - (self.function == "sigmoid")

    @property
    def shift(self) -> int:
        return self.acc_fraction - self.narrow_fraction

    @property
    def typical(self) -> int:
        """Sums that the first narrowing can hold, most of them."""
        return 1 << (self.shift + (self.z_width or self.y_width) - 2)

    @property
    def count_width(self) -> int:
        return self.lanes.bit_length()

    def parameters(self, image: str) -> dict[str, int | str]:
        common: dict[str, int | str] = {
            "LANES": self.lanes, "ACC_WIDTH": self.acc_width, "BIAS_WIDTH": self.bias_width, "SHIFT": self.shift,
            "OUT_WIDTH": self.y_width, "COUNT_WIDTH": self.count_width,
        }  # fmt: skip
        if self.function == "clamp":
            return common if self.limits == self.ends else common | {"LIMIT": 1, "LOW": self.low, "HIGH": self.high}
        table = self.table
        return common | {
            "Z_WIDTH": self.z_width, "REST_BITS": table.rest_bits, "GUARD_BITS": table.guard_bits,
            "BASE_WIDTH": table.base_width, "SLOPE_WIDTH": table.slope_width,
            "SIGMOID": int(self.function == "sigmoid"), "INIT_FILE": image,
        }  # fmt: skip

    @property
    def inputs(self) -> list[Port]:
        return [Port("sums", self.acc_width, self.lanes), Port("bias", self.bias_width, self.lanes)]

    @property
    def outputs(self) -> list[Port]:
        z = [] if self.function == "clamp" else [Port("z", self.z_width, self.lanes)]
        return [Port("y", self.y_width, self.lanes), Port("saturated", self.count_width, signed=False), *z]


def quantised(weight_bits: int, activation_bits: int, lanes: int, *layers: Layer) -> Case:
    """The binary points of the first engine of a network."""
    layer = quantise(Network("net", layers), weight_bits, activation_bits).layers[0]
    formats, product = layer.formats, layer.formats.product
    assert isinstance(formats, LinearFormats)
    z = formats.preactivation
    assert formats.y.width == activation_bits
    return Case(
        formats.function, lanes, product.accumulator_width, product.bias.width + product.bias_shift, product.fraction,
        formats.y.width, formats.y.fraction, *formats.limits,
        0 if z is None else z.width, 0 if z is None else z.fraction,
    )  # fmt: skip


def linear(gain: float = 1.0) -> LinearLayer:
    rng = np.random.default_rng(7)
    return LinearLayer("linear", gain * rng.normal(size=(4, 6)), gain * rng.normal(size=4))


def plain_rnn(cell: str) -> RecurrentLayer:
    rng = np.random.default_rng(8)
    shapes = ((4, 3), (4, 4), (4,), (4,))
    return RecurrentLayer("rnn", cell, *(rng.uniform(-0.2, 0.2, shape) for shape in shapes))


def function(name: str, low: float = -1.0, high: float = 1.0) -> ActivationLayer:
    return ActivationLayer("function", name, 4, low, high)


CASES = {
    "linear": quantised(8, 16, 2, linear()),
    "linear_relu": quantised(8, 12, 3, linear(), function("relu")),
    "linear_hardtanh": quantised(6, 8, 1, linear(3.0), function("hardtanh", -1.0, 1.0)),
    "linear_hardtanh_negative": quantised(6, 18, 2, linear(), function("hardtanh", -2.5, -0.5)),
    "linear_hardsigmoid": quantised(8, 10, 1, linear(2.0), function("hardsigmoid")),
    "rnn_relu": quantised(8, 9, 1, plain_rnn("rnn_relu")),
    "tanh": quantised(8, 16, 2, linear(2.0), function("tanh")),
    "sigmoid": quantised(8, 16, 3, linear(4.0), function("sigmoid")),
    "tanh_widest": quantised(18, 18, 1, linear(2.0), function("tanh")),
    "sigmoid_widest": quantised(18, 18, 1, linear(4.0), function("sigmoid")),
    "tanh_narrowest": quantised(2, 4, 1, linear(2.0), function("tanh")),
    "sigmoid_narrowest": quantised(2, 4, 1, linear(8.0), function("sigmoid")),
    "rnn_tanh": quantised(5, 9, 2, plain_rnn("rnn_tanh")),
}
LIMITED = [name for name, case in CASES.items() if case.function == "clamp"]
TABLES = [name for name, case in CASES.items() if case.function != "clamp"]


def narrowed(case: Case, responses: dict[tuple[str, str], np.ndarray], name: str) -> list[list[int]]:
    """Sums with biases at the point where they are narrowed, half of the last place taken downwards, unlimited."""
    total = (responses[name, "sums"] + responses[name, "bias"]).tolist()
    return [[math.floor(Fraction(value, 1 << case.shift)) for value in line] for line in total]


@pytest.mark.parametrize("name", LIMITED)
def test_linear_tail(name: str, responses: dict[tuple[str, str], np.ndarray]) -> None:
    """Functions that are limits only, or none."""
    case = CASES[name]
    lines = narrowed(case, responses, name)[:-NARROW_CYCLES]
    low, high = case.limits
    ends = case.ends
    wanted = [[min(max(value, low), high) for value in line] for line in lines]
    over = [sum((v > ends[1] and high == ends[1]) or (v < ends[0] and low == ends[0]) for v in line) for line in lines]
    assert responses[name, "y"][NARROW_CYCLES:].tolist() == wanted
    assert responses[name, "saturated"][NARROW_CYCLES:, 0].tolist() == over
    assert {low, high} <= {value for line in wanted for value in line}


@pytest.mark.parametrize("name", TABLES)
def test_table_tail(name: str, responses: dict[tuple[str, str], np.ndarray]) -> None:
    """Every bit of z and y, and how many lanes saturated."""
    case = CASES[name]
    lines = narrowed(case, responses, name)
    z = [[limit(value, case.z_width) for value in line] for line in lines]
    over = [sum(value != kept for value, kept in zip(*both)) for both in zip(lines, z, strict=True)]
    assert responses[name, "z"][NARROW_CYCLES:].tolist() == z[:-NARROW_CYCLES]
    assert responses[name, "saturated"][NARROW_CYCLES:, 0].tolist() == over[:-NARROW_CYCLES]
    assert case.lanes in over
    table = case.table.direct.tolist()
    offset = 1 << case.table.out_fraction if case.function == "sigmoid" else 0
    y = [[offset + table[value + (1 << (case.z_width - 1))] for value in line] for line in z]
    assert responses[name, "y"][TABLE_CYCLES:].tolist() == y[:-TABLE_CYCLES]


@pytest.mark.parametrize("name", TABLES)
def test_table_tail_follows_the_real_function(name: str, responses: dict[tuple[str, str], np.ndarray]) -> None:
    """Within one unit of y's last place of the function of z; and of the sum, with half a unit of z's to be rounded."""
    case = CASES[name]
    real, slope = {"tanh": (math.tanh, 1.0), "sigmoid": (lambda v: 1.0 / (1.0 + math.exp(-v)), 0.25)}[case.function]
    unit_y, unit_z = 2.0**-case.y_fraction, 2.0**-case.narrow_fraction
    largest = (1 << (case.z_width - 1)) * unit_z
    total = (responses[name, "sums"] + responses[name, "bias"]) * 2.0**-case.acc_fraction - unit_z / 2
    for lane in range(case.lanes):
        z = (responses[name, "z"][NARROW_CYCLES:, lane] * unit_z).tolist()
        y = (responses[name, "y"][TABLE_CYCLES:, lane] * unit_y).tolist()
        close = [abs(value - real(argument)) <= unit_y * (1 + 1e-9) for value, argument in zip(y, z)]
        assert all(close)
        exact = [real(min(max(value, -largest), largest)) for value in total[:-TABLE_CYCLES, lane].tolist()]
        bound = (unit_y + slope * unit_z) * (1 + 1e-9)  # at the largest argument z falls short by one unit
        assert all(abs(value - wanted) <= bound for value, wanted in zip(y, exact, strict=True))
    assert max(z) > 1.0
