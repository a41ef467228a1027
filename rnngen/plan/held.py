"""The cycle model of engines that external weights may hold up, cycle by cycle.

Whatever an engine waits for, its weights come over one port that all engines share, so nothing can be told of a step
alone: ports, memory and engines are played together.  While an engine is held its sequencer and the clock of its
starter stand still; what is behind the sequencer goes on.  So a step's results are written as many cycles behind the
issue of their tile's last word as ever, and no word is read before it is written.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeAlias

from rnngen.plan.engine import EnginePlan
from rnngen.plan.external import ARRIVAL_CYCLES, REQUEST_CYCLES, RETURN_CYCLES, MemoryPort, WeightStream
from rnngen.plan.network import BlockPlan, NetworkPlan
from rnngen.plan.timing import HANDOVER_CYCLES

Cycles = tuple[int, ...]
Places: TypeAlias = "array[int]"

NEVER = 1 << 62
"""A cycle that does not come."""

WriteCycle = Callable[[int], int]
"""Cycle in which a word of a step is written."""


def all_at(cycle: int) -> WriteCycle:
    """All words at once."""
    return lambda unit: cycle


class Reader(Protocol):
    """What takes a block's steps.

    Attributes:
        slots: Steps that it holds.  freed: By step, the cycle from which on its slot is free.
    """

    slots: int
    freed: list[int]

    def push(self, write: WriteCycle, last: bool, stream: int) -> None:
        """A step that is written: the cycle of each of its words."""


@dataclass(frozen=True)
class HeldRun:
    """Cycles of a run.

    Attributes:
        inputs: By step, those of its beats.
        issues: By block and step, its first issue.
        places: By block and step, the cycle in which each place of its schedule is reached: each issue, and each cycle
            without one that the plan has between them.
    """

    inputs: tuple[Cycles, ...]
    issues: tuple[Cycles, ...]
    places: tuple[tuple[Places, ...], ...]


class _Step(NamedTuple):
    """A step at an engine's input."""

    ready: int
    last: bool
    stream: int


@dataclass
class _Buffer:
    """The weights of one engine: requested ahead, and taken word by word."""

    stream: WeightStream
    burst: int
    arrived: deque[int] = field(default_factory=deque)  # by entry, the first cycle in which it can be used
    returned: deque[int] = field(default_factory=deque)  # by entry that was used up, when its room counts
    requested: int = 0  # beats of the step that is being requested
    beats: int = 0  # beats of an entry that is not complete
    taken: int = 0  # words of the step that is being issued
    room: int = field(init=False)

    def __post_init__(self) -> None:
        self.room = self.stream.capacity

    def next_burst(self) -> int:
        """Beats of the next request."""
        return min(self.burst, self.stream.beats - self.requested)

    def wants(self, cycle: int) -> bool:
        """Whether there is room for the next burst."""
        while self.returned and self.returned[0] <= cycle:
            self.returned.popleft()
            self.room += self.stream.beats_per_word
        return self.room >= self.next_burst()

    def next_event(self) -> int:
        """When room comes back."""
        return self.returned[0] if self.returned else NEVER

    def request(self, count: int, first_beat: int) -> None:
        """A burst whose beats come from ``first_beat`` on."""
        self.room -= count
        self.requested = (self.requested + count) % self.stream.beats
        for beat in range(count):
            self.beats += 1
            if self.beats == self.stream.beats_per_word:
                self.beats = 0
                self.arrived.append(first_beat + beat + ARRIVAL_CYCLES)

    def has_word(self, cycle: int) -> bool:
        """Whether the next word can be issued."""
        return bool(self.arrived) and self.arrived[0] <= cycle

    def take(self, cycle: int) -> None:
        """The next word is issued."""
        stream = self.stream
        self.taken += 1
        if self.taken % stream.words_per_beat == 0 or self.taken == stream.words:
            self.arrived.popleft()
            self.returned.append(cycle + RETURN_CYCLES)
        if self.taken == stream.words:
            self.taken = 0


