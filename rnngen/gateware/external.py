"""Weights from external memory: the AXI4 read port that all engines share, and each engine's buffer."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rnngen.gateware.buffers import address_width
from rnngen.plan.external import PAGE_BYTES, MemoryPort, WeightStream

ADDRESS_BITS = 64
"""Of the read port."""

PAGE_BITS = (PAGE_BYTES - 1).bit_length()
INCR, NORMAL_MEMORY, DATA_ACCESS = 1, 0b0011, 0b010
"""ARBURST; ARCACHE (normal, not cached, bufferable); ARPROT (unprivileged, non-secure data)."""


def id_bits(engines: int) -> int:
    """Bits of ARID and RID: the number of the engine that a burst is for."""
    return max(1, (engines - 1).bit_length())


def read_port(port: MemoryPort, engines: int) -> tuple[dict[str, int], dict[str, int]]:
    """AXI4 signals into a read master and out of it, with their widths."""
    bits = id_bits(engines)
    inputs = {"arready": 1, "rid": bits, "rdata": port.data_bits, "rresp": 2, "rlast": 1, "rvalid": 1}
    outputs = {
        "arid": bits, "araddr": ADDRESS_BITS, "arlen": 8, "arsize": 3, "arburst": 2, "arcache": 4, "arprot": 3,
        "arvalid": 1, "rready": 1,
    }  # fmt: skip
    return inputs, outputs


def beat_layout(data_bits: int) -> data.StructLayout:
    """A beat for one engine."""
    return data.StructLayout({"enable": 1, "data": data_bits})


class WeightBuffer(wiring.Component):
    """The words of one engine, in the order of use.

    Ports:
        beat: The next beat.  There is room for it: it was asked for.
        ready: The next word is there.  take: It is used; only where it is there.
        word: It, two cycles later; 0 in all other cycles.
        returned: An entry's room is free, in the cycle behind that of its last word.
    """

    def __init__(self, stream: WeightStream) -> None:
        self._stream = stream
        super().__init__(
            {
                "beat": In(beat_layout(stream.data_bits)),
                "ready": Out(1),
                "take": In(1),
                "word": Out(stream.word_bits),
                "returned": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        stream = self._stream
        depth, bits = stream.depth, address_width(stream.depth)
        entries = Signal(range(depth + 1))
        write_address, read_address = Signal(bits), Signal(bits)
        part, lane = Signal(range(max(2, stream.beats_per_word))), Signal(range(max(2, stream.words_per_beat)))
        complete, used_up = Signal(), Signal()
        m.d.comb += [
            complete.eq(self.beat.enable & (part == stream.beats_per_word - 1)),
            used_up.eq(self.take & self._ends_entry(m, lane)),
            self.ready.eq(entries != 0),
        ]
        m.d.sync += [
            entries.eq(entries + complete - used_up),
            write_address.eq(write_address + complete),
            read_address.eq(read_address + used_up),
            self.returned.eq(used_up),
        ]
        with m.If(self.beat.enable):
            m.d.sync += part.eq(Mux(complete, 0, part + 1))
        with m.If(self.take):
            m.d.sync += lane.eq(Mux(used_up, 0, lane + 1))
        m.submodules.memory = Instance(
            "rnn_weight_buffer",
            p_BEAT_WIDTH=stream.data_bits,
            p_WORD_WIDTH=stream.word_bits,
            p_BEATS=stream.beats_per_word,
            p_WORDS=stream.words_per_beat,
            p_DEPTH=depth,
            p_ADDRESS_WIDTH=bits,
            p_PART_WIDTH=len(part),
            p_LANE_WIDTH=len(lane),
            i_clk=ClockSignal(),
            i_write_enable=self.beat.enable,
            i_write_address=write_address,
            i_write_part=part,
            i_beat=self.beat.data,
            i_take=self.take,
            i_read_address=read_address,
            i_read_lane=lane,
            o_word=self.word,
        )
        return m

    def _ends_entry(self, m: Module, lane: Value) -> Value:
        """Whether the word that is taken is its entry's last one; a step's last beat may hold fewer."""
        stream = self._stream
        if stream.words_per_beat == 1:
            return Const(1)
        word = Signal(range(max(2, stream.words)))
        step_end = word == stream.words - 1
        with m.If(self.take):
            m.d.sync += word.eq(Mux(step_end, 0, word + 1))
        return (lane == stream.words_per_beat - 1) | step_end


class WeightReader(wiring.Component):
    """AXI4 read master: bursts for every engine whose buffer has room for one, in turn.

    Many bursts may be on their way; ARID names the engine.  What was asked for is always taken: RREADY is 1.  An error
    answer is the last one that is looked at: no word that depends on it is ever used, and engines wait for ever.

    Ports:
        m_axi: See ``read_port``.
        fetch: Bursts may be asked for.  base: Byte address of the image, without its PAGE_BITS low bits.
        beat_K: The next beat of engine K.  returned_K: An entry of its buffer is free.
        failed: The memory has answered with an error.
    """

    def __init__(self, port: MemoryPort, streams: Sequence[WeightStream]) -> None:
        self._port, self._streams = port, tuple(streams)
        inputs, outputs = read_port(port, len(streams))
        beats = {f"beat_{k}": Out(beat_layout(port.data_bits)) for k in range(len(streams))}
        returned = {f"returned_{k}": In(1) for k in range(len(streams))}
        super().__init__(
            {
                **{name: In(width) for name, width in inputs.items()},
                **{name: Out(width) for name, width in outputs.items()},
                **beats,
                **returned,
                "fetch": In(1),
                "base": In(ADDRESS_BITS - PAGE_BITS),
                "failed": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        chosen, start = self._choice(m)
        places = [self._place(m, index, start & (chosen == index)) for index in range(len(self._streams))]
        address, beats = Signal(len(places[0][0])), Signal(range(self._port.burst + 1))
        with m.Switch(chosen):
            for index, (own_address, own_beats) in enumerate(places):
                with m.Case(index):
                    m.d.comb += [address.eq(own_address), beats.eq(own_beats)]
        m.d.comb += [
            self.arsize.eq((self._port.beat_bytes - 1).bit_length()),
            self.arburst.eq(INCR),
            self.arcache.eq(NORMAL_MEMORY),
            self.arprot.eq(DATA_ACCESS),
            self.rready.eq(1),
        ]
        with m.If(start):
            base = Cat(Const(0, PAGE_BITS), self.base)
            m.d.sync += [self.arid.eq(chosen), self.araddr.eq(base + address), self.arlen.eq(beats - 1)]
            m.d.sync += self.arvalid.eq(1)
        with m.Elif(self.arready):
            m.d.sync += self.arvalid.eq(0)
        self._answers(m)
        return m

    def _choice(self, m: Module) -> tuple[Signal, Signal]:
        """The engine whose turn it is of those with room for a burst, and whether one is asked for now."""
        count = len(self._streams)
        self._wants = Signal(count)
        turn, chosen, start = Signal(range(max(2, count))), Signal(range(max(2, count))), Signal()
        m.d.comb += start.eq(self.fetch & self._wants.any() & (~self.arvalid | self.arready) & ~self.failed)
        with m.Switch(turn):
            for first in range(count):
                with m.Case(first):
                    for number in reversed(range(first, first + count)):  # of several the last assignment holds
                        with m.If(self._wants[number % count]):
                            m.d.comb += chosen.eq(number % count)
        with m.If(start):
            m.d.sync += turn.eq(Mux(chosen == count - 1, 0, chosen + 1))
        return chosen, start

    def _place(self, m: Module, index: int, start: Value) -> tuple[Value, Value]:
        """The next burst of an engine: its address from the start of the image, and its beats."""
        stream, port = self._streams[index], self._port
        image_bytes = max(own.offset + own.bytes for own in self._streams) + port.burst_bytes
        address = Signal(range(image_bytes), init=stream.offset, name=f"address_{index}")
        left = Signal(range(stream.beats + 1), init=stream.beats, name=f"left_{index}")
        room = Signal(range(stream.capacity + 1), init=stream.capacity, name=f"room_{index}")
        beats = Signal(range(port.burst + 1), name=f"beats_{index}")
        ends = left <= port.burst
        returned = Mux(getattr(self, f"returned_{index}"), stream.beats_per_word, 0)
        m.d.comb += [beats.eq(Mux(ends, left, port.burst)), self._wants[index].eq(room >= beats)]
        m.d.sync += room.eq(room + returned - Mux(start, beats, 0))
        with m.If(start):
            m.d.sync += [
                left.eq(Mux(ends, stream.beats, left - port.burst)),
                address.eq(Mux(ends, stream.offset, address + port.burst_bytes)),
            ]
        return address, beats

    def _answers(self, m: Module) -> None:
        """Beats to the engines that they are for."""
        wrong = self.rvalid & self.rresp[1]
        word = Signal.like(self.rdata, name="beat_data")
        m.d.sync += word.eq(self.rdata)
        with m.If(wrong):
            m.d.sync += self.failed.eq(1)
        for index in range(len(self._streams)):
            beat = getattr(self, f"beat_{index}")
            enable = Signal(name=f"beat_enable_{index}")
            m.d.sync += enable.eq(self.rvalid & (self.rid == index) & ~wrong & ~self.failed)
            m.d.comb += [beat.enable.eq(enable), beat.data.eq(word)]
