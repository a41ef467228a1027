"""Byte streams between the host and an accelerator."""

from __future__ import annotations

import importlib
import socket
import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from rnngen.errors import ToolError

_CONNECT_SECONDS = 60.0
_RETRY_SECONDS = 0.05
_LEAST_WAIT_SECONDS = 1e-4
_CHUNK = 65_536


class Transport(Protocol):
    """Carries bytes both ways, in order."""

    def write(self, data: bytes) -> None:
        """Send all of ``data``."""

    def read(self, size: int, timeout: float) -> bytes:
        """Up to ``size`` bytes; fewer if ``timeout`` seconds pass or the other side is gone."""

    def receive(self, timeout: float) -> bytes:
        """What has come: at least a byte, or nothing within ``timeout`` seconds.

        Raises:
            ToolError: the line is gone.
        """

    def close(self) -> None:
        """Release the device."""


class _Closing(ABC):
    """Lets a transport be used in a ``with`` statement."""

    @abstractmethod
    def close(self) -> None:
        """Release the device."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class SerialTransport(_Closing):
    """A serial port, 8N1, through pyserial.

    Args:
        port: for example ``/dev/ttyUSB0`` or ``COM3``.
        baud: bits a second, as the design was built for.

    Raises:
        ToolError: pyserial is not installed, or the port cannot be opened.
    """

    def __init__(self, port: str, baud: int) -> None:
        try:
            serial: Any = importlib.import_module("serial")
        except ImportError:
            raise ToolError(
                "Talking to a board needs pyserial, which is not installed: run `pip install pyserial`."
            ) from None
        self._port = port
        try:
            self._serial = serial.Serial(port, baud)
        except (OSError, ValueError) as error:  # SerialException is an OSError
            raise ToolError(f"The serial port {port} cannot be opened: {error}.") from None

    def write(self, data: bytes) -> None:
        """Send all of ``data``."""
        try:
            self._serial.write(data)
        except OSError as error:
            raise self._gone(error) from None

    def read(self, size: int, timeout: float) -> bytes:
        """Up to ``size`` bytes within ``timeout`` seconds."""
        try:
            self._serial.timeout = timeout
            return bytes(self._serial.read(size))
        except OSError as error:
            raise self._gone(error) from None

    def receive(self, timeout: float) -> bytes:
        """What has come within ``timeout`` seconds."""
        first = self.read(1, timeout)
        return first + self.read(self._waiting(), 0.0) if first else b""

    def _waiting(self) -> int:
        try:
            return int(self._serial.in_waiting)
        except OSError as error:
            raise self._gone(error) from None

    def _gone(self, error: OSError) -> ToolError:
        return ToolError(f"The serial port {self._port} is gone ({error}): plug the board in and open it again.")

    def close(self) -> None:
        """Close the port."""
        self._serial.close()


class SocketTransport(_Closing):
    """The UNIX socket of the simulation bench ``sim/bench_uart.py``.

    Raises:
        ToolError: nobody listens there within ``connect_seconds``.
    """

    def __init__(self, path: Path, connect_seconds: float = _CONNECT_SECONDS) -> None:
        deadline = time.monotonic() + connect_seconds
        while True:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                self._socket.connect(str(path))
                return
            except OSError as error:
                self._socket.close()
                if time.monotonic() > deadline:
                    raise ToolError(
                        f"No simulation listens at {path} after {connect_seconds:g} s: {error.strerror}."
                    ) from None
                time.sleep(_RETRY_SECONDS)

    def write(self, data: bytes) -> None:
        """Send all of ``data``."""
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise ToolError(f"The simulation closed the connection: {error.strerror}.") from None

    def read(self, size: int, timeout: float) -> bytes:
        """Up to ``size`` bytes within ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        received = b""
        while len(received) < size and (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                part = self._socket.recv(size - len(received))
            except OSError:
                break
            if not part:
                break
            received += part
        return received

    def receive(self, timeout: float) -> bytes:
        """What has come within ``timeout`` seconds."""
        self._socket.settimeout(max(timeout, _LEAST_WAIT_SECONDS))
        try:
            data = self._socket.recv(_CHUNK)
        except TimeoutError:
            return b""
        except OSError as error:
            raise ToolError(f"The simulation closed the connection: {error.strerror}.") from None
        if not data:
            raise ToolError("The simulation ended and closed the connection.")
        return data

    def close(self) -> None:
        """Close the connection, which ends the simulation."""
        self._socket.close()


class PairTransport(_Closing):
    """A system's two ends: steps are written to its first board, and results read from its last one."""

    def __init__(self, first: Transport, last: Transport) -> None:
        self._first, self._last = first, last

    def write(self, data: bytes) -> None:
        """Send all of ``data`` to the first board."""
        self._first.write(data)

    def read(self, size: int, timeout: float) -> bytes:
        """Up to ``size`` bytes of the last board within ``timeout`` seconds."""
        return self._last.read(size, timeout)

    def receive(self, timeout: float) -> bytes:
        """What has come from the last board within ``timeout`` seconds."""
        return self._last.receive(timeout)

    def close(self) -> None:
        """Close both."""
        self._first.close()
        self._last.close()
