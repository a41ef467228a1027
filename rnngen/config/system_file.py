"""Reads a system's TOML file.

Clocks and rates are read exactly as they are written.

    [[device]]                    # or: board = "ulx3s-85f", and beside it clock_mhz, pipeline, and fewer multipliers
    name = "a"
    multipliers = 1024            # and/or dsps = 512
    memory_bits = 4_000_000       # optional, as are luts, dsp (a --dsp name) and pipeline (a --pipeline name)
    clock_mhz = 100

    [[device]]                    # a second core on device a, whose budgets are beside those of a; clock and DSP block
    name = "a_core"               # are those of a
    on = "a"
    multipliers = 256

    [[link]]                      # between two cores of a device: of registers, so word_bits is all
    from = "a"
    to = "a_core"
    word_bits = 64

    [[link]]
    from = "a"
    to = "b"
    word_bits = 64
    latency_cycles = 16
    rate = 0.5                    # words a cycle of the sender; or clock_mhz = 125, of the link; default: one a cycle
    direction = "both"            # or "one-way"

    [[link]]                      # over pins of boards, which say latency, rate and clock
    from = "b"
    to = "c"
    word_bits = 32
    phy = "pins"
    data_pins = 8                 # each way; three more carry clock, start and valid
    from_connector = "j1"         # of the boards at both ends
    to_connector = "j1"

    [chain]                       # or [ring]: links between neighbours, instead of [[link]]
    word_bits = 64
    latency_cycles = 16

    [host]                        # optional
    input = "a"
    output = "b"
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from rnngen.config.board import load_board
from rnngen.config.pins import joined
from rnngen.config.system import INSIDE_CYCLES, Device, Host, Link, System, chain, over_pins, ring
from rnngen.errors import PlanError

_DIRECTIONS = {"both": True, "one-way": False}
_ROWS = {"chain": chain, "ring": ring}
_WHOLE = ("multipliers", "dsps", "memory_bits", "luts")
_TABLES = ("device", "link", "host", *_ROWS)
_DEVICE = ("name", "board", "clock_mhz", "pipeline", "dsp", *_WHOLE)
_FIGURES = ("latency_cycles", "rate", "clock_mhz")
_PINS = ("data_pins", "from_connector", "to_connector")
_WIRE = ("word_bits", *_FIGURES, "direction", "phy", *_PINS)
_PHYS = ("pins",)


def read_system_file(path: Path) -> System:
    """The system that a file describes.

    Raises:
        PlanError: if the file cannot be read, or describes none.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"The system file '{path}' cannot be read ({error}); give a TOML file.") from error
    try:
        table = tomllib.loads(text, parse_float=_fraction)
    except (tomllib.TOMLDecodeError, PlanError) as error:
        raise PlanError(f"The system file '{path.name}' is no TOML ({error}).") from error
    return system_of(table)


def _fraction(text: str) -> Fraction:
    """A number exactly as it is written."""
    try:
        return Fraction(text.replace("_", ""))
    except ValueError:
        raise PlanError(f"{text} is no number to count with") from None


def system_of(table: Mapping[str, Any]) -> System:
    """The system of a table as TOML gives it.

    Raises:
        PlanError: naming what is missing, unknown or wrong.
    """
    _check_keys("The system", table, _TABLES)
    devices = _devices(_list(table, "device"))
    if not devices:
        raise PlanError("The system has no devices; describe each in a [[device]] table.")
    row = [name for name in _ROWS if name in table]
    if len(row) + ("link" in table) > 1:
        raise PlanError("The system has links of several kinds; give [[link]] tables, or one of [chain] and [ring].")
    host = _host(_table(table.get("host", {}), "[host]"))
    if row:
        given = _table(table[row[0]], f"[{row[0]}]")
        return _ROWS[row[0]](devices, _link(given, f"[{row[0]}]", ("first", "second")), host)
    chips = {device.name: device.on or device.name for device in devices}
    links = []
    for number, item in enumerate(_list(table, "link"), start=1):
        where = f"Link {number}"
        ends = _text(item, "from", where), _text(item, "to", where)
        inside = ends[0] != ends[1] and chips.get(ends[0], "") == chips.get(ends[1])
        links.append((_link_inside if inside else _link)(item, where, ends))
    return System(tuple(devices), tuple(links), host)


