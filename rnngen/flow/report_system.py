"""The HTML report of a system, and those of its devices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rnngen.emit.design import Design
from rnngen.emit.system import SystemDesign
from rnngen.plan.partition import Partition
from rnngen.plan.partition.timeline import SystemTimes, system_times
from rnngen.report.system import SystemView

_DRAWN_STEPS, _DRAWN_SEQUENCES = 4, 3
"""So many steps are drawn until they are out; where sequences are stored or give one result, so many sequences until
their first result is.
"""
_STEPS_OF_SEQUENCE = 4
_MOST_STEPS = 100
"""So many are not run to fill a figure."""


def system_view(system: SystemDesign, simulation: dict[str, Any] | None, reports: tuple[str, ...]) -> SystemView:
    """What the report draws: the cut as it was written, and the planned times of the first steps."""
    times, end = first_steps(system.partition)
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


def first_steps(partition: Partition) -> tuple[SystemTimes, int]:
    """Planned times of a run, and the end of what is drawn: up to there nothing is left out."""
    blocks = [block for part in partition.parts for block in part.plan.blocks]
    by_ends = any(block.stored or block.select != "every" for block in blocks)
    each = min([_STEPS_OF_SEQUENCE, *(block.capacity for block in blocks if block.stored)])
    last = (_DRAWN_SEQUENCES - 1, 0) if by_ends else (0, _DRAWN_STEPS - 1)
    count = 2 * max(_DRAWN_SEQUENCES, _DRAWN_STEPS)
    while True:
        times = system_times(partition, [each] * count if by_ends else [count])
        taken = times.devices[0].takes
        end = next(given.end for given in times.results if (given.sequence, given.step) == last)
        if taken[-1].end >= end or len(taken) > _MOST_STEPS:
            return times, min(end, taken[-1].end)
        count *= 2
