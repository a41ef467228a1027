"""The sections on what came out: resources with their origin, saturations, files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rnngen.report.elements import badge, note, section, table
from rnngen.report.markup import Content, Markup, element
from rnngen.report.numbers import (
    NOT_GIVEN,
    Json,
    count,
    flat,
    lookup,
    missing,
    number,
    percent,
    records,
    significant,
    whole,
)

MEASURED = "measured"
COUNTED = "counted"

RESOURCES = (("LUTs", "luts"), ("flip-flops", "ffs"), ("DSP blocks", "dsps"), ("block RAMs", "block_rams"))


def _used(value: float, limit: float | None) -> str:
    return f"{percent(value / limit)} of {whole(limit)}" if limit else "—"


def _counted(design: Json) -> list[tuple[str, Any]]:
    """Figures of the plan."""
    dsp = lookup(design, "dsp")
    blocks = [
        ("DSP blocks of the multipliers", lookup(design, "dsp", "arrays")),
        ("DSP blocks of element-wise lanes", lookup(design, "dsp", "elements")),
    ]
    multipliers = ("multipliers", lookup(design, "multipliers"))
    return [multipliers, *(blocks if dsp else []), *flat(lookup(design, "memory_bits"), "memory")]


def _pairing_note(design: Json) -> Markup | None:
    """Whether a DSP block gives two products, layer by layer."""
    sentences: dict[str, list[str]] = {}
    for layer in records(design, "layers"):
        if sentence := lookup(layer, "pairing"):
            sentences.setdefault(str(sentence), []).append(str(lookup(layer, "name")))
    return note(*(f"{', '.join(names)}: {sentence} " for sentence, names in sentences.items())) if sentences else None


def resources(design: Json, synthesis: Json | None) -> Markup:
    """Each figure with its origin: measured (placed and routed) or counted."""
    routed = lookup(synthesis, "measured") is True
    origin = badge(MEASURED) if routed else badge(COUNTED)
    rows: list[Sequence[Content]] = []
    for name, key in RESOURCES:
        value = number(synthesis, key)
        if value is None and (before := number(design, "resources", "used", key)) is not None:
            rows.append((name, whole(before), _used(before, number(design, "resources", "available", key)), origin))
        elif value is None:
            rows.append((name, missing(synthesis), "—", "—"))
        else:
            rows.append((name, whole(value), _used(value, number(synthesis, "available", key)), origin))
    for name, amount in _counted(design):
        label = name.replace("memory", "memory bits", 1).replace(".", ", ")
        counted = NOT_GIVEN if amount is None else whole(amount)
        rows.append((label, counted, "—", badge(COUNTED) if amount is not None else "—"))
    return section(
        "Resources",
        table(("resource", "amount", "of the device", "origin"), rows, frozenset({1})),
        note(
            "measured: placed and routed",
            f" by {lookup(synthesis, 'tool')} {lookup(synthesis, 'tool_version')} for {lookup(synthesis, 'device')}"
            if routed
            else None,
            "; counted: from the plan, LUTs and flip-flops from the circuit before synthesis",
            ", or from synthesis before placement" if synthesis is not None and not routed else None,
            ".",
        ),
        _pairing_note(design),
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
            count(entry, "bytes"),
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
