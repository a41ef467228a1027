"""A device with several cores: the top of each of them, and the links of registers between them, as one module."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from amaranth.hdl import Cat, ClockDomain, Const, Elaboratable, Instance, Module, Signal, Value
from amaranth.lib.wiring import In

from rnngen.gateware.control import AXIL_OUTPUTS
from rnngen.gateware.link.port import phy_ports
from rnngen.gateware.system.device import DeviceShape, DeviceTop
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

    Of the second core the control port is ``s_axil2_*``, and so on.  The host's streams are those of the core that has
    them, and so are the ports of a link: no two cores have one of the same name.  ``up``: all links of all cores are
    up.  ``failed``: a core has lost one.
    """

    def __init__(self, shape: ChipShape) -> None:
        self._shape = shape
        self.aclk, self.aresetn = Signal(name="aclk"), Signal(name="aresetn")
        self.up, self.failed = Signal(name="up"), Signal(name="failed")
        self._tops = [DeviceTop(core) for core in shape.cores]
        self._outer = {
            (number, port.name): Signal(port.shape(), name=_outer_name(number, port.name))
            for number, top in enumerate(self._tops)
            for port in top.ports[4:]
            if self._link(number, port.name) not in shape.inner
        }
        names = [port.name for port in self._outer.values()]
        assert len(set(names)) == len(names), "two cores have a port of the same name"

    @property
    def ports(self) -> list[Signal]:
        """Top-level ports in order."""
        return [self.aclk, self.aresetn, self.up, self.failed, *self._outer.values()]

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        m.domains.sync = domain = ClockDomain("sync")
        m.d.comb += [domain.clk.eq(self.aclk), domain.rst.eq(~self.aresetn)]
        ups = [Signal(name=f"up_{number}") for number in range(len(self._tops))]
        fails = [Signal(name=f"failed_{number}") for number in range(len(self._tops))]
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

    def _link(self, number: int, port: str) -> End:
        """The link that a port of a core belongs to, where it is one of a link."""
        names = (link for link in self._shape.cores[number].links if port.startswith(f"{link}_"))
        return number, max(names, key=len, default="")

    def _is_output(self, number: int, port: str) -> bool:
        return port in set(_outputs(self._shape.cores[number]))


def _outer_name(number: int, port: str) -> str:
    return port.replace("s_axil_", f"s_axil{number + 1}_", 1) if number and port.startswith("s_axil_") else port


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
