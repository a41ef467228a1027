"""Bytes of the line to steps and requests."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal

from rnngen.gateware.frames import (
    CRC_BYTES,
    CRC_START,
    REQUEST,
    REQUEST_BODY,
    REQUEST_MASK,
    STEP,
    STREAM_MASK,
    StreamShape,
)
from rnngen.gateware.uart.crc import crc_with
from rnngen.gateware.uart.receiver import UartReceiver
from rnngen.gateware.uart.step_buffer import StepBuffer


@dataclass(frozen=True, eq=False)
class Request:
    """What the line asks for: ``asked`` is high for one cycle with a whole and right one, of ``kind`` and ``body``."""

    asked: Signal
    kind: Signal
    body: Signal


class FrameReceiver:
    """Takes frames: what is whole and right goes on, all else is forgotten and counted.

    It is built into the module of the bridge.

    Args:
        receiver: Gives the bytes.
        to_core, buffer: Shape and place of steps; None: no steps come here.

    Attributes:
        request: That has come.
        number: Of the next step.
    """

    def __init__(self, receiver: UartReceiver, to_core: StreamShape | None, buffer: StepBuffer | None) -> None:
        self._byte, self._valid, self._buffer = receiver.data, receiver.valid, buffer
        self._crc, self._is_step = Signal(16), Signal()
        self._right, self._keep, self._whole = Signal(), Signal(), Signal()
        self.request = Request(Signal(), Signal(2), Signal(8 * REQUEST_BODY))
        self.number = Signal(8, name="number")
        self._step_body = to_core.stored_bytes - 1 if to_core is not None else 0
        self._left = Signal(range(max(self._step_body, REQUEST_BODY)), name="left")
        self._refused = Signal(name="refused")

    def build(self, m: Module, dropped: Signal, overflow: Signal) -> None:
        """Adds it to the bridge.

        Args:
            dropped: Counts what was refused, up to 255.
            overflow: Set where a step found no room.
        """
        with m.If(self._refused & (dropped != 255)):
            m.d.sync += dropped.eq(dropped + 1)
        if self._buffer is not None:
            m.d.comb += [self._buffer.data.eq(self._byte), self._buffer.commit.eq(self._whole & self._is_step)]
        with m.FSM(name="receive") as fsm:
            with m.State("HEADER"), m.If(self._valid):
                self._header(m)
            if self._buffer is not None:
                with m.State("NUMBER"), m.If(self._valid):
                    m.d.sync += self._right.eq(self._byte == self.number)
                    m.next = "BODY"
            with m.State("BODY"), m.If(self._valid):
                self._body(m)
            with m.State("CHECK"), m.If(self._valid):
                m.d.sync += self._left.eq(self._left - 1)
                with m.If(self._left == 0):
                    m.next = "JUDGE"
            with m.State("JUDGE"):
                self._judge(m, overflow)
                m.next = "HEADER"
        with m.If(self._valid):
            before = Mux(fsm.ongoing("HEADER"), Const(CRC_START, 16), self._crc)
            m.d.sync += self._crc.eq(crc_with(before, self._byte))

    def _header(self, m: Module) -> None:
        """What a frame's first byte says."""
        byte, left, keep = self._byte, self._left, self._keep
        m.d.sync += [
            left.eq(REQUEST_BODY - 1), self.request.kind.eq(byte), self._is_step.eq(0), self._right.eq(1), keep.eq(1),
        ]  # fmt: skip
        with m.If((byte & REQUEST_MASK) == REQUEST):
            m.next = "BODY"
        if self._buffer is not None:
            with m.Elif((byte & STREAM_MASK) == STEP):
                m.d.comb += self._buffer.store.eq(~self._buffer.full)
                m.d.sync += [left.eq(self._step_body - 1), self._is_step.eq(1), keep.eq(~self._buffer.full)]
                m.next = "NUMBER"
        with m.Else():
            m.d.comb += self._refused.eq(1)

    def _body(self, m: Module) -> None:
        """A byte behind header and number."""
        m.d.sync += self._left.eq(self._left - 1)
        with m.If(~self._is_step):
            m.d.sync += self.request.body.eq(Cat(self.request.body, self._byte)[8:])
        if self._buffer is not None:
            m.d.comb += self._buffer.store.eq(self._is_step & self._keep)
        with m.If(self._left == 0):
            m.d.sync += self._left.eq(CRC_BYTES - 1)
            m.next = "CHECK"

    def _judge(self, m: Module, overflow: Signal) -> None:
        """Whether the frame is taken."""
        whole, is_step, sound = self._whole, self._is_step, ~self._crc.any() & self._right
        m.d.comb += [
            whole.eq(sound & self._keep),
            self.request.asked.eq(whole & ~is_step),
            self._refused.eq(~whole),
        ]
        with m.If(whole & is_step):
            m.d.sync += self.number.eq(self.number + 1)
        if self._buffer is not None:
            m.d.comb += self._buffer.abort.eq(is_step & ~whole)
            with m.If(sound & ~self._keep):
                m.d.sync += overflow.eq(1)
