"""All devices of a system and their links in one simulation, against the emulator."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rnngen.arith.beats import PortFormat
from rnngen.arith.format import IntArray
from rnngen.emit.bench import bench_shape
from rnngen.emit.folder import json_bytes, write_atomically
from rnngen.emit.system import SystemDesign, read_system
from rnngen.emulate.network import run_lengths
from rnngen.errors import DataError
from rnngen.flow.simulate import SIMULATION_FILE, Progress
from rnngen.flow.simulate_apart import run_devices_apart
from rnngen.flow.stimulus import GivenInput, given_input, port_of, stimulus_of
from rnngen.flow.system_bench import TRAINING_CYCLES, VISIBLE, bench_files
from rnngen.flow.waves import wave_file, with_stages
from rnngen.gateware.system.bench_top import CHANNEL_CYCLES, FAULTS, BenchShape, device_instance, line_clock_name
from rnngen.gateware.system.device import CORE
from rnngen.plan.partition.schedule import SystemSchedule, pace, run_system
from rnngen.verify.compare import Comparison, compare
from rnngen.verify.compile import CompileOptions, optimisation_for
from rnngen.verify.simulator import FIRST_INPUT_CYCLE, READY, Event, RunOptions, RunResult, run

BENCH = "system_bench"
"""Name of the module that holds the whole system."""

_SURPLUS_CYCLES = 2_000
"""In which something wrong may still come out of a system that failed, or was disturbed."""

Faults = Mapping[str, int | Sequence[tuple[int, int]]]
"""Inputs of the bench's top (``gateware.system.bench_top``) by name: a value for the whole run, or (cycle, value), each
from this cycle on and 0 before.  Cycles are those of the first device."""


@dataclass(frozen=True)
class SystemTimes:
    """Measured ticks of the system (``System.ticks_hz``); None where the run is too short to tell.

    Attributes:
        step_interval: Mean distance of consecutive steps' last output beats in the second half of the run.
        latency_first_output, latency_last_output: From the first step's last input beat to its first and last output.
    """

    step_interval: float | None
    latency_first_output: int | None
    latency_last_output: int | None


@dataclass(frozen=True, eq=False)
class SystemReport:
    """Verdict and figures of a run.

    Attributes:
        comparison: Circuit against emulator.  run: What the bench recorded.
        schedule: What was planned.  times: What was measured.
        failed: By device, the first cycle of the first device in which it said that a link was lost; None: never.
        output: Emulated integers of the last device.  figures: simulation.json as plain data.
    """

    comparison: Comparison
    run: RunResult
    schedule: SystemSchedule
    times: SystemTimes
    failed: tuple[int | None, ...]
    output: IntArray
    figures: dict[str, Any]


@dataclass(frozen=True)
class _Disturbance:
    """What is done to a system while it runs."""

    inputs: tuple[tuple[str, int], ...]
    start: tuple[Event, ...]
    events: tuple[Event, ...]
    stall: float

    @property
    def any(self) -> bool:
        """Whether there is anything."""
        return bool(self.start or self.events or self.stall or any(value for _, value in self.inputs))

    @property
    def last(self) -> int:
        """Cycles until the last change."""
        return max((cycle for cycle, _, _ in (*self.start, *self.events)), default=0)


def simulate_system(
    system: SystemDesign | Path | str,
    x: npt.ArrayLike | Path | str | None = None,
    *,
    steps: int | None = None,
    faults: Faults | None = None,
    start_faults: Faults | None = None,
    stall: float = 0.0,
    apart: bool = False,
    waves: str | None = None,
    description: str = "",
    progress: Progress = lambda line: None,
) -> SystemReport:
    """Simulates a system, compares it with the emulator, and writes DIR/simulation.json.

    Every device has its own clock, of its exact period.  Where all clocks are equal every output has its planned cycle;
    where they differ the plan is a bound, and no output may come later.  Clocks that drift apart by some parts per
    million are clocks that differ: describe them so (``clock_mhz = 100.005``).

    Args:
        x, steps: As for ``simulate``.
        faults: For instance ``{"line_0_bit_errors": 430}``, of each bit with a probability of 430 / 2**32, or
            ``{"hold_1": [(500, 1), (600, 0)]}``.  Cycles count from the one in which all links are up, as in
            ``sim/bench_stream.py``, and begin with 1.  ``m_axis_tready``, the host's, may be given likewise, in cycles
            of the device that gives the results; it is 1 before.  With faults neither cycles nor bounds are compared.
        start_faults: The same, in cycles from the end of the reset on, while no link is up yet.
        stall: As for ``simulate``.
        apart: Each device in a simulation of its own, in a process of its own, for systems that are too large for one,
            and with the same result; without ``stall``.
        waves: As for ``simulate``, of all cores in one waveform; not with ``apart``, nor where a device has several
            cores.

    Raises:
        DesignError: if the folder holds no sound system.  DataError: if x, steps or a fault is wrong, or devices are to
            be apart whose links are too short for that.
        ToolError: if Verilator, a compiler or make is missing or fails.
    """
    if not 0.0 <= stall < 1.0:
        raise DataError(f"--stall must be at least 0 and below 1, not {stall}.")
    system = system if isinstance(system, SystemDesign) else read_system(Path(system))
    _check(system)
    given = given_input(system.designs[0], x, steps, None, description)
    shape = bench_shape(system.partition, [design.quantised for design in system.designs], _cores(system))
    disturbance = _disturbance(shape, faults or {}, start_faults or {}, stall)
    _check_waves(shape, waves, apart)
    file = wave_file(system.folder, waves)
    progress(f"emulating {len(given.lengths)} sequences, {sum(given.lengths)} steps")
    output = run_lengths(system.quantised, given.values, given.lengths).output
    schedule = run_system(system.partition, given.lengths)
    options = replace(_options(system, shape, schedule, disturbance), waves=file)
    if apart:
        _check_apart(shape, disturbance)
        result = run_devices_apart(system, shape, given, options, disturbance.any, progress)
    else:
        result = _run(system, shape, given, options, progress)
    comparison = _compare(system, given, output, None if disturbance.any else schedule, result)
    times = _times(system, result)
    failed = tuple(result.watched.values())
    figures = _figures(system, given, comparison, result) | _tick_figures(system, times, failed)
    write_atomically(system.folder / SIMULATION_FILE, json_bytes(figures))
    return SystemReport(comparison, result, schedule, times, failed, output, figures)


def _check(system: SystemDesign) -> None:
    for hop in system.partition.all_hops:
        wire = hop.wire
        latency = wire.latency_cycles * hop.sender
        if latency < CHANNEL_CYCLES * (hop.own_clock or hop.sender):
            raise DataError(
                f"A link in simulation has a latency of at least {CHANNEL_CYCLES} cycles of its own, not "
                f"{latency / (hop.own_clock or hop.sender):.3g}, as that from '{wire.source}' to '{wire.target}'; "
                f"describe it so."
            )


def _check_apart(shape: BenchShape, disturbance: _Disturbance) -> None:
    if shape.chips:
        raise DataError("The cores of a device are in one simulation, and so are all others then; leave --apart away.")
    if disturbance.stall:
        raise DataError(
            "Pauses of another maker's client (--stall) are for a simulation of all devices in one process; leave "
            "--apart away."
        )


def _check_waves(shape: BenchShape, waves: str | None, apart: bool) -> None:
    if waves is not None and apart:
        raise DataError("Waveforms are of all devices in one simulation; leave --waves or --apart away.")
    if waves is not None and shape.chips:
        raise DataError("No waveforms are made of devices with several cores; leave --waves away.")


def _cores(system: SystemDesign) -> list[str]:
    return [design.top for design in system.designs]


def _run(
    system: SystemDesign,
    shape: BenchShape,
    given: GivenInput,
    options: RunOptions,
    progress: Progress,
) -> RunResult:
    """The bench on all devices' files in one folder."""
    with tempfile.TemporaryDirectory(prefix="rnngen-") as name:
        sources = bench_files(system.designs, shape, BENCH, Path(name))
        stimulus = stimulus_of(system.designs[0], given, [])
        places = [f"{BENCH}.{device_instance(index)}.{CORE}" for index in range(len(system.designs))]
        options, shown = with_stages(list(zip(places, system.designs)), options)
        return run(Path(name), BENCH, [*sources, *shown], stimulus, options, progress)


