"""An accelerator core behind a serial bridge, for no board in particular: one clock, a reset, a line.

``rnngen serve-sim`` simulates it where a design was made for no board; it is as good a begin for a top of one's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amaranth.hdl import ClockDomain, ClockSignal, Elaboratable, Instance, Module, Signal

from rnngen.errors import DesignError
from rnngen.gateware.frames import StreamShape
from rnngen.gateware.uart.bridge import UartBridge
from rnngen.gateware.verilog import to_verilog

POWER_ON_CYCLES = 16
"""So long the core is in reset after configuration."""


class SerialTop(Elaboratable):
    """A core of ``design.json`` and its bridge.

    Ports: ``aclk``; ``uart_rx``, ``uart_tx``, the line; ``failed``: a step found no room in the bridge.
    """

    def __init__(self, design: Mapping[str, Any], divisor: int) -> None:
        ports = design["ports"]
        tid_bits = ports.get("tid_bits", 0)
        takes, gives = (StreamShape.from_design(ports[name], tid_bits) for name in ("s_axis", "m_axis"))
        self._bridge = UartBridge(takes, gives, divisor)
        self._core = design["top"]
        self.aclk = Signal(name="aclk")
        self.uart_rx, self.uart_tx = Signal(name="uart_rx"), Signal(name="uart_tx")
        self.failed = Signal(name="failed")

    @property
    def ports(self) -> list[Signal]:
        """Top-level ports in order."""
        return [self.aclk, self.uart_rx, self.uart_tx, self.failed]

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        m.domains.power_on = power_on = ClockDomain(reset_less=True, local=True)
        m.domains.sync = sync = ClockDomain(local=True)
        m.submodules.bridge = bridge = self._bridge
        count, reset, runs = Signal(range(POWER_ON_CYCLES)), Signal(init=1), Signal()
        m.d.power_on += reset.eq(count != POWER_ON_CYCLES - 1)
        with m.If(count != POWER_ON_CYCLES - 1):
            m.d.power_on += count.eq(count + 1)
        m.d.sync += runs.eq(~bridge.restart)
        m.d.comb += [
            power_on.clk.eq(self.aclk),
            sync.clk.eq(self.aclk),
            sync.rst.eq(reset),
            bridge.rx.eq(self.uart_rx),
            self.uart_tx.eq(bridge.tx),
            self.failed.eq(bridge.overflow),
        ]
        connections = {"i_aclk": ClockSignal(), "i_aresetn": runs, **bridge.core_connections()}
        m.submodules.core = Instance(self._core, **connections)
        return m


def serial_top_name(design: Mapping[str, Any]) -> str:
    """Name of the top's module."""
    return f"{design['top']}_serial"


def serial_verilog(design: Mapping[str, Any], divisor: int) -> str:
    """The top's Verilog.

    Raises:
        DesignError: if the design reads its weights from external memory, or is a device of a system.
    """
    if "external_weights" in design:
        raise DesignError(
            f"'{design['top']}' reads its weights from external memory, which this top does not have; generate it "
            f"with --weights chip."
        )
    if "device" in design:
        raise DesignError(f"'{design['top']}' is a device of a system; use the system's folder.")
    top = SerialTop(design, divisor)
    return to_verilog(top, serial_top_name(design), top.ports)
