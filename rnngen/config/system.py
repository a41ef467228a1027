"""A system of devices and links: what it is made of, checked when it is made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from math import lcm

from rnngen.config.board import load_board
from rnngen.config.link import LinkShape
from rnngen.config.pins import LinkPins
from rnngen.errors import PlanError

CLOCK_HZ = range(1_000, 10_000_000_001)
MOST_LATENCY = 1_000_000
MOST_DEVICES = 64
INSIDE_CYCLES = 2
"""Latency of a link between two cores of one device: registers, without a PHY."""


@dataclass(frozen=True)
class Device:
    """A device and what a design may use of it.

    Attributes:
        multipliers: Of the multiplier arrays: products a cycle; where DSP blocks are counted, those of the arrays.
        dsps: DSP blocks, element-wise paths included; None: not counted.
        memory_bits: On chip; None: not counted.
        luts: For the record: no plan counts LUTs, but what is generated for a board is counted.
        dsp: Name of its DSP block, which may give two products.  pipeline: Name of a depth; None: what the clock needs.
        board: Name of its board; None: a device by its budgets alone.
        on: Name of the device of which it is a further core, with a share of its budgets; None: a device of its own.
    """

    name: str
    clock_hz: int
    multipliers: int
    dsps: int | None = None
    memory_bits: int | None = None
    luts: int | None = None
    dsp: str | None = None
    pipeline: str | None = None
    board: str | None = None
    on: str | None = None

    def __post_init__(self) -> None:
        if not self.name.isidentifier() or not self.name.isascii():
            raise PlanError(
                f"A device's name becomes that of its folder and of a Verilog module, so it must begin with a letter "
                f"and hold letters, digits and _ only, not '{self.name}'."
            )
        if self.clock_hz not in CLOCK_HZ:
            raise PlanError(
                f"Device '{self.name}': its clock must be within 0.001..10000 MHz, not {self.clock_hz / 1e6:g}."
            )
        for what in ("multipliers", "dsps", "memory_bits", "luts"):
            value = getattr(self, what)
            if value is not None and value < 1:
                raise PlanError(f"Device '{self.name}': {what} must be at least 1, not {value}.")


@dataclass(frozen=True)
class Link:
    """A link from one device to another, or both ways.

    Attributes:
        word_bits: Bits of a word of the PHY.
        latency_cycles: Of the PHY, a word given to the same word delivered, in the sender's clock.
        rate: Words a cycle of the sender's clock, where the link has no clock of its own.
        clock_hz: Of the link, with a word in each cycle; None: the sender's.
        both: Whether the same link goes the other way, too.
        pins: Of the boards at both ends, which say rate and latency (``over_pins``); None: a link by its figures alone.
    """

    source: str
    target: str
    word_bits: int
    latency_cycles: int
    rate: Fraction = Fraction(1)
    clock_hz: int | None = None
    both: bool = True
    pins: LinkPins | None = None

    def __post_init__(self) -> None:
        name = self.name
        if self.source == self.target:
            raise PlanError(f"{name} leads from a device to itself; take it out.")
        LinkShape(self.word_bits)  # raises if the link layer has no such words
        if not 0 <= self.latency_cycles <= MOST_LATENCY:
            raise PlanError(f"{name}: latency_cycles must be within 0..{MOST_LATENCY:,}, not {self.latency_cycles}.")
        if not 0 < self.rate <= 1:
            raise PlanError(f"{name}: rate must be above 0 and at most 1 word a cycle, not {float(self.rate):g}.")
        if self.clock_hz is not None and self.rate != 1:
            raise PlanError(f"{name} has a clock of its own and a rate of the sender's; give one of them.")
        if self.clock_hz is not None and self.clock_hz not in CLOCK_HZ:
            raise PlanError(f"{name}: its clock must be within 0.001..10000 MHz, not {self.clock_hz / 1e6:g}.")
        if self.pins is not None:
            self.pins.check(name, self.word_bits)
            if (self.rate.denominator, self.latency_cycles) != (
                self.pins.beats(self.word_bits), self.pins.latency(self.word_bits)
            ):  # fmt: skip
                raise PlanError(f"{name} goes over pins, which say its rate and latency; make it with over_pins.")

    @property
    def name(self) -> str:
        """For messages."""
        return f"The link from '{self.source}' to '{self.target}'"

    @property
    def ends(self) -> tuple[str, str]:
        """Sender and receiver."""
        return self.source, self.target

    @property
    def wires(self) -> tuple[Link, ...]:
        """The link as one of one direction for each of its directions."""
        one = replace(self, both=False)
        pins = self.pins.turned if self.pins is not None else None
        other = replace(one, source=self.target, target=self.source, pins=pins)
        return (one, other) if self.both else (one,)


@dataclass(frozen=True)
class Host:
    """Which device takes the input, and which gives the results; None: the first and the last of those in use."""

    input: str | None = None
    output: str | None = None


@dataclass(frozen=True)
class System:
    """Devices, the links between them, and where the host is."""

    devices: tuple[Device, ...]
    links: tuple[Link, ...] = ()
    host: Host = field(default_factory=Host)

    def __post_init__(self) -> None:
        if not 1 <= len(self.devices) <= MOST_DEVICES:
            raise PlanError(f"A system must have 1..{MOST_DEVICES} devices, not {len(self.devices)}.")
        names = [device.name for device in self.devices]
        for name in names:
            if [other.lower() for other in names].count(name.lower()) > 1:
                raise PlanError(f"Two devices are called '{name}', upper and lower case aside; rename one of them.")
        for link in self.links:
            for end in link.ends:
                _check_known(end, names, f"The link from '{link.source}' to '{link.target}' names")
        for what, place in (("input", self.host.input), ("output", self.host.output)):
            if place is not None:
                _check_known(place, names, f"The host's {what} names")
        self._check_cores(names)
        self._check_inside()
        self._check_wires()
        self._check_reach()
        self._check_pins()

    def _check_cores(self, names: Sequence[str]) -> None:
        """A further core is of a device that is there, and runs in its clock."""
        for core in self.devices:
            if core.on is None:
                continue
            _check_known(core.on, names, f"Core '{core.name}' is on")
            device = self.device(core.on)
            if device.on is not None:
                raise PlanError(f"Core '{core.name}' is on '{core.on}', itself a core of '{device.on}'; name that one.")
            if device.clock_hz != core.clock_hz:
                raise PlanError(
                    f"Core '{core.name}' has a clock of {core.clock_hz / 1e6:g} MHz and its device '{core.on}' one of "
                    f"{device.clock_hz / 1e6:g} MHz; give both the same."
                )

    def _check_inside(self) -> None:
        for link in self.links:
            if not self.is_inside(*link.ends):
                continue
            if link != Link(*link.ends, link.word_bits, INSIDE_CYCLES):
                raise PlanError(
                    f"{link.name} is inside a device, where it takes {INSIDE_CYCLES} cycles both ways; describe it so."
                )

    def _check_wires(self) -> None:
        found: set[tuple[str, str]] = set()
        for wire in self.wires:
            if wire.ends in found:
                raise PlanError(
                    f"There are two links from '{wire.source}' to '{wire.target}'; give one, as wide as both."
                )
            found.add(wire.ends)

    def _check_reach(self) -> None:
        """Every device hangs together with the others, and results can come from where the input enters."""
        joined = _reached(self.devices[0].name, [*self.wires, *_turned(self.wires)])
        for device in self.devices:
            if device.name not in joined:
                raise PlanError(
                    f"No links join device '{device.name}' to '{self.devices[0].name}'; add a link, or leave the "
                    f"device out."
                )
        begin, end = self.host.input, self.host.output
        if begin is not None and end is not None and end not in _reached(begin, self.wires):
            raise PlanError(
                f"No links lead from '{begin}', where the input enters, to '{end}', where results leave; add a link, "
                f"or choose other devices for the host."
            )

    def _check_pins(self) -> None:
        """Links over pins end at boards, each at a connector that has room, and that only its way back takes, too."""
        taken: dict[tuple[str, str], Link] = {}
        for link in self.links:
            if link.pins is None:
                continue
            for place, end in zip(link.ends, (link.pins.source, link.pins.target)):
                _check_connector(link, self.device(place), end.connector)
                other = taken.setdefault((place, end.connector), link)
                if other is not link and (other.ends[::-1], other.pins) != (link.ends, link.pins.turned):
                    raise PlanError(
                        f"{link.name} and that from '{other.source}' to '{other.target}' both take connector "
                        f"'{end.connector}' of '{place}'; give one of them another."
                    )
            slow, fast = sorted((self.device(end) for end in link.ends), key=lambda device: device.clock_hz)
            if fast.clock_hz * link.rate > slow.clock_hz:
                raise PlanError(
                    f"{link.name} brings '{slow.name}' {float(fast.clock_hz * link.rate) / 1e6:g} million words a "
                    f"second, more than it has cycles ({slow.clock_hz / 1e6:g} MHz); give fewer data_pins."
                )

    @cached_property
    def wires(self) -> tuple[Link, ...]:
        """Every link of one direction."""
        return tuple(wire for link in self.links for wire in link.wires)

    def device(self, name: str) -> Device:
        """The device of a name."""
        return self._devices[name]

    @cached_property
    def _devices(self) -> dict[str, Device]:
        return {device.name: device for device in self.devices}

    def chip(self, name: str) -> str:
        """The device that a device is, or is a core of."""
        return self.device(name).on or name

    def is_inside(self, source: str, target: str) -> bool:
        """Whether both are cores of one device."""
        return self.chip(source) == self.chip(target)

    def wire(self, source: str, target: str) -> Link | None:
        """The link from one device to another; None if there is none."""
        return self._wires.get((source, target))

    def is_both(self, wire: Link) -> bool:
        """Whether the link of a wire goes the other way, too, or one over the same pins does."""
        back = self.wire(wire.target, wire.source)
        if back is None:
            return False
        turned = wire.pins is not None and back.pins == wire.pins.turned
        return turned or any(link.both for link in self.links if wire in link.wires)

    @cached_property
    def _wires(self) -> dict[tuple[str, str], Link]:
        return {wire.ends: wire for wire in self.wires}

    @cached_property
    def ticks_hz(self) -> int:
        """Ticks a second, of which every cycle and the time of every word is a whole number."""
        clocks = [device.clock_hz for device in self.devices]
        clocks += [link.clock_hz for link in self.links if link.clock_hz is not None]
        return lcm(*clocks) * lcm(*(link.rate.numerator for link in self.links))

    def cycle_ticks(self, device: str) -> int:
        """Ticks of a device's cycle."""
        return self.ticks_hz // self.device(device).clock_hz

    def word_ticks(self, wire: Link) -> int:
        """Ticks a word of a link of one direction, whichever of sender, link and receiver is the slowest."""
        sender, receiver = (self.cycle_ticks(end) for end in wire.ends)
        if wire.clock_hz is not None:
            return max(sender, self.ticks_hz // wire.clock_hz, receiver)
        return max(sender * wire.rate.denominator // wire.rate.numerator, receiver)


def chain(devices: Iterable[Device], link: Link, host: Host | None = None) -> System:
    """Devices in a row, each joined to the next one by a link like this one, whose own ends do not count."""
    row = tuple(devices)
    return System(row, tuple(_between(link, one, other) for one, other in zip(row, row[1:])), host or Host())


def ring(devices: Iterable[Device], link: Link, host: Host | None = None) -> System:
    """``chain``, and the last device joined to the first one."""
    row = tuple(devices)
    if len(row) < 3:
        raise PlanError(f"A ring needs at least 3 devices, not {len(row)}; make it a chain.")
    pairs = zip(row, (*row[1:], row[0]))
    return System(row, tuple(_between(link, one, other) for one, other in pairs), host or Host())


def _between(link: Link, one: Device, other: Device) -> Link:
    return replace(link, source=one.name, target=other.name)


def over_pins(source: str, target: str, word_bits: int, pins: LinkPins, both: bool = True) -> Link:
    """A link over pins of boards, with the rate and the latency that follow from them.

    Raises:
        PlanError: if the words cannot go over as many pins.
    """
    pins.check(f"The link from '{source}' to '{target}'", word_bits)
    rate = Fraction(1, pins.beats(word_bits))
    return Link(source, target, word_bits, pins.latency(word_bits), rate, None, both, pins)


def _check_connector(link: Link, device: Device, name: str) -> None:
    """A device's board has the connector, with room for the link."""
    assert link.pins is not None
    if device.board is None:
        raise PlanError(f"{link.name} goes over pins, and '{device.name}' has no board that says which; give it one.")
    have, need = len(load_board(device.board).connector(name).sites), 2 * link.pins.each_way
    if need > have:
        raise PlanError(
            f"{link.name} needs {need} pins for {link.pins.data} of data each way, and connector '{name}' of "
            f"'{device.name}' has {have}; give fewer data_pins."
        )


def _check_known(name: str, names: Sequence[str], where: str) -> None:
    if name not in names:
        raise PlanError(f"{where} '{name}', but the devices are {', '.join(names)}.")


def _turned(wires: Iterable[Link]) -> list[Link]:
    return [Link(wire.target, wire.source, wire.word_bits, wire.latency_cycles) for wire in wires]


def _reached(start: str, wires: Sequence[Link]) -> set[str]:
    """Devices that links lead to, the start included."""
    found, new = {start}, [start]
    while new:
        here = new.pop()
        ahead = [wire.target for wire in wires if wire.source == here and wire.target not in found]
        found.update(ahead)
        new += ahead
    return found
