"""The element-wise paths against plain integers: values, counts, and the cycle of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from rnngen.arith.activation import make_tanh_table
from tests.leaves.bench import Bench, Port, draw, limit, write_table

pytestmark = pytest.mark.verilator

CYCLES = 2500
STATE_READ, Z_READY, STATE_READY, OUTPUT_READY = 7, 2, 11, 20


@dataclass(frozen=True)
class Depth:
    """Stages of a narrowing, a table, a product and a rounding, and the forms of the leaf."""

    narrow: int = 2
    table: int = 5
    product: int = 2
    rounding: int = 2
    signed: int = 0
    open: int = 0

    @property
    def parameters(self) -> dict[str, int]:
        """As the leaf has them."""
        return {
            "NARROW_STAGES": self.narrow, "TABLE_STAGES": self.table, "PRODUCT_STAGES": self.product,
            "ROUND_STAGES": self.rounding, "SIGNED_TABLE": self.signed, "OPEN": self.open,
        }  # fmt: skip

    @property
    def cycles(self) -> tuple[int, int, int, int]:
        """When c is read, and z, c' and h are there, from the leaf's header."""
        read, kept = self.narrow + self.table, self.product + max(self.rounding, 1)
        saturated = self.product + min(self.rounding + 1, 2)
        output = read + self.product + self.rounding + self.table + kept - self.open
        return read, self.narrow, read + saturated, output


DEPTHS = {
    "wide": Depth(),
    "shallow": Depth(0, 2, 0, 0, 1, 1),
    "middle": Depth(1, 3, 1, 0),
    "open": Depth(1, 4, 1, 1, 0, 1),
}
assert DEPTHS["wide"].cycles == (STATE_READ, Z_READY, STATE_READY, OUTPUT_READY)


def half_up(value: int, shift: int) -> int:
    """value / 2**shift, half up."""
    return (2 * value + (1 << shift)) >> (shift + 1)


@dataclass(frozen=True)
class LstmCase:
    """Binary points of a tail; acc and bias have ``acc_fraction`` bits, the tanh input z_fraction."""

    lanes: int
    acc_width: int
    bias_width: int
    acc_fraction: int
    z_width: int
    z_fraction: int
    gate_fraction: int
    c_width: int
    c_fraction: int
    h_width: int
    h_fraction: int


LSTM_CASES = {
    "wide": LstmCase(2, 34, 26, 24, 18, 14, 16, 18, 14, 16, 15),
    "tiny": LstmCase(3, 14, 12, 8, 6, 2, 4, 6, 1, 4, 3),
    "biased": LstmCase(1, 20, 30, 12, 10, 6, 8, 10, 6, 8, 8),  # wider bias; h saturates
    "widest": LstmCase(1, 44, 20, 30, 20, 16, 16, 18, 13, 18, 17),
}
LSTM_CASES |= dict.fromkeys(("shallow", "middle", "open"), LSTM_CASES["wide"])


def lstm_parameters(case: LstmCase, image: str) -> dict[str, int | str]:
    """From binary points to the leaf's shifts, by its header: products at one common binary point."""
    table = make_tanh_table(case.z_width, case.z_fraction, case.gate_fraction)
    fc, ig = case.gate_fraction + 1 + case.c_fraction, 2 * case.gate_fraction + 1
    return {
        "LANES": case.lanes, "ACC_WIDTH": case.acc_width, "BIAS_WIDTH": case.bias_width,
        "SHIFT": case.acc_fraction - case.z_fraction, "Z_WIDTH": case.z_width, "REST_BITS": table.rest_bits,
        "GUARD_BITS": table.guard_bits, "BASE_WIDTH": table.base_width, "SLOPE_WIDTH": table.slope_width,
        "GATE_FRACTION": case.gate_fraction, "C_WIDTH": case.c_width, "SHIFT_FC": max(fc, ig) - fc,
        "SHIFT_IG": max(fc, ig) - ig, "SHIFT_C": max(fc, ig) - case.c_fraction,
        "TANH_SHIFT": case.z_fraction - case.c_fraction, "SHIFT_H": ig - case.h_fraction, "H_WIDTH": case.h_width,
        "COUNT_WIDTH": (4 * case.lanes).bit_length(), "INIT_FILE": image,
    }  # fmt: skip


def lstm_model(case: LstmCase, sums: list[int], biases: list[int], c: int) -> tuple[list[int], int, int, list[int]]:
    """z, new c, h and the counts (z, c, h) of one lane; biases hold their rounding constants."""
    table = make_tanh_table(case.z_width, case.z_fraction, case.gate_fraction)
    tanh, low = table.direct, -(1 << (case.z_width - 1))
    one = 1 << case.gate_fraction
    z, gates, counts = [], [], [0, 0, 0]
    for gate, total, bias in zip("ifgo", sums, biases, strict=True):
        shift = case.acc_fraction - case.z_fraction + (gate != "g")
        narrowed = (total + bias) >> shift
        z.append(limit(narrowed, case.z_width))
        counts[0] += z[-1] != narrowed
        value = int(tanh[z[-1] - low])
        gates.append(value if gate == "g" else one + value)
    i, f, g, o = gates
    # f * c has gate_fraction + 1 + c_fraction fraction bits, i * g has 2 gate_fraction + 1; add them exactly.
    # Numerators over 2**common, which exceeds both.
    common = 3 * case.gate_fraction + case.c_fraction + 1
    cell = (f * c << (2 * case.gate_fraction)) + (i * g << (case.gate_fraction + case.c_fraction))
    rounded = half_up(cell, common - case.c_fraction)
    new_c = limit(rounded, case.c_width)
    tanh_shift = case.z_fraction - case.c_fraction
    short = limit(rounded, min(case.c_width, case.z_width - tanh_shift))
    counts[1] = (new_c != rounded) + (short != rounded)
    squashed = half_up(o * int(tanh[(short << tanh_shift) - low]), 2 * case.gate_fraction + 1 - case.h_fraction)
    h = limit(squashed, case.h_width)
    counts[2] += h != squashed
    return z, new_c, h, counts