class _Port:
    """Who reads next, and when it comes: a memory of the stated latency, then a beat a cycle."""

    def __init__(self, port: MemoryPort, buffers: Sequence[_Buffer]) -> None:
        self._latency, self._buffers = port.latency, buffers
        self._turn = 0
        self._next_beat = -(1 << 62)

    def tick(self, cycle: int) -> bool:
        """The request that is made in this cycle; whether there is one."""
        count = len(self._buffers)
        for number in range(self._turn, self._turn + count):
            buffer = self._buffers[number % count]
            if buffer.wants(cycle):
                beats = buffer.next_burst()
                first = max(cycle + REQUEST_CYCLES + self._latency, self._next_beat)
                self._next_beat = first + beats
                buffer.request(beats, first)
                self._turn = (number + 1) % count
                return True
        return False

    def fill(self) -> None:
        """What is read before the first step comes: as much as there is room for, long before cycle 0."""
        for cycle in range(-(1 << 40), 0):
            if not self.tick(cycle):
                return


class _Block:
    """A block of one engine: its input steps, its starter and its sequencer."""

    def __init__(self, plan: BlockPlan, buffer: _Buffer, following: Reader) -> None:
        self._plan, self._branch, self._buffer, self._following = plan, plan.branches[0], buffer, following
        engine = plan.first
        self._needs, self._ends = _issues(engine)
        self._release, self._count = engine.release_cycle, engine.issue_cycles
        self.slots, self.freed, self.places = plan.input_slots, list[int](), list[Places]()
        self._waiting: deque[_Step] = deque()
        self._running: deque[_Step] = deque()  # at most one is issued; the next one starts beside its last issue
        self._place = self._count  # of the next issue; no step is on where it is the number of them
        self._lasts: list[int] = []  # by tile of the step, the issue of its last word
        self._clock = 0  # cycles in which the engine was not held
        self._next_go, self._next_of = 0, dict[int, int]()
        self._reserved = 0
        self.pushed = 0

    def push(self, write: WriteCycle, last: bool, stream: int) -> None:
        self.pushed += 1
        self._waiting.append(_Step(write(self._plan.port_size - 1) + HANDOVER_CYCLES, last, stream))

    def tick(self, cycle: int) -> bool:
        """One cycle; whether anything happens in it."""
        place, active = self._place, self._place < self._count
        if active and self._needs[place] and not self._buffer.has_word(cycle):
            return False
        goes = self._goes(cycle)
        if active:
            self._issue(cycle, place)
        if goes:
            self._place = 0
        self._clock += 1
        return active or goes

    def next_event(self, cycle: int) -> int:
        """The cycle, if nothing happens before it, in which something may, seen behind cycle - 1; ``NEVER``: none."""
        if self._place < self._count:
            return self._buffer.arrived[0] if self._buffer.arrived else NEVER
        if not self._waiting:
            return NEVER
        step = self._waiting[0]
        starts = max(self._next_go, self._next_of.get(step.stream, 0)) - self._clock + cycle
        room = free_from(self._following, self._reserved) if self._passes(step) else 0
        return max(step.ready, starts, room)

    def skip(self, cycles: int) -> None:
        """So many cycles in which nothing happens."""
        if self._place == self._count:
            self._clock += cycles

    def _goes(self, cycle: int) -> bool:
        if not self._waiting or self._waiting[0].ready > cycle or self._clock < self._next_go:
            return False
        step = self._waiting[0]
        if self._clock < self._next_of.get(step.stream, 0):
            return False
        if self._passes(step):
            if free_from(self._following, self._reserved) > cycle:
                return False
            self._reserved += 1
        self._next_go = self._clock + self._branch.initiation_interval
        self._next_of[step.stream] = self._clock + self._branch.interval
        self._running.append(self._waiting.popleft())
        return True

    def _passes(self, step: _Step) -> bool:
        return step.last or self._plan.select == "every"

    def _issue(self, cycle: int, place: int) -> None:
        if place == 0:
            self.places.append(array("q"))
        self.places[-1].append(cycle)
        if self._needs[place]:
            self._buffer.take(cycle)
        if place == self._release:
            self.freed.append(cycle + HANDOVER_CYCLES)
        if self._ends[place]:
            self._lasts.append(cycle)
            if len(self._lasts) == self._plan.first.tiles:
                self._written()
        self._place = place + 1

    def _written(self) -> None:
        step, plan, engine = self._running.popleft(), self._plan, self._plan.first
        lasts = self._lasts
        self._lasts = []
        if not self._passes(step):
            return
        way = engine.result_cycles + plan.post_cycles

        def write(unit: int) -> int:
            return lasts[unit // engine.rows] + way + unit % engine.rows // engine.elements

        last = step.last or plan.select != "every"
        self._following.push(all_at(write(engine.shape.units - 1)) if plan.post_units else write, last, step.stream)


def free_from(reader: Reader, taken: int) -> int:
    """From which cycle on a reader has a slot for one more step than the ``taken`` it got; ``NEVER``: not known yet."""
    needed = taken - reader.slots
    if needed < 0:
        return 0
    return reader.freed[needed] if needed < len(reader.freed) else NEVER


def _issues(engine: EnginePlan) -> tuple[list[bool], list[bool]]:
    """By cycle of a step: whether a word is issued in it, and whether that is the last one of all for its tile."""
    needs: list[bool] = []
    ends: list[bool] = []
    passes = engine.passes or (engine.sweep,)
    for number, words in enumerate(passes):
        last = number + 1 == len(passes)
        cycles = engine.spacing if last else words
        for sweep in range(engine.sweeps):
            completes = last and (sweep + 1) % engine.turns == 0
            needs += [place < words for place in range(cycles)]
            ends += [completes and place == words - 1 for place in range(cycles)]
    return needs, ends


def run_held(
    plan: NetworkPlan, ends: Sequence[bool], streams: Sequence[int], arrivals: Sequence[int], output: Reader
) -> HeldRun:
    """Plays it all; outputs go to ``output``.

    Args:
        ends: Which of the input steps ends its sequence.  streams: Whose each of them is.
        arrivals: Cycle from which on each is offered; none: all of them from the start.
    """
    assert plan.memory is not None
    buffers = [_Buffer(stream, plan.memory.burst) for stream in plan.weights]
    port = _Port(plan.memory, buffers)
    port.fill()
    following, blocks = output, list[_Block]()
    for block, buffer in zip(reversed(plan.blocks), reversed(buffers)):
        following = _Block(block, buffer, following)
        blocks.insert(0, following)
    wanted = sum(ends) if any(block.select != "every" for block in plan.blocks) else len(ends)
    steps = iter(zip(ends, streams, arrivals or (0,) * len(ends), strict=True))
    inputs: list[Cycles] = []
    next_input, cycle, step = 0, 0, next(steps, None)
    while len(output.freed) < wanted:
        begins = max(next_input, free_from(blocks[0], blocks[0].pushed), step[2]) if step else NEVER
        if step and begins <= cycle:
            next_input = cycle + plan.input_beats
            inputs.append(tuple(range(cycle, next_input)))
            blocks[0].push(all_at(next_input - 1), *step[:2])
            step = next(steps, None)
            begins = next_input
        happens = port.tick(cycle)
        for one in blocks:
            happens = one.tick(cycle) or happens
        cycle += 1
        if not happens:
            events = [begins, *(one.next_event(cycle) for one in blocks), *(one.next_event() for one in buffers)]
            quiet = min(events) - cycle
            assert quiet < NEVER // 2, "the schedule is stuck"
            if quiet > 0:
                cycle += quiet
                for one in blocks:
                    one.skip(quiet)
    places = tuple(tuple(block.places) for block in blocks)
    return HeldRun(tuple(inputs), tuple(tuple(step[0] for step in steps) for steps in places), places)
