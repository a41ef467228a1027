"""The receive buffer: words of frames that are known to be right leave it in order."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from rnngen.config.link import LinkShape

PATCHES = 4
"""Corrected words that may wait in the buffer."""


class Delivery(wiring.Component):
    """A ring of words, written ahead of ``limit`` and read up to it.  Words are counted from the session's begin.

    Ports:
        place, data, last, write: A word into the buffer.
        limit: Words below it may be read.  freed: Words that were read.
        patch: A wrong bit in a word that was written: ``patch_place``, ``patch_mask``.  It is corrected when it is
            read.  patch_room: one more can be remembered.
        rx_*: Out to the core; first and last word of a frame are marked.
        open: The core may be served.
    """

    def __init__(self, shape: LinkShape) -> None:
        self._shape = shape
        index, bits = shape.header.index, shape.word_bits
        super().__init__(
            {
                "place": In(index),
                "data": In(bits),
                "last": In(1),
                "write": In(1),
                "limit": In(index),
                "freed": Out(index),
                "patch": In(1),
                "patch_place": In(index),
                "patch_mask": In(bits),
                "patch_room": Out(1),
                "open": In(1),
                "rx_data": Out(bits),
                "rx_first": Out(1),
                "rx_last": Out(1),
                "rx_valid": Out(1),
                "rx_ready": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit.

        The memory's register always holds the next word, read again every cycle until it may go, so that a frame's
        first word leaves in the second cycle behind the one in which the frame turned out to be right.
        """
        m = Module()
        shape = self._shape
        bits = shape.word_bits
        m.submodules.words = words = Memory(
            shape=bits + 1, depth=shape.buffer_words, init=[], attrs={"no_rw_check": 1}
        )
        write, read = words.write_port(), words.read_port()
        address = len(write.addr)
        take, following = Signal(), Signal(shape.header.index, init=1)
        loaded, fresh = Signal(), Signal(init=1)
        m.d.comb += [
            write.addr.eq(self.place[:address]),
            write.data[:bits].eq(self.data),
            write.data[bits].eq(self.last),
            write.en.eq(self.write),
            self.rx_valid.eq(loaded & self.open),
            take.eq((self.freed != self.limit) & (~loaded | (self.rx_ready & self.open))),
            read.addr.eq(Mux(take, following, self.freed)[:address]),
            read.en.eq(1),
        ]
        mask = self._patches(m, take)
        with m.If(take):
            m.d.sync += [
                self.freed.eq(following),
                following.eq(following + 1),
                self.rx_data.eq(read.data[:bits] ^ mask),
                self.rx_last.eq(read.data[bits]),
                self.rx_first.eq(fresh),
                fresh.eq(read.data[bits]),
                loaded.eq(1),
            ]
        with m.Elif(self.rx_ready & self.open):
            m.d.sync += loaded.eq(0)
        return m

    def _patches(self, m: Module, take: Signal) -> Signal:
        """The wrong bits of the word that leaves the memory."""
        bits, index = self._shape.word_bits, self._shape.header.index
        mask, hit = Signal(bits), Signal()
        if not self._shape.correct:
            return mask
        m.submodules.patches = patches = SyncFIFO(width=bits + index, depth=PATCHES)
        m.d.comb += [
            self.patch_room.eq(patches.w_rdy),
            patches.w_en.eq(self.patch),
            patches.w_data[:index].eq(self.patch_place),
            patches.w_data[index:].eq(self.patch_mask),
            hit.eq(patches.r_rdy & (patches.r_data[:index] == self.freed)),
            patches.r_en.eq(hit & take),
            mask.eq(Mux(hit, patches.r_data[index:], 0)),
        ]
        return mask