def test_values_counts_and_cycles(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    bench, stimulus = Bench(), {}
    for name, case in LSTM_CASES.items():
        table = make_tanh_table(case.z_width, case.z_fraction, case.gate_fraction)
        depth = DEPTHS.get(name, Depth())
        write_table(tmp_path / f"{name}.hex", table, signed=bool(depth.signed))
        count_width = (4 * case.lanes).bit_length()
        bench.add(
            name, "rnn_lstm_tail", lstm_parameters(case, f"{name}.hex") | depth.parameters,
            [Port("sums", case.acc_width, 4 * case.lanes), Port("bias", case.bias_width, 4 * case.lanes),
             Port("c", case.c_width, case.lanes)],
            [Port("c_new", case.c_width, case.lanes), Port("h", case.h_width, case.lanes),
             Port("z", case.z_width, 4 * case.lanes),
             *(Port(f"saturated_{point}", count_width, signed=False) for point in "zch")],
        )  # fmt: skip
        typical = 3 << case.acc_fraction
        stimulus[name, "sums"] = draw(rng, CYCLES, case.acc_width, 4 * case.lanes, typical)
        stimulus[name, "bias"] = draw(rng, CYCLES, case.bias_width, 4 * case.lanes, typical)
        stimulus[name, "c"] = draw(rng, CYCLES, case.c_width, case.lanes, 2 << case.c_fraction)
    linear = {"y": (3, 30, 20, 9, 12), "plain": (1, 10, 14, 0, 8), "extended": (2, 8, 6, 1, 16)}
    for name, (lanes, acc, bias, shift, out) in linear.items():
        parameters = {
            "LANES": lanes, "ACC_WIDTH": acc, "BIAS_WIDTH": bias, "SHIFT": shift, "OUT_WIDTH": out, "COUNT_WIDTH": 2,
        }  # fmt: skip
        bench.add(name, "rnn_linear_tail", parameters, [Port("sums", acc, lanes), Port("bias", bias, lanes)],
                  [Port("y", out, lanes), Port("saturated", 2, signed=False)])  # fmt: skip
        stimulus[name, "sums"] = draw(rng, CYCLES, acc, lanes, 1 << (shift + out - 2))
        stimulus[name, "bias"] = draw(rng, CYCLES, bias, lanes, 1 << (shift + out - 2))
    got = bench.run(tmp_path, stimulus)
    for name, case in LSTM_CASES.items():
        check_lstm(name, case, stimulus, got)
    for name, (lanes, _, _, shift, out) in linear.items():
        hits = 0
        for cycle in range(CYCLES - 2):
            lines = zip(stimulus[name, "sums"][cycle].tolist(), stimulus[name, "bias"][cycle].tolist(), strict=True)
            exact = [(total + constant) >> shift for total, constant in lines]
            wanted = [limit(value, out) for value in exact]
            over = sum(a != b for a, b in zip(exact, wanted))
            assert got[name, "y"][cycle + 2].tolist() == wanted, (name, cycle)
            assert got[name, "saturated"][cycle + 2, 0] == over
            hits += over
        assert (hits > 0) == (name != "extended")
        assert lanes == got[name, "y"].shape[1]


def check_lstm(name: str, case: LstmCase, stimulus: dict, got: dict) -> None:
    """Every cycle of one instance: c is presented some cycles behind its sums."""
    state_read, z_ready, state_ready, output_ready = DEPTHS.get(name, Depth()).cycles
    totals = np.zeros(3, dtype=int)
    for cycle in range(CYCLES - OUTPUT_READY):
        counts = np.zeros(3, dtype=int)
        for lane in range(case.lanes):
            four = slice(4 * lane, 4 * lane + 4)
            sums = [int(v) for v in stimulus[name, "sums"][cycle, four]]
            biases = [int(v) for v in stimulus[name, "bias"][cycle, four]]
            c = int(stimulus[name, "c"][cycle + state_read, lane])
            z, new_c, h, over = lstm_model(case, sums, biases, c)
            assert got[name, "z"][cycle + z_ready, four].tolist() == z, (name, cycle, lane)
            assert got[name, "c_new"][cycle + state_ready, lane] == new_c, (name, cycle, lane)
            assert got[name, "h"][cycle + output_ready, lane] == h, (name, cycle, lane)
            counts += over
        seen = [got[name, f"saturated_{p}"][cycle + d, 0] for p, d in zip("zch", (z_ready, state_ready, output_ready))]
        assert seen == counts.tolist(), (name, cycle)
        totals += counts
    assert totals[0] > 20
    assert totals[1] > 20
    assert totals[2] > 0 or name not in ("biased",)
