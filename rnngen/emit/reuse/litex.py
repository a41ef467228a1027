"""A LiteX module around a core."""

from __future__ import annotations

from rnngen.emit.ports import CLOCK, INTERRUPT, RESET, Bus, Port
from rnngen.emit.reuse.core import RTL, Core

_BUS_ADDRESS_BITS = 32
"""Of a LiteX SoC's bus; the core decodes the low bits of it."""

_HEAD = '''\
"""{title} as a LiteX module, written by rnngen for LiteX 2024.12.

    from litex_{top} import Accelerator

    soc.accelerator = Accelerator(soc.platform)
    region = SoCRegion(origin=0x3000_0000, size=0x{size:x}, cached=False)
    soc.bus.add_slave("accelerator", soc.accelerator.bus, region)

{streams}Before a tool runs, copy the memory images to its folder: Accelerator.copy_images(builder.gateware_dir).
"""

import os
import shutil

from litex.gen import LiteXModule
{imports}from migen import ClockSignal, {signal}Instance, ResetSignal

RTL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "{rtl}")
SOURCES = [
{sources}
]
IMAGES = [
{images}
]


class Accelerator(LiteXModule):
    """{top} in LiteX's clock domain ``sys``; aresetn is its reset, inverted."""

    def __init__(self, platform):
{endpoints}
        self.specials += Instance(
            "{top}",
            i_{clock}=ClockSignal(),
            i_{reset}=~ResetSignal(),
{connections}
        )
{statements}        platform.add_sources(RTL, *SOURCES, language="verilog")

    @staticmethod
    def copy_images(folder):
        """Copies the memory images to the folder that the tool runs in: there ``$readmemh`` looks."""
        os.makedirs(folder, exist_ok=True)
        for name in IMAGES:
            shutil.copy(os.path.join(RTL, name), folder)
'''


def litex_module(core: Core) -> str:
    """``litex_TOP.py``: streams are LiteX endpoints, the control port an ``AXILiteInterface``."""
    endpoints: list[str] = []
    connections: list[str] = []
    notes: list[str] = []
    statements: list[str] = []
    for bus in core.ports.buses:
        name = _attribute(bus)
        endpoints.append(f"        self.{name} = {_interface(bus)}")
        for signal, port in bus.signals.items():
            connections.append(f"            {_side(port)}_{port.name}={_signal(name, bus, signal)},")
        notes.append(_note(name, bus))
    for port in core.ports.others:
        endpoints.append(f"        self.{port.name} = Signal({port.width if port.width > 1 else ''})")
        connections.append(f"            {_side(port)}_{port.name}=self.{port.name},")
    interrupt = any(port.name == INTERRUPT for port in core.ports.others)
    if interrupt:
        endpoints += [
            "        self.ev = EventManager()",
            "        self.ev.accelerator = EventSourceLevel()",
            "        self.ev.finalize()",
        ]
        statements.append(f"        self.comb += self.ev.accelerator.trigger.eq(self.{INTERRUPT})\n")
        notes.append(f'{INTERRUPT}: high while an interrupt is pending; soc.irq.add("accelerator") tells the CPU.')
    control = core.ports.bus("s_axil")
    return _HEAD.format(
        title=core.title,
        top=core.top,
        size=1 << (control.signals["awaddr"].width if control else 0),
        streams="".join(f"{note}\n" for note in notes),
        imports=_imports(core, interrupt),
        signal="Signal, " if core.ports.others else "",
        rtl=RTL,
        sources=_strings(core.verilog),
        images=_strings(core.images),
        endpoints="\n".join(endpoints),
        clock=CLOCK,
        reset=RESET,
        connections="\n".join(connections),
        statements="".join(statements),
    )


def _imports(core: Core, interrupt: bool) -> str:
    modules = ["axi"] if any(bus.kind != "axis" for bus in core.ports.buses) else []
    modules += ["stream"] if any(bus.kind == "axis" for bus in core.ports.buses) else []
    lines = [f"from litex.soc.interconnect import {', '.join(modules)}\n"]
    if interrupt:
        lines.append("from litex.soc.interconnect.csr_eventmanager import EventManager, EventSourceLevel\n")
    return "".join(lines)


def _strings(names: tuple[str, ...]) -> str:
    return "\n".join(f'    "{name}",' for name in names)


def _attribute(bus: Bus) -> str:
    """LiteX's own words for the usual buses; others keep their name."""
    return {"s_axis": "sink", "m_axis": "source", "s_axil": "bus", "m_axi": "memory"}.get(bus.name, bus.name)


def _interface(bus: Bus) -> str:
    """The LiteX object for a bus."""
    signals = bus.signals
    if bus.kind == "axil":
        return f"axi.AXILiteInterface(data_width={signals['wdata'].width}, address_width={_BUS_ADDRESS_BITS})"
    if bus.kind == "axi":
        return (
            f"axi.AXIInterface(data_width={signals['rdata'].width}, address_width={signals['araddr'].width}, "
            f"id_width={signals['arid'].width})"
        )
    data = f'[("data", {signals["tdata"].width})]'
    if "tid" not in signals:
        return f"stream.Endpoint({data})"
    return f'stream.Endpoint(stream.EndpointDescription({data}, [("id", {signals["tid"].width})]))'


def _side(port: Port) -> str:
    return "i" if port.is_input else "o"


def _signal(name: str, bus: Bus, signal: str) -> str:
    """The LiteX signal of a port."""
    if bus.kind == "axis":
        return f"self.{name}.{signal.removeprefix('t')}"
    channel = next(channel for channel in ("aw", "ar", "w", "b", "r") if signal.startswith(channel))
    found = f"self.{name}.{channel}.{signal.removeprefix(channel)}"
    narrow = bus.kind == "axil" and signal.endswith("addr")
    return f"{found}[:{bus.signals[signal].width}]" if narrow else found


def _note(name: str, bus: Bus) -> str:
    if bus.kind == "axil":
        return f"{name}: the control port, for the SoC's bus."
    if bus.kind == "axi":
        return f"{name}: reads external weights; only its read channels are used."
    end = "ready to give" if bus.master else "ready to take"
    return f"{name}: {bus.signals['tdata'].width} bits a beat, {end}; last ends a sequence."