def _options(
    system: SystemDesign, shape: BenchShape, schedule: SystemSchedule, disturbance: _Disturbance
) -> RunOptions:
    outputs = schedule.outputs
    ticks, stall = _cycle_ticks(system), disturbance.stall
    planned = outputs[-1][-1] // ticks[0] + 1
    fastest = outputs[-1][-1] // min(ticks)
    multipliers = sum(design.plan.multipliers for design in system.designs)
    training = TRAINING_CYCLES * max(ticks) // ticks[0]
    limit = training + 2 * planned
    if disturbance.any:
        reported = report_cycles(shape) * max(ticks) // ticks[0]
        limit = training + int(20 * planned / (1.0 - stall) ** 2) + disturbance.last + reported
    # Devices of one clock have one port for it.
    clocks = {shape.device_clock(index): each for index, each in enumerate(ticks)}
    clocks |= {line_clock_name(k): line.clock.ticks for k, line in enumerate(shape.lines) if line.clock is not None}
    return RunOptions(
        expected_beats=sum(len(beats) for beats in outputs),
        client="axi" if stall else "fast",
        stall=stall,
        time_limit_cycles=limit,
        drain_cycles=_SURPLUS_CYCLES if disturbance.any else RunOptions.drain_cycles,
        clocks=tuple(clocks.items()),
        output_clock=shape.device_clock(shape.outputs[0]),
        inputs=disturbance.inputs,
        start_events=disturbance.start,
        events=disturbance.events,
        wait_for="up",
        watch=tuple(f"failed_{index}" for index in range(len(ticks))),
        compile=CompileOptions(visible=VISIBLE, optimisation=optimisation_for(fastest, multipliers)),
    )


