"""Whole steps between the line and the core."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rnngen.gateware.frames import StreamShape, slots
from rnngen.gateware.uart.memory import unchecked_memory


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
        m.submodules.bytes = memory = unchecked_memory(8, depth)
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
                m.d.comb += known.eq(0)
                m.d.sync += steady.eq(0)
                self._offer(m, beat, final_beat, done)

    def _offer(self, m: Module, beat: Signal, final_beat: Value, done: Signal) -> None:
        """A beat to the core, until it is taken."""
        m.d.comb += self.s_axis_tvalid.eq(1)
        with m.If(self.s_axis_tready):
            m.d.sync += beat.eq(beat + 1)
            m.next = "BYTES"
            with m.If(final_beat):
                m.d.sync += beat.eq(0)
                m.d.comb += done.eq(1)
                m.next = "WAIT"


def _next(address: Value, depth: int) -> Value:
    return Mux(address == depth - 1, 0, address + 1)
