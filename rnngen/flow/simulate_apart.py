"""Each device of a system in a simulation of its own, all of them in step."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from rnngen.emit.system import SystemDesign
from rnngen.errors import DataError
from rnngen.flow.stimulus import GivenInput, stimulus_of
from rnngen.flow.system_bench import TRAINING_CYCLES, VISIBLE, bench_files
from rnngen.gateware.system.bench_top import CHANNEL_CYCLES, FAULTS, BenchShape
from rnngen.plan.partition.schedule import SystemSchedule
from rnngen.verify.apart import Limits, Process, ProcessResult, run_apart
from rnngen.verify.compile import CompileOptions, optimisation_for
from rnngen.verify.simulator import Progress, RunOptions, RunResult


def run_devices_apart(
    system: SystemDesign, shape: BenchShape, given: GivenInput, schedule: SystemSchedule, progress: Progress
) -> RunResult:
    """All devices, joined; the result is that of one simulation.

    Raises:
        DataError: if a link is so short that processes would wait for each other in every cycle.
        ToolError: as for ``verify.apart.run_apart``.
    """
    window = _window(shape)
    cycles = schedule.outputs[-1][-1] // system.partition.system.cycle_ticks(system.partition.parts[0].device.name)
    with tempfile.TemporaryDirectory(prefix="rnngen-") as name:
        processes = []
        for index, design in enumerate(system.designs):
            folder = Path(name) / str(index)
            folder.mkdir()
            own = replace(shape, here=(index,), window=window)
            top = f"system_bench_{index}"
            sources = tuple(bench_files([design], own, top, folder))
            multipliers = design.plan.multipliers
            processes.append(
                Process(
                    folder, top, sources,
                    stimulus_of(design, given, []) if index in shape.inputs else None,
                    sum(len(beats) for beats in schedule.outputs) if index in shape.outputs else 0,
                    tuple(way.name for way in own.ways if own.leaves(way)),
                    tuple(way.name for way in own.ways if own.comes(way)),
                    _inputs(own),
                    (f"failed_{index}",),
                    CompileOptions(visible=VISIBLE, optimisation=optimisation_for(cycles, multipliers)),
                )
            )  # fmt: skip
        limits = Limits(RunOptions.drain_cycles, TRAINING_CYCLES + 2 * cycles)
        results, seconds = run_apart(processes, window, limits, progress)
    return _joined(shape, processes, results, seconds)


def _window(shape: BenchShape) -> int:
    """Cycles that processes run without each other."""
    shortest = min((line.latency for line in shape.lines), default=1 << 10)
    if shortest <= CHANNEL_CYCLES:
        raise DataError(
            f"Devices that are simulated apart have links of more than {CHANNEL_CYCLES} cycles, not {shortest}; leave "
            f"--apart away."
        )
    return shortest - CHANNEL_CYCLES


def _inputs(shape: BenchShape) -> tuple[tuple[str, int], ...]:
    """No faults, and no device held in reset."""
    faults = [f"{way.name}_{name}" for way in shape.ways if not shape.leaves(way) for name in FAULTS]
    return tuple((name, 0) for name in (*faults, *(f"hold_{index}" for index in shape.inside)))


def _joined(
    shape: BenchShape, processes: Sequence[Process], results: Sequence[ProcessResult], seconds: float
) -> RunResult:
    """What one simulation would have recorded: beats of several devices side by side, taken when all are there."""
    first, last = results[shape.inputs[0]], [results[index] for index in shape.outputs]
    count = min(len(result.out_cycle) for result in last)
    out_cycle = np.max([result.out_cycle[:count] for result in last], axis=0)
    expected = processes[shape.outputs[0]].expected_beats
    return RunResult(
        in_cycle=first.in_cycle,
        out_beats=np.hstack([result.out_beats[:count] for result in last]),
        out_last=last[0].out_last[:count],
        out_tid=np.zeros(count, dtype=np.int64),
        out_cycle=out_cycle,
        out_tick=out_cycle,
        cycles=max(result.cycles for result in results),
        complete=all(len(result.out_cycle) >= expected for result in last),
        probes={},
        registers=(),
        watched={name: cycle for result in results for name, cycle in result.watched.items()},
        build_seconds=sum(result.build_seconds for result in results),
        simulate_seconds=seconds,
        cache_hit=all(result.cache_hit for result in results),
        waves=None,
    )
