"""The tables of a system's report: devices, links, times, and what was not chosen."""

from __future__ import annotations

from collections.abc import Sequence

from rnngen.report.elements import badge, note, section, table
from rnngen.report.markup import Content, Markup, element, join
from rnngen.report.numbers import (
    NOT_GIVEN,
    Json,
    count,
    lookup,
    megahertz,
    microseconds,
    missing,
    number,
    percent,
    records,
    whole,
)
from rnngen.report.outcome import RESOURCES
from rnngen.report.system.view import SystemView

MEASURED, PLANNED = "measured", "planned"


def _of(used: float | None, budget: float | None) -> str:
    """A figure and the budget that it is of."""
    if used is None:
        return NOT_GIVEN
    return whole(used) if budget is None else f"{whole(used)} of {whole(budget)}"


def _share(used: float | None, budget: float | None) -> str:
    return f" ({percent(used / budget)})" if used is not None and budget else ""


def devices(view: SystemView) -> Markup:
    """Of those in use: what they compute, and what of their budgets that takes."""
    rows: list[Sequence[Content]] = []
    for index, device in enumerate(view.devices):
        budget, name = view.budget(device), view.title(device)
        where = view.reports[index] if index < len(view.reports) else ""
        clock, memory = number(device, "clock_hz"), (number(device, "memory_bits"), number(budget, "memory_bits"))
        rows.append(
            (
                element("a", name, href=where) if where else name,
                view.computes(index),
                NOT_GIVEN if clock is None else megahertz(clock),
                _of(number(device, "multipliers"), number(budget, "multipliers")),
                _of(*memory) + _share(*memory),
            )
        )
    unused = ", ".join(str(name) for name in lookup(view.document, "unused") or ())
    return join(
        element("h3", "Devices"),
        table(("device", "computes", "clock", "multipliers", "memory bits"), rows, frozenset({2, 3, 4})),
        note("Counted from the plan.", f" Not used: {unused}." if unused else None),
        _resources(view),
    )


def _resources(view: SystemView) -> Markup | None:
    """What devices take of their boards, where that was counted."""
    rows: list[Sequence[Content]] = []
    for device in view.devices:
        if lookup(device, "resources") is None:
            continue
        pairs = [[number(device, "resources", what, key) for what in ("used", "available")] for _, key in RESOURCES]
        rows.append((view.title(device), *(_of(*pair) + _share(*pair) for pair in pairs)))
    if not rows:
        return None
    heads = ("device", *(name for name, _ in RESOURCES))
    counted = note("Counted from the circuit of each device, with its links, before synthesis.")
    return join(table(heads, rows, frozenset(range(1, len(heads)))), counted)


def loads(view: SystemView) -> Markup:
    """How much of their time devices work, and what binds each of them."""
    rows: list[Sequence[Content]] = []
    for device in view.devices:
        cycles, clock = number(device, "step_interval_cycles"), number(device, "clock_hz")
        rows.append(
            (
                str(lookup(device, "name")),
                f"{count(device, 'step_interval_cycles')} cycles",
                (cycles is not None and microseconds(cycles, clock)) or NOT_GIVEN,
                f"{count(device, 'latency_last_output_cycles')} cycles",
                percent(number(device, "load") or 0.0),
                str(lookup(device, "binds") or "—"),
            )
        )
    head = ("device", "interval", "interval", "latency", "load", "what keeps it from its multipliers' bound")
    return join(
        element("h3", "Load of devices"),
        table(head, rows, frozenset({1, 2, 3, 4})),
        note(
            "Planned, of each device alone, in its own cycles; its load is the share of the system's step interval "
            "that its own takes."
        ),
    )


def _kinds(view: SystemView) -> list[tuple[str, Json]]:
    """What each row of links is called, and one of its links: of those that are alike, where all share a layer."""
    if not view.shares_all:
        return [(f"{lookup(link, 'from')} to {lookup(link, 'to')}", link) for link in view.links]
    frames = [view.frames(link) for link in view.links]
    first = {each: frames.index(each) for each in frames}
    return [(f"each of {frames.count(each)}", view.links[index]) for each, index in first.items()]


