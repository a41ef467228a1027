"""All devices of a system and the lines between them, as one module to simulate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from amaranth.hdl import Cat, ClockDomain, Const, Elaboratable, Instance, Module, Signal, Value

from rnngen.gateware.control import AXIL_INPUTS
from rnngen.gateware.link.port import phy_ports
from rnngen.gateware.system.device import DeviceShape, axis_signals
from rnngen.gateware.system.fork import Fork
from rnngen.gateware.system.packing import Beats
from rnngen.gateware.verilog import to_verilog

FAULTS = {
    "bit_errors": 32, "start_errors": 32, "bursts": 32, "burst_words": 16, "cut": 1, "down": 1,
}  # fmt: skip
"""Inputs of each direction of a line, and their bits (``rnn_link_channel``)."""


@dataclass(frozen=True)
class Line:
    """What joins two devices, both ways.

    Attributes:
        left, right: Devices.  left_link, right_link: What the names of their ports begin with.
        latency: Cycles of each direction, in the sender's clock.
    """

    left: int
    left_link: str
    right: int
    right_link: str
    latency: int


@dataclass(frozen=True)
class BenchShape:
    """A system in simulation.

    Attributes:
        devices: In the order of the data.  modules: Names of their tops.
        lines: Between them.
        inputs: Devices that the host gives every step.  outputs: Devices whose beats, side by side, are the results.
        one_clock: All devices run from ``aclk``; else each from its own (``clock_name``).
    """

    devices: tuple[DeviceShape, ...]
    modules: tuple[str, ...]
    lines: tuple[Line, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    one_clock: bool = True


def clock_name(index: int) -> str:
    """Port for the clock of a device."""
    return f"aclk_{index}" if index else "aclk"


class BenchTop(Elaboratable):
    """Ports: the host's side of the devices, ``s_axis_*`` and ``m_axis_*``, ``aclk``, ``aresetn``.

    ``up``: all links of all devices are up.  ``failed_K``: device K has failed.  ``hold_K``: keeps device K in reset.
    ``line_K_*`` and ``back_K_*``: faults of line K, from left to right and back (``FAULTS``).
    """

    def __init__(self, shape: BenchShape) -> None:
        self._shape = shape
        count = len(shape.devices)
        self.aclk, self.aresetn, self.up = Signal(name=clock_name(0)), Signal(name="aresetn"), Signal(name="up")
        clocks = [] if shape.one_clock else [Signal(name=clock_name(k)) for k in range(1, count)]
        self._clocks = [self.aclk, *(clocks or [self.aclk] * (count - 1))]
        self._failed = [Signal(name=f"failed_{k}") for k in range(count)]
        self._hold = [Signal(name=f"hold_{k}") for k in range(count)]
        self._faults = [
            {name: Signal(bits, name=f"{way}_{k}_{name}") for name, bits in FAULTS.items()}
            for k in range(len(shape.lines))
            for way in ("line", "back")
        ]
        one = shape.devices[shape.outputs[0]].gives.port
        joined = Beats(one.words * len(shape.outputs), one.lane)
        self._source = axis_signals("s_axis", shape.devices[shape.inputs[0]].takes.port)
        self._sink = axis_signals("m_axis", joined)
        self._clock_ports = [self.aclk, *clocks]

    @property
    def ports(self) -> list[Signal]:
        """Top-level ports in order."""
        faults = [signal for line in self._faults for signal in line.values()]
        streams = [*self._source.values(), *self._sink.values()]
        return [*self._clock_ports, self.aresetn, *streams, self.up, *self._failed, *self._hold, *faults]

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        m.domains.sync = domain = ClockDomain("sync")  # of the host's side
        m.d.comb += [domain.clk.eq(self.aclk), domain.rst.eq(~self.aresetn)]
        ups = [Signal(name=f"up_{k}") for k in range(len(self._shape.devices))]
        m.d.comb += self.up.eq(Cat(ups).all())
        ends = [_LineEnds(index, line, self._shape.devices[line.left]) for index, line in enumerate(self._shape.lines)]
        connections: list[dict[str, Value]] = []
        for index, up in enumerate(ups):
            ports: dict[str, Value] = {
                "i_aclk": self._clocks[index],
                "i_aresetn": self.aresetn & ~self._hold[index],
                "o_up": up,
                "o_failed": self._failed[index],
            }
            connections.append(ports | {f"i_s_axil_{name}": Const(0, width) for name, width in AXIL_INPUTS.items()})
        self._host(m, connections)
        for line, signals in zip(self._shape.lines, ends):
            connections[line.left] |= self._phy(line.left, line.left_link, signals.left)
            connections[line.right] |= self._phy(line.right, line.right_link, signals.right)
        for index, module in enumerate(self._shape.modules):
            m.submodules[f"device_{index}"] = Instance(module, **connections[index])
        for index, (line, signals) in enumerate(zip(self._shape.lines, ends)):
            self._lines(m, index, line, signals)
        return m

    def _host(self, m: Module, connections: Sequence[dict[str, Value]]) -> None:
        """The streams to and from the host."""
        inputs, outputs = self._shape.inputs, self._shape.outputs
        m.submodules.fork = fork = Fork(len(inputs))
        m.d.comb += [fork.valid.eq(self._source["tvalid"]), self._source["tready"].eq(fork.ready)]
        for number, index in enumerate(inputs):
            stream = axis_signals(f"to_{index}", self._shape.devices[index].takes.port)
            m.d.comb += [
                stream["tdata"].eq(self._source["tdata"]),
                stream["tlast"].eq(self._source["tlast"]),
                stream["tvalid"].eq(fork.valids[number]),
                fork.readys[number].eq(stream["tready"]),
            ]
            connections[index].update(_stream("s_axis", stream))
        streams = [axis_signals(f"from_{index}", self._shape.devices[index].gives.port) for index in outputs]
        there = Signal(name="all_there")
        m.d.comb += [
            there.eq(Cat(stream["tvalid"] for stream in streams).all()),
            self._sink["tvalid"].eq(there),
            self._sink["tdata"].eq(Cat(stream["tdata"] for stream in streams)),
            self._sink["tlast"].eq(streams[0]["tlast"]),
        ]
        for index, stream in zip(outputs, streams):
            m.d.comb += stream["tready"].eq(there & self._sink["tready"])
            connections[index].update(_stream("m_axis", stream))

    def _phy(self, index: int, prefix: str, signals: Mapping[str, Signal]) -> dict[str, Value]:
        """A device's connections to a line, both of whose clocks are the device's."""
        clock = self._clocks[index]
        found: dict[str, Value] = {f"i_{prefix}_{way}_clk": clock for way in ("tx", "rx")}
        inward = ("tx_ready", "rx_data", "rx_start", "rx_valid", "up")
        return found | {f"{'i' if name in inward else 'o'}_{prefix}_{name}": signals[name] for name in signals}

    def _lines(self, m: Module, index: int, line: Line, ends: _LineEnds) -> None:
        """Both directions of a line."""
        ways = ((ends.left, ends.right, line.left, line.right), (ends.right, ends.left, line.right, line.left))
        for number, (sends, takes, source, target) in enumerate(ways):
            faults = self._faults[2 * index + number]
            m.submodules[f"{('line', 'back')[number]}_{index}"] = Instance(
                "rnn_link_channel",
                p_WIDTH=ends.bits,
                i_rst=~self.aresetn,
                i_seed=Const(2 * index + number + 1, 64),
                i_latency=Const(line.latency, 16),
                **{f"i_{name}": signal for name, signal in faults.items()},
                o_up=takes["up"],
                i_tx_clk=self._clocks[source],
                i_tx_data=sends["tx_data"],
                i_tx_start=sends["tx_start"],
                i_tx_valid=sends["tx_valid"],
                o_tx_ready=sends["tx_ready"],
                i_rx_clk=self._clocks[target],
                o_rx_data=takes["rx_data"],
                o_rx_start=takes["rx_start"],
                o_rx_valid=takes["rx_valid"],
            )


class _LineEnds:
    """The PHY signals of both ends of a line."""

    def __init__(self, index: int, line: Line, left: DeviceShape) -> None:
        shape = left.links[line.left_link]
        self.bits = shape.word_bits
        self.left, self.right = (
            {
                name.removeprefix("phy_"): Signal(member.shape, name=f"{side}_{index}_{name}")
                for name, member in phy_ports(shape).items()
            }
            for side in ("left", "right")
        )


def _stream(prefix: str, signals: Mapping[str, Signal]) -> dict[str, Value]:
    """A device's connections to a stream port."""
    outward = ("tready",) if prefix == "s_axis" else ("tdata", "tvalid", "tlast")
    return {f"{'o' if name in outward else 'i'}_{prefix}_{name}": signal for name, signal in signals.items()}


def bench_verilog(shape: BenchShape, name: str) -> str:
    """Verilog of the system in simulation, without devices and leaves."""
    top = BenchTop(shape)
    return to_verilog(top, name, top.ports)
