"""Makes a LiteX SoC whose bus reaches the control port of a core, and whose pads are the core's ports: Verilog.

    python litex_soc.py DIR/reuse TOP BUS_STANDARD SOC.v PORTS.json

BUS_STANDARD: wishbone, axi-lite or axi.  PORTS.json: {port: bits}, of the core; memory: whether it reads weights.
A process of its own, because LiteX ends the process where something is wrong.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

from litex.build.generic_platform import GenericPlatform, Pins
from litex.gen import ClockDomain, LiteXModule
from litex.soc.integration.soc import SoCRegion
from litex.soc.integration.soc_core import SoCMini
from litex.soc.interconnect import axi


class Platform(GenericPlatform):
    """Pads named as the core's ports; no tool."""

    def __init__(self, ports):
        super().__init__("none", [(name, 0, Pins(bits)) for name, bits in ports.items()])


class Clock(LiteXModule):
    """The domain sys, from the pads."""

    def __init__(self, platform):
        self.cd_sys = ClockDomain()
        self.comb += self.cd_sys.clk.eq(platform.request("aclk"))
        self.comb += self.cd_sys.rst.eq(~platform.request("aresetn"))


class SoC(SoCMini):
    """Pads, LiteX's bus in between, the core at address 0."""

    mem_map = {"csr": 0x8000_0000}

    def __init__(self, platform, core, standard):
        super().__init__(platform, int(100e6), bus_standard=standard, ident="", with_timer=False)
        self.crg = Clock(platform)
        self.accelerator = accelerator = core.Accelerator(platform)
        host = axi.AXILiteInterface(data_width=32, address_width=32)
        self.bus.add_slave("accelerator", accelerator.bus, SoCRegion(origin=0, size=0x10000, cached=False))
        self.bus.add_master("host", master=host)
        for channel, signals in (("aw", "addr prot valid"), ("w", "data strb valid"), ("ar", "addr prot valid")):
            for signal in signals.split():
                pad = platform.request(f"s_axil_{channel}{signal}")
                self.comb += getattr(getattr(host, channel), signal).eq(pad)
            self.comb += platform.request(f"s_axil_{channel}ready").eq(getattr(host, channel).ready)
        for channel, signals in (("b", "resp valid"), ("r", "data resp valid")):
            for signal in signals.split():
                pad = platform.request(f"s_axil_{channel}{signal}")
                self.comb += pad.eq(getattr(getattr(host, channel), signal))
            self.comb += getattr(host, channel).ready.eq(platform.request(f"s_axil_{channel}ready"))
        for signal in ("data", "last", "valid"):
            self.comb += getattr(accelerator.sink, signal).eq(platform.request(f"s_axis_t{signal}"))
            self.comb += platform.request(f"m_axis_t{signal}").eq(getattr(accelerator.source, signal))
        self.comb += platform.request("s_axis_tready").eq(accelerator.sink.ready)
        self.comb += accelerator.source.ready.eq(platform.request("m_axis_tready"))
        if hasattr(accelerator, "memory"):
            self.bus.add_master("weights", master=accelerator.memory)


def main() -> None:
    """Writes the Verilog."""
    folder, top, standard, target, ports = sys.argv[1:]
    sys.path.insert(0, folder)
    core = importlib.import_module(f"litex_{top}")
    platform = Platform(json.loads(Path(ports).read_text()))
    soc = SoC(platform, core, standard)
    soc.finalize()
    Path(target).write_text(str(platform.get_verilog(soc, name="soc")))
    sources = [Path(name).name for name, *_ in platform.sources]
    assert sources == core.SOURCES
    core.Accelerator.copy_images(Path(target).parent / "images")


if __name__ == "__main__":
    main()
