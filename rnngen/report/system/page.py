"""The whole page of a system, and writing it."""

from __future__ import annotations

import os
from pathlib import Path

from rnngen.emit.folder import write_atomically
from rnngen.report.elements import note, section, tile
from rnngen.report.markup import Markup, element
from rnngen.report.numbers import NOT_GIVEN, count, lookup, microseconds, number, percent, significant, whole
from rnngen.report.page import page
from rnngen.report.summary import input_line, verdict_tile
from rnngen.report.system import tables
from rnngen.report.system.diagram import diagram
from rnngen.report.system.timeline import timeline
from rnngen.report.system.view import SystemView

TIMELINE_KEY = (
    "Planned, by the cycle model that the simulation is compared with. A bar is a step, with its number where there is "
    "room; the first step has a dark frame, and the dashed line is where its result is out. multiplies: from a step's "
    "first product to its last one; what is between that and giving it is the element-wise path. "
)
LINK_KEY = (
    "A link's bar is a frame, from its first word sent to its last one, and the slanted line is its way to the other "
    "side. "
)
WAITS_KEY = "A dashed piece is where a device stands still until the other devices' h is there. "


def render_system_report(view: SystemView) -> str:
    """The page as text; the same input gives the same text.

    Raises:
        DesignError: if a record holds something other than a number where one belongs.
    """
    name = str(lookup(view.document, "network") or "System")
    title = f"{name}: rnngen system report"
    return page(
        title,
        element("h1", title),
        element("p", _subtitle(view), class_="subtitle"),
        input_line(view.document, view.simulation),
        _tiles(view),
        element("p", element("strong", "What binds: "), f"{lookup(view.document, 'binds') or NOT_GIVEN}."),
        section(
            "Devices and links",
            diagram(view),
            _host(view),
            tables.devices(view),
            tables.loads(view),
            tables.links(view),
        ),
        section("The first steps", timeline(view), _timeline_note(view)),
        tables.times(view),
        tables.not_chosen(view),
        tables.inner_cuts(view),
        tables.files(view),
    )


def write_system_report(view: SystemView, path: str | os.PathLike[str]) -> None:
    """Write ``render_system_report`` to a file, whole or not at all.

    Raises:
        DesignError: as ``render_system_report``, or if the file cannot be written.
    """
    write_atomically(Path(path), render_system_report(view).encode("utf-8"))


def _subtitle(view: SystemView) -> str:
    source = lookup(view.document, "source")
    bits = [lookup(view.document, f"{what}_bits") for what in ("weight", "activation")]
    used = len(view.devices)
    how = f"{_what(view)} over {used} device{'s' * (used != 1)}"
    parts = (
        f"from {source}" if source else None,
        f"{bits[0]}-bit weights, {bits[1]}-bit activations" if None not in bits else None,
        how,
    )
    return "; ".join(part for part in parts if part)


def _what(view: SystemView) -> str:
    """What is over the devices: whole layers, or parts of some."""
    shared = sum(len(members) > 1 for members in view.parts)
    if lookup(view.document, "cut") == "x/h":
        return "layers, of some x and h apart,"
    if view.is_chain:
        return "whole layers"
    if view.shares_all:
        return "one layer"
    if shared == len(view.parts):
        return f"{shared} layers, each in parts,"
    return f"whole layers, and {'one' if shared == 1 else shared} in parts,"


def _tiles(view: SystemView) -> Markup:
    """The figures that matter."""
    return element(
        "div",
        verdict_tile(view.simulation),
        _time_tile(view, "Step interval", "step_interval", ""),
        _time_tile(view, "Latency", "latency_last_output", "to the last output word"),
        _rate_tile(view),
        _devices_tile(view),
        _link_tile(view),
        class_="tiles",
    )


def _time_tile(view: SystemView, name: str, key: str, what: str) -> Markup:
    """A time: as measured, or else as planned."""
    measured = number(view.simulation, f"{key}_cycles")
    ticks = number(view.document, f"{key}_ticks")
    if measured is not None:
        time = microseconds(measured, view.clock_hz)
        return tile(name, f"{whole(measured)} cycles", _listed(time, what, "measured in simulation"))
    cycles = view.cycles(ticks)
    bound = "latency" in key and lookup(view.document, "latency_is") == "bound"
    time = view.time(ticks) if cycles else None
    return tile(name, cycles or view.time(ticks), _listed(time, what, "at most" if bound else None, "planned"))


def _listed(*parts: str | None) -> str:
    return ", ".join(part for part in parts if part)


def _rate_tile(view: SystemView) -> Markup:
    measured = number(view.simulation, "step_interval_cycles")
    if measured and view.clock_hz:
        simulated = significant(view.clock_hz / measured)
        return tile("Steps a second", simulated, "measured in simulation, at the target clock")
    rate = number(view.document, "steps_per_second")
    return tile("Steps a second", None if rate is None else significant(rate), "planned, at the target clock")


def _devices_tile(view: SystemView) -> Markup:
    known = len(lookup(view.document, "system", "devices") or view.devices)
    detail = f"{count(view.document, 'multipliers')} multipliers, planned"
    return tile("Devices in use", f"{len(view.devices)} of {known}", detail)


def _link_tile(view: SystemView) -> Markup:
    if not view.links:
        return tile("Busiest link", "none", "one device needs no link")
    link = max(view.links, key=lambda link: number(link, "load") or 0.0)
    ends = "each of them" if view.shares_all else f"{lookup(link, 'from')} to {lookup(link, 'to')}"
    return tile("Busiest link", percent(number(link, "load") or 0.0), f"of its time, {ends}, planned")


_SHARED = {
    "rows": " Each device that shares a layer sends its part of h to each other one.",
    "groups": " Each device that shares a layer sends what its group gives to each other one, for the projection.",
    "x/h": " What multiplies a layer's x sends its sums to the device that multiplies its h.",
}
"""What crosses between devices that share a layer, by how it is cut."""

_AROUND = " Where they are in a ring, their neighbours send it on."


def _host(view: SystemView) -> Markup:
    """Where steps come in and results leave."""
    ends = (", ".join(str(name) for name in lookup(view.document, "host", end) or ()) for end in ("input", "output"))
    told = "The host gives every step to {} and takes the results from {}.".format(*ends)
    if view.shares_all:
        told = "The host gives every step to all devices and takes each one's units."
    around = any(view.ring(part) for part in range(len(view.parts)))
    shared = _SHARED.get(str(lookup(view.document, "cut")), "")
    return note(told, shared, _AROUND if around else None, _ways(view))


def _ways(view: SystemView) -> str:
    """Which devices give on what others compute."""
    said = [
        f" What {path[0]} gives to {path[-1]} goes over {' and '.join(path[1:-1])}."
        for path in view.paths
        if path[1:-1]
    ]
    return "".join(said)


def _timeline_note(view: SystemView) -> Markup:
    sequences = len(view.times.lengths)
    sent = (
        "One sequence is sent as fast as the system takes it."
        if sequences == 1
        else f"{sequences} sequences of {view.times.lengths[0]} steps are sent as fast as the system takes them; "
        "numbers are those of the sequence and its step."
    )
    return note(
        TIMELINE_KEY,
        LINK_KEY if view.links else None,
        WAITS_KEY if any(device.waits for device in view.times.devices) else None,
        sent,
    )
