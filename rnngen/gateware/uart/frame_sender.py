"""Results and answers to bytes of the line."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rnngen.gateware.frames import ANSWER, ANSWER_BODY, CRC_START, RESULT, StreamShape
from rnngen.gateware.uart.crc import crc_with
from rnngen.gateware.uart.memory import unchecked_memory


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
        most = max(ANSWER_BODY, 0 if shape is None else shape.bytes_per_beat)
        self._word, self._byte = Signal(8 * most), Signal(range(most))
        self._header, self._checking = Signal(8), Signal()
        self._answers = Signal(name="answers")
        self._beat, self._begins = Signal(range(max(2, shape.beats_per_step if shape else 0))), Signal()

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        shape = self._shape
        crc = Signal(16)
        m.d.comb += self._begins.eq(self._beat == 0)
        self._count_check(m, crc)
        if shape is not None:
            self._keep(m, shape)
        with m.FSM(name="send") as fsm:
            with m.State("COLLECT"):
                m.d.sync += crc.eq(CRC_START)
                self._begin(m, shape)
            with m.State("HEADER"):
                self._send(m, self._header)
                with m.If(self.byte_ready):
                    m.next = "NUMBER" if shape is not None else "BYTES"
                    with m.If(self._answers):
                        m.next = "BYTES"
            if shape is not None:
                self._fetch(m, shape)
            with m.State("BYTES"):
                self._send(m, self._word[:8])
                self._bytes(m, shape)
            for state, part, following in (("CHECK", crc[8:], "CHECK_LOW"), ("CHECK_LOW", crc[:8], "COLLECT")):
                with m.State(state):
                    self._send(m, part)
                    with m.If(self.byte_ready):
                        m.next = following
        m.d.comb += self._checking.eq(fsm.ongoing("CHECK") | fsm.ongoing("CHECK_LOW"))
        return m

    def _send(self, m: Module, byte: Value) -> None:
        """Offers a byte to the transmitter."""
        m.d.comb += [self.byte_valid.eq(1), self.byte.eq(byte)]

    def _count_check(self, m: Module, crc: Signal) -> None:
        """The check, from what the transmitter has taken: nothing slow stands before its register."""
        covered = Signal()
        m.d.sync += covered.eq(self.byte_valid & self.byte_ready & ~self._checking)
        with m.If(covered):
            m.d.sync += crc.eq(crc_with(crc, self.taken))

    def _keep(self, m: Module, shape: StreamShape) -> None:
        """Memory of a result."""
        m.submodules.step = step = unchecked_memory(shape.tdata_bits, shape.beats_per_step)
        write, self._read = step.write_port(), step.read_port()
        # The core's output comes straight from block RAM: it does not go straight into another one.
        taken, place, takes = Signal.like(self.m_axis_tdata, reset_less=True), Signal.like(self._beat), Signal()
        m.d.sync += [taken.eq(self.m_axis_tdata), place.eq(self._beat)]
        m.d.sync += takes.eq(self.m_axis_tvalid & self.m_axis_tready)
        self._fetched = Signal(shape.tdata_bits, reset_less=True)
        m.d.sync += self._fetched.eq(self._read.data)
        m.d.comb += [write.data.eq(taken), write.addr.eq(place), write.en.eq(takes), self._read.addr.eq(self._beat)]
        self._stream = Signal(shape.tid_bits)

    def _begin(self, m: Module, shape: StreamShape | None) -> None:
        """Takes an answer, or a result that comes."""
        m.d.sync += self._answers.eq(0)
        with m.If(self.answer_valid & self._begins):
            m.d.comb += self.answer_taken.eq(1)
            m.d.sync += [self._answers.eq(1), self._word.eq(self.answer)]
            m.d.sync += self._header.eq(Cat(self.kind, Const(ANSWER >> 2, 6)))
            m.next = "HEADER"
        if shape is not None:
            self._collect(m, shape)

    def _collect(self, m: Module, shape: StreamShape) -> None:
        """Takes the beats of a result, unless an answer goes first."""
        m.d.comb += self.m_axis_tready.eq(~(self.answer_valid & self._begins))
        with m.If(self.m_axis_tvalid & self.m_axis_tready):
            m.d.sync += self._beat.eq(self._beat + 1)
            m.d.sync += self._header.eq(Cat(self.m_axis_tlast, Const(RESULT >> 1, 7)))
            if shape.tid_bits:
                m.d.sync += self._stream.eq(self.m_axis_tid)
            with m.If(self._beat == shape.beats_per_step - 1):
                m.d.sync += self._beat.eq(0)
                m.next = "HEADER"

    def _fetch(self, m: Module, shape: StreamShape) -> None:
        """The number of a result and its stream, and each beat from memory."""
        with m.State("NUMBER"):
            self._send(m, self.number)
            with m.If(self.byte_ready):
                m.d.sync += self.number.eq(self.number + 1)
                m.next = "STREAM" if shape.tid_bits else "READ"
        if shape.tid_bits:
            with m.State("STREAM"):
                self._send(m, self._stream)
                with m.If(self.byte_ready):
                    m.next = "READ"
        for state, following in (("READ", "FETCH"), ("FETCH", "TAKE")):
            with m.State(state):
                m.next = following
        with m.State("TAKE"):
            m.d.sync += self._word.eq(self._fetched)
            m.next = "BYTES"

    def _bytes(self, m: Module, shape: StreamShape | None) -> None:
        """The bytes of an answer, or of a beat."""
        byte = self._byte
        with m.If(self.byte_ready):
            m.d.sync += [byte.eq(byte + 1), self._word.eq(self._word >> 8)]
            with m.If(self._answers & (byte == ANSWER_BODY - 1)):
                m.d.sync += byte.eq(0)
                m.next = "CHECK"
            if shape is not None:
                with m.If(~self._answers & (byte == shape.bytes_per_beat - 1)):
                    m.d.sync += [byte.eq(0), self._beat.eq(self._beat + 1)]
                    m.next = "READ"
                    with m.If(self._beat == shape.beats_per_step - 1):
                        m.d.sync += self._beat.eq(0)
                        m.next = "CHECK"
