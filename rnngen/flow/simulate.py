"""The circuit against the emulator, in Verilator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rnngen.arith.beats import unpack
from rnngen.arith.format import FloatArray, IntArray
from rnngen.emit.design import LATENCY_KEYS, SPACED_KEYS, Design, read_design
from rnngen.emit.folder import json_bytes, write_atomically
from rnngen.emulate.network import Cycles, Emulation, run_cycles, run_lengths, run_values
from rnngen.errors import DataError
from rnngen.flow.accuracy import ErrorFigures, error_figures, finite_or_none
from rnngen.flow.lengths import reference_of, without_padding
from rnngen.flow.locate import LONGEST_SEARCH, data_probes, find_origin
from rnngen.flow.stimulus import GivenInput, given_input, port_of, sent_lengths, sent_order, stimulus_of
from rnngen.flow.trace import Window, choose_window, planned_flags, probe_names, simulated_flags, trace_document
from rnngen.flow.waves import wave_file, with_stages
from rnngen.frontend import ReferenceRun
from rnngen.verify.compare import Comparison, Counter, compare
from rnngen.verify.compile import CompileOptions, optimisation_for
from rnngen.verify.measure import Measured
from rnngen.verify.simulator import (
    FIRST_INPUT_CYCLE,
    MEMORY_MODELS,
    ExternalMemory,
    RunOptions,
    RunResult,
    Stimulus,
    run,
)

Progress = Callable[[str], None]

SIMULATION_FILE = "simulation.json"
_COUNTERS = ("STEPS_IN", "STEPS_OUT", "SATURATIONS")
_MEMORY_BASE = 0x0123_4000
"""Byte address of external weights in the simulation: not 0, so that it is seen to be used."""

DETAILS_FILE = "simulation/details.json"


@dataclass(frozen=True, eq=False)
class SimulationReport:
    """Verdict and figures of a run.

    Attributes:
        output: Real values from the circuit (sequences, steps, output size); None if beats are missing.
        comparison: Circuit against emulator.  run: What the bench recorded.
        emulation: What was expected.  errors: Of every layer against float, the last being the output's.
        figures: simulation.json as plain data.
    """

    output: FloatArray | None
    comparison: Comparison
    run: RunResult
    emulation: Emulation
    errors: tuple[ErrorFigures, ...]
    figures: dict[str, Any]


def simulate(
    design: Design | Path | str,
    x: npt.ArrayLike | Path | str | None = None,
    *,
    steps: int | None = None,
    lengths: Sequence[int] | None = None,
    stall: float = 0.0,
    gaps: int | Sequence[int] = 0,
    memory: str | None = None,
    waves: str | None = None,
    description: str = "",
    progress: Progress = lambda line: None,
) -> SimulationReport:
    """Simulates a design, compares it with the emulator and the float network, and writes DIR/simulation.json.

    Args:
        x: Input (sequences, steps, features); None for uniform random numbers.
        steps: Of each sequence only the first so many; with no x, how many to make.
        lengths: Steps of each sequence of x, where they differ; what lies behind a sequence's end is ignored.
        stall: Probability of a pause, in each cycle and on each port; cycles are compared only at 0.
        gaps: Cycles between the arrivals of neighbouring steps, the first one's counted from the start: one number, or
            one for each step in the order sent.  A step is offered from its arrival on.
        memory: What external weights are in: ``"exact"``, of the latency that the plan counts on, or ``"axiram"``,
            cocotbext-axi's, with pauses of its own, whose cycles are not compared; None: exact, unless there is a
            stall.
        waves: Format of waveforms, ``"vcd"`` or ``"fst"``: writes DIR/simulation/waves.vcd (or .fst), what it shows
            (stages.sv), and views of it for GTKWave (waves.gtkw) and Surfer (waves.sucl).
        description: What the input is, for the report.

    Raises:
        DesignError: if the folder holds no sound design.  DataError: if x, steps, stall or gaps are wrong.
        ToolError: if Verilator, a compiler or make is missing or fails.
    """
    design = design if isinstance(design, Design) else read_design(Path(design))
    if not 0.0 <= stall < 1.0:
        raise DataError(f"--stall must be at least 0 and below 1, not {stall}.")
    traced_file = wave_file(design.folder, waves)
    given = given_input(design, x, steps, lengths, description)
    progress(f"emulating {len(given.lengths)} sequences, {sum(given.lengths)} steps")
    emulation = run_lengths(design.quantised, given.values, given.lengths)
    arrivals = _arrivals(gaps, sum(given.lengths), stall)
    cycles = run_cycles(design.plan, given.lengths, arrivals)
    reference = reference_of(design.network, given.values, given.lengths, {})
    window = choose_window(design.plan, cycles)
    external = _memory(design, memory or ("axiram" if stall else "exact"))
    exact = stall == 0.0 and (external is None or external.model == "exact")
    options = replace(_options(design, cycles, window, stall), memory=external, waves=traced_file)
    stimulus = stimulus_of(design, given, arrivals)
    options, shown = with_stages([(design.top, design)], options)
    result = run(design.folder, design.top, [*design.sources, *shown], stimulus, options, progress)
    comparison = _compare(design, given, emulation, cycles, result, exact_cycles=exact)
    # The traces count steps of sequences of one length, as they come over a single stream.
    traced = design.plan.streams == 1 and len(set(given.lengths)) == 1
    if comparison.first is not None and comparison.first.kind == "value" and traced:
        comparison = _located(design, given, comparison, stimulus, options, progress)
    errors = _errors(design, given, emulation, reference)
    figures = _figures(design, given, emulation, reference, result, comparison, errors[-1], stall)
    figures |= _sparse(design, gaps, arrivals, comparison.measured)
    figures |= {"memory": external.model} if external else {}
    details = _details(design, cycles, window, result, emulation, reference, errors, exact)
    write_atomically(design.folder / DETAILS_FILE, json_bytes(details))
    write_atomically(design.folder / SIMULATION_FILE, json_bytes(figures))
    return SimulationReport(_output(design, result, given), comparison, result, emulation, errors, figures)


def _arrivals(gaps: int | Sequence[int], steps: int, stall: float) -> list[int]:
    """Cycle from which on each step is offered; none where all of them are from the start."""
    each = [gaps] * steps if isinstance(gaps, int) else list(gaps)
    if len(each) != steps:
        raise DataError(f"There are {steps} steps and {len(each)} gaps: give one a step, or one number for all.")
    if min(each) < 0:
        raise DataError(f"--gap must be at least 0 cycles, not {min(each)}.")
    if not any(each):
        return []
    if stall:
        raise DataError(f"Give gaps between steps or random pauses (--stall {stall}), not both.")
    arrivals: list[int] = np.cumsum(each).tolist()
    return arrivals


def _sparse(design: Design, gaps: int | Sequence[int], arrivals: list[int], measured: Measured) -> dict[str, Any]:
    """What simulation.json says more of input that comes with gaps.

    The latencies measured are those of the first step: with gaps that leave the time for it, behind its h-part.
    """
    if not arrivals:
        return {}
    figures: dict[str, Any] = {"gaps": gaps if isinstance(gaps, int) else list(gaps)}
    if design.plan.spaced and arrivals[0] >= design.plan.ahead:
        figures |= dict.fromkeys(LATENCY_KEYS)
        found = measured.latency_first_output_cycles, measured.latency_last_output_cycles
        figures |= dict(zip(SPACED_KEYS, found))
    return figures


def _bench_cycle(cycle: int) -> int:
    """Cycle of the bench for a cycle of the plan."""
    return cycle + FIRST_INPUT_CYCLE


def _options(design: Design, cycles: Cycles, window: Window, stall: float) -> RunOptions:
    planned = int(cycles.output[-1, -1])
    return RunOptions(
        expected_beats=int(cycles.output.size),
        client="axi" if stall else "fast",
        stall=stall,
        # Pauses on both sides stretch the run; a hang must still end it.
        time_limit_cycles=int((2 * planned + 2 * int(cycles.input.size) + 1000) / (1.0 - stall) ** 2),
        probes=probe_names(design.plan),
        window=(_bench_cycle(window.start), _bench_cycle(window.end)),
        registers=tuple(design.document["registers"][name]["offset"] for name in _COUNTERS),
        compile=CompileOptions(optimisation=optimisation_for(planned, design.plan.multipliers)),
    )


def _memory(design: Design, model: str) -> ExternalMemory | None:
    """What holds the external weights, where there are some."""
    external, registers = design.document.get("external_weights"), design.document["registers"]
    if model not in MEMORY_MODELS:
        raise DataError(f"--memory must be one of {', '.join(MEMORY_MODELS)}, not {model}.")
    if external is None:
        return None
    values = {"MEMORY_BASE_LOW": _MEMORY_BASE, "MEMORY_BASE_HIGH": 0, "MEMORY_CONTROL": 1}
    filled = sum(stream.capacity for stream in design.plan.weights)
    return ExternalMemory(
        external["file"], model, external["latency_cycles"], _MEMORY_BASE,
        tuple((registers[name]["offset"], value) for name, value in values.items()),
        fill_cycles=2 * filled + external["latency_cycles"] + 100,
    )  # fmt: skip


def _compare(
    design: Design, given: GivenInput, emulation: Emulation, cycles: Cycles, result: RunResult, exact_cycles: bool
) -> Comparison:
    expected_cycles = cycles.output.ravel() + FIRST_INPUT_CYCLE if exact_cycles else None
    last = design.quantised.layers[-1].name
    port, beats = port_of(design, "m_axis"), design.plan.input_beats
    counters = _counters(emulation, result, len(cycles.input), len(cycles.output))
    expected = [words[:length] for words, length in zip(emulation.output, sent_lengths(design, given))]
    order = sent_order(design, given)
    return compare(expected, expected_cycles, result, port, beats, last, counters, order, design.plan.streams)


def _counters(emulation: Emulation, result: RunResult, steps: int, sent: int) -> list[Counter]:
    """Hardware counters beside what they must show once everything has come."""
    if not result.complete:
        return []
    expected = {"STEPS_IN": steps, "STEPS_OUT": sent, "SATURATIONS": emulation.total_saturations}
    return [Counter(name, min(expected[name], 2**32 - 1), got) for name, got in zip(_COUNTERS, result.registers)]


def _located(
    design: Design,
    given: GivenInput,
    comparison: Comparison,
    stimulus: Stimulus,
    options: RunOptions,
    progress: Progress,
) -> Comparison:
    """The comparison with its first difference traced to where it was born."""
    assert comparison.first is not None
    end = min((comparison.first.cycle or 0) + 1, LONGEST_SEARCH)
    progress(f"looking inside the pipeline for the first difference, up to cycle {end}")
    probed = replace(options, probes=data_probes(design), window=(0, end), waves=None)
    result = run(design.folder, design.top, design.sources, stimulus, probed, progress)
    emulation = run_values(design.quantised, given.values, keep_traces=True)
    origin = find_origin(design, emulation, result.probes, 0, given.values.shape[1])
    return comparison if origin is None else replace(comparison, first=origin)


def _errors(
    design: Design, given: GivenInput, emulation: Emulation, reference: ReferenceRun
) -> tuple[ErrorFigures, ...]:
    network = design.quantised
    return tuple(
        error_figures(
            *(
                without_padding(layer, given.lengths, values.shape[1] == 1)
                for layer in (network.block_format(block).to_float(values), reference.layers[block.source])
            )
        )
        for block, values in zip(network.blocks, emulation.blocks)
    )


def _output(design: Design, result: RunResult, given: GivenInput) -> FloatArray | None:
    port = port_of(design, "m_axis")
    lengths = sent_lengths(design, given)
    if len(result.out_beats) != sum(lengths) * port.beats_per_step:
        return None
    words: IntArray = unpack(result.out_beats, port, design.quantised.output_size)
    by_sequence = np.empty_like(words)
    by_sequence[sent_order(design, given)] = words
    padded = np.zeros((len(lengths), max(lengths), words.shape[-1]), dtype=np.int64)
    for target, own in zip(padded, np.split(by_sequence.reshape(sum(lengths), -1), np.cumsum(lengths)[:-1])):
        target[: len(own)] = own
    return design.quantised.output_format.to_float(padded)


def _figures(
    design: Design,
    given: GivenInput,
    emulation: Emulation,
    reference: ReferenceRun,
    result: RunResult,
    comparison: Comparison,
    error: ErrorFigures,
    stall: float,
) -> dict[str, Any]:
    """simulation.json."""
    measured = comparison.measured
    interval = _step_interval(design, given, result, measured)
    macs, multipliers = design.plan.macs, design.plan.multipliers
    names = [layer.name for layer in design.quantised.layers]
    names += [f"{block.post[-1].name if block.post else index}" for index, block in enumerate(design.quantised.blocks)]
    saturations = {name: counts for name, counts in zip(names, emulation.saturations) if counts}
    return {
        **comparison.figures,
        "input_description": given.description,
        "sequences": given.values.shape[0],
        "steps": measured.steps,
        "stall": stall,
        "cycles_total": measured.cycles_total,
        "step_interval_cycles": interval,
        "multiplier_utilisation": design.plan.streams * macs / (multipliers * interval) if interval else None,
        "latency_first_output_cycles": measured.latency_first_output_cycles,
        "latency_last_output_cycles": measured.latency_last_output_cycles,
        "saturations": result.registers[_COUNTERS.index("SATURATIONS")] if result.complete else None,
        "saturations_emulated": emulation.total_saturations,
        "saturations_by_layer": saturations,
        "input_saturations": emulation.input_saturations,
        "float_reference": reference.judge,
        "float_max_abs_error": error.max_abs,
        "float_mean_abs_error": error.mean_abs,
        "float_sqnr_db": finite_or_none(error.sqnr_db),
        "build_seconds": round(result.build_seconds, 3),
        "build_from_cache": result.cache_hit,
        "simulate_seconds": round(result.simulate_seconds, 3),
        "cycles_per_second": round(result.cycles_per_second),
        "waves": str(result.waves.relative_to(design.folder.resolve())) if result.waves else None,
    }


def _step_interval(design: Design, given: GivenInput, result: RunResult, measured: Measured) -> float | None:
    """Cycles a step of one stream; None where the run is too short to tell.

    Where outputs do not come step by step (sequences stored whole, or one output of each), from the end of the last
    sequence but one to the end of the last, by its steps; streams send a sequence each, side by side.
    """
    plan = design.plan
    if not plan.capacity and not design.quantised.one_step:
        return measured.step_interval_cycles
    sent = sent_lengths(design, given)
    groups = range(0, len(sent) - plan.streams + 1, plan.streams)
    last = np.cumsum([sum(sent[first : first + plan.streams]) for first in groups]) * plan.output_beats - 1
    if len(last) < 2 or last[-1] >= len(result.out_cycle):
        return None
    taken = sum(given.lengths[groups[-1] : groups[-1] + plan.streams])
    interval = plan.streams * float(result.out_cycle[last[-1]] - result.out_cycle[last[-2]]) / taken
    return int(interval) if interval.is_integer() else interval


def _details(
    design: Design,
    cycles: Cycles,
    window: Window,
    result: RunResult,
    emulation: Emulation,
    reference: ReferenceRun,
    errors: tuple[ErrorFigures, ...],
    exact_cycles: bool,
) -> dict[str, Any]:
    """What the report draws: the schedule of one step, errors by layer and over time."""
    last = design.quantised.output_format.to_float(emulation.output)
    error = np.abs(last - reference.output)
    document: dict[str, Any] = {
        "errors": {
            "reference": reference.judge,
            "sequences": int(error.shape[0]),
            "layers": [
                {
                    "name": design.network.layers[block.source].name,
                    "max_abs": figures.max_abs,
                    "mean_abs": figures.mean_abs,
                    "sqnr_db": finite_or_none(figures.sqnr_db),
                }
                for block, figures in zip(design.quantised.blocks, errors)
            ],
            "step_max": error.max(axis=(0, 2)).tolist(),
            "step_mean": error.mean(axis=(0, 2)).tolist(),
        },
        "trace": None,
    }
    sampled = all(len(samples) == window.end - window.start for samples in result.probes.values())
    if exact_cycles and sampled and result.probes:
        planned_beats = _beats(cycles.output.ravel(), window)
        simulated_beats = _beats(result.out_cycle - FIRST_INPUT_CYCLE, window)
        document["trace"] = trace_document(
            design.plan,
            window,
            planned_flags(design.plan, cycles, window),
            simulated_flags(design.plan, result.probes),
            (planned_beats, simulated_beats),
        )
    return document


def _beats(at: IntArray, window: Window) -> npt.NDArray[np.bool_]:
    """Cycles of the window in which an output beat passes."""
    flags = np.zeros(window.end - window.start, dtype=bool)
    inside = at[(at >= window.start) & (at < window.end)] - window.start
    flags[inside] = True
    return flags
