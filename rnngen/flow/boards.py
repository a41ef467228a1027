"""The boards: what each is, what was done for it, and on which of them a model or a design fits."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rnngen.config import Board, list_boards, load_board
from rnngen.emit.design import read_design
from rnngen.emit.folder import is_design
from rnngen.errors import PlanError
from rnngen.flow.generate import DEFAULT_OPTIONS, GenerateOptions, plan_for_board, quantised_model
from rnngen.frontend import Model
from rnngen.plan.memory import total_memory_bits
from rnngen.plan.options import engine_dsps


@dataclass(frozen=True)
class Fit:
    """A model or a design on a board, counted from the plan.

    Attributes:
        board: Its name.
        fits: Whether multipliers and memories are within its budget.
        reason: Why not; else "".
        multipliers, memory_bits: What is needed; 0 where no plan is.
        interval_cycles: Of a step, for a model at the board's clock; 0 where no plan is.
        clock_hz: Of the plan.
    """

    board: str
    fits: bool
    reason: str
    multipliers: int = 0
    memory_bits: int = 0
    interval_cycles: int = 0
    clock_hz: int = 0

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


def boards() -> list[Board]:
    """All boards, sorted by name."""
    return [load_board(name) for name in list_boards()]


def fitting(target: Model, options: GenerateOptions = DEFAULT_OPTIONS) -> list[Fit]:
    """On which boards a model, or a design in a folder, fits; those first on which it does.

    A model is planned for each board with the board's budget and clock; a design is as it is.  What a plan says is
    multipliers and memory; logic and registers are counted by synthesis.

    Raises:
        RnngenError: whatever is wrong with model, options or folder.
    """
    if isinstance(target, str | Path) and is_design(Path(target)):
        found = _of_design(Path(target))
    else:
        found = _of_model(target, options)
    return sorted(found, key=lambda fit: (not fit.fits, fit.interval_cycles / max(1, fit.clock_hz), fit.board))


def _of_design(folder: Path) -> list[Fit]:
    design = read_design(folder)
    multipliers = design.plan.multipliers
    dsps = sum(engine_dsps(engine) for engine in design.plan.engines)
    bits, found = int(design.document["memory_bits"]), []
    for board in boards():
        have = board.budget
        too_much = [
            f"{what} {needed:,} of {there:,}"
            for what, needed, there in (("DSPs", dsps, have.dsps), ("memory bits", bits, have.block_ram_bits))
            if needed > there
        ]
        clock_hz = int(design.document["clock_hz_target"])
        interval = design.plan.interval
        found.append(Fit(board.name, not too_much, "; ".join(too_much), multipliers, bits, interval, clock_hz))
    return found


def _of_model(model: Model, options: GenerateOptions) -> list[Fit]:
    _, quantised, _ = quantised_model(model, options)
    found, plans = [], dict[object, Fit]()
    for board in boards():
        alike = (board.budget, board.clock_target_hz, board.dsp)
        if alike not in plans:
            own = replace(options, board=board.name)
            try:
                plan, clock_hz = plan_for_board(quantised, own, board)
            except PlanError as error:
                plans[alike] = Fit(board.name, False, str(error).replace(f"Board '{board.name}'", "It"))
            else:
                bits = total_memory_bits(quantised, plan)
                plans[alike] = Fit(board.name, True, "", plan.multipliers, bits, plan.interval, clock_hz)
        found.append(replace(plans[alike], board=board.name))
    return found
