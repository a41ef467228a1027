"""A simulated accelerator behind the serial protocol, at a pseudo-terminal: host software before the board arrives."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import socket
import threading
import time
import tty
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rnngen.errors import DataError, ToolError
from rnngen.flow.board import simulate_serial

_CHUNK = 4096
_MOST_WAITING = 1 << 20
"""Bytes kept for a client that does not read; further ones are lost, as on a line without flow control."""
_TICK_SECONDS = 0.05
_CONNECT_SECONDS = 60.0
_FOREVER_SECONDS = 1e7


class ServedSimulation:
    """Context manager: a design's Verilog in simulation, with a pseudo-terminal for its serial port.

        with ServedSimulation("design") as served:
            device = open_device("design", f"serial:{served.port}")

    Clients may come and go, and the port may be unplugged in the middle of anything.

    Args:
        design: A design folder, or a ``Design``.
        link: A symbolic link to the port, made anew each time the port is; an older link there is replaced.
        progress: Told how the simulator is built.

    Raises:
        DesignError: if no such top can be made of the design.
        DataError: if something that is no link lies at ``link``.
        ToolError: on entering, if the simulator cannot be built.
    """

    def __init__(
        self, design: Any, link: Path | None = None, progress: Callable[[str], None] = lambda line: None
    ) -> None:
        self._simulation = simulate_serial(design, progress, _FOREVER_SECONDS)
        self._link = link
        if link is not None and link.exists() and not link.is_symlink():
            raise DataError(f"'{link}' exists and is no symbolic link; give --link another path.")
        self._lock = threading.Lock()
        self._ends: tuple[int, int] | None = None
        self._port = ""
        self._stops = False
        self._to_client = bytearray()
        self.lost = 0
        """Bytes that no client took."""

    @property
    def port(self) -> str:
        """Path of the pseudo-terminal; "" while it is unplugged."""
        return self._port

    @property
    def running(self) -> bool:
        """Whether the simulation runs."""
        return self._thread.is_alive()

    @property
    def speed(self) -> tuple[int, float]:
        """Cycles so far, and the seconds in which they were simulated, waiting for the host apart."""
        return self._simulation.speed

    def plug(self) -> str:
        """Makes the port, and returns its path."""
        with self._lock:
            if self._ends is None:
                main, side = pty.openpty()
                tty.setraw(side)  # this end stays open, so that a client that leaves does not end the port
                os.set_blocking(main, False)
                self._ends, self._port = (main, side), os.ttyname(side)
                if self._link is not None:
                    self._link.unlink(missing_ok=True)
                    self._link.symlink_to(self._port)
            return self._port

    def unplug(self) -> None:
        """Takes the port away: whoever has it open sees an error."""
        with self._lock:
            self._pull()

    def _pull(self) -> None:
        if self._ends is None:
            return
        for end in self._ends:
            os.close(end)
        self._ends, self._port = None, ""
        self._to_client.clear()
        if self._link is not None:
            self._link.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        self._simulation.__enter__()
        try:
            self._socket = _connect(self._simulation.socket)
            self.plug()
        except BaseException as error:
            self._simulation.__exit__(type(error), error, None)
            raise
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stops = True
        self._thread.join()
        self._socket.close()
        self.unplug()
        self._simulation.__exit__(kind, error, trace)

    def _carry(self) -> None:
        """Carries bytes both ways until the end."""
        while not self._stops:
            with self._lock:
                main = self._ends[0] if self._ends else None
            inputs: list[Any] = [self._socket, *([] if main is None else [main])]
            outputs = [main] if main is not None and self._to_client else []
            try:
                readable, writable, _ = select.select(inputs, outputs, [], _TICK_SECONDS)
            except (OSError, ValueError):
                continue  # unplugged meanwhile
            if self._socket in readable and not self._hear():
                return
            with self._lock:
                if self._ends is not None and self._ends[0] == main:
                    self._exchange(main, main in readable, main in writable)

    def _hear(self) -> bool:
        """Takes what the simulation sends; whether it is still there."""
        try:
            data = self._socket.recv(_CHUNK)
        except OSError:
            data = b""
        with self._lock:
            room = _MOST_WAITING - len(self._to_client) if self._ends is not None else 0
            self._to_client += data[:room]
            self.lost += max(0, len(data) - room)
        return bool(data)

    def _exchange(self, main: int, gives: bool, takes: bool) -> None:
        with contextlib.suppress(OSError):
            if gives:
                self._socket.sendall(os.read(main, _CHUNK))
            if takes:
                del self._to_client[: os.write(main, bytes(self._to_client[:_CHUNK]))]


def _connect(path: Path) -> socket.socket:
    """The simulation's socket, once it is there."""
    deadline = time.monotonic() + _CONNECT_SECONDS
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(str(path))
            return connection
        except OSError as error:
            connection.close()
            if time.monotonic() > deadline:
                reason = f"{_CONNECT_SECONDS:g} s: {error.strerror}"
                raise ToolError(f"The simulation did not start within {reason}.") from None
            time.sleep(_TICK_SECONDS)
