"""The command ``rnngen count``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from rnngen.cli.text import table
from rnngen.config import load_board
from rnngen.emit.design import read_design
from rnngen.flow.resources import NAMES, count_resources

EXAMPLE = "rnngen count design --board ulx3s-45f"
WRITES = "nothing"
SUMMARY = "count a design's LUTs, registers, DSP blocks and block RAMs before synthesis"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("--board", metavar="BOARD", help="name or file of a board (default: the design's own)")


def run(arguments: argparse.Namespace, say: Callable[[str], None]) -> tuple[dict[str, Any], list[str]]:
    """Plain data, and lines for people."""
    board = None if arguments.board is None else load_board(arguments.board)
    design = read_design(arguments.design)
    counted = count_resources(design, board, say)
    data = counted.to_dict() | {"fits": counted.fits}
    verdict = "It fits." if counted.fits else f"It does not fit: {counted.reason()}."
    alone = "The device and its links alone" if "device" in design.document else "The core alone"
    return data, [*table(_rows(data)), _around_line(data, alone), verdict]


CELLS = tuple(words for _, words in NAMES)
"""Heads of ``cells``."""


def cells(counted: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Resources of a design in a table of several: LUTs in figures, of the others the part of what a design may use."""
    if counted is None:
        return ("not counted", "", "", "")
    used, have = counted["used"], counted["available"]
    parts = [f"{used[name] / have[name]:.0%}" if have[name] else f"{used[name]:,}" for name, _ in NAMES[1:]]
    return (f"{used['luts']:,} of {have['luts']:,}", *parts)


def resource_lines(document: Mapping[str, Any]) -> list[str]:
    """What design.json says of them, in a line."""
    counted = document.get("resources")
    if counted is None:
        return []
    used = ", ".join(f"{counted['used'][name]:,} {words}" for name, words in NAMES)
    share, scarcest = max((_share(counted, name), words) for name, words in NAMES)
    return [f"Counted before synthesis: {used}; {share:.0%} of the {scarcest} that a design may use here."]


def _around_line(data: Mapping[str, Any], alone: str) -> str:
    """What was counted, and how sure it is; ``alone``: what it is without the board's top."""
    what = "The board's clock, reset and serial bridge are in it" if data["board_around"] else alone
    return f"{what}; LUTs and registers may be up to {data['margin']:.0%} more."


def _rows(data: Mapping[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("resource", "counted", "on the board", "share")]
    for name, words in NAMES:
        used, have = data["used"][name], data["available"][name]
        rows.append((words, f"{used:,}", f"{have:,}", f"{used / have:.0%}" if have else "-"))
    return rows


def _share(data: Mapping[str, Any], name: str) -> float:
    return float(data["used"][name]) / (data["available"][name] or 1)
