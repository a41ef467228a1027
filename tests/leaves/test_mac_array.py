"""The multiply-accumulate leaves against integers: every value, in the exact cycle.

One simulator build holds every case: each form of the array (the model that simulations run, the circuit
with inferred multipliers, the circuit with the ECP5 primitive's twin) for each parameter set, their inputs
and outputs packed side by side, driven by a small C++ main with one line of bits a cycle.  The array stands
in it twice, the second time under another name as RNN_MAC_LANES makes it.
"""

from __future__ import annotations

import math
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.leaves.bench import TEMPLATES, build, build_main

pytestmark = pytest.mark.verilator

CYCLES = 400


@dataclass(frozen=True)
class Case:
    """One parameter set of rnn_mac_array."""

    rows: int
    columns: int
    group_rows: int
    weight_width: int
    vector_width: int
    acc_width: int
    product_stages: int
    every: int
    primitive: bool = True
    split: int = 0
    addend_width: int = 0  # without ACCUMULATE
    sets: int = 1  # vectors
    gates: int = 1
    shared: int = 1

    @property
    def vectors(self) -> np.ndarray:
        """The vector of each row: units of so many gates, and of neighbouring units the same ones."""
        rows = np.arange(self.rows)
        return rows // self.gates // self.shared * self.gates + rows % self.gates if self.sets > 1 else 0 * rows

    @property
    def latency(self) -> int:
        """The contract's formula."""
        if self.addend_width:
            return self.product_stages + math.ceil(math.ceil(math.log2(self.columns + 1)) / self.every) - 1
        levels = math.ceil(math.log2(self.columns))
        return self.product_stages + math.ceil(levels / self.every) + 1

    @property
    def addends(self) -> np.ndarray:
        """One constant a row, both extremes among them."""
        half = 1 << (self.addend_width - 1)
        return np.array([(-half, half - 1, 5 * row % half)[row % 3] for row in range(self.rows)], dtype=object)

    @property
    def groups(self) -> int:
        """Groups of a tile, the last one perhaps not full."""
        return -(-self.rows // self.group_rows)

    @property
    def word_bits(self) -> int:
        """Bits of first, last, first_h, weights and vector."""
        return 3 + self.columns * (self.rows * self.weight_width + self.sets * self.vector_width)

    @property
    def group_bits(self) -> int:
        """Bits of a group."""
        return self.group_rows * self.acc_width

    @property
    def x_rows(self) -> int:
        """Sums that end at first_h, of one group: of every third row."""
        return self.group_rows // 3 if self.split else 0

    @property
    def response_bits(self) -> int:
        """Bits of group and group_x, which has room for one sum where there are none."""
        return self.group_bits + max(1, self.x_rows) * self.acc_width

    @property
    def forms(self) -> list[str]:
        """Module names and multiplier of each form under test; ``pairs``: of two products."""
        ecp5 = ["lanes_ecp5"] if self.primitive else []
        if self.sets > 1:
            return ["model", "lanes_generic", *ecp5]
        ecp5 += ["pairs_ecp5"] if self.pair_width <= 18 else []
        return ["model", "lanes_generic", "pairs_generic", *ecp5]

    @property
    def pair_width(self) -> int:
        """Bits of the wide operand of a multiplier for two products, at least."""
        return 2 * self.weight_width + self.vector_width


CASES = [
    Case(4, 4, 4, 8, 16, 36, 3, 1),
    Case(8, 4, 4, 8, 16, 36, 4, 1),
    Case(12, 5, 4, 4, 7, 20, 2, 2),
    Case(9, 7, 1, 18, 18, 48, 3, 3),
    Case(1, 1, 1, 8, 16, 24, 1, 1),
    Case(16, 1, 4, 2, 4, 12, 2, 1),
    Case(6, 3, 6, 3, 5, 10, 1, 2),
    Case(20, 2, 4, 16, 16, 40, 4, 1),
    Case(10, 2, 4, 8, 16, 36, 3, 1),
    Case(19, 3, 9, 8, 16, 36, 4, 1),
    Case(3, 9, 1, 20, 24, 64, 3, 2, primitive=False),
    Case(3, 1, 3, 8, 16, 24, 1, 1, split=1),
    Case(6, 3, 3, 3, 5, 10, 2, 1, split=1),
    Case(6, 4, 6, 8, 16, 36, 3, 1, split=1),
    Case(12, 2, 9, 8, 16, 36, 4, 1, split=1),
    Case(30, 2, 12, 4, 7, 20, 3, 1, split=1),
    Case(27, 1, 3, 5, 6, 16, 4, 1, split=1),
    Case(21, 5, 21, 6, 9, 24, 1, 2, split=1),
    Case(9, 9, 6, 20, 24, 64, 2, 3, primitive=False, split=1),
    Case(5, 26, 5, 8, 16, 30, 0, 3, addend_width=20),
    Case(9, 6, 9, 16, 16, 44, 1, 2, addend_width=40),
    Case(2, 1, 2, 5, 6, 14, 0, 1, addend_width=3),
    Case(1, 3, 1, 8, 8, 30, 0, 4, addend_width=12),
    Case(10, 4, 10, 8, 16, 32, 4, 1, addend_width=12),
    Case(12, 3, 4, 8, 16, 36, 4, 1, sets=12, gates=4),
    Case(20, 2, 8, 4, 7, 20, 2, 1, sets=12, gates=4, shared=2),
    Case(18, 4, 9, 8, 16, 36, 3, 2, split=1, sets=6, gates=3, shared=3),
]

CHOSEN = CASES if "RNNGEN_CIRCUITS" in os.environ else CASES[::2]
"""Every second case each time, all with RNNGEN_CIRCUITS set (``make regress``)."""


def lanes_text() -> str:
    """rnn_mac_array under the name rnn_mac_array_lanes, and with RNN_MAC_LANES."""
    text = (TEMPLATES / "rnn_mac_array.v").read_text()
    assert text.count("module rnn_mac_array #(") == 1
    renamed = text.replace("module rnn_mac_array #(", "module rnn_mac_array_lanes #(")
    return f"`define RNN_MAC_LANES\n{renamed}\n`undef RNN_MAC_LANES\n"


def top_verilog() -> str:
    """One module with every form of every case, stimulus and response packed."""
    lines, stimulus, response = [], 0, 0
    for index, case in enumerate(CHOSEN):
        parameters = (
            f".ROWS({case.rows}), .COLUMNS({case.columns}), .GROUP_ROWS({case.group_rows}), "
            f".WEIGHT_WIDTH({case.weight_width}), .VECTOR_WIDTH({case.vector_width}), .ACC_WIDTH({case.acc_width}), "
            f".PRODUCT_STAGES({case.product_stages}), .TREE_STAGES_EVERY({case.every}), .SPLIT({case.split}), "
            f".SETS({case.sets}), .GATES({case.gates}), .SHARED({case.shared})"
        )
        addend = f"{2 * case.rows}'d0"
        if case.addend_width:
            parameters += f", .ACCUMULATE(0), .ADDEND_WIDTH({case.addend_width})"
            addend = f"{case.rows * case.addend_width}'h{pack(case.addends, case.addend_width):x}"
        for form in case.forms:
            module = "rnn_mac_array" if form == "model" else "rnn_mac_array_lanes"
            multiplier = "" if form == "model" else f', .MULTIPLIER("{form.split("_")[1]}")'
            if form.startswith("pairs"):  # of odd cases with a bit to spare
                width = 18 if form == "pairs_ecp5" else case.pair_width + index % 2
                multiplier += f", .PAIR_WIDTH({width})"
            weights = case.rows * case.columns * case.weight_width
            vector = case.sets * case.columns * case.vector_width
            lines.append(
                f"{module} #({parameters}{multiplier}) d{len(lines)} (.clk(clk), .first(s[{stimulus}]), "
                f".last(s[{stimulus + 1}]), .first_h(s[{stimulus + 2}]), .weights(s[{stimulus + 3}+:{weights}]), "
                f".vector(s[{stimulus + 3 + weights}+:{vector}]), .addend({addend}), "
                f".group(r[{response}+:{case.group_bits}]), "
                f".group_x(r[{response + case.group_bits}+:{case.response_bits - case.group_bits}]));"
            )
            response += case.response_bits
        stimulus += case.word_bits
    body = "\n  ".join(lines)
    ports = f"input clk, input [{stimulus - 1}:0] s, output [{response - 1}:0] r"
    return f"{lanes_text()}module top({ports});\n  {body}\nendmodule\n"


def pack(values: np.ndarray, width: int) -> int:
    """Signed integers side by side, the first in the low bits."""
    word = 0
    for position, value in enumerate(values.reshape(-1).tolist()):
        word |= (value & ((1 << width) - 1)) << (position * width)
    return word


def unpack(word: int, width: int, count: int) -> list[int]:
    """The reverse of pack."""
    sign = 1 << (width - 1)
    return [(((word >> (i * width)) & ((1 << width) - 1)) ^ sign) - sign for i in range(count)]


@dataclass(frozen=True)
class Control:
    """One cycle's first, last and first_h; ``counted``: its word belongs to a tile."""

    first: bool = False
    last: bool = False
    first_h: bool = False
    counted: bool = False


def tile(case: Case, rng: np.random.Generator) -> list[Control]:
    """One tile, no shorter than its groups take, and with a word of x and one of h where they are kept apart."""
    if case.addend_width:
        return [Control(True, True, counted=True)]
    length = max(case.groups, 1 + case.split) + int(rng.integers(0, 7))
    x_words = int(rng.choice([1, length - 1, rng.integers(1, length)])) if case.split else 0
    return [Control(i == 0, i == length - 1, i == x_words > 0, True) for i in range(length)]


def schedule(case: Case, rng: np.random.Generator) -> list[Control]:
    """Tiles back to back and apart, then nothing."""
    cycles = [Control()] * int(rng.integers(0, 4))
    while len(cycles) < CYCLES - case.latency - case.groups - 30:
        cycles += tile(case, rng)
        if rng.integers(0, 3) == 0:
            cycles += [Control()] * int(rng.integers(1, 5))
    return cycles + [Control()] * (CYCLES - len(cycles))


@dataclass(frozen=True)
class Wanted:
    """What stands at the output in a cycle: group number ``group`` and its x-part."""

    cycle: int
    group: int
    rows: list[int]
    x_rows: list[int]


class Sums:
    """The contract of one case in integers."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.rows = np.zeros(case.rows, dtype=object)
        self.x_rows = np.zeros(case.rows // 3, dtype=object)
        self.wanted: list[Wanted] = []

    def word(self, cycle: int, control: Control, products: np.ndarray) -> None:
        """A column word; ``products``: its dot product with every row."""
        if control.first_h:
            self.x_rows = self.rows[2::3].copy()
            self.rows[2::3] = 0
        if control.counted:
            before = self.case.addends if self.case.addend_width else 0
            self.rows = (before if control.first else self.rows) + products
        if control.last:
            rows, x_rows = self._grouped(self.rows, self.case.group_rows), self._grouped(self.x_rows, self.case.x_rows)
            self.wanted += [
                Wanted(cycle + self.case.latency + k, k, rows[k], x_rows[k]) for k in range(self.case.groups)
            ]

    def _grouped(self, sums: np.ndarray, per: int) -> list[list[int]]:
        """Modulo 2**ACC_WIDTH, with zeros behind the last row."""
        sign = 1 << (self.case.acc_width - 1)
        wrapped = [(int(x) + sign) % (2 * sign) - sign for x in sums] + [0] * self.case.group_rows
        return [wrapped[k * per : (k + 1) * per] for k in range(self.case.groups)]


def run(work: Path, lines: list[int], stimulus_bits: int, response_bits: int) -> list[int]:
    """Build the bench and return the response of every cycle, taken before the clock edge."""
    (work / "top.v").write_text(top_verilog())
    build_main(work, CYCLES, "-Wall", "-Wno-DECLFILENAME")
    line_bytes = (stimulus_bits + 31) // 32 * 4
    (work / "in").write_bytes(b"".join(line.to_bytes(line_bytes, "little") for line in lines))
    subprocess.run([work / "obj" / "Vtop", "in", "out"], cwd=work, check=True)
    data = (work / "out").read_bytes()
    size = (response_bits + 31) // 32 * 4
    return [int.from_bytes(data[i : i + size], "little") for i in range(0, len(data), size)]


def test_values_and_cycles(tmp_path: Path) -> None:
    """Every form gives every sum of every tile in the cycle of the contract, extremes included."""
    rng = np.random.default_rng(1)
    lines = [0] * CYCLES
    expected = []
    position = 0
    for case in CHOSEN:
        sums = Sums(case)
        for cycle, control in enumerate(schedule(case, rng)):
            top_w, top_v = 1 << (case.weight_width - 1), 1 << (case.vector_width - 1)
            weights = rng.integers(-top_w, top_w, (case.rows, case.columns)).astype(object)
            vector = rng.integers(-top_v, top_v, (case.columns, case.sets)).astype(object)
            if rng.integers(0, 5) == 0:
                weights[:], vector[:] = -top_w, -top_v
            word = int(control.first) | int(control.last) << 1 | int(control.first_h) << 2
            word |= pack(weights, case.weight_width) << 3
            word |= pack(vector, case.vector_width) << (3 + weights.size * case.weight_width)
            lines[cycle] |= word << position
            sums.word(cycle, control, (weights * vector.T[case.vectors]).sum(axis=1))
        expected.append(sums.wanted)
        position += case.word_bits
    response_bits = sum(case.response_bits * len(case.forms) for case in CHOSEN)
    got = run(tmp_path, lines, position, response_bits)
    assert len(got) == CYCLES
    offset = 0
    for case, wanted in zip(CHOSEN, expected, strict=True):
        assert len(wanted) > 20 * case.groups
        for form in case.forms:
            for at in wanted:
                seen = unpack(got[at.cycle] >> offset, case.acc_width, case.group_rows)
                assert seen == at.rows, f"{case} {form}: cycle {at.cycle}, group {at.group}"
                seen = unpack(got[at.cycle] >> (offset + case.group_bits), case.acc_width, case.x_rows)
                assert seen == at.x_rows, f"{case} {form}: cycle {at.cycle}, x-part of group {at.group}"
            offset += case.response_bits


def build_and_run(work: Path) -> str:
    """What a self-contained top.v prints."""
    options = ["--binary", "-j", "2", "--top-module", "top", "-Wno-fatal", "-y", str(TEMPLATES)]
    options += ["-CFLAGS", "-std=gnu++20 -fcoroutines", "--output-split", "0", "--unroll-count", "4"]
    build(work, *options, "--quiet", "top.v")
    return subprocess.run([work / "obj_dir" / "Vtop"], check=False, capture_output=True, text=True).stdout


TWIN = """
module top;
  integer errors = 0, checks = 0, i;
  reg clk = 0;
  reg signed [4:0] a = 0; reg signed [5:0] b = 0; reg signed [17:0] x = 0, y = 0;
  {instances}
  integer seed = 7;
  initial begin
    for (i = 0; i < 2048 + 8; i = i + 1) begin
      {{a, b}} = i[10:0];
      x = $random(seed); y = i % 16 == 0 ? -18'sd131072 : $random(seed);
      if (i % 32 == 0) x = -18'sd131072;
      #1;
      if (i > 8) begin checks = checks + 1; {checks} end
      clk = 1; #1; clk = 0; #1;
    end
    $display("checks %0d errors %0d", checks, errors); $finish;
  end
endmodule
"""


def test_primitive_twin_equals_multiplier(tmp_path: Path) -> None:
    """For 0..4 stages: 5 x 6 bits exhaustively and 18 x 18 bits at random, equal in every cycle."""
    instances, checks = [], []
    for stages in range(5):
        for name, a, b, width_a, width_b in (("s", "a", "b", 5, 6), ("f", "x", "y", 18, 18)):
            for module in ("rnn_multiplier", "rnn_multiplier_ecp5"):
                wire = f"{name}{stages}{'e' if module.endswith('ecp5') else 'g'}"
                instances.append(f"wire signed [{width_a + width_b - 1}:0] {wire};")
                parameters = f".A_WIDTH({width_a}), .B_WIDTH({width_b}), .STAGES({stages})"
                ports = f".clk(clk), .a({a}), .b({b}), .product({wire})"
                instances.append(f"{module} #({parameters}) i{wire} ({ports});")
            checks.append(f"if ({name}{stages}g !== {name}{stages}e) errors = errors + 1;")
    (tmp_path / "top.v").write_text(TWIN.format(instances="\n  ".join(instances), checks="\n".join(checks)))
    result = build_and_run(tmp_path)
    assert "checks 2047 errors 0" in result


REFUSED = {
    ".GROUP_ROWS(5)": "GROUP_ROWS at most ROWS, not 4, 4 and 5.",
    '.MULTIPLIER("dsp")': "MULTIPLIER must be generic or ecp5, not",
    '.MULTIPLIER("ecp5"), .WEIGHT_WIDTH(19)': "widths must be at most 18, not 19 and 16.",
    ".SPLIT(1)": "with SPLIT, ROWS and GROUP_ROWS must be multiples of 3, not 4 and 4.",
    ".SPLIT(1), .ROWS(9)": "with SPLIT, ROWS and GROUP_ROWS must be multiples of 3, not 9 and 4.",
    ".SPLIT(1), .GROUP_ROWS(3)": "with SPLIT, ROWS and GROUP_ROWS must be multiples of 3, not 4 and 3.",
    ".ACCUMULATE(0), .GROUP_ROWS(2)": "without ACCUMULATE, GROUP_ROWS must be ROWS and SPLIT 0, not 2 and 0.",
    ".SETS(4), .PAIR_WIDTH(36)": "with SETS, ACCUMULATE must be 1 and PAIR_WIDTH 0, not 1 and 36.",
    ".PRODUCT_STAGES(0)": "with ACCUMULATE, PRODUCT_STAGES must be at least 1, not 0.",
    ".ACC_WIDTH(25)": "ACC_WIDTH must be at least 26 to hold one word's sum, not 25.",
}


def test_bad_parameters_stop_with_a_sentence(tmp_path: Path) -> None:
    """Each wrong parameter prints its sentence before the first cycle (all instances share one build)."""
    instances = [f"rnn_mac_array #({values}) array{i} ();" for i, values in enumerate(REFUSED)]
    (tmp_path / "top.v").write_text(f"module top; {' '.join(instances)} endmodule\n")
    result = build_and_run(tmp_path)
    for sentence in REFUSED.values():
        assert sentence in result
