"""The cycle model of a system: the devices' own schedules, joined by what links do with their results.

Links never hold a device up: their buffers hold what is on the way.  Cycle 0 of every device is at tick 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rnngen.plan.layer import ceil_div
from rnngen.plan.partition.hops import Carried, Route
from rnngen.plan.partition.parts import PartPlan
from rnngen.plan.partition.result import Partition
from rnngen.plan.schedule import Schedule


@dataclass(frozen=True)
class SystemSchedule:
    """Of a run.

    Attributes:
        parts: By part, the device's own schedule in its cycles.
        frames: By link between parts, or on the way to the host, and step that it carries, in ticks.
        exchanged: By part in which devices exchange something, and step, the frames of one of their links, in ticks.
        outputs: By output step, ticks of each beat that the host is given.
    """

    parts: tuple[Schedule, ...]
    frames: tuple[tuple[Carried, ...], ...]
    exchanged: tuple[tuple[tuple[Carried, ...], ...], ...]
    outputs: tuple[tuple[int, ...], ...]


def run_system(partition: Partition, lengths: Sequence[int]) -> SystemSchedule:
    """When everything happens to sequences of given lengths that are sent as fast as the system takes them.

    Where clocks differ, what crosses them is counted in the slower one, so that times are bounds from above.
    """
    system = partition.system
    arrivals: list[int] = []
    found: list[Schedule] = []
    carried: list[tuple[Carried, ...]] = []
    for index, part in enumerate(partition.parts):
        times = _run(part, lengths, arrivals, pace(partition) if index == 0 else 0)
        found.append(times)
        if any(block.select != "every" for block in part.plan.blocks):
            lengths = [1] * len(lengths)
        if index < len(partition.hops):
            hop = partition.hops[index]
            carried += map(tuple, hop.carried(_in_ticks(times, hop.sender)))
            arrivals = [ceil_div(frame.there, hop.receiver) + hop.frame.own_flag_word for frame in carried[-1]]
    inside = [_exchanged(part, times) for part, times in zip(partition.parts, found) if part.exchange is not None]
    outputs = _in_ticks(found[-1], system.cycle_ticks(partition.parts[-1].device.name))
    if partition.back is not None:
        carried += map(tuple, partition.back.carried(outputs))
        outputs = tuple(tuple(_given_back(partition.back, frame)) for frame in carried[-1])
    return SystemSchedule(tuple(found), tuple(carried), tuple(inside), outputs)


def _given_back(back: Route, frame: Carried) -> list[int]:
    """Ticks of a step's beats at the host's device, each a word."""
    first = ceil_div(frame.there, back.receiver) + back.frame.own_flag_word
    return back.hops[-1].taken(first * back.receiver)


def _in_ticks(times: Schedule, cycle: int) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(at * cycle for at in beats) for beats in times.outputs)


def _exchanged(part: PartPlan, times: Schedule) -> tuple[tuple[Carried, ...], ...]:
    """Steps on each of the links between the devices of a part, of a ring on one of the busiest."""
    others = part.others()
    assert others is not None
    return tuple(others.carry(beats) for beats in times.exchanged)


def pace(partition: Partition) -> int:
    """Cycles of the first device between two steps that it lets in, at least: nothing behind it ever fills up.

    Where clocks differ it may be a fraction of a cycle less, which the links' credits hold back.
    """
    return partition.least_interval_ticks // partition.system.cycle_ticks(partition.parts[0].device.name)


def _run(part: PartPlan, lengths: Sequence[int], arrivals: Sequence[int], let_in: int) -> Schedule:
    ends = [step == length - 1 for length in lengths for step in range(length)]
    return part.run(ends, arrivals, let_in)


def settled_ticks(partition: Partition, steps: int = 64) -> tuple[int, int]:
    """Ticks that so many steps of one long sequence take once the pipeline is full, and how many steps that were."""
    outputs = run_system(partition, [2 * steps]).outputs
    return outputs[-1][-1] - outputs[-1 - steps][-1], steps
