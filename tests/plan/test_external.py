"""Weights in external memory: beats of a step, what binds, and every cycle of a memory of stated latency."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import pytest

from rnngen.errors import PlanError
from rnngen.plan.branch import BranchPlan
from rnngen.plan.engine import EnginePlan
from rnngen.plan.external import MemoryPort, WeightStream
from rnngen.plan.layer import LayerShape
from rnngen.plan.network import BlockPlan, NetworkPlan
from rnngen.plan.schedule import latency, run_schedule
from rnngen.plan.search import Budget, plan_for_budget
from rnngen.plan.shapes import BlockShape, alone


def lstm(inputs: int, units: int, streams: int = 1, name: str = "l") -> LayerShape:
    return LayerShape(name, "lstm", 4, inputs, units, units, streams=streams)


def gru(inputs: int, units: int) -> LayerShape:
    return LayerShape("g", "gru", 3, inputs, units, units)


def head(inputs: int, units: int, streams: int = 1) -> LayerShape:
    return LayerShape("head", "linear", 1, inputs, units, 0, streams=streams)


def single(shape: LayerShape, rows: int, columns: int, elements: int) -> NetworkPlan:
    """One engine between ports as wide as it is, and buffers so deep that no step waits for them."""
    branch = BranchPlan(((EnginePlan(shape, rows, columns, elements, input_slots=8),),))
    return NetworkPlan((BlockPlan((branch,)),), columns, elements, output_slots=16)


@pytest.mark.parametrize(
    ("word_bits", "words", "data_bits", "beats"),
    [
        (512, 10, 512, 10),  # as wide as a beat
        (1024, 10, 512, 20),  # two beats a word
        (520, 10, 512, 20),  # 8 bits more than a beat: two, and the second one is nearly empty
        (40, 10, 128, 4),  # three words a beat, and one in the last
        (64, 10, 128, 5),
        (96, 10, 128, 10),  # a second word does not fit
    ],
)
def test_beats_of_a_step(word_bits: int, words: int, data_bits: int, beats: int) -> None:
    assert WeightStream(words, word_bits, data_bits).beats == beats


def test_interval_of_a_hand_case() -> None:
    """LSTM(4, 6) on 4 x 3 x 2 lanes: 2 tiles of 2 + 3 words of 24 weights, that is 192 bits of 8 each.

    10 words a step.  Their recurrence: a tile's results are written 2 + (4 + 1 + 1) + 20 = 28 cycles behind its last
    word, a group of 2 units a cycle; units 4 and 5 one later, in cycle 4 + 5 + 28 + 1 = 38, and the next step reads
    them as word 4: interval 38 + 1 - 4 = 35.
    """
    plan = single(lstm(4, 6), 3, 2, 2)
    assert plan.interval == 35
    for data_bits, beats, binding in ((64, 30, 35), (32, 60, 60), (256, 10, 35), (128, 20, 35)):
        external = plan.with_memory(MemoryPort(data_bits, 20, 4), [8])
        assert external.memory_cycles == beats
        assert external.unheld_interval == 35
        assert external.interval == binding
    narrow = plan.with_memory(MemoryPort(32, 20, 4), [4])  # 96 bits a word
    assert narrow.interval == 35
    assert narrow.memory_cycles == 30


def test_engines_lie_one_behind_the_other_each_at_a_burst() -> None:
    plan = plan_for_budget([alone(lstm(4, 6)), alone(head(6, 3))], Budget(60))
    plan = plan.with_memory(MemoryPort(64, 20, 8), [8, 8])
    first, second = plan.weights
    assert first.offset == 0
    assert second.offset % (8 * 8) == 0
    assert first.bytes <= second.offset < first.bytes + 8 * 8
    for stream in plan.weights:
        assert stream.depth & (stream.depth - 1) == 0
        assert stream.capacity >= 20 + 2 * 8  # double buffering: what is on its way, and two bursts


def replayed(plan: NetworkPlan, port: MemoryPort, steps: int) -> list[int]:
    """First issues of the steps of one engine whose input is always there, word by word.

    A burst is asked for when the buffer has room for it, one a cycle; a cycle later the memory accepts the address, and
    its first beat comes ``latency`` cycles behind that or straight behind the beats before it.  A word is there two
    cycles behind its last beat; two cycles behind the issue of an entry's last word its room counts.  A step's first
    word follows the last one of the step before, later by what the interval is longer than its issues.
    """
    (stream,), engine = plan.weights, plan.engines[0]
    step_words = engine.tiles * engine.sweep
    assert engine.interval - engine.issue_cycles == plan.blocks[0].interval - step_words
    assert engine.spacing == engine.sweep
    rest = plan.blocks[0].interval - step_words
    entries = [  # beats, and the words (of all steps) that leave with it
        (stream.beats_per_word, range(first + step * step_words, min(first + stream.words_per_beat, step_words) +
                                      step * step_words))
        for step in range(steps + 40)
        for first in range(0, step_words, stream.words_per_beat)
    ]  # fmt: skip
    bursts = [
        min(port.burst, stream.beats - first) for _ in range(steps + 40) for first in range(0, stream.beats, port.burst)
    ]
    long_ago = -(10**6)
    start = plan.input_beats + 1  # the first step is complete, seen, started, issued
    issues: list[int] = []  # of words
    room_at = [long_ago] * stream.capacity  # by beat of room, in order, the cycle from which on it is there
    arrivals: list[int] = []  # of beats
    asked, used, next_beat, first_issues = long_ago - 1, 0, long_ago, []
    entry = 0
    for burst in bursts:
        asked = max(asked + 1, max(room_at[used : used + burst]))
        if asked > long_ago + 10**5:
            asked = max(asked, 0)
        used += burst
        first = max(asked + 1 + port.latency, next_beat)
        next_beat = first + burst
        arrivals += range(first, next_beat)
        # Every entry that is complete is issued as soon as it can be.
        while entry < len(entries) and sum(beats for beats, _ in entries[: entry + 1]) <= len(arrivals):
            beats, words = entries[entry]
            there = arrivals[(entry + 1) * beats - 1] + 2
            for word in words:
                earliest = issues[-1] + 1 if issues else start
                if word % step_words == 0 and issues:
                    earliest += rest
                issues.append(max(earliest, there))
                if word % step_words == 0:
                    first_issues.append(issues[-1])
            room_at += [issues[-1] + 2] * beats
            entry += 1
        if len(first_issues) >= steps:
            break
    return first_issues[:steps]


CASES = {
    "two beats a word": (head(12, 8), 4, 4, 4, (64, 30, 4)),
    "four words a beat": (head(12, 8), 2, 2, 2, (128, 9, 2)),
    "a beat a word": (lstm(16, 12), 2, 2, 2, (128, 17, 8)),
    "bursts longer than a step": (head(6, 4), 2, 2, 2, (32, 25, 64)),
    "recurrence and memory nearly alike": (lstm(4, 6), 3, 2, 2, (64, 50, 2)),
    "many beats a word": (gru(5, 6), 3, 2, 2, (32, 3, 1)),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_every_issue_of_one_engine(case: tuple[LayerShape, int, int, int, tuple[int, int, int]]) -> None:
    shape, rows, columns, elements, numbers = case
    port = MemoryPort(*numbers)
    plan = single(shape, rows, columns, elements).with_memory(port, [8])
    steps = 30
    times = run_schedule(plan, [steps])
    wanted = replayed(plan, port, steps)
    if min(b - a for a, b in pairwise(wanted)) >= max(plan.input_beats, plan.output_beats):
        assert list(times.issues[0]) == wanted
    else:
        raise AssertionError("the case is bound by a stream port and tells nothing")
    assert plan.memory_cycles > plan.unheld_interval or wanted[-1] - wanted[-2] == plan.interval


LONG = [
    ((alone(lstm(6, 20)), alone(head(20, 4))), 40, (128, 20, 4)),
    ((alone(lstm(6, 20)), alone(head(20, 4))), 40, (512, 20, 4)),
    ((alone(lstm(5, 9)), alone(lstm(9, 7)), alone(head(7, 3))), 60, (64, 30, 2)),
    ((alone(gru(8, 12)),), 24, (64, 40, 16)),
    ((alone(lstm(5, 9, 2)), alone(head(9, 3, 2))), 60, (32, 12, 1)),
]


@pytest.mark.parametrize("case", LONG, ids=str)
def test_the_interval_is_what_binds_exactly(case: tuple[tuple[BlockShape, ...], int, tuple[int, int, int]]) -> None:
    """In the long run: what is read ahead before the first step helps the first steps only."""
    shapes, budget, numbers = case
    plan = plan_for_budget(shapes, Budget(budget))
    on_chip = plan.interval
    plan = plan.with_memory(MemoryPort(*numbers), [8] * len(plan.engines))
    assert plan.unheld_interval == on_chip
    assert plan.interval == max(on_chip, plan.memory_cycles)
    rounds, streams = 120, plan.streams
    ends = [beats[-1] for beats in run_schedule(plan, [rounds] * streams).outputs]
    # Sums over so many steps that whatever repeats does so often.
    spans = [ends[(k + 40) * streams] - ends[k * streams] for k in range(60, 79)]
    assert set(spans) == {40 * plan.interval}


def test_a_fast_memory_changes_no_cycle() -> None:
    plan = plan_for_budget((alone(lstm(6, 20)), alone(head(20, 4))), Budget(40))
    fast = plan.with_memory(MemoryPort(512, 5, 8), [8, 8])
    assert fast.memory_cycles < plan.interval
    times = run_schedule(fast, [9, 2, 5])
    assert replace(times, places=()) == run_schedule(plan, [9, 2, 5])
    assert [list(step) for step in times.places[0]] == [
        list(range(first, first + plan.engines[0].issue_cycles)) for first in times.issues[0]
    ]
    assert latency(fast) == latency(plan)


REFUSED = {
    (100, 40, 16): "--memory-bits must be one of 32, 64, 128, 256, 512, 1024, not 100.",
    (64, 0, 16): "--memory-latency must be within 1..4096 cycles, not 0.",
    (64, 40, 12): "--memory-burst must be a power of two within 1..256 beats of 64 bits, so that no burst crosses 4096 "
    "bytes, not 12.",
    (512, 40, 128): "--memory-burst must be a power of two within 1..64 beats of 512 bits, so that no burst crosses "
    "4096 bytes, not 128.",
}


@pytest.mark.parametrize(("numbers", "sentence"), REFUSED.items(), ids=str)
def test_ports_that_cannot_be(numbers: tuple[int, int, int], sentence: str) -> None:
    with pytest.raises(PlanError, match=f"^{re.escape(sentence)}$"):
        MemoryPort(*numbers)


def test_steps_that_arrive_late_are_computed_from_full_buffers() -> None:
    plan = plan_for_budget((alone(lstm(6, 20)), alone(head(20, 4))), Budget(40))
    slow = plan.with_memory(MemoryPort(512, 20, 4), [8, 8])
    gaps = [500 * step for step in range(6)]
    assert replace(run_schedule(slow, [6], gaps), places=()) == run_schedule(plan, [6], gaps)


def test_engines_that_work_in_step_are_refused() -> None:
    gates = LayerShape("p", "lstm", 4, 5, 8, 4, alone=False)
    projection = LayerShape("p.projection", "linear", 1, 8, 4, 0, alone=False)
    staged = plan_for_budget([BlockShape((((gates,), (projection,)),))], Budget(40))
    with pytest.raises(PlanError, match=r"^Layer 'p' has two stages that run in step"):
        staged.with_memory(MemoryPort(), [8, 8])
    spaced = plan_for_budget([alone(replace(lstm(3, 4), spaced=True))], Budget(16))
    with pytest.raises(PlanError, match=r"^Layer 'l' is spaced, and an h pass that begins again"):
        spaced.with_memory(MemoryPort(), [8])
    stored = plan_for_budget([BlockShape((((gru(3, 4),),), ((gru(3, 4),),)), stored=True)], Budget(40))
    with pytest.raises(PlanError, match=r"^Layer 'g' works on stored sequences"):
        stored.with_memory(MemoryPort(), [8, 8])
