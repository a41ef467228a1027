"""Vector buffers between producers of a few words a cycle and readers of a column word a cycle."""

from __future__ import annotations

from amaranth.hdl import ClockSignal, Const, Instance, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rnngen.plan.layer import ceil_div


def address_width(depth: int) -> int:
    """Address bits of a memory; one at least, so that no port is without width."""
    return max(1, (depth - 1).bit_length())


def fit_address(m: Module, value: Value, depth: int) -> Signal:
    """An address at exactly the width of the port of a memory of ``depth`` words."""
    address = Signal(address_width(depth))
    m.d.comb += address.eq(value)
    return address


def times(value: Value, constant: int) -> Value:
    """A part of an address times a constant, by shifts and sums: of a product synthesis would make a DSP block."""
    if len(value) < 2 or constant.bit_count() < 2:  # no product to synthesis
        return value * constant
    parts = [value << place for place in range(constant.bit_length()) if constant >> place & 1]
    return sum(parts[1:], start=parts[0])[: len(value * constant)]


def write_layout(width: int, lanes: int, streams: int) -> data.StructLayout:
    """One write of up to ``lanes`` neighbouring words of a step.

    The first ``count`` lanes are valid; ``last`` tells that the step ends with this write,
    ``sequence_last`` that its sequence ends with it, ``stream`` whose step it is.
    """
    return data.StructLayout(
        {
            "enable": 1,
            "count": range(lanes + 1),
            "last": 1,
            "sequence_last": 1,
            "stream": range(streams),
            "data": width * lanes,
        }
    )


def write_port_layout(width: int, lanes: int, banks: int, depth: int) -> data.StructLayout:
    """The write port of ``rnn_vector_memory``."""
    return data.StructLayout(
        {
            "enable": 1,
            "word": address_width(depth),
            "bank": range(max(2, banks)),
            "count": range(lanes + 1),
            "data": width * lanes,
        }
    )


class VectorWriter(wiring.Component):
    """Where the words of vectors go: a ring of ``slots`` vectors of ``size`` words in ``banks`` banks.

    ``by_stream``: each stream has a ring of ``slots`` of its own, one behind the other.

    Ports:
        write: One write a cycle; a step's words come in order, and after ``last`` the next slot begins.
        write_base: First word of the slot that is being written.
        rewind: Everything since the last ``sequence_last`` is forgotten; what is written in this cycle, too.
        port: To the memory.

    ``aligned``: every write begins at a multiple of ``lanes``, and ``lanes`` divides ``banks``.
    """

    def __init__(
        self, width: int, lanes: int, banks: int, size: int, slots: int, aligned: bool, streams: int,
        by_stream: bool = False,
    ) -> None:  # fmt: skip
        self.words = ceil_div(size, banks)
        self._width, self._lanes, self._banks, self._slots = width, lanes, banks, slots
        self._aligned = aligned and banks % lanes == 0
        self._rings = streams if by_stream else 1
        self.depth = self.words * slots * self._rings
        super().__init__(
            {
                "write": In(write_layout(width, lanes, streams)),
                "write_base": Out(range(max(2, self.depth))),
                "rewind": In(1),
                "port": Out(write_port_layout(width, lanes, banks, self.depth)),
            }
        )

    @property
    def parameters(self) -> dict[str, int]:
        """Of the memory's leaf; without its banks."""
        return {
            "WIDTH": self._width,
            "LANES": self._lanes,
            "DEPTH": self.depth,
            "WORD_WIDTH": address_width(self.depth),
            "COUNT_WIDTH": len(self.port.count),
            "ALIGNED": int(self._aligned),
        }

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        banks, words = self._banks, self.words
        bank = Signal(range(max(2, banks)))
        word = Signal(range(max(2, self.depth)))
        base = self.write_base
        start = Signal.like(base)
        next_base = Signal.like(base)
        if self._rings > 1:
            word_now = self._place(m, base, word)
        else:
            m.d.comb += next_base.eq(Mux(base == self.depth - words, 0, base + words))
            word_now = word
        position = Signal(range(2 * banks + 1))
        m.d.comb += position.eq(bank + self.write.count)
        with m.If(self.write.enable):
            with m.If(self.write.last):
                m.d.sync += [bank.eq(0), word.eq(next_base)]
            with m.Elif(position >= banks):
                m.d.sync += [bank.eq(position - banks), word.eq(word + 1)]
            with m.Else():
                m.d.sync += bank.eq(position)
        if self._rings == 1:
            with m.If(self.write.enable & self.write.last):
                m.d.sync += base.eq(next_base)
                with m.If(self.write.sequence_last):
                    m.d.sync += start.eq(next_base)
            with m.If(self.rewind):
                m.d.sync += [bank.eq(0), word.eq(start), base.eq(start)]
        m.d.comb += [
            self.port.enable.eq(self.write.enable),
            self.port.word.eq(word_now),
            self.port.bank.eq(bank),
            self.port.count.eq(self.write.count),
            self.port.data.eq(self.write.data),
        ]
        return m

    def _place(self, m: Module, base: Value, word: Signal) -> Value:
        """Word that is written: ``word`` of the slot whose turn it is in the ring of the write's stream."""
        turn = Signal(self._rings)
        slot = turn.bit_select(self.write.stream, 1)
        m.d.comb += base.eq(times(times(self.write.stream, self._slots) + slot, self.words))
        with m.If(self.write.enable & self.write.last):
            m.d.sync += turn.eq(turn ^ (1 << self.write.stream))
        return fit_address(m, base + word, self.depth)