def _devices(items: list[Mapping[str, Any]]) -> list[Device]:
    """Devices, and further cores of some, in the order of the file."""
    found = {number: _device(item, number) for number, item in enumerate(items, start=1) if "on" not in item}
    named = {device.name: device for device in found.values()}
    for number, item in enumerate(items, start=1):
        if number not in found:
            found[number] = _core(item, number, named)
    return [found[number] for number in sorted(found)]


def _core(item: Mapping[str, Any], number: int, devices: Mapping[str, Device]) -> Device:
    """A further core of one of the devices."""
    where = f"Device '{item['name']}'" if "name" in item else f"Device {number}"
    name, on = _text(item, "name", where), _text(item, "on", where)
    _check_keys(where, item, ("name", "on", *_WHOLE))
    if on not in devices:
        raise PlanError(f"{where} is a core on '{on}', but the devices are {', '.join(devices)}.")
    most, dsps, memory_bits, luts = _budgets(item, where)
    core = replace(devices[on], name=name, board=None, on=on)
    return replace(core, multipliers=most, dsps=dsps, memory_bits=memory_bits, luts=luts)


def _budgets(item: Mapping[str, Any], where: str) -> tuple[int, int | None, int | None, int | None]:
    """Multipliers, as many as DSP blocks where only those are given, and the others."""
    if "multipliers" not in item and "dsps" not in item:
        raise PlanError(f"{where} has no budget; give it a board, multipliers or dsps.")
    multipliers, dsps, memory_bits, luts = (_integer(item, key, where) if key in item else None for key in _WHOLE)
    most = multipliers if multipliers is not None else dsps
    assert most is not None
    return most, dsps, memory_bits, luts


def _device(item: Mapping[str, Any], number: int) -> Device:
    where = f"Device '{item['name']}'" if "name" in item else f"Device {number}"
    name = _text(item, "name", where)
    _check_keys(where, item, _DEVICE)
    pipeline = _text(item, "pipeline", where) if "pipeline" in item else None
    if "board" in item:
        return _of_board(item, where, name, pipeline)
    most, dsps, memory_bits, luts = _budgets(item, where)
    if "clock_mhz" not in item:
        raise PlanError(f"{where} has no clock; give clock_mhz.")
    dsp = _text(item, "dsp", where) if "dsp" in item else None
    return Device(name, _hertz(item, where), most, dsps, memory_bits, luts, dsp, pipeline)


def _of_board(item: Mapping[str, Any], where: str, name: str, pipeline: str | None) -> Device:
    beside = [key for key in (*_WHOLE, "dsp") if key in item and key != "multipliers"]
    if beside:
        raise PlanError(f"{where} has a board, which says its {beside[0]}; leave one of the two away.")
    board = load_board(_text(item, "board", where))
    clock_hz = _hertz(item, where) if "clock_mhz" in item else board.clock_target_hz
    have = board.budget
    multipliers = _integer(item, "multipliers", where) if "multipliers" in item else have.multipliers
    if multipliers > have.multipliers:
        raise PlanError(f"{where}: multipliers must be at most its board's {have.multipliers}, not {multipliers}.")
    return Device(
        name, clock_hz, multipliers, have.dsps, have.block_ram_bits, have.luts, board.dsp, pipeline, board.name
    )


