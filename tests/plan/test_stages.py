"""Blocks of two stages, stored blocks, selections and argmax, played out word by word from the definitions."""

from __future__ import annotations

import math
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnngen.errors import PlanError
from rnngen.passes.quantise import quantise
from rnngen.plan.branch import BranchPlan
from rnngen.plan.engine import EnginePlan
from rnngen.plan.layer import LayerShape
from rnngen.plan.network import NetworkPlan
from rnngen.plan.options import candidates
from rnngen.plan.schedule import run_schedule
from rnngen.plan.search import Budget, plan_for_budget, plan_for_lanes
from rnngen.plan.shapes import BlockShape, alone, block_shapes
from rnngen.plan.timing import DEFAULT_PIPELINE
from tests.plan.played import TAIL, array_latency, check_array, play
from tests.random_networks import Description, descriptions, make_network

SIZE = st.integers(1, 16)


def shape(name: str, kind: str, inputs: int, units: int, hidden: int, x: int = 0, h: int = 0) -> LayerShape:
    gates = {"lstm": 4, "gru": 3}.get(kind, 1)
    return LayerShape(name, kind, gates, inputs, units, hidden, alone=False, x_offset=x, h_offset=h)


def projected(inputs: int, hidden: int, projection: int) -> BlockShape:
    return BlockShape((((shape("l", "lstm", inputs, hidden, projection),),
                        (shape("p", "linear", hidden, projection, 0),)),))  # fmt: skip


def factorised(inputs: int, hidden: int, rank: int) -> BlockShape:
    return BlockShape((((shape("in", "linear", inputs, rank, hidden),), (shape("l", "lstm", rank, hidden, 0),)),))


def grouped(inputs: int, hidden: int, projection: int, count: int) -> BlockShape:
    """Sizes are a group's."""
    groups = tuple(
        shape(f"g{n}", "lstm", inputs, hidden, projection, n * inputs, n * projection) for n in range(count)
    )
    return BlockShape(((groups, (shape("p", "linear", count * hidden, count * projection, 0),)),))


def recurrent(kind: str, inputs: int, hidden: int, stored: bool = False, directions: int = 1) -> BlockShape:
    gates = {"lstm": 4, "gru": 3}.get(kind, 1)
    layers = [LayerShape(f"{kind}{n}", kind, gates, inputs, hidden, hidden) for n in range(directions)]
    return BlockShape(tuple(((layer,),) for layer in layers), stored=stored or directions > 1)


def least(*blocks: BlockShape) -> int:
    """One multiplier a gate; what mixes k groups takes a word of each in one cycle, so k."""
    branches = [branch for block in blocks for branch in block.branches]
    mixed = sum(len(branch[0]) - 1 for branch in branches if len(branch) > 1)
    return sum(layer.gates for block in blocks for layer in block.layers) + mixed


COMPOSITE = st.one_of(
    st.builds(projected, SIZE, SIZE, SIZE),
    st.builds(factorised, SIZE, SIZE, SIZE),
    st.builds(grouped, st.integers(1, 6), st.integers(1, 6), st.integers(1, 6), st.integers(1, 3)),
)


def handed_over(branch: BranchPlan) -> list[int]:
    """Cycle in which each x word-place of the second stage is written; groups lie side by side, group by group."""
    first, count = branch.first, len(branch.stages[0])
    cycles = play(first).written
    if count == 1:
        return [cycles[unit] for unit in range(first.shape.units)]
    places = []
    for tile in range(math.ceil(first.shape.units / first.rows)):
        units = range(tile * first.rows, min((tile + 1) * first.rows, first.shape.units))
        for start in range(0, len(units), first.elements):
            places += [cycles[units[start]]] * (count * first.elements)
    return places


