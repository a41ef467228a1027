"""The HTML report of a system, and those of its devices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rnngen.emit.design import Design
from rnngen.emit.system import SystemDesign
from rnngen.plan.layer import ceil_div
from rnngen.plan.partition import Partition
from rnngen.plan.partition.timeline import SystemTimes, system_times
from rnngen.report.system import SystemView

_DRAWN_STEPS, _DRAWN_SEQUENCES = 4, 3
"""So many steps, or where sequences are stored or give one result so many sequences, are drawn until they are out."""
_STEPS_OF_SEQUENCE = 4
_MOST_STEPS = 100


def system_view(system: SystemDesign, simulation: dict[str, Any] | None, reports: tuple[str, ...]) -> SystemView:
    """What the report draws: the cut as it was written, and the planned times of the first steps."""
    times, end = _first_steps(system.partition)
    first = system.designs[0].document
    told = {key: first.get(key) for key in ("weight_bits", "activation_bits")}
    network = first["network"]
    told |= {"source": network["source"], "calibration_description": network["calibration"]}
    blocks = [name for design in system.designs for name in _blocks(design)]
    stages = tuple(tuple(_stages(design)) for design in system.designs)
    return SystemView(system.document | told, simulation, blocks, stages, times, end, reports)


def _blocks(design: Design) -> Iterator[str]:
    """Names of a design's blocks: of their layers."""
    for block in design.quantised.blocks:
        layers = (design.quantised.layers[index].name for branch in block.branches for index in branch.indices)
        yield " + ".join(layers)


def _stages(design: Design) -> Iterator[str]:
    """Names of what multiplies, by block and stage."""
    for block in design.quantised.blocks:
        for stage in block.branches[0].stages:
            yield design.quantised.layers[stage[0]].name


def _first_steps(partition: Partition) -> tuple[SystemTimes, int]:
    """Planned times of a run, and the end of what is drawn: all steps that begin before it are there."""
    blocks = [block for part in partition.parts for block in part.plan.blocks]
    if any(block.stored or block.select != "every" for block in blocks):
        longest = min([_STEPS_OF_SEQUENCE, *(block.capacity for block in blocks if block.stored)])
        times = system_times(partition, [longest] * 2 * _DRAWN_SEQUENCES)
        return times, max(given.end for given in times.devices[-1].gives if given.sequence < _DRAWN_SEQUENCES)
    steps = ceil_div(partition.latency_ticks, partition.interval_ticks) + 2 * _DRAWN_STEPS
    times = system_times(partition, [min(steps, _MOST_STEPS)])
    last = times.devices[0].takes[-1].end
    return times, min(times.devices[-1].gives[_DRAWN_STEPS - 1].end, last)
