"""Each device of a system in a simulation of its own, all of them in step."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from rnngen.emit.system import SystemDesign
from rnngen.errors import DataError
from rnngen.flow.stimulus import GivenInput, stimulus_of
from rnngen.flow.system_bench import bench_files
from rnngen.gateware.system.bench_top import CHANNEL_CYCLES, LOST, BenchShape, Way
from rnngen.verify.apart import ApartResult, Change, Process, run_apart
from rnngen.verify.course import Course
from rnngen.verify.simulator import READY, Event, Progress, RunOptions, RunResult

_ALONE_CYCLES = 1 << 10
"""Between two moments where nothing joins processes."""


def run_devices_apart(
    system: SystemDesign, shape: BenchShape, given: GivenInput, options: RunOptions, disturbed: bool, progress: Progress
) -> RunResult:
    """All devices, joined; the result is that of one simulation with these options.

    Args:
        disturbed: Devices that share the host's side may come out of step, and are held together in every cycle.

    Raises:
        DataError: if a link is so short that processes would wait for each other in every cycle.
        ToolError: as for ``verify.apart.run_apart``.
    """
    held = [group for group in (shape.inputs, shape.outputs) if len(group) > 1]
    together = held if disturbed or not shape.one_clock else []
    course = Course(options, _window(shape, options), tuple({shape.device_clock(group[0]) for group in together}))
    with tempfile.TemporaryDirectory(prefix="rnngen-") as name:
        processes = [
            _process(system, replace(shape, here=(index,)), given, options, Path(name) / str(index), bool(together))
            for index in range(len(system.designs))
        ]
        return _joined(shape, course, run_apart(processes, course, progress))


def _process(
    system: SystemDesign, shape: BenchShape, given: GivenInput, options: RunOptions, folder: Path, together: bool
) -> Process:
    """The device that is here, with its ends of lines, in a new folder."""
    (index,) = shape.inside
    folder.mkdir()
    design, top = system.designs[index], f"system_bench_{index}"
    clocks = dict(options.clocks)
    names = [shape.device_clock(index), *(clock for way in shape.ways for clock in _running(shape, way))]
    starts, events = (tuple(_changes(shape, found)) for found in (options.start_events, options.events))
    return Process(
        folder,
        top,
        tuple(bench_files([design], shape, top, folder)),
        stimulus_of(design, given, []) if index in shape.inputs else None,
        options.expected_beats if index in shape.outputs else 0,
        tuple((name, clocks[name]) for name in dict.fromkeys(names)),
        tuple((way.name, way.clock) for way in shape.ways if shape.leaves(way)),
        tuple((way.name, way.clock, _late(way)) for way in shape.ways if shape.comes(way)),
        tuple((name, value) for _, name, value, _ in _changes(shape, [(0, *each) for each in options.inputs])),
        starts,
        events,
        together and index in shape.inputs and len(shape.inputs) > 1,
        together and index in shape.outputs and len(shape.outputs) > 1,
        (f"failed_{index}",),
        options.compile,
    )


def _running(shape: BenchShape, way: Way) -> tuple[str, ...]:
    """Clocks of a line that its end here needs: a channel's are both here."""
    return (way.clock,) if shape.leaves(way) else (way.clock, way.heard)


def _late(way: Way) -> int:
    """Cycles of its clock that pass before what is sent comes in."""
    return way.latency - CHANNEL_CYCLES


def _window(shape: BenchShape, options: RunOptions) -> int:
    """Ticks that processes run without each other."""
    shortest = min((way.latency for way in shape.ways), default=_ALONE_CYCLES)
    if shortest <= CHANNEL_CYCLES:
        raise DataError(
            f"Devices that are simulated apart have links of more than {CHANNEL_CYCLES} cycles, not {shortest}; leave "
            f"--apart away."
        )
    clocks = dict(options.clocks)
    apart = [_late(way) * clocks[way.clock] for way in shape.ways]
    return min(apart, default=_ALONE_CYCLES * options.clocks[0][1])


def _changes(shape: BenchShape, events: Sequence[Event]) -> Iterator[Change]:
    """Of the inputs that are here.

    What is about a line's words comes when those do; that a line is down is seen at its end at once.
    """
    ways = {f"{way.name}_{fault}": way for way in shape.ways if not shape.leaves(way) for fault in shape.faults(way)}
    (index,) = shape.inside
    own = {f"hold_{index}", *([READY] if index in shape.outputs else [])}
    for cycle, name, value in events:
        way = ways.get(name)
        late = way is not None and shape.comes(way)
        if name in own or (way is not None and (not late or name == f"{way.name}_down")):
            yield cycle, name, value, None
        if way is not None and late:
            yield cycle, f"{way.name}_{LOST}" if name == f"{way.name}_down" else name, value, way.name


def _joined(shape: BenchShape, course: Course, ran: ApartResult) -> RunResult:
    """What one simulation would have recorded: beats of several devices side by side, taken when all are there."""
    results, options = ran.processes, course.options
    last = [results[index] for index in shape.outputs]
    count = min(len(result.out_tick) for result in last)
    out_tick = np.max([result.out_tick[:count] for result in last], axis=0)
    return RunResult(
        in_cycle=results[shape.inputs[0]].in_cycle,
        out_beats=np.hstack([result.out_beats[:count] for result in last]),
        out_last=last[0].out_last[:count],
        out_tid=np.zeros(count, dtype=np.int64),
        out_cycle=-(-out_tick // dict(options.clocks)[options.output_clock]),
        out_tick=out_tick,
        cycles=ran.cycles,
        complete=ran.complete,
        probes={},
        registers=(),
        watched={name: cycle for result in results for name, cycle in result.watched.items()},
        build_seconds=sum(result.build_seconds for result in results),
        simulate_seconds=ran.seconds,
        cache_hit=all(result.cache_hit for result in results),
        waves=None,
        same_clock=options.same_clock,
    )
