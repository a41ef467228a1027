"""An accelerator behind the serial protocol: a board's serial port, or the simulation of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import numpy as np

from rnngen.arith.beats import pack, unpack
from rnngen.arith.format import IntArray
from rnngen.host.device import Device
from rnngen.host.link import SerialLink
from rnngen.host.ports import HostDesign
from rnngen.host.transports import Transport

_SETTLES_SECONDS = 0.5
"""So long what is in flight may take to come out before a device is restarted."""


class SerialDevice(Device):
    """An accelerator over a transport.

    Args:
        design: What it should hold.
        transport: Carries the bytes.
        timeout: Seconds to wait for what must come.
        patience: Seconds of silence behind which the bridge is asked where it is.
        check: Whether the design's digest must be the board's.
        closes: What is called at the end, beside closing the transport.

    Raises:
        DesignError: the board holds another design.
        HostError: nobody answers.
    """

    def __init__(
        self, design: HostDesign, transport: Transport, timeout: float = 10.0, patience: float = 0.25,
        check: bool = True, closes: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        super().__init__(design, timeout)
        self._transport, self._closes = transport, closes
        self._link = SerialLink(transport, *design.shapes, timeout=timeout, patience=patience, every=design.every)
        self._link.connect()
        if check:
            self.check_identity()
        self.recover()

    @property
    def link(self) -> SerialLink:
        """The protocol's host end."""
        return self._link

    def _send(self, words: IntArray, last: bool, stream: int) -> None:
        self._link.send(pack([words[None]], self.design.takes)[0].tobytes(), last, stream)

    def _ready(self) -> bool:
        return self._link.ready()

    def _result(self, timeout: float | None = None) -> tuple[int, IntArray]:
        result = self._link.result(timeout)
        beats = np.frombuffer(result.beats, dtype=np.uint8).reshape(self.design.gives.beats_per_step, -1)
        words: IntArray = unpack(beats, self.design.gives, self.design.outputs)[0]
        return result.stream, words

    def read_register(self, name: str) -> int:
        """A register of the control port."""
        return self._link.read(self._offset(name))

    def write_register(self, name: str, value: int) -> None:
        """Writes a register of the control port."""
        self._link.write(self._offset(name), value)

    def _write_all(self, pairs: Iterable[tuple[int, int]]) -> None:
        self._link.write_all(pairs)

    def recover(self) -> None:
        """Lets what is in flight come out and clears states; where that does not do, restarts the accelerator.

        A restart sets all registers and counters to what they are after power-on.
        """
        self._link.connect()
        if self.design.every and self._settles():
            self._link.connect()  # what was in flight has come, and is forgotten
            self.clear_state()
            # Whoever restarted the board put its first image in use again.
            if self._image in (None, self._image_in_use()):
                return
        else:
            self._link.restart()
        if self._loaded is not None:
            self._put(self._loaded)

    def _settles(self) -> bool:
        """Whether everything in flight comes out soon."""
        self._control("enable")
        deadline = time.monotonic() + _SETTLES_SECONDS
        while True:
            # Idle twice: what waited at the first look was given to the core, or was there, at the second.
            idle = [self.read_register("STATUS") & self._bits("STATUS", "idle"), not self._link.look().waiting]
            if all(idle) and self.read_register("STATUS") & self._bits("STATUS", "idle"):
                return True
            if time.monotonic() > deadline:
                return False

    def close(self) -> None:
        """Closes the transport."""
        try:
            self._transport.close()
        finally:
            self._closes()
