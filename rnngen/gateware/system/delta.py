"""Steps to frames of a link and back where only those values cross that changed: a bit for each value, then these.

A value is sent where it differs by more than a threshold from the one that was sent last, and the receiver goes on
with what it was sent last; so both ends know the same values, and with a threshold of 0 the receiver has every value.
At the beginning of a sequence all values are 0.  (Neil et al., Delta Networks, 2017, on a link.)
"""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from rnngen.gateware.system.packing import Beats
from rnngen.plan.frames import DeltaFrame


def _count(bits: Sequence[Value]) -> Value:
    """How many of these bits are 1."""
    total: Value = Const(0, 1)
    for bit in bits:
        total = total + bit
    return total


class DeltaPacker(wiring.Component):
    """Beats of a core's output, each ``frame.port_values`` values, to one frame a step, once the step is whole.

    Ports:
        data, valid, ready, last: The core's output; a step is held while the frames of two before it are not sent.
        tx_data, tx_valid, tx_ready, tx_length: To the link.

    Args:
        lane: Bits of a value's lane.  threshold: In the values' last place.
    """

    def __init__(self, frame: DeltaFrame, lane: int, threshold: int) -> None:
        assert frame.port_values % frame.values_a_word == 0, "a beat is whole words"
        self._frame, self._lane, self._threshold = frame, lane, threshold
        super().__init__(
            {
                "data": In(lane * frame.port_values),
                "valid": In(1),
                "ready": Out(1),
                "last": In(1),
                "tx_data": Out(frame.word_bits),
                "tx_valid": Out(1),
                "tx_ready": In(1),
                "tx_length": Out(range(frame.words + 1)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        frame, each = self._frame, self._frame.port_values
        beat, fresh = Signal(range(max(2, frame.port_beats))), Signal(init=1)
        taken, ends, done, sent, rest = Signal(), Signal(), Signal(), Signal(), Signal()
        full, fills, sends = Signal(2), Signal(), Signal()  # of two steps: there; the one that comes; that is sent
        m.d.comb += [
            self.ready.eq(~full.bit_select(fills, 1) & ~rest),
            taken.eq(self.valid & self.ready),
            ends.eq(beat == frame.port_beats - 1),
            done.eq(taken & ends),
        ]
        with m.If(taken):
            m.d.sync += beat.eq(Mux(ends, 0, beat + 1))
        with m.If(done):
            m.d.sync += [fills.eq(~fills), fresh.eq(self.last)]
        with m.If(sent):
            m.d.sync += sends.eq(~sends)
        m.d.sync += full.eq((full | Cat(done & ~fills, done & fills)) & ~Cat(sent & ~sends, sent & sends))
        changed, values = self._changed(m, taken, beat, ends, fresh)
        masks = [Signal(frame.mask_words * frame.word_bits, name=f"mask_{bank}") for bank in range(2)]
        for bank, mask in enumerate(masks):
            with m.If(taken & (fills == bank)):
                m.d.sync += mask[: frame.port_beats * each].word_select(beat, each).eq(Cat(changed))
            with m.If(done & (fills == bank)):
                m.d.sync += mask[-1].eq(self.last)
        counts, memory = self._gathered(m, taken, done, rest, fills, changed, values)
        is_there = Signal()
        m.d.comb += is_there.eq(full.bit_select(sends, 1))
        self._send(m, is_there, sends, sent, Mux(sends, *masks[::-1]), Mux(sends, *counts[::-1]), memory)
        return m

    def _changed(
        self, m: Module, taken: Signal, beat: Signal, ends: Signal, fresh: Signal
    ) -> tuple[list[Signal], list[Value]]:
        """Which values of the beat are sent, and all of them."""
        frame, each, width = self._frame, self._frame.port_values, self._frame.width
        there = frame.values - (frame.port_beats - 1) * each  # in a step's last beat
        m.submodules.sent = memory = Memory(shape=each * width, depth=max(2, frame.port_beats), init=[])
        read, write = memory.read_port(domain="comb"), memory.write_port()
        m.d.comb += [read.addr.eq(beat), write.addr.eq(beat), write.en.eq(taken)]
        changed, values, kept = list[Signal](), list[Value](), list[Value]()
        for number in range(each):
            value = self.data[number * self._lane : number * self._lane + width]
            before, differs = Signal(signed(width), name=f"before_{number}"), Signal(name=f"differs_{number}")
            m.d.comb += before.eq(Mux(fresh, 0, read.data[number * width : (number + 1) * width]))
            difference = value.as_signed() - before
            is_far = (difference > self._threshold) | (difference < -self._threshold)
            m.d.comb += differs.eq(is_far & ~ends if number >= there else is_far)
            changed.append(differs)
            values.append(value)
            kept.append(Mux(differs, value, before)[:width])
        m.d.comb += write.data.eq(Cat(kept))
        return changed, values

    def _gathered(
        self, m: Module, taken: Signal, done: Signal, rest: Signal, fills: Signal, changed: Sequence[Signal],
        values: Sequence[Value],
    ) -> tuple[list[Signal], Memory]:  # fmt: skip
        """The values that are sent, packed to full beats: how many of either step, and the memory of both."""
        frame, each, width = self._frame, self._frame.port_values, self._frame.width
        dense = Signal(each * width)
        m.d.comb += dense.eq(Cat(self._lane_of(place, changed, values) for place in range(each)))
        held, fill = Signal(each * width), Signal(range(each))
        both, filled, flows = Signal(2 * each * width), Signal(range(2 * each)), Signal()
        m.d.comb += [
            both.eq(held | (dense << (fill * width))), filled.eq(fill + _count(changed)), flows.eq(filled >= each)
        ]  # fmt: skip
        depth = max(2, frame.port_beats)
        m.submodules.words = memory = Memory(shape=each * width, depth=2 * depth, init=[])
        write, place, last = memory.write_port(), Signal(range(depth)), Signal(range(2 * depth))
        total, counts = Signal(range(frame.values + 1)), [Signal(range(frame.values + 1)) for _ in range(2)]
        m.d.comb += [
            write.addr.eq(Mux(rest, last, fills * depth + place)),
            write.data.eq(Mux(rest, held, both)),
            write.en.eq(rest | (taken & flows)),
        ]
        with m.If(taken):
            m.d.sync += [
                held.eq(Mux(flows, both[each * width :], both)),
                fill.eq(Mux(flows, filled - each, filled)),
                place.eq(Mux(done, 0, place + flows)),
                total.eq(Mux(done, 0, total + _count(changed))),
            ]
        for bank, count in enumerate(counts):
            with m.If(done & (fills == bank)):
                m.d.sync += count.eq(total + _count(changed))
        m.d.sync += [rest.eq(done & (filled != 0) & (filled != each)), last.eq(fills * depth + place + flows)]
        with m.If(rest):
            m.d.sync += [held.eq(0), fill.eq(0)]
        return counts, memory

    def _lane_of(self, place: int, changed: Sequence[Signal], values: Sequence[Value]) -> Value:
        """The value that is the one with this number of those that are sent; 0 if there are fewer."""
        found: Value = Const(0, self._frame.width)
        for number, (value, differs) in enumerate(zip(values, changed)):
            if number >= place:
                is_it = differs & (_count(changed[:number]) == place)
                found = found | (value & is_it.replicate(self._frame.width))
        return found

    def _send(
        self, m: Module, is_there: Signal, sends: Signal, sent: Signal, mask: Value, count: Value, memory: Memory
    ) -> None:
        """The mask's words, then those of values; the first word waits a cycle for the last values."""
        frame, parts = self._frame, self._frame.port_values // self._frame.values_a_word
        depth = max(2, frame.port_beats)
        read, word, begun = memory.read_port(domain="comb"), Signal(range(frame.words + 1)), Signal()
        place, part = Signal(range(depth)), Signal(range(max(2, parts)))
        in_mask, goes, ends = Signal(), Signal(), Signal()
        words = (count + (frame.values_a_word - 1)) // frame.values_a_word
        values = read.data.word_select(part, frame.values_a_word * frame.width)
        m.d.comb += [
            in_mask.eq(word < frame.mask_words),
            read.addr.eq(sends * depth + place),
            self.tx_length.eq(frame.mask_words + words),
            self.tx_valid.eq(is_there & begun),
            self.tx_data.eq(Mux(in_mask, mask.word_select(word, frame.word_bits), values)),
            goes.eq(self.tx_valid & self.tx_ready),
            ends.eq(part == parts - 1),
            sent.eq(goes & (word == self.tx_length - 1)),
        ]
        m.d.sync += begun.eq(is_there & ~sent)
        with m.If(goes):
            m.d.sync += word.eq(word + 1)
        with m.If(goes & ~in_mask):
            m.d.sync += [part.eq(Mux(ends, 0, part + 1)), place.eq(place + ends)]
        with m.If(sent):
            m.d.sync += [word.eq(0), part.eq(0), place.eq(0)]


class DeltaUnpacker(wiring.Component):
    """Frames of ``DeltaPacker``, one a step, to whole steps as beats of a core's input.

    The first beat leaves a cycle behind the mask's last word, the others in the cycles behind it, or each a cycle
    behind the last of its values (``DeltaFrame.shown_behind``).

    Ports:
        rx_data, rx_valid, rx_ready, rx_last: From the link.
        data, valid, ready, last: The core's input; a value lies at the low end of its lane.
    """

    def __init__(self, frame: DeltaFrame, port: Beats) -> None:
        self._frame, self._port = frame, port
        super().__init__(
            {
                "rx_data": In(frame.word_bits),
                "rx_valid": In(1),
                "rx_ready": Out(1),
                "rx_last": In(1),
                "data": Out(port.lane * port.words),
                "valid": Out(1),
                "ready": In(1),
                "last": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        frame, lanes, width = self._frame, self._port.words, self._frame.width
        beats = -(-frame.values // lanes)
        mask, place, shows = Signal(frame.mask_words * frame.word_bits), Signal(range(frame.mask_words + 1)), Signal()
        beat, fresh, ends = Signal(range(max(2, beats))), Signal(init=1), Signal()
        room = lanes + 2 * frame.values_a_word
        held, fill = Signal(room * width), Signal(range(room + 1))
        bits, needs = Signal(lanes), Signal(range(lanes + 1))
        reads, more, gone, whole = Signal(), Signal(), Signal(), Signal()
        after, left = Signal.like(held), Signal.like(fill)
        m.d.comb += [
            bits.eq(Cat(mask[:-1], Const(0, lanes))[: beats * lanes].word_select(beat, lanes)),
            needs.eq(_count(list(bits))),
            ends.eq(beat == beats - 1),
            self.valid.eq(shows & (fill >= needs)),
            self.last.eq(ends & mask[-1]),
            gone.eq(self.valid & self.ready),
            reads.eq(~shows & self.rx_valid),
            more.eq(shows & self.rx_valid & ~whole & (fill <= room - frame.values_a_word)),
            self.rx_ready.eq(~shows | more),
            after.eq(Mux(gone, held >> (needs * width), held)),
            left.eq(Mux(gone, fill - needs, fill)),
        ]
        m.d.sync += [held.eq(after), fill.eq(left)]
        with m.If(reads):
            m.d.sync += [
                mask.word_select(place, frame.word_bits).eq(self.rx_data),
                place.eq(place + 1),
            ]
            with m.If(place == frame.mask_words - 1):
                m.d.sync += [shows.eq(1), whole.eq(self.rx_last), place.eq(0)]
        with m.If(more):
            m.d.sync += [
                held.eq(after | (self.rx_data[: frame.values_a_word * width] << (left * width))),
                fill.eq(left + frame.values_a_word),
                whole.eq(self.rx_last),
            ]
        with m.If(gone):
            m.d.sync += beat.eq(beat + 1)
        with m.If(gone & ends):
            m.d.sync += [held.eq(0), fill.eq(0), beat.eq(0), shows.eq(0), fresh.eq(mask[-1])]
        self._values(m, beats, beat, bits, held, fresh, gone)
        return m

    def _values(
        self, m: Module, beats: int, beat: Signal, bits: Signal, held: Signal, fresh: Signal, gone: Signal
    ) -> None:
        """The beat's values: those that came, and of the others what they were before."""
        lanes, width = self._port.words, self._frame.width
        m.submodules.known = memory = Memory(shape=lanes * width, depth=max(2, beats), init=[])
        read, write = memory.read_port(domain="comb"), memory.write_port()
        m.d.comb += [read.addr.eq(beat), write.addr.eq(beat), write.en.eq(gone)]
        values = []
        for number in range(lanes):
            before = Mux(fresh, 0, read.data[number * width : (number + 1) * width])
            came = held.word_select(_count(list(bits)[:number]), width)
            value = Signal(width, name=f"value_{number}")
            m.d.comb += value.eq(Mux(bits[number], came, before))
            values.append(value)
        m.d.comb += [
            write.data.eq(Cat(values)),
            self.data.eq(Cat(Cat(value, Const(0, self._port.lane - width)) for value in values)),
        ]
