"""The cycle model of a system: the devices' own schedules, joined by what links do with their results.

Links never hold a device up: their buffers hold what is on the way.  Cycle 0 of every device is at tick 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rnngen.plan.layer import ceil_div
from rnngen.plan.partition.hops import Hop, given, taken
from rnngen.plan.partition.parts import PartPlan
from rnngen.plan.partition.result import Partition
from rnngen.plan.schedule import Schedule, run_schedule


@dataclass(frozen=True)
class SystemSchedule:
    """Of a run.

    Attributes:
        parts: By part, the device's own schedule in its cycles.
        outputs: By output step, ticks of each beat at the end.
    """

    parts: tuple[Schedule, ...]
    outputs: tuple[tuple[int, ...], ...]


def run_system(partition: Partition, lengths: Sequence[int]) -> SystemSchedule:
    """When everything happens to sequences of given lengths that are sent as fast as they are taken.

    Where clocks differ, what crosses them is counted in the slower one, so that times are bounds from above.
    """
    system = partition.system
    arrivals: list[int] = []
    found: list[Schedule] = []
    for index, part in enumerate(partition.parts):
        times = run_schedule(part.plan, lengths, arrivals)
        found.append(times)
        if any(block.select != "every" for block in part.plan.blocks):
            lengths = [1] * len(lengths)
        if index < len(partition.hops):
            arrivals = _arrivals(partition, part, times, partition.hops[index], partition.parts[index + 1])
    cycle = system.cycle_ticks(partition.parts[-1].device.name)
    return SystemSchedule(tuple(found), tuple(tuple(at * cycle for at in beats) for beats in found[-1].outputs))


def _arrivals(partition: Partition, sender: PartPlan, times: Schedule, hop: Hop, receiver: PartPlan) -> list[int]:
    """Cycle of the receiver from which on each step could be taken, a beat a cycle, to have its last beat in time."""
    system, wire = partition.system, hop.wire
    send, receive = (system.cycle_ticks(end) for end in wire.ends)
    word = system.word_ticks(wire)
    free, read, arrivals = 0, 0, []
    for beats in times.outputs:
        words = given(system, sender, hop, [at * send for at in beats], free)
        free = words[-1] + (1 + hop.words - hop.payload) * word  # behind it come its CRC and the next header
        first = max(read, words[-1] + hop.latency - (hop.payload - 1) * receive)
        delivered = [first + index * receive for index in range(hop.payload)]
        read = delivered[-1] + receive
        last = taken(system, hop, receiver, delivered)[-1]
        arrivals.append(ceil_div(last, receive) - receiver.inputs + 1)
    return arrivals


def settled_ticks(partition: Partition, steps: int = 64) -> tuple[int, int]:
    """Ticks that so many steps of one long sequence take once the pipeline is full, and how many steps that were."""
    outputs = run_system(partition, [2 * steps]).outputs
    return outputs[-1][-1] - outputs[-1 - steps][-1], steps
