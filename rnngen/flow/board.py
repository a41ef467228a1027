"""Whole board tops in simulation, behind the transport that the host class uses on the boards."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from rnngen.build.cell_models import cell_models
from rnngen.build.synthesize import netlist_verilog
from rnngen.config import Board
from rnngen.config.board import board_of
from rnngen.emit.design import Design, read_design
from rnngen.emit.devices import device_name
from rnngen.emit.folder import write_atomically
from rnngen.emit.system import SystemDesign, read_system
from rnngen.errors import DesignError
from rnngen.flow.system_bench import gathered
from rnngen.gateware.board_top import RESET_CYCLES, board_top_name, board_verilog, inside
from rnngen.gateware.frames import RESTART_CYCLES
from rnngen.gateware.serial_top import POWER_ON_CYCLES, serial_top_name, serial_verilog
from rnngen.gateware.system.boards_top import CLOCK, board_verilog_alone, boards_verilog
from rnngen.gateware.uart.baud import clocks_per_bit
from rnngen.resources import benches_dir
from rnngen.verify.session import UartOptions, UartSimulation

BOARD_FILE, BENCH_FILE = "simulation/board.v", "simulation/boards.v"
SERIAL_FILE = "simulation/serial.v"
NETLIST_FILE, CELLS_FILE = "simulation/netlist.v", "simulation/cells.v"
SERIAL_DIVISOR = 4
"""Clock cycles of a bit where no board says how many."""
MINIMUM_IDLE_CYCLES = 20_000
BOARDS = "boards"
"""Module that holds all boards of a system, or a single one, and in DIR/simulation the folder of a system's sources."""
_TWINS = {
    "ecp5": ("ehxplll.v", "oddrx1f.v", "ifs1p3dx.v"),
    "gowin": ("rpll.v",),
    "ice40": ("sb_pll40_pad.v",),
}
"""By family: what stands for the device's own blocks around the core."""
_CELLS = {"ice40": ("ice40/cells_sim.v", ("SB_PLL40_PAD",))}
"""By family: Yosys' models of its cells, and those of them that ``_TWINS`` stands for."""
_SETTLED = 64
_TRAINED = 4096
"""Cycles behind the reset in which all links have come up."""


def simulate_board(
    design: Design | Path | str, progress: Callable[[str], None] = lambda line: None
) -> UartSimulation:
    """The simulation of the board top with clock, reset, serial bridge and core: what the bitstream holds.

        with simulate_board("design") as board, SocketTransport(board.socket) as transport:
            y = Accelerator(transport, design.document, outputs=design.quantised.output_size).run(x)

    ``rnngen.host.open_device(design, "simulation")`` does all of it.

    The PLL is replaced by a wire: time is counted in cycles of the core's clock.  No button is pressed.

    Raises:
        DesignError: if the folder holds no sound design, one that was made for no board, or a device of a system.
        ToolError: on entering, if Verilator, a compiler or make is missing or fails.
    """
    design = design if isinstance(design, Design) else read_design(Path(design))
    board = _board(design)
    if inside(design.document).links:
        raise DesignError(f"'{design.folder}' is a device of a system; simulate the boards of the system together.")
    source = design.folder / BOARD_FILE
    around = design.folder / BENCH_FILE
    write_atomically(source, board_verilog(design.document, board).encode())
    write_atomically(around, board_verilog_alone(design.document, board, BOARDS).encode())
    sources = [*design.sources, *_twins(board), source.resolve(), around.resolve()]
    options = _options(design, board, _SETTLED)
    return UartSimulation(design.folder, BOARDS, sources, options, progress)


def simulate_netlist(
    design: Design | Path | str, progress: Callable[[str], None] = lambda line: None
) -> UartSimulation:
    """As ``simulate_board``, of the netlist that synthesis makes of the board top, with models of the device's cells.

    Raises:
        DesignError: as ``simulate_board``, or if the open tools have no models of the family's cells.
        ToolError: on entering, if a tool is missing or fails.
    """
    design = design if isinstance(design, Design) else read_design(Path(design))
    board = _board(design)
    if board.family not in _CELLS:
        raise DesignError(
            f"'{design.folder}' is for a board of {board.family}, and models of all its cells there are only for "
            f"{', '.join(_CELLS)}: simulate the Verilog, simulate_board."
        )
    netlist, cells, around = (design.folder / name for name in (NETLIST_FILE, CELLS_FILE, BENCH_FILE))
    write_atomically(netlist, netlist_verilog(design.folder, progress).encode())
    write_atomically(cells, cell_models(*_CELLS[board.family]).encode())
    write_atomically(around, board_verilog_alone(design.document, board, BOARDS).encode())
    sources = [cells.resolve(), *_twins(board), netlist.resolve(), around.resolve()]
    return UartSimulation(design.folder, BOARDS, sources, _options(design, board, _SETTLED), progress)


