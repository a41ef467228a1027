"""What of the open flow is a family's own: Yosys' command, place and route, the packer, and the constraints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rnngen.build.netlist import Netlist
from rnngen.build.open_ecp5 import Ecp5Tools
from rnngen.build.open_gowin import GowinTools
from rnngen.build.open_ice40 import Ice40Tools
from rnngen.build.result import Counted
from rnngen.config import Board
from rnngen.errors import DesignError
from rnngen.gateware.board_link import BoardLink


class OpenTools(Protocol):
    """The open tools of a family.  Commands are run in the folder of the netlist, whose files they name.

    Attributes:
        name: Of the flow, such as ``"yosys + nextpnr-ecp5"``.
        nextpnr, packer: Console script and package of each.
        synth: Yosys' command, to which ``-top`` is added.
        constraints_file: Name of the file that ``constraints`` is written to.  suffix: Of the bitstream's name.
        flat: No hierarchy may be kept, as Yosys would put pads at the ports of what it keeps.
        apart: Modules that are synthesised each by itself.
        counted: What the resources are called in nextpnr's report, or in the netlist.
    """

    name: str
    nextpnr: tuple[str, str]
    packer: tuple[str, str]
    synth: str
    constraints_file: str
    suffix: str
    flat: bool
    apart: tuple[str, ...]
    counted: Counted

    def knows(self, part: str) -> bool:
        """Whether it makes bitstreams for a part."""

    def constraints(self, board: Board, links: Sequence[BoardLink]) -> str:
        """Pins, electrical attributes and the clocks that come in."""

    def prepare(self, netlist: Netlist, board: Board) -> str | None:
        """Changes the flat netlist before it is placed; what is to be said of it."""

    def place(self, board: Board, clock_hz: int, run: PlaceRun) -> list[str]:
        """Arguments of nextpnr, which takes netlist.json and ``constraints_file``."""

    def pack(self, board: Board, routed: str, bitstream: str) -> list[str]:
        """Arguments of the packer."""


@dataclass(frozen=True)
class PlaceRun:
    """One run of nextpnr.

    Attributes:
        seed: Of the placement.  again: Whether wires are taken up again.
        routed, report: Names of the files that it writes; "": it only packs, and writes none.
    """

    seed: int
    again: bool
    routed: str
    report: str

    def written(self, option: str) -> list[str]:
        """Arguments for the files, the routed one under this option."""
        return [option, self.routed, "--report", self.report] if self.routed else ["--pack-only"]


_TOOLS: Mapping[str, OpenTools] = {
    "ecp5": Ecp5Tools(),
    "gowin": GowinTools(),
    "ice40": Ice40Tools(),
}


def open_tools(board: Board, design_dir: Path) -> OpenTools:
    """The tools of a board's device.

    Raises:
        DesignError: if no open tool makes its bitstream.
    """
    tools = _TOOLS.get(board.family)
    if "open" not in board.flows or tools is None or not tools.knows(board.part):
        raise DesignError(
            f"'{design_dir.name}' is for board '{board.name}', and no open tools make bitstreams for its {board.part} "
            f"here; 'rnngen boards' says which flow it has."
        )
    return tools
