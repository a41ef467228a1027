"""The boards: what each is, what was done for it, and on which of them a model or a design fits."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rnngen.config import Board, list_boards, load_board
from rnngen.emit.design import Design, read_design
from rnngen.emit.folder import is_design
from rnngen.errors import PlanError, ToolError
from rnngen.flow.generate import (
    DEFAULT_OPTIONS,
    GenerateOptions,
    Known,
    QuantisedModel,
    generate_quantised,
    plan_for_board,
    quantised_model,
)
from rnngen.flow.resources import Circuits, count_resources, why_not
from rnngen.frontend import Model
from rnngen.plan.memory import total_memory_bits
from rnngen.plan.options import engine_dsps

NOT_ASKED = "LUTs and registers are left out"
"""Why a design was not counted where nobody asked for it."""


@dataclass(frozen=True)
class Fit:
    """A model or a design on a board.

    Attributes:
        board: Its name.
        fits: Whether it does, counted; None: multipliers and memories of the plan do, and the rest was not counted.
        reason: Why it does not, or why it was not counted; else "".
        multipliers, memory_bits: Of the plan; 0 where none is.
        interval_cycles: Of a step, for a model at the board's clock; 0 where no plan is.
        clock_hz: Of the plan.
        resources: Counted, as in design.json; None: not counted, or no plan of a model fits.
    """

    board: str
    fits: bool | None
    reason: str
    multipliers: int = 0
    memory_bits: int = 0
    interval_cycles: int = 0
    clock_hz: int = 0
    resources: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def board_dict(board: Board) -> dict[str, Any]:
    """A board as plain data."""
    record = board.record
    return {
        "name": board.name,
        "description": board.description,
        "family": board.family,
        "device": board.device,
        "clock_input_hz": board.clock_input_hz,
        "clock_target_hz": board.clock_target_hz,
        "host": host(board),
        "flows": list(board.flows),
        "budget": asdict(board.budget),
        "status": board.status,
        "record": None if record is None else asdict(record),
        "note": board.note,
        "load": board.load,
    }


def host(board: Board) -> str:
    """Its connection to the host, in words."""
    if board.host.kind == "uart":
        return f"serial, {board.host.baud / 1e6:g} Mbaud"
    if board.host.kind == "axi":
        return f"AXI, {board.host.processor}" if board.host.processor else "AXI"
    return "none"


def boards(names: Sequence[str] | None = None) -> list[Board]:
    """The boards of these names or files, or all of them; sorted by name."""
    found = [load_board(name) for name in (list_boards() if names is None else dict.fromkeys(names))]
    return sorted(found, key=lambda board: board.name)


def fitting(
    target: Model,
    options: GenerateOptions = DEFAULT_OPTIONS,
    progress: Callable[[str], None] = lambda line: None,
    names: Sequence[str] | None = None,
) -> list[Fit]:
    """On which boards a model, or a design in a folder, fits: those first on which it does, the fastest before others.

    A model gets what ``generate`` makes of it for each board: its budget, its clock, and the most multipliers that fit.
    A design is as it is.

    Args:
        options: ``count``: whether LUTs, registers, DSP blocks and block RAMs are counted, some seconds a board; else
            plans alone are compared.
        progress: Told which board it is, and what is done.
        names: Names or files of the boards; None: all.

    Raises:
        RnngenError: whatever is wrong with model, options, names or folder.
    """
    listed = boards(names)
    if isinstance(target, str | Path) and is_design(Path(target)):
        found = _of_design(read_design(Path(target)), listed, options.count, progress)
    else:
        found = _of_model(quantised_model(target, options), listed, options, progress)
    order = {True: 0, None: 1, False: 2}
    return sorted(found, key=lambda fit: (order[fit.fits], fit.interval_cycles / max(1, fit.clock_hz), fit.board))


def _of(board: Board, progress: Callable[[str], None]) -> Callable[[str], None]:
    """Progress that names the board."""
    return lambda line: progress(f"{board.name}: {line}")


def _of_design(design: Design, listed: Sequence[Board], count: bool, progress: Callable[[str], None]) -> list[Fit]:
    circuits, found = Circuits(), []
    clock_hz, bits = int(design.document["clock_hz_target"]), int(design.document["memory_bits"])
    for board in listed:
        planned = Fit(board.name, None, NOT_ASKED, design.plan.multipliers, bits, design.plan.interval, clock_hz)
        if reason := _too_much(design, board):
            found.append(replace(planned, fits=False, reason=reason))
        elif not count:
            found.append(planned)
        elif reason := why_not(board):
            found.append(replace(planned, reason=reason))
        else:
            found.append(_counted(planned, design, board, circuits, _of(board, progress)))
    return found


def _counted(
    planned: Fit, design: Design, board: Board, circuits: Circuits, progress: Callable[[str], None]
) -> Fit:
    """A design whose plan is within a board's budget, counted."""
    try:
        count = count_resources(design, board, progress, circuits)
    except ToolError as error:
        return replace(planned, reason=_clause(error))
    return replace(planned, fits=count.fits, reason=count.reason(), resources=count.to_dict())


