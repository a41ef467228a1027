"""The cycle model of a layer that several devices compute, each of them in step with the others.

A step begins as soon as its x is there and the multipliers are free.  At a word that another device has not delivered
yet the device's sequencers stand still, and its starter's clock with them; what is behind the sequencers goes on.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from rnngen.plan.engine import EnginePlan
from rnngen.plan.held import Reader, WriteCycle
from rnngen.plan.network import NetworkPlan
from rnngen.plan.timing import GO_TO_ISSUE_CYCLES, HANDOVER_CYCLES

Others = Callable[[Sequence[int]], Sequence[int]]
"""From the cycles of the beats that a step gives to the other devices, which give theirs in the same cycles, to those
from which on each column word of another device can be read, in the order of a sweep (``EnginePlan.others_h``)."""


class Sender(Reader, Protocol):
    """What takes results and gives them away; ``outputs``: by step, the cycle of each beat."""

    outputs: list[tuple[int, ...]]


@dataclass(frozen=True)
class RowsRun:
    """Cycles of a run.

    Attributes:
        inputs: By step, those of its beats.
        issues: By step, its first issue.
        waits: By step, the stretches [start, end) in which the sequencers stand still.
    """

    inputs: tuple[tuple[int, ...], ...]
    issues: tuple[int, ...]
    waits: tuple[tuple[tuple[int, int], ...], ...]


class _Clock:
    """The moments of a schedule, which stands still now and then, in cycles."""

    def __init__(self) -> None:
        self._holds: list[int] = []
        self._shifts = [0]  # until the first hold, from it to the second one, and so on

    def cycle(self, moment: int) -> int:
        """In which a moment comes; where the schedule stands still at it, the one in which it goes on."""
        return moment + self._shifts[bisect_right(self._holds, moment)]

    def first(self, cycle: int) -> int:
        """The first moment that does not come before a cycle."""
        number = len(self._holds)
        while number and self._holds[number - 1] + self._shifts[number - 1] > cycle:
            number -= 1
        moment = cycle - self._shifts[number]
        return max(moment, self._holds[number - 1]) if number else moment

    def hold(self, moment: int, until: int) -> tuple[int, int] | None:
        """Stands still at a moment, behind all holds so far, until a cycle; the stretch [start, end) if it has to."""
        start = self.cycle(moment)
        if until <= start:
            return None
        self._holds.append(moment)
        self._shifts.append(until - moment)
        return start, until


def _written(engine: EnginePlan, first_issue: int, clock: _Clock) -> WriteCycle:
    """When a unit's result is written, of a step whose first issue is at a moment."""
    distance = engine.turns * engine.spacing
    last = first_issue + engine.last_pass + distance - engine.spacing + engine.last_words - 1
    lasts = [clock.cycle(last + tile * distance) + engine.result_cycles for tile in range(engine.tiles)]
    return lambda unit: lasts[unit // engine.rows] + unit % engine.rows // engine.elements


def run_rows(
    plan: NetworkPlan, ends: Sequence[bool], arrivals: Sequence[int], output: Sender, handed: Sender | None,
    others: Others, pace: int,
) -> RowsRun:  # fmt: skip
    """Steps of one device when all get the same input in the same cycles.

    Args:
        ends, arrivals, pace: As for ``run_steps``.
        output: Takes the results.  handed: Takes what the first stage gives to the other devices; None: they are
            given the results, for the next step.
    """
    (block,) = plan.blocks
    (branch,) = block.branches
    reader, clock = branch.last, _Clock()
    reads = [branch.offset + int(reader.first_read(place)) for place in reader.others_h]
    inputs, issues, freed = list[tuple[int, ...]](), list[int](), list[int]()
    waits = list[tuple[tuple[int, int], ...]]()
    next_input, next_go, there = 0, 0, list[int]()
    for number, arrival in enumerate(arrivals or (0,) * len(ends)):
        first = max(next_input, freed[number - block.input_slots] if number >= block.input_slots else 0, arrival)
        last = first + plan.input_beats - 1
        next_input = max(last + 1, first + pace)
        inputs.append(tuple(range(first, last + 1)))
        rooms = [each.freed[number - each.slots] for each in (output, handed) if each and number >= each.slots]
        go = max(next_go, clock.first(max(last + HANDOVER_CYCLES, *rooms, 0)))
        issue, next_go = go + GO_TO_ISSUE_CYCLES, go + block.interval
        issues.append(clock.cycle(issue))
        if handed is not None:
            handed.push(_written(branch.first, issue, clock), ends[number], 0)
            there = list(others(handed.outputs[-1]))
        held = (clock.hold(issue + read, at) for read, at in zip(reads, there))
        waits.append(tuple(stretch for stretch in held if stretch is not None))
        freed.append(clock.cycle(issue + branch.release_cycle) + HANDOVER_CYCLES)
        output.push(_written(reader, issue + branch.offset, clock), ends[number], 0)
        if handed is None:
            there = list(others(output.outputs[-1]))
    return RowsRun(tuple(inputs), tuple(issues), tuple(waits))
