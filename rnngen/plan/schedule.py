"""The cycle model: when everything happens, step by step.

``run_schedule`` is what the emulator and the planner share and what the circuit obeys to the cycle.  Each part of
the accelerator is a small model that is told of every step in order; what it tells the part before it (when a
slot is free) depends on earlier steps only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from rnngen.arith.beats import send_order
from rnngen.plan.held import Places, WriteCycle, all_at, run_held
from rnngen.plan.layer import ceil_div
from rnngen.plan.network import HANDED_SLOTS, BlockPlan, Join, NetworkPlan, SharedArray
from rnngen.plan.rows import Others, run_rows
from rnngen.plan.timing import ARGMAX_CYCLES, GO_TO_ISSUE_CYCLES, HANDOVER_CYCLES, MERGE_GO_CYCLES, OUTPUT_CYCLES

_SETTLING_STEPS = 24
_SETTLING_ROUNDS = 6
_SEQUENCE_STEPS = 5
"""Steps of the sequences with which plans that treat ends apart are settled."""


class _Frame:
    """In which cycles blocks may start steps: in any, or in turns where they share an array (``SharedArray``)."""

    def __init__(self, shared: SharedArray | None) -> None:
        self._shared = shared
        self._origin, self._end = 0, -1

    def arrives(self, ready: int) -> None:
        """The first block has a step from a cycle on: the frame goes on if it waits in its first cycle."""
        if self._shared is not None and ready > self._boundary(self._end + 1):
            self._origin = ready

    def works(self, last: int) -> None:
        """Something is to be done up to this cycle."""
        self._end = max(self._end, last)

    def start(self, block: int, earliest: int) -> int:
        """The first cycle in which a block may start a step."""
        if self._shared is None:
            return earliest
        return self._boundary(earliest - self._shared.starts[block]) + self._shared.starts[block]

    def _boundary(self, earliest: int) -> int:
        """The first cycle of a frame."""
        assert self._shared is not None
        frames = ceil_div(max(0, earliest - self._origin), self._shared.frame)
        return self._origin + frames * self._shared.frame


class _Output:
    """The output buffer: words leave in order as soon as they are complete."""

    def __init__(self, units: int, elements: int, words: int, slots: int, frame: _Frame) -> None:
        self._frame = frame
        parts = ceil_div(elements, words)
        beats = range(ceil_div(units, words))
        self._last_units = [min((beat // parts + 1) * parts * words, units) - 1 for beat in beats]
        self.slots = slots
        self.freed: list[int] = []
        self._next = 0
        self.outputs: list[tuple[int, ...]] = []

    def free(self) -> int:
        count = len(self.freed)
        return self.freed[count - self.slots] if count >= self.slots else 0

    def push(self, write: WriteCycle, last: bool, stream: int) -> None:
        beats = []
        for unit in self._last_units:
            self._next = max(self._next, write(unit) + OUTPUT_CYCLES)
            beats.append(self._next)
            self._next += 1
        self.outputs.append(tuple(beats))
        self._frame.works(beats[-1])
        self.freed.append(beats[-1] + HANDOVER_CYCLES)


class _Steps:
    """A block that works step by step."""

    def __init__(self, index: int, plan: BlockPlan, following: _Part, frame: _Frame) -> None:
        self._plan, self._branch, self._following = plan, plan.branches[0], following
        self._index, self._frame = index, frame
        self._freed: list[int] = []
        engine = self._branch.first
        # The first h pass starts by itself in the cycle before the input port first accepts a beat.
        self._next_go = engine.h_to_x - 1 if engine.shape.spaced else 0
        self._next_of: dict[int, int] = {}
        self.issues: list[int] = []

    def free(self) -> int:
        count, slots = len(self._freed), self._plan.input_slots
        return self._freed[count - slots] if count >= slots else 0

    def push(self, write: WriteCycle, last: bool, stream: int) -> None:
        passes = last or self._plan.select == "every"
        ready = write(self._plan.port_size - 1) + HANDOVER_CYCLES
        own = self._next_of.get(stream, 0)
        if self._index == 0:
            self._frame.arrives(ready)
        go = max(ready, self._next_go, own, self._following.free() if passes else 0)
        go = self._frame.start(self._index, go)
        self._next_go, self._next_of[stream] = go + self._branch.initiation_interval, go + self._branch.interval
        issue = go + GO_TO_ISSUE_CYCLES
        self.issues.append(issue)
        self._freed.append(issue + self._branch.release_cycle + HANDOVER_CYCLES)
        self._frame.works(issue + self._branch.last_write_cycle)
        if passes:
            self._following.push(self._written(issue), last or self._plan.select != "every", stream)

    def _written(self, issue: int) -> WriteCycle:
        plan, branch = self._plan, self._branch
        if plan.post_units:
            return all_at(issue + branch.last_write_cycle + plan.post_cycles)
        return lambda unit: issue + branch.write_cycle(unit) + plan.post_cycles


@dataclass
class _Stored:
    """A block that works on whole stored sequences; two are held at its input and two at its output."""

    index: int
    plan: BlockPlan
    following: _Part
    frame: _Frame
    issues: list[int] = field(default_factory=list)
    _length: int = 0
    _read: list[int] = field(default_factory=list)  # by sequence: its input is free
    _sent: list[int] = field(default_factory=list)  # by sequence: its output is free
    _next_go: int = 0
    _next_word: int = 0

    def free(self) -> int:
        return self._read[-2] if len(self._read) >= 2 else 0

    def push(self, write: WriteCycle, last: bool, stream: int) -> None:
        assert stream == 0, "stored sequences are not interleaved"
        self._length += 1
        if last:
            self._sequence(write(self.plan.port_size - 1) + HANDOVER_CYCLES, self._length)
            self._length = 0

    def _sequence(self, ready: int, steps: int) -> None:
        branches = self.plan.branches
        interval = max(branch.interval for branch in branches)
        if self.index == 0:
            self.frame.arrives(ready)
        self._next_go = max(ready, self._next_go, self._sent[-2] if len(self._sent) >= 2 else 0)
        issues = []
        for _ in range(steps):
            go = self.frame.start(self.index, self._next_go)
            self._next_go = go + interval
            issues.append(go + GO_TO_ISSUE_CYCLES)
        self.issues += issues
        self._read.append(issues[-1] + max(branch.release_cycle for branch in branches) + HANDOVER_CYCLES)
        complete = issues[-1] + max(branch.last_write_cycle for branch in branches)
        self._next_word = max(self._next_word, complete + MERGE_GO_CYCLES)
        count = steps if self.plan.select == "every" else 1
        for step in range(count):
            self._send(step == count - 1)
        self._sent.append(self._next_word - 1 + HANDOVER_CYCLES)
        self.frame.works(self._next_word - 1)

    def _send(self, last: bool) -> None:
        """One step of a stored result goes on: from its first word on, one write of ``lanes`` words a cycle."""
        plan = self.plan
        # A word is read in the cycle before it is written on, and the step's slot must be free by then.
        self._next_word = max(self._next_word, self.following.free() + 1)
        start = self._next_word
        self._next_word += plan.out_beats
        places = [start + plan.post_cycles + beat for beat in range(plan.out_beats)]
        if plan.post_units:
            self.following.push(all_at(places[-1]), last, 0)
            return
        beats: list[int] = []
        done = 0
        for branch in plan.branches:
            for unit in range(branch.units):
                beats.append(places[done + unit // plan.lanes])
            done += -(-branch.units // plan.lanes)
        self.following.push(lambda unit: beats[unit], last, 0)


class _Joined:
    """Adds the sums of other devices to those of this one: each beat when that of every device is there.

    Devices do the same in the same cycles, so that those that do not wait give their sums as soon as this one has its.
    """

    def __init__(self, plan: NetworkPlan, join: Join, frame: _Frame, others: Others) -> None:
        units, elements = plan.blocks[-1].units, plan.blocks[-1].elements
        self._join, self._others = join, others
        self._own = _Output(units, elements, join.words, join.slots, frame)
        self._results = _Output(units, join.words, plan.output_words, plan.output_slots, frame)
        self.slots = join.slots
        self.freed: list[int] = []
        self.taken: list[tuple[int, ...]] = []
        self._next = 0

    @property
    def given(self) -> list[tuple[int, ...]]:
        """By step, the cycle of each beat of sums that a device gives."""
        return self._own.outputs

    @property
    def outputs(self) -> list[tuple[int, ...]]:
        return self._results.outputs

    def free(self) -> int:
        count = len(self.freed)
        return self.freed[count - self.slots] if count >= self.slots else 0

    def push(self, write: WriteCycle, last: bool, stream: int) -> None:
        self._own.push(write, last, stream)
        own, taken = self.given[-1], list[int]()
        at = max(self._next, self._results.free())
        for beat, there in zip(own, self._others(own) or own):
            at = max(at, beat, there)
            taken.append(at)
            at += 1
        self._next = at
        self.taken.append(tuple(taken))
        self.freed.append(taken[-1] + HANDOVER_CYCLES)
        self._results.push(lambda unit: taken[unit // self._join.words] + self._join.cycles, last, stream)


_Results = _Output | _Joined
_Part = _Results | _Steps | _Stored


def _results(plan: NetworkPlan, frame: _Frame) -> _Output:
    assert plan.join is None, "only blocks that work step by step are joined"
    last = plan.blocks[-1]
    return _Output(last.units, last.elements, plan.output_words, plan.output_slots, frame)


def _handed(plan: NetworkPlan) -> _Output | None:
    """What takes the results of the first stage that other devices get; None: they get the results."""
    first = plan.blocks[0].first
    if not plan.handed_words:
        return None
    return _Output(first.shape.units, first.elements, plan.handed_words, HANDED_SLOTS, _Frame(None))


def handed_beats(plan: NetworkPlan) -> tuple[int, ...]:
    """Cycles, from a lone step's first issue, of the beats that its first stage gives to other devices."""
    handed = _handed(plan)
    assert handed is not None, "the first stage's results are handed to other devices"
    handed.push(plan.blocks[0].first.write_cycle, False, 0)
    return handed.outputs[0]


