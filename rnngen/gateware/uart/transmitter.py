"""Bytes to a serial line that goes out."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class UartTransmitter(wiring.Component):
    """Sends 8N1 bytes: one is taken with ``valid`` and ``ready`` high, and shows at ``taken`` a cycle later."""

    def __init__(self, divisor: int) -> None:
        self._divisor = divisor
        super().__init__({"data": In(8), "valid": In(1), "ready": Out(1), "taken": Out(8), "pin": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        timer = Signal(range(self._divisor))
        left = Signal(range(11))
        shift = Signal(10, init=0x3FF)
        m.d.comb += [self.ready.eq(left == 0), self.pin.eq(shift[0]), self.taken.eq(shift[1:9])]
        with m.If(left == 0):
            with m.If(self.valid):
                m.d.sync += [shift.eq(Cat(0, self.data, 1)), left.eq(10), timer.eq(self._divisor - 1)]
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += [timer.eq(self._divisor - 1), left.eq(left - 1), shift.eq(Cat(shift[1:], 1))]
        return m
