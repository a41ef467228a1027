"""Requests of the host, carried out and answered."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from rnngen.gateware.frames import (
    DECERR,
    LOOK,
    LOOK_SHAPE,
    PROTOCOL_VERSION,
    RESTART,
    RESTART_CYCLES,
    WRITE,
    StreamShape,
    slots,
)
from rnngen.gateware.registers import ADDRESS_BITS, WORD_BITS
from rnngen.gateware.uart.frame_receiver import Request
from rnngen.gateware.uart.frame_sender import FrameSender
from rnngen.gateware.uart.register_master import RegisterMaster


class RequestHandler:
    """Carries requests out, each tag once, and answers them.

    It is built into the module of the bridge.

    Args:
        request: What is asked for.
        sender: Sends answers.
        restart: The bridge's output of that name.
    """

    def __init__(self, request: Request, sender: FrameSender, restart: Signal) -> None:
        self._request, self._sender, self._restart = request, sender, restart
        self._tag, self._status = Signal(8), Signal(8)
        self._data = Signal(WORD_BITS, name="data")
        self._ready, self._answered = Signal(), Signal(2)
        self._busy = Signal(name="busy")
        self._fresh, self._given = Signal(), request.body[:8]

    def build(self, m: Module, state: Value, shape: Value) -> None:
        """Adds all but accesses to registers.

        Args:
            state, shape: What looks show: what the bridge is at, and what it is.
        """
        asked, kind, tag, ready = self._request.asked, self._request.kind, self._tag, self._ready
        m.d.comb += [
            self._fresh.eq(asked & ((self._given == (tag + 1)[:8]) | kind[1])),
            self._sender.answer.eq(Cat(tag, self._status, self._data)),
            self._sender.answer_valid.eq(ready & ~self._restart),
            self._sender.kind.eq(self._answered),
        ]
        with m.If(self._sender.answer_taken):
            m.d.sync += ready.eq(0)
        with m.If(asked & ~self._fresh & (self._given == tag) & ~self._busy):
            m.d.sync += ready.eq(1)
        with m.If(self._fresh):
            m.d.sync += [tag.eq(self._given), self._answered.eq(kind)]
        self._look(m, state, shape)
        self._end_restart(m)

    def _look(self, m: Module, state: Value, shape: Value) -> None:
        """Looks and restarts, which need no register."""
        kind = self._request.kind
        with m.If(self._fresh & kind[1]):
            m.d.sync += [self._ready.eq(1), self._status.eq(PROTOCOL_VERSION), self._data.eq(state), self._busy.eq(0)]
            with m.If((kind == LOOK) & self._request.body[8 + LOOK_SHAPE.bit_length() - 1]):
                m.d.sync += self._data.eq(shape)
            with m.If(kind == RESTART):
                m.d.sync += [self._restart.eq(1), self._data.eq(0)]

    def _end_restart(self, m: Module) -> None:
        ends = Signal(range(RESTART_CYCLES))
        with m.If(self._restart):
            m.d.sync += ends.eq(ends + 1)
            with m.If(ends == RESTART_CYCLES - 1):
                m.d.sync += self._restart.eq(0)

    def refuse_registers(self, m: Module) -> None:
        """Answers accesses to registers where there are none."""
        with m.If(self._fresh & ~self._request.kind[1]):
            m.d.sync += [self._ready.eq(1), self._status.eq(DECERR), self._data.eq(0)]

    def access_registers(self, m: Module, master: RegisterMaster) -> None:
        """Carries accesses to registers out."""
        kind, body, status = self._request.kind, self._request.body, self._status
        m.d.comb += [
            master.start.eq(self._fresh & ~kind[1]),
            master.writes.eq(kind == WRITE),
            master.address.eq(body[8 : 8 + ADDRESS_BITS]),
            master.data.eq(body[8 + ADDRESS_BITS :]),
        ]
        with m.If(master.start):
            # An answer that has not gone out is this one's from now on; of a write's an error stays.
            kept = Mux(self._ready & ~self._answered[1], status, 0)
            m.d.sync += [self._busy.eq(1), self._ready.eq(0), status.eq(kept)]
        with m.If(self._busy & master.done):
            m.d.sync += [
                self._ready.eq(1), self._busy.eq(0), self._data.eq(master.word), status.eq(status | master.status),
            ]  # fmt: skip


def shape_word(shape: StreamShape | None, buffer_bytes: int) -> Value:
    """What a look at ``LOOK_SHAPE`` shows: version, slots, bytes of a step."""
    held, step_bytes = (0, 0) if shape is None else (slots(shape, buffer_bytes), shape.step_bytes)
    return Const(PROTOCOL_VERSION | held << 8 | min(step_bytes, 0xFFFF) << 16, WORD_BITS)
