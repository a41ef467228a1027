"""What is known of a board, and of the families of its device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rnngen.config.board_record import BoardRecord, read_record
from rnngen.errors import PlanError

FAMILIES: Mapping[str, tuple[str, ...]] = {
    "ecp5": ("open", "diamond"),
    "ice40": ("open", "radiant"),
    "gowin": ("open", "gowin"),
    "xc7": ("vivado",),
    "xcu": ("vivado",),
    "xcup": ("vivado",),
    "cyclonev": ("quartus",),
    "max10": ("quartus",),
}
"""Families of devices, as Yosys calls them, and the flows that there are for each; ``open`` is Yosys and nextpnr."""

NOT_RUN = "not run"
"""Status of a board without a record."""


@dataclass(frozen=True)
class Budget:
    """What a device has for a design.

    ``multipliers`` is how many of the ``dsps`` the multiplier arrays may take and still meet the board's clock.
    ``single_port_rams`` are the large ones beside the block RAM (iCE40 UP5K: 4 of 262,144 bits), ``ultra_rams`` those
    of UltraScale+ (294,912 bits).
    """

    multipliers: int
    dsps: int
    block_rams: int
    block_ram_bits: int
    luts: int
    ffs: int
    single_port_rams: int = 0
    ultra_rams: int = 0


@dataclass(frozen=True)
class Pin:
    """One port of the board's top: its pins, bit 0 first, and the attributes of each, as (name, value)."""

    port: str
    sites: tuple[str, ...]
    attributes: tuple[tuple[str, str], ...]

    @property
    def is_vector(self) -> bool:
        """Whether the port has an index."""
        return len(self.sites) > 1

    @property
    def bits(self) -> list[tuple[str, str]]:
        """Name in constraints, and pin of the package, of each bit of the port."""
        places = enumerate(self.sites)
        return [(f"{self.port}[{index}]" if self.is_vector else self.port, site) for index, site in places]


@dataclass(frozen=True)
class Connector:
    """Pins for a link to another board, in the order in which a link takes them (``rnngen.config.pins``)."""

    name: str
    sites: tuple[str, ...]


@dataclass(frozen=True)
class ClockInput:
    """Where the clock comes from, and what may be made of it.

    Attributes:
        source: ``"pin"``, ``"internal"`` (an oscillator of the device) or ``"processor"`` (of the processing system).
        port: Of the top, where it comes from a pin; else "".
        port_n: The negative leg of a differential pair; else "".
        input_hz, target_hz: What comes in, and what a design gets unless it asks for another.
        makes_hz: The only clocks that can be made; empty: whatever the family's PLL makes.
    """

    source: str
    port: str
    port_n: str
    input_hz: int
    target_hz: int
    makes_hz: tuple[int, ...]


@dataclass(frozen=True)
class Indicator:
    """A port that is active high or low: the reset button, or the LEDs."""

    port: str
    active_high: bool


@dataclass(frozen=True)
class HostPort:
    """How the host reaches the accelerator.

    Attributes:
        kind: ``"uart"``, ``"axi"`` (a processing system or a bus of the user's) or ``"none"``.
        baud: Of a serial line; else 0.  rx, tx: Its ports: what the FPGA receives, and sends; else "".
        processor: The processing system of an ``axi`` host (``"zynq7"``, ``"zynqmp"``); else "".
    """

    kind: str
    baud: int = 0
    rx: str = ""
    tx: str = ""
    processor: str = ""


@dataclass(frozen=True)
class Board:
    """A board: its device, clock, reset, lights, host, budget and pins.

    Attributes:
        part: Of the device, as its vendor's tool takes it.  package, speed_grade, variant: What ``part`` does not say;
            else "" (``variant``: the die, where a tool wants it beside the part).
        board_part: Vivado's name of the board; else "".
        dsp: A name of ``rnngen.plan.dsp.DSPS``; None: products are left to synthesis.
        flows: Tools that make its bitstream, the first one unless another is asked for.
        flow_options: By flow, options by what takes them.
        note: What one should know before using it; else "".
        load: Command that puts a bitstream into the board, which it calls FILE; else "".
        fixed: Output ports that are held at a level.
        sends, takes: Attributes of a connector's pins that do.
        amaranth: The class of ``amaranth_boards`` whose pins it must have, as module:class; else "".
        file: Where it was read.
    """

    name: str
    description: str
    family: str
    part: str
    package: str
    speed_grade: str
    variant: str
    board_part: str
    dsp: str | None
    budget: Budget
    clock: ClockInput
    reset: Indicator | None
    leds: Indicator | None
    fixed: tuple[tuple[str, int], ...]
    host: HostPort
    pins: tuple[Pin, ...]
    connectors: tuple[Connector, ...]
    sends: tuple[tuple[str, str], ...]
    takes: tuple[tuple[str, str], ...]
    flows: tuple[str, ...]
    flow_options: Mapping[str, Mapping[str, tuple[str, ...]]]
    note: str
    load: str
    amaranth: str
    file: Path = field(compare=False)

    @property
    def clock_port(self) -> str:
        """Port of the clock that comes in."""
        return self.clock.port

    @property
    def clock_input_hz(self) -> int:
        """The clock that comes in."""
        return self.clock.input_hz

    @property
    def clock_target_hz(self) -> int:
        """The clock of a design that asks for none."""
        return self.clock.target_hz

    @property
    def uart_baud(self) -> int:
        """Bits a second of its serial line.

        Raises:
            PlanError: if the host is elsewhere.
        """
        if self.host.kind != "uart":
            raise PlanError(f"Board '{self.name}' has no serial line: its host is '{self.host.kind}'.")
        return self.host.baud

    @property
    def device(self) -> str:
        """Part, speed grade and package, about as an order code has them."""
        return f"{self.part}-{self.speed_grade}{self.package}".removesuffix("-")

    def pin(self, port: str) -> Pin:
        """The pins of a port, which there must be."""
        return next(pin for pin in self.pins if pin.port == port)

    def options(self, flow: str, key: str) -> tuple[str, ...]:
        """Options of a flow for one of its tools."""
        return self.flow_options.get(flow, {}).get(key, ())

    def connector(self, name: str) -> Connector:
        """The connector of a name.

        Raises:
            PlanError: if the board has none of this name.
        """
        for connector in self.connectors:
            if connector.name == name:
                return connector
        known = ", ".join(connector.name for connector in self.connectors)
        has = f"has the connectors {known}, and not '{name}'" if known else f"has no connectors, and so no '{name}'"
        raise PlanError(f"Board '{self.name}' {has}.")

    @property
    def record(self) -> BoardRecord | None:
        """What was done for it with a network; None: nothing.

        Raises:
            PlanError: if the record is damaged.
        """
        return read_record(self.file)

    @property
    def status(self) -> str:
        """What was done for it: one of ``rnngen.config.board_record.STATUSES``, or ``NOT_RUN``."""
        return NOT_RUN if self.record is None else self.record.status