def links(view: SystemView) -> Markup | None:
    """Of those in use: what they carry, and how much of their time."""
    if not view.links:
        return None
    alike, several = view.shares_all, any(view.frames(link) > 1 for link in view.links)
    rows: list[Sequence[Content]] = [
        (
            name,
            f"{count(link, 'word_bits')} bits",
            f"{count(link, 'values')} of {count(link, 'value_bits')} bits",
            (f"{view.frames(link)} of " if several else "")
            + ("at most " if lookup(view.document, "delta") is not None else "")
            + f"{count(link, 'frame_words')} words, {count(link, 'payload_words')} of them payload",
            view.time(number(link, "interval_ticks")),
            view.time(number(link, "hop_ticks")),
            percent(number(link, "load") or 0.0),
        )
        for name, link in _kinds(view)
    ]
    frame = ("values a step", "frame", "frame takes")
    if several:
        frame = ("values of a frame", "frames a step", "they take")
    head = ("link", "word", *frame, "from last word out to first use", "load")
    told = (
        "From last word out to first use: of a lone step, from the sender's last output word to the first words of it "
        "that another device can multiply. "
        if alike
        else "From last word out to first use: of a lone step, from the sender's last output word to the receiver's "
        "last input word, or the host's last one. Of a way over several links each of them shows that of the way. "
        if view.paths
        else "From last word out to first use: of a lone step, from the sender's last output word to the receiver's "
        "last input word. "
    )
    return join(
        element("h3", "Load of links"),
        table(head, rows, frozenset({1, 4, 5, 6})),
        note(told, "A link's load is the share of the step interval that its frames take. All figures are planned."),
    )


TIMES = (
    ("step interval", "step_interval_ticks", "step_interval_cycles"),
    ("latency to the first output word", "latency_first_output_ticks", "latency_first_output_cycles"),
    ("latency to the last output word", "latency_last_output_ticks", "latency_last_output_cycles"),
)


_BOUND = {
    False: "The devices' clocks differ, so planned latencies are bounds from above.",
    True: "How much of h crosses depends on the data, so what is planned, where all of it does, is a bound from above.",
}
"""Why times are bounds, by whether only changes of h cross."""


def times(view: SystemView) -> Markup:
    """Interval and latency, planned beside measured."""
    simulation = view.simulation
    rows: list[Sequence[Content]] = []
    for name, key, simulated in TIMES:
        ticks, measured = number(view.document, key), number(simulation, simulated)
        rows.append(
            (
                name,
                view.cycles(ticks) or "clocks differ",
                view.time(ticks),
                missing(simulation) if measured is None else f"{whole(measured)} cycles",
                (measured is not None and microseconds(measured, view.clock_hz)) or "—",
                badge(PLANNED) if measured is None else badge(MEASURED),
            )
        )
    bound = lookup(view.document, "latency_is") == "bound"
    return section(
        "Latency and interval",
        table(("", "planned", "planned time", "simulated", "simulated time", "origin"), rows, frozenset({1, 2, 3, 4})),
        note(
            "Latency of the first step, from its last input word.",
            f" {_BOUND[lookup(view.document, 'delta') is not None]}" if bound else None,
            f" {verdict}" if (verdict := _verdict(view)) else None,
        ),
    )


def _verdict(view: SystemView) -> str | None:
    """What the simulation said, in words."""
    simulation = view.simulation
    if simulation is None:
        return "The simulation was not run: only the plan is shown."
    bits, cycles = lookup(simulation, "bit_exact"), lookup(simulation, "cycle_exact")
    steps, simulated = count(simulation, "steps"), "All devices and links in one simulation:"
    if bits and cycles:
        return f"{simulated} {steps} steps, every bit and every cycle as planned (measured)."
    if bits and cycles is None:
        return f"{simulated} {steps} steps, every bit equal (measured); cycles were not compared."
    difference = lookup(simulation, "first_difference")
    return f"Circuit and emulator DIFFER over {steps} steps. {difference or ''}".rstrip()


