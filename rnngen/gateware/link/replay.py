"""The replay memory: words and frames that the core has given and the other side has not acknowledged."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from rnngen.config.link import LinkShape


class ReplayMemory(wiring.Component):
    """A ring of words beside a table of frames.  Words are counted from the session's begin, modulo 2**index.

    Ports:
        tx_*: From the core; ``tx_length`` is the frame's words, taken with its first one.
        open: The core may be served.
        acked: Frames below are not needed any more.
        frame: Whose begin, end and length are asked for; begin, end, length: they, in the same cycle.
        following: The next frame's number; fill: words that are there.
        address, enable: A word to be read; word: it, in the next cycle.
        used: Words that are kept.
    """

    def __init__(self, shape: LinkShape) -> None:
        self._shape = shape
        sequence, index = shape.header.sequence, shape.header.index
        super().__init__(
            {
                "tx_data": In(shape.word_bits),
                "tx_length": In(shape.header.length),
                "tx_valid": In(1),
                "tx_ready": Out(1),
                "open": In(1),
                "acked": In(sequence),
                "frame": In(sequence),
                "begin": Out(index),
                "end": Out(index),
                "length": Out(shape.header.length),
                "following": Out(sequence),
                "fill": Out(index),
                "address": In(index),
                "enable": In(1),
                "word": Out(shape.word_bits),
                "used": Out(index),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        shape, index = self._shape, self._shape.header.index
        m.submodules.words = words = Memory(
            shape=shape.word_bits, depth=shape.replay_words, init=[], attrs={"no_rw_check": 1}
        )
        write, read = words.write_port(), words.read_port()
        layout = data.StructLayout({"begin": index, "end": index, "length": shape.header.length})
        frames = Memory(shape=layout, depth=shape.window, init=[])
        m.submodules.frames = frames
        entry, lookup, oldest = frames.write_port(), frames.read_port(domain="comb"), frames.read_port(domain="comb")
        inside, left, taken, first = Signal(), Signal(shape.header.length), Signal(), Signal()
        kept = Signal(index)  # the oldest word that is needed
        frames_kept = (self.following - self.acked)[: shape.header.sequence]
        m.d.comb += self.used.eq(self.fill - kept)
        room = _is_at_most(m, self.used, shape.replay_words - shape.longest, taken)
        few = _is_at_most(m, frames_kept, shape.window - 1, first)
        m.d.comb += [
            self.tx_ready.eq(self.open & (inside | (room & few))),
            taken.eq(self.tx_ready & self.tx_valid),
            first.eq(taken & ~inside),
            write.addr.eq(self.fill[: len(write.addr)]),
            write.data.eq(self.tx_data),
            write.en.eq(taken),
            read.addr.eq(self.address[: len(read.addr)]),
            read.en.eq(self.enable),
            self.word.eq(read.data),
            entry.addr.eq(self.following[: len(entry.addr)]),
            entry.data.begin.eq(self.fill),
            entry.data.end.eq(self.fill + self.tx_length),
            entry.data.length.eq(self.tx_length),
            entry.en.eq(first),
            lookup.addr.eq(self.frame[: len(entry.addr)]),
            self.begin.eq(lookup.data.begin),
            self.end.eq(lookup.data.end),
            self.length.eq(lookup.data.length),
            oldest.addr.eq(self.acked[: len(entry.addr)]),
        ]
        m.d.sync += kept.eq(Mux(self.acked == self.following, self.fill, oldest.data.begin))
        with m.If(taken):
            m.d.sync += self.fill.eq(self.fill + 1)
            with m.If(inside):
                m.d.sync += [left.eq(left - 1), inside.eq(left != 1)]
            with m.Else():
                m.d.sync += [
                    left.eq(self.tx_length - 1),
                    inside.eq(self.tx_length != 1),
                    self.following.eq(self.following + 1),
                ]
        return m


def _is_at_most(m: Module, level: Value, most: int, grows: Signal) -> Value:
    """Whether a level that ``grows`` by one at most, in the cycle in which that is high, is ``most`` or less.

    The comparison is a cycle before, so that it does not stand before what it decides; what falls is seen a cycle late.
    """
    below, just, grew = Signal(init=1), Signal(), Signal()
    m.d.sync += [below.eq(level < most), just.eq(level == most), grew.eq(grows)]
    return below | (just & ~grew)
