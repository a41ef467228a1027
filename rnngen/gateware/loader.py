"""Words of 32 bits from the control port to the wide words of the parameter memories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rnngen.gateware.buffers import address_width
from rnngen.gateware.registers import REGISTERS, WORD_BITS
from rnngen.plan.layer import ceil_div

_SELECT = next(register for register in REGISTERS if register.name == "LOAD_SELECT")
WIRE_LIMIT = 1 << 16
"""Bits of the widest bus that Amaranth builds."""
LOAD_LIMIT = WIRE_LIMIT - WORD_BITS
"""Bits of the widest memory word that can be loaded: the loader keeps one part more."""


@dataclass(frozen=True)
class LoadableMemory:
    """A memory that the control port may write: ``depth`` words of ``width`` bits.

    Attributes:
        engine: Its engine, from 0.
        memory: 0 weights, 1 bias, 2 the h and 3 the state that sequences begin with, 4 places of non-zeros.
        images: 2: there are two of as many words, and the one that is not in use is written.
    """

    engine: int
    memory: int
    width: int
    depth: int
    images: int = 1

    def __post_init__(self) -> None:
        for label, value, least, largest in (
            ("engine", self.engine, 0, (1 << _SELECT.field("engine").width) - 1),
            ("memory", self.memory, 0, (1 << _SELECT.field("memory").width) - 1),
            ("width", self.width, 1, LOAD_LIMIT),
            ("depth", self.depth, 1, (1 << WORD_BITS) - 1),
            ("images", self.images, 1, 2),
        ):
            if not least <= value <= largest:
                raise ValueError(f"Loadable memory: {label} must be within {least}..{largest}, not {value}.")

    @property
    def parts(self) -> int:
        """Writes of LOAD_DATA that make a word."""
        return ceil_div(self.width, WORD_BITS)


def load_layout(memory: LoadableMemory) -> data.StructLayout:
    """A memory's write port."""
    return data.StructLayout({"enable": 1, "address": address_width(memory.depth), "data": memory.width})


def load_signature(memories: Sequence[LoadableMemory]) -> wiring.Signature:
    """The bus that carries words to the memories.

    Where ``strobe`` is high (one cycle a word), the low bits of ``data`` go to word ``address`` of that
    memory of that engine; bits of ``data`` beyond the memory's width have no meaning.
    """
    return wiring.Signature(
        {
            "strobe": Out(1),
            "engine": Out(address_width(max((memory.engine + 1 for memory in memories), default=1))),
            "memory": Out(_SELECT.field("memory").width),
            "address": Out(address_width(max((memory.depth for memory in memories), default=1))),
            "data": Out(max((memory.width for memory in memories), default=1)),
        }
    )


class Loader(wiring.Component):
    """Collects parts of 32 bits, the lowest first, and sends each complete word over the load bus.

    Ports:
        engine, memory: The selected memory.  It must not change within the cycle before a ``write``.
        address: The memory word to fill.
        restart: An unfinished word is dropped.
        write: ``part`` is the next part.
        commit: It completes the word, which is on the bus (``load.strobe``) in the next cycle.
        rejected: It is ignored, because no such memory or no such word exists, or the memory is not to be written.
        blocked: Memories of two images are not to be written.  two_images: The selected memory is one of them.
        load: See ``load_signature``.
    """

    def __init__(self, memories: Sequence[LoadableMemory]) -> None:
        self._memories = tuple(memories)
        super().__init__(
            {
                "engine": In(_SELECT.field("engine").width),
                "memory": In(_SELECT.field("memory").width),
                "address": In(WORD_BITS),
                "restart": In(1),
                "write": In(1),
                "part": In(WORD_BITS),
                "blocked": In(1),
                "two_images": Out(1),
                "commit": Out(1),
                "rejected": Out(1),
                "load": Out(load_signature(memories)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        most = max((memory.parts for memory in self._memories), default=1)
        known, depth, last = Signal(), Signal(WORD_BITS), Signal(range(max(2, most)))
        m.d.sync += known.eq(0)
        with m.Switch(Cat(self.memory, self.engine)):
            for memory in self._memories:
                with m.Case(memory.memory | memory.engine << len(self.memory)):
                    m.d.sync += [known.eq(1), depth.eq(memory.depth), last.eq(memory.parts - 1)]
        allowed = self._allowed(m)
        received, staged = Signal.like(last), Signal(most * WORD_BITS)
        accepted = Signal()
        m.d.comb += [
            accepted.eq(self.write & known & (self.address < depth) & allowed),
            self.rejected.eq(self.write & ~accepted),
            self.commit.eq(accepted & (received == last)),
            self.load.engine.eq(self.engine),
            self.load.memory.eq(self.memory),
            self.load.data.eq(staged),
        ]
        m.d.sync += self.load.strobe.eq(self.commit)
        with m.If(self.commit):
            m.d.sync += self.load.address.eq(self.address)
        with m.If(accepted):
            m.d.sync += [staged.eq(self._shifted(staged, last)), received.eq(Mux(self.commit, 0, received + 1))]
        with m.If(self.restart):
            m.d.sync += received.eq(0)
        return m

    def _allowed(self, m: Module) -> Value:
        """Whether the selected memory may be written now."""
        if all(memory.images == 1 for memory in self._memories):
            return Const(1, 1)
        m.d.sync += self.two_images.eq(0)
        with m.Switch(Cat(self.memory, self.engine)):
            for memory in self._memories:
                with m.Case(memory.memory | memory.engine << len(self.memory)):
                    m.d.sync += self.two_images.eq(memory.images == 2)
        return ~(self.blocked & self.two_images)

    def _shifted(self, staged: Signal, last: Signal) -> Value:
        """The word moved down by a part, the new part on top of the selected memory's word."""
        pieces: list[Value] = []
        low = 0
        for parts in sorted({memory.parts for memory in self._memories} or {1}):
            high = parts * WORD_BITS
            pieces.append(staged[low + WORD_BITS : high])
            above = staged[high : high + WORD_BITS]
            pieces.append(Mux(last == parts - 1, self.part, above) if len(above) else self.part)
            low = high
        return Cat(*pieces)