def simulate_serial(
    design: Design | Path | str, progress: Callable[[str], None] = lambda line: None, host_seconds: float = 3600.0
) -> UartSimulation:
    """The simulation of a design behind the serial protocol: of its board's top, or of a plain one with a fast line.

    Args:
        host_seconds: So long the simulation waits for a host that says nothing.

    Raises:
        DesignError: if the folder holds no sound design, or one that no such top can be made of.
        ToolError: on entering, if Verilator, a compiler or make is missing or fails.
    """
    design = design if isinstance(design, Design) else read_design(Path(design))
    document = design.document
    quiet = max(MINIMUM_IDLE_CYCLES, 4 * document["step_interval_cycles"] + document["latency_last_output_cycles"])
    if document["board"] is not None:
        simulation = simulate_board(design, progress)
        return simulation.waiting(host_seconds, quiet * max(1, document["capacity_steps"]))
    source = design.folder / SERIAL_FILE
    write_atomically(source, serial_verilog(document, SERIAL_DIVISOR).encode())
    options = UartOptions(SERIAL_DIVISOR, clock="aclk", start_cycles=POWER_ON_CYCLES + RESTART_CYCLES)
    sources = [*design.sources, source.resolve()]
    simulation = UartSimulation(design.folder, serial_top_name(document), sources, options, progress)
    return simulation.waiting(host_seconds, quiet * max(1, document["capacity_steps"]))


def simulate_boards(
    system: SystemDesign | Path | str, progress: Callable[[str], None] = lambda line: None
) -> UartSimulation:
    """The simulation of all boards of a system, joined by the pins of their links: what their bitstreams hold.

        with simulate_boards("design") as boards, SocketTransport(boards.socket) as transport:
            y = Accelerator(transport, system.document, outputs=system.quantised.output_size).run(x)

    What is written goes to the first board's serial port, what is read comes from that of the board that gives results.
    All boards have one clock, and cables take no time.

    Raises:
        DesignError: if the folder holds no sound system, a device has no board, or a link goes over no pins.
        ToolError: on entering, if Verilator, a compiler or make is missing or fails.
    """
    system = system if isinstance(system, SystemDesign) else read_system(Path(system))
    designs = [design for design in system.designs if "on" not in design.document["device"]]
    boards = [_board(design) for design in designs]
    folder = system.folder / "simulation" / BOARDS
    texts = {f"{board_top_name(each.document)}.v": board_verilog(each.document, board)
             for each, board in zip(designs, boards)}  # fmt: skip
    texts[f"{BOARDS}.v"] = boards_verilog([design.document for design in designs], boards, BOARDS)
    rtl = _gathered(folder, system.designs)
    for name, text in texts.items():
        (rtl / name).write_text(text, encoding="utf-8")
    around = [f"{device_name(design.top)}.v" for design in system.designs]
    around += [f"{inside(design.document).module}.v" for design in designs]
    files = dict.fromkeys(source.name for design in system.designs for source in design.sources)
    sources = [*(Path(name) for name in (*files, *dict.fromkeys(around), *texts)), *_twins(*boards)]
    return UartSimulation(folder, BOARDS, sources, _options(designs[0], boards[0], _TRAINED), progress)


def _board(design: Design) -> Board:
    if design.document["board"] is None:
        raise DesignError(f"'{design.folder}' was made for no board: generate it again with --board.")
    return board_of(design.document["board"])


def _gathered(folder: Path, designs: tuple[Design, ...]) -> Path:
    """All files of the designs in one folder, in the place of what was there."""
    try:
        shutil.rmtree(folder / "rtl", ignore_errors=True)
        return gathered(designs, folder)
    except OSError as error:
        raise DesignError(f"'{folder}' cannot be written: {error.strerror}.") from error


def _twins(*boards: Board) -> list[Path]:
    names = dict.fromkeys(name for board in boards for name in _TWINS.get(board.family, ()))
    return [benches_dir() / name for name in names]


def _options(design: Design, board: Board, settled: int) -> UartOptions:
    return UartOptions(
        clocks_per_bit(design.document["clock_hz_target"], board.uart_baud),
        clock=CLOCK,
        start_cycles=RESET_CYCLES + settled,
    )
