"""The GRU's element-wise path against its equations in exact fractions: values, counts, and the cycle of each.

The binary points are those that ``quantise`` chooses for small networks, and some that it does not choose: narrow
ones, of which every input is tried, and coarse ones, whose state saturates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from rnngen.arith.activation import TanhTable, make_tanh_table
from rnngen.arith.format import Format
from rnngen.ir.layers import EmbeddingLayer, RecurrentLayer
from rnngen.ir.network import Network
from rnngen.ir.quantised import GruFormats
from rnngen.passes.quantise import quantise
from tests.leaves.bench import Bench, Port, draw, limit, write_table

pytestmark = pytest.mark.verilator

RANDOM_CYCLES = 1500
PARTS, STATE_READ, CANDIDATE, OUTPUT = 2, 16, 11, 20
COUNTS = {"z": PARTS, "inner": PARTS, "n": CANDIDATE, "state": OUTPUT, "h": OUTPUT}


@dataclass(frozen=True)
class Case:
    """Binary points of a tail; sums and biases have ``acc_fraction`` bits, z is tanh's argument."""

    lanes: int
    acc_width: int
    bias_width: int
    acc_fraction: int
    z: Format
    gate_fraction: int
    inner: Format
    state: Format
    h: Format

    @property
    def table(self) -> TanhTable:
        return make_tanh_table(self.z.width, self.z.fraction, self.gate_fraction)

    @property
    def parameters(self) -> dict[str, int | str]:
        """The leaf's widths and shifts, by its header: products at one common binary point."""
        table = self.table
        n, h = 2 * self.gate_fraction + 1, self.gate_fraction + 1 + self.state.fraction
        return {
            "LANES": self.lanes, "ACC_WIDTH": self.acc_width, "BIAS_WIDTH": self.bias_width,
            "SHIFT_Z": self.acc_fraction - (self.z.fraction - 1),
            "SHIFT_INNER": self.acc_fraction - self.inner.fraction,
            "SHIFT_N": self.inner.fraction + self.gate_fraction + 1 - self.z.fraction,
            "Z_WIDTH": self.z.width, "INNER_WIDTH": self.inner.width, "PART_WIDTH": self.part_width,
            "REST_BITS": table.rest_bits, "GUARD_BITS": table.guard_bits, "BASE_WIDTH": table.base_width,
            "SLOPE_WIDTH": table.slope_width, "GATE_FRACTION": self.gate_fraction, "STATE_WIDTH": self.state.width,
            "LEFT_N": max(n, h) - n, "LEFT_H": max(n, h) - h, "SHIFT_STATE": max(n, h) - self.state.fraction,
            "SHIFT_H": max(n, h) - self.h.fraction, "H_WIDTH": self.h.width, "COUNT_WIDTH": self.count_width,
        }  # fmt: skip

    @property
    def part_width(self) -> int:
        return max(self.z.width, self.inner.width)

    @property
    def count_width(self) -> int:
        return (2 * self.lanes).bit_length()

    @property
    def inputs(self) -> list[Port]:
        return [
            Port("sums", self.acc_width, 3 * self.lanes), Port("sums_x", self.acc_width, self.lanes),
            Port("bias", self.bias_width, 4 * self.lanes), Port("state", self.state.width, self.lanes),
        ]  # fmt: skip

    @property
    def outputs(self) -> list[Port]:
        return [
            Port("state_new", self.state.width, self.lanes), Port("h", self.h.width, self.lanes),
            Port("parts", self.part_width, 4 * self.lanes),
            *(Port(f"saturated_{point}", self.count_width, signed=False) for point in COUNTS),
        ]  # fmt: skip


def gru(weight_bits: int, activation_bits: int, lanes: int, gain: float = 1.0, h_0: float | None = None,
        symbols: int = 0, calibrated: bool = False) -> Case:  # fmt: skip
    """The binary points of a GRU of 3 inputs and 5 units, its weights PyTorch's usual ones times a gain."""
    rng = np.random.default_rng(4)
    bound = gain / math.sqrt(5)
    shapes = ((15, 3), (15, 5), (15,), (15,))
    start = None if h_0 is None else np.full(5, h_0)
    cell = RecurrentLayer("gru", "gru", *(rng.uniform(-bound, bound, shape) for shape in shapes), h_0=start)
    table = (EmbeddingLayer("embedding", rng.normal(size=(symbols, 3))),) if symbols else ()
    data = rng.normal(size=(2, 20, 3)) if calibrated else None
    layer = quantise(Network("net", (*table, cell)), weight_bits, activation_bits, data).layers[0]
    formats, product = layer.formats, layer.formats.product
    assert isinstance(formats, GruFormats)
    return Case(
        lanes, product.accumulator_width, product.bias.width + product.bias_shift, product.fraction,
        formats.preactivation, formats.gate_fraction, formats.inner, formats.state, formats.h,
    )  # fmt: skip


