"""The sections on the design itself: network, errors, schedule and times; each from records to HTML.

A value that is missing is written as "not run" or "not given", never as a zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rnngen.report import figures
from rnngen.report.elements import note, section, table
from rnngen.report.markup import Content, Markup, element, join
from rnngen.report.numbers import (
    NOT_GIVEN,
    NOT_RUN,
    Json,
    count,
    decibels,
    lookup,
    megahertz,
    microseconds,
    missing,
    number,
    records,
    significant,
    small,
    whole,
)
from rnngen.report.views import ErrorView, TraceView

FORMAT_KEY = "s16.12: signed, 16 bits, 12 of them behind the binary point; the range leaves out its upper end."

STAGES_KEY = (
    "From the issue of a tile's last word to the first issue that may read its first h. What of it the issues of other "
    "words do not cover makes the interval longer."
)


def _size(layer: Json) -> str:
    symbols = lookup(layer, "symbols")
    inputs = f"{symbols} symbols" if symbols else "sums of x" if lookup(layer, "apart") else lookup(layer, "input_size")
    return f"{inputs} → {lookup(layer, 'output_size')}"


def _lanes(lanes: Any) -> str:
    if isinstance(lanes, dict) and {"gates", "rows", "columns"} <= set(lanes):
        return f"{lanes['gates']} × {lanes['rows']} × {lanes['columns']}"
    return NOT_GIVEN if lanes is None else str(lanes)


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


def _stage_rows(layers: Sequence[Json]) -> list[Sequence[Content]]:
    """Stages of the recurrent layers, those that are alike together."""
    found: dict[tuple[tuple[str, int], ...], list[str]] = {}
    for layer in layers:
        if number(layer, "recurrence_latency_cycles") is not None:
            stages = tuple((str(what), int(cycles)) for what, cycles in lookup(layer, "latency_stages") or ())
            found.setdefault(stages, []).append(str(lookup(layer, "name")))
    return [
        (what, ", ".join(names), whole(cycles))
        for stages, names in found.items()
        for what, cycles in (*stages, ("in all", sum(cycles for _, cycles in stages)))
    ]


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
            *(count(layer, key) for key in keys),
        )
        for layer in layers
    ]
    formats = _format_rows(layers)
    stages = _stage_rows(layers)
    return section(
        "Network and formats",
        table(head, rows, frozenset(range(4, 9))),
        note("Sweep, interval and latency in cycles, from the plan."),
        element("h3", "Recurrence latency, stage by stage") if stages else None,
        table(("stage", "layers", "cycles"), stages, frozenset({2})) if stages else None,
        note(STAGES_KEY) if stages else None,
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
SPACED_TIMES = (
    ("spaced latency to the first output word", "spaced_latency_first_output_cycles"),
    ("spaced latency to the last output word", "spaced_latency_last_output_cycles"),
)
"""Of steps that come when all that can be computed before their input is."""

EXTERNAL_TIMES = (
    ("beats of external weights of a step", "external_weights.memory_cycles"),
    ("interval without waiting for them", "external_weights.multiplier_cycles"),
)

BOUNDS = {"bound_cycles", *(key for _, key in EXTERNAL_TIMES)}
"""What only the plan can tell."""


def times(design: Json, simulation: Json | None, synthesis: Json | None) -> Markup:
    """Every duration in cycles and in microseconds."""
    target, fmax = number(design, "clock_hz_target"), number(synthesis, "fmax_hz")
    rows: list[Sequence[Content]] = []
    spaced = SPACED_TIMES if lookup(design, "spaced_latency_first_output_cycles") is not None else ()
    external = EXTERNAL_TIMES if lookup(design, "external_weights") else ()
    for name, key in (*TIMES, *spaced, *external):
        planned, measured = number(design, *key.split(".")), number(simulation, key)
        cycles = planned if measured is None else measured
        rows.append(
            (
                name,
                NOT_GIVEN if planned is None else whole(planned),
                "—" if key in BOUNDS else missing(simulation) if measured is None else whole(measured),
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
        note(
            "Latency counts from a step's last input word.",
            " Spaced, the step comes when all that can be computed before its input is." if spaced else None,
            f" What keeps the interval from its bound: {reason}." if (reason := lookup(design, "binds")) else None,
            f" {ran}" if ran else None,
        ),
        note(_binding(design)) if external else None,
    )


def _binding(design: Json) -> str:
    """What external weights come from, and whether they bind."""
    memory = lookup(design, "external_weights")
    return (
        f"Weights come over a port of {count(memory, 'data_bits')} bits from a memory whose first data are there "
        f"{count(memory, 'latency_cycles')} cycles behind an address, in bursts of {count(memory, 'burst_beats')} "
        f"beats; the {lookup(memory, 'binds')} bind{'s' if lookup(memory, 'binds') == 'memory' else ''} the interval."
    )
