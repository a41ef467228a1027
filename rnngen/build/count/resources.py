"""LUTs, registers, DSP blocks and block RAMs of a circuit, counted before synthesis.

DSP blocks and block RAMs follow from the circuit's products and memories.  Of LUTs and registers every kind of cell
takes its share; the shares of each family are calibrated against synthesis (``bench/counts.py``), in calibration.json.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rnngen.build.count.census import Census, Product
from rnngen.build.count.families import FAMILIES, Family
from rnngen.build.count.memories import Placed, placed
from rnngen.plan.layer import ceil_div

CALIBRATION_FILE = Path(__file__).parent / "calibration.json"


@dataclass(frozen=True)
class Resources:
    """What a circuit takes of a device."""

    luts: int
    ffs: int
    dsps: int
    block_rams: int

    def to_dict(self) -> dict[str, int]:
        """As plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Shares:
    """What LUTs and registers consist of: an amount of each kind, and what is whole already.

    Attributes:
        luts, ffs: By kind; each takes its calibrated share.
        whole_luts, whole_ffs: That need no calibration.
    """

    luts: Mapping[str, float]
    ffs: Mapping[str, float]
    whole_luts: float
    whole_ffs: float


def resources(census: Census, family: str) -> Resources:
    """What a circuit takes of a device of a family.

    Raises:
        KeyError: if the family is not calibrated.
    """
    shares, own = calibration(family), FAMILIES[family]
    parts = shares_of(census, own)
    luts = parts.whole_luts + weighted(parts.luts, shares["luts"])
    ffs = parts.whole_ffs + weighted(parts.ffs, shares["ffs"])
    return Resources(round(luts), round(ffs), dsps(census, own), blocks_of(census, own))


def weighted(amounts: Mapping[str, float], shares: Mapping[str, float]) -> float:
    """The sum of what each amount takes."""
    return sum(share * amounts.get(kind, 0.0) for kind, share in shares.items())


def blocks_of(census: Census, family: Family) -> int:
    """Block RAMs: those of its memories, and those that the circuit names."""
    found = sum(memory.number * placed(memory, family).blocks for memory in census.memories)
    return found + _named(census, family.block_cells)


def dsps(census: Census, family: Family) -> int:
    """DSP blocks: those that the circuit names, and those of its products."""
    halves = sum(product.number for product in census.products if _is_half(product, family))
    whole = sum(product.number * _dsps_of(product, family) for product in census.products) - halves
    return _named(census, family.dsp_cells) + whole + ceil_div(halves, 2)


def shares_of(census: Census, family: Family) -> Shares:
    """What the LUTs and registers of a circuit consist of."""
    luts, ffs = defaultdict[str, float](float, census.logic), defaultdict[str, float](float)
    whole_luts, whole_ffs = float(census.blocks.get("LUT4", 0)), 0.0
    for memory in census.memories:
        place: Placed = placed(memory, family)
        whole_luts += memory.number * place.ram_luts
        luts["table"] += memory.number * place.choices
        luts["large table"] += memory.number * place.table_bits
        luts["memory select"] += memory.number * place.select
        ffs["memory"] += memory.number * place.registers
        whole_ffs -= memory.number * (place.taken_in + place.copies)
    for product in census.products:
        if _dsps_of(product, family):
            whole_ffs -= product.number * (product.before + product.behind) if family.takes_in else 0
        else:
            luts["soft product"] += product.number * product.wide * product.narrow
    ffs["register"] += census.registers
    taken, rows, in_rows = census.absorbed, census.absorbed.rows, census.absorbed.in_rows
    if family.dsp_absorbs:
        rows, in_rows = taken.left_rows, taken.left_in_rows
        ffs["register"] -= taken.before + taken.behind
        luts["carry"] -= taken.sums
        luts["carry chains"] -= taken.chains
        luts["compressed"] -= taken.threes
    if family.shift_registers:
        ffs["register"] -= in_rows
        whole_luts += rows
    if family.cell_holds_both:
        luts["register"] += census.registers
    return Shares(luts, ffs, whole_luts, whole_ffs)


def is_calibrated(family: str) -> bool:
    """Whether LUTs and registers of a family can be counted."""
    return family in json.loads(CALIBRATION_FILE.read_text(encoding="utf-8"))["families"]


@cache
def calibration(family: str) -> dict[str, Any]:
    """The shares of a family, and what they were fitted to."""
    read: dict[str, Any] = json.loads(CALIBRATION_FILE.read_text(encoding="utf-8"))["families"][family]
    return read


def _named(census: Census, cells: Mapping[str, int]) -> int:
    return sum(parts * census.blocks.get(cell, 0) for cell, parts in cells.items())


def _dsps_of(product: Product, family: Family) -> int:
    """DSP blocks of one product; none where it is so narrow that it becomes logic."""
    (wide, narrow), (operand, result) = family.dsp, family.dsp_least
    if product.narrow < operand or product.wide + product.narrow < result:
        return 0
    return ceil_div(product.wide, wide) * ceil_div(product.narrow, narrow)


def _is_half(product: Product, family: Family) -> bool:
    """Whether a product takes half of a DSP block."""
    return product.wide <= family.dsp_half and _dsps_of(product, family) == 1
