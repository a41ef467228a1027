"""Steps are let in no faster than the system takes them."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class Pace(wiring.Component):
    """Lets a step's first beat in ``interval`` cycles behind the last step's first beat at the earliest.

    Ports:
        open: Steps may begin.  step: A beat goes in in this cycle.  lets: A beat may.
    """

    def __init__(self, beats: int, interval: int) -> None:
        self._beats, self._interval = beats, interval
        super().__init__({"open": In(1), "step": In(1), "lets": Out(1)})

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        beat, wait = Signal(range(max(2, self._beats))), Signal(range(max(2, self._interval)))
        begins = Signal()
        m.d.comb += [begins.eq(beat == 0), self.lets.eq(~begins | (self.open & (wait == 0)))]
        with m.If(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        with m.If(self.step):
            m.d.sync += beat.eq(Mux(beat == self._beats - 1, 0, beat + 1))
            with m.If(begins):
                m.d.sync += wait.eq(self._interval - 1)
        return m
