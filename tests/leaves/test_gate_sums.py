"""Sums of gates in turn, gathered: against the groups as they came, tile by tile of random lengths."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.leaves.bench import Bench, Port

pytestmark = pytest.mark.verilator

TILES = 30


@dataclass(frozen=True)
class Case:
    """Parameters of rnn_gate_sums."""

    lanes: int
    gates: int
    turns: int
    width: int
    depth: int
    split: bool = False


CASES = [
    Case(1, 1, 4, 20, 1),
    Case(2, 2, 2, 17, 1),
    Case(3, 1, 4, 9, 5),
    Case(2, 2, 2, 40, 3),
    Case(1, 1, 4, 30, 1, split=True),
    Case(2, 1, 4, 12, 3, split=True),
    Case(1, 1, 3, 12, 2),
]


def schedule(case: Case, rng: np.random.Generator) -> list[tuple[int, int, int, int]]:
    """(cycle, tile, turn, group) of every group; the groups of a turn follow each other, turns at random distances."""
    cycle, groups = 2, []
    for tile in range(TILES):
        count = int(rng.integers(1, case.depth + 1))  # the last tile of a step has fewer
        for turn in range(case.turns):
            groups += [(cycle + group, tile, turn, group) for group in range(count)]
            cycle += count + int(rng.integers(0, 3))
    return groups


def test_sums_of_turns(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    runs = {f"case{index}": (case, schedule(case, rng)) for index, case in enumerate(CASES)}
    cycles = max(groups[-1][0] for _, groups in runs.values()) + 4
    bench, stimulus = Bench(), {}
    for name, (case, groups) in runs.items():
        turn_bits, bits = max(1, (case.turns - 1).bit_length()), max(1, (case.depth - 1).bit_length())
        parameters = {
            "LANES": case.lanes, "GATES": case.gates, "TURNS": case.turns, "TURN_WIDTH": turn_bits,
            "ACC_WIDTH": case.width, "DEPTH": case.depth, "ADDRESS_WIDTH": bits, "SPLIT": int(case.split),
        }  # fmt: skip
        own = case.turns - case.split
        inputs = [
            Port("group", case.width, case.lanes * case.gates), Port("turn", turn_bits), Port("write", 1),
            Port("address", bits),
        ]  # fmt: skip
        outputs = [
            Port("sums", case.width, case.lanes * own * case.gates),
            Port("sums_x", case.width, case.lanes if case.split else 1),
        ]
        bench.add(name, "rnn_gate_sums", parameters, inputs, outputs)
        high = 1 << (case.width - 1)
        stimulus[name, "group"] = rng.integers(-high, high, (cycles, case.lanes * case.gates))
        controls = {port: np.zeros((cycles, 1), dtype=np.int64) for port in ("turn", "write", "address")}
        controls["turn"] += rng.integers(0, case.turns, (cycles, 1))  # of no meaning between groups
        for cycle, _, turn, group in groups:
            controls["turn"][cycle], controls["write"][cycle], controls["address"][cycle] = turn, 1, group
        stimulus |= {(name, port): values for port, values in controls.items()}
    got = bench.run(tmp_path, stimulus)
    for name, (case, groups) in runs.items():
        data = {(tile, turn, group): stimulus[name, "group"][cycle] for cycle, tile, turn, group in groups}
        compared = 0
        for cycle, tile, turn, group in groups:
            if turn != case.turns - 1:
                continue
            turns = [data[tile, number, group].reshape(case.lanes, case.gates) for number in range(case.turns)]
            apart = turns.pop(-2)[:, 0] if case.split else None
            at = cycle + (case.depth > 1)
            assert np.array_equal(got[name, "sums"][at], np.stack(turns, axis=1).reshape(-1)), (name, cycle)
            if apart is not None:
                assert np.array_equal(got[name, "sums_x"][at], apart), (name, cycle)
            compared += 1
        assert compared >= TILES
