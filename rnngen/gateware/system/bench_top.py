"""All devices of a system and the lines between them, or some of them, as one module to simulate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from amaranth.hdl import Cat, ClockDomain, Const, DomainRenamer, Elaboratable, Instance, Module, Signal, Value

from rnngen.gateware.control import AXIL_INPUTS
from rnngen.gateware.system.chip import outer_name
from rnngen.gateware.system.device import DeviceShape, axis_signals
from rnngen.gateware.system.fork import Fork
from rnngen.gateware.system.packing import Beats
from rnngen.gateware.system.rate import Rate
from rnngen.gateware.verilog import to_verilog

FAULTS = {
    "bit_errors": 32, "start_errors": 32, "bursts": 32, "burst_words": 16, "cut": 1, "down": 1,
}  # fmt: skip
"""Inputs of each direction of a line, and their bits (``rnn_link_channel``)."""


def device_instance(index: int) -> str:
    """Name of a device in the bench, where it has one core."""
    return f"device_{index}"


@dataclass(frozen=True)
class LineClock:
    """A line's own clock (``line_clock_name``).

    Attributes:
        ticks: Of a cycle.
        heard: Whether words come in it at the right end, and at the left one; where not, in the clock of the device
            there, which is slower.
    """

    ticks: int
    heard: tuple[bool, bool]


@dataclass(frozen=True)
class Line:
    """What joins two devices, both ways.

    Attributes:
        left, right: Devices.  left_link, right_link: What the names of their ports begin with.
        latency: Cycles of each direction, in the sender's clock or the line's own.
        rate: Words that a PHY takes in so many cycles.
        clock: Of the line's own; None: of the sender.
        inside: Whether it joins two cores of one device, whose top has it.
    """

    left: int
    left_link: str
    right: int
    right_link: str
    latency: int
    rate: tuple[int, int] = (1, 1)
    clock: LineClock | None = None
    inside: bool = False


@dataclass(frozen=True)
class Chip:
    """A device with several cores.

    Attributes:
        module: Name of its top.  cores: These, as the system counts its devices, in the order of the top.
    """

    module: str
    cores: tuple[int, ...]


@dataclass(frozen=True)
class BenchShape:
    """A system in simulation.

    Attributes:
        devices: In the order of the data.  modules: Names of their tops.
        lines: Between them.
        inputs: Devices that the host gives every step.  outputs: Devices whose beats, side by side, are the results.
        one_clock: All devices run from ``aclk``; else each from its own (``clock_name``).
        chips: Devices with several cores, each of which counts as a device, but they are reset together.
        here: Devices in the module; None: all.  What those elsewhere send comes in ports, and leaves in some; all that
            a line takes longer than ``CHANNEL_CYCLES`` has passed until it comes in.
    """

    devices: tuple[DeviceShape, ...]
    modules: tuple[str, ...]
    lines: tuple[Line, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    one_clock: bool = True
    chips: tuple[Chip, ...] = ()
    here: tuple[int, ...] | None = None

    @property
    def inside(self) -> tuple[int, ...]:
        """Devices in the module."""
        return tuple(range(len(self.devices))) if self.here is None else self.here

    @property
    def ways(self) -> tuple[Way, ...]:
        """Directions of lines with an end in the module."""
        found = [way for index, line in enumerate(self.lines) if not line.inside for way in self._both(index)]
        return tuple(way for way in found if {way.source, way.target} & set(self.inside))

    def _both(self, index: int) -> Iterator[Way]:
        """Directions of a line."""
        line = self.lines[index]
        left, right = (line.left, line.left_link), (line.right, line.right_link)
        for number, (name, source, target) in enumerate((("line", left, right), ("back", right, left))):
            sends, hears = (self.device_clock(place) for place, _ in (source, target))
            if line.clock is not None:
                sends = line_clock_name(index)
                hears = sends if line.clock.heard[number] else hears
            seed = 2 * index + 1 + number
            yield Way(f"{name}_{index}", *source, *target, line.latency, seed, line.rate, sends, hears)

    def word_bits(self, way: Way) -> int:
        """Of a word."""
        return self.devices[way.source].links[way.source_link].word_bits

    def comes(self, way: Way) -> bool:
        """Whether what is sent comes in ports."""
        return way.source not in self.inside

    def leaves(self, way: Way) -> bool:
        """Whether it leaves in ports."""
        return way.target not in self.inside

    def faults(self, way: Way) -> Mapping[str, int]:
        """Inputs that spoil its words, and their bits."""
        return FAULTS | {LOST: 1} if self.comes(way) else FAULTS

    def device_clock(self, index: int) -> str:
        """Port of a device's clock."""
        return clock_name(0 if self.one_clock else index)

    @property
    def clocks(self) -> tuple[str, ...]:
        """Ports of all clocks."""
        devices = [self.device_clock(index) for index in range(len(self.devices))]
        return tuple(dict.fromkeys([*devices, *(way.clock for way in self.ways)]))


@dataclass(frozen=True)
class Way:
    """A direction of a line.

    Attributes:
        source, target: Devices.  source_link, target_link: What the names of their ports begin with.
        latency: Cycles.  seed: Of what happens to its words.  rate: Words taken in so many cycles.
        clock, heard: Ports of the clocks in which words are sent, and come.
    """

    name: str
    source: int
    source_link: str
    target: int
    target_link: str
    latency: int
    seed: int
    rate: tuple[int, int]
    clock: str
    heard: str


