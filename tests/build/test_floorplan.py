"""Sites of multipliers: facts that any good floorplan must show, on netlists made by hand."""

from __future__ import annotations

import re
from typing import Any

import pytest

from rnngen.build.floorplan import GRIDS, place_multipliers


def array_name(engine: int, row: int, column: int) -> str:
    base = row // 8 * 8
    return f"core.engine{engine}.array.lanes.g_slice[{base}].slice.g_row[{row - base}].g_column[{column}].dsp"


def netlist(arrays: list[tuple[int, int]], lanes: int) -> dict[str, Any]:
    """Engines with (rows, columns) arrays and ``lanes`` element-wise lanes of 8 multipliers each."""
    names = []
    for engine, (rows, columns) in enumerate(arrays):
        names += [array_name(engine, row, column) for row in range(rows) for column in range(columns)]
        names += [f"core.engine{engine}.tail.lane[{k}].unit.p{i}" for k in range(lanes) for i in range(8)]
    cells = {name: {"type": "MULT18X18D", "attributes": {}} for name in names}
    cells |= {f"lut{k}": {"type": "LUT4", "attributes": {}} for k in range(3)}
    return {"modules": {"LUT4": {"attributes": {}}, "board": {"attributes": {"top": 1}, "cells": cells}}}


def placed(given: dict[str, Any], part: str = "LFE5U-85F") -> dict[str, tuple[int, int]]:
    place_multipliers(given, part)
    found = {}
    for name, cell in given["modules"]["board"]["cells"].items():
        if site := cell["attributes"].get("BEL"):
            x, y, _ = re.fullmatch(r"X(\d+)/Y(\d+)/(MULT18_[0145])", site).groups()
            found[name] = (int(x), int(y))
    return found


@pytest.mark.parametrize(("part", "sites"), [("LFE5U-25F", 28), ("LFE5U-45F", 72), ("LFE5U-85F", 156)])
def test_the_grids_have_the_multipliers_of_the_data_sheet(part: str, sites: int) -> None:
    grid = GRIDS[part]
    assert len({site for row in grid.rows for site in grid.sites(row)}) == sites


@pytest.mark.parametrize(("arrays", "lanes"), [([(16, 8)], 2), ([(32, 4)], 1), ([(16, 4), (8, 4)], 1), ([(2, 3)], 1)])
def test_every_multiplier_has_a_site_of_its_own_and_a_row_stays_together(
    arrays: list[tuple[int, int]], lanes: int
) -> None:
    given = netlist(arrays, lanes)
    sites = placed(given)
    assert len(sites) == sum(rows * columns for rows, columns in arrays) + 8 * lanes * len(arrays)
    assert len(set(sites.values())) == len(sites)
    for engine, (rows, columns) in enumerate(arrays):
        for row in range(rows):
            own = [sites[array_name(engine, row, column)] for column in range(columns)]
            assert len({y for _, y in own}) == 1
            assert max(x for x, _ in own) - min(x for x, _ in own) <= 3 * columns + 6


def test_a_small_design_stays_in_one_row_in_the_middle() -> None:
    assert {y for _, y in placed(netlist([(8, 4)], 1)).values()} == {34}


def test_a_row_longer_than_the_devices_is_cut() -> None:
    assert len(placed(netlist([(2, 60)], 1))) == 128


def test_a_design_too_large_is_left_to_the_placer() -> None:
    assert placed(netlist([(20, 8)], 1)) == {}
    assert placed(netlist([(4, 4)], 2), "LFE5U-25F") == {}
