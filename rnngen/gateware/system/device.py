"""The top of one device of a system: its core, between a link that brings steps and one that takes them away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from amaranth.hdl import Cat, ClockDomain, DomainRenamer, Elaboratable, Instance, Module, ResetSignal, Signal, Value
from amaranth.lib.cdc import ResetSynchronizer
from amaranth.lib.wiring import In

from rnngen.config.link import LinkShape
from rnngen.gateware.control import AXIL_INPUTS, AXIL_OUTPUTS
from rnngen.gateware.link.port import LinkPort, phy_ports
from rnngen.gateware.system.delta import DeltaPacker, DeltaUnpacker
from rnngen.gateware.system.fork import Fork
from rnngen.gateware.system.forward import Forward, forward
from rnngen.gateware.system.gather import Gather
from rnngen.gateware.system.pace import Pace
from rnngen.gateware.system.packing import Beats, StepPacker, StepUnpacker
from rnngen.gateware.system.relay import Relay
from rnngen.gateware.verilog import to_verilog
from rnngen.plan.frames import DeltaFrame, StepFrame
from rnngen.plan.layer import ceil_div

CORE = "core"
"""Name of the core in a device's top."""


@dataclass(frozen=True)
class LinkEnd:
    """One end of a link, and what crosses it.

    Attributes:
        name: What the names of its ports begin with; empty: what the side of the core says.
    """

    shape: LinkShape
    frame: StepFrame
    name: str = ""


@dataclass(frozen=True)
class DeviceEnd:
    """One side of a core.

    Attributes:
        port: Of the core.
        links: There: each brings a part of a step, in the order of their values, or takes the same; none: the host is
            there.
    """

    port: Beats
    links: tuple[LinkEnd, ...] = ()


@dataclass(frozen=True)
class PeerEnd:
    """Another device that computes a part of the same layer.

    Attributes:
        port: Of the core, for the other device's h, or its sums.
        link: To it and back, for a step of either, or from it alone; in a ring that to and from each neighbour.
        threshold: Where only values that changed cross (``DeltaFrame``), by more than this, in their last place.
    """

    port: Beats
    link: LinkEnd
    threshold: int = 0


@dataclass(frozen=True)
class Neighbour:
    """A device beside this one in a ring of those that compute a part of the same layer.

    Attributes:
        name: What the names of the ports of the link to it begin with.
        brings: Numbers of the core's ports, from 1 on, for the frames of a step that it sends, in their order.  The
            other neighbour is sent as many frames: this device's own, then these but the last one.
    """

    name: str
    brings: tuple[int, ...]


@dataclass(frozen=True)
class DeviceShape:
    """A device of a system.

    Attributes:
        core: Name of the core's module.  takes, gives: Its two sides.
        beats: Of an input step.
        pace: Cycles between the first beats of two steps that the host's side lets in, at least: the step interval
            of the system, so that no buffer behind ever fills.
        peers: The other devices of the same layer, in the order in which the core has ports for them.
        hands: The core's port for what these are given; None: they are given the results.
        sums: Other devices of the layer whose sums come and are added to this one's, in the order in which the core has
            ports for them.
        ring: The two of them that this device is linked to; empty: it is linked to all, in the order of their units
            from its own on.
        back: A link that brings results of another device for the host, and the host's port; the core's own go on.
        forwards: What goes from a link to another one.  others: Links for that alone, by what their ports' names begin
            with.
    """

    core: str
    takes: DeviceEnd
    gives: DeviceEnd
    beats: int
    pace: int
    peers: tuple[PeerEnd, ...] = ()
    hands: Beats | None = None
    ring: tuple[Neighbour, ...] = ()
    back: DeviceEnd | None = None
    forwards: tuple[Forward, ...] = ()
    others: tuple[tuple[str, LinkShape], ...] = ()
    sums: tuple[PeerEnd, ...] = ()

    def in_name(self, number: int) -> str:
        """What the names of the ports of a link begin with that brings steps."""
        return self.takes.links[number].name or numbered("in", number, len(self.takes.links))

    def out_name(self, number: int) -> str:
        """What the names of the ports of a link begin with that takes steps away."""
        return self.gives.links[number].name or numbered("out", number, len(self.gives.links))

    @property
    def results(self) -> Beats | None:
        """The host's port for results; None: they leave the system elsewhere."""
        if self.back is not None:
            return self.back.port
        return None if self.gives.links else self.gives.port

    @property
    def streams(self) -> dict[str, Beats]:
        """The host's ports, by what their names begin with."""
        sides = {"s_axis": None if self.takes.links else self.takes.port, "m_axis": self.results}
        return {prefix: port for prefix, port in sides.items() if port is not None}

    @property
    def links(self) -> dict[str, LinkShape]:
        """Its links, by what their ports' names begin with."""
        found = {self.in_name(number): end.shape for number, end in enumerate(self.takes.links)}
        found |= {self.out_name(number): end.shape for number, end in enumerate(self.gives.links)}
        found |= {end.name: end.shape for end in (self.back.links if self.back is not None else ())}
        found |= dict(self.others)
        found |= {f"sum{number}": end.link.shape for number, end in enumerate(self.sums, start=1)}
        if self.ring:
            return found | {neighbour.name: self.peers[0].link.shape for neighbour in self.ring}
        return found | {f"peer{number}": peer.link.shape for number, peer in enumerate(self.peers, start=1)}

    @property
    def rounds(self) -> list[tuple[Neighbour, Neighbour]]:
        """Ways in which frames go round a ring: from which neighbour to which one."""
        ways = [self.ring, self.ring[::-1]] if self.ring else []
        return [(one, other) for one, other in ways if one.brings]


