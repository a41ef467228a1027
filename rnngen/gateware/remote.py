"""What another device of the layer gives: its words as they come over a link, and which of them are there."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rnngen.gateware.buffers import VectorMemory, address_width
from rnngen.plan.engine import EnginePlan


def h_beat_layout(width: int, lanes: int) -> data.StructLayout:
    """So many neighbouring words of another device's h."""
    return data.StructLayout({"enable": 1, "data": width * lanes})


class RemoteVector(wiring.Component):
    """The last h of another device that does the same steps, and the one that comes.

    A device begins a step when it has multiplied all of the step before, for which it needs the others' results of the
    one before that; so never more than one h comes beside the one that is read, and nothing has to be held back.  Where
    the layer is a group's projection, which takes what the others give in the same step, that holds as well: they give
    nothing of the next step before they have what this device gives in this one.

    Ports:
        beat: The next words of its h, in order; every step is sent.
        begin: The engine begins a step, which multiplies the h that the other device gave in the step before; what the
            first one multiplies is not waited for.  A projection's multiplies what is given in the same step.
        word: Number of a word of that h.  there: It can be read in this cycle.
        address: Word of the memory, which holds two h.  data: It, one cycle later.

    Args:
        width: Of a word of h.  lanes: Words of a beat; they divide the engine's columns.
    """

    def __init__(self, plan: EnginePlan, width: int, lanes: int) -> None:
        assert plan.h_columns % lanes == 0, "a word of the memory is whole beats"
        self._words, self._beats = plan.device_h_words, plan.h_columns // lanes
        self._lanes, self._in_step = lanes, not plan.shape.gives_h
        self._memory = VectorMemory(width, lanes, plan.h_columns, plan.device_h, 2, True, 1)
        super().__init__(
            {
                "beat": In(h_beat_layout(width, lanes)),
                "begin": In(1),
                "word": In(range(max(2, self._words))),
                "there": Out(1),
                "address": In(address_width(self._memory.depth)),
                "data": Out(width * plan.h_columns),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        m.submodules.memory = memory = self._memory
        part, filled = Signal(range(max(2, self._beats))), Signal(range(max(2, self._words)))
        word_ends, ends = Signal(), Signal()
        m.d.comb += [
            word_ends.eq(self.beat.enable & (part == self._beats - 1)),
            ends.eq(word_ends & (filled == self._words - 1)),
            memory.write.enable.eq(self.beat.enable),
            memory.write.count.eq(self._lanes),
            memory.write.last.eq(ends),
            memory.write.data.eq(self.beat.data),
            memory.address.eq(self.address),
            self.data.eq(memory.data),
        ]
        with m.If(self.beat.enable):
            m.d.sync += part.eq(Mux(word_ends, 0, part + 1))
        with m.If(word_ends):
            m.d.sync += filled.eq(Mux(ends, 0, filled + 1))
        # 0: what the step that is on reads is coming; 1: it is there; 2 and 3: one h more than that is.
        have = Signal(2, init=1 if self._in_step else 2)
        m.d.sync += have.eq(have + ends - self.begin)
        m.d.comb += self.there.eq((have != 0) | (self.word < filled))
        return m
