"""Boards, one TOML file each in the folder ``boards``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import Any

from rnngen.errors import PlanError
from rnngen.resources import boards_dir


@dataclass(frozen=True)
class Budget:
    """What a device has for a design.

    ``multipliers`` is how many of the ``dsps`` the multiplier arrays may take and still meet the board's clock.
    """

    multipliers: int
    dsps: int
    block_rams: int
    block_ram_bits: int
    luts: int
    ffs: int


@dataclass(frozen=True)
class Pin:
    """One port of the board's top: its pins, bit 0 first, and the attributes of each."""

    port: str
    sites: tuple[str, ...]
    attributes: str

    @property
    def is_vector(self) -> bool:
        """Whether the port has an index."""
        return len(self.sites) > 1


@dataclass(frozen=True)
class Connector:
    """Pins for a link to another board, in the order in which a link takes them (``rnngen.config.pins``)."""

    name: str
    sites: tuple[str, ...]


@dataclass(frozen=True)
class Board:
    """A board: its device, clock, serial port, budget and pins.

    ``status`` is ``supported`` (the flow ends in a bitstream) or ``experimental``; ``dsp`` is a name of
    ``rnngen.plan.dsp.DSPS``.  ``sends`` and ``takes`` are the attributes of a connector's pins that do.
    """

    name: str
    description: str
    status: str
    family: str
    part: str
    package: str
    speed_grade: int
    dsp: str
    clock_port: str
    clock_input_hz: int
    clock_target_hz: int
    uart_baud: int
    budget: Budget
    pins: tuple[Pin, ...]
    connectors: tuple[Connector, ...]
    sends: str
    takes: str

    def connector(self, name: str) -> Connector:
        """The connector of a name.

        Raises:
            PlanError: if the board has none of this name.
        """
        for connector in self.connectors:
            if connector.name == name:
                return connector
        known = ", ".join(connector.name for connector in self.connectors)
        raise PlanError(f"Board '{self.name}' has the connectors {known}, and not '{name}'.")


def list_boards() -> list[str]:
    """The names that ``load_board`` knows, sorted."""
    return sorted(path.stem for path in boards_dir().glob("*.toml"))


def load_board(name: str) -> Board:
    """The board of this name.

    Raises:
        PlanError: if there is no such board, or its file does not hold what a board needs.
    """
    known = list_boards()
    if name not in known:
        raise PlanError(f"Board must be one of {', '.join(known)}, not {name}.")
    path = boards_dir() / f"{name}.toml"
    try:
        return _from_table(tomllib.loads(path.read_text(encoding="utf-8")))
    except (KeyError, TypeError, tomllib.TOMLDecodeError) as error:
        raise PlanError(f"The board file {path.name} is damaged ({error}): install rnngen again.") from error


def _from_table(table: dict[str, Any]) -> Board:
    device, clock, connectors = table["device"], table["clock"], table["connectors"]
    return Board(
        name=table["name"],
        description=table["description"],
        status=table["status"],
        family=device["family"],
        part=device["part"],
        package=device["package"],
        speed_grade=device["speed_grade"],
        dsp=device["dsp"],
        clock_port=clock["port"],
        clock_input_hz=clock["input_hz"],
        clock_target_hz=clock["target_hz"],
        uart_baud=table["uart"]["baud"],
        budget=Budget(**table["budget"]),
        pins=_pins(table["pins"]),
        connectors=tuple(Connector(name, tuple(sites)) for name, sites in connectors.items() if name != "attributes"),
        **connectors["attributes"],
    )


def _pins(table: dict[str, Any]) -> tuple[Pin, ...]:
    attributes = table["attributes"]
    pins = []
    for port, sites in table.items():
        if port != "attributes":
            listed = (sites,) if isinstance(sites, str) else tuple(sites)
            pins.append(Pin(port, listed, attributes.get(port, attributes["default"])))
    return tuple(pins)
