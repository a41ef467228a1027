"""Sums of several passes against Python integers: groups at random distances, at least 4 cycles from pass to pass."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.leaves.bench import Bench, Port

pytestmark = pytest.mark.verilator

GAP = 4


@dataclass(frozen=True)
class Case:
    """Parameters of rnn_partial_sums, and how many passes a step has."""

    rows: int
    width: int
    depth: int
    passes: int
    split: bool = False


CASES = [
    Case(1, 20, 1, 5),
    Case(4, 37, 3, 2),
    Case(2, 9, 8, 3),
    Case(6, 40, 5, 2, split=True),
    Case(3, 16, 1, 2, split=True),
]
STEPS = 40


def schedule(case: Case, rng: np.random.Generator) -> tuple[int, list[tuple[int, int, int]]]:
    """Cycles of a run, and in which of them a group comes: (cycle, pass, address)."""
    cycle, last, groups = 3, {}, []
    for number in range(STEPS * case.passes):
        for address in range(case.depth):
            cycle = max(cycle + 1 + int(rng.integers(0, 2) * rng.integers(0, 4)), last.get(address, 0) + GAP)
            last[address] = cycle
            groups.append((cycle, number % case.passes, address))
    return cycle + 4, groups


def test_sums_of_passes(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    runs = {f"case{index}": (case, *schedule(case, rng)) for index, case in enumerate(CASES)}
    cycles = max(length for _, length, _ in runs.values())
    bench, stimulus, wanted = Bench(), {}, {}
    for name, (case, _, groups) in runs.items():
        bits = max(1, (case.depth - 1).bit_length())
        parameters = {
            "ROWS": case.rows, "ACC_WIDTH": case.width, "DEPTH": case.depth, "ADDRESS_WIDTH": bits,
            "SPLIT": int(case.split),
        }  # fmt: skip
        inputs = [Port("group", case.width, case.rows), Port("address", bits), Port("fresh", 1), Port("write", 1)]
        outputs = [Port("sums", case.width, case.rows), Port("sums_x", case.width, case.rows // 3 if case.split else 1)]
        bench.add(name, "rnn_partial_sums", parameters, inputs, outputs)
        high = 1 << (case.width - 1)
        data = rng.integers(-high, high, (cycles, case.rows))
        controls = {port: np.zeros((cycles, 1), dtype=np.int64) for port in ("address", "fresh", "write")}
        controls["address"] += rng.integers(0, case.depth, (cycles, 1))  # of no meaning between groups
        kept: dict[int, np.ndarray] = {}
        expected = {}
        for cycle, number, address in groups:
            controls["address"][cycle - 2], controls["fresh"][cycle - 2] = address, number == 0
            controls["write"][cycle] = number < case.passes - 1
            before = np.zeros(case.rows, dtype=np.int64) if number == 0 else kept[address]
            total = data[cycle] + before
            if case.split:
                total[2::3] = data[cycle, 2::3]
            kept[address] = (total + high) % (2 * high) - high
            expected[cycle + 1] = kept[address], before[2::3]
        wanted[name] = expected
        stimulus[name, "group"] = data
        stimulus |= {(name, port): values for port, values in controls.items()}
    got = bench.run(tmp_path, stimulus)
    for name, (case, _, groups) in runs.items():
        assert len(wanted[name]) == len(groups)
        for cycle, (total, apart) in wanted[name].items():
            assert np.array_equal(got[name, "sums"][cycle], total), (name, cycle)
            if case.split:
                assert np.array_equal(got[name, "sums_x"][cycle], apart), (name, cycle)
