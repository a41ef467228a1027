"""What each device and each link of a system does in which ticks of a run, from its cycle model, to be drawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rnngen.plan.network import BlockPlan
from rnngen.plan.partition.hops import Carried
from rnngen.plan.partition.parts import PartPlan
from rnngen.plan.partition.result import Partition
from rnngen.plan.partition.schedule import run_system
from rnngen.plan.schedule import Schedule

Place = tuple[int, int]
"""A step: its sequence, and its place in that."""


@dataclass(frozen=True)
class Stretch:
    """Ticks [start, end) that a step takes."""

    start: int
    end: int
    sequence: int
    step: int


@dataclass(frozen=True)
class DeviceTimes:
    """What a device does.

    Attributes:
        takes, gives: From the first beat of a step to its last one.
        multiplies: By block and stage, from a step's first issue to its last one, ``waits`` included.
        waits: For h of other devices that compute the same layer.
    """

    takes: tuple[Stretch, ...]
    multiplies: tuple[tuple[Stretch, ...], ...]
    waits: tuple[Stretch, ...]
    gives: tuple[Stretch, ...]


@dataclass(frozen=True)
class LinkTimes:
    """What a link does.

    Attributes:
        carries: From the first word of a step's frame sent to its last one; in a ring of all its frames.
        arrives: From there to its first word delivered.
    """

    carries: tuple[Stretch, ...]
    arrives: tuple[Stretch, ...]


@dataclass(frozen=True)
class SystemTimes:
    """Of a run: devices and links in the order of system.json.

    Attributes:
        lengths: Of the sequences that were sent.
        back: What another device than the last one gives the host; None: the last one does.
    """

    lengths: tuple[int, ...]
    devices: tuple[DeviceTimes, ...]
    links: tuple[LinkTimes, ...]
    back: tuple[Stretch, ...] | None = None

    @property
    def results(self) -> tuple[Stretch, ...]:
        """Steps given to the host."""
        return self.devices[-1].gives if self.back is None else self.back


def system_times(partition: Partition, lengths: Sequence[int]) -> SystemTimes:
    """Of sequences of given lengths that are sent as fast as the system takes them (``run_system``)."""
    schedule = run_system(partition, lengths)
    devices: list[DeviceTimes] = []
    given: list[list[int]] = []  # by part, lengths of the sequences that it gives
    taken = list(lengths)
    for part, times in zip(partition.parts, schedule.parts):
        made, taken = _device(part, times, taken, partition.system.cycle_ticks(part.device.name))
        devices += [made] * len(part.names)
        given.append(taken)
    links: list[LinkTimes] = []
    frames = iter(schedule.frames)
    parts = partition.parts
    for number, route in enumerate(partition.routes):
        takers = len(parts[number + 1].names) if number + 1 < len(parts) else 1
        for _ in route.hops:
            links += [_link([[frame] for frame in next(frames)], given[number])] * (len(parts[number].givers) * takers)
    shared = [number for number, part in enumerate(parts) if part.exchange is not None]
    for number, steps in zip(shared, schedule.exchanged):
        links += _inside(parts[number], steps, given[number])
    back = None
    if partition.back is not None:
        back = _beats(schedule.outputs, _places(given[-1]), 1, partition.back.receiver)
    return SystemTimes(tuple(lengths), tuple(devices), tuple(links), back)


def _inside(part: PartPlan, steps: Sequence[Sequence[Carried]], lengths: Sequence[int]) -> list[LinkTimes]:
    """The links between devices that share a part; of a ring first those that carry most."""
    busiest, ring, devices = _link(steps, lengths), part.ring, len(part.names)
    if ring is None:
        return [busiest] * ((1 if part.joins else devices) * (devices - 1))
    back = _link([frames[: ring.back] for frames in steps], lengths)
    return [busiest] * devices + ([back] * devices if ring.back else [])


def _link(steps: Sequence[Sequence[Carried]], lengths: Sequence[int]) -> LinkTimes:
    """By step, its frames on the link."""
    frames = [(frame, place) for frames, place in zip(steps, _places(lengths)) for frame in frames]
    carries = tuple(Stretch(frame.start, frame.end, *place) for frame, place in frames)
    arrives = tuple(Stretch(frame.end, frame.there, *place) for frame, place in frames)
    return LinkTimes(carries, arrives)


def _device(
    part: PartPlan, times: Schedule, lengths: list[int], cycle: int
) -> tuple[DeviceTimes, list[int]]:
    """What a device does, and the lengths of the sequences that it gives."""
    takes = _beats(times.inputs, _places(lengths), cycle)
    waits = tuple(
        _stretch(start, end, place, cycle)
        for place, spans in zip(_places(lengths), times.waits)
        for start, end in spans
    )
    multiplies: list[tuple[Stretch, ...]] = []
    for block, issues in zip(part.plan.blocks, times.issues):
        held = [sum(end - start for start, end in spans) for spans in times.waits] or [0] * len(issues)
        starts = list(zip(issues, held, _places(lengths)))
        multiplies += [
            tuple(_stretch(issue + first, issue + last + wait, place, cycle) for issue, wait, place in starts)
            for first, last in _stages(block)
        ]
        if block.select != "every":
            lengths = [1] * len(lengths)
    gives = _beats(times.outputs, _places(lengths), cycle)
    return DeviceTimes(takes, tuple(multiplies), waits, gives), lengths


def _stages(block: BlockPlan) -> Iterator[tuple[int, int]]:
    """Of each stage, its first issue and the end of its last one from the step's first one; of all directions."""
    for stage in range(max(len(branch.stages) for branch in block.branches)):
        spans = []
        for branch in block.branches:
            first = branch.delay + (branch.offset if stage else 0)
            spans.append((first, first + max(engine.issue_cycles for engine in branch.stages[stage])))
        yield min(first for first, _ in spans), max(last for _, last in spans)


def _places(lengths: Iterable[int]) -> list[Place]:
    return [(sequence, step) for sequence, length in enumerate(lengths) for step in range(length)]


def _beats(
    steps: Sequence[Sequence[int]], places: Sequence[Place], cycle: int, beat: int = 1
) -> tuple[Stretch, ...]:
    return tuple(_stretch(beats[0], beats[-1] + beat, place, cycle) for beats, place in zip(steps, places))


def _stretch(start: int, end: int, place: Place, cycle: int) -> Stretch:
    return Stretch(start * cycle, end * cycle, *place)