def _link(item: Mapping[str, Any], where: str, ends: tuple[str, str]) -> Link:
    _check_keys(where, item, (*_WIRE, *(("from", "to") if "from" in item else ())))
    direction = _text(item, "direction", where) if "direction" in item else "both"
    if direction not in _DIRECTIONS:
        raise PlanError(f"{where}: direction must be {' or '.join(_DIRECTIONS)}, not '{direction}'.")
    if "phy" in item:
        return _link_over_pins(item, where, ends, _DIRECTIONS[direction])
    for key in _PINS:
        if key in item:
            raise PlanError(f"{where} has {key} and no phy; give phy = \"pins\", or leave {key} away.")
    _check_given(item, where, ("word_bits", "latency_cycles"))
    return Link(
        *ends,
        _integer(item, "word_bits", where),
        _integer(item, "latency_cycles", where),
        _number(item, "rate", where) if "rate" in item else Fraction(1),
        _hertz(item, where) if "clock_mhz" in item else None,
        _DIRECTIONS[direction],
    )


def _link_inside(item: Mapping[str, Any], where: str, ends: tuple[str, str]) -> Link:
    """Between two cores of a device."""
    _check_keys(where, item, ("from", "to", "word_bits"))
    _check_given(item, where, ("word_bits",))
    return Link(*ends, _integer(item, "word_bits", where), INSIDE_CYCLES)


def _link_over_pins(item: Mapping[str, Any], where: str, ends: tuple[str, str], both: bool) -> Link:
    phy = _text(item, "phy", where)
    if phy not in _PHYS:
        raise PlanError(f"{where}: phy must be {' or '.join(_PHYS)}, not '{phy}'; leave it away for figures alone.")
    for key in _FIGURES:
        if key in item:
            raise PlanError(f"{where} goes over pins, which say its {key}; leave {key} away.")
    _check_given(item, where, ("word_bits", *_PINS))
    pins = joined(
        _integer(item, "data_pins", where), _text(item, "from_connector", where), _text(item, "to_connector", where)
    )
    return over_pins(*ends, _integer(item, "word_bits", where), pins, both)


def _check_given(item: Mapping[str, Any], where: str, keys: tuple[str, ...]) -> None:
    for key in keys:
        if key not in item:
            raise PlanError(f"{where} has no {key}; give it.")


def _host(item: Mapping[str, Any]) -> Host:
    _check_keys("[host]", item, ("input", "output"))
    begin, end = (_text(item, key, "[host]") if key in item else None for key in ("input", "output"))
    return Host(begin, end)


def _list(table: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = table.get(name, [])
    if not isinstance(found, list):
        raise PlanError(f"[{name}] must be a list of tables; write [[{name}]].")
    return [_table(item, f"[[{name}]]") for item in found]


def _table(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise PlanError(f"{where} must be a table, not {value!r}.")
    return value


def _check_keys(where: str, item: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in item:
        if key not in known:
            raise PlanError(f"{where} has the unknown entry '{key}'; known are {', '.join(known)}.")


def _text(item: Mapping[str, Any], key: str, where: str) -> str:
    if key not in item:
        raise PlanError(f"{where} has no '{key}'; give it.")
    if not isinstance(item[key], str):
        raise PlanError(f"{where}: {key} must be a text, not {item[key]}.")
    return str(item[key])


def _integer(item: Mapping[str, Any], key: str, where: str) -> int:
    value = item[key]
    if not isinstance(value, int) or isinstance(value, bool):
        raise PlanError(f"{where}: {key} must be a whole number, not {_shown(value)}.")
    return value


def _number(item: Mapping[str, Any], key: str, where: str) -> Fraction:
    value = item[key]
    if not isinstance(value, int | Fraction) or isinstance(value, bool):
        raise PlanError(f"{where}: {key} must be a number, not {_shown(value)}.")
    return Fraction(value)


def _shown(value: object) -> str:
    return f"{float(value):g}" if isinstance(value, Fraction) else repr(value)


def _hertz(item: Mapping[str, Any], where: str) -> int:
    """A clock of whole Hz, so that clocks can be compared exactly."""
    clock = 1_000_000 * _number(item, "clock_mhz", where)
    if clock.denominator != 1:
        raise PlanError(f"{where}: clock_mhz must be a whole number of Hz, not {float(clock):.9g} Hz.")
    return int(clock)
