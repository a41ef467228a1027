"""The command ``rnngen count``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from rnngen.cli.text import table
from rnngen.config import load_board
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
    counted = count_resources(arguments.design, board, say)
    data = counted.to_dict() | {"fits": counted.fits}
    verdict = "It fits." if counted.fits else f"It does not fit: {counted.reason()}."
    return data, [*table(_rows(data)), around_line(data), verdict]


def resource_lines(document: Mapping[str, Any]) -> list[str]:
    """What design.json says of them, in a line."""
    counted = document.get("resources")
    if counted is None:
        return []
    used = ", ".join(f"{counted['used'][name]:,} {words}" for name, words in NAMES)
    return [f"Counted before synthesis: {used}; the scarcest takes {_share(counted):.0%} of the device."]


def around_line(data: Mapping[str, Any]) -> str:
    """What was counted, and how sure it is."""
    what = "The board's clock, reset and serial bridge are in it" if data["board_around"] else "The core alone"
    return f"{what}; LUTs and registers may be up to {data['margin']:.0%} more."


def _rows(data: Mapping[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("resource", "counted", "on the board", "share")]
    for name, words in NAMES:
        used, have = data["used"][name], data["available"][name]
        rows.append((words, f"{used:,}", f"{have:,}", f"{used / have:.0%}" if have else "-"))
    return rows


def _share(data: Mapping[str, Any]) -> float:
    return max(float(data["used"][name]) / (data["available"][name] or 1) for name, _ in NAMES)
