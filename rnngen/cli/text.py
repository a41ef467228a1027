"""Results as lines that people can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rnngen.build import ToolStatus
from rnngen.emit.design import Design
from rnngen.flow import EmulationReport
from rnngen.frontend import ModelSummary
from rnngen.verify.view import GTKWAVE_SUFFIX, SURFER_SUFFIX

MEGA = 1e6


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as columns of equal width."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def _sizes(inputs: int, outputs: int) -> str:
    return f"{inputs} -> {outputs}"


def _found_lines(summary: ModelSummary) -> list[str]:
    """What has parameters in a state dict or live module."""
    rows = [("found", "kind", "sizes", "supported")]
    for layer in summary.layers:
        sizes = _sizes(layer.input_size, layer.output_size) + (f", {layer.layers} layers" if layer.layers > 1 else "")
        rows.append((layer.name, layer.kind, sizes, "yes" if layer.supported else f"no: {layer.reason}"))
    return table(rows) if summary.layers else []


def _chain_lines(summary: ModelSummary) -> list[str]:
    """What the host does and what the accelerator, in the order of the data."""
    rows = [("accelerator", "kind", "sizes", "options")]
    for layer in summary.chain:
        options = ", ".join(f"{name} {_word(value)}" for name, value in layer.options)
        rows.append((layer.name, layer.kind, _sizes(layer.input_size, layer.output_size), options))
    return [
        *(f"host, before: {sentence}" for sentence in summary.host_before),
        *table(rows),
        *(f"host, behind: {sentence}" for sentence in summary.host_after),
        *(f"note: {sentence}" for sentence in summary.notes),
    ]


def _word(value: str | float) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def inspect_lines(summary: ModelSummary) -> list[str]:
    """What a model holds, and what of it becomes the accelerator or why nothing does."""
    made = _chain_lines(summary) if summary.supported else [f"refused: {summary.reason}"]
    found = _found_lines(summary)
    return [f"{summary.source} ({summary.format})", *found, *([""] if found else []), *made]


def design_lines(design: Design) -> list[str]:
    """What was generated."""
    document = design.document
    cycle_us = 1e6 / document["clock_hz_target"]
    interval = document["step_interval_cycles"]
    utilisation = document["bound_cycles"] / interval
    rows = [("layer", "lanes", "multipliers", "interval", "memory bits")]
    for layer in document["layers"]:
        lanes = layer["lanes"]
        rows.append(
            (
                layer["name"],
                f"{lanes['gates']} x {lanes['rows']} x {lanes['columns']}",
                str(layer["multipliers"]),
                f"{layer['interval_cycles']} cycles",
                f"{sum(layer['memory_bits'].values()):,}",
            )
        )
    return [
        *table(rows),
        f"Step interval {interval} cycles ({interval * cycle_us:.2f} us at {document['clock_hz_target'] / MEGA:g} MHz)"
        f", {utilisation:.1%} of {document['multipliers']} multipliers busy (planned).",
        f"Latency {document['latency_first_output_cycles']} cycles to the first and "
        f"{document['latency_last_output_cycles']} to the last output word.",
        *_spaced_lines(document),
        *_dsp_lines(document),
        *_folding_lines(document),
        *_external_lines(document),
        f"Design: {design.folder}",
    ]


def _folding_lines(document: Mapping[str, Any]) -> list[str]:
    """The array that all layers share, and what keeps the interval from its bound."""
    lines = []
    if "shared_array" in document:
        array = document["shared_array"]
        lines.append(f"All layers share one array of {array['rows']} x {array['columns']} multipliers, in turns.")
    if "binds" in document:
        lines.append(f"The interval is {document['bound_cycles']:.0f} cycles at best; what binds: {document['binds']}.")
    return lines


def _spaced_lines(document: Mapping[str, Any]) -> list[str]:
    """Latency of a step that comes when its h-part is done."""
    if "spaced_latency_first_output_cycles" not in document:
        return []
    return [
        f"Spaced latency {document['spaced_latency_first_output_cycles']} cycles to the first and "
        f"{document['spaced_latency_last_output_cycles']} to the last output word, once the h-part is done."
    ]


def _dsp_lines(document: dict[str, Any]) -> list[str]:
    """DSP blocks, where it is known which the device has, and why as many."""
    if "dsp" not in document:
        return []
    dsp, sentences = document["dsp"], dict.fromkeys(layer["pairing"] for layer in document["layers"])
    return [
        f"DSP blocks ({dsp['kind']}): {dsp['arrays']} for {document['multipliers']} multipliers, {dsp['elements']} for "
        f"element-wise lanes (counted).",
        *sentences,
    ]


def _external_lines(document: Mapping[str, Any]) -> list[str]:
    """Where external weights lie, and what binds the interval."""
    memory = document.get("external_weights")
    if memory is None:
        return []
    binds = "the memory binds" if memory["binds"] == "memory" else "the multipliers bind"
    return [
        f"Weights: {memory['bytes']:,} bytes of external memory ({memory['file']}), {memory['memory_cycles']} beats a "
        f"step of {memory['data_bits']} bits against {memory['multiplier_cycles']} cycles without waiting: {binds}."
    ]


def emulation_lines(result: EmulationReport, output: Path | None) -> list[str]:
    """Figures of the software model."""
    error = result.error
    lines = [
        f"Output {result.output.shape}, {result.emulation.total_saturations} saturations inside, "
        f"{result.emulation.input_saturations} at the input.",
        f"Against {result.judge}: max error {error.max_abs:.3g}, mean {error.mean_abs:.3g}, "
        f"SQNR {error.sqnr_db:.1f} dB.",
    ]
    return lines + ([f"Output: {output}"] if output is not None else [])


def simulation_lines(figures: dict[str, Any]) -> list[str]:
    """Figures of a simulation."""
    cycles = "in every bit and every cycle" if figures["cycle_exact"] else "in every bit (cycles not compared)"
    lines = [f"Circuit = emulator {cycles}: {figures['steps']} steps, {figures['cycles_total']:,} cycles."]
    if figures["step_interval_cycles"]:
        lines.append(
            f"Step interval {figures['step_interval_cycles']} cycles, multiplier utilisation "
            f"{figures['multiplier_utilisation']:.1%} (measured)."
        )
    sqnr = figures["float_sqnr_db"]
    return [
        *lines,
        f"Against {figures['float_reference']}: max error {figures['float_max_abs_error']:.3g}, "
        f"mean {figures['float_mean_abs_error']:.3g}" + (f", SQNR {sqnr:.1f} dB." if sqnr is not None else "."),
        f"{figures['saturations']} saturations; {figures['cycles_per_second']:,} cycles a second.",
        *wave_lines(figures),
    ]


def wave_lines(figures: Mapping[str, Any]) -> list[str]:
    """Where waveforms are, below the design's folder, and how to look at them."""
    if not figures["waves"]:
        return []
    waves = Path(figures["waves"])
    gtkwave, surfer = (waves.with_suffix(suffix) for suffix in (GTKWAVE_SUFFIX, SURFER_SUFFIX))
    return [f"Waveforms: {waves}; in the design's folder 'gtkwave {waves} {gtkwave}', or 'surfer -c {surfer} {waves}'."]


