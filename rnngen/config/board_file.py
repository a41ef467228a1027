"""Reads a board file; every mistake is told in one sentence that names the file, the table and the key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rnngen.config.board_data import FAMILIES, Board, Budget, ClockInput, Connector, HostPort, Indicator, Pin
from rnngen.errors import PlanError

SOURCES = ("pin", "internal", "processor")
HOSTS = ("uart", "axi", "none")
PROCESSORS = ("zynq7", "zynqmp")
LEVELS = ("high", "low")
LINK_FAMILIES = ("ecp5",)
"""Whose registers at the pins ``rnngen.gateware.board_link`` knows."""
_TABLES = ("device", "clock", "reset", "leds", "fixed", "host", "budget", "flow", "pins", "connectors")
_BUDGETS = ("multipliers", "dsps", "block_rams", "block_ram_bits", "luts", "ffs")
_BUDGETS_MORE = ("single_port_rams", "ultra_rams")
_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "open": ("synth", "place", "pack"),
    "vivado": ("design",),
    "quartus": ("assignments",),
    "gowin": ("options",),
}
"""What a board may say to a flow; the others take nothing."""
_PORT = re.compile(r"[a-z][a-z0-9_]*")
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
_BEGUN_BY_LINKS = ("in_", "out_")
Attributes = tuple[tuple[str, str], ...]


class _Table:
    """A table of the file, which is asked for keys; those that it was not asked for are unknown."""

    def __init__(self, file: str, name: str, items: object) -> None:
        self._file, self._name = file, name
        if not isinstance(items, dict):
            raise self.wrong(f"must be a table, not {items!r}")
        self._items: dict[str, Any] = items

    @property
    def keys(self) -> tuple[str, ...]:
        """All that it has, in order."""
        return tuple(self._items)

    def wrong(self, what: str) -> PlanError:
        """The error to raise."""
        where = f": [{self._name}]" if self._name else ""
        return PlanError(f"Board file '{self._file}'{where} {what}.")

    def known(self, *keys: str) -> None:
        """Refuses all other keys."""
        for key in self._items:
            if key not in keys:
                raise self.wrong(f"has the unknown key '{key}'; known are {', '.join(keys) or 'none'}")

    def table(self, key: str) -> _Table:
        """A table inside; an empty one where it is absent."""
        return _Table(self._file, f"{self._name}.{key}" if self._name else key, self._items.get(key, {}))

    def has(self, key: str) -> bool:
        """Whether the key is there."""
        return key in self._items

    def get(self, key: str) -> Any:
        """A value that must be there."""
        if key not in self._items:
            raise self.wrong(f"has no key '{key}'; give it")
        return self._items[key]

    def text(self, key: str, default: str | None = None) -> str:
        """A text, not empty; ``default`` where it may be absent."""
        if default is not None and key not in self._items:
            return default
        value = self.get(key)
        if not isinstance(value, str) or not value:
            raise self.wrong(f"needs a text for '{key}', not {value!r}")
        return value

    def choice(self, key: str, choices: tuple[str, ...], default: str | None = None) -> str:
        """One of some texts."""
        value = self.text(key, default)
        if value not in choices:
            raise self.wrong(f"needs one of {', '.join(choices)} for '{key}', not '{value}'")
        return value

    def number(self, key: str, least: int, default: int | None = None) -> int:
        """A whole number of at least ``least``."""
        if default is not None and key not in self._items:
            return default
        value = self.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self.wrong(f"needs a whole number of at least {least} for '{key}', not {value!r}")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A text, or a list of them that is not empty."""
        value = self.get(key)
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not listed or not all(isinstance(each, str) and each for each in listed):
            raise self.wrong(f"needs a text or a list of texts for '{key}', not {value!r}")
        return tuple(listed)

    def numbers(self, key: str) -> tuple[int, ...]:
        """A list of positive whole numbers, which may be absent."""
        value = self._items.get(key, [])
        if not isinstance(value, list) or not all(type(each) is int and each > 0 for each in value):
            raise self.wrong(f"needs a list of positive whole numbers for '{key}', not {value!r}")
        return tuple(value)

    def attributes(self, key: str) -> Attributes:
        """Names and values, such as { IO_TYPE = "LVCMOS33", DRIVE = 4 }."""
        value = self.get(key)
        plain = isinstance(value, dict) and all(type(each) in (str, int) for each in value.values())
        if not plain:
            raise self.wrong(f"needs a table of texts and numbers for '{key}', not {value!r}")
        return tuple((name, str(each)) for name, each in value.items())


