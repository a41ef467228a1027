"""A PHY in simulation that takes fewer words than its clock has cycles."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class Rate(wiring.Component):
    """Takes the first word at once, and then so many words in so many cycles, evenly.

    Of words that are there in every cycle, word n is taken in cycle ``n * cycles // words`` behind the first one.

    Ports:
        valid, ready: Of the words.
    """

    def __init__(self, words: int, cycles: int) -> None:
        self._words, self._cycles = words, cycles
        super().__init__({"valid": In(1), "ready": Out(1)})

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit.  ``owed``: cycles times ``words`` until the PHY is free."""
        m = Module()
        owed = Signal(range(self._words + self._cycles))
        left = Mux(owed < self._words, 0, owed - self._words)
        m.d.comb += self.ready.eq(owed < self._words)
        m.d.sync += owed.eq(Mux(self.valid & self.ready, owed + self._cycles - self._words, left))
        return m
