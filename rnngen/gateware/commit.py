"""Two images of each parameter memory: which one is in use, and when it changes."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rnngen.gateware.link.parity import CRC32, apply_map, crc_step
from rnngen.gateware.registers import WORD_BITS

HALF = WORD_BITS // 2


class LoadCheck(wiring.Component):
    """CRC-32 of words of 32 bits, the lowest byte first: that of zlib.  A word takes two cycles.

    Ports:
        word, take: The next word; not in two cycles one behind the other.  begin: No word has come yet.
        crc: Of the words until two cycles ago.
    """

    def __init__(self) -> None:
        super().__init__({"word": In(WORD_BITS), "take": In(1), "begin": In(1), "crc": Out(WORD_BITS)})

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        bits, polynomial = CRC32
        ones = (1 << bits) - 1
        state, rest, second = Signal(bits, init=ones), Signal(HALF), Signal()
        half = Mux(second, rest, self.word[:HALF])
        following = apply_map(m, lambda both: crc_step(both & ones, both >> bits, HALF, polynomial),
                              Cat(state, half), bits)  # fmt: skip
        m.d.sync += [second.eq(self.take), rest.eq(self.word[HALF:])]
        with m.If(self.take | second):
            m.d.sync += state.eq(following)
        with m.If(self.begin):
            m.d.sync += [state.eq(ones), second.eq(0)]
        m.d.comb += self.crc.eq(~state)
        return m


class Commit(wiring.Component):
    """Takes or refuses a loaded image, and changes images while nothing is computed.

    Ports:
        word, take: What was written to load (``LoadCheck``).
        stored: A memory word of a memory with two images is complete.  rejected: A word was not taken.
        begin, commit: Were written, and not in the cycle behind a ``take``.  checksum: What the CRC must be.
        free: Nothing is inside, no sequence is open, and no input is taken while a commit waits.
        crc, words: As the registers of that name.
        waits: A commit was taken.  refused: One was not (one cycle).
        image: The one in use.  switched: The other one is, from this cycle on (one cycle).

    Args:
        total: Words of one image of all memories.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        super().__init__(
            {
                "word": In(WORD_BITS),
                "take": In(1),
                "stored": In(1),
                "rejected": In(1),
                "begin": In(1),
                "commit": In(1),
                "checksum": In(WORD_BITS),
                "free": In(1),
                "crc": Out(WORD_BITS),
                "words": Out(WORD_BITS),
                "waits": Out(1),
                "refused": Out(1),
                "image": Out(1),
                "switched": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        m.submodules.check = check = LoadCheck()
        words, wrong, whole, switch = Signal(range(self._total + 2)), Signal(), Signal(), Signal()
        m.d.comb += [
            check.word.eq(self.word),
            check.take.eq(self.take),
            check.begin.eq(self.begin | switch),
            self.crc.eq(check.crc),
            self.words.eq(words),
            whole.eq((words == self._total) & ~wrong & (self.crc == self.checksum) & ~self.waits & ~self.begin),
            self.refused.eq(self.commit & ~whole),
            switch.eq(self.waits & self.free & ~self.begin),
        ]
        m.d.sync += [self.switched.eq(switch), self.image.eq(self.image ^ switch)]
        with m.If(self.stored & (words != self._total + 1)):
            m.d.sync += words.eq(words + 1)
        with m.If(self.rejected):
            m.d.sync += wrong.eq(1)
        with m.If(self.commit & whole):
            m.d.sync += self.waits.eq(1)
        with m.If(self.begin | switch):
            m.d.sync += [words.eq(Const(0)), wrong.eq(0), self.waits.eq(0)]
        return m
