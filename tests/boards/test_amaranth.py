"""Boards that ``amaranth_boards`` has: device, clock and every pin are those of its platform."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from typing import Any

import pytest

from rnngen.config import Board, list_boards, load_board

NAMED = [name for name in list_boards() if load_board(name).amaranth]
BUTTONS = ("rst", "reset", "button", "button_fire", "program")
PACKAGES = {"BG381": "CABGA381", "BG554": "CABGA554", "MG285": "CSFBGA285"}
"""Of ECP5, as amaranth_boards and nextpnr call them."""


def platform(board: Board) -> Any:
    module, name = board.amaranth.split(":")
    return getattr(importlib.import_module(f"amaranth_boards.{module}"), name)


def leaves(resource: Any) -> Iterator[tuple[str, Any]]:
    """(name, Pins or DiffPairs) of a resource and its subsignals."""
    for item in resource.ios:
        if hasattr(item, "ios"):
            yield from leaves(item)
        else:
            yield resource.name, item


def sites(item: Any) -> list[str]:
    """Names of Pins, or of both legs of DiffPairs."""
    return [*item.p.names, *item.n.names] if hasattr(item, "p") else list(item.names)


def found(cls: Any, names: tuple[str, ...]) -> dict[str, bool]:
    """Sites of resources of such names, or with such a subsignal, and whether they are inverted."""
    return {
        site: bool(getattr(item, "invert", False) or getattr(getattr(item, "p", None), "invert", False))
        for resource in cls.resources
        for name, item in leaves(resource)
        if resource.name.startswith(names) or name in names
        for site in sites(item)
    }


def every_site(cls: Any) -> set[str]:
    used = {site for resource in cls.resources for _, item in leaves(resource) for site in sites(item)}
    return used | {pin for connector in cls.connectors for pin in connector.mapping.values()}


def plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


@pytest.mark.parametrize("name", NAMED)
def test_device(name: str) -> None:
    board = load_board(name)
    cls = platform(board)
    device = getattr(cls, "part", None)
    device = device if isinstance(device, str) else cls.device
    ours = plain(board.part)
    assert plain(device) in ours or ours in plain(device)
    if board.family == "ecp5":
        assert (board.package, board.speed_grade) == (PACKAGES[cls.package], cls.speed)


@pytest.mark.parametrize("name", NAMED)
def test_clock(name: str) -> None:
    board = load_board(name)
    cls = platform(board)
    if board.clock.source != "pin":
        pytest.skip("its clock comes from no pin")
    port = board.pin(board.clock.port).sites
    negative = board.pin(board.clock.port_n).sites if board.clock.port_n else ()
    clocks = [resource for resource in cls.resources if resource.clock is not None]
    used = [one for one in clocks if [*port, *negative] == [s for _, item in leaves(one) for s in sites(item)]]
    assert [one.clock.frequency for one in used] == [board.clock_input_hz]


@pytest.mark.parametrize("name", NAMED)
def test_serial_line_lights_and_button(name: str) -> None:
    board = load_board(name)
    cls = platform(board)
    uart = {key: sites(item) for r in cls.resources if (r.name, r.number) == ("uart", 0) for key, item in leaves_of(r)}
    if board.host.kind == "uart" and uart:
        assert list(board.pin(board.host.rx).sites) == uart["rx"]
        assert list(board.pin(board.host.tx).sites) == uart["tx"]
    for indicator, names in ((board.leds, ("led", "rgb_led")), (board.reset, BUTTONS)):
        if indicator is not None:
            known = found(cls, names)
            assert {known.get(site) for site in board.pin(indicator.port).sites} == {not indicator.active_high}


def leaves_of(resource: Any) -> Iterator[tuple[str, Any]]:
    """(subsignal, pins) of a resource."""
    for item in resource.ios:
        yield item.name, item.ios[0]


@pytest.mark.parametrize("name", NAMED)
def test_no_pin_is_unknown(name: str) -> None:
    board = load_board(name)
    known = every_site(platform(board))
    own = {site for pin in board.pins for site in pin.sites}
    own |= {site for connector in board.connectors for site in connector.sites}
    assert own - known == set()


def test_all_ecp5_boards_are_compared() -> None:
    assert {"ulx3s-85f", "ulx3s-45f", "orangecrab-25f", "orangecrab-85f", "ecpix5-45f", "ecpix5-85f"} <= set(NAMED)


def test_the_orangecrab_has_its_line_at_the_header() -> None:
    """No serial chip: the pins that the header calls 0 and 1, as its makers' own examples have them."""
    (io,) = platform(load_board("orangecrab-25f")).connectors
    for name in ("orangecrab-25f", "orangecrab-85f"):
        board = load_board(name)
        assert board.pin(board.host.rx).sites == (io.mapping["0"],)
        assert board.pin(board.host.tx).sites == (io.mapping["1"],)
