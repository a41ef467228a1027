"""The head of the report: what was asked for, and the figures that matter."""

from __future__ import annotations

from rnngen.report.elements import tile
from rnngen.report.markup import Markup, element
from rnngen.report.numbers import (
    NOT_GIVEN,
    NOT_RUN,
    Json,
    decibels,
    lookup,
    megahertz,
    microseconds,
    number,
    percent,
    small,
    whole,
)
from rnngen.report.views import ErrorView


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


def verdict_tile(simulation: Json | None) -> Markup:
    """Whether circuit and emulator are equal; cycles may not have been compared, as where a run had pauses."""
    bits, cycles = lookup(simulation, "bit_exact"), lookup(simulation, "cycle_exact")
    if bits is None and cycles is None:
        return tile("Circuit against emulator", None, "bits and cycles")
    steps = number(simulation, "steps")
    over = "" if steps is None else f"over {whole(steps)} steps"
    if bits and cycles:
        return tile("Circuit against emulator", "equal", f"every bit and every cycle {over}".rstrip(), "good")
    if bits and cycles is None:
        return tile("Circuit against emulator", "equal", f"every bit {over}; cycles were not compared", "good")
    words = {True: "equal", False: "DIFFER", None: NOT_RUN}
    return tile("Circuit against emulator", "differs", f"bits {words[bits]}, cycles {words[cycles]} {over}", "bad")


def summary(design: Json, simulation: Json | None, synthesis: Json | None, errors: ErrorView | None) -> Markup:
    """The tiles at the top."""
    tiles = (
        verdict_tile(simulation),
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
