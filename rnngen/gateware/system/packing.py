"""Steps of a core to words of a link and back: values packed to their width, and whether the sequence ends."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rnngen.plan.frames import StepFrame


@dataclass(frozen=True)
class Beats:
    """A core's stream port: ``words`` values a beat, each in a lane of ``lane`` bits."""

    words: int
    lane: int


class StepPacker(wiring.Component):
    """Beats of a core's output, each ``frame.values_a_word`` values, to the words of one frame a step.

    The top bit of the frame's last word says whether the sequence ends with the step; where the last values leave no
    room for it, it is a word of its own, one cycle behind them.

    Ports:
        data, valid, ready, last: The core's output.
        tx_data, tx_valid, tx_ready: To the link, whose frames have ``frame.words``.
    """

    def __init__(self, frame: StepFrame, lane: int) -> None:
        self._frame, self._lane = frame, lane
        super().__init__(
            {
                "data": In(lane * frame.values_a_word),
                "valid": In(1),
                "ready": Out(1),
                "last": In(1),
                "tx_data": Out(frame.word_bits),
                "tx_valid": Out(1),
                "tx_ready": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        frame = self._frame
        beat = Signal(range(max(2, frame.beats)))
        ends, taken = Signal(), Signal()
        m.d.comb += [ends.eq(beat == frame.beats - 1), taken.eq(self.valid & self.ready)]
        with m.If(taken):
            m.d.sync += beat.eq(Mux(ends, 0, beat + 1))
        values = [self.data[k * self._lane : k * self._lane + frame.width] for k in range(frame.values_a_word)]
        if frame.own_flag_word:
            flag, waits = Signal(), Signal()  # the step's values have gone, and its flag has not
            with m.If(taken & ends):
                m.d.sync += [waits.eq(1), flag.eq(self.last)]
            with m.If(waits & self.tx_ready):
                m.d.sync += waits.eq(0)
            m.d.comb += [
                self.tx_data.eq(Mux(waits, _with_flag([], flag, frame.word_bits), Cat(*values))),
                self.tx_valid.eq(self.valid | waits),
                self.ready.eq(self.tx_ready & ~waits),
            ]
        else:
            final = _with_flag(values[: frame.last_values], self.last, frame.word_bits)
            m.d.comb += [
                self.tx_data.eq(Mux(ends, final, Cat(*values))),
                self.tx_valid.eq(self.valid),
                self.ready.eq(self.tx_ready),
            ]
        return m


def _with_flag(values: list[Value], flag: Value, bits: int) -> Value:
    """The values, zeros, and the flag at the top."""
    low = Cat(*values)
    return Cat(low, Const(0, bits - 1 - len(low)), flag)


class StepUnpacker(wiring.Component):
    """Words of frames, one a step, to beats of a core's input.

    A flag that is a word of its own comes behind the last beat, which therefore waits for it: every beat leaves when
    the next word is there, a cycle later.  A port with fewer values than a word takes a word in several beats.

    Ports:
        rx_data, rx_valid, rx_ready, rx_last: From the link.
        data, valid, ready, last: The core's input.

    Args:
        whole: Lanes are whole, as a core's output has them: values are sign-extended, and lanes behind the last value
            are zero.  Else a lane holds a value at its low end, and nothing reads what is above or behind.
    """

    def __init__(self, frame: StepFrame, port: Beats, whole: bool = False) -> None:
        self._frame, self._port, self._whole = frame, port, whole
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
        frame = self._frame
        word, valid, taken = Signal(frame.word_bits), Signal(), Signal()
        if frame.own_flag_word:
            held, is_held = Signal(frame.word_bits), Signal()
            m.d.comb += [
                word.eq(held),
                valid.eq(is_held & self.rx_valid),
                self.rx_ready.eq(~is_held | taken),
            ]
            with m.If(self.rx_valid & self.rx_ready):
                m.d.sync += [held.eq(self.rx_data), is_held.eq(~self.rx_last)]
        else:
            m.d.comb += [word.eq(self.rx_data), valid.eq(self.rx_valid), self.rx_ready.eq(taken)]
        self._beats(m, word, valid, taken)
        return m

    def _beats(self, m: Module, word: Signal, valid: Signal, taken: Signal) -> None:
        """A word in as many beats as the port needs for it; ``taken`` in the last of them.

        The flag is in the word that comes: the frame's last one, which is ``word`` or stands behind it.
        """
        frame, port = self._frame, self._port
        parts = frame.values_a_word // port.words
        place = Signal(range(max(2, parts)))
        last_part = -(-frame.last_values // port.words) - 1
        ends = Signal()
        values = [word[k * frame.width : (k + 1) * frame.width] for k in range(frame.values_a_word)]
        lanes = Cat(*(_lane(value, port.lane) for value in values))
        if self._whole:
            lanes = Cat(*(self._whole_lane(number, value) for number, value in enumerate(values)))
        m.d.comb += [
            ends.eq(place == Mux(self.rx_last, last_part, parts - 1)),
            self.data.eq(lanes.word_select(place, port.lane * port.words)),
            self.valid.eq(valid),
            self.last.eq(self.rx_last & self.rx_data[frame.word_bits - 1] & ends),
            taken.eq(valid & self.ready & ends),
        ]
        with m.If(self.valid & self.ready):
            m.d.sync += place.eq(Mux(ends, 0, place + 1))


    def _whole_lane(self, number: int, value: Value) -> Value:
        """A value sign-extended to its lane; zero in a step's last word where there is none."""
        lane = Cat(value, value[-1].replicate(self._port.lane - len(value)))
        return Mux(self.rx_last, 0, lane) if number >= self._frame.last_values else lane


def _lane(value: Value, bits: int) -> Value:
    """A value in its lane of a core's port, which reads no bit above its width."""
    return Cat(value, Const(0, bits - len(value)))
