"""Slots to words: header, payload from the replay memory, check."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rnngen.config.link import LinkShape
from rnngen.gateware.link.check import Crc, check_parts
from rnngen.gateware.link.header import header_check, header_layout

NONE, HEADER, PAYLOAD, CHECK = range(4)


class Framer(wiring.Component):
    """A slot of a cycle becomes a word two cycles later: read from the memory, then taken into a register.

    Ports:
        kind: Of the slot; part: which word of header or check.  fields: The frame's header, with every slot of it.
        stored: The memory's word, the cycle after the slot.
        go: Everything moves on; low while there is no room behind.
        word, start, valid: The word; it is held until ``go``.
        inject_every: A bit of every n-th word is inverted behind the check, 0: none; inject_bit: which.

    Args:
        abstract: For proofs: the check is a word of zeros.
    """

    def __init__(self, shape: LinkShape, abstract: bool = False) -> None:
        self._shape, self._abstract = shape, abstract
        super().__init__(
            {
                "kind": In(2),
                "part": In(range(max(shape.header_words, shape.check_words, 2))),
                "fields": In(header_layout(shape.header)),
                "stored": In(shape.word_bits),
                "go": In(1),
                "word": Out(shape.word_bits),
                "start": Out(1),
                "valid": Out(1),
                "inject_every": In(32),
                "inject_bit": In(range(shape.word_bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        shape = self._shape
        bits = shape.word_bits
        kind, part, fields = Signal.like(self.kind), Signal.like(self.part), Signal.like(Value.cast(self.fields))
        word, is_check, which = Signal(bits), Signal(), Signal.like(self.part)
        whole = Cat(fields, header_check(fields, shape.header))
        headers = Array(whole[k * bits : (k + 1) * bits] for k in range(shape.header_words))
        with m.If(self.go):
            m.d.sync += [
                kind.eq(self.kind), part.eq(self.part), fields.eq(self.fields),
                word.eq(Mux(kind == HEADER, headers[part], self.stored)),
                self.start.eq((kind == HEADER) & (part == 0)),
                self.valid.eq(kind != NONE), is_check.eq(kind == CHECK), which.eq(part),
            ]  # fmt: skip
        parts = [word if self._abstract else self._check(m, word, is_check, which)]
        flip = self._injected(m)
        m.d.comb += self.word.eq(Mux(is_check, parts[0] if not self._abstract else 0, word) ^ flip)
        return m

    def _check(self, m: Module, word: Signal, is_check: Signal, which: Signal) -> Value:
        """The word of the check."""
        m.submodules.crc = crc = Crc(self._shape)
        m.d.comb += [
            crc.data.eq(word),
            crc.valid.eq(self.go & self.valid & ~is_check),
            crc.start.eq(self.start),
        ]
        return Array(check_parts(crc.crc, self._shape))[which]

    def _injected(self, m: Module) -> Signal:
        """The bit that is inverted in this word."""
        flip = Signal(self._shape.word_bits)
        left = Signal(32)
        now = Signal()
        m.d.comb += [now.eq((self.inject_every != 0) & (left == 0)), flip.eq(now << self.inject_bit)]
        with m.If(self.go & self.valid):
            m.d.sync += left.eq(left - 1)
            with m.If(now):
                m.d.sync += left.eq(self.inject_every - 1)
        return flip