def not_chosen(view: SystemView) -> Markup | None:
    """Cuts over other numbers of devices, and why they lost or do not exist."""
    others = records(view.document, "others")
    if not others:
        return None
    head = ("devices", "cut", "step interval", "latency", "against the chosen", "what binds, or why there is none")
    chosen: Sequence[Content] = (
        str(len(view.devices)),
        "chosen",
        view.time(number(view.document, "step_interval_ticks")),
        view.time(number(view.document, "latency_last_output_ticks")),
        "—",
        str(lookup(view.document, "binds") or NOT_GIVEN),
    )
    goal = lookup(view.document, "goal")
    asked = any(_beats(view, other) for other in others)
    return section(
        "What was not chosen",
        table(head, [chosen, *(_other(view, other) for other in others)], frozenset({0, 2, 3})),
        note(
            f"The shortest {goal if goal == 'latency' else 'step interval'} is taken first. All figures are planned.",
            " A cut that is not chosen is better: how the network is cut was given (--cut)." if asked else None,
        ),
    )


def _figures(record: Json) -> tuple[float, float] | None:
    """Step interval and latency in ticks."""
    interval, latency = number(record, "step_interval_ticks"), number(record, "latency_last_output_ticks")
    return None if interval is None or latency is None else (interval, latency)


def _beats(view: SystemView, other: Json) -> bool:
    """Whether a cut that was not chosen is better for the goal."""
    one, this = _figures(other), _figures(view.document)
    if one is None or this is None:
        return False
    turned = lookup(view.document, "goal") == "latency"
    return one[::-1] < this[::-1] if turned else one < this


def _other(view: SystemView, other: Json) -> Sequence[Content]:
    devices, figures, this = count(other, "devices"), _figures(other), _figures(view.document)
    if figures is None or this is None:
        return (devices, "none", "—", "—", "—", str(lookup(other, "refused") or NOT_GIVEN))
    return (
        devices,
        "; ".join(_part(view, part) for part in records(other, "parts")),
        view.time(figures[0]),
        view.time(figures[1]),
        f"interval {_relative(figures[0], this[0])}, latency {_relative(figures[1], this[1])}",
        str(lookup(other, "binds") or NOT_GIVEN),
    )


def _part(view: SystemView, part: Json) -> str:
    """A device and its blocks."""
    first, last = lookup(part, "blocks") or (0, -1)
    return f"{lookup(part, 'device')}: {', '.join(view.blocks[first : last + 1])}"


def _relative(value: float, than: float) -> str:
    """How much more or less than another figure, in percent."""
    return "the same" if value == than else f"{100 * (value / than - 1):+.1f} %".replace("-", "−")


def inner_cuts(view: SystemView) -> Markup | None:
    """What cuts inside the layer that binds would give."""
    found = records(view.document, "inner_cuts")
    if not found:
        return None
    rows: list[Sequence[Content]] = [
        (
            str(lookup(cut, "layer")),
            str(lookup(cut, "kind")),
            ", ".join(str(name) for name in lookup(cut, "devices") or ()),
            f"{count(cut, 'step_interval_cycles')} cycles",
            _whole_layer(cut),
            f"{lookup(cut, 'exchange')}: {count(cut, 'exchange_values')} of {count(cut, 'exchange_value_bits')} bits",
            f"{lookup(cut, 'links')}, {count(cut, 'link_words')} words a step",
            str(lookup(cut, "binds") or "—"),
            "yes" if lookup(cut, "generated") else "no",
        )
        for cut in found
    ]
    head = ("layer", "cut by", "devices", "interval", "whole", "exchange", "links", "what binds", "can be generated")
    return section(
        "Cuts inside the layer that binds",
        table(head, rows, frozenset({3, 4})),
        note("Of the layer alone, in cycles of its devices, which are alike; whole: on one of them. Planned only."),
    )


def _whole_layer(cut: Json) -> str:
    return "fits none" if number(cut, "whole_layer_interval_cycles") is None else (
        f"{count(cut, 'whole_layer_interval_cycles')} cycles"
    )


def files(view: SystemView) -> Markup:
    """The designs that the system is made of."""
    rows: list[Sequence[Content]] = [
        (
            str(lookup(device, "name")),
            element("code", str(lookup(device, "top") or NOT_GIVEN)),
            element("code", str(lookup(device, "digest") or NOT_GIVEN), class_="digest"),
        )
        for device in view.devices
    ]
    return section(
        "Designs",
        table(("device", "top", "digest"), rows),
        note("Of the system: ", element("code", str(lookup(view.document, "digest") or NOT_GIVEN), class_="digest")),
    )
