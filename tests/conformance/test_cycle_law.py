"""The cycle law, measured in Verilator on a small layer of each kind, and its formula worked by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.cycle_law import HIDDEN, Case, law, make_design, measure

SMALL = {
    # By hand: ceil(12/1) * (6 + 12); the x words of all tiles, 72, cover the latency of 30 cycles.
    Case("lstm", 6, 12, 4): (216, 0),
    # ceil(12/1) * (1 + 12); unit 11 is written 12 + 143 + 28 cycles behind the step's start, read 12 + 11 behind.
    Case("lstm", 1, 12, 4): (156, 5),
    # ceil(12/6) * (3 + 6); the last group of units is written 17 + 29 + 2 behind, its word read 6 + 5 behind.
    Case("gru", 6, 12, 36): (18, 20),
    # ceil(16/2) * (8 + 16); covered in one pass.
    Case("rnn_tanh", 8, 16, 2): (192, 0),
    # As the LSTM, each direction with half of the multipliers.
    Case("bidirectional", 6, 12, 8): (216, 0),
    # ceil(8/1) * (48 + 4), covered by the 48 x words.
    Case("projected", 48, 8, 8, inner=4): (416, 0),
    # ceil(16/1) * (4 + 4); the 64 x words of all tiles cover both latencies; the projection takes words as they come.
    Case("projected", 8, 16, 12, inner=8): (128, 0),
    # ceil(4/4) * (64/2 + 6/2); the second stage and its latency are covered in part.
    Case("factorised", 64, 6, 12, inner=4): (35, 27),
    # ceil(4/1) * (48 + 2) of each group, covered.
    Case("grouped", 96, 8, 12, inner=4): (200, 0),
}


@pytest.mark.verilator
@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
def test_measured_interval_is_the_law(case: Case) -> None:
    made = measure(case)
    issues, uncovered = SMALL[case]
    assert made.report.comparison.cycle_exact, made.report.comparison.sentence
    assert made.issues == issues
    assert made.measured == issues + uncovered


@pytest.mark.parametrize("case", HIDDEN, ids=lambda case: case.name)
def test_large_layers_are_planned_at_the_law(case: Case, tmp_path: Path) -> None:
    """Hidden: the interval is that of the formula and nothing else."""
    plan = make_design(case, tmp_path / "d").plan
    assert law(case, plan.blocks[0].branches[0])[0] == plan.interval


def test_formula_of_a_two_stage_layer_is_that_of_the_busier_stage(tmp_path: Path) -> None:
    case = Case("factorised", 64, 128, 80, inner=32)
    branch = make_design(case, tmp_path / "d").plan.blocks[0].branches[0]
    # Inner map 8 tiles of 13 + 26 words, gates 26 tiles of 11.
    assert law(case, branch) == (8 * 39, "ceil(32/4) * (ceil(64/5) + ceil(128/5))")
    assert (branch.last.tiles, branch.last.sweep) == (26, 11)
