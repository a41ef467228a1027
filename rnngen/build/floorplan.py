"""Sites for the multipliers: each row of an array beside its neighbours.

nextpnr's placer scatters the multipliers of a full device: an adder tree then collects products from both ends of
the chip, and nextpnr takes three times as long (figures: ARCHITECTURE.md).  The netlist's names say which row and
column a multiplier is, so the sites are chosen here and everything else is left to nextpnr.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rnngen.build.netlist import Netlist, flat_module

MULTIPLIER_CELL = "MULT18X18D"
_BLOCK = ((0, "MULT18_0"), (1, "MULT18_1"), (4, "MULT18_4"), (5, "MULT18_5"))
"""Multipliers of a DSP block: column from its first one, and name."""

_PLAIN = re.compile("LFE5UM5G-|LFE5UM-")
_ARRAY = re.compile(r"(?:engine|array)(\d+)\..*g_slice\[(\d+)\].*g_row\[(\d+)\]\.g_column\[(\d+)\]")
_LANE = re.compile(r"engine(\d+)\..*lane\[(\d+)\]")


@dataclass(frozen=True)
class DspGrid:
    """DSP blocks of a device, as nextpnr counts tiles: every row has one at each column."""

    rows: tuple[int, ...]
    columns: tuple[int, ...]

    def sites(self, row: int) -> list[str]:
        """Multiplier sites of a row, left to right."""
        return [f"X{column + offset}/Y{row}/{name}" for column in self.columns for offset, name in _BLOCK]


_COLUMNS_25 = (4, 13, 22, 33, 42, 51, 60)
GRIDS = {
    "LFE5U-12F": DspGrid((13,), _COLUMNS_25),
    "LFE5U-25F": DspGrid((13,), _COLUMNS_25),
    "LFE5U-45F": DspGrid((22, 46), (4, 13, 22, 31, 42, 51, 60, 69, 78)),
    "LFE5U-85F": DspGrid((10, 34, 58), (4, 13, 22, 31, 40, 49, 58, 69, 78, 87, 96, 105, 114)),
}
"""DSP blocks by part (the 12F is a 25F, and those with transceivers are as those without)."""


def place_multipliers(netlist: Netlist, part: str) -> int:
    """Gives each multiplier of an engine a site, in the flat netlist, and says how many got one.

    Groups (the multipliers of an element-wise lane, those of an array's row) are laid side by side in a serpentine
    over as few rows of the device as hold them, engine by engine.  A design with more multipliers than the device
    has is left alone: nextpnr says so.
    """
    cells = flat_module(netlist)["cells"]
    groups = _groups([name for name, cell in cells.items() if cell["type"] == MULTIPLIER_CELL])
    sites = dict(_assign(groups, GRIDS[_PLAIN.sub("LFE5U-", part)]))
    for name, site in sites.items():
        cells[name]["attributes"]["BEL"] = site
    return len(sites)


def _groups(names: Sequence[str]) -> list[list[str]]:
    """Names of the multipliers that belong together; element-wise lanes come before their engine's array."""
    found: dict[tuple[int, int, int], list[tuple[int, str]]] = {}
    for name in names:
        if match := _ARRAY.search(name):
            engine, base, row, column = (int(part) for part in match.groups())
            found.setdefault((engine, 1, base + row), []).append((column, name))
        elif match := _LANE.search(name):
            engine, lane = (int(part) for part in match.groups())
            found.setdefault((engine, 0, lane), []).append((0, name))
    return [[name for _, name in sorted(found[key])] for key in sorted(found)]


def _assign(groups: list[list[str]], grid: DspGrid) -> Iterator[tuple[str, str]]:
    """(name, site) of every multiplier."""
    total, width = sum(len(group) for group in groups), len(grid.sites(0))
    if not 0 < total <= width * len(grid.rows):
        return
    count = next(n for n in range(1, len(grid.rows) + 1) if _split(groups, n, width) or n == len(grid.rows))
    first = (len(grid.rows) - count) // 2
    split = _split(groups, count, width) or _cut(groups, width)
    for index, (row, names) in enumerate(zip(grid.rows[first:], split)):
        start = (width - len(names)) // 2 // len(_BLOCK) * len(_BLOCK)
        sites = grid.sites(row)[start : start + len(names)]
        yield from zip(names, sites if index % 2 == 0 else reversed(sites))


def _split(groups: list[list[str]], rows: int, width: int) -> list[list[str]]:
    """Whole groups on ``rows`` rows, as evenly as they go; nothing if they do not fit."""
    total = sum(len(group) for group in groups)
    for limit in range(-(-total // rows), width + 1):
        filled: list[list[str]] = [[]]
        for group in groups:
            if len(filled[-1]) + len(group) > limit:
                filled.append([])
            filled[-1] += group
        if len(filled) <= rows and max(len(names) for names in filled) <= limit:
            return filled
    return []


def _cut(groups: list[list[str]], width: int) -> list[list[str]]:
    """Groups cut where a row of the device ends."""
    names = [name for group in groups for name in group]
    return [names[start : start + width] for start in range(0, len(names), width)]
