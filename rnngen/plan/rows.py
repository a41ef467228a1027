"""The cycle model of a layer whose rows several devices compute, each of them in step with the others.

A step begins as soon as its x is there and the multipliers are free, and stands still at a word of h that another
device has not delivered yet; what is behind the sequencer goes on, and its starter's clock stands still with it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from rnngen.plan.engine import EnginePlan
from rnngen.plan.held import Reader, WriteCycle
from rnngen.plan.network import NetworkPlan
from rnngen.plan.timing import GO_TO_ISSUE_CYCLES, HANDOVER_CYCLES

Others = Callable[[Sequence[int]], Sequence[int]]
"""From the cycles of a step's output beats, which the other devices give in the same cycles, to those from which on
each column word of another device's h can be read."""


@dataclass(frozen=True)
class RowsRun:
    """Cycles of a run.

    Attributes:
        inputs: By step, those of its beats.
        issues: By step, its first issue.
        waits: By step, the stretches [start, end) in which the sequencer stands still.
    """

    inputs: tuple[tuple[int, ...], ...]
    issues: tuple[int, ...]
    waits: tuple[tuple[tuple[int, int], ...], ...]


@dataclass(frozen=True)
class _Stalled:
    """When a step's places are reached.

    Attributes:
        issue: The step's first one.
        places: Those at which it stood still, and ``shifts``, for how long by then.
    """

    issue: int
    places: tuple[int, ...]
    shifts: tuple[int, ...]

    def cycle(self, place: int) -> int:
        """In which a place of the step's schedule is reached."""
        return self.issue + place + self.shifts[bisect_right(self.places, place)]

    @property
    def waits(self) -> tuple[tuple[int, int], ...]:
        """Cycles [start, end) in which nothing is issued."""
        at = zip(self.places, self.shifts, self.shifts[1:])
        return tuple((self.issue + place + before, self.issue + place + behind) for place, before, behind in at)


class _Reads:
    """Where an engine first reads the words that come from others, and where its tiles end."""

    def __init__(self, engine: EnginePlan) -> None:
        self._engine = engine

    @cached_property
    def others(self) -> list[tuple[int, int]]:
        """(place, word of its device's h) in the order in which they are read."""
        own, count = self._engine.own_h_words, self._engine.shape.shares
        first = self._engine.h_first
        return sorted(
            (int(self._engine.first_read(first + device * own + word)), word)
            for device in range(1, count)
            for word in range(own)
        )

    def step(self, issue: int, there: Sequence[int]) -> _Stalled:
        """A step whose words of others' h can be read from these cycles on; none: nothing is waited for."""
        places, shifts = list[int](), [0]
        for place, word in self.others if there else ():
            late = there[word] - (issue + place + shifts[-1])
            if late > 0:
                places.append(place)
                shifts.append(shifts[-1] + late)
        return _Stalled(issue, tuple(places), tuple(shifts))

    def written(self, step: _Stalled) -> WriteCycle:
        """When a unit's result is written."""
        engine = self._engine
        distance = engine.turns * engine.spacing
        first = engine.last_pass + distance - engine.spacing + engine.last_words - 1
        lasts = [step.cycle(first + tile * distance) + engine.result_cycles for tile in range(engine.tiles)]
        return lambda unit: lasts[unit // engine.rows] + unit % engine.rows // engine.elements


def run_rows(
    plan: NetworkPlan, ends: Sequence[bool], arrivals: Sequence[int], output: Reader, others: Others,
    beats: Sequence[tuple[int, ...]], pace: int,
) -> RowsRun:  # fmt: skip
    """Steps of one device when all get the same input in the same cycles.

    Args:
        ends, arrivals, pace: As for ``run_steps``.
        output: Takes the results; ``beats``: its output beats by step, as far as they are known.
    """
    (block,) = plan.blocks
    engine = block.first
    reads, slots = _Reads(engine), block.input_slots
    inputs, issues, freed = list[tuple[int, ...]](), list[int](), list[int]()
    waits = list[tuple[tuple[int, int], ...]]()
    next_input, next_go, there = 0, 0, list[int]()
    for number, arrival in enumerate(arrivals or (0,) * len(ends)):
        first = max(next_input, freed[number - slots] if number >= slots else 0, arrival)
        last = first + plan.input_beats - 1
        next_input = max(last + 1, first + pace)
        inputs.append(tuple(range(first, last + 1)))
        room = output.freed[number - output.slots] if number >= output.slots else 0
        go = max(last + HANDOVER_CYCLES, next_go, room)
        step = reads.step(go + GO_TO_ISSUE_CYCLES, there)
        issues.append(step.issue)
        waits.append(step.waits)
        next_go = go + block.interval + step.shifts[-1]
        freed.append(step.cycle(engine.release_cycle) + HANDOVER_CYCLES)
        output.push(reads.written(step), ends[number], 0)
        there = list(others(beats[number]))
    return RowsRun(tuple(inputs), tuple(issues), tuple(waits))
