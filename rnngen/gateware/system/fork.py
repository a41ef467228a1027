"""A stream to several takers."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class Fork(wiring.Component):
    """Each taker takes every beat once, whenever it is ready; the beat is taken when all of them have.

    No beat that was offered is taken back, and none waits where all are ready.

    Ports:
        valid, ready: Of the stream.  valids, readys: Of the takers, a bit each.
    """

    def __init__(self, takers: int) -> None:
        super().__init__({"valid": In(1), "ready": Out(1), "valids": Out(takers), "readys": In(takers)})

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        done, took = Signal.like(self.readys), Signal.like(self.readys)
        m.d.comb += [
            self.valids.eq(Mux(self.valid, ~done, 0)),
            took.eq(done | self.readys),
            self.ready.eq(took.all()),
        ]
        with m.If(self.valid):
            m.d.sync += done.eq(Mux(self.ready, 0, took))
        return m
