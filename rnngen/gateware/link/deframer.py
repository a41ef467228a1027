"""Words from the PHY to frames: finds headers, checks frames, knows nothing of sequence numbers."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rnngen.config.link import LinkShape
from rnngen.gateware.link.check import Crc, check_bits, check_parts
from rnngen.gateware.link.header import Kind, header_check, header_layout

HUNT, HEADER, PAYLOAD, CHECK = range(4)


class Deframer(wiring.Component):
    """A frame begins with every word that has the start flag, whatever was going on: what was there is abandoned.

    Ports:
        data, start, valid: A word from the PHY.
        seen, opened: High for a cycle with the header's last word, if the header's own check holds.
        head: The same, from the next cycle on.
        write: The word is one of the payload; last: its last one.
        ended: The frame's last word; intact: with it, the check holds; syndrome: with it, received ^ computed check.
        damaged: A frame ended whose check, or its header's, does not hold.

    Args:
        abstract: For proofs: the check is whatever the input ``truth`` says, and one word.
    """

    def __init__(self, shape: LinkShape, abstract: bool = False) -> None:
        self._shape, self._abstract = shape, abstract
        layout = header_layout(shape.header)
        super().__init__(
            {
                **({"truth": In(1)} if abstract else {}),
                "data": In(shape.word_bits),
                "start": In(1),
                "valid": In(1),
                "seen": Out(layout),
                "opened": Out(1),
                "head": Out(layout),
                "write": Out(1),
                "last": Out(1),
                "ended": Out(1),
                "intact": Out(1),
                "syndrome": Out(check_bits(shape)),
                "damaged": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        shape = self._shape
        words = shape.header_words
        state, part = Signal(2), Signal(range(max(words, shape.check_words, 2)))
        left = Signal(shape.header.length)
        in_header, first = Signal(), Signal.like(part)
        m.d.comb += [in_header.eq(self.start | (state == HEADER)), first.eq(Mux(self.start, 0, part))]
        kept = Array(Signal(shape.word_bits, name=f"kept_{k}", reset_less=True) for k in range(words - 1))
        whole = Cat(*kept, self.data)
        fields = len(Value.cast(self.seen))
        sound = Signal()
        check = header_check(Value.cast(self.seen), shape.header)
        m.d.comb += [Value.cast(self.seen).eq(whole), sound.eq(whole[fields : fields + shape.header.check] == check)]
        wrong_header = Signal()
        with m.If(self.valid):
            with m.If(in_header):
                if words > 1:
                    m.d.sync += kept[first].eq(self.data)
                with m.If(first == words - 1):
                    m.d.comb += [self.opened.eq(sound), wrong_header.eq(~sound)]
                    has_payload = (self.seen.kind == Kind.DATA) & (self.seen.length != 0)
                    m.d.sync += [
                        self.head.eq(self.seen),
                        left.eq(self.seen.length - 1),
                        part.eq(0),
                        state.eq(Mux(sound, Mux(has_payload, PAYLOAD, CHECK), HUNT)),
                    ]
                with m.Else():
                    m.d.sync += [part.eq(first + 1), state.eq(HEADER)]
            with m.Elif(state == PAYLOAD):
                m.d.comb += [self.write.eq(1), self.last.eq(left == 0)]
                m.d.sync += left.eq(left - 1)
                with m.If(left == 0):
                    m.d.sync += state.eq(CHECK)
            with m.Elif(state == CHECK):
                m.d.sync += part.eq(part + 1)
                with m.If(part == shape.check_words - 1):
                    m.d.comb += self.ended.eq(1)
                    m.d.sync += state.eq(HUNT)
        m.d.comb += self.damaged.eq(wrong_header | (self.ended & ~self.intact))
        if self._abstract:
            m.d.comb += self.intact.eq(self.truth)
        else:
            self._compare(m, part, self.valid & (in_header | (state == PAYLOAD)))
        return m

    def _compare(self, m: Module, part: Signal, takes: Value) -> None:
        """The check computed beside the one that comes."""
        m.submodules.crc = crc = Crc(self._shape)
        m.d.comb += [crc.data.eq(self.data), crc.start.eq(self.start), crc.valid.eq(takes)]
        parts = check_parts(crc.crc, self._shape)
        differs = [self.data[: len(value)] ^ value for value in parts]
        kept = [Signal(len(value), name=f"differs_{k}", reset_less=True) for k, value in enumerate(differs[:-1])]
        for k, register in enumerate(kept):
            with m.If(self.valid & (part == k)):
                m.d.sync += register.eq(differs[k])
        m.d.comb += [
            self.syndrome.eq(Cat(*kept, differs[-1])),
            self.intact.eq(self.syndrome == Const(0, len(self.syndrome))),
        ]