def _parts(plan: NetworkPlan, others: Others) -> tuple[list[_Steps | _Stored], _Results]:
    frame = _Frame(plan.shared)
    output: _Results
    output = _results(plan, frame) if plan.join is None else _Joined(plan, plan.join, frame, others)
    following: _Part = output
    parts: list[_Steps | _Stored] = []
    for index, block in reversed(list(enumerate(plan.blocks))):
        made = _Stored if block.stored else _Steps
        following = made(index, block, following, frame)
        parts.append(following)
    return parts[::-1], output


def run_schedule(plan: NetworkPlan, lengths: Sequence[int], arrivals: Sequence[int] = ()) -> Schedule:
    """``run_steps`` of sequences of given lengths, as many side by side as there are streams."""
    sequence, step = send_order(lengths, plan.streams)
    ends = step == np.asarray(lengths)[sequence] - 1
    return run_steps(plan, ends.tolist(), (sequence % plan.streams).tolist(), arrivals)


def run_steps(
    plan: NetworkPlan, ends: Sequence[bool], streams: Sequence[int], arrivals: Sequence[int] = (), pace: int = 0,
    others: Others = lambda beats: (),
) -> Schedule:  # fmt: skip
    """Times of steps when input is offered as soon as it arrives, and output always taken.

    Args:
        ends: Which of them ends its sequence.  streams: Whose each of them is.
        pace: Cycles between the first beats of two steps, at least.
        arrivals: Cycle from which on each step is offered, in the order sent; none: all of them from the start.
        others: Of a layer that several devices compute, when their h is there, or the beats of their sums; none: at
            once.
    """
    if plan.shares > 1:
        output = _results(plan, _Frame(None))
        handed = _handed(plan)
        rows = run_rows(plan, ends, arrivals, output, handed, others, pace)
        given = tuple(handed.outputs) if handed else ()
        return Schedule(rows.inputs, (rows.issues,), tuple(output.outputs), waits=rows.waits, handed=given)
    if plan.memory is not None:
        output = _results(plan, _Frame(None))
        held = run_held(plan, ends, streams, arrivals, output)
        return Schedule(held.inputs, held.issues, tuple(output.outputs), held.places)
    parts, results = _parts(plan, others)
    next_input = 0
    inputs: list[tuple[int, ...]] = []
    for ends_sequence, stream, arrival in zip(ends, streams, arrivals or (0,) * len(ends), strict=True):
        first = max(next_input, parts[0].free(), arrival)
        last = first + plan.input_beats - 1
        next_input = max(last + 1, first + pace)
        inputs.append(tuple(range(first, last + 1)))
        parts[0].push(all_at(last), ends_sequence, stream)
    found = Schedule(tuple(inputs), tuple(tuple(part.issues) for part in parts), tuple(results.outputs))
    if isinstance(results, _Joined):
        return replace(found, handed=tuple(results.given), joined=tuple(results.taken))
    return found


