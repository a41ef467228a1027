"""The check behind a frame, and the search for the one wrong bit that it can correct."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rnngen.config.link import LinkShape
from rnngen.gateware.link.parity import CRC32, CRC64, apply_map, crc_step, crc_unstep


def check_bits(shape: LinkShape) -> int:
    """Of the check."""
    return 64 if shape.correct else 32


def check_parts(crc: Value, shape: LinkShape) -> list[Value]:
    """The words of the check, the first one first."""
    return [crc[k * shape.word_bits : (k + 1) * shape.word_bits] for k in range(shape.check_words)]


class Crc(wiring.Component):
    """The CRC of a frame, a word a cycle.

    Ports:
        data, valid: A word; start: it is the first one.  crc: Of the words until the cycle before.
    """

    def __init__(self, shape: LinkShape) -> None:
        self._shape = shape
        bits = check_bits(shape)
        super().__init__({"data": In(shape.word_bits), "start": In(1), "valid": In(1), "crc": Out(bits)})

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        bits, polynomial = CRC64 if self._shape.correct else CRC32
        ones, width = Const((1 << bits) - 1, bits), self._shape.word_bits
        state = Signal(bits)

        def step(both: int) -> int:
            return crc_step(both & ((1 << bits) - 1), both >> bits, width, polynomial)

        following = apply_map(m, step, Cat(Mux(self.start, ones, state), self.data), bits)
        with m.If(self.valid):
            m.d.sync += state.eq(following)
        m.d.comb += self.crc.eq(~state)
        return m


class Corrector(wiring.Component):
    """Searches the wrong bit of a frame whose check failed, a word a cycle from its end.

    The check's difference (syndrome) of a single wrong bit names the bit: undone word by word, it becomes that bit
    alone.  A frame with more than one wrong bit looks like one with a single one in about 2**-52 of all cases.

    Ports:
        begin: Searches from now on, for at most ``length`` + 3 cycles.  syndrome: Check received ^ check computed.
        length: Words of payload.
        found: High for a cycle.  place: Words from the payload's end (0: the last one); mask: the wrong bit of that
            word, 0 if it is in the check itself.
        failed: High for a cycle: no single bit of payload or check explains it.
    """

    def __init__(self, shape: LinkShape) -> None:
        self._shape = shape
        super().__init__(
            {
                "begin": In(1),
                "syndrome": In(64),
                "length": In(shape.header.length),
                "found": Out(1),
                "failed": Out(1),
                "place": Out(shape.header.length),
                "mask": Out(shape.word_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        bits = self._shape.word_bits
        value, left = Signal(64), Signal(self._shape.header.length)
        busy, in_check, single, low = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            single.eq((value & (value - 1)) == 0),
            low.eq(1 if bits == 64 else value[bits:] == 0),
            self.mask.eq(Mux(in_check, 0, value[:bits])),
            self.found.eq(busy & single & (in_check | low)),
            self.failed.eq(busy & ~self.found & (left == 0)),
        ]
        earlier = apply_map(m, lambda x: crc_unstep(x, bits, *CRC64), value, 64)
        m.d.sync += [value.eq(earlier), in_check.eq(0), left.eq(left - 1)]
        with m.If(~in_check):
            m.d.sync += self.place.eq(self.place + 1)
        with m.If(self.found | self.failed):
            m.d.sync += busy.eq(0)
        with m.If(self.begin):
            m.d.sync += [
                value.eq(self.syndrome),
                left.eq(self.length),
                self.place.eq(0),
                busy.eq(1),
                in_check.eq(1),
            ]
        return m
