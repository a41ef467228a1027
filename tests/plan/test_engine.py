"""The plan of one engine against the schedule played out unit by unit."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnngen.errors import PlanError
from rnngen.plan.elements import least_elements
from rnngen.plan.engine import EnginePlan
from rnngen.plan.layer import LayerShape
from rnngen.plan.limits import are_legal
from rnngen.plan.timing import Pipeline
from tests.plan.played import array_latency, check_array, play

SMALL = st.integers(1, 24)


def lstm(inputs: int, units: int, name: str = "l") -> LayerShape:
    return LayerShape(name, "lstm", 4, inputs, units, units)


def played_out(plan: EnginePlan) -> int:
    """Smallest step interval such that every h element is written before the word that holds it is read.

    The old cell state of a unit is read (address) 6 cycles after its sums and written 11 after.
    """
    step, x_words = play(plan), math.ceil(plan.shape.inputs / plan.columns)
    interval = max(step.end, 11 - 6 + 1)
    for unit, written in step.written.items():
        interval = max(interval, written + 1 - step.reads[x_words + unit // plan.columns][0])
    return interval


@given(SMALL, SMALL, st.integers(1, 24), st.integers(1, 24), st.integers(1, 24), st.integers(1, 4), st.integers(1, 3))
def test_interval_is_the_played_out_one(
    inputs: int, units: int, rows: int, columns: int, elements: int, stages: int, every: int
) -> None:
    rows, columns = min(rows, units), min(columns, max(inputs, units))
    elements = min(elements, rows, columns)
    plan = EnginePlan(lstm(inputs, units), rows, columns, elements, Pipeline(stages, every))
    assert plan.interval == played_out(plan)


@given(st.sampled_from(["lstm", "gru"]), SMALL, SMALL, SMALL, SMALL, SMALL, st.integers(1, 4))
@settings(max_examples=300)
def test_gates_in_turn_are_the_played_out_ones(
    kind: str, inputs: int, units: int, rows: int, columns: int, elements: int, turns: int
) -> None:
    """Whatever is legal has the interval that is planned, and groups that are never in each other's way."""
    rows, columns = min(rows, units), min(columns, max(inputs, units))
    elements, gates = min(elements, rows, columns), {"lstm": 4, "gru": 3}[kind]
    shape = LayerShape("l", kind, gates, inputs, units, units)
    if gates % turns:
        sentence = "4 or 2 or 1 of its 4" if kind == "lstm" else "3 or 1 of its 3"
        with pytest.raises(PlanError, match=f"^Layer 'l': {sentence} gates can be multiplied at once, not those of "):
            EnginePlan(shape, rows, columns, elements, turns=turns)
        return
    if kind == "gru" and turns > 1 and math.ceil(rows / elements) > math.ceil(units / columns):
        with pytest.raises(PlanError, match="^Layer 'l': with its gates in turn, element-wise lanes must be at least "):
            EnginePlan(shape, rows, columns, elements, turns=turns)
        return
    plan = EnginePlan(shape, rows, columns, elements, turns=turns)
    assert plan.multipliers == gates // turns * rows * columns
    check_array(plan)
    step = play(plan)
    assert plan.issue_cycles == step.end
    assert {unit: plan.write_cycle(unit) for unit in range(units)} == step.written
    for word, reads in step.reads.items():
        assert (plan.first_read(word), plan.last_read(word)) == (reads[0], reads[-1])
    if kind == "lstm":
        assert plan.interval == played_out(plan)


def test_gates_in_turn_of_a_hand_case() -> None:
    """A single multiplier: 80 sweeps of 26 words; the h of the last unit is the last word that is read."""
    plan = EnginePlan(lstm(6, 20), 1, 1, 1, turns=4)
    assert (plan.multipliers, plan.tiles, plan.sweeps, plan.words, plan.issue_cycles) == (1, 20, 80, 2080, 2080)
    # Issue of the last word, 2 to the array, 4 product stages, no adder level, 1 accumulator, 20 behind it.
    assert plan.write_cycle(19) == 2079 + 2 + 4 + 0 + 1 + 20
    assert plan.interval == 2106 + 1 - 25
    # Units 0 and 1 of a tile of 3 leave first; its four sweeps take 28 cycles, and its sums wait in a memory.
    plan = EnginePlan(lstm(5, 9), 3, 2, 2, turns=4)
    assert (plan.sweep, plan.groups, plan.gather_cycles, plan.sum_cycles) == (8, 2, 1, 2 + 4 + 1 + 1 + 1)
    assert [plan.write_cycle(unit) for unit in range(4)] == [31 + 29, 31 + 29, 31 + 30, 63 + 29]


