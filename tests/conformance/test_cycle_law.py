"""The cycle law, measured in Verilator on a small layer of each kind, and its formula worked by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.cycle_law import CASES, Case, law, make_design, measure

SMALL = {
    # By hand: ceil(12/1) * (6 + 12); the latency of 27 cycles is covered by 6 x words and 11 h words but for 10.
    Case("lstm", 6, 12, 4): (216, 10),
    # ceil(12/2) * (6 + 12); by 6 x words and 10 h words but for 11.
    Case("gru", 6, 12, 6): (108, 11),
    # ceil(16/2) * (8 + 16); covered.
    Case("rnn_tanh", 8, 16, 2): (192, 0),
    # As the LSTM, each direction with half of the multipliers.
    Case("bidirectional", 6, 12, 8): (216, 10),
    # ceil(8/1) * (48 + 4), covered by the 48 x words.
    Case("projected", 48, 8, 8, inner=4): (416, 0),
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


@pytest.mark.parametrize("case", CASES[:7], ids=lambda case: case.name)
def test_large_layers_are_planned_at_the_law(case: Case, tmp_path: Path) -> None:
    """Hidden: the interval is that of the formula and nothing else."""
    plan = make_design(case, tmp_path / "d").plan
    assert law(case, plan.blocks[0].branches[0])[0] == plan.interval


def test_formula_of_a_two_stage_layer_is_that_of_the_busier_stage(tmp_path: Path) -> None:
    case = Case("factorised", 64, 128, 80, inner=32)
    branch = make_design(case, tmp_path / "d").plan.blocks[0].branches[0]
    assert law(case, branch) == (43 * 8, "ceil(128/3) * ceil(32/4)")
