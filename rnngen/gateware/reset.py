"""The reset of a core by its control port."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

RESET_CYCLES = 128
"""Cycles of a soft reset: leaves have no reset, and what is on its way in them must be gone when it ends."""


class SoftReset(wiring.Component):
    """Resets a core between two output beats, so that no beat that was offered is taken back.

    Ports:
        request: Once for each reset.  offered: An output beat waits for its receiver in this cycle.
        active: From the cycle behind the request to the end: no input may be taken.
        closed: No output is offered, nor taken.  reset: Of the core, for ``RESET_CYCLES``.
        done: Its last cycle.
    """

    def __init__(self) -> None:
        super().__init__(
            {"request": In(1), "offered": In(1), "active": Out(1), "closed": Out(1), "reset": Out(1), "done": Out(1)}
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        left = Signal(range(RESET_CYCLES))
        m.d.comb += self.done.eq(self.reset & (left == 0))
        with m.If(self.done):
            m.d.sync += [self.active.eq(0), self.closed.eq(0), self.reset.eq(0)]
        with m.Elif(self.reset):
            m.d.sync += left.eq(left - 1)
        with m.Elif(self.closed):
            m.d.sync += [self.reset.eq(1), left.eq(RESET_CYCLES - 1)]
        with m.Elif(self.active & ~self.offered):
            m.d.sync += self.closed.eq(1)
        with m.If(self.request):
            m.d.sync += self.active.eq(1)
        return m
