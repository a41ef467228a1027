"""A serial port to AXI4-Stream and AXI4-Lite bridge: how a PC feeds an accelerator, reads it, reaches its registers.

Frames: ``rnngen.gateware.frames``, and docs/serial-protocol.md.  A step is given to the core once all of it is there
and its check holds, so the core never computes with what the line has garbled, or with half a step.  Nothing here
waits for the line but for the rest of a frame, of a length that its header tells: as many zeros as the longest frame
has bytes end any frame, and a restart takes care of everything behind it.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, ResetInserter, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from rnngen.gateware.control import AXIL_INPUTS, AXIL_OUTPUTS
from rnngen.gateware.frames import (
    ANSWER,
    ANSWER_BODY,
    BUFFER_BYTES,
    DECERR,
    LOOK,
    LOOK_SHAPE,
    PROTOCOL_VERSION,
    REQUEST,
    REQUEST_BODY,
    REQUEST_MASK,
    RESTART,
    RESTART_CYCLES,
    RESULT,
    STEP,
    STREAM_MASK,
    WRITE,
    StreamShape,
    slots,
)
from rnngen.gateware.registers import ADDRESS_BITS, WORD_BITS

__all__ = ["StreamShape", "UartBridge", "UartReceiver", "UartTransmitter", "clocks_per_bit"]

_CRC_START = 0xFFFF
_CHECK = 2
"""Bytes of the check behind a frame."""


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
    """Sends 8N1 bytes: one is taken with ``valid`` and ``ready`` high, and shows at ``taken`` a cycle later."""

    def __init__(self, divisor: int) -> None:
        self._divisor = divisor
        super().__init__({"data": In(8), "valid": In(1), "ready": Out(1), "taken": Out(8), "pin": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        timer = Signal(range(self._divisor))
        left = Signal(range(11))
        shift = Signal(10, init=0x3FF)
        m.d.comb += [self.ready.eq(left == 0), self.pin.eq(shift[0]), self.taken.eq(shift[1:9])]
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


def _crc(crc: Value, byte: Value) -> Value:
    """The CRC-16 (polynomial 0x1021, high bit first) with a further byte."""
    mixed = crc[8:] ^ byte
    mixed = mixed ^ (mixed >> 4)
    return (crc << 8)[:16] ^ (mixed << 12)[:16] ^ (mixed << 5)[:16] ^ mixed


class StepBuffer(wiring.Component):
    """Whole steps between the line and the core.

    Ports:
        data, store: A byte of a step that comes: its header, its stream where it has one, its beats.
        commit, abort: It is whole and right; it is not, and is forgotten.
        full: There is no room for a further one; then nothing may be stored.
        waiting: Steps that the core has not wholly taken.
        s_axis_...: The core's input port.
    """

    def __init__(self, shape: StreamShape, buffer_bytes: int) -> None:
        self._shape = shape
        self._slots = slots(shape, buffer_bytes)
        ports = {"data": In(8), "store": In(1), "commit": In(1), "abort": In(1), "full": Out(1), "waiting": Out(8)}
        ports |= {f"s_axis_{name}": Out(width) for name, width in shape.widths.items()}
        super().__init__({**ports, "s_axis_tready": In(1)})

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        depth = self._slots * self._shape.stored_bytes
        m.submodules.bytes = memory = _memory(8, depth)
        write, read = memory.write_port(), memory.read_port()
        begin, done = Signal.like(write.addr), Signal()
        m.d.comb += [write.data.eq(self.data), write.en.eq(self.store), self.full.eq(self.waiting == self._slots)]
        m.d.sync += self.waiting.eq(self.waiting + self.commit - done)
        with m.If(self.store):
            m.d.sync += write.addr.eq(_next(write.addr, depth))
        with m.If(self.commit):
            m.d.sync += begin.eq(write.addr)
        with m.If(self.abort):
            m.d.sync += write.addr.eq(begin)
        self._give(m, read, depth, done)
        return m

    def _give(self, m: Module, read: Value, depth: int, done: Signal) -> None:
        """Bytes to beats.  A byte is there four cycles after the one before was taken."""
        shape = self._shape
        head, steady, known, last = Signal(8, reset_less=True), Signal(2), Signal(), Signal()
        beat = Signal(range(max(2, shape.beats_per_step)))
        byte = Signal(range(max(2, shape.bytes_per_beat)))
        final_beat = beat == shape.beats_per_step - 1
        m.d.sync += [head.eq(read.data), steady.eq(steady + 1)]
        m.d.comb += [known.eq(steady == 3), self.s_axis_tlast.eq(last & final_beat)]
        with m.If(known):
            m.d.sync += read.addr.eq(_next(read.addr, depth))
        with m.FSM(name="give"):
            with m.State("WAIT"):
                m.d.comb += known.eq(0)
                m.d.sync += steady.eq(0)
                with m.If(self.waiting != 0):
                    m.next = "HEADER"
            with m.State("HEADER"), m.If(known):
                m.d.sync += last.eq(head[0])
                m.next = "STREAM" if shape.tid_bits else "BYTES"
            if shape.tid_bits:
                with m.State("STREAM"), m.If(known):
                    m.d.sync += self.s_axis_tid.eq(head)
                    m.next = "BYTES"
            with m.State("BYTES"), m.If(known):
                m.d.sync += [self.s_axis_tdata.eq(Cat(self.s_axis_tdata, head)[8:]), byte.eq(byte + 1)]
                with m.If(byte == shape.bytes_per_beat - 1):
                    m.d.sync += byte.eq(0)
                    m.next = "BEAT"
            with m.State("BEAT"):
                m.d.comb += [known.eq(0), self.s_axis_tvalid.eq(1)]
                m.d.sync += steady.eq(0)
                with m.If(self.s_axis_tready):
                    m.d.sync += beat.eq(beat + 1)
                    m.next = "BYTES"
                    with m.If(final_beat):
                        m.d.sync += beat.eq(0)
                        m.d.comb += done.eq(1)
                        m.next = "WAIT"


class FrameSender(wiring.Component):
    """Results and answers to bytes.

    A result is collected whole before its header is sent, because TLAST comes with its last beat.  Answers go first
    where none is being collected; so what was in the core when a register was read comes before the answer.

    Ports:
        m_axis_...: The core's output port.
        answer, kind, answer_valid, answer_taken: What an answer tells behind its header.
        number: Of the next result.
        byte, byte_valid, byte_ready, taken: The transmitter's.
    """

    def __init__(self, shape: StreamShape | None) -> None:
        self._shape = shape
        ports = {
            "answer": In(8 * ANSWER_BODY), "kind": In(2), "answer_valid": In(1), "answer_taken": Out(1),
            "number": Out(8), "byte": Out(8), "byte_valid": Out(1), "byte_ready": In(1), "taken": In(8),
        }  # fmt: skip
        if shape is not None:
            ports |= {f"m_axis_{name}": In(width) for name, width in shape.widths.items()} | {"m_axis_tready": Out(1)}
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        shape = self._shape
        most = max(ANSWER_BODY, 0 if shape is None else shape.bytes_per_beat)
        word, answers = Signal(8 * most), Signal()
        header, byte, crc = Signal(8), Signal(range(most)), Signal(16)
        self._word, self._beat, begins = word, Signal(range(max(2, shape.beats_per_step if shape else 0))), Signal()
        checking, covered = Signal(), Signal()
        m.d.comb += begins.eq(self._beat == 0)
        # The check is counted from what the transmitter has taken: nothing slow stands before its register.
        m.d.sync += covered.eq(self.byte_valid & self.byte_ready & ~checking)
        with m.If(covered):
            m.d.sync += crc.eq(_crc(crc, self.taken))
        if shape is not None:
            self._keep(m, shape)
        with m.FSM(name="send") as fsm:
            with m.State("COLLECT"):
                m.d.sync += [crc.eq(_CRC_START), answers.eq(0)]
                with m.If(self.answer_valid & begins):
                    m.d.comb += self.answer_taken.eq(1)
                    m.d.sync += [answers.eq(1), word.eq(self.answer), header.eq(Cat(self.kind, Const(ANSWER >> 2, 6)))]
                    m.next = "HEADER"
                if shape is not None:
                    self._collect(m, shape, begins, header)
            with m.State("HEADER"):
                m.d.comb += [self.byte_valid.eq(1), self.byte.eq(header)]
                with m.If(self.byte_ready):
                    m.next = "NUMBER" if shape is not None else "BYTES"
                    with m.If(answers):
                        m.next = "BYTES"
            if shape is not None:
                self._fetch(m, shape)
            with m.State("BYTES"):
                m.d.comb += [self.byte_valid.eq(1), self.byte.eq(word[:8])]
                with m.If(self.byte_ready):
                    m.d.sync += [byte.eq(byte + 1), word.eq(word >> 8)]
                    with m.If(answers & (byte == ANSWER_BODY - 1)):
                        m.d.sync += byte.eq(0)
                        m.next = "CHECK"
                    if shape is not None:
                        with m.If(~answers & (byte == shape.bytes_per_beat - 1)):
                            m.d.sync += [byte.eq(0), self._beat.eq(self._beat + 1)]
                            m.next = "READ"
                            with m.If(self._beat == shape.beats_per_step - 1):
                                m.d.sync += self._beat.eq(0)
                                m.next = "CHECK"
            for state, part, following in (("CHECK", crc[8:], "CHECK_LOW"), ("CHECK_LOW", crc[:8], "COLLECT")):
                with m.State(state):
                    m.d.comb += [self.byte_valid.eq(1), self.byte.eq(part)]
                    with m.If(self.byte_ready):
                        m.next = following
        m.d.comb += checking.eq(fsm.ongoing("CHECK") | fsm.ongoing("CHECK_LOW"))
        return m

    def _keep(self, m: Module, shape: StreamShape) -> None:
        """Memory of a result."""
        m.submodules.step = step = _memory(shape.tdata_bits, shape.beats_per_step)
        write, self._read = step.write_port(), step.read_port()
        # The core's output comes straight from block RAM: it does not go straight into another one.
        taken, place, takes = Signal.like(self.m_axis_tdata, reset_less=True), Signal.like(self._beat), Signal()
        m.d.sync += [taken.eq(self.m_axis_tdata), place.eq(self._beat)]
        m.d.sync += takes.eq(self.m_axis_tvalid & self.m_axis_tready)
        self._fetched = Signal(shape.tdata_bits, reset_less=True)
        m.d.sync += self._fetched.eq(self._read.data)
        m.d.comb += [write.data.eq(taken), write.addr.eq(place), write.en.eq(takes), self._read.addr.eq(self._beat)]
        self._stream = Signal(shape.tid_bits)

    def _collect(self, m: Module, shape: StreamShape, begins: Value, header: Signal) -> None:
        """Takes the beats of a result, unless an answer goes first."""
        m.d.comb += self.m_axis_tready.eq(~(self.answer_valid & begins))
        with m.If(self.m_axis_tvalid & self.m_axis_tready):
            m.d.sync += [self._beat.eq(self._beat + 1), header.eq(Cat(self.m_axis_tlast, Const(RESULT >> 1, 7)))]
            if shape.tid_bits:
                m.d.sync += self._stream.eq(self.m_axis_tid)
            with m.If(self._beat == shape.beats_per_step - 1):
                m.d.sync += self._beat.eq(0)
                m.next = "HEADER"

    def _fetch(self, m: Module, shape: StreamShape) -> None:
        """The number of a result and its stream, and each beat from memory."""
        with m.State("NUMBER"):
            m.d.comb += [self.byte_valid.eq(1), self.byte.eq(self.number)]
            with m.If(self.byte_ready):
                m.d.sync += self.number.eq(self.number + 1)
                m.next = "STREAM" if shape.tid_bits else "READ"
        if shape.tid_bits:
            with m.State("STREAM"):
                m.d.comb += [self.byte_valid.eq(1), self.byte.eq(self._stream)]
                with m.If(self.byte_ready):
                    m.next = "READ"
        for state, following in (("READ", "FETCH"), ("FETCH", "TAKE")):
            with m.State(state):
                m.next = following
        with m.State("TAKE"):
            m.d.sync += self._word.eq(self._fetched)
            m.next = "BYTES"


class RegisterMaster(wiring.Component):
    """AXI4-Lite master for one access at a time.

    Ports:
        start: Access ``address``, which keeps still until ``done``, as ``data`` does; ``writes``: or read.
        done: ``status`` and ``word`` are there in this cycle.
        axil_...: To the slave.
    """

    def __init__(self) -> None:
        ports = {
            "start": In(1), "writes": In(1), "address": In(ADDRESS_BITS), "data": In(WORD_BITS),
            "done": Out(1), "status": Out(2), "word": Out(WORD_BITS),
        }  # fmt: skip
        super().__init__({**ports, **axil_ports()})

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        m.d.comb += [
            self.axil_awaddr.eq(self.address),
            self.axil_araddr.eq(self.address),
            self.axil_wdata.eq(self.data),
            self.axil_wstrb.eq(~0),
            self.axil_bready.eq(1),
            self.axil_rready.eq(1),
            self.done.eq(self.axil_bvalid | self.axil_rvalid),
            self.status.eq(Mux(self.axil_rvalid, self.axil_rresp, self.axil_bresp)),
            self.word.eq(Mux(self.axil_rvalid, self.axil_rdata, 0)),
        ]
        for channel in ("aw", "w", "ar"):
            valid, ready = getattr(self, f"axil_{channel}valid"), getattr(self, f"axil_{channel}ready")
            with m.If(self.start & (~self.writes if channel == "ar" else self.writes)):
                m.d.sync += valid.eq(1)
            with m.Elif(ready):
                m.d.sync += valid.eq(0)
        return m


def axil_ports() -> dict[str, Value]:
    """AXI4-Lite ports of a master, ``axil_...``."""
    along = {f"axil_{name}": Out(width) for name, width in AXIL_INPUTS.items()}
    return along | {f"axil_{name}": In(width) for name, width in AXIL_OUTPUTS.items()}


def _next(address: Value, depth: int) -> Value:
    return Mux(address == depth - 1, 0, address + 1)


class UartBridge(wiring.Component):
    """Serial line on one side, the core's two streams and its control port on the other.

    Args:
        to_core, from_core: The core's stream ports; None: no such port is here; the host is told or heard elsewhere.
        divisor: Clock cycles of a bit.
        buffer_bytes: Of the step buffer, at least (``frames.slots``).
        registers: Whether the core's control port is behind it.

    Ports:
        rx, tx: The line.
        s_axis_..., m_axis_...: The core's input and output port.
        axil_...: Its control port, where there is one.
        restart: High for ``RESTART_CYCLES``: reset the core.
        dropped: Bytes outside any frame, and frames that were refused (it stops at 255).
        overflow: Stays high once a step found no room.
    """

    def __init__(
        self, to_core: StreamShape | None, from_core: StreamShape | None, divisor: int,
        buffer_bytes: int = BUFFER_BYTES, registers: bool = True,
    ) -> None:  # fmt: skip
        self._to_core, self._from_core = to_core, from_core
        self._divisor, self._buffer_bytes, self._registers = divisor, buffer_bytes, registers
        ports = {"rx": In(1, init=1), "tx": Out(1, init=1), "dropped": Out(8), "overflow": Out(1), "restart": Out(1)}
        for prefix, shape, along, against in (("s_axis", to_core, Out, In), ("m_axis", from_core, In, Out)):
            if shape is not None:
                ports |= {f"{prefix}_{name}": along(width) for name, width in shape.widths.items()}
                ports[f"{prefix}_tready"] = against(1)
        super().__init__(ports | (axil_ports() if registers else {}))

    def core_connections(self) -> dict[str, Value]:
        """Connections of an ``Instance`` of the core, its clock and reset apart (the reset is also ``restart``)."""
        found: dict[str, Value] = {}
        streams = (("s_axis", self._to_core, "i", "o"), ("m_axis", self._from_core, "o", "i"))
        for prefix, shape, along, against in streams:
            if shape is not None:
                ways = dict.fromkeys(shape.widths, along) | {"tready": against}
                found |= {f"{way}_{prefix}_{name}": getattr(self, f"{prefix}_{name}") for name, way in ways.items()}
        for way, widths in (("i", AXIL_INPUTS), ("o", AXIL_OUTPUTS)):
            for name, width in widths.items():
                if self._registers:
                    found[f"{way}_s_axil_{name}"] = getattr(self, f"axil_{name}")
                elif way == "i":
                    found[f"i_s_axil_{name}"] = Const(0, width)
        return found

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        m.submodules.receiver = receiver = UartReceiver(self._divisor)
        m.submodules.transmitter = transmitter = UartTransmitter(self._divisor)
        self._resets = ResetInserter(self.restart)
        sender = FrameSender(self._from_core)
        m.submodules.sender = self._resets(sender)
        m.d.comb += [
            receiver.pin.eq(self.rx),
            self.tx.eq(transmitter.pin),
            transmitter.data.eq(sender.byte),
            transmitter.valid.eq(sender.byte_valid),
            sender.byte_ready.eq(transmitter.ready),
            sender.taken.eq(transmitter.taken),
        ]
        if self._from_core is not None:
            m.d.comb += _joined(self, sender, "m_axis", self._from_core, "tready")
        buffer = None if self._to_core is None else StepBuffer(self._to_core, self._buffer_bytes)
        if buffer is not None and self._to_core is not None:
            m.submodules.buffer = self._resets(buffer)
            m.d.comb += _joined(buffer, self, "s_axis", self._to_core, "tready")
        self._receive(m, receiver, buffer, sender)
        return m

    def _receive(self, m: Module, receiver: UartReceiver, buffer: StepBuffer | None, sender: FrameSender) -> None:
        """Bytes to steps and requests."""
        byte, valid = receiver.data, receiver.valid
        crc, is_step, right, keep = Signal(16), Signal(), Signal(), Signal()
        kind, body, number = Signal(2), Signal(8 * REQUEST_BODY), Signal(8)
        step_body = self._to_core.stored_bytes - 1 if self._to_core is not None else 0
        left = Signal(range(max(step_body, REQUEST_BODY)))
        whole, asked, refused = Signal(), Signal(), Signal()
        with m.If(refused & (self.dropped != 255)):
            m.d.sync += self.dropped.eq(self.dropped + 1)
        if buffer is not None:
            m.d.comb += [buffer.data.eq(byte), buffer.commit.eq(whole & is_step)]
        with m.FSM(name="receive") as fsm:
            with m.State("HEADER"), m.If(valid):
                m.d.sync += [left.eq(REQUEST_BODY - 1), kind.eq(byte), is_step.eq(0), right.eq(1), keep.eq(1)]
                with m.If((byte & REQUEST_MASK) == REQUEST):
                    m.next = "BODY"
                if buffer is not None:
                    with m.Elif((byte & STREAM_MASK) == STEP):
                        m.d.comb += buffer.store.eq(~buffer.full)
                        m.d.sync += [left.eq(step_body - 1), is_step.eq(1), keep.eq(~buffer.full)]
                        m.next = "NUMBER"
                with m.Else():
                    m.d.comb += refused.eq(1)
            if buffer is not None:
                with m.State("NUMBER"), m.If(valid):
                    m.d.sync += right.eq(byte == number)
                    m.next = "BODY"
            with m.State("BODY"), m.If(valid):
                m.d.sync += left.eq(left - 1)
                with m.If(~is_step):
                    m.d.sync += body.eq(Cat(body, byte)[8:])
                if buffer is not None:
                    m.d.comb += buffer.store.eq(is_step & keep)
                with m.If(left == 0):
                    m.d.sync += left.eq(_CHECK - 1)
                    m.next = "CHECK"
            with m.State("CHECK"), m.If(valid):
                m.d.sync += left.eq(left - 1)
                with m.If(left == 0):
                    m.next = "JUDGE"
            with m.State("JUDGE"):
                m.d.comb += [
                    whole.eq(~crc.any() & right & keep),
                    asked.eq(whole & ~is_step),
                    refused.eq(~whole),
                ]
                with m.If(whole & is_step):
                    m.d.sync += number.eq(number + 1)
                if buffer is not None:
                    m.d.comb += buffer.abort.eq(is_step & ~whole)
                    with m.If(~crc.any() & right & ~keep):
                        m.d.sync += self.overflow.eq(1)
                m.next = "HEADER"
        with m.If(valid):
            m.d.sync += crc.eq(_crc(Mux(fsm.ongoing("HEADER"), Const(_CRC_START, 16), crc), byte))
        waiting = Const(0, 8) if buffer is None else buffer.waiting
        self._answer(m, sender, asked, kind, body, Cat(number, sender.number, waiting, self.dropped))
        with m.If(self.restart):
            m.d.sync += [number.eq(0), self.dropped.eq(0), self.overflow.eq(0)]

    def _answer(self, m: Module, sender: FrameSender, asked: Value, kind: Signal, body: Signal, state: Value) -> None:
        """Carries requests out, each tag once, and answers them."""
        given = body[:8]
        tag, status, data = Signal(8), Signal(8), Signal(WORD_BITS)
        ready, answered, busy = Signal(), Signal(2), Signal()
        fresh, ends = Signal(), Signal(range(RESTART_CYCLES))
        m.d.comb += [
            fresh.eq(asked & ((given == (tag + 1)[:8]) | kind[1])),
            sender.answer.eq(Cat(tag, status, data)),
            sender.answer_valid.eq(ready & ~self.restart),
            sender.kind.eq(answered),
        ]
        with m.If(sender.answer_taken):
            m.d.sync += ready.eq(0)
        with m.If(asked & ~fresh & (given == tag) & ~busy):
            m.d.sync += ready.eq(1)
        with m.If(fresh):
            m.d.sync += [tag.eq(given), answered.eq(kind)]
        with m.If(fresh & kind[1]):
            m.d.sync += [ready.eq(1), status.eq(PROTOCOL_VERSION), data.eq(state), busy.eq(0)]
            with m.If((kind == LOOK) & body[8 + LOOK_SHAPE.bit_length() - 1]):
                m.d.sync += data.eq(self._own_shape())
            with m.If(kind == RESTART):
                m.d.sync += [self.restart.eq(1), data.eq(0)]
        with m.If(self.restart):
            m.d.sync += ends.eq(ends + 1)
            with m.If(ends == RESTART_CYCLES - 1):
                m.d.sync += self.restart.eq(0)
        if not self._registers:
            with m.If(fresh & ~kind[1]):
                m.d.sync += [ready.eq(1), status.eq(DECERR), data.eq(0)]
            return
        master = RegisterMaster()
        m.submodules.master = self._resets(master)
        m.d.comb += [getattr(self, f"axil_{name}").eq(getattr(master, f"axil_{name}")) for name in AXIL_INPUTS]
        m.d.comb += [getattr(master, f"axil_{name}").eq(getattr(self, f"axil_{name}")) for name in AXIL_OUTPUTS]
        m.d.comb += [
            master.start.eq(fresh & ~kind[1]),
            master.writes.eq(kind == WRITE),
            master.address.eq(body[8 : 8 + ADDRESS_BITS]),
            master.data.eq(body[8 + ADDRESS_BITS :]),
        ]
        with m.If(master.start):
            # An answer that has not gone out is this one's from now on; of a write's an error stays.
            m.d.sync += [busy.eq(1), ready.eq(0), status.eq(Mux(ready & ~answered[1], status, 0))]
        with m.If(busy & master.done):
            m.d.sync += [ready.eq(1), busy.eq(0), data.eq(master.word), status.eq(status | master.status)]

    def _own_shape(self) -> Value:
        """What a look at ``LOOK_SHAPE`` shows: version, slots, bytes of a step."""
        shape = self._to_core
        held, step_bytes = (0, 0) if shape is None else (slots(shape, self._buffer_bytes), shape.step_bytes)
        return Const(PROTOCOL_VERSION | held << 8 | min(step_bytes, 0xFFFF) << 16, WORD_BITS)


def _joined(source: object, target: object, prefix: str, shape: StreamShape, ready: str) -> list[Value]:
    """A stream port of one component given on by another of the same names."""
    found = [getattr(target, f"{prefix}_{name}").eq(getattr(source, f"{prefix}_{name}")) for name in shape.widths]
    return [*found, getattr(source, f"{prefix}_{ready}").eq(getattr(target, f"{prefix}_{ready}"))]
