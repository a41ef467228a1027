"""All devices of a system and the lines between them, or some of them, as one module to simulate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from amaranth.hdl import Cat, ClockDomain, Const, Elaboratable, Instance, Module, Signal, Value

from rnngen.gateware.control import AXIL_INPUTS
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
        here: Devices in the module; None: all.  What those elsewhere send comes in ports, and leaves in some.
        window: Cycles that it is under way until it comes in, which the line's end here is shorter by.
    """

    devices: tuple[DeviceShape, ...]
    modules: tuple[str, ...]
    lines: tuple[Line, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    one_clock: bool = True
    here: tuple[int, ...] | None = None
    window: int = 0

    @property
    def inside(self) -> tuple[int, ...]:
        """Devices in the module."""
        return tuple(range(len(self.devices))) if self.here is None else self.here

    @property
    def ways(self) -> tuple[Way, ...]:
        """Directions of lines with an end in the module."""
        found = []
        for index, line in enumerate(self.lines):
            left, right = (line.left, line.left_link), (line.right, line.right_link)
            found.append(Way(f"line_{index}", *left, *right, line.latency, 2 * index + 1))
            found.append(Way(f"back_{index}", *right, *left, line.latency, 2 * index + 2))
        return tuple(way for way in found if {way.source, way.target} & set(self.inside))

    def word_bits(self, way: Way) -> int:
        """Of a word."""
        return self.devices[way.source].links[way.source_link].word_bits

    def comes(self, way: Way) -> bool:
        """Whether what is sent comes in ports."""
        return way.source not in self.inside

    def leaves(self, way: Way) -> bool:
        """Whether it leaves in ports."""
        return way.target not in self.inside


@dataclass(frozen=True)
class Way:
    """A direction of a line.

    Attributes:
        source, target: Devices.  source_link, target_link: What the names of their ports begin with.
        latency: Cycles.  seed: Of what happens to its words.
    """

    name: str
    source: int
    source_link: str
    target: int
    target_link: str
    latency: int
    seed: int


SENT = ("data", "start", "valid")
"""What a device sends on a line; of ``Way`` w the ports ``w_tx_data`` .. in a module that has one of its ends."""


CHANNEL_CYCLES = 2
"""Latency of ``rnn_link_channel``, at least."""


def clock_name(index: int) -> str:
    """Port for the clock of a device."""
    return f"aclk_{index}" if index else "aclk"


class BenchTop(Elaboratable):
    """Ports: the host's side of the devices, ``s_axis_*`` and ``m_axis_*``, ``aclk``, ``aresetn``.

    ``up``: all links of all devices are up.  ``failed_K``: device K has failed.  ``hold_K``: keeps device K in reset.
    ``line_K_*`` and ``back_K_*``: faults of line K, from left to right and back (``FAULTS``); ``line_K_tx_*`` and
    ``back_K_tx_*``: what is sent on it, where one end is in another module.
    """

    def __init__(self, shape: BenchShape) -> None:
        self._shape = shape
        count = len(shape.devices)
        self.aclk, self.aresetn, self.up = Signal(name=clock_name(0)), Signal(name="aresetn"), Signal(name="up")
        clocks = [] if shape.one_clock else [Signal(name=clock_name(k)) for k in range(1, count)]
        self._clocks = [self.aclk, *(clocks or [self.aclk] * (count - 1))]
        self._failed = {k: Signal(name=f"failed_{k}") for k in shape.inside}
        self._hold = {k: Signal(name=f"hold_{k}") for k in shape.inside}
        self._faults = {
            way.name: {name: Signal(bits, name=f"{way.name}_{name}") for name, bits in FAULTS.items()}
            for way in shape.ways
            if not shape.leaves(way)
        }
        self._sent = {
            way.name: _words(f"{way.name}_tx", shape.word_bits(way))
            for way in shape.ways
            if shape.leaves(way) or shape.comes(way)
        }
        self._inputs = [index for index in shape.inputs if index in shape.inside]
        self._outputs = [index for index in shape.outputs if index in shape.inside]
        self._source, self._sink = self._streams()
        self._clock_ports = [self.aclk, *clocks]

    def _streams(self) -> tuple[dict[str, Signal], dict[str, Signal]]:
        """The host's side, as far as it is here."""
        devices, source, sink = self._shape.devices, dict[str, Signal](), dict[str, Signal]()
        if self._inputs:
            source = axis_signals("s_axis", devices[self._inputs[0]].takes.port)
        if self._outputs:
            one = _results(devices[self._outputs[0]])
            sink = axis_signals("m_axis", Beats(one.words * len(self._outputs), one.lane))
        return source, sink

    @property
    def ports(self) -> list[Signal]:
        """Top-level ports in order."""
        lines = [signal for line in (*self._faults.values(), *self._sent.values()) for signal in line.values()]
        streams = [*self._source.values(), *self._sink.values()]
        devices = [*self._failed.values(), *self._hold.values()]
        return [*self._clock_ports, self.aresetn, *streams, self.up, *devices, *lines]

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        m.domains.sync = domain = ClockDomain("sync")  # of the host's side
        m.d.comb += [domain.clk.eq(self.aclk), domain.rst.eq(~self.aresetn)]
        ups = {k: Signal(name=f"up_{k}") for k in self._shape.inside}
        m.d.comb += self.up.eq(Cat(ups.values()).all())
        connections: dict[int, dict[str, Value]] = {}
        for index, up in ups.items():
            ports: dict[str, Value] = {
                "i_aclk": self._clocks[index],
                "i_aresetn": self.aresetn & ~self._hold[index],
                "o_up": up,
                "o_failed": self._failed[index],
            }
            connections[index] = ports | {
                f"i_s_axil_{name}": Const(0, width) for name, width in AXIL_INPUTS.items()
            }
        if self._inputs:
            self._from_host(m, connections)
        if self._outputs:
            self._to_host(m, connections)
        for way in self._shape.ways:
            self._way(m, way, connections)
        for index, ports in connections.items():
            m.submodules[f"device_{index}"] = Instance(self._shape.modules[index], **ports)
        return m

    def _from_host(self, m: Module, connections: Mapping[int, dict[str, Value]]) -> None:
        """Its steps to all devices that take them."""
        inputs = self._inputs
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

    def _to_host(self, m: Module, connections: Mapping[int, dict[str, Value]]) -> None:
        """Results of all devices that give some, side by side."""
        outputs = self._outputs
        streams = [axis_signals(f"from_{index}", _results(self._shape.devices[index])) for index in outputs]
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

    def _way(self, m: Module, way: Way, connections: Mapping[int, dict[str, Value]]) -> None:
        """One direction of a line: its end here, and the channel where it ends here."""
        shape, bits = self._shape, self._shape.word_bits(way)
        sent = self._sent.get(way.name) or _words(f"{way.name}_tx", bits)
        if not shape.comes(way):
            prefix, clock = way.source_link, self._clocks[way.source]
            connections[way.source].update({f"o_{prefix}_tx_{name}": sent[name] for name in SENT})
            connections[way.source].update({f"i_{prefix}_tx_ready": Const(1, 1), f"i_{prefix}_tx_clk": clock})
        if shape.leaves(way):
            return
        prefix, clock = way.target_link, self._clocks[way.target]
        taken = _words(f"{way.name}_rx", bits)
        up = Signal(name=f"{way.name}_up")
        connections[way.target].update({f"i_{prefix}_rx_{name}": taken[name] for name in SENT})
        connections[way.target].update({f"i_{prefix}_rx_clk": clock, f"i_{prefix}_up": up})
        m.submodules[way.name] = Instance(
            "rnn_link_channel",
            p_WIDTH=bits,
            i_rst=~self.aresetn,
            i_seed=Const(way.seed, 64),
            i_latency=Const(way.latency - (shape.window if shape.comes(way) else 0), 16),
            **{f"i_{name}": signal for name, signal in self._faults[way.name].items()},
            o_up=up,
            i_tx_clk=clock if shape.comes(way) else self._clocks[way.source],
            **{f"i_tx_{name}": signal for name, signal in sent.items()},
            i_rx_clk=clock,
            **{f"o_rx_{name}": signal for name, signal in taken.items()},
        )


def _results(device: DeviceShape) -> Beats:
    """The host's port of a device that gives results."""
    assert device.results is not None, "results leave there"
    return device.results


def _words(prefix: str, bits: int) -> dict[str, Signal]:
    """A line's signals in one direction (``SENT``)."""
    return {name: Signal(bits if name == "data" else 1, name=f"{prefix}_{name}") for name in SENT}


def _stream(prefix: str, signals: Mapping[str, Signal]) -> dict[str, Value]:
    """A device's connections to a stream port."""
    outward = ("tready",) if prefix == "s_axis" else ("tdata", "tvalid", "tlast")
    return {f"{'o' if name in outward else 'i'}_{prefix}_{name}": signal for name, signal in signals.items()}


def bench_verilog(shape: BenchShape, name: str) -> str:
    """Verilog of the system in simulation, without devices and leaves."""
    top = BenchTop(shape)
    return to_verilog(top, name, top.ports)