def numbered(prefix: str, number: int, count: int) -> str:
    """Links of one side have numbers where there are several."""
    return prefix if count == 1 else f"{prefix}{number}"


class DeviceTop(Elaboratable):
    """A core with its links, clocked by ``aclk`` and reset by ``aresetn`` (synchronous, active low).

    Ports: ``s_axis_*``, ``m_axis_*`` where the host is on that side, as the core's; ``s_axil_*``, the core's; for a
    link ``in_*`` or ``out_*`` (``in0_*``, ``in1_*`` .. where there are several), its PHY's words
    (``link.port.phy_ports``) and their clocks ``*_tx_clk``, ``*_rx_clk``; ``peerK_*``, likewise, to the K-th next
    device of the same layer: what the core gives, or hands to them, goes to all of these, and what they give goes to
    the core.  In a ring there is a link to the next one and to the one before (``Relay``).  A link may bring steps in
    one direction and take others away in the other one; what a device gives on from a link to another one never meets
    its core.  ``back_*``: a link that only brings results for the host; ``viaK_*``: one only for what is given on;
    ``sumK_*``: one that brings the sums of other inputs.

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
        self._host = {prefix: axis_signals(prefix, port) for prefix, port in shape.streams.items()}
        self._phys = {prefix: phy_signals(prefix, link) for prefix, link in shape.links.items()}

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
        shape = self._shape
        others = {f"s_axis_h{number}": _bare(f"core_h{number}", peer) for number, peer in enumerate(shape.peers, 1)}
        sums = {f"s_axis_sum{number}": _bare(f"core_sum{number}", end) for number, end in enumerate(shape.sums, 1)}
        self._takes(m, core["s_axis"], [links[shape.in_name(number)] for number in range(len(shape.takes.links))])
        takers = max(1, len(shape.gives.links))
        if shape.hands is None:
            given = _forked(m, core["m_axis"], "given", takers + (len(shape.rounds) or len(shape.peers)))
            handed = given[takers:]
        else:
            core["m_axis_h"] = axis_signals("core_m_axis_h", shape.hands)
            given = _forked(m, core["m_axis"], "given", takers)
            handed = _forked(m, core["m_axis_h"], "handed", len(shape.rounds) or len(shape.peers))
        for number, (end, beat) in enumerate(zip(shape.gives.links, given)):
            self._packed(m, end.frame, shape.gives.port, beat, links[shape.out_name(number)])
        for each in shape.forwards:
            forward(m, each.frame, links[each.source], links[each.target])
        if shape.back is not None:
            self._to_host(m, self._from_other(m, shape.back, links))
        elif not shape.gives.links:
            self._to_host(m, given[0])
        if shape.ring:
            for way, beat in zip(shape.rounds, handed):
                self._around(m, way, beat, others, links)
        for number, (peer, beat) in enumerate(zip(() if shape.ring else shape.peers, handed), start=1):
            self._exchange(m, peer, beat, others[f"s_axis_h{number}"], links[f"peer{number}"])
        for (name, port), other in zip(sums.items(), shape.sums):
            self._brought(m, other, port, links[name.removeprefix("s_axis_")])
        self._core(m, core | others | sums)
        return m

    def _exchange(
        self, m: Module, peer: PeerEnd, given: Mapping[str, Signal], core: Mapping[str, Signal], link: LinkPort
    ) -> None:
        """What the core gives to another device of the layer, and what that gives to the core."""
        if isinstance(peer.link.frame, DeltaFrame):
            self._changes(m, peer, peer.link.frame, given, link)
            self._changed(m, peer, peer.link.frame, core, link)
            return
        self._packed(m, peer.link.frame, self._shape.hands or self._shape.gives.port, given, link)
        self._brought(m, peer, core, link)

    def _changes(
        self, m: Module, peer: PeerEnd, frame: DeltaFrame, given: Mapping[str, Signal], link: LinkPort
    ) -> None:
        """What changed of what the core gives."""
        packer = DeltaPacker(frame, self._shape.gives.port.lane, peer.threshold)
        m.submodules += packer
        m.d.comb += [
            packer.data.eq(given["tdata"]), packer.valid.eq(given["tvalid"]), packer.last.eq(given["tlast"]),
            given["tready"].eq(packer.ready), link.tx_data.eq(packer.tx_data), link.tx_valid.eq(packer.tx_valid),
            link.tx_length.eq(packer.tx_length), packer.tx_ready.eq(link.tx_ready),
        ]  # fmt: skip

    def _changed(
        self, m: Module, peer: PeerEnd, frame: DeltaFrame, core: Mapping[str, Signal], link: LinkPort
    ) -> None:
        """What the core is given, with what has changed of it."""
        unpacker = DeltaUnpacker(frame, peer.port)
        m.submodules += unpacker
        m.d.comb += [
            unpacker.rx_data.eq(link.rx_data), unpacker.rx_valid.eq(link.rx_valid), unpacker.rx_last.eq(link.rx_last),
            link.rx_ready.eq(unpacker.rx_ready), core["tdata"].eq(unpacker.data), core["tvalid"].eq(unpacker.valid),
            unpacker.ready.eq(core["tready"]),
        ]  # fmt: skip

    def _brought(self, m: Module, end: PeerEnd, core: Mapping[str, Signal], link: LinkPort) -> None:
        """What another device of the layer gives to the core."""
        step = self._unpacked(m, end.link.frame, end.port, link)
        m.d.comb += [core["tdata"].eq(step.data), core["tvalid"].eq(step.valid), step.ready.eq(core["tready"])]

    def _around(
        self, m: Module, way: tuple[Neighbour, Neighbour], given: Mapping[str, Signal],
        core: Mapping[str, Mapping[str, Signal]], links: Mapping[str, LinkPort],
    ) -> None:  # fmt: skip
        """What goes round a ring one way: what comes goes to the core, and on behind what this gives."""
        (source, target), peer = way, self._shape.peers[0]
        frame = peer.link.frame
        relay = Relay(len(source.brings), frame)
        m.submodules[f"relay_{source.name}"] = relay
        comes, goes = links[source.name], links[target.name]
        m.d.comb += [
            relay.comes_data.eq(comes.rx_data), relay.comes_valid.eq(comes.rx_valid),
            relay.comes_last.eq(comes.rx_last), comes.rx_ready.eq(relay.comes_ready),
            goes.tx_data.eq(relay.goes_data), goes.tx_valid.eq(relay.goes_valid), goes.tx_length.eq(frame.words),
            relay.goes_ready.eq(goes.tx_ready),
        ]  # fmt: skip
        self._packed(m, frame, self._shape.hands or self._shape.gives.port, given, relay)
        step = self._unpacked(m, frame, peer.port, relay)
        ports = [core[f"s_axis_h{number}"] for number in source.brings]
        for turn, port in enumerate(ports):
            m.d.comb += [port["tdata"].eq(step.data), port["tvalid"].eq(step.valid & (relay.turn == turn))]
        m.d.comb += step.ready.eq(Cat(port["tready"] for port in ports).bit_select(relay.turn, 1))

    @property
    def _ends(self) -> tuple[tuple[str, DeviceEnd], ...]:
        return ("s_axis", self._shape.takes), ("m_axis", self._shape.gives)

    def _core(self, m: Module, core: Mapping[str, Mapping[str, Signal]]) -> None:
        connections: dict[str, Value] = {"i_aclk": self.aclk, "i_aresetn": self.aresetn}
        for prefix, signals in core.items():
            outward = ("tdata", "tvalid", "tlast") if prefix.startswith("m_axis") else ("tready",)
            for name, signal in signals.items():
                direction = "o" if name in outward else "i"
                connections[f"{direction}_{prefix}_{name}"] = signal
        connections |= {f"i_s_axil_{name}": self._axil[name] for name in AXIL_INPUTS}
        connections |= {f"o_s_axil_{name}": self._axil[name] for name in AXIL_OUTPUTS}
        m.submodules[CORE] = Instance(self._shape.core, **connections)

    def _takes(self, m: Module, core: Mapping[str, Signal], links: Sequence[LinkPort]) -> None:
        """What stands in front of the core."""
        if not links:
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
        end = self._shape.takes
        steps = [self._unpacked(m, one.frame, end.port, link) for one, link in zip(end.links, links)]
        frame = end.links[0].frame
        beats = ceil_div(frame.values, end.port.words)
        m.submodules.gather = gather = Gather(len(steps), beats, end.port)
        m.d.comb += [
            core["tdata"].eq(gather.data), core["tvalid"].eq(gather.valid), core["tlast"].eq(gather.last),
            gather.ready.eq(core["tready"]),
        ]  # fmt: skip
        for number, step in enumerate(steps):
            source = gather.source(number)
            m.d.comb += [
                source.data.eq(step.data), source.valid.eq(step.valid), source.last.eq(step.last),
                step.ready.eq(source.ready),
            ]  # fmt: skip

    def _from_other(self, m: Module, back: DeviceEnd, links: Mapping[str, LinkPort]) -> Mapping[str, Signal]:
        """Another device's results as its core gives them."""
        (end,) = back.links
        step = self._unpacked(m, end.frame, back.port, links[end.name], whole=True)
        return {"tdata": step.data, "tvalid": step.valid, "tready": step.ready, "tlast": step.last}

    def _unpacked(
        self, m: Module, frame: StepFrame, port: Beats, link: LinkPort | Relay, whole: bool = False
    ) -> StepUnpacker:
        """The steps that a link brings, as beats."""
        unpacker = StepUnpacker(frame, port, whole)
        m.submodules += unpacker
        m.d.comb += [
            unpacker.rx_data.eq(link.rx_data),
            unpacker.rx_valid.eq(link.rx_valid),
            unpacker.rx_last.eq(link.rx_last),
            link.rx_ready.eq(unpacker.rx_ready),
        ]
        return unpacker

    def _to_host(self, m: Module, given: Mapping[str, Signal]) -> None:
        """What leaves the system; nothing of a device that has failed."""
        host = self._host["m_axis"]
        m.d.comb += [
            host["tdata"].eq(given["tdata"]),
            host["tlast"].eq(given["tlast"]),
            host["tvalid"].eq(given["tvalid"] & ~self.failed),
            given["tready"].eq(host["tready"] & ~self.failed),
        ]

    def _packed(
        self, m: Module, frame: StepFrame, port: Beats, given: Mapping[str, Signal], link: LinkPort | Relay
    ) -> None:
        """What a port of the core gives to a link."""
        packer = StepPacker(frame, port.lane)
        m.submodules += packer
        m.d.comb += [
            packer.data.eq(given["tdata"]),
            packer.valid.eq(given["tvalid"]),
            packer.last.eq(given["tlast"]),
            given["tready"].eq(packer.ready),
            link.tx_data.eq(packer.tx_data),
            link.tx_valid.eq(packer.tx_valid),
            link.tx_length.eq(frame.words),
            packer.tx_ready.eq(link.tx_ready),
        ]

    def _link(self, m: Module, prefix: str) -> LinkPort:
        """The link of one side, in its clock domains."""
        shape = self._shape.links[prefix]
        names = {f"phy_{way}": f"{prefix}_{way}" for way in ("tx", "rx")}
        for domain in names.values():
            made = ClockDomain(domain)
            m.domains += made
            m.d.comb += made.clk.eq(self._phys[prefix][f"{domain.split('_')[1]}_clk"])
            m.submodules[f"{domain}_reset"] = ResetSynchronizer(ResetSignal("sync"), domain=domain)
        link = LinkPort(shape)
        m.submodules[f"link_{prefix}"] = DomainRenamer(names)(link)
        phy = self._phys[prefix]
        for name, member in phy_ports(shape).items():
            inner, outer = getattr(link, name), phy[name.removeprefix("phy_")]
            if name == "phy_up":
                m.d.comb += inner.eq(outer & ~self.failed)
            else:
                m.d.comb += inner.eq(outer) if member.flow == In else outer.eq(inner)
        return link


