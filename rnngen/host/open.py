"""One way to every accelerator: ``open_device``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rnngen.errors import DesignError
from rnngen.host.device import Device
from rnngen.host.ports import HostDesign, host_design
from rnngen.host.serial_device import SerialDevice
from rnngen.host.transports import SerialTransport, SocketTransport, Transport

PLACES = "emulator, simulation, serial:PORT[@BAUD], socket:PATH or pynq:BITFILE"
_SIMULATION_PATIENCE_SECONDS = 2.0
"""A simulation is slow, and never loses a byte."""


def open_device(
    design: Any,
    where: str = "emulator",
    *,
    timeout: float | None = None,
    check: bool = True,
    progress: Callable[[str], None] = lambda line: None,
) -> Device:
    """An accelerator that computes a design, wherever it is.

        with open_device("design", "serial:/dev/ttyUSB0") as device:
            y = device.run(x)

    Args:
        design: Its folder, or a ``Design``.
        where: ``emulator``, the software model; ``simulation``, its Verilog in Verilator; ``serial:PORT`` (or the path
            of a port), a board's serial line, of the board's speed or with ``@BAUD``; ``socket:PATH``;
            ``pynq:BITFILE``, an overlay of a PYNQ board.
        timeout: Seconds to wait for what must come; by default 10, and 120 of a simulation.
        check: Whether what is there must hold this design.
        progress: Told how a simulation is built.

    Raises:
        DesignError: the folder holds no design, or the device another one.
        ToolError: the port cannot be opened, or a package or tool is missing.
        HostError: nobody answers.
    """
    kind, _, place = where.partition(":")
    own = host_design(design)
    if kind == "emulator":
        return _emulator(design, timeout or 10.0)
    if kind in ("simulation", "verilator"):
        return _simulation(design, timeout or 120.0, progress)
    if kind == "pynq" and place:
        from rnngen.host.pynq_device import PynqDevice

        return PynqDevice(own, place, timeout=timeout or 10.0, check=check)
    if kind == "socket" and place:
        return _over(SocketTransport(Path(place)), own, timeout or 120.0, _SIMULATION_PATIENCE_SECONDS, check)
    if kind == "serial" and place:
        port, _, baud = place.rpartition("@") if "@" in place else (place, "", "")
        return _over(SerialTransport(port, int(baud) if baud else _baud(own)), own, timeout or 10.0, 0.25, check)
    if "/" in where or where.upper().startswith("COM"):
        return open_device(design, f"serial:{where}", timeout=timeout, check=check)
    raise DesignError(f"A device must be one of {PLACES}, not '{where}'.")


def _over(transport: Transport, design: HostDesign, timeout: float, patience: float, check: bool) -> SerialDevice:
    try:
        return SerialDevice(design, transport, timeout, patience, check)
    except BaseException:
        transport.close()
        raise


def _baud(design: HostDesign) -> int:
    """Of the design's board; a pseudo-terminal takes any."""
    from rnngen.config import load_board

    board = design.document["board"]
    return load_board(board["name"]).uart_baud if board else 115_200


def _emulator(design: Any, timeout: float) -> Device:
    from rnngen.emit.design import read_design
    from rnngen.host.emulator import EmulatorDevice

    return EmulatorDevice(read_design(Path(design)) if isinstance(design, str | Path) else design, timeout)


def _simulation(design: Any, timeout: float, progress: Callable[[str], None]) -> Device:
    from rnngen.flow.board import simulate_serial

    simulation = simulate_serial(design, progress)
    simulation.__enter__()
    try:
        transport = SocketTransport(simulation.socket)
        try:
            return SerialDevice(
                host_design(design), transport, timeout, _SIMULATION_PATIENCE_SECONDS,
                closes=lambda: simulation.__exit__(None, None, None),
            )  # fmt: skip
        except BaseException:
            transport.close()
            raise
    except BaseException as error:
        simulation.__exit__(type(error), error, None)
        raise
