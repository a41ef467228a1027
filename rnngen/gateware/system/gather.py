"""The parts of a step, each from a device of its own, one behind the other."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rnngen.gateware.system.packing import Beats


@dataclass(frozen=True)
class Source:
    """The ports of one part of a step."""

    data: Signal
    valid: Signal
    ready: Signal
    last: Signal


class Gather(wiring.Component):
    """As many beats of each source in turn make a step; no cycle is lost between two that are there.

    Ports:
        data_K, valid_K, ready_K, last_K: The parts (``source``); ``last`` with the last beat, of sequences that end.
        data, valid, ready, last: The steps.

    Args:
        beats: Of a part.  port: Of the steps.
    """

    def __init__(self, sources: int, beats: int, port: Beats) -> None:
        self._sources, self._beats = sources, beats
        bits = port.lane * port.words
        ports: dict[str, wiring.Member] = {}
        for number in range(sources):
            ports |= {f"data_{number}": In(bits), f"valid_{number}": In(1), f"last_{number}": In(1)}
            ports[f"ready_{number}"] = Out(1)
        super().__init__({**ports, "data": Out(bits), "valid": Out(1), "ready": In(1), "last": Out(1)})

    def source(self, number: int) -> Source:
        """The ports of a part."""
        return Source(*(getattr(self, f"{name}_{number}") for name in ("data", "valid", "ready", "last")))

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        sources = [self.source(number) for number in range(self._sources)]
        if self._sources == 1:
            (one,) = sources
            m.d.comb += [
                self.data.eq(one.data), self.valid.eq(one.valid), self.last.eq(one.last), one.ready.eq(self.ready)
            ]  # fmt: skip
            return m
        turn, beat = Signal(range(self._sources)), Signal(range(max(2, self._beats)))
        is_last: Value = turn == self._sources - 1
        m.d.comb += [
            self.data.eq(Cat(source.data for source in sources).word_select(turn, len(self.data))),
            self.valid.eq(Cat(source.valid for source in sources).bit_select(turn, 1)),
            self.last.eq(sources[-1].last & is_last),
            *(source.ready.eq(self.ready & (turn == number)) for number, source in enumerate(sources)),
        ]
        with m.If(self.valid & self.ready):
            ends = beat == self._beats - 1
            m.d.sync += beat.eq(Mux(ends, 0, beat + 1))
            with m.If(ends):
                m.d.sync += turn.eq(Mux(is_last, 0, turn + 1))
        return m
