"""The bridge between a serial line and a core."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, ResetInserter, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rnngen.gateware.control import AXIL_INPUTS, AXIL_OUTPUTS
from rnngen.gateware.frames import BUFFER_BYTES, StreamShape
from rnngen.gateware.uart.frame_receiver import FrameReceiver
from rnngen.gateware.uart.frame_sender import FrameSender
from rnngen.gateware.uart.receiver import UartReceiver
from rnngen.gateware.uart.register_master import RegisterMaster, axil_ports
from rnngen.gateware.uart.requests import RequestHandler, shape_word
from rnngen.gateware.uart.step_buffer import StepBuffer
from rnngen.gateware.uart.transmitter import UartTransmitter


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
        resets = ResetInserter(self.restart)
        sender = FrameSender(self._from_core)
        m.submodules.sender = resets(sender)
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
            m.submodules.buffer = resets(buffer)
            m.d.comb += _joined(buffer, self, "s_axis", self._to_core, "tready")
        frames = FrameReceiver(receiver, self._to_core, buffer)
        frames.build(m, self.dropped, self.overflow)
        waiting = Const(0, 8) if buffer is None else buffer.waiting
        state = Cat(frames.number, sender.number, waiting, self.dropped)
        requests = RequestHandler(frames.request, sender, self.restart)
        requests.build(m, state, shape_word(self._to_core, self._buffer_bytes))
        if self._registers:
            master = RegisterMaster()
            m.submodules.master = resets(master)
            m.d.comb += [getattr(self, f"axil_{name}").eq(getattr(master, f"axil_{name}")) for name in AXIL_INPUTS]
            m.d.comb += [getattr(master, f"axil_{name}").eq(getattr(self, f"axil_{name}")) for name in AXIL_OUTPUTS]
            requests.access_registers(m, master)
        else:
            requests.refuse_registers(m)
        with m.If(self.restart):
            m.d.sync += [frames.number.eq(0), self.dropped.eq(0), self.overflow.eq(0)]
        return m


def _joined(source: object, target: object, prefix: str, shape: StreamShape, ready: str) -> list[Value]:
    """A stream port of one component given on by another of the same names."""
    found = [getattr(target, f"{prefix}_{name}").eq(getattr(source, f"{prefix}_{name}")) for name in shape.widths]
    return [*found, getattr(source, f"{prefix}_{ready}").eq(getattr(target, f"{prefix}_{ready}"))]