@dataclass(frozen=True)
class Schedule:
    """Cycles of a run; cycle 0 is the first one in which the input port accepts a beat.

    Attributes:
        inputs: By input step, the cycle of each of its beats.
        issues: By block and step that it works on (a stored block in its own order), its first issue.
        outputs: By output step, the cycle of each of its beats.
        places: By block and step, where engines may be held, the cycle of each place of its schedule (``HeldRun``).
        waits: By step, where several devices compute a layer, the stretches [start, end) in which each of them waits
            for what the others give.
        handed: By step, the cycles of the beats that are given to those devices, where these are not given the results.
        joined: By step, the cycles in which beats of sums are added to those of other devices, where they are.
    """

    inputs: tuple[tuple[int, ...], ...]
    issues: tuple[tuple[int, ...], ...]
    outputs: tuple[tuple[int, ...], ...]
    places: tuple[tuple[Places, ...], ...] = ()
    waits: tuple[tuple[tuple[int, int], ...], ...] = ()
    handed: tuple[tuple[int, ...], ...] = ()
    joined: tuple[tuple[int, ...], ...] = ()

    @property
    def exchanged(self) -> tuple[tuple[int, ...], ...]:
        """By step, the cycles of the beats that other devices of the layer are given."""
        return self.handed or self.outputs


