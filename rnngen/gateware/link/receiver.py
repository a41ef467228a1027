"""Which frames are taken, what is acknowledged, and when a gap is reported."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rnngen.config.link import LinkShape
from rnngen.gateware.link.check import Corrector, check_bits
from rnngen.gateware.link.header import Kind, header_layout


class Receiver(wiring.Component):
    """Takes data frames in the order of their numbers, and asks for the first one that is missing.

    ``nak`` moves once a gap, and is written into every header; the other side goes back to the acknowledged frame
    when it sees it move, and from then on writes the new value as ``epoch``.  Frames that were on the way have the
    old one, and ask for nothing.  A move waits for a frame of the present epoch, so one bit tells them apart.

    While a wrong bit is searched (``correct``) the frames behind are taken provisionally: ``expected`` and ``end`` go
    on, ``acked`` and ``limit``, which the other side and the core see, wait for the result.

    Ports:
        seen .. syndrome: The deframer's.
        own, peer, up: Sessions of the other side and of this one; the link is up.
        freed: Words that were read.  patch_room: The buffer can remember a corrected word.
        place: Where the word that is written goes; write: it is wanted.
        acked: The next frame's number.  limit: Words that may be read.  nak: See above.
        alive: An intact frame of this session came; its header is the deframer's ``head``.
        announced: The same, when no more than its header is known, the cycle after ``opened``.
        repeated: A frame came twice: the acknowledgement was lost.
        patch, patch_place, patch_mask: A corrected bit.  corrected: A frame was.
    """

    def __init__(self, shape: LinkShape) -> None:
        self._shape = shape
        layout = header_layout(shape.header)
        sequence, index = shape.header.sequence, shape.header.index
        super().__init__(
            {
                "seen": In(layout),
                "opened": In(1),
                "head": In(layout),
                "wants": In(1),
                "ended": In(1),
                "intact": In(1),
                "syndrome": In(check_bits(shape)),
                "own": In(shape.header.session),
                "peer": In(shape.header.session),
                "up": In(1),
                "freed": In(index),
                "patch_room": In(1),
                "place": Out(index),
                "write": Out(1),
                "acked": Out(sequence),
                "limit": Out(index),
                "nak": Out(1),
                "alive": Out(1),
                "announced": Out(1),
                "repeated": Out(1),
                "accepted": Out(1),
                "patch": Out(1),
                "patch_place": Out(index),
                "patch_mask": Out(shape.word_bits),
                "corrected": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        shape, head = self._shape, self.head
        expected, end = Signal(shape.header.sequence), Signal(shape.header.index)
        wanted, undo, suspect = Signal(), Signal(), Signal()
        mine, is_data = Signal(), Signal()
        ahead = (head.sequence - expected)[: shape.header.sequence]
        behind, gap, epoch = Signal(), Signal(), Signal()
        taken = Signal()
        m.d.comb += [
            mine.eq(self.up & (head.own == self.own) & (head.peer == self.peer)),
            is_data.eq(head.kind == Kind.DATA),
            behind.eq(ahead[-1]),
            self.alive.eq(self.ended & self.intact & mine & (head.kind != Kind.INIT)),
            self.repeated.eq(self.alive & is_data & behind),
            taken.eq(self.ended & self.intact & mine & wanted & ~undo),
            self.accepted.eq(taken),
            self.write.eq(self.wants & wanted),
            epoch.eq(head.epoch),
        ]
        self._open(m, expected, end, wanted)
        lacks = Mux(self.intact, ~behind & (ahead != 0), is_data & (ahead == 0) & ~suspect)
        m.d.comb += gap.eq(self.ended & mine & (head.kind != Kind.INIT) & lacks)
        with m.If(self.write):
            m.d.sync += self.place.eq(self.place + 1)
        searching = self._search(m, expected, end, wanted, undo, suspect, mine)
        with m.If(taken):
            m.d.sync += [expected.eq(expected + 1), end.eq(self.place), wanted.eq(0)]
            with m.If(~searching):
                m.d.sync += [self.acked.eq(expected + 1), self.limit.eq(self.place)]
        with m.If(gap & (epoch == self.nak)):
            m.d.sync += self.nak.eq(~self.nak)
        return m

    def _open(self, m: Module, expected: Signal, end: Signal, wanted: Signal) -> None:
        """A header: whether its frame is wanted, and has room (it has, unless the header is wrong)."""
        seen, depth = self.seen, self._shape.buffer_words
        index = self._shape.header.index
        top = Signal(index, init=depth)  # words up to here have room; a cycle late, as the other side hears much later
        room = (top - end)[:index] >= seen.length
        mine = self.up & (seen.own == self.own) & (seen.peer == self.peer)
        right = mine & (seen.kind == Kind.DATA) & self._in_order(seen.sequence, expected) & (seen.length != 0)
        m.d.sync += [self.announced.eq(self.opened & mine & (seen.kind != Kind.INIT)), top.eq(self.freed + depth)]
        with m.If(self.opened):
            m.d.sync += [wanted.eq(right & room), self.place.eq(end)]

    def _in_order(self, sequence: Value, expected: Value) -> Value:
        """The frame is the next one."""
        return sequence == expected

    def _search(
        self, m: Module, expected: Signal, end: Signal, wanted: Signal, undo: Signal, suspect: Signal, mine: Signal
    ) -> Signal:
        """Search for a wrong bit: high while the result is out."""
        searching = Signal()
        if not self._shape.correct:
            return searching
        shape = self._shape
        m.submodules.corrector = corrector = Corrector(shape)
        epoch, begin = Signal(), Signal()
        done = corrector.found & ((corrector.mask == 0) | self.patch_room)
        last_end = Signal.like(end)
        m.d.comb += [
            # The polynomial has the factor x + 1: an even syndrome is an even number of wrong bits, never a single one.
            suspect.eq(self.ended & ~self.intact & mine & wanted & ~searching & self.syndrome.xor()),
            begin.eq(suspect),
            corrector.begin.eq(begin),
            corrector.syndrome.eq(self.syndrome),
            corrector.length.eq(self.head.length),
            undo.eq(corrector.failed | (corrector.found & ~done)),
            self.corrected.eq(done),
            self.patch.eq(done & (corrector.mask != 0)),
            self.patch_place.eq(last_end - 1 - corrector.place),
            self.patch_mask.eq(corrector.mask),
        ]
        with m.If(begin):
            m.d.sync += [
                searching.eq(1), epoch.eq(self.head.epoch), last_end.eq(self.place),
                expected.eq(expected + 1), end.eq(self.place), wanted.eq(0),
            ]  # fmt: skip
        accepts = self.accepted
        with m.If(done):
            m.d.sync += [
                searching.eq(0),
                self.acked.eq(Mux(accepts, expected + 1, expected)),
                self.limit.eq(Mux(accepts, self.place, end)),
            ]
        with m.If(undo):
            m.d.sync += [searching.eq(0), expected.eq(self.acked), end.eq(self.limit), wanted.eq(0)]
            with m.If(epoch == self.nak):
                m.d.sync += self.nak.eq(~self.nak)
        return searching