CASES = {
    "usual": gru(8, 16, 2),
    "widest": gru(18, 18, 1, gain=5.0),
    "narrowest": gru(2, 4, 3),
    "large_weights": gru(4, 6, 2, gain=12.0),
    "calibrated": gru(7, 12, 1, gain=8.0, calibrated=True),
    "large_start": gru(6, 9, 1, gain=3.0, h_0=2.6),
    "symbols": gru(9, 10, 1, gain=4.0, symbols=7),
    # A coarse state beside fine gates: the sum of both is rounded up to 1, which it cannot hold.
    "coarse_state": Case(2, 16, 12, 9, Format(8, 5), 8, Format(6, 2), Format(4, 3), Format(5, 4)),
    "fine_state": Case(1, 14, 18, 9, Format(6, 3), 4, Format(9, 3), Format(14, 12), Format(5, 3)),
    "tiny": Case(1, 3, 2, 0, Format(3, 1), 3, Format(3, 0), Format(3, 2), Format(2, 1)),
}
TINY_CYCLES = 1 << 15  # every value of four sums and a state, 3 bits each
CYCLES = TINY_CYCLES + OUTPUT


@dataclass(frozen=True)
class Unit:
    """What one lane gives: the parts r, z, n_h, n_x, both results, and what saturated at each point of COUNTS."""

    parts: tuple[int, ...]
    state: int
    h: int
    saturated: tuple[int, ...]


def floored(value: Fraction, target: Format) -> tuple[int, bool]:
    """The integer of a format, and whether it saturated."""
    integer = math.floor(value * Fraction(2) ** target.fraction)
    return limit(integer, target.width), limit(integer, target.width) != integer


def rounded(value: Fraction, target: Format) -> tuple[int, bool]:
    """Likewise, half up."""
    return floored(value + Fraction(1, 2) / Fraction(2) ** target.fraction, target)


@cache
def tanh_values(case: Case) -> list[int]:
    return case.table.direct.tolist()


def unit(case: Case, sums: list[int], state: int) -> Unit:
    """The equations: r, z = sigmoid, n = tanh(n_x + r * n_h), state' = (1 - z) * n + z * state.

    Args:
        sums: r, z, n_h, n_x with their biases, which hold the rounding constants.
    """
    half_argument = Format(case.z.width, case.z.fraction - 1)
    targets = (half_argument, half_argument, case.inner, case.inner)
    exact = [Fraction(total) / Fraction(2) ** case.acc_fraction for total in sums]
    parts = [floored(value, target) for value, target in zip(exact, targets, strict=True)]
    one = Fraction(1 << case.gate_fraction)

    def tanh(index: int) -> Fraction:
        return tanh_values(case)[index + (1 << (case.z.width - 1))] / one

    r, z = ((1 + tanh(part)) / 2 for part, _ in parts[:2])
    n_h, n_x = (part / Fraction(2) ** case.inner.fraction for part, _ in parts[2:])
    candidate, n_over = rounded(n_x + r * n_h, case.z)
    total = (1 - z) * tanh(candidate) + z * (state / Fraction(2) ** case.state.fraction)
    (new, state_over), (h, h_over) = rounded(total, case.state), rounded(total, case.h)
    z_over, inner_over = (sum(over for _, over in pair) for pair in (parts[:2], parts[2:]))
    return Unit(tuple(part for part, _ in parts), new, h, (z_over, inner_over, n_over, state_over, h_over))


def stimulate(case: Case, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Random inputs, zeros behind them."""
    values = {}
    for port in case.inputs:
        typical = 1 << case.state.fraction if port.name == "state" else 4 << case.acc_fraction
        values[port.name] = np.zeros((CYCLES, port.count), dtype=np.int64)
        values[port.name][:RANDOM_CYCLES] = draw(rng, RANDOM_CYCLES, port.width, port.count, typical)
    return values


def stimulate_tiny(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Every combination of four sums and a state, with biases of every value; the state comes 16 cycles later."""
    count = np.arange(CYCLES)
    three = [(count >> (3 * k) & 7) - 4 for k in range(5)]
    return {
        "sums": np.stack(three[:3], axis=1),
        "sums_x": three[3][:, None],
        "bias": rng.integers(-2, 2, (CYCLES, 4)) * (count[:, None] % 3 == 0),
        "state": np.roll(three[4], STATE_READ)[:, None],
    }


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[dict, dict]]:
    """Stimulus and response of every case, by port."""
    work, rng, bench, stimulus = tmp_path_factory.mktemp("gru"), np.random.default_rng(5), Bench(), {}
    for name, case in CASES.items():
        write_table(work / f"{name}.hex", case.table)
        parameters = case.parameters | {"INIT_FILE": f"{name}.hex"}
        bench.add(name, "rnn_gru_tail", parameters, case.inputs, case.outputs)
        driven = stimulate_tiny(rng) if name == "tiny" else stimulate(case, rng)
        stimulus |= {(name, port): values for port, values in driven.items()}
    got = bench.run(Path(work), stimulus)
    return {
        name: tuple({port: values for (of, port), values in side.items() if of == name} for side in (stimulus, got))
        for name in CASES
    }


