"""The plan of one engine against the schedule played out unit by unit."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnngen.errors import PlanError
from rnngen.plan.engine import EnginePlan, LayerShape, least_elements
from rnngen.plan.timing import Pipeline

SMALL = st.integers(1, 24)


def lstm(inputs: int, units: int, name: str = "l") -> LayerShape:
    return LayerShape(name, "lstm", 4, inputs, units, units)


def array_latency(columns: int, pipeline: Pipeline) -> int:
    """ARCHITECTURE.md: PRODUCT_STAGES + ceil(ceil(log2(COLUMNS)) / TREE_STAGES_EVERY) + 1."""
    levels = math.ceil(math.log2(columns))
    return pipeline.product_stages + math.ceil(levels / pipeline.tree_stages_every) + 1


def played_out(plan: EnginePlan) -> int:
    """Smallest step interval such that every h element is written before the word that holds it is read.

    Two steps are played: tiles of rows are swept in order, x words first; a word reaches the array 2 cycles after
    its issue; h leaves the element-wise path 20 cycles after the sums, E units a cycle, and may be read one cycle
    after it was written.  The old cell state of a unit is read (address) 6 cycles after its sums and written 11 after.
    """
    inputs, units, rows, columns = plan.shape.inputs, plan.shape.units, plan.rows, plan.columns
    x_words, h_words = math.ceil(inputs / columns), math.ceil(units / columns)
    tiles, groups = math.ceil(units / rows), math.ceil(rows / plan.elements)
    spacing = max(x_words + h_words, groups)
    to_sums = 2 + array_latency(columns, plan.pipeline)
    interval = max(tiles * spacing, 11 - 6 + 1)
    for unit in range(units):
        last_issue = (unit // rows) * spacing + x_words + h_words - 1
        written = last_issue + to_sums + (unit % rows) // plan.elements + 20
        read = x_words + unit // columns  # in the first tile of the next step
        interval = max(interval, written + 1 - read)
    return interval


@given(SMALL, SMALL, st.integers(1, 24), st.integers(1, 24), st.integers(1, 24), st.integers(1, 4), st.integers(1, 3))
def test_interval_is_the_played_out_one(
    inputs: int, units: int, rows: int, columns: int, elements: int, stages: int, every: int
) -> None:
    rows, columns = min(rows, units), min(columns, max(inputs, units))
    elements = min(elements, rows, columns)
    plan = EnginePlan(lstm(inputs, units), rows, columns, elements, Pipeline(stages, every))
    assert plan.interval == played_out(plan)


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 40), st.integers(1, 40))
def test_interval_is_the_design_formula_where_the_recurrence_is_hidden(
    inputs: int, units: int, rows: int, columns: int
) -> None:
    rows, columns = min(rows, units), min(columns, max(inputs, units))
    plan = EnginePlan(lstm(inputs, units), rows, columns, min(rows, columns))
    sweep = math.ceil(inputs / columns) + math.ceil(units / columns)
    latency = 2 + array_latency(columns, plan.pipeline) + 20 + 1
    assert plan.recurrence_latency == latency
    all_at_once = rows <= columns  # the element-wise path takes the R results of a tile in one cycle
    if all_at_once and latency <= math.ceil(inputs / columns) + math.ceil((units - rows) / columns):
        assert plan.is_hidden()
        assert plan.interval == math.ceil(units / rows) * sweep
    assert plan.interval >= math.ceil(units / rows) * sweep
    if plan.is_hidden():
        assert plan.interval == math.ceil(units / rows) * max(sweep, math.ceil(rows / plan.elements))


def test_counts_of_a_hand_case() -> None:
    """5 inputs, 7 units on 4 x 3 x 2 lanes, 2 element-wise lanes: 3 tiles of (3 x words, 4 h words), groups 2 and 1."""
    plan = EnginePlan(lstm(5, 7), 3, 2, 2)
    assert (plan.multipliers, plan.shape.macs) == (24, 4 * 7 * 12)
    assert (plan.tiles, plan.x_words, plan.h_words, plan.sweep, plan.words) == (3, 3, 4, 7, 21)
    assert (plan.groups, plan.last_groups, plan.spacing) == (2, 1, 7)
    # 2 to the array, 4 product stages, 1 tree level, 1 accumulator; 20 behind it.
    assert (plan.sum_cycles, plan.result_cycles, plan.recurrence_latency) == (8, 28, 29)
    assert [plan.write_cycle(unit) for unit in range(7)] == [34, 34, 35, 41, 41, 42, 48]
    assert plan.release_cycle == 2 * 7 + 2
    # Unit 6 is written in cycle 48 and read as word 3 behind 3 x words.
    assert plan.interval == 48 + 1 - 3 - 3


@pytest.mark.parametrize(
    "rows, columns, elements, sentence",
    [
        (8, 2, 1, "row lanes must be within 1..7, not 8."),
        (0, 2, 1, "row lanes must be within 1..7, not 0."),
        (3, 10, 1, "column lanes must be within 1..9, not 10."),
        (3, 0, 1, "column lanes must be within 1..9, not 0."),
        (3, 2, 4, "element-wise lanes must be within 1..3, not 4."),
        (3, 2, 0, "element-wise lanes must be within 1..3, not 0."),
    ],
)
def test_lanes_out_of_range(rows: int, columns: int, elements: int, sentence: str) -> None:
    with pytest.raises(PlanError, match=f"^Layer 'enc': {re.escape(sentence)}$"):
        EnginePlan(lstm(9, 7, "enc"), rows, columns, elements)


@given(st.integers(1, 16), st.integers(1, 16), st.integers(1, 16), st.integers(1, 16), st.integers(1, 16))
def test_least_elements_keep_the_best_interval(inputs: int, units: int, rows: int, columns: int, limit: int) -> None:
    rows, columns = min(rows, units), min(columns, max(inputs, units))
    plan = least_elements(lstm(inputs, units), rows, columns, limit, Pipeline())
    legal = range(1, min(rows, columns, limit) + 1)
    intervals = {e: EnginePlan(lstm(inputs, units), rows, columns, e).interval for e in legal}
    best = min(intervals.values())
    assert plan.interval == best
    assert plan.elements <= 2 * min(e for e, interval in intervals.items() if interval == best)