@given(COMPOSITE, st.integers(10, 400))
@settings(max_examples=100)
def test_two_stages_played_out(block: BlockShape, budget: int) -> None:
    """Steps of a whole interval's distance: all that a cycle reads has been written, and is not yet written over."""
    plan = plan_for_budget((block,), Budget(least(block) + budget))
    (branch,) = plan.blocks[0].branches
    firsts, second = branch.stages[0], branch.last
    at, interval = branch.offset, branch.interval
    handed = handed_over(branch)
    assert len(handed) == second.shape.inputs
    step = play(second)
    # The second stage reads each word of its x in every tile; a word is written before the first of them.
    for place, written in enumerate(handed):
        assert written < at + step.reads[place // second.columns][0]
    # Its buffer: what a step writes comes behind the last read of the step that had the slot.
    last_read = at + max(reads[-1] for reads in step.reads.values())
    assert min(handed) + second.input_slots * interval > last_read
    # h: written by the second stage, read by the first one in the next step.
    back = {unit: at + cycle for unit, cycle in step.written.items()}
    for engine in firsts:
        check_array(engine)
        x_words, own = math.ceil(engine.shape.inputs / engine.columns), play(engine)
        for unit in range(engine.shape.hidden):
            read = interval + own.reads[x_words + unit // engine.columns][0]
            assert back[engine.shape.h_offset + unit] < read
        # h is held twice: a step's writes fall behind the last read of the step before the last one.
        assert interval >= own.end
        assert interval + min(back.values()) > max(own.reads[word][-1] for word in own.reads if word >= x_words)
        assert (engine.rows, engine.columns, engine.elements) == (firsts[0].rows, firsts[0].columns, firsts[0].elements)
    check_array(second)
    assert interval >= step.end
    # Written in one cycle, so not beyond what the reader takes as one word.
    assert len(firsts) * firsts[0].elements <= second.columns
    assert second.elements <= firsts[0].columns


@given(COMPOSITE, st.integers(0, 600))
@settings(max_examples=60)
def test_composite_blocks_keep_their_budget(block: BlockShape, budget: int) -> None:
    """And no other way to build them that the search knows is faster."""
    plan = plan_for_budget((block,), Budget(least(block) + budget))
    assert plan.multipliers <= least(block) + budget
    options = candidates(block, least(block) + budget, DEFAULT_PIPELINE)
    found = [option.interval for option in options if option.array_dsps <= least(block) + budget]
    assert plan.blocks[0].interval == min(found)
    assert plan.bound <= plan.interval
    # One stage behind the other, each a tile at a time with its share, is the worst that is acceptable.
    stages = plan.blocks[0].branches[0].stages
    work = sum(play(stage[0]).end for stage in stages)
    firsts = [stage[0] for stage in stages]
    latencies = sum(3 + array_latency(one.columns, one.pipeline) + TAIL[one.shape.kind] for one in firsts)
    groups = sum(stage[0].rows for stage in stages)
    assert plan.interval <= work + latencies + groups


@given(COMPOSITE, st.integers(0, 300))
@settings(max_examples=40)
def test_more_multipliers_are_never_slower(block: BlockShape, budget: int) -> None:
    few, many = (plan_for_budget((block,), Budget(least(block) + budget + more)) for more in (0, 40))
    assert many.interval <= few.interval


@given(st.sampled_from(["lstm", "gru", "table"]), SIZE, SIZE, st.integers(1, 2), SIZE, st.integers(0, 300))
@settings(max_examples=60)
def test_stored_blocks_write_multiples(
    kind: str, inputs: int, hidden: int, directions: int, following: int, budget: int
) -> None:
    """Words leave a stored block in whole writes of its engines, as many as the next block can take."""
    block = recurrent(kind, inputs, hidden, stored=True, directions=directions)
    behind = recurrent("gru", directions * hidden, following)
    plan = plan_for_budget((block, behind), Budget(least(block, behind) + budget), capacity=9)
    first, second = plan.blocks
    assert plan.multipliers <= least(block, behind) + budget
    assert first.lanes % first.branches[0].last.elements == 0
    assert first.branches[0].last.elements <= first.lanes <= second.first.columns
    assert first.out_beats == directions * math.ceil(hidden / first.lanes)
    assert plan.interval >= max(first.out_beats, *(branch.interval for branch in first.branches))
    assert first.capacity == 9


def block_writes(plan: NetworkPlan, number: int, issue: int) -> dict[int, int]:
    """Cycle in which each word of a step of a block that works step by step is written on."""
    block = plan.blocks[number]
    branch = block.branches[0]
    words = play(branch.last).written
    if block.post_units:
        return {0: issue + branch.offset + max(words.values()) + block.post_cycles}
    return {unit: issue + branch.offset + cycle + block.post_cycles for unit, cycle in words.items()}


def reads_end(plan: NetworkPlan, number: int) -> int:
    """Last read of a step's input, from its first issue."""
    ends = []
    for branch in plan.blocks[number].branches:
        engine = branch.first
        x_words = math.ceil(engine.shape.inputs / engine.columns)
        reads = play(engine).reads
        ends.append(max(reads[word][-1] for word in reads if engine.shape.symbols or word < x_words))
    return max(ends)


@given(st.integers(0, 99), st.integers(1, 12), descriptions(12), st.lists(st.integers(1, 5), min_size=1, max_size=6),
       st.integers(0, 200))  # fmt: skip
@settings(max_examples=80)
def test_nothing_is_read_too_early_nor_written_over(
    seed: int, inputs: int, description: Description, lengths: list[int], budget: int
) -> None:
    """Chains of everything, sequences of several lengths: every buffer between two blocks, cycle by cycle."""
    shapes = block_shapes(quantise(make_network(seed, inputs, description), 8, 16))
    plan = plan_for_budget(shapes, Budget(least(*shapes) + budget), capacity=5)
    assert plan.multipliers <= least(*shapes) + budget
    times = run_schedule(plan, lengths)
    assert len(times.inputs) == sum(lengths)
    ends = [sum(lengths[: n + 1]) - 1 for n in range(len(lengths))]  # of sequences, in steps
    # Steps come to block 0 from the port; of each, the last beat's cycle.
    written = [beats[-1] for beats in times.inputs]
    first_writes = [beats[0] for beats in times.inputs]
    for number, (block, issues) in enumerate(zip(plan.blocks, times.issues, strict=True)):
        assert len(issues) == len(written)
        if block.stored:
            check_stored(plan, number, issues, written, first_writes, ends)
            if not all(later > earlier for earlier, later in zip(issues, issues[1:])):
                raise AssertionError(issues)
            return  # what leaves a stored block is counted by the circuit's tests
        for step, issue in enumerate(issues):
            assert issue >= written[step] + 2  # written in n: start seen in n + 1, first issue a cycle later
            if step:
                assert issue - issues[step - 1] >= block.branches[0].interval
            if step >= block.input_slots:
                assert first_writes[step] > issues[step - block.input_slots] + reads_end(plan, number)
        passes = [n for n in range(len(issues)) if block.select == "every" or n in ends]
        words = [block_writes(plan, number, issues[n]) for n in passes]
        written, first_writes = ([pick(step.values()) for step in words] for pick in (max, min))
        ends = list(range(len(passes))) if block.select != "every" else ends
    size = plan.blocks[-1].units
    assert len(times.outputs) == len(written)
    earlier = -1
    for beats, step in zip(times.outputs, words, strict=True):
        assert len(beats) == math.ceil(size / plan.output_words)
        for number, cycle in enumerate(beats):
            unit = min((number + 1) * plan.output_words, size) - 1
            assert cycle >= step[unit] + 2
            assert cycle > earlier
            earlier = cycle
    for step in range(plan.output_slots, len(written)):
        assert first_writes[step] > times.outputs[step - plan.output_slots][-1]


def check_stored(
    plan: NetworkPlan, number: int, issues: tuple[int, ...], written: list[int], first_writes: list[int],
    ends: list[int],
) -> None:  # fmt: skip
    """A sequence is worked on when it is there as a whole; two are held."""
    block, starts = plan.blocks[number], [0, *(end + 1 for end in ends[:-1])]
    interval = max(branch.interval for branch in block.branches)
    for n, (start, end) in enumerate(zip(starts, ends, strict=True)):
        assert issues[start] >= written[end] + 2
        steps = issues[start : end + 1]
        assert all(later - earlier == interval for earlier, later in zip(steps, steps[1:]))
        if n:
            assert issues[start] >= issues[start - 1] + interval
        if n >= 2:
            assert first_writes[start] > issues[ends[n - 2]] + reads_end(plan, number)


@pytest.mark.parametrize(
    "block, gates",
    [
        (recurrent("gru", 6, 12), 3),
        (recurrent("table", 6, 12), 1),
        (recurrent("linear", 6, 12), 1),
        (recurrent("gru", 6, 12, directions=2), 3),
        (recurrent("lstm", 6, 12, stored=True), 4),
        (projected(6, 12, 8), 4),
        (factorised(6, 12, 8), 4),
        (grouped(6, 6, 6, 2), 4),
    ],
)
def test_given_lanes_of_every_kind(block: BlockShape, gates: int) -> None:
    plan = plan_for_lanes((block, alone(LayerShape("head", "linear", 1, sum_units(block), 3, 0))), gates, 3, 2)
    gated = [engine for engine in plan.blocks[0].engines if engine.shape.gates == gates]
    if gates > 1:
        gated = [engine for engine in gated if engine.shape.kind in ("lstm", "gru")]
    assert gated
    assert {(engine.rows, engine.columns) for engine in gated} == {(3, 2)}
    assert plan.interval == plan.blocks[0].interval  # the head keeps up
    two_stages = len(block.branches[0]) > 1
    at_once = {1: "1", 3: "3 or 1", 4: "4" if two_stages else "4 or 2 or 1"}[gates]
    sentence = f"computes {at_once} of its {gates} gates at once, so the gate lanes cannot be 5."
    with pytest.raises(PlanError, match=rf"^Layer '\w+' {re.escape(sentence)}$"):
        plan_for_lanes((block,), 5, 3, 2)
    with pytest.raises(PlanError, match=r"^Layer '\w+': row lanes must be within 1\.\.\d+, not 13\.$"):
        plan_for_lanes((block,), gates, 13, 2)


def sum_units(block: BlockShape) -> int:
    return sum(branch[-1][-1].units for branch in block.branches)


def test_lanes_that_no_second_stage_fits() -> None:
    """Three columns do not divide a slice of 8 words of h."""
    sentence = (
        "Layer 'g0': no plan has 2 row and 3 column lanes in its gates; choose others, or give a number of multipliers."
    )
    with pytest.raises(PlanError, match=f"^{re.escape(sentence)}$"):
        plan_for_lanes((grouped(8, 8, 8, 2),), 4, 2, 3)


@pytest.mark.parametrize("count, size", [(1, 1024), (2, 512)])
def test_columns_divide_slices(count: int, size: int) -> None:
    layer = shape("g1", "lstm", 6, 6, 6, x=6, h=6)
    sentence = "Layer 'g1': column lanes must divide the slice of x that begins at 6, not be 4."
    with pytest.raises(PlanError, match=f"^{re.escape(sentence)}$"):
        EnginePlan(layer, 1, 4, 1)


@pytest.mark.parametrize("budget", [128, 1024, 4096])
@pytest.mark.parametrize(
    "block", [projected(512, 1024, 256), factorised(1024, 1024, 128), grouped(256, 256, 256, 4)]
)
def test_the_search_takes_about_a_second(block: BlockShape, budget: int) -> None:
    started = time.process_time()
    plan = plan_for_budget((block,), Budget(budget))
    assert time.process_time() - started < 2.0
    assert plan.multipliers <= budget
    assert plan.interval < 2 * plan.bound
