"""The sections of the report: each a function from the design's records to HTML.

A value that is missing is written as "not run" or "not given", never as a zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from rnngen.report import figures
from rnngen.report.markup import Content, Markup, element, join
from rnngen.report.numbers import (
    NOT_GIVEN,
    NOT_RUN,
    Json,
    decibels,
    flat,
    lookup,
    megahertz,
    microseconds,
    missing,
    number,
    percent,
    records,
    significant,
    small,
    whole,
)
from rnngen.report.views import ErrorView, TraceView

MEASURED = "measured"
COUNTED = "counted"


def section(title: str, *children: Content) -> Markup:
    """A headed part of the page."""
    return element("section", element("h2", title), *children)


def note(*children: Content) -> Markup:
    """A line of small explanation."""
    return element("p", *children, class_="note")


def badge(kind: str) -> Markup:
    """A marker such as "measured"."""
    return element("span", kind, class_=f"badge {kind.split()[0]}")


def table(head: Sequence[str], rows: Iterable[Sequence[Content]], numeric: frozenset[int] = frozenset()) -> Markup:
    """A table; columns in ``numeric`` are set to the right."""

    def cell(tag: str, index: int, content: Content) -> Markup:
        return element(tag, content, class_="number" if index in numeric else None)

    header = element("tr", *(cell("th", i, name) for i, name in enumerate(head)))
    body = (element("tr", *(cell("td", i, content) for i, content in enumerate(row))) for row in rows)
    return element("div", element("table", element("thead", header), element("tbody", *body)), class_="scroll")


def tile(name: str, value: str | None, detail: Content, state: str = "") -> Markup:
    """A figure that matters; a value of None is "not run"."""
    return element(
        "div",
        element("div", name, class_="tile-name"),
        element("div", value or NOT_RUN, class_="tile-value" if value else "tile-value absent"),
        element("div", detail, class_="tile-detail"),
        class_=f"tile {state}".rstrip(),
    )


# Summary


def _interval_tile(design: Json, simulation: Json | None) -> Markup:
    planned = number(design, "step_interval_cycles")
    measured = number(simulation, "step_interval_cycles")
    cycles = planned if measured is None else measured
    if cycles is None:
        return tile("Step interval", None, "")
    time = microseconds(cycles, number(design, "clock_hz_target"))
    kind = "planned" if measured is None else "measured in simulation"
    return tile("Step interval", f"{whole(cycles)} cycles", ", ".join(part for part in (time, kind) if part))


def planned_utilisation(design: Json) -> float | None:
    """Bound over interval: the share of multiplier cycles that the plan uses."""
    bound, interval = number(design, "bound_cycles"), number(design, "step_interval_cycles")
    return bound / interval if bound and interval else None


def _utilisation_tile(design: Json, simulation: Json | None) -> Markup:
    measured = number(simulation, "multiplier_utilisation")
    value = planned_utilisation(design) if measured is None else measured
    multipliers = number(design, "multipliers")
    detail = "planned" if measured is None else "measured in simulation"
    if multipliers is not None:
        detail = f"of {whole(multipliers)} multipliers, {detail}"
    return tile("Multipliers in use", None if value is None else percent(value), detail)


def _latency_tile(design: Json, simulation: Json | None) -> Markup:
    measured = number(simulation, "latency_first_output_cycles")
    cycles = number(design, "latency_first_output_cycles") if measured is None else measured
    if cycles is None:
        return tile("Latency", None, "to the first output word")
    time = microseconds(cycles, number(design, "clock_hz_target"))
    kind = "planned" if measured is None else "measured"
    details = (time, "to the first output word", kind)
    return tile("Latency", f"{whole(cycles)} cycles", ", ".join(part for part in details if part))


def _clock_tile(design: Json, synthesis: Json | None) -> Markup:
    fmax = number(synthesis, "fmax_hz")
    target = number(design, "clock_hz_target")
    against = f"target {megahertz(target)}" if target else ""
    if fmax is None:
        return tile("Fmax", None, against)
    met = lookup(synthesis, "clock_met")
    verdict = "" if met is None else ", met" if met else ", NOT met"
    return tile("Fmax", megahertz(fmax), against + verdict, "bad" if met is False else "good" if met else "")


def _error_tile(simulation: Json | None, errors: ErrorView | None) -> Markup:
    sqnr = number(simulation, "float_sqnr_db")
    largest = number(simulation, "float_max_abs_error")
    if sqnr is None and errors is not None and errors.layers:
        sqnr, largest = errors.layers[-1].sqnr_db, errors.layers[-1].max_abs
    detail = "against the float network" + (f", largest error {small(largest)}" if largest is not None else "")
    return tile("SQNR", None if sqnr is None else decibels(sqnr), detail)


def _verdict_tile(simulation: Json | None) -> Markup:
    bits, cycles = lookup(simulation, "bit_exact"), lookup(simulation, "cycle_exact")
    if bits is None and cycles is None:
        return tile("Circuit against emulator", None, "bits and cycles")
    steps = number(simulation, "steps")
    over = "" if steps is None else f"over {whole(steps)} steps"
    if bits and cycles:
        return tile("Circuit against emulator", "equal", f"every bit and every cycle {over}".rstrip(), "good")
    words = {True: "equal", False: "DIFFER", None: NOT_RUN}
    return tile("Circuit against emulator", "differs", f"bits {words[bits]}, cycles {words[cycles]} {over}", "bad")


def summary(design: Json, simulation: Json | None, synthesis: Json | None, errors: ErrorView | None) -> Markup:
    """The tiles at the top."""
    tiles = (
        _verdict_tile(simulation),
        _interval_tile(design, simulation),
        _utilisation_tile(design, simulation),
        _latency_tile(design, simulation),
        _clock_tile(design, synthesis),
        _error_tile(simulation, errors),
    )
    return element("div", *tiles, class_="tiles")


def input_line(design: Json, simulation: Json | None) -> Markup:
    """What the network was fed: real or synthetic, in the words of whoever fed it."""
    description = lookup(simulation, "input_description") or lookup(design, "input_description")
    calibration = lookup(design, "calibration_description")
    same = calibration == description
    return element(
        "p",
        element("strong", "Input: "),
        str(description) if description else NOT_GIVEN,
        ". ",
        element("strong", "Calibrated on: ") if calibration else None,
        "the same." if same else f"{calibration}." if calibration else None,
    )


# Network and formats


FORMAT_KEY = "s16.12: signed, 16 bits, 12 of them behind the binary point; the range leaves out its upper end."


def _size(layer: Json) -> str:
    output = lookup(layer, "hidden_size")
    output = lookup(layer, "output_size") if output is None else output
    return f"{lookup(layer, 'input_size')} → {output}"


def _lanes(lanes: Any) -> str:
    if isinstance(lanes, dict) and {"gates", "rows", "columns"} <= set(lanes):
        return f"{lanes['gates']} × {lanes['rows']} × {lanes['columns']}"
    return NOT_GIVEN if lanes is None else str(lanes)


def _count(record: Json, key: str) -> str:
    value = number(record, key)
    return NOT_GIVEN if value is None else whole(value)


def _format_rows(layers: Sequence[Json]) -> list[Sequence[Content]]:
    rows: list[Sequence[Content]] = []
    for layer in layers:
        for point, form in (lookup(layer, "formats") or {}).items():
            width, fraction = number(form, "width"), number(form, "fraction")
            signed = lookup(form, "signed") is not False
            if width is None or fraction is None:
                continue
            high = math.ldexp(1.0, int(width - signed - fraction))
            name = f"{'s' if signed else 'u'}{width:g}.{fraction:g}"
            limits = f"[{significant(-high) if signed else 0}, {significant(high)})"
            rows.append(
                (str(lookup(layer, "name")), point, element("code", name), limits, small(2.0**-fraction)),
            )
    return rows


def network(design: Json) -> Markup:
    """Layers with their engines, then every format."""
    layers = records(design, "layers")
    if not layers:
        return section("Network and formats", note("The design lists no layers."))
    head = ("layer", "kind", "size", "lanes G × R × C", "tiles", "sweep", "interval", "latency", "multipliers")
    keys = ("tiles", "sweep_cycles", "interval_cycles", "latency_cycles", "multipliers")
    rows: list[Sequence[Content]] = [
        (
            str(lookup(layer, "name")),
            str(lookup(layer, "kind")),
            _size(layer),
            _lanes(lookup(layer, "lanes")),
            *(_count(layer, key) for key in keys),
        )
        for layer in layers
    ]
    formats = _format_rows(layers)
    return section(
        "Network and formats",
        table(head, rows, frozenset(range(4, 9))),
        note("Sweep, interval and latency in cycles, from the plan."),
        table(("layer", "point", "format", "range", "step"), formats, frozenset({4})) if formats else None,
        note(FORMAT_KEY) if formats else None,
    )


# Errors


def error_sections(errors: ErrorView | None, design: Json) -> Markup:
    """Error against the float network by layer and over time."""
    title = "Error against the float network"
    if errors is None:
        return section(title, element("p", NOT_RUN, class_="absent"))
    rows: list[Sequence[Content]] = [
        (layer.name, small(layer.max_abs), small(layer.mean_abs), decibels(layer.sqnr_db)) for layer in errors.layers
    ]
    fraction = number(design, "ports", "m_axis", "fraction_bits")
    plot = figures.error_over_time(errors, None if fraction is None else 2.0**-fraction)
    steps = len(errors.step_max)
    size = figures.group_size(steps)
    many = f" A point stands for {size} steps: the largest of the largest, the mean of the means." if size > 1 else ""
    return section(
        title,
        note(f"Judge: {errors.reference}; {whole(errors.sequences)} sequence(s) of up to {whole(steps)} steps."),
        element("h3", "By layer"),
        figures.error_by_layer(errors) or note("No layer differs from the float network in any value."),
        table(("layer", "largest", "mean", "SQNR"), rows, frozenset({1, 2, 3})),
        element("h3", "Over time"),
        plot or note("The output does not differ from the float network in any step."),
        note(f"Of the network's output.{many}") if plot else None,
    )


# Schedule


def _trace_verdict(trace: TraceView) -> str:
    if any(lane.simulated is None for lane in trace.lanes):
        return "The simulation was not run: only the plan is drawn."
    differing = [lane for lane in trace.lanes if lane.differing]
    if not differing:
        spans = sum(len(lane.planned) for lane in trace.lanes)
        return f"All {whole(spans)} spans of the simulated trace lie exactly in their planned cycles."
    names = ", ".join(f"{lane.engine} {lane.name} ({len(lane.differing)})" for lane in differing)
    return f"Plan and simulation DIFFER (spans that only one of them has): {names}."


def _busy_verdict(trace: TraceView) -> str:
    cycles = trace.end - trace.start
    planned = sum(trace.planned_busy)
    text = f"In the {whole(cycles)} drawn cycles the plan makes {whole(planned)} products"
    if trace.simulated_busy is None:
        return text + "; the simulation was not run."
    simulated = sum(trace.simulated_busy)
    equal = list(trace.planned_busy) == list(trace.simulated_busy)
    return text + f", the simulation {whole(simulated)}; cycle by cycle they {'are equal' if equal else 'DIFFER'}."


def schedule(trace: TraceView | None, design: Json) -> Markup:
    """Timeline of one step and multipliers busy, planned beside simulated."""
    if trace is None:
        return join(
            section("Schedule of one step", element("p", NOT_RUN, class_="absent")),
            section("Multipliers busy", element("p", NOT_RUN, class_="absent")),
        )
    return join(
        section("Schedule of one step", figures.timeline(trace), note(_trace_verdict(trace))),
        section("Multipliers busy", figures.busy(trace, number(design, "multipliers")), note(_busy_verdict(trace))),
    )


# Latency and interval

TIMES = (
    ("step interval (throughput of one stream)", "step_interval_cycles"),
    ("bound: products of a step / multipliers", "bound_cycles"),
    ("latency to the first output word", "latency_first_output_cycles"),
    ("latency to the last output word", "latency_last_output_cycles"),
)


def times(design: Json, simulation: Json | None, synthesis: Json | None) -> Markup:
    """Every duration in cycles and in microseconds."""
    target, fmax = number(design, "clock_hz_target"), number(synthesis, "fmax_hz")
    rows: list[Sequence[Content]] = []
    for name, key in TIMES:
        planned, measured = number(design, key), number(simulation, key)
        cycles = planned if measured is None else measured
        rows.append(
            (
                name,
                NOT_GIVEN if planned is None else whole(planned),
                "—" if key == "bound_cycles" else missing(simulation) if measured is None else whole(measured),
                (cycles is not None and microseconds(cycles, target)) or NOT_GIVEN,
                (cycles is not None and microseconds(cycles, fmax)) or missing(synthesis),
            )
        )
    at_target = f"at {megahertz(target)} (target)" if target else "at the target clock"
    at_fmax = f"at {megahertz(fmax)} (routed)" if fmax else "at the routed clock"
    head = ("", "planned cycles", "simulated cycles", at_target, at_fmax)
    speed = number(simulation, "cycles_per_second")
    seconds = [f"{name} {significant(value)} s" for name in ("build", "simulate")
               if (value := number(simulation, f"{name}_seconds")) is not None]  # fmt: skip
    if speed is not None:
        seconds.append(f"{significant(speed)} cycles a second")
    total = number(simulation, "cycles_total")
    ran = f"Simulated {whole(total)} cycles: {', '.join(seconds)}." if total is not None and seconds else None
    return section(
        "Latency and interval",
        table(head, rows, frozenset({1, 2, 3, 4})),
        note("Latency counts from a step's last input word.", f" {ran}" if ran else None),
    )


# Resources

RESOURCES = (("LUTs", "luts"), ("flip-flops", "ffs"), ("DSP blocks", "dsps"), ("block RAMs", "block_rams"))


def _used(value: float, limit: float | None) -> str:
    return f"{percent(value / limit)} of {whole(limit)}" if limit else "—"


def resources(design: Json, synthesis: Json | None) -> Markup:
    """Each figure with its origin: measured (placed and routed) or counted."""
    routed = lookup(synthesis, "measured") is True
    origin = badge(MEASURED) if routed else badge(COUNTED)
    rows: list[Sequence[Content]] = []
    for name, key in RESOURCES:
        value = number(synthesis, key)
        if value is None:
            rows.append((name, missing(synthesis), "—", "—"))
        else:
            rows.append((name, whole(value), _used(value, number(synthesis, "available", key)), origin))
    for name, value in [("multipliers", lookup(design, "multipliers")), *flat(lookup(design, "memory_bits"), "memory")]:
        label = name.replace("memory", "memory bits", 1).replace(".", ", ")
        counted = NOT_GIVEN if value is None else whole(value)
        rows.append((label, counted, "—", badge(COUNTED) if value is not None else "—"))
    return section(
        "Resources",
        table(("resource", "amount", "of the device", "origin"), rows, frozenset({1})),
        note(
            "measured: placed and routed",
            f" by {lookup(synthesis, 'tool')} {lookup(synthesis, 'tool_version')} for {lookup(synthesis, 'device')}"
            if routed
            else None,
            "; counted: from the plan",
            ", or from synthesis before placement" if synthesis is not None and not routed else None,
            ".",
        ),
        _build_note(synthesis),
    )


def _build_note(synthesis: Json | None) -> Markup | None:
    if synthesis is None:
        return None
    path = lookup(synthesis, "critical_path")
    seconds = number(synthesis, "seconds")
    bitstream = lookup(synthesis, "bitstream")
    return note(
        f"Bitstream: {bitstream}." if bitstream else "Bitstream: none.",
        f" Took {significant(seconds, 3)} s." if seconds is not None else None,
        f" {_limiting_path(path)}" if isinstance(path, dict) else None,
    )


def _limiting_path(path: Json) -> str:
    delay, logic, routing = (number(path, f"{part}_ns") for part in ("delay", "logic", "routing"))
    sentence = f"The clock is limited by the path from {lookup(path, 'source')} to {lookup(path, 'target')}"
    if delay is None or logic is None or routing is None:
        return f"{sentence}."
    parts = f"{significant(logic)} logic and {significant(routing)} routing"
    return f"{sentence}: {significant(delay)} ns, of which {parts}."


# Saturations, files


def saturations(simulation: Json | None) -> Markup:
    """How often each named point saturated."""
    total = number(simulation, "saturations")
    if simulation is None or total is None:
        return section("Saturations", element("p", missing(simulation), class_="absent"))
    counts = [(name, value) for name, value in flat(lookup(simulation, "saturations_by_layer")) if value]
    rows: list[Sequence[Content]] = [(name, whole(value)) for name, value in counts]
    limited = f"{whole(total)} values were limited to their format's range"
    return section(
        "Saturations",
        note("No value was limited." if total == 0 else f"{limited} (hardware counter)."),
        table(("point", "values limited (emulated)"), rows, frozenset({1})) if rows else None,
    )


def files(design: Json) -> Markup:
    """Files with digests, and the versions of the tools."""
    rows: list[Sequence[Content]] = [
        (
            element("code", str(lookup(entry, "path"))),
            _count(entry, "bytes"),
            element("code", str(lookup(entry, "sha256") or NOT_GIVEN), class_="digest"),
        )
        for entry in records(design, "files")
    ]
    tools: list[Sequence[Content]] = [(name, str(version)) for name, version in flat(lookup(design, "tools")) if name]
    return section(
        "Files and tools",
        table(("file", "bytes", "SHA-256"), rows, frozenset({1})) if rows else note("The design lists no files."),
        table(("tool", "version"), tools) if tools else None,
    )
