"""A serial port to AXI4-Stream bridge: how a PC feeds an accelerator and reads it.

Frames, 8N1, both ways a header byte and then the beats of one step, each beat ``ceil(tdata_bits / 8)``
bytes, least significant byte first:

    to the device     0xA0 | last     beats of x
    from the device   0xB0 | last     beats of the result

``last`` (bit 0) ends the sequence, as TLAST does.  A byte that is not a header where a header is due is
dropped and counted, so both sides find each other again.  The line has no flow control: the host keeps at
most ``buffer_bytes`` bytes on the way that the core has not taken.
"""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

HEADER_TO_DEVICE = 0xA0
HEADER_FROM_DEVICE = 0xB0
HEADER_MASK = 0xFE


@dataclass(frozen=True)
class StreamShape:
    """A stream port: bits of TDATA and beats of one step."""

    tdata_bits: int
    beats_per_step: int

    def __post_init__(self) -> None:
        if self.tdata_bits < 8 or self.tdata_bits % 8:
            raise ValueError(f"A stream's TDATA must be a positive multiple of 8 bits, not {self.tdata_bits}.")
        if self.beats_per_step < 1:
            raise ValueError(f"A stream must have at least 1 beat a step, not {self.beats_per_step}.")

    @property
    def bytes_per_beat(self) -> int:
        """Bytes of one beat on the line."""
        return self.tdata_bits // 8

    @property
    def widths(self) -> dict[str, int]:
        """Bits of the port's signals that go with its beats."""
        return {"tdata": self.tdata_bits, "tvalid": 1, "tlast": 1}


def clocks_per_bit(clock_hz: int, baud: int) -> int:
    """Clock cycles of a bit.

    Raises:
        ValueError: when the rounded rate is more than 2.5 % off, so that the last bit would be missed.
    """
    divisor = max(1, round(clock_hz / baud))
    if divisor < 8 or abs(clock_hz / divisor - baud) > 0.025 * baud:
        raise ValueError(f"Baud must be at most an eighth of the clock and within 2.5 % of a divisor, not {baud}.")
    return divisor


