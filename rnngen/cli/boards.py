"""The command ``rnngen boards``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rnngen.cli.count import CELLS, cells
from rnngen.cli.text import MEGA, table
from rnngen.emit.folder import is_design
from rnngen.flow.boards import Fit, board_dict, boards, fitting
from rnngen.flow.generate import GenerateOptions
from rnngen.frontend import ImportOptions

EXAMPLE = "rnngen boards model.safetensors"
WRITES = "nothing"
SUMMARY = "list the boards, or those on which a model or a design fits"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's grammar, but for what a model does not say itself."""
    parser.add_argument(
        "model", metavar="MODEL_OR_DIR", type=Path, nargs="?", help="what should fit (default: list the boards)"
    )
    parser.add_argument(
        "--board", metavar="BOARD", action="append", dest="boards",
        help="this one alone, by name or file; or again for more",
    )  # fmt: skip
    parser.add_argument("--weight-bits", metavar="N", type=int, default=8, help="2..18 (default: %(default)s)")
    parser.add_argument("--activation-bits", metavar="N", type=int, default=16, help="4..18 (default: %(default)s)")
    parser.add_argument(
        "--no-count", action="store_true",
        help="go by multipliers and memories of the plans: LUTs and registers, some seconds a board, are not counted",
    )  # fmt: skip


def run(
    arguments: argparse.Namespace, imports: ImportOptions, say: Callable[[str], None]
) -> tuple[dict[str, Any], list[str]]:
    """Plain data, and lines for people."""
    listed = [board_dict(board) for board in boards(arguments.boards)]
    if arguments.model is None:
        return {"boards": listed}, _lines(listed)
    options = GenerateOptions(
        imports=imports, weight_bits=arguments.weight_bits, activation_bits=arguments.activation_bits,
        count=not arguments.no_count,
    )  # fmt: skip
    found = fitting(arguments.model, options, say, arguments.boards)
    by_name = {board["name"]: board for board in listed}
    data = [by_name[fit.board] | {"fit": fit.to_dict()} for fit in found]
    alone = [_ALONE] if is_design(arguments.model) and any(_is_alone(fit) for fit in found) else []
    return {"boards": data}, [*_fit_lines(found, options.count), *alone]


def _lines(listed: list[dict[str, Any]]) -> list[str]:
    rows = [("board", "device", "multipliers", "block RAM", "LUTs", "clock", "host", "flows", "status")]
    for board in listed:
        budget = board["budget"]
        rows.append(
            (
                board["name"],
                board["device"],
                str(budget["multipliers"]),
                f"{budget['block_ram_bits'] // 1024:,} Kibit",
                f"{budget['luts']:,}",
                f"{board['clock_target_hz'] / 1e6:g} MHz",
                board["host"],
                ", ".join(board["flows"]),
                board["status"],
            )
        )
    return table(rows)


def _fit_lines(found: Sequence[Fit], count: bool) -> list[str]:
    """Boards on which it fits, or may; then why it does not on the others, and what was counted."""
    head = ("board", "steps a second", "step interval", "clock", "multipliers")
    rows = [(*head, *(CELLS if count else ("memory bits",)))]
    for fit in found:
        if fit.fits is not False:
            speed, interval = f"{fit.clock_hz / fit.interval_cycles:,.0f}", f"{fit.interval_cycles} cycles"
            plan = (fit.board, speed, interval, f"{fit.clock_hz / MEGA:g} MHz", str(fit.multipliers))
            rows.append((*plan, *(cells(fit.resources) if count else (f"{fit.memory_bits:,}",))))
    misfits = [f"{fit.board}: {fit.reason}" for fit in found if fit.fits is False]
    return [
        *(table(rows) if len(rows) > 1 else []),
        *(["", "Does not fit:"] if misfits else []),
        *misfits,
        "",
        *(_not_counted(found) if count else [_PLANNED]),
        *([_COUNTED] if any(fit.fits for fit in found) else []),
    ]


_COUNTED = "Counted before synthesis; it fits even with as many more LUTs and registers as the count may be off."
_ALONE = (
    "On boards that the design was not made for the core alone was counted, without clock, reset and serial bridge: "
    "rnngen boards MODEL counts them."
)
_PLANNED = "Multipliers and memory are those of each board's plan; LUTs and registers were not counted."


def _is_alone(fit: Fit) -> bool:
    """Whether something fits that was counted without the board's top."""
    return bool(fit.fits) and fit.resources is not None and not fit.resources["board_around"]


def _not_counted(found: Sequence[Fit]) -> list[str]:
    """Boards on which nothing was counted, by reason."""
    reasons: dict[str, list[str]] = {}
    for fit in found:
        if fit.fits is None:
            reasons.setdefault(fit.reason, []).append(fit.board)
    return [f"Not counted, so it may not fit: {', '.join(names)}: {reason}." for reason, names in reasons.items()]