class VectorMemory(wiring.Component):
    """A memory of vectors with the writer in front of it (``VectorWriter``, which has the arguments).

    Ports:
        write, write_base, rewind: As for ``VectorWriter``.
        address: Column word to read, over the whole ring (slot * column words + column word).
        data: The column word, one cycle later.
    """

    def __init__(
        self, width: int, lanes: int, banks: int, size: int, slots: int, aligned: bool, streams: int,
        by_stream: bool = False,
    ) -> None:  # fmt: skip
        self._writer = VectorWriter(width, lanes, banks, size, slots, aligned, streams, by_stream)
        self._banks, self.words, self.depth = banks, self._writer.words, self._writer.depth
        super().__init__(
            {
                "write": In(write_layout(width, lanes, streams)),
                "write_base": Out(range(max(2, self.depth))),
                "rewind": In(1),
                "address": In(address_width(self.depth)),
                "data": Out(width * banks),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        m.submodules.writer = writer = self._writer
        port = writer.port
        m.d.comb += [
            writer.write.eq(self.write),
            writer.rewind.eq(self.rewind),
            self.write_base.eq(writer.write_base),
        ]
        m.submodules.memory = Instance(
            "rnn_vector_memory",
            **{f"p_{name}": value for name, value in writer.parameters.items()},
            p_BANKS=self._banks,
            p_BANK_WIDTH=len(port.bank),
            i_clk=ClockSignal(),
            i_read_word=self.address,
            i_read_index=Const(0, self._banks),
            o_read_data=self.data,
            i_write_enable=port.enable,
            i_write_word=port.word,
            i_write_bank=port.bank,
            i_write_count=port.count,
            i_write_data=port.data,
        )
        return m


class StepBuffer(wiring.Component):
    """An engine's input: whole steps are handed over, slot by slot.

    ``outside``: the memory is somewhere else; ``memory.port`` writes it, and nothing is read here.
    ``stored``: whole sequences are; who writes and who reads them is somebody else's business, and ``full`` and
    ``available`` say nothing.  ``reverse``: each stored sequence is read from its end.

    Ports:
        write, rewind: As for ``VectorMemory``.  full: No slot is free; the writer must not begin a step.
        available: A complete step waits.  sequence_last: It is its sequence's last one.  stream: Whose step it is.
        base: First column word of the step that is next to be taken.  slot: Its slot.
        take: The reader starts on it; the next step is shown in the next cycle.
        take_last: That step is the last one of its sequence in the reader's order.
        address, data: Read port, one cycle.
        release: The oldest step taken is read for the last time in this cycle; its slot is free in the next.
    """

    def __init__(
        self, width: int, lanes: int, banks: int, size: int, slots: int, aligned: bool, stored: bool, reverse: bool,
        streams: int, outside: bool = False,
    ) -> None:  # fmt: skip
        self._slots, self._stored, self._reverse, self._streams = slots, stored, reverse, streams
        kind = VectorWriter if outside else VectorMemory
        self.memory = kind(width, lanes, banks, size, slots, aligned, streams)
        self.depth = self.memory.depth
        reads = {"address": In(address_width(self.depth)), "data": Out(width * banks)}
        super().__init__(
            {
                "write": In(write_layout(width, lanes, streams)),
                "rewind": In(1),
                "full": Out(1),
                "available": Out(1),
                "sequence_last": Out(1),
                "stream": Out(range(streams)),
                "base": Out(range(max(2, self.depth))),
                "slot": Out(range(max(2, slots))),
                "take": In(1),
                "take_last": In(1),
                **({} if outside else reads),
                "release": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        m.submodules.memory = memory = self.memory
        m.d.comb += [memory.write.eq(self.write), memory.rewind.eq(self.rewind)]
        if isinstance(memory, VectorMemory):
            m.d.comb += [memory.address.eq(self.address), self.data.eq(memory.data)]
        step_written = self.write.enable & self.write.last
        if not self._stored:
            self._count_steps(m, step_written)
        if self._reverse:
            self._read_backwards(m, step_written)
        else:
            self._read_forwards(m)
        return m

    def _count_steps(self, m: Module, step_written: Value) -> None:
        slots = self._slots
        used, waiting = Signal(range(slots + 1)), Signal(range(slots + 1))
        lasts = Signal(slots)
        write_slot = Signal(range(max(2, slots)))
        m.d.comb += [
            self.full.eq(used == slots),
            self.available.eq(waiting != 0),
            self.sequence_last.eq(lasts.bit_select(self.slot, 1)),
        ]
        m.d.sync += [used.eq(used + step_written - self.release), waiting.eq(waiting + step_written - self.take)]
        bits = len(self.stream)
        if bits:
            whose = Signal(slots * bits)
            m.d.comb += self.stream.eq(whose.word_select(self.slot, bits))
            with m.If(step_written):
                m.d.sync += whose.word_select(write_slot, bits).eq(self.write.stream)
        with m.If(step_written):
            m.d.sync += lasts.bit_select(write_slot, 1).eq(self.write.sequence_last)
            m.d.sync += write_slot.eq(Mux(write_slot == slots - 1, 0, write_slot + 1))

    def _read_forwards(self, m: Module) -> None:
        with m.If(self.take):
            wraps = self.slot == self._slots - 1
            m.d.sync += self.slot.eq(Mux(wraps, 0, self.slot + 1))
            m.d.sync += self.base.eq(Mux(wraps, 0, self.base + self.memory.words))

    def _read_backwards(self, m: Module, step_written: Value) -> None:
        """From where the sequence ends; two ends are known at once at most."""
        words, slots = self.memory.words, self._slots
        place = data.StructLayout({"base": self.base.shape(), "slot": self.slot.shape()})
        ends = [Signal(place, name=f"end_{k}") for k in range(2)]
        written, read, inside = Signal(), Signal(), Signal()
        write_slot, start_slot = Signal(range(max(2, slots))), Signal(range(max(2, slots)))
        next_slot = Mux(write_slot == slots - 1, 0, write_slot + 1)
        with m.If(step_written):
            m.d.sync += write_slot.eq(next_slot)
            with m.If(self.write.sequence_last):
                for number, end in enumerate(ends):
                    with m.If(written == number):
                        m.d.sync += [end.base.eq(self.memory.write_base), end.slot.eq(write_slot)]
                m.d.sync += [written.eq(~written), start_slot.eq(next_slot)]
        with m.If(self.rewind):
            m.d.sync += write_slot.eq(start_slot)
        running = Signal(place)
        now = Signal(place)
        m.d.comb += now.eq(Mux(inside, running, Mux(read, ends[1], ends[0])))
        m.d.comb += [self.base.eq(now.base), self.slot.eq(now.slot)]
        with m.If(self.take):
            wraps = now.slot == 0
            m.d.sync += [
                running.slot.eq(Mux(wraps, slots - 1, now.slot - 1)),
                running.base.eq(Mux(wraps, self.depth - words, now.base - words)),
                inside.eq(~self.take_last),
                read.eq(read ^ self.take_last),
            ]


class OutputBuffer(wiring.Component):
    """The accelerator's output: words leave in order as soon as they are complete, under back-pressure.

    A word written in cycle n is offered in cycle n + 2 at the earliest (``timing.OUTPUT_CYCLES``).  The memory's words
    have room for all that is written in a cycle, and are sent in as many beats as that takes.

    Ports:
        write: As for ``VectorMemory``.  released: The last beat of a step leaves in this cycle.
        data, valid, ready, last: The output; ``last`` with the last beat of a sequence.  stream: Whose step it is.
    """

    def __init__(
        self, width: int, lanes: int, words: int, size: int, slots: int, aligned: bool, streams: int
    ) -> None:
        self._parts, self._slots = ceil_div(lanes, words), slots
        self._banks = self._parts * words
        self._last_parts = ceil_div((size - 1) % self._banks + 1, words)  # beats of a step's last word
        self._beat_bits = width * words
        self._memory = VectorMemory(width, lanes, self._banks, size, slots, aligned, streams)
        super().__init__(
            {
                "write": In(write_layout(width, lanes, streams)),
                "released": Out(1),
                "data": Out(self._beat_bits),
                "valid": Out(1),
                "ready": In(1),
                "last": Out(1),
                "stream": Out(range(streams)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        m.submodules.memory = memory = self._memory
        depth, words = self._memory.depth, self._memory.words
        waiting = Signal(range(depth + 1))
        fill = Signal(range(2 * self._banks + 1))
        filled = Signal.like(fill)
        completed = Signal(range(3))
        taken, step_end = Signal(), Signal()
        address, shown = Signal(range(max(2, depth))), Signal(range(max(2, depth)))
        word = Signal(range(max(2, words)))
        lasts = Signal(self._slots)
        write_slot, read_slot = Signal(range(self._slots)), Signal(range(self._slots))
        data, beat_end = self._beat(m, memory.data, step_end)
        m.d.comb += [
            memory.write.eq(self.write),
            filled.eq(fill + self.write.count),
            taken.eq(self.valid & self.ready & beat_end),
            step_end.eq(word == words - 1),
            self.released.eq(taken & step_end),
            address.eq(Mux(taken, Mux(shown == depth - 1, 0, shown + 1), shown)),
            memory.address.eq(address),
            self.data.eq(data),
            self.last.eq(step_end & beat_end & lasts.bit_select(read_slot, 1)),
        ]
        bits = len(self.stream)
        if bits:
            whose = Signal(self._slots * bits)
            m.d.comb += self.stream.eq(whose.word_select(read_slot, bits))
            with m.If(self.write.enable):
                m.d.sync += whose.word_select(write_slot, bits).eq(self.write.stream)
        with m.If(self.write.enable):
            with m.If(self.write.last):
                # The step's last word is complete even where it is not full.
                m.d.comb += completed.eq(1 + (filled > self._banks))
                m.d.sync += fill.eq(0)
                m.d.sync += lasts.bit_select(write_slot, 1).eq(self.write.sequence_last)
                m.d.sync += write_slot.eq(Mux(write_slot == self._slots - 1, 0, write_slot + 1))
            with m.Elif(filled >= self._banks):
                m.d.comb += completed.eq(1)
                m.d.sync += fill.eq(filled - self._banks)
            with m.Else():
                m.d.sync += fill.eq(filled)
        m.d.sync += [
            waiting.eq(waiting + completed - taken),
            self.valid.eq((waiting - taken) != 0),
            shown.eq(address),
        ]
        with m.If(taken):
            m.d.sync += word.eq(Mux(step_end, 0, word + 1))
            with m.If(step_end):
                m.d.sync += read_slot.eq(Mux(read_slot == self._slots - 1, 0, read_slot + 1))
        return m

    def _beat(self, m: Module, word: Signal, step_end: Signal) -> tuple[Value, Value]:
        """The part of the memory's word that is sent, and whether it is its last one."""
        if self._parts == 1:
            return word, Const(1, 1)
        part, beat_end = Signal(range(self._parts)), Signal()
        m.d.comb += beat_end.eq(part == Mux(step_end, self._last_parts, self._parts) - 1)
        with m.If(self.valid & self.ready):
            m.d.sync += part.eq(Mux(beat_end, 0, part + 1))
        return word.word_select(part, self._beat_bits), beat_end
