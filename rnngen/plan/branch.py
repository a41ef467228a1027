"""The plan of a branch: engines of one direction, in one stage or two, that start together.

In two stages the second one takes the first one's results as they are written, at a fixed distance from the
first one's start, and what it gives is the h that the first stage multiplies in the next step: a projected LSTM
(gates, then projection), a factorised one (inner product, then gates), a grouped one (groups side by side, then
the projection that mixes them).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from rnngen.plan.engine import EnginePlan
from rnngen.plan.layer import Cycle, at_most, ceil_div


@dataclass(frozen=True)
class BranchPlan:
    """Stages of engines; the engines of a stage have the same lanes and do the same at the same time.

    Attributes:
        stages: One or two; a second stage has one engine.
        delay: First issue of the block's step to that of the branch, where branches take turns on a shared array.
        exchange: First issue of the first stage to the earliest one of the second, where that also takes what the first
            stages of other devices give: what they give at the same time is there when it is read.
    """

    stages: tuple[tuple[EnginePlan, ...], ...]
    delay: int = 0
    exchange: int = 0

    @cached_property
    def engines(self) -> tuple[EnginePlan, ...]:
        """All engines, stage by stage."""
        return tuple(engine for stage in self.stages for engine in stage)

    @cached_property
    def first(self) -> EnginePlan:
        """An engine of the first stage: they are alike."""
        return self.stages[0][0]

    @cached_property
    def last(self) -> EnginePlan:
        """The engine that gives the result (all of them are alike in a single stage)."""
        return self.stages[-1][-1]

    @cached_property
    def multipliers(self) -> int:
        """Products a cycle."""
        return sum(engine.multipliers for engine in self.engines)

    @cached_property
    def array_dsps(self) -> int:
        """DSP blocks of the multiplier arrays."""
        return sum(engine.array_dsps for engine in self.engines)

    @property
    def handover_lanes(self) -> int:
        """Words that the first stage writes into the second one's buffer in one cycle."""
        return len(self.stages[0]) * self.first.elements

    @cached_property
    def offset(self) -> int:
        """First issue of the first stage to that of the last one: every word is written before it is read."""
        if len(self.stages) == 1:
            return 0
        first = self.first.turn_cycles(self.last) if self.first.shared else 1
        return max(first, self.exchange, self.last.wait(self._written, 0, self.last.x_words))

    def _written(self, word: Cycle) -> Cycle:
        """Cycle in which the second stage's x word is complete."""
        reader, writer = self.last, self.first
        unit = at_most((word + 1) * reader.x_columns, reader.shape.inputs) - 1
        if len(self.stages[0]) > 1:  # groups are written side by side, empty lanes too
            return writer.group_cycle(unit // self.handover_lanes)
        return writer.write_cycle(unit)

    @cached_property
    def loop_interval(self) -> int:
        """The least interval that the recurrence alone allows."""
        if len(self.stages) == 1:
            return self.first.unhidden_interval
        # Of engines side by side the last one reads the last words of h, which are written last.
        reader = self.stages[0][-1]
        return reader.wait(lambda word: self.write_cycle(reader.unit_of(word)), *reader.h_places)

    @cached_property
    def work(self) -> int:
        """Issues of a step of each stream, of the engine that has most."""
        return self.first.shape.streams * max(engine.issue_cycles for engine in self.engines)

    @cached_property
    def interval(self) -> int:
        """P: cycles between the starts of two steps of one stream."""
        return max(self.loop_interval, *(engine.interval for engine in self.engines))

    @cached_property
    def initiation_interval(self) -> int:
        """Cycles between the starts of any two steps, at least."""
        streams = self.first.shape.streams
        return self.interval if streams == 1 else self.work // streams

    @property
    def stage_slots(self) -> int:
        """Steps that the second stage's buffer must hold so that none is overwritten before it is read."""
        if len(self.stages) == 1:
            return 0
        last_read = self.offset + self.last.release_cycle
        return max(2, ceil_div(last_read + 1 - self.first.first_write_cycle, self.initiation_interval) + 1)

    @property
    def recurrence_latency(self) -> int:
        """L: issue of the first stage's last word to the first issue that may read the first h that depends on it."""
        if len(self.stages) == 1:
            return self.first.recurrence_latency
        return self.first_write_cycle + 1 - self.first.last_read(self.first.sweep - 1)

    def is_hidden(self) -> bool:
        """Whether the recurrence latency costs nothing."""
        return self.loop_interval <= self.work

    @property
    def release_cycle(self) -> int:
        """Cycle, from the first issue, of the step's last read of its input."""
        return self.delay + max(engine.release_cycle for engine in self.stages[0])

    def write_cycle(self, unit: Cycle) -> Cycle:
        """Cycle, from the first issue, in which an output word is written."""
        return self.delay + self.offset + self.last.write_cycle(unit)

    @property
    def first_write_cycle(self) -> int:
        """Cycle, from the first issue, in which the first output words are written."""
        return self.write_cycle(0)

    @property
    def last_write_cycle(self) -> int:
        """Cycle, from the first issue, in which the last output words are written."""
        return self.write_cycle(self.last.shape.units - 1)

    @property
    def units(self) -> int:
        """Output words."""
        return self.last.shape.units

    def with_slots(self, slots: int) -> BranchPlan:
        """The same with another depth of input buffer; a second stage's depth follows from the schedule."""
        stages = [tuple(engine.with_slots(slots) for engine in self.stages[0])]
        stages += [tuple(engine.with_slots(self.stage_slots) for engine in stage) for stage in self.stages[1:]]
        return replace(self, stages=tuple(stages))