def synthesis_lines(figures: dict[str, Any]) -> list[str]:
    """Figures of place and route."""
    met = "met" if figures["clock_met"] else "MISSED"
    return [
        f"{figures['device']}: {figures['fmax_hz'] / MEGA:.1f} MHz (clock {met}), {figures['luts']:,} LUTs, "
        f"{figures['ffs']:,} flip-flops, {figures['dsps']} DSPs, {figures['block_rams']} block RAMs (measured).",
        *_clock_lines(figures["clocks"]),
        f"Bitstream: {figures['bitstream'] or 'none'}",
    ]


def dry_run_lines(figures: dict[str, Any]) -> list[str]:
    """A vendor's script that ran with stand-ins."""
    return [
        f"Dry run of {figures['script']} for {figures['part']}: {figures['calls']} commands, to its end.",
        "No tool of the vendor ran: its commands were stand-ins, which check names, options, files and ports.",
    ]


def _clock_lines(clocks: Sequence[dict[str, Any]]) -> list[str]:
    """Each clock, where there are several."""
    if len(clocks) < 2:
        return []
    return [
        f"Clock '{clock['name']}': {clock['fmax_hz'] / MEGA:.1f} MHz of {clock['target_hz'] / MEGA:g} MHz asked for "
        f"(measured)." for clock in clocks
    ]  # fmt: skip


def tool_lines(tools: Sequence[ToolStatus]) -> list[str]:
    """Tools, and what installs a missing one."""
    rows = [("tool", "version", "needed for", "")]
    for tool in tools:
        missing = "" if tool.found else f"{'not found' if tool.optional else 'missing'}: {tool.install_command}"
        rows.append((tool.name, tool.version or tool.path or "-", tool.needed_for, missing))
    return table(rows)
