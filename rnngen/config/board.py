"""Boards, one TOML file each: those in the folder ``boards``, and a user's own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

from rnngen.config.board_data import FAMILIES, Board, Budget, ClockInput, Connector, HostPort, Indicator, Pin
from rnngen.config.board_file import read_board_file, read_board_text
from rnngen.errors import PlanError
from rnngen.resources import boards_dir

__all__ = [
    "BOARDS_VARIABLE", "FAMILIES", "Board", "Budget", "ClockInput", "Connector", "HostPort", "Indicator", "Pin",
    "board_entry", "board_of", "list_boards", "load_board",
]  # fmt: skip

BOARDS_VARIABLE = "RNNGEN_BOARDS"
"""Environment variable: folders with board files of a user's own, separated as in PATH."""


def list_boards() -> list[str]:
    """The names that ``load_board`` knows, sorted."""
    return sorted(_files())


def load_board(name: str) -> Board:
    """The board of a name, or of a file, whose name ends in .toml.

    Names are those of the files in rnngen's own folder ``boards`` and in the folders of ``BOARDS_VARIABLE``.

    Raises:
        PlanError: if there is no such board, two have the name, or its file does not hold what a board needs.
    """
    if name.endswith(".toml"):
        return read_board_file(Path(name))
    files = _files()
    if name not in files:
        near = get_close_matches(name, files, n=3, cutoff=0.5)
        hint = f" (near it are {', '.join(near)})" if near else ""
        raise PlanError(
            f"No board is called '{name}'{hint}: 'rnngen boards' lists them, and a board file's name ends in .toml."
        )
    return read_board_file(files[name])


def board_entry(board: Board) -> dict[str, str]:
    """What a design says of its board: its name, and the file of one that is not rnngen's own."""
    if board.file.parent == boards_dir():
        return {"name": board.name}
    return {"name": board.name, "toml": board.file.read_text(encoding="utf-8")}


def board_of(entry: Mapping[str, str]) -> Board:
    """The board that a design says (``board_entry``).

    Raises:
        PlanError: if it is one of rnngen's own that is no longer there, or its file is unsound.
    """
    if "toml" not in entry:
        return load_board(entry["name"])
    return read_board_text(entry["toml"], Path(f"{entry['name']}.toml"))


def _files() -> dict[str, Path]:
    """Board files by name."""
    found: dict[str, Path] = {}
    for folder in (boards_dir(), *_own_folders()):
        for path in sorted(folder.glob("*.toml")):
            if path.stem in found:
                first = found[path.stem].parent
                raise PlanError(f"Board '{path.stem}' is in both '{first}' and '{folder}'; rename one.")
            found[path.stem] = path
    return found


def _own_folders() -> list[Path]:
    folders = [Path(name) for name in os.environ.get(BOARDS_VARIABLE, "").split(os.pathsep) if name]
    for folder in folders:
        if not folder.is_dir():
            raise PlanError(f"{BOARDS_VARIABLE} names '{folder}', which is no folder.")
    return folders