def delayed(values: np.ndarray, cycles: int, count: int) -> list[list[int]]:
    """What stands in an array so many cycles later."""
    return values[cycles : cycles + count].tolist()


@pytest.mark.parametrize("name", CASES)
def test_values_counts_and_cycles(name: str, runs: dict[str, tuple[dict, dict]]) -> None:
    case, (driven, got) = CASES[name], runs[name]
    cycles = TINY_CYCLES if name == "tiny" else RANDOM_CYCLES - STATE_READ
    sums = np.concatenate([driven["sums"].reshape(CYCLES, case.lanes, 3), driven["sums_x"][..., None]], axis=2)
    sums = (sums + driven["bias"].reshape(CYCLES, case.lanes, 4)).tolist()
    states = delayed(driven["state"], STATE_READ, cycles)
    wanted = [[unit(case, sums[cycle][k], states[cycle][k]) for k in range(case.lanes)] for cycle in range(cycles)]
    parts = [[value for lane in lanes for value in lane.parts] for lanes in wanted]
    assert delayed(got["parts"], PARTS, cycles) == parts
    assert delayed(got["state_new"], OUTPUT, cycles) == [[lane.state for lane in lanes] for lanes in wanted]
    assert delayed(got["h"], OUTPUT, cycles) == [[lane.h for lane in lanes] for lanes in wanted]
    for index, (point, delay) in enumerate(COUNTS.items()):
        counts = [[sum(lane.saturated[index] for lane in lanes)] for lanes in wanted]
        assert delayed(got[f"saturated_{point}"], delay, cycles) == counts, point


def test_every_point_saturates_somewhere(runs: dict[str, tuple[dict, dict]]) -> None:
    """The stimulus reaches what it is to test; all lanes at once, too."""
    seen = {point: {name: got[f"saturated_{point}"] for name, (_, got) in runs.items()} for point in COUNTS}
    for point, counts in seen.items():
        assert sum((values > 0).sum() > 10 for values in counts.values()) >= (1 if point == "state" else 2), point
    for point in ("z", "inner"):
        assert max(values.max() / CASES[name].lanes for name, values in seen[point].items()) == 2, point
    for point in ("n", "state", "h"):
        assert seen[point]["coarse_state"].max() == 2, point


def test_results_follow_the_real_functions(runs: dict[str, tuple[dict, dict]]) -> None:
    """The usual GRU is close to one in real numbers, where nothing saturates."""
    case, (driven, got) = CASES["usual"], runs["usual"]
    half_z, half_inner = (0.5 * 2.0**-fraction for fraction in (case.z.fraction - 1, case.inner.fraction))
    total = np.concatenate([driven["sums"].reshape(CYCLES, 2, 3), driven["sums_x"][..., None]], axis=2)
    total = (total + driven["bias"].reshape(CYCLES, 2, 4)) * 2.0**-case.acc_fraction
    r, z = (1 / (1 + np.exp(half_z - total[..., k])) for k in range(2))
    n = np.tanh(total[..., 3] - half_inner + r * (total[..., 2] - half_inner))
    cycles = RANDOM_CYCLES - STATE_READ
    state = driven["state"][STATE_READ : STATE_READ + cycles] * 2.0**-case.state.fraction
    exact = ((1 - z) * n)[:cycles] + z[:cycles] * state
    inside = np.ones(cycles, dtype=bool)
    for point in ("z", "inner", "n"):
        inside &= got[f"saturated_{point}"][COUNTS[point] : COUNTS[point] + cycles, 0] == 0
    assert inside.sum() > 300
    error = np.abs(got["state_new"][OUTPUT : OUTPUT + cycles] * 2.0**-case.state.fraction - exact)[inside]
    assert error.max() < 2.0**-13