def _too_much(design: Design, board: Board) -> str:
    """What a design needs by its plan and a board has not; "" if it has all."""
    have, document = board.budget, design.document
    if document["multiplier"] == "ecp5" != board.family:
        return "its multipliers are blocks of the ECP5: generate it for this board"
    bits, weights = int(document["memory_bits"]), 0
    if document.get("loaded_before_use"):
        weights = sum(int(layer["memory_bits"]["weights"]) for layer in document["layers"])
        if not have.single_port_rams:
            return "its weights are in single-port RAM, which this board has none of: generate it for this board"
    dsps = sum(engine_dsps(engine) for engine in design.plan.engines)
    needs = (("DSPs", dsps, have.dsps), ("memory bits", bits - weights, have.block_ram_bits))
    return "; ".join(f"{what} {needed:,} of {there:,}" for what, needed, there in needs if needed > there)


def _of_model(
    model: QuantisedModel, listed: Sequence[Board], options: GenerateOptions, progress: Callable[[str], None]
) -> list[Fit]:
    known, found = Known(), []
    for board in listed:
        own = replace(options, board=str(board.file))
        try:
            if options.count and not why_not(board):
                found.append(_generated(model, board, own, known, _of(board, progress)))
            else:
                _of(board, progress)("planning")
                found.append(_planned(model, board, own, known, why_not(board) if options.count else NOT_ASKED))
        except PlanError as error:
            found.append(Fit(board.name, False, str(error).replace(f"Board '{board.name}'", "It")))
    return found


def _generated(
    model: QuantisedModel, board: Board, options: GenerateOptions, known: Known, progress: Callable[[str], None]
) -> Fit:
    """What ``generate`` makes of a model for a board; its files go with the folder.

    Raises:
        PlanError: if it does not fit.
    """
    with tempfile.TemporaryDirectory(prefix=".rnngen-fit-") as folder:
        try:
            document = generate_quantised(model, Path(folder) / "design", options, progress, known).document
        except ToolError as error:
            return _planned(model, board, options, known, _clause(error))
    return Fit(
        board.name, True, "", document["multipliers"], document["memory_bits"], document["step_interval_cycles"],
        document["clock_hz_target"], document["resources"],
    )  # fmt: skip


def _planned(model: QuantisedModel, board: Board, options: GenerateOptions, known: Known, reason: str) -> Fit:
    """The plan of a model for a board, which was not counted.

    Raises:
        PlanError: if there is none within the board's budget.
    """
    quantised = model[1]
    plan, clock_hz = plan_for_board(quantised, options, known)
    bits = total_memory_bits(quantised, plan)
    return Fit(board.name, None, reason, plan.multipliers, bits, plan.interval, clock_hz)


def _clause(error: ToolError) -> str:
    """A tool's sentence behind a colon."""
    return str(error).removesuffix(".")
