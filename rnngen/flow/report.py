"""The HTML report of a design: what was generated, and what of it was simulated and routed."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from rnngen.emit.design import Design, read_design
from rnngen.emit.folder import is_system
from rnngen.emit.system import SystemDesign, read_system
from rnngen.errors import DesignError
from rnngen.flow.report_system import system_view
from rnngen.flow.simulate import DETAILS_FILE, SIMULATION_FILE
from rnngen.report import ErrorView, Lane, LayerError, MaskView, Span, TraceView, write_report
from rnngen.report.system import write_system_report

REPORT_FILE = "report.html"
SYNTHESIS_FILE = "synthesis.json"


def report(design: Design | SystemDesign | Path | str) -> Path:
    """Writes DIR/report.html from what is in the design folder, and returns its path.

    Of a system: that of the whole, and one in the folder of each device, to which it leads.

    Raises:
        DesignError: if the folder holds no sound design or system, or a result file is damaged.
    """
    if not isinstance(design, Design | SystemDesign):
        folder = Path(design)
        design = read_system(folder) if is_system(folder) else read_design(folder)
    return _report(design) if isinstance(design, Design) else _report_system(design)


def _report_system(system: SystemDesign) -> Path:
    reports = tuple(_report(device).relative_to(system.folder).as_posix() for device in system.designs)
    path = system.folder / REPORT_FILE
    write_system_report(system_view(system, _read(system.folder / SIMULATION_FILE), reports), path)
    return path


def _report(design: Design) -> Path:
    simulation, details = (_read(design.folder / name) for name in (SIMULATION_FILE, DETAILS_FILE))
    path = design.folder / REPORT_FILE
    write_report(
        _for_report(design),
        simulation,
        _read(design.folder / SYNTHESIS_FILE),
        _trace(details),
        _errors(details),
        path,
        _masks(design),
    )
    return path


def _masks(design: Design) -> tuple[MaskView, ...]:
    """Of every sparse matrix, in the order of the layers."""
    return tuple(
        MaskView(layer.name, name, mask)
        for layer in design.quantised.layers
        for name, mask in (("W_ih" if layer.weight_h is not None else "W", layer.mask_x), ("W_hh", layer.mask_h))
        if mask is not None
    )


def _read(path: Path) -> dict[str, Any] | None:
    """A result file, or None where that step was not run."""
    if not path.is_file():
        return None
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DesignError(f"'{path}' cannot be read as JSON ({error}); run that step again.") from error
    if not isinstance(document, dict):
        raise DesignError(f"'{path}' holds no JSON object; run that step again.")
    return document


def _for_report(design: Design) -> dict[str, Any]:
    network = design.document["network"]
    return design.document | {"source": network["source"], "calibration_description": network["calibration"]}


def _trace(details: dict[str, Any] | None) -> TraceView | None:
    trace = details and details.get("trace")
    if not trace:
        return None
    return TraceView(
        lanes=tuple(
            Lane(lane["name"], lane["engine"], _spans(lane["planned"]), _spans(lane["simulated"]))
            for lane in trace["lanes"]
        ),
        start=0,
        end=trace["cycles"],
        planned_busy=trace["planned_busy"],
        simulated_busy=trace["simulated_busy"],
        interval=trace["interval"],
    )


def _spans(pairs: list[list[int]]) -> tuple[Span, ...]:
    return tuple(Span(start, end) for start, end in pairs)


def _errors(details: dict[str, Any] | None) -> ErrorView | None:
    if details is None:
        return None
    errors = details["errors"]
    layers = tuple(
        LayerError(item["name"], item["max_abs"], item["mean_abs"], _decibels(item["sqnr_db"]))
        for item in errors["layers"]
    )
    return ErrorView(layers, errors["step_max"], errors["step_mean"], errors["sequences"], errors["reference"])


def _decibels(value: float | None) -> float:
    return math.inf if value is None else value