SENT = ("data", "start", "valid")
"""What a device sends on a line; of ``Way`` w the ports ``w_tx_data`` .. in a module that has one of its ends."""


LOST = "lost"
"""Beside ``FAULTS``, of what comes in ports, which is late: words are lost that were sent while the line was down."""


CHANNEL_CYCLES = 2
"""Latency of ``rnn_link_channel``, at least."""


def clock_name(index: int) -> str:
    """Port for the clock of a device."""
    return f"aclk_{index}" if index else "aclk"


def line_clock_name(index: int) -> str:
    """Port for the clock of a line that has one."""
    return f"line_{index}_clk"


class BenchTop(Elaboratable):
    """Ports: the host's side of the devices, ``s_axis_*`` and ``m_axis_*``, ``aclk``, ``aresetn``.

    ``up``: all links of all devices are up.  ``failed_K``: device K has failed.  ``hold_K``: keeps device K in reset.
    ``line_K_*`` and ``back_K_*``: faults of line K, from left to right and back (``FAULTS``); ``line_K_tx_*`` and
    ``back_K_tx_*``: what is sent on it, where one end is in another module.
    """

    def __init__(self, shape: BenchShape) -> None:
        self._shape = shape
        self._clocks = {name: Signal(name=name) for name in shape.clocks}
        self.aclk, self.aresetn, self.up = self._clocks[clock_name(0)], Signal(name="aresetn"), Signal(name="up")
        self._failed = {k: Signal(name=f"failed_{k}") for k in shape.inside}
        self._hold = {k: Signal(name=f"hold_{k}") for k in shape.inside}
        self._faults = {
            way.name: {name: Signal(bits, name=f"{way.name}_{name}") for name, bits in shape.faults(way).items()}
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
        return [*self._clocks.values(), self.aresetn, *streams, self.up, *devices, *lines]

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
                "i_aclk": self._clocks[self._shape.device_clock(index)],
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
        for chip in self._shape.chips:
            self._chip(m, chip, connections)
        for index, ports in connections.items():
            m.submodules[device_instance(index)] = Instance(self._shape.modules[index], **ports)
        return m

    def _chip(self, m: Module, chip: Chip, connections: dict[int, dict[str, Value]]) -> None:
        """A device with several cores in their place: what it says of its links is said of each."""
        up, failed, own = Signal(name=f"{chip.module}_up"), Signal(name=f"{chip.module}_failed"), chip.cores[0]
        held = Cat(self._hold[index] for index in chip.cores).any()
        ports: dict[str, Value] = {"i_aclk": connections[own]["i_aclk"], "i_aresetn": self.aresetn & ~held}
        for number, index in enumerate(chip.cores):
            core = connections.pop(index)
            m.d.comb += [core.pop("o_up").eq(up), core.pop("o_failed").eq(failed)]
            del core["i_aclk"], core["i_aresetn"]
            for name, value in core.items():
                direction, port = name.split("_", 1)
                ports[f"{direction}_{outer_name(number, port)}"] = value
        m.submodules[f"device_{own}"] = Instance(chip.module, **ports, o_up=up, o_failed=failed)

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
            connections[way.source].update(self._sender(m, way, sent))
        if shape.leaves(way):
            return
        prefix, clock = way.target_link, self._clocks[way.heard]
        taken = _words(f"{way.name}_rx", bits)
        up = Signal(name=f"{way.name}_up")
        connections[way.target].update({f"i_{prefix}_rx_{name}": taken[name] for name in SENT})
        connections[way.target].update({f"i_{prefix}_rx_clk": clock, f"i_{prefix}_up": up})
        faults, late = self._faults[way.name], shape.comes(way)
        m.d.comb += up.eq(~faults["down"])
        m.submodules[way.name] = Instance(
            "rnn_link_channel",
            p_WIDTH=bits,
            i_rst=~self.aresetn,
            i_seed=Const(way.seed, 64),
            i_latency=Const(CHANNEL_CYCLES if late else way.latency, 16),
            **{f"i_{name}": faults[LOST if late and name == "down" else name] for name in FAULTS},
            i_tx_clk=self._clocks[way.clock],
            **{f"i_tx_{name}": signal for name, signal in sent.items()},
            i_rx_clk=clock,
            **{f"o_rx_{name}": signal for name, signal in taken.items()},
        )

    def _sender(self, m: Module, way: Way, sent: Mapping[str, Signal]) -> dict[str, Value]:
        """A device's connections to what it sends on; words that wait for the PHY are not sent yet."""
        prefix, clock = way.source_link, self._clocks[way.clock]
        given, ready = sent, Const(1, 1)
        if way.rate != (1, 1):
            given = _words(f"{way.name}_given", self._shape.word_bits(way))
            m.domains += (domain := ClockDomain(f"{way.name}_sends"))
            m.submodules[f"{way.name}_rate"] = rate = DomainRenamer(domain.name)(Rate(*way.rate))
            ready = rate.ready
            m.d.comb += [domain.clk.eq(clock), domain.rst.eq(~self.aresetn), rate.valid.eq(given["valid"])]
            m.d.comb += [sent[name].eq(given[name] & ready if name == "valid" else given[name]) for name in SENT]
        ports = {f"o_{prefix}_tx_{name}": given[name] for name in SENT}
        return {**ports, f"i_{prefix}_tx_ready": ready, f"i_{prefix}_tx_clk": clock}


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
