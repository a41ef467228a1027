"""A device with several cores: the top of each of them, and the links of registers between them, as one module."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from amaranth.hdl import Cat, ClockDomain, Const, Elaboratable, Instance, Module, Signal, Value
from amaranth.lib.wiring import In

from rnngen.gateware.control import AXIL_INPUTS, AXIL_OUTPUTS
from rnngen.gateware.link.port import phy_ports
from rnngen.gateware.system.device import DeviceShape, axis_signals, phy_signals
from rnngen.gateware.system.inside import InsideWire
from rnngen.gateware.verilog import to_verilog

End = tuple[int, str]
"""A core, and what the names of the ports of one of its links begin with."""


@dataclass(frozen=True)
class ChipShape:
    """A device with several cores.

    Attributes:
        cores: What stands around each of them, the device's own first.  modules: Names of these.
        inside: Both ends of each link between two of them.
    """

    cores: tuple[DeviceShape, ...]
    modules: tuple[str, ...]
    inside: tuple[tuple[End, End], ...]

    @cached_property
    def inner(self) -> dict[End, End]:
        """Ends of links between cores to their other ends."""
        return {one: other for pair in self.inside for one, other in (pair, pair[::-1])}


class ChipTop(Elaboratable):
    """Ports: those of its cores' tops (``DeviceTop``), but for the links between them; clock and reset are shared.

    Of the second core the control port is ``s_axil2_*``, and its links' ports begin with ``core2_``, and so on.  The
    host's streams are those of the core that has them.  ``up``: all links of all cores are up.  ``failed``: a core has
    lost one.
    """

    def __init__(self, shape: ChipShape) -> None:
        self._shape = shape
        self.aclk, self.aresetn = Signal(name="aclk"), Signal(name="aresetn")
        self.up, self.failed = Signal(name="up"), Signal(name="failed")
        self._outer = {
            (number, name): Signal(width, name=outer_name(number, name))
            for number, core in enumerate(shape.cores)
            for name, width in _port_widths(core, [link for at, link in shape.inner if at == number]).items()
        }

    @property
    def ports(self) -> list[Signal]:
        """Top-level ports in order."""
        return [self.aclk, self.aresetn, self.up, self.failed, *self._outer.values()]

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        m.domains.sync = domain = ClockDomain("sync")
        m.d.comb += [domain.clk.eq(self.aclk), domain.rst.eq(~self.aresetn)]
        ups, fails = ([Signal(name=f"{what}_{k}") for k in range(len(self._shape.cores))] for what in ("up", "failed"))
        m.d.comb += [self.up.eq(Cat(ups).all()), self.failed.eq(Cat(fails).any())]
        connections: list[dict[str, Value]] = [
            {"i_aclk": self.aclk, "i_aresetn": self.aresetn, "o_up": up, "o_failed": failed}
            for up, failed in zip(ups, fails)
        ]
        for (number, name), port in self._outer.items():
            connections[number][f"{'o' if self._is_output(number, name) else 'i'}_{name}"] = port
        for source, target in self._shape.inner.items():
            self._wire(m, source, target, connections)
        for number, (module, ports) in enumerate(zip(self._shape.modules, connections)):
            m.submodules[f"core_{number}"] = Instance(module, **ports)
        return m

    def _wire(self, m: Module, source: End, target: End, connections: list[dict[str, Value]]) -> None:
        """One direction of a link between two cores."""
        (one, sends), (other, takes) = source, target
        wire = InsideWire(self._shape.cores[one].links[sends].word_bits)
        m.submodules[f"inside_{one}_{sends}"] = wire
        for name in ("data", "start", "valid"):
            connections[one][f"o_{sends}_tx_{name}"] = getattr(wire, f"tx_{name}")
            connections[other][f"i_{takes}_rx_{name}"] = getattr(wire, f"rx_{name}")
        connections[one] |= {f"i_{sends}_tx_ready": Const(1, 1), f"i_{sends}_tx_clk": self.aclk}
        connections[other] |= {f"i_{takes}_rx_clk": self.aclk, f"i_{takes}_up": Const(1, 1)}

    def _is_output(self, number: int, port: str) -> bool:
        return port in set(_outputs(self._shape.cores[number]))


def outer_name(number: int, port: str) -> str:
    """The name of a port of a core at the device: the host's streams have one, and so have its own core's ports."""
    if not number or port.startswith(("s_axis_", "m_axis_")):
        return port
    if port.startswith("s_axil_"):
        return port.replace("s_axil_", f"s_axil{number + 1}_", 1)
    return f"core{number + 1}_{port}"


def _port_widths(core: DeviceShape, inner: Sequence[str]) -> dict[str, int]:
    """Ports of a core's top, but for clock and reset, what it says of its links, and links inside the device."""
    found: dict[str, int] = {}
    for prefix, port in core.streams.items():
        found |= {f"{prefix}_{name}": len(signal) for name, signal in axis_signals(prefix, port).items()}
    found |= {f"s_axil_{name}": width for name, width in (AXIL_INPUTS | AXIL_OUTPUTS).items()}
    for prefix, link in core.links.items():
        if prefix not in inner:
            found |= {f"{prefix}_{name}": len(signal) for name, signal in phy_signals(prefix, link).items()}
    return found


def _outputs(core: DeviceShape) -> Iterator[str]:
    """Names of a core's ports that it drives."""
    yield from ("s_axis_tready", "m_axis_tdata", "m_axis_tvalid", "m_axis_tlast")
    yield from (f"s_axil_{name}" for name in AXIL_OUTPUTS)
    for link, shape in core.links.items():
        for name, member in phy_ports(shape).items():
            if member.flow != In:
                yield f"{link}_{name.removeprefix('phy_')}"


def chip_verilog(shape: ChipShape, name: str) -> str:
    """Verilog of a device with several cores, without their tops."""
    top = ChipTop(shape)
    return to_verilog(top, name, top.ports)
