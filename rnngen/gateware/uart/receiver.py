"""Bytes of a serial line that comes in."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out


class UartReceiver(wiring.Component):
    """Receives 8N1 bytes: ``valid`` is high for one cycle with each byte; a byte with a low stop bit is ignored."""

    def __init__(self, divisor: int) -> None:
        self._divisor = divisor
        super().__init__({"pin": In(1, init=1), "data": Out(8), "valid": Out(1)})

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        line = Signal(init=1)
        m.submodules.synchroniser = FFSynchronizer(self.pin, line, init=1)
        timer = Signal(range(self._divisor * 2))
        left = Signal(range(11))
        shift = Signal(9)
        m.d.sync += self.valid.eq(0)
        with m.If(left == 0):
            with m.If(~line):
                m.d.sync += [left.eq(10), timer.eq(self._divisor // 2 - 1)]
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += [timer.eq(self._divisor - 1), left.eq(left - 1), shift.eq(Cat(shift[1:], line))]
            with m.If((left == 10) & line):
                m.d.sync += left.eq(0)
            with m.If(left == 1):
                m.d.sync += [self.valid.eq(line), self.data.eq(shift[1:])]
        return m