def report_cycles(shape: BenchShape) -> int:
    """Cycles of the slowest device from a link's death until every device has failed: the news cross every line."""
    ends = [(shape.devices[line.left].links[line.left_link], line) for line in shape.lines]
    return sum(link.report_cycles(line.latency) for link, line in ends)


def _cycle_ticks(system: SystemDesign) -> list[int]:
    """Ticks of each device's cycle."""
    ticks_hz = system.partition.system.ticks_hz
    return [ticks_hz // system.system.device(name).clock_hz for name in system.names]


def _disturbance(shape: BenchShape, faults: Faults, start: Faults, stall: float) -> _Disturbance:
    """Every input of the bench's top that is no stream and no clock, and what is done to it."""
    lines = [k for k, line in enumerate(shape.lines) if not line.inside]
    known = {f"{way}_{k}_{name}": bits for k in lines for way in ("line", "back")
             for name, bits in FAULTS.items()} | {f"hold_{k}": 1 for k in range(len(shape.devices))}  # fmt: skip
    inputs = dict.fromkeys(known, 0)
    for found in (faults, start):
        for name, value in found.items():
            if isinstance(value, int):
                _check_fault(name, value, known)
                inputs[name] = value
    timed = tuple(_timed(faults, known | {READY: 1})), tuple(_timed(start, known))
    return _Disturbance(tuple(inputs.items()), timed[1], timed[0], stall)


def _timed(faults: Faults, known: Mapping[str, int]) -> Iterator[Event]:
    for name, value in faults.items():
        if not isinstance(value, int):
            for cycle, each in value:
                _check_fault(name, each, known)
                yield cycle, name, each


def _check_fault(name: str, value: int, known: Mapping[str, int]) -> None:
    if name not in known:
        raise DataError(f"A fault must be one of {', '.join(known)}, not '{name}'.")
    if not 0 <= value < 1 << known[name]:
        raise DataError(f"Fault '{name}' must be within 0..{(1 << known[name]) - 1}, not {value}.")


def _compare(
    system: SystemDesign, given: GivenInput, output: IntArray, schedule: SystemSchedule | None, result: RunResult
) -> Comparison:
    port, order = _sink(system)
    cycles = latest = None
    if schedule is not None and system.partition.is_exact:
        cycles = np.array(schedule.outputs).ravel() // _cycle_ticks(system)[0] + FIRST_INPUT_CYCLE
    elif schedule is not None:
        latest = np.array(schedule.outputs).ravel() + FIRST_INPUT_CYCLE * _cycle_ticks(system)[0]
    lengths = (1,) * len(given.lengths) if system.quantised.one_step else given.lengths
    expected = [words[:length, order] for words, length in zip(output, lengths)]
    name = system.giver.quantised.layers[-1].name
    beats = system.designs[0].plan.input_beats
    return compare(expected, cycles, result, port, beats, name, latest_ticks=latest)


def _sink(system: SystemDesign) -> tuple[PortFormat, IntArray]:
    """How results come, and which units they are: of a layer's rows, a beat of each device side by side."""
    last, count = port_of(system.giver, "m_axis"), len(system.partition.parts[-1].givers)
    units = np.arange(system.quantised.output_size)
    if count == 1:
        return last, units
    port = replace(last, words_per_beat=last.words_per_beat * count, tdata_bits=last.tdata_bits * count)
    return port, units.reshape(count, last.beats_per_step, -1).transpose(1, 0, 2).ravel()


def _figures(
    system: SystemDesign, given: GivenInput, comparison: Comparison, result: RunResult
) -> dict[str, Any]:
    """simulation.json."""
    measured = comparison.measured
    return {
        "devices": list(system.names),
        **comparison.figures,
        "within_bounds": comparison.within_bounds if comparison.times_compared else None,
        "input_description": given.description,
        "sequences": given.values.shape[0],
        "steps": measured.steps,
        "step_interval_cycles": measured.step_interval_cycles,
        "latency_first_output_cycles": measured.latency_first_output_cycles,
        "latency_last_output_cycles": measured.latency_last_output_cycles,
        "planned_step_interval_cycles": pace(system.partition),
        "build_seconds": round(result.build_seconds, 3),
        "simulate_seconds": round(result.simulate_seconds, 3),
        "cycles_per_second": round(result.cycles_per_second),
        "waves": str(result.waves.relative_to(system.folder.resolve())) if result.waves else None,
    }


def _times(system: SystemDesign, result: RunResult) -> SystemTimes:
    cycle = _cycle_ticks(system)[0]
    inputs, outputs = system.designs[0].plan.input_beats, system.giver.plan.output_beats
    out = result.out_tick
    ends = out[outputs - 1 :: outputs]
    later = ends[len(ends) // 2 :]
    interval = float(later[-1] - later[0]) / (len(later) - 1) if len(later) > 1 else None
    if len(result.in_cycle) < inputs or not len(ends):
        return SystemTimes(interval, None, None)
    fed = int(result.in_cycle[inputs - 1]) * cycle
    return SystemTimes(interval, int(out[0]) - fed, int(ends[0]) - fed)


def _tick_figures(system: SystemDesign, times: SystemTimes, failed: Sequence[int | None]) -> dict[str, Any]:
    """What has no cycle of its own where clocks differ."""
    partition = system.partition
    return {
        "ticks_hz": partition.system.ticks_hz,
        "step_interval_ticks": times.step_interval,
        "planned_step_interval_ticks": partition.interval_ticks,
        "latency_first_output_ticks": times.latency_first_output,
        "latency_last_output_ticks": times.latency_last_output,
        "planned_latency_last_output_ticks": partition.latency_ticks,
        "failed_cycle": dict(zip(system.names, failed)),
    }
