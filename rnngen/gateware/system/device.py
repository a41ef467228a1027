"""The top of one device of a system: its core, between a link that brings steps and one that takes them away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from amaranth.hdl import Cat, ClockDomain, DomainRenamer, Elaboratable, Instance, Module, ResetSignal, Signal, Value
from amaranth.lib.cdc import ResetSynchronizer
from amaranth.lib.wiring import In

from rnngen.config.link import LinkShape
from rnngen.gateware.control import AXIL_INPUTS, AXIL_OUTPUTS
from rnngen.gateware.link.port import LinkPort, phy_ports
from rnngen.gateware.system.pace import Pace
from rnngen.gateware.system.packing import Beats, StepPacker, StepUnpacker
from rnngen.gateware.verilog import to_verilog
from rnngen.plan.frames import StepFrame


@dataclass(frozen=True)
class DeviceEnd:
    """One side of a core.

    Attributes:
        port: Of the core.
        link: The link there, and what crosses it; None: the host is there.
    """

    port: Beats
    link: tuple[LinkShape, StepFrame] | None


@dataclass(frozen=True)
class DeviceShape:
    """A device of a system.

    Attributes:
        core: Name of the core's module.  takes, gives: Its two sides.
        beats: Of an input step.
        pace: Cycles between the first beats of two steps that the host's side lets in, at least: the step interval
            of the system, so that no buffer behind ever fills.
    """

    core: str
    takes: DeviceEnd
    gives: DeviceEnd
    beats: int
    pace: int


class DeviceTop(Elaboratable):
    """A core with its links, clocked by ``aclk`` and reset by ``aresetn`` (synchronous, active low).

    Ports: ``s_axis_*``, ``m_axis_*`` where the host is on that side, as the core's; ``s_axil_*``, the core's; for a
    link ``in_*`` or ``out_*``, its PHY's words (``link.port.phy_ports``) and their clocks ``*_tx_clk``, ``*_rx_clk``.

    ``up``: all its links are up.  ``failed``: one was lost; it sticks, nothing comes out any more, and the device takes
    its other link down, so that the failure reaches both ends of the system.  A reset of the whole system ends it.
    """

    def __init__(self, shape: DeviceShape) -> None:
        self._shape = shape
        self.aclk, self.aresetn = Signal(name="aclk"), Signal(name="aresetn")
        self.up, self.failed = Signal(name="up"), Signal(name="failed")
        self._axil = {
            name: Signal(width, name=f"s_axil_{name}") for name, width in (AXIL_INPUTS | AXIL_OUTPUTS).items()
        }
        self._host = {
            prefix: axis_signals(prefix, end.port)
            for prefix, end in (("s_axis", shape.takes), ("m_axis", shape.gives))
            if end.link is None
        }
        self._phys = {
            prefix: _phy(prefix, end.link[0])
            for prefix, end in (("in", shape.takes), ("out", shape.gives))
            if end.link is not None
        }

    @property
    def ports(self) -> list[Signal]:
        """Top-level ports in order."""
        groups = [*self._host.values(), self._axil, *self._phys.values()]
        return [self.aclk, self.aresetn, self.up, self.failed, *(port for group in groups for port in group.values())]

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        m.domains.sync = domain = ClockDomain("sync")
        m.d.comb += [domain.clk.eq(self.aclk), domain.rst.eq(~self.aresetn)]
        links = {prefix: self._link(m, prefix) for prefix in self._phys}
        lost = Cat(link.lost | link.mismatch for link in links.values())
        m.d.comb += self.up.eq(Cat(link.up for link in links.values()).all() & ~self.failed)
        m.d.sync += self.failed.eq(self.failed | lost.any())
        core = {prefix: axis_signals(f"core_{prefix}", end.port) for prefix, end in self._ends}
        self._takes(m, core["s_axis"], links.get("in"))
        self._gives(m, core["m_axis"], links.get("out"))
        self._core(m, core)
        return m

    @property
    def _ends(self) -> tuple[tuple[str, DeviceEnd], ...]:
        return ("s_axis", self._shape.takes), ("m_axis", self._shape.gives)

    def _core(self, m: Module, core: Mapping[str, Mapping[str, Signal]]) -> None:
        connections: dict[str, Value] = {"i_aclk": self.aclk, "i_aresetn": self.aresetn}
        for prefix, outward in (("s_axis", "tready"), ("m_axis", "tdata tvalid tlast")):
            for name, signal in core[prefix].items():
                direction = "o" if name in outward.split() else "i"
                connections[f"{direction}_{prefix}_{name}"] = signal
        connections |= {f"i_s_axil_{name}": self._axil[name] for name in AXIL_INPUTS}
        connections |= {f"o_s_axil_{name}": self._axil[name] for name in AXIL_OUTPUTS}
        m.submodules.core = Instance(self._shape.core, **connections)

    def _takes(self, m: Module, core: Mapping[str, Signal], link: LinkPort | None) -> None:
        """What stands in front of the core."""
        end = self._shape.takes
        if link is None or end.link is None:
            m.submodules.pace = pace = Pace(self._shape.beats, self._shape.pace)
            host = self._host["s_axis"]
            m.d.comb += [
                pace.open.eq(self.up & self.aresetn),
                pace.step.eq(host["tvalid"] & host["tready"]),
                core["tdata"].eq(host["tdata"]),
                core["tlast"].eq(host["tlast"]),
                core["tvalid"].eq(host["tvalid"] & pace.lets),
                host["tready"].eq(core["tready"] & pace.lets),
            ]
            return
        m.submodules.unpacker = unpacker = StepUnpacker(end.link[1], end.port)
        m.d.comb += [
            unpacker.rx_data.eq(link.rx_data),
            unpacker.rx_valid.eq(link.rx_valid),
            unpacker.rx_last.eq(link.rx_last),
            link.rx_ready.eq(unpacker.rx_ready),
            core["tdata"].eq(unpacker.data),
            core["tvalid"].eq(unpacker.valid),
            core["tlast"].eq(unpacker.last),
            unpacker.ready.eq(core["tready"]),
        ]

    def _gives(self, m: Module, core: Mapping[str, Signal], link: LinkPort | None) -> None:
        """What stands behind the core."""
        end = self._shape.gives
        if link is None or end.link is None:
            host = self._host["m_axis"]
            m.d.comb += [
                host["tdata"].eq(core["tdata"]),
                host["tlast"].eq(core["tlast"]),
                host["tvalid"].eq(core["tvalid"] & ~self.failed),
                core["tready"].eq(host["tready"] & ~self.failed),
            ]
            return
        m.submodules.packer = packer = StepPacker(end.link[1], end.port.lane)
        m.d.comb += [
            packer.data.eq(core["tdata"]),
            packer.valid.eq(core["tvalid"]),
            packer.last.eq(core["tlast"]),
            core["tready"].eq(packer.ready),
            link.tx_data.eq(packer.tx_data),
            link.tx_valid.eq(packer.tx_valid),
            link.tx_length.eq(end.link[1].words),
            packer.tx_ready.eq(link.tx_ready),
        ]

    def _link(self, m: Module, prefix: str) -> LinkPort:
        """The link of one side, in its clock domains."""
        end = self._shape.takes if prefix == "in" else self._shape.gives
        assert end.link is not None
        names = {f"phy_{way}": f"{prefix}_{way}" for way in ("tx", "rx")}
        for domain in names.values():
            made = ClockDomain(domain)
            m.domains += made
            m.d.comb += made.clk.eq(self._phys[prefix][f"{domain.split('_')[1]}_clk"])
            m.submodules[f"{domain}_reset"] = ResetSynchronizer(ResetSignal("sync"), domain=domain)
        link = LinkPort(end.link[0])
        m.submodules[f"link_{prefix}"] = DomainRenamer(names)(link)
        phy = self._phys[prefix]
        for name, member in phy_ports(end.link[0]).items():
            inner, outer = getattr(link, name), phy[name.removeprefix("phy_")]
            if name == "phy_up":
                m.d.comb += inner.eq(outer & ~self.failed)
            else:
                m.d.comb += inner.eq(outer) if member.flow == In else outer.eq(inner)
        return link


def axis_signals(prefix: str, port: Beats) -> dict[str, Signal]:
    """A stream port's signals, named as the port is."""
    widths = {"tdata": port.lane * port.words, "tvalid": 1, "tready": 1, "tlast": 1}
    return {name: Signal(width, name=f"{prefix}_{name}") for name, width in widths.items()}


def _phy(prefix: str, shape: LinkShape) -> dict[str, Signal]:
    """A PHY's signals and clocks."""
    ports = {f"{way}_clk": Signal(name=f"{prefix}_{way}_clk") for way in ("tx", "rx")}
    for name, member in phy_ports(shape).items():
        short = name.removeprefix("phy_")
        ports[short] = Signal(member.shape, name=f"{prefix}_{short}")
    return ports


def device_verilog(shape: DeviceShape, name: str) -> str:
    """Verilog of a device's top without its core and leaves."""
    top = DeviceTop(shape)
    return to_verilog(top, name, top.ports)
