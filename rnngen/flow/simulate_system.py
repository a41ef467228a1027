"""All devices of a system and their links in one simulation, against the emulator."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rnngen.arith.beats import PortFormat
from rnngen.arith.format import IntArray
from rnngen.emit.devices import bench_shape, device_name
from rnngen.emit.folder import json_bytes, write_atomically
from rnngen.emit.system import SystemDesign, read_system
from rnngen.emulate.network import run_lengths
from rnngen.errors import DataError
from rnngen.flow.simulate import SIMULATION_FILE, Progress
from rnngen.flow.stimulus import GivenInput, given_input, port_of, stimulus_of
from rnngen.gateware.system.bench_top import FAULTS, bench_verilog
from rnngen.plan.partition.schedule import SystemSchedule, pace, run_system
from rnngen.verify.compare import Comparison, compare
from rnngen.verify.compile import CompileOptions, optimisation_for
from rnngen.verify.simulator import FIRST_INPUT_CYCLE, RunOptions, RunResult, run

BENCH = "system_bench"
"""Name of the module that holds the whole system."""

_VISIBLE = ("aclk*", "aresetn", "s_axis*", "m_axis*", "up", "failed_*", "hold_*", "line_*", "back_*")
_TRAINING_CYCLES = 20_000
_LEAST_LATENCY = 2
"""Of ``rnn_link_channel``."""


@dataclass(frozen=True, eq=False)
class SystemReport:
    """Verdict and figures of a run.

    Attributes:
        comparison: Circuit against emulator.  run: What the bench recorded.
        schedule: What was planned.
        output: Emulated integers of the last device.  figures: simulation.json as plain data.
    """

    comparison: Comparison
    run: RunResult
    schedule: SystemSchedule
    output: IntArray
    figures: dict[str, Any]


def simulate_system(
    system: SystemDesign | Path | str,
    x: npt.ArrayLike | Path | str | None = None,
    *,
    steps: int | None = None,
    faults: Mapping[str, int] | None = None,
    description: str = "",
    progress: Progress = lambda line: None,
) -> SystemReport:
    """Simulates a system, compares it with the emulator, and writes DIR/simulation.json.

    Args:
        x, steps: As for ``simulate``.
        faults: Inputs of the bench's top (``gateware.system.bench_top``) that are not 0, for instance
            ``{"line_0_bit_errors": 430}``: of each bit with a probability of 430 / 2**32.  Cycles are not compared
            then.

    Raises:
        DesignError: if the folder holds no sound system.  DataError: if x, steps or a fault's name is wrong.
        ToolError: if Verilator, a compiler or make is missing or fails.
    """
    system = system if isinstance(system, SystemDesign) else read_system(Path(system))
    _check(system)
    given = given_input(system.designs[0], x, steps, None, description)
    progress(f"emulating {len(given.lengths)} sequences, {sum(given.lengths)} steps")
    output = run_lengths(system.quantised, given.values, given.lengths).output
    schedule = run_system(system.partition, given.lengths)
    result = _run(system, given, schedule, faults or {}, progress)
    exact = system.partition.is_exact and not faults
    comparison = _compare(system, given, output, schedule if exact else None, result)
    figures = _figures(system, given, comparison, result)
    write_atomically(system.folder / SIMULATION_FILE, json_bytes(figures))
    return SystemReport(comparison, result, schedule, output, figures)


def _check(system: SystemDesign) -> None:
    for hop in system.partition.all_hops:
        if hop.wire.latency_cycles < _LEAST_LATENCY:
            raise DataError(
                f"A link in simulation has a latency of at least {_LEAST_LATENCY} cycles, not "
                f"{hop.wire.latency_cycles}, as that from '{hop.wire.source}' to '{hop.wire.target}'; describe it so."
            )
    if not system.partition.is_exact:
        raise DataError("Devices of different clocks are not simulated together yet; give all of them one clock.")


def _run(
    system: SystemDesign, given: GivenInput, schedule: SystemSchedule, faults: Mapping[str, int], progress: Progress
) -> RunResult:
    """The bench on all devices' files in one folder."""
    designs = system.designs
    cores = [design.top for design in designs]
    shape = bench_shape(system.partition, [design.quantised for design in designs], cores)
    inputs = _inputs(len(designs), len(shape.lines), faults)
    outputs = schedule.parts[-1].outputs
    planned = outputs[-1][-1]
    multipliers = sum(design.plan.multipliers for design in designs)
    options = RunOptions(
        expected_beats=sum(len(beats) for beats in outputs),
        time_limit_cycles=_TRAINING_CYCLES + (20 if faults else 2) * planned,
        inputs=tuple(inputs.items()),
        wait_for="up",
        compile=CompileOptions(visible=_VISIBLE, optimisation=optimisation_for(planned, multipliers)),
    )
    with tempfile.TemporaryDirectory(prefix="rnngen-") as name:
        rtl = Path(name) / "rtl"
        rtl.mkdir()
        for design in designs:
            for file in (design.folder / "rtl").iterdir():
                shutil.copy(file, rtl / file.name)
        (rtl / f"{BENCH}.v").write_text(bench_verilog(shape, BENCH), encoding="ascii")
        leaves = [source.name for source in designs[0].sources[:-1]]
        tops = [f"{module}.v" for core in cores for module in (core, device_name(core))]
        sources = [Path(file) for file in (*leaves, *tops, f"{BENCH}.v")]
        stimulus = stimulus_of(system.designs[0], given, [])
        return run(Path(name), BENCH, sources, stimulus, options, progress)


def _inputs(devices: int, lines: int, faults: Mapping[str, int]) -> dict[str, int]:
    """All inputs of the bench's top that are no stream and no clock."""
    known = {f"{way}_{k}_{name}": bits for k in range(lines) for way in ("line", "back")
             for name, bits in FAULTS.items()} | {f"hold_{k}": 1 for k in range(devices)}  # fmt: skip
    for name, value in faults.items():
        if name not in known:
            raise DataError(f"A fault must be one of {', '.join(known)}, not '{name}'.")
        if not 0 <= value < 1 << known[name]:
            raise DataError(f"Fault '{name}' must be within 0..{(1 << known[name]) - 1}, not {value}.")
    return dict.fromkeys(known, 0) | dict(faults)


def _compare(
    system: SystemDesign, given: GivenInput, output: IntArray, schedule: SystemSchedule | None, result: RunResult
) -> Comparison:
    port, order = _sink(system)
    cycles = None if schedule is None else np.array(schedule.parts[-1].outputs).ravel() + FIRST_INPUT_CYCLE
    lengths = (1,) * len(given.lengths) if system.quantised.one_step else given.lengths
    expected = [words[:length, order] for words, length in zip(output, lengths)]
    name = system.designs[-1].quantised.layers[-1].name
    return compare(expected, cycles, result, port, system.designs[0].plan.input_beats, name)


def _sink(system: SystemDesign) -> tuple[PortFormat, IntArray]:
    """How results come, and which units they are: of a layer's rows, a beat of each device side by side."""
    last, count = port_of(system.designs[-1], "m_axis"), len(system.partition.parts[-1].names)
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
    }