def read_board_file(path: Path) -> Board:
    """The board of a file.

    Raises:
        PlanError: if there is none, or it does not hold what a board needs.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise PlanError(f"Board file '{path}' cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise PlanError(f"Board file '{path.name}' is no text in UTF-8; save it as that.") from error
    return read_board_text(text, path)


def read_board_text(text: str, path: Path) -> Board:
    """The board of a file's text.

    Raises:
        PlanError: if it does not hold what a board needs.
    """
    try:
        items = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PlanError(f"Board file '{path.name}' is no TOML: {str(error)[:1].lower()}{str(error)[1:]}.") from error
    top = _Table(path.name, "", items)
    top.known("name", "description", "note", "amaranth", *_TABLES)
    name = top.text("name")
    if name != path.stem or not _NAME.fullmatch(name):
        raise top.wrong(
            f"needs the file's name without .toml, of small letters, digits, '-', '_' and '.', for 'name', not '{name}'"
        )
    for table in ("device", "clock", "budget", "host", "flow"):
        top.get(table)
    board = _board(top, name, path)
    if board.connectors and board.family not in LINK_FAMILIES:
        families = ", ".join(LINK_FAMILIES)
        raise top.wrong(f"has 'connectors', but links over pins are made for {families} alone; leave them away")
    _check_ports(top, board)
    _check_sites(top, board)
    return board


def _board(top: _Table, name: str, path: Path) -> Board:
    device = top.table("device")
    device.known("family", "part", "package", "speed_grade", "variant", "board_part", "dsp")
    family = device.choice("family", tuple(FAMILIES))
    flows, options, load = _flow(top.table("flow"), family)
    pins = _pins(top.table("pins"))
    connectors, sends, takes = _connectors(top.table("connectors"))
    return Board(
        name=name,
        description=top.text("description"),
        family=family,
        part=device.text("part"),
        package=device.text("package", ""),
        speed_grade=_text_or_number(device, "speed_grade"),
        variant=device.text("variant", ""),
        board_part=device.text("board_part", ""),
        dsp=device.text("dsp") if device.has("dsp") else None,
        budget=_budget(top.table("budget")),
        clock=_clock(top.table("clock")),
        reset=_indicator(top.table("reset")) if top.has("reset") else None,
        leds=_indicator(top.table("leds")) if top.has("leds") else None,
        fixed=_fixed(top.table("fixed")),
        host=_host(top.table("host")),
        pins=pins,
        connectors=connectors,
        sends=sends,
        takes=takes,
        flows=flows,
        flow_options=options,
        note=top.text("note", ""),
        load=load,
        amaranth=top.text("amaranth", ""),
        file=path,
    )


def _text_or_number(table: _Table, key: str) -> str:
    if not table.has(key):
        return ""
    value = table.get(key)
    return str(value) if type(value) is int else table.text(key)


def _budget(table: _Table) -> Budget:
    table.known(*_BUDGETS, *_BUDGETS_MORE)
    given = {key: table.number(key, 0) for key in _BUDGETS}
    budget = Budget(**given, **{key: table.number(key, 0, 0) for key in _BUDGETS_MORE})
    if budget.multipliers < 1:
        raise table.wrong(f"needs at least 1 for 'multipliers', not {budget.multipliers}")
    return budget


def _clock(table: _Table) -> ClockInput:
    table.known("source", "port", "port_n", "input_hz", "target_hz", "makes_hz")
    source = table.choice("source", SOURCES, "pin")
    if source != "pin" and table.has("port"):
        raise table.wrong(f"has a clock from elsewhere (source = \"{source}\"), so leave 'port' away")
    clock = ClockInput(
        source,
        table.text("port") if source == "pin" else "",
        table.text("port_n", ""),
        table.number("input_hz", 1),
        table.number("target_hz", 1),
        table.numbers("makes_hz"),
    )
    if clock.makes_hz and clock.target_hz not in clock.makes_hz:
        raise table.wrong(f"needs one of 'makes_hz' for 'target_hz', not {clock.target_hz}")
    return clock


def _indicator(table: _Table) -> Indicator:
    table.known("port", "active")
    return Indicator(table.text("port"), table.choice("active", LEVELS, "high") == "high")


def _fixed(table: _Table) -> tuple[tuple[str, int], ...]:
    return tuple((port, int(table.choice(port, LEVELS) == "high")) for port in table.keys)


def _host(table: _Table) -> HostPort:
    kind = table.choice("kind", HOSTS)
    if kind == "uart":
        table.known("kind", "baud", "rx", "tx")
        return HostPort(kind, table.number("baud", 1), table.text("rx"), table.text("tx"))
    if kind == "axi":
        table.known("kind", "processor")
        has = table.has("processor")
        return HostPort(kind, processor=table.choice("processor", PROCESSORS) if has else "")
    table.known("kind")
    return HostPort(kind)


def _flow(table: _Table, family: str) -> tuple[tuple[str, ...], dict[str, dict[str, tuple[str, ...]]], str]:
    """Flows, their options, and the command that loads a bitstream."""
    flows = table.texts("use")
    for flow in flows:
        if flow not in FAMILIES[family]:
            has = ", ".join(FAMILIES[family])
            raise table.wrong(f"needs flows that {family} has for 'use', of {has}, not '{flow}'")
    table.known("use", "load", *flows)
    options = {}
    for flow in flows:
        inner = table.table(flow)
        inner.known(*_OPTIONS.get(flow, ()))
        options[flow] = {key: inner.texts(key) for key in inner.keys}
    return flows, options, table.text("load", "")


def _pins(table: _Table) -> tuple[Pin, ...]:
    ports = [port for port in table.keys if port != "attributes"]
    if not ports:
        return ()
    attributes = table.table("attributes")
    attributes.known("default", *ports)
    default = attributes.attributes("default")
    found = []
    for port in ports:
        if not _PORT.fullmatch(port) or port.startswith(_BEGUN_BY_LINKS):
            raise table.wrong(
                f"needs ports of small letters, digits and '_' that do not begin as a link's, in_ or out_, not '{port}'"
            )
        own = attributes.attributes(port) if attributes.has(port) else default
        found.append(Pin(port, table.texts(port), own))
    return tuple(found)


def _connectors(table: _Table) -> tuple[tuple[Connector, ...], Attributes, Attributes]:
    """Connectors, and the attributes of what they send and take."""
    found = tuple(Connector(name, table.texts(name)) for name in table.keys if name != "attributes")
    if not found:
        return (), (), ()
    attributes = table.table("attributes")
    attributes.known("sends", "takes")
    return found, attributes.attributes("sends"), attributes.attributes("takes")


def _roles(board: Board) -> Iterator[tuple[str, str, bool]]:
    """(table, port, whether it has one pin alone) of each port that something uses."""
    for table, port, single in (
        ("clock", board.clock.port, True),
        ("clock", board.clock.port_n, True),
        ("reset", board.reset.port if board.reset else "", True),
        ("leds", board.leds.port if board.leds else "", False),
        ("host", board.host.rx, True),
        ("host", board.host.tx, True),
        *(("fixed", port, False) for port, _ in board.fixed),
    ):
        if port:
            yield table, port, single


def _check_ports(top: _Table, board: Board) -> None:
    """Each port has its pins and one role."""
    pins = {pin.port: pin for pin in board.pins}
    roles: dict[str, str] = {}
    for table, port, single in _roles(board):
        if port not in pins:
            raise top.table("pins").wrong(f"has no key '{port}', which [{table}] names; give its pins")
        if single and pins[port].is_vector:
            raise top.table("pins").wrong(f"needs one pin for '{port}', not {len(pins[port].sites)}")
        if port in roles:
            raise top.table(table).wrong(f"names the port '{port}', which [{roles[port]}] has already; take another")
        roles[port] = table
    for port in pins:
        if port not in roles:
            raise top.table("pins").wrong(
                f"has the port '{port}' and nothing uses it; name it in [clock], [reset], [leds], [host] or [fixed], "
                f"or leave it away"
            )


def _check_sites(top: _Table, board: Board) -> None:
    """No pin is in two places."""
    seen: dict[str, str] = {}
    places = [(f"pins.{pin.port}", pin.sites) for pin in board.pins]
    places += [(f"connectors.{connector.name}", connector.sites) for connector in board.connectors]
    for place, sites in places:
        for site in sites:
            if site in seen:
                also = f"'{seen[site]}' and '{place}'" if seen[site] != place else f"'{place}' twice"
                raise top.wrong(f"has the pin {site} in {also}; a pin has one place")
            seen[site] = place
