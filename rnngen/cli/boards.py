"""The command ``rnngen boards``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rnngen.cli.text import table
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
    parser.add_argument("--weight-bits", metavar="N", type=int, default=8, help="2..18 (default: %(default)s)")
    parser.add_argument("--activation-bits", metavar="N", type=int, default=16, help="4..18 (default: %(default)s)")


def run(arguments: argparse.Namespace, imports: ImportOptions) -> tuple[dict[str, Any], list[str]]:
    """Plain data, and lines for people."""
    listed = [board_dict(board) for board in boards()]
    if arguments.model is None:
        return {"boards": listed}, _lines(listed)
    options = GenerateOptions(
        imports=imports, weight_bits=arguments.weight_bits, activation_bits=arguments.activation_bits
    )
    found = fitting(arguments.model, options)
    by_name = {board["name"]: board for board in listed}
    data = [by_name[fit.board] | {"fit": fit.to_dict()} for fit in found]
    return {"boards": data}, _fit_lines(found)


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


def _fit_lines(found: list[Fit]) -> list[str]:
    rows = [("board", "multipliers", "memory bits", "step interval", "clock", "steps a second")]
    for fit in found:
        if fit.fits:
            speed = f"{fit.clock_hz / fit.interval_cycles:,.0f}"
            interval, clock = f"{fit.interval_cycles} cycles", f"{fit.clock_hz / 1e6:g} MHz"
            rows.append((fit.board, str(fit.multipliers), f"{fit.memory_bits:,}", interval, clock, speed))
    misfits = [f"{fit.board}: {fit.reason}" for fit in found if not fit.fits]
    return [
        *(table(rows) if len(rows) > 1 else []),
        *(["", "Does not fit:"] if misfits else []),
        *misfits,
        "",
        "Multipliers and memory are counted from the plan of each board; logic is not: rnngen count DIR --board BOARD.",
    ]