def _forked(m: Module, given: Mapping[str, Signal], name: str, takers: int) -> list[Mapping[str, Signal]]:
    """A stream of the core for each of its takers."""
    if takers == 1:
        return [given]
    fork = Fork(takers)
    m.submodules[f"{name}_fork"] = fork
    m.d.comb += [fork.valid.eq(given["tvalid"]), given["tready"].eq(fork.ready)]
    found: list[Mapping[str, Signal]] = []
    for number in range(takers):
        valid, ready = Signal(name=f"{name}_{number}_tvalid"), Signal(name=f"{name}_{number}_tready")
        m.d.comb += [valid.eq(fork.valids[number]), fork.readys[number].eq(ready)]
        found.append({**given, "tvalid": valid, "tready": ready})
    return found


def axis_signals(prefix: str, port: Beats) -> dict[str, Signal]:
    """A stream port's signals, named as the port is."""
    widths = {"tdata": port.lane * port.words, "tvalid": 1, "tready": 1, "tlast": 1}
    return {name: Signal(width, name=f"{prefix}_{name}") for name, width in widths.items()}


def _bare(prefix: str, peer: PeerEnd) -> dict[str, Signal]:
    """A core's port for what another device of its layer gives."""
    signals = axis_signals(prefix, peer.port)
    return {name: signal for name, signal in signals.items() if name != "tlast"}


def phy_signals(prefix: str, shape: LinkShape) -> dict[str, Signal]:
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