class UartReceiver(wiring.Component):
    """Receives 8N1 bytes: ``valid`` is high for one cycle with each byte; a byte with a low stop bit is ignored."""

    def __init__(self, divisor: int) -> None:
        self._divisor = divisor
        super().__init__({"pin": In(1, init=1), "data": Out(8), "valid": Out(1)})

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        line = Signal(init=1)
        m.submodules.synchroniser = FFSynchronizer(self.pin, line, init=1)
        timer = Signal(range(self._divisor * 2))
        left = Signal(range(11))
        shift = Signal(9)
        m.d.sync += self.valid.eq(0)
        with m.If(left == 0):
            with m.If(~line):
                m.d.sync += [left.eq(10), timer.eq(self._divisor // 2 - 1)]
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += [timer.eq(self._divisor - 1), left.eq(left - 1), shift.eq(Cat(shift[1:], line))]
            with m.If((left == 10) & line):
                m.d.sync += left.eq(0)
            with m.If(left == 1):
                m.d.sync += [self.valid.eq(line), self.data.eq(shift[1:])]
        return m


class UartTransmitter(wiring.Component):
    """Sends 8N1 bytes: a byte is taken in a cycle with ``valid`` and ``ready`` high."""

    def __init__(self, divisor: int) -> None:
        self._divisor = divisor
        super().__init__({"data": In(8), "valid": In(1), "ready": Out(1), "pin": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        timer = Signal(range(self._divisor))
        left = Signal(range(11))
        shift = Signal(10, init=0x3FF)
        m.d.comb += [self.ready.eq(left == 0), self.pin.eq(shift[0])]
        with m.If(left == 0):
            with m.If(self.valid):
                m.d.sync += [shift.eq(Cat(0, self.data, 1)), left.eq(10), timer.eq(self._divisor - 1)]
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += [timer.eq(self._divisor - 1), left.eq(left - 1), shift.eq(Cat(shift[1:], 1))]
        return m


def _memory(width: int, depth: int) -> Memory:
    """A memory whose words are never read while they are written, so that no logic need compare the addresses.

    Block RAM is slow: its word should go into a register without any condition, so that no logic follows it.
    """
    return Memory(shape=width, depth=depth, init=[], attrs={"no_rw_check": 1})


class UartBridge(wiring.Component):
    """Serial line on one side, the core's two streams on the other (frames: module docstring).

    ``s_axis_*`` drive the core's input port, ``m_axis_*`` take its output port: a whole step is collected
    before its header is sent, because TLAST comes with its last beat.  None: no such port is here, and the
    host is told or heard elsewhere.  ``dropped`` counts bytes without a
    place (it stops at 255), ``overflow`` stays high once a byte was lost to a full buffer.
    """

    def __init__(
        self, to_core: StreamShape | None, from_core: StreamShape | None, divisor: int, buffer_bytes: int = 2048
    ) -> None:
        self._to_core, self._from_core = to_core, from_core
        self._divisor, self._buffer_bytes = divisor, buffer_bytes
        ports = {"rx": In(1, init=1), "tx": Out(1, init=1), "dropped": Out(8), "overflow": Out(1)}
        for prefix, shape, along, against in (("s_axis", to_core, Out, In), ("m_axis", from_core, In, Out)):
            if shape is not None:
                ports |= {f"{prefix}_{name}": along(width) for name, width in shape.widths.items()}
                ports[f"{prefix}_tready"] = against(1)
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        if self._to_core is not None:
            self._receive(m, self._to_core)
        if self._from_core is not None:
            self._send(m, self._from_core)
        return m

    def _receive(self, m: Module, shape: StreamShape) -> None:
        """Bytes to beats."""
        m.submodules.receiver = receiver = UartReceiver(self._divisor)
        m.d.comb += receiver.pin.eq(self.rx)
        take = Signal()
        head, head_valid = self._byte_buffer(m, receiver, take)
        beat = Signal(range(shape.beats_per_step))
        byte = Signal(range(shape.bytes_per_beat))
        last = Signal()
        final_beat = beat == shape.beats_per_step - 1
        m.d.comb += self.s_axis_tlast.eq(last & final_beat)
        with m.FSM(name="receive"):
            with m.State("HEADER"):
                m.d.comb += take.eq(1)
                with m.If(head_valid):
                    with m.If((head & HEADER_MASK) == HEADER_TO_DEVICE):
                        m.d.sync += last.eq(head[0])
                        m.next = "BYTES"
                    with m.Elif(self.dropped != 255):
                        m.d.sync += self.dropped.eq(self.dropped + 1)
            with m.State("BYTES"):
                m.d.comb += take.eq(1)
                with m.If(head_valid):
                    m.d.sync += self.s_axis_tdata.eq(Cat(self.s_axis_tdata, head)[8:])
                    m.d.sync += byte.eq(byte + 1)
                    with m.If(byte == shape.bytes_per_beat - 1):
                        m.d.sync += byte.eq(0)
                        m.next = "BEAT"
            with m.State("BEAT"):
                m.d.comb += self.s_axis_tvalid.eq(1)
                with m.If(self.s_axis_tready):
                    m.d.sync += beat.eq(beat + 1)
                    m.next = "BYTES"
                    with m.If(final_beat):
                        m.d.sync += beat.eq(0)
                        m.next = "HEADER"

    def _byte_buffer(self, m: Module, receiver: UartReceiver, take: Signal) -> tuple[Signal, Signal]:
        """Keeps received bytes until they are taken: the oldest one, and whether there is one.

        A byte is there three cycles after the one before was taken: long before the next one arrives.
        """
        depth = self._buffer_bytes
        m.submodules.buffer = buffer = _memory(8, depth)
        write, read = buffer.write_port(), buffer.read_port()
        used, steady = Signal(range(depth + 1)), Signal(2)
        head, head_valid, taken, stored = Signal(8, reset_less=True), Signal(), Signal(), Signal()
        m.d.comb += [
            write.data.eq(receiver.data),
            write.en.eq(stored),
            stored.eq(receiver.valid & (used != depth)),
            head_valid.eq(steady == 3),
            taken.eq(head_valid & take),
        ]
        m.d.sync += [head.eq(read.data), used.eq(used + stored - taken)]
        with m.If(receiver.valid & ~stored):
            m.d.sync += self.overflow.eq(1)
        with m.If(stored):
            m.d.sync += write.addr.eq(Mux(write.addr == depth - 1, 0, write.addr + 1))
        with m.If(taken):
            m.d.sync += read.addr.eq(Mux(read.addr == depth - 1, 0, read.addr + 1))
        with m.If(taken | (used == 0)):
            m.d.sync += steady.eq(0)
        with m.Elif(~head_valid):
            m.d.sync += steady.eq(steady + 1)
        return head, head_valid

    def _send(self, m: Module, shape: StreamShape) -> None:
        """Beats to bytes."""
        m.submodules.transmitter = transmitter = UartTransmitter(self._divisor)
        m.d.comb += self.tx.eq(transmitter.pin)
        m.submodules.step = step = _memory(shape.tdata_bits, shape.beats_per_step)
        write, read = step.write_port(), step.read_port()
        beat = Signal(range(max(2, shape.beats_per_step)))
        byte = Signal(range(max(2, shape.bytes_per_beat)))
        word, fetched = Signal(shape.tdata_bits), Signal(shape.tdata_bits, reset_less=True)
        last = Signal()
        # The core's output comes straight from block RAM: it does not go straight into another one.
        taken, place, takes = Signal.like(self.m_axis_tdata, reset_less=True), Signal.like(beat), Signal()
        m.d.sync += [taken.eq(self.m_axis_tdata), place.eq(beat), takes.eq(0), fetched.eq(read.data)]
        m.d.comb += [read.addr.eq(beat), write.data.eq(taken), write.addr.eq(place), write.en.eq(takes)]
        with m.FSM(name="send"):
            with m.State("COLLECT"):
                m.d.comb += self.m_axis_tready.eq(1)
                m.d.sync += takes.eq(self.m_axis_tvalid)
                with m.If(self.m_axis_tvalid):
                    m.d.sync += [beat.eq(beat + 1), last.eq(self.m_axis_tlast)]
                    with m.If(beat == shape.beats_per_step - 1):
                        m.d.sync += beat.eq(0)
                        m.next = "HEADER"
            with m.State("HEADER"):
                m.d.comb += [transmitter.valid.eq(1), transmitter.data.eq(HEADER_FROM_DEVICE | last)]
                with m.If(transmitter.ready):
                    m.next = "READ"
            with m.State("READ"):
                m.next = "FETCH"
            with m.State("FETCH"):
                m.next = "TAKE"
            with m.State("TAKE"):
                m.d.sync += word.eq(fetched)
                m.next = "BYTES"
            with m.State("BYTES"):
                m.d.comb += [transmitter.valid.eq(1), transmitter.data.eq(word[:8])]
                with m.If(transmitter.ready):
                    m.d.sync += [byte.eq(byte + 1), word.eq(word >> 8)]
                    with m.If(byte == shape.bytes_per_beat - 1):
                        m.d.sync += [byte.eq(0), beat.eq(beat + 1)]
                        m.next = "READ"
                        with m.If(beat == shape.beats_per_step - 1):
                            m.d.sync += beat.eq(0)
                            m.next = "COLLECT"