def latency(plan: NetworkPlan) -> tuple[int, int]:
    """Cycles from the last input beat of a lone sequence of one step to its first and to its last output beat."""
    times = run_schedule(plan, [1])
    return times.outputs[0][0] - times.inputs[0][-1], times.outputs[0][-1] - times.inputs[0][-1]


def spaced_latency(plan: NetworkPlan) -> tuple[int, int]:
    """The same of a step that comes when all that can be computed before it is: h-parts of spaced engines."""
    times = run_schedule(plan, [1], [plan.ahead])
    return times.outputs[0][0] - times.inputs[0][-1], times.outputs[0][-1] - times.inputs[0][-1]


def settled_interval(plan: NetworkPlan) -> float:
    """Longest distance between two neighbouring output steps of one stream, once the pipeline is full.

    Where ends of sequences are treated apart: the mean over whole sequences.
    """
    by_ends = plan.capacity > 0 or any(block.select != "every" for block in plan.blocks)
    count, streams = _SETTLING_STEPS + 8 * len(plan.blocks), plan.streams
    if not by_ends:
        each = max(_SETTLING_ROUNDS, ceil_div(2 * count, streams + 1))
        ends = [beats[-1] for beats in run_schedule(plan, [each] * streams).outputs]
        half = len(ends) // 2
        return max(after - before for before, after in zip(ends[half:], ends[half + streams :]))
    steps = min(_SEQUENCE_STEPS, plan.capacity or _SEQUENCE_STEPS)
    outputs = run_schedule(plan, [steps] * (16 * streams)).outputs
    each = len(outputs) // 16
    return (outputs[15 * each][-1] - outputs[7 * each][-1]) / (8 * steps)


def with_buffers(
    blocks: Sequence[BlockPlan], input_words: int, output_words: int, shared: SharedArray | None = None
) -> NetworkPlan:
    """The plan with the shallowest buffers that let every block run at the slowest one's interval."""
    plan = NetworkPlan(tuple(block.with_slots(2) for block in blocks), input_words, output_words, shared=shared)
    stored = any(block.stored for block in blocks)
    for deeper in range(0 if stored else 64):
        if settled_interval(plan) <= plan.interval:
            return _trimmed(plan) if deeper else plan
        for index in range(len(blocks) + 1):
            plan = plan.with_slots(index, plan.slots(index) + 1)
    return plan


def _trimmed(plan: NetworkPlan) -> NetworkPlan:
    """Takes back each buffer's depth as far as the interval allows, from the input on."""
    for index in range(len(plan.blocks) + 1):
        while plan.slots(index) > 2:
            smaller = plan.with_slots(index, plan.slots(index) - 1)
            if settled_interval(smaller) > plan.interval:
                break
            plan = smaller
    return plan


def post_cycles(maps: Sequence[int], argmax: bool) -> int:
    """Latency of what words pass: the maps' own latencies and an argmax behind them."""
    return sum(maps) + (ARGMAX_CYCLES if argmax else 0)


