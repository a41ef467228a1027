"""What DSP blocks and shift registers of AMD's devices take in: registers and sums beside products, rows of registers.

Yosys' ``xilinx_dsp`` and ``xilinx_srl`` are the rule.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

from rnngen.build.count.nets import Cell, Nets

_TAKEN = ("$dff", "$dffe", "$sdff", "$sdffe")
_SHIFTED = ("$dff", "$dffe")
_SUMS = ("$add", "$sub", "$alu", "$macc_v2")
_DEEP = 2
"""Registers in a row in front of an operand that a DSP block has."""
SHORTEST_ROW = 3
"""Registers that become a shift register."""


@dataclass(frozen=True)
class Absorbed:
    """What hard cells take in, in bits.

    Attributes:
        before, behind: Of registers in front of products and behind them, those that nothing else needs.
        sums: Of sums of a product and something else.  chains: How many such sums.
        threes: Of sums of a product and two more, which then are sums of two.
        in_rows: Of registers in rows of three and more.  rows: How many such rows.
        left_in_rows, left_rows: Likewise, of what DSP blocks leave.
    """

    before: int
    behind: int
    sums: int
    chains: int
    threes: int
    in_rows: int
    rows: int
    left_in_rows: int
    left_rows: int

    def __add__(self, other: Absorbed) -> Absorbed:
        return Absorbed(*(mine + its for mine, its in zip(astuple(self), astuple(other))))

    def __mul__(self, number: int) -> Absorbed:
        return Absorbed(*(number * mine for mine in astuple(self)))


NOTHING = Absorbed(0, 0, 0, 0, 0, 0, 0, 0, 0)


def absorbed(nets: Nets, module: Mapping[str, Any]) -> Absorbed:
    """What is taken in around all products of a module, and in its rows."""
    products = [cell for cell in module["cells"].values() if cell["type"] == "$mul"]
    before = _before(nets, products)
    behind: set[int] = set()
    sums: dict[int, Cell] = {}
    for product in products:
        results = product["connections"]["Y"]
        held = nets.kept(results, _TAKEN)  # the M register
        behind |= held
        cell = nets.only_reader(held or results, _SUMS)
        if cell is None:
            behind |= _whole(nets, held)
        elif id(cell) not in sums:  # a sum of two products goes into the block of one
            sums[id(cell)] = cell
            behind |= _whole(nets, cell["connections"]["Y"])
    twos = [len(cell["connections"]["Y"]) for cell in sums.values() if not _is_three(cell)]
    threes = sum(len(cell["connections"]["Y"]) for cell in sums.values() if _is_three(cell))
    lengths, left = _rows(nets, set()), _rows(nets, before | behind)
    return Absorbed(
        len(before), len(behind), sum(twos), len(twos), threes, sum(lengths), len(lengths), sum(left), len(left)
    )


def _whole(nets: Nets, results: Collection[Any]) -> set[int]:
    """Bits of the P register, which takes results with all their bits only."""
    kept = nets.kept(results, _TAKEN)
    return kept if len(kept) == len(results) else set()


def _is_three(cell: Cell) -> bool:
    return cell["type"] == "$macc_v2" and int(cell["parameters"]["NADDENDS"], 2) > 2


def _before(nets: Nets, products: Sequence[Cell]) -> set[int]:
    """Bits of registers that only products read, or registers that are found already."""
    found: set[int] = set()
    ports = [product["connections"][name] for product in products for name in "AB"]
    readers: set[int] = {id(product) for product in products}
    for _ in range(_DEEP):
        sources = [nets.held_by(port, _TAKEN) for port in ports]
        wanted = {bit for source in sources for bit in source}
        now = {bit for bit in wanted - found if nets.read_by(bit, readers, found)}
        found |= now
        ports = [nets.data_of(source) for source in sources if source and source <= found]
    return found


def _rows(nets: Nets, taken: Container[int]) -> list[int]:
    """Lengths of rows of registers of one kind, enabled alike, of which all but the last are read by the next one."""
    pairs = nets.followers(_SHIFTED).items()
    after = {bit: follower for bit, follower in pairs if bit not in taken and follower not in taken}
    begins = set(after) - set(after.values())
    lengths = []
    for bit in begins:
        length = 1
        while bit in after:
            bit, length = after[bit], length + 1
        if length >= SHORTEST_ROW:
            lengths.append(length)
    return lengths
