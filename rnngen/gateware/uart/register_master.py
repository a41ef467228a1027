"""The core's registers: one access at a time."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rnngen.gateware.control import AXIL_INPUTS, AXIL_OUTPUTS
from rnngen.gateware.registers import ADDRESS_BITS, WORD_BITS


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
