"""Decides, slot by slot, what is sent: data frames in order, control frames between them, and what is sent again."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rnngen.config.link import LinkShape
from rnngen.gateware.link import framer
from rnngen.gateware.link.header import Kind, header_layout


@dataclass(frozen=True)
class _Told:
    """An intact frame came; it asks for frames again; what it acknowledges was sent; the next frame that it expects."""

    alive: Signal
    nak: Signal
    valid: Signal
    acked: Signal


class Sender(wiring.Component):
    """A frame begins as soon as its first word is there, and abandons a control frame.

    The other side's ``nak``, or ``timeout`` cycles without progress, set ``next`` back to the acknowledged frame.

    Ports:
        begin, end, length, following, fill: The replay memory's, of the frame ``next``.
        next, acked: To it.  address: Of the payload's slot.
        kind, part, fields: The slot, to the framer.  go: It moves on.
        up, training: What may be sent: everything, or INIT frames.
        heard_peer: The other side's session is known.  own, peer: Sessions, this side first.
        taken_acked, freed, nak, repeated: What the receiver tells the other side.
        alive, head: An intact frame came, and its header.  announced: A header came whose own check holds.
        room: Words of the other side's receive buffer.
        replays, credit_stall, frame_sent, word_sent, outstanding, progress: For the counters and the watch.
    """

    def __init__(self, shape: LinkShape) -> None:
        self._shape = shape
        layout = header_layout(shape.header)
        sequence, index, length = shape.header.sequence, shape.header.index, shape.header.length
        super().__init__(
            {
                "begin": In(index),
                "end": In(index),
                "length": In(length),
                "following": In(sequence),
                "fill": In(index),
                "next": Out(sequence),
                "acked": Out(sequence),
                "address": Out(index),
                "kind": Out(2),
                "part": Out(range(max(shape.header_words, shape.check_words, 2))),
                "fields": Out(layout),
                "go": In(1),
                "up": In(1),
                "training": In(1),
                "heard_peer": In(1),
                "own": In(shape.header.session),
                "peer": In(shape.header.session),
                "taken_acked": In(sequence),
                "freed": In(index),
                "nak": In(1),
                "repeated": In(1),
                "alive": In(1),
                "announced": In(1),
                "head": In(layout),
                "room": In(index),
                "replay": Out(1),
                "credit_stall": Out(1),
                "frame_sent": Out(1),
                "word_sent": Out(1),
                "outstanding": Out(1),
                "progress": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        back = self._heard(m)
        may_begin = self._may_begin(m, back)
        due = self._control_due(m)
        self._slots(m, back, may_begin, due)
        return m

    def _heard(self, m: Module) -> Signal:
        """Acknowledgements, and whether frames are sent again from now on.

        A gap is believed with the header, before the frame's own check: at worst frames are sent again, or once more.
        What a frame says takes effect ``config.link.HEARD_CYCLES`` later, so that neither its check nor the distances
        between numbers stand before the choice of the next slot; a frame has two words at least, so one is done with
        when the next one comes.
        """
        bits = self._shape.header.sequence
        self._sent, self._limit, self._epoch = Signal(bits), Signal(self._shape.header.index), Signal()
        back, timer = Signal(), Signal(range(self._shape.timeout + 1))
        target = Signal(bits)
        told = self._told(m)
        m.d.comb += [
            target.eq(Mux((told.alive | told.nak) & told.valid, told.acked, self.acked)),
            self.progress.eq(told.alive & told.valid & (told.acked != self.acked)),
            self.outstanding.eq(self.acked != self._sent),
            back.eq(told.nak | (timer == self._shape.timeout)),
            self.replay.eq(back & (target != self.next)),
        ]
        with m.If(told.alive & told.valid):
            m.d.sync += self.acked.eq(told.acked)
        with m.If(told.nak):
            m.d.sync += self._epoch.eq(~self._epoch)
        m.d.sync += timer.eq(timer + 1)
        with m.If(back | self.progress | ~self.outstanding):
            m.d.sync += timer.eq(0)
        passed = (self.acked - self.next)[:bits]  # acknowledged before it was sent again
        self._passed = Signal()
        m.d.comb += self._passed.eq((passed != 0) & ~passed[-1])
        with m.If(back):
            m.d.sync += self.next.eq(target)
        with m.Elif(self._passed):
            m.d.sync += self.next.eq(self.acked)
        return back

    def _told(self, m: Module) -> _Told:
        """What a frame said, in the cycle in which it takes effect."""
        bits = self._shape.header.sequence
        heard, gap, head, freed = Signal(), Signal(), Signal.like(self.head), Signal(self._shape.header.index)
        told = _Told(Signal(), Signal(), Signal(), Signal(bits))
        m.d.sync += [
            heard.eq(self.alive), gap.eq(self.announced), Value.cast(head).eq(Value.cast(self.head)),
            told.alive.eq(heard),
            told.nak.eq(gap & (head.nak != self._epoch ^ told.nak)),  # the epoch moves with a nak that takes effect
            told.valid.eq((head.acked - self.acked)[:bits] <= (self._sent - self.acked)[:bits]),
            told.acked.eq(head.acked),
            self._limit.eq(freed + self.room),
        ]  # fmt: skip
        with m.If(heard):
            m.d.sync += freed.eq(head.freed)
        return told

    def _may_begin(self, m: Module, back: Signal) -> Signal:
        """The next data frame may begin: it is there, and the other side has room for it."""
        index = self._shape.header.index
        self._whole = Signal()  # it has to be there as a whole
        waiting, credit, complete = Signal(), Signal(), Signal()
        rested = self._rested(m)
        may_begin = Signal()
        m.d.comb += [
            waiting.eq(self.up & (self.next != self.following)),
            credit.eq(~(self._limit - self.end)[index - 1]),
            complete.eq(~(self.fill - self.end)[index - 1]),
            may_begin.eq(waiting & credit & (complete | ~self._whole) & rested & ~back & ~self._passed),
            self.credit_stall.eq(waiting & ~credit),
        ]
        return may_begin

    def _rested(self, m: Module) -> Value | int:
        """The receiver's clock may be slower: now and then a word is left empty.

        Control frames leave one earlier, so that data frames wait for it only where nothing else is sent.
        """
        self._may_go: Value | int = 1
        every = self._shape.rest_every
        if not every:
            return 1
        busy, rested = Signal(range(every + 1)), Signal()
        m.d.comb += rested.eq(busy != every)
        self._may_go = busy < every // 2
        with m.If(self.go):
            with m.If(self.kind == framer.NONE):
                m.d.sync += busy.eq(0)
            with m.Elif(rested):
                m.d.sync += busy.eq(busy + 1)
        return rested

    def _control_due(self, m: Module) -> Signal:
        """A control frame should be sent: something changed since the last header, or it is time."""
        told = Signal(self._shape.header.sequence + self._shape.header.index + 1)
        news = Value.cast(self._news())
        timer, due, again = Signal(range(self._shape.keep_alive + 1)), Signal(), Signal()
        late = timer == self._shape.keep_alive
        m.d.comb += due.eq((self.up & (late | again | (news != told))) | (self.training & late))
        self._header_built = Signal()
        with m.If(~late):
            m.d.sync += timer.eq(timer + 1)
        with m.If(self._header_built):
            m.d.sync += [timer.eq(0), told.eq(news), again.eq(0)]
        with m.If(self.repeated):
            m.d.sync += again.eq(1)
        return due

    def _news(self) -> Value:
        """What the other side has to know."""
        return self.taken_acked | self.freed << self._shape.header.sequence | (
            self.nak << self._shape.header.sequence + self._shape.header.index
        )

    def _slots(self, m: Module, back: Signal, may_begin: Signal, due: Signal) -> None:
        """What goes into this cycle's slot."""
        shape = self._shape
        state, part, data = Signal(2), Signal.like(self.part), Signal()
        fields = Signal.like(Value.cast(self.fields))
        left, frame = Signal(shape.header.length), Signal(shape.header.sequence)
        header = Signal.like(Value.cast(self.fields))
        m.d.comb += [self.fields.eq(fields), self.part.eq(part)]
        paused = Signal(range(shape.patience + 1))
        pause, give_way = Signal(), Signal()
        take = Signal(shape.header.index)
        m.d.comb += [
            self.address.eq(take),
            pause.eq((state == framer.PAYLOAD) & (take == self.fill)),
            give_way.eq(pause & due & (paused == shape.patience)),
        ]
        after = Mux(data, framer.PAYLOAD, framer.CHECK)
        with m.If(self.go):
            with m.If(~data & (may_begin | ((state == framer.NONE) & due & self._may_go))):
                m.d.comb += [
                    self.kind.eq(framer.HEADER), self.part.eq(0), self.fields.eq(header), self._header_built.eq(1),
                ]  # fmt: skip
                m.d.sync += [data.eq(may_begin), fields.eq(header), paused.eq(0)]
                if shape.header_words == 1:
                    m.d.sync += [state.eq(Mux(may_begin, framer.PAYLOAD, framer.CHECK)), part.eq(0)]
                else:
                    m.d.sync += [state.eq(framer.HEADER), part.eq(1)]
                with m.If(may_begin):
                    m.d.sync += [
                        take.eq(self.begin), left.eq(self.length), frame.eq(self.next), self._whole.eq(0),
                        self.next.eq(self.next + 1),
                    ]  # fmt: skip
            with m.Elif(state == framer.HEADER):
                m.d.comb += self.kind.eq(framer.HEADER)
                m.d.sync += part.eq(part + 1)
                with m.If(part == shape.header_words - 1):
                    m.d.sync += [state.eq(after), part.eq(0)]
            with m.Elif((state == framer.PAYLOAD) & ~pause):
                m.d.comb += [self.kind.eq(framer.PAYLOAD), self.word_sent.eq(1)]
                m.d.sync += [take.eq(take + 1), left.eq(left - 1)]
                with m.If(left == 1):
                    m.d.sync += state.eq(framer.CHECK)
            with m.Elif(state == framer.PAYLOAD):
                with m.If(paused != shape.patience):
                    m.d.sync += paused.eq(paused + 1)
            with m.Elif(state == framer.CHECK):
                m.d.comb += self.kind.eq(framer.CHECK)
                m.d.sync += part.eq(part + 1)
                with m.If(part == shape.check_words - 1):
                    m.d.comb += self.frame_sent.eq(data)
                    m.d.sync += [state.eq(framer.NONE), part.eq(0), data.eq(0)]
                    with m.If(data & (frame == self._sent)):
                        m.d.sync += self._sent.eq(self._sent + 1)
        with m.If(give_way & ~back):
            m.d.sync += [self.next.eq(frame), self._whole.eq(1)]
        with m.If(data & (give_way | back)):
            m.d.sync += [state.eq(framer.NONE), part.eq(0), data.eq(0)]
        self._header(m, header, may_begin)

    def _header(self, m: Module, header: Signal, may_begin: Signal) -> None:
        """The fields of a frame that begins now."""
        fields = header_layout(self._shape.header)(header)
        sequence = self._shape.header.sequence
        with m.If(self.up):
            m.d.comb += [
                fields.kind.eq(Mux(may_begin, Kind.DATA, Kind.CONTROL)),
                fields.nak.eq(self.nak),
                fields.epoch.eq(self._epoch),
                fields.sequence.eq(self.next[:sequence]),
                fields.acked.eq(self.taken_acked),
                fields.length.eq(Mux(may_begin, self.length, 0)),
                fields.freed.eq(self.freed),
            ]
        with m.Else():
            m.d.comb += [
                fields.kind.eq(Kind.INIT),
                fields.epoch.eq(self.heard_peer),
                fields.length.eq(self._shape.longest),
                fields.freed.eq(self._shape.buffer_words),
            ]
        m.d.comb += [fields.own.eq(self.own), fields.peer.eq(self.peer)]
