"""A design's whole board top in simulation, behind the transport that the host class uses on the board."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rnngen.config import load_board
from rnngen.emit.design import Design, read_design
from rnngen.emit.folder import write_atomically
from rnngen.errors import DesignError
from rnngen.gateware.board_ulx3s import RESET_CYCLES, board_top_name, board_verilog
from rnngen.gateware.uart import clocks_per_bit
from rnngen.resources import benches_dir
from rnngen.verify.session import UartOptions, UartSimulation

BOARD_FILE = "simulation/board.v"
_PLL_TWIN = "ehxplll.v"
_SETTLED = 64


def simulate_board(
    design: Design | Path | str, progress: Callable[[str], None] = lambda line: None
) -> UartSimulation:
    """The simulation of the board top with clock, reset, serial bridge and core: what the bitstream holds.

        with simulate_board("design") as board, SocketTransport(board.socket) as transport:
            y = Accelerator(transport, design.document, outputs=design.quantised.output_size).run(x)

    The PLL is replaced by a wire: time is counted in cycles of the core's clock.

    Raises:
        DesignError: if the folder holds no sound design, or one that was made for no board.
        ToolError: on entering, if Verilator, a compiler or make is missing or fails.
    """
    design = design if isinstance(design, Design) else read_design(Path(design))
    if design.document["board"] is None:
        raise DesignError(f"'{design.folder}' was made for no board: generate it again with --board.")
    board = load_board(design.document["board"]["name"])
    source = design.folder / BOARD_FILE
    write_atomically(source, board_verilog(design.document, board).encode())
    options = UartOptions(
        clocks_per_bit(design.document["clock_hz_target"], board.uart_baud),
        clock=board.clock_port,
        start_cycles=RESET_CYCLES + _SETTLED,
    )
    sources = [*design.sources, benches_dir() / _PLL_TWIN, source.resolve()]
    return UartSimulation(design.folder, board_top_name(design.document), sources, options, progress)