@given(
    SMALL, SMALL, st.integers(1, 5), st.integers(1, 5), st.integers(1, 12), st.integers(0, 12), st.integers(1, 12),
    st.sampled_from([1, 1, 2, 4]),
)  # fmt: skip
@settings(max_examples=300)
def test_passes_are_the_played_out_ones(
    inputs: int, units: int, rows: int, columns: int, first: int, second: int, block: int, turns: int
) -> None:
    """Any cut of the sweep that is taken keeps the array in order and has the interval and reads that are planned."""
    rows, columns = min(rows, units), min(columns, max(inputs, units))
    plan = EnginePlan(lstm(inputs, units), rows, columns, min(rows, columns), turns=turns)
    rest = plan.sweep - first - second
    passes = (first, *(second,) * (second > 0), *(block,) * max(0, rest // block))
    if sum(passes) != plan.sweep or not are_legal(plan, passes):
        return
    plan = replace(plan, passes=passes)
    check_array(plan)
    assert plan.interval == played_out(plan)
    step = play(plan)
    for word, reads in step.reads.items():
        assert (plan.first_read(word), plan.last_read(word)) == (reads[0], reads[-1])
    assert plan.release_cycle == step.reads[plan.x_words - 1][-1]
    assert {unit: plan.write_cycle(unit) for unit in range(units)} == step.written
    assert plan.issue_cycles == step.end


def test_passes_of_a_hand_case() -> None:
    """3 tiles; x words 0..1 of all tiles, then h words 2..5: the h-part begins in cycle 6, a tile's lasts 4 cycles."""
    plan = EnginePlan(lstm(4, 8), 3, 2, 2, passes=(2, 4))
    assert (plan.tiles, plan.x_words, plan.h_words, plan.issue_cycles) == (3, 2, 4, 6 + 12)
    assert [plan.first_read(word) for word in range(6)] == [0, 1, 6, 7, 8, 9]
    assert [plan.last_read(word) for word in range(6)] == [4, 5, 14, 15, 16, 17]
    # 2 to the array, 4 product stages, 1 tree level, 1 accumulator, 1 partial sum; 20 behind it.
    assert (plan.sum_cycles, plan.result_cycles) == (9, 29)
    assert [plan.write_cycle(unit) for unit in range(8)] == [38, 38, 39, 42, 42, 43, 46, 46]
    assert plan.release_cycle == 5
    # Unit 7, in the last word of h, is written in cycle 46 and read 9 cycles behind a step's first issue.
    assert plan.interval == 46 + 1 - 9
    # In one pass it would be read in cycle 5: an interval of 17 - 4 + ... = 45 + 1 - 5.
    assert replace(plan, passes=()).interval == 45 + 1 - 5


def test_side_by_side_of_hand_cases() -> None:
    """All 26 products of a row at once; 5 words of x by twos beside 8 of h by threes, 4 rows a tile."""
    plan = EnginePlan(lstm(6, 20), 20, 26, 20, x_lanes=6)
    assert (plan.multipliers, plan.x_words, plan.h_words, plan.sweep, plan.issue_cycles) == (2080, 1, 1, 1, 1)
    # From the array's input to it: 4 product stages, 5 adder levels of 26 products and a bias without a register behind
    # the last, and 20 to h, which is multiplied where it is kept.
    assert plan.forwards
    assert plan.interval == plan.recurrence_latency == 4 + 4 + 20
    assert plan.result_cycles == 2 + 4 + 4 + 20
    # Fewest registers: in the tree, two table reads, two sums behind tables, and h.
    assert replace(plan, pipeline=Pipeline(0, 3, 0, 2, 0, 0)).interval == 6
    # A product, 2 + 2 levels; (table, operands, sum), (product; the sum meets the next table), the same again, h.
    assert replace(plan, pipeline=Pipeline(1, 2, 0, 3, 1, 0)).interval == 3 + 4 + 4 + 1
    assert not replace(plan, elements=10).forwards
    plan = EnginePlan(lstm(5, 8), 4, 5, 3, x_lanes=2)
    assert (plan.x_words, plan.h_words, plan.sweep, plan.words, plan.multipliers) == (3, 3, 3, 6, 80)
    # Unit 7 is row 3 of tile 1, in its second group: 3 + 2 + (2 + 4 + 3 + 1 + 20) + 1; it is in the third word of h.
    assert plan.write_cycle(7) == 36
    assert plan.interval == 36 + 1 - 2
    assert plan.release_cycle == 3 + 2


@pytest.mark.parametrize(
    "shape, columns, x_lanes, passes",
    [
        (LayerShape("l", "gru", 3, 4, 8, 8), 6, 2, ()),
        (LayerShape("l", "linear", 1, 4, 8, 0), 4, 2, ()),
        (LayerShape("l", "lstm", 4, 4, 8, 8, alone=False), 6, 2, ()),
        (LayerShape("l", "lstm", 4, 0, 8, 8, symbols=3), 6, 2, ()),
        (lstm(4, 8), 6, 5, ()),
        (lstm(4, 8), 12, 3, ()),
        (lstm(4, 8), 4, 4, ()),
        (lstm(4, 8), 6, 2, (1, 1)),
    ],
)
def test_what_cannot_be_side_by_side(shape: LayerShape, columns: int, x_lanes: int, passes: tuple[int, ...]) -> None:
    with pytest.raises(PlanError, match="^Layer 'l': (x and h cannot be multiplied side by side|passes|column lanes)"):
        EnginePlan(shape, 2, columns, 2, x_lanes=x_lanes, passes=passes)


@pytest.mark.parametrize(
    "shape, passes",
    [
        (lstm(4, 8), (2, 3)),  # words are missing
        (lstm(4, 8), (6,)),  # one pass is none
        (lstm(4, 8), (1, 5)),  # two groups of units in one cycle
        (lstm(4, 8), (2, 2, 1, 1)),
        (lstm(4, 16), (2, 2, 2, 4)),  # the fourth is not as the third
        (lstm(4, 3), (2, 2)),  # one tile
        (LayerShape("l", "gru", 3, 4, 8, 8), (4, 2)),  # x and h of a GRU in one pass
        (LayerShape("l", "lstm", 4, 0, 8, 8, symbols=5), (2, 2)),
    ],
)
def test_passes_that_are_refused(shape: LayerShape, passes: tuple[int, ...]) -> None:
    plan = EnginePlan(shape, 3, 2, 2)
    sentence = (
        f"Layer 'l': passes of {passes} words must make up a sweep of {plan.sweep} words, each with time for 2 groups "
        f"of units."
    )
    with pytest.raises(PlanError, match=f"^{re.escape(sentence)}$"):
        replace(plan, passes=passes)


def test_what_is_kept_is_written_before_it_is_read() -> None:
    """2 tiles of 1 word: the sums come back 2 cycles later, and 4 are needed."""
    plan = EnginePlan(lstm(1, 2), 1, 1, 1)
    with pytest.raises(PlanError, match="^Layer 'l': passes of "):
        replace(plan, passes=(1, 1, 1))
    plan = EnginePlan(lstm(1, 4), 1, 1, 1)
    check_array(replace(plan, passes=(1, 1, 1, 1, 1)))


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


@pytest.mark.parametrize("passes", [(), (2, 4)])
@pytest.mark.parametrize("kind", ["lstm", "gru", "table", "linear"])
def test_stages_add_up_to_the_latency(kind: str, passes: tuple[int, ...]) -> None:
    gates = {"lstm": 4, "gru": 3}.get(kind, 1)
    for pipeline in (Pipeline(), Pipeline(2, 2, 1, 2, 1, 1), Pipeline(0, 3, 0, 2, 0, 0)):
        plan = EnginePlan(LayerShape("l", kind, gates, 4, 8, 8), 3, 2, 2, pipeline, passes=passes)
        assert sum(cycles for _, cycles in plan.latency_stages()) == plan.recurrence_latency
        if kind != "gru":
            plan = EnginePlan(LayerShape("l", kind, gates, 4, 8, 8), 8, 12, 8, pipeline, x_lanes=4)
            assert plan.forwards
            assert sum(cycles for _, cycles in plan.latency_stages()) == plan.recurrence_latency


def test_stages_of_a_hand_case() -> None:
    """As the leaves are built: 16 columns have 4 adder levels."""
    plan = EnginePlan(lstm(16, 16), 2, 16, 2)
    assert plan.latency_stages() == [
        ("memory read", 1),
        ("choice of x or h, broadcast", 1),
        ("product", 4),
        ("adder tree", 4),
        ("accumulator", 1),
        ("bias, rounding and saturation", 2),
        ("gates", 5),
        ("f*c + i*g: products", 2),
        ("f*c + i*g: sum, rounding and saturation", 2),
        ("tanh(c)", 5),
        ("o*tanh(c): products", 2),
        ("o*tanh(c): sum, rounding and saturation", 2),
        ("write-back", 1),
    ]


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
    plan = least_elements(EnginePlan(lstm(inputs, units), rows, columns, 1), limit)
    legal = range(1, min(rows, columns, limit) + 1)
    intervals = {e: EnginePlan(lstm(inputs, units), rows, columns, e).interval for e in legal}
    best = min(intervals.values())
    assert plan.interval == best
    assert plan.elements <= 2 * min(e for e, interval in intervals.items() if interval == best)
