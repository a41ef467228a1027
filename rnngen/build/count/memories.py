"""Where a memory goes: into block RAM, RAM of logic cells, or logic."""

from __future__ import annotations

from dataclasses import dataclass

from rnngen.build.count.census import Memory
from rnngen.build.count.families import Family
from rnngen.plan.layer import ceil_div

_SELECT_COST = 0.5
"""Of a bit of a multiplexer behind a deep memory, when a memory's place is chosen."""
_GUARD_COST = 2.0
"""Of what keeps the old word of a block that does not, likewise."""


@dataclass(frozen=True)
class Placed:
    """What a memory takes.

    Attributes:
        blocks: Block RAMs.
        taken_in: Bits of registers behind it that go into them.
        ram_luts: LUTs that are RAM.
        choices: Two-way choices of a table in logic.  table_bits: Of one of which nothing is known.
        select: Bits of the multiplexers behind memories deeper than a cell or a block.
        registers: Bits that it is read into, or that hold it.
        copies: Bits of registers behind a table that hold the same as others, or a constant.
    """

    blocks: int = 0
    taken_in: int = 0
    ram_luts: float = 0.0
    choices: int = 0
    table_bits: int = 0
    select: int = 0
    registers: int = 0
    copies: float = 0.0


def placed(memory: Memory, family: Family) -> Placed:
    """The cheapest place of one memory, as Yosys chooses it (``memory_libmap``, ``memory_bram``)."""
    if memory.read_only and memory.words == 1:
        return Placed()  # a constant
    if family.least_percent:
        return _by_filling(memory, family)
    choices = [_logic(memory, family)]
    if family.lut_ram is not None and not memory.read_only:
        choices.append(_lut_ram(memory, family))
    if memory.clocked:
        choices.append(_blocks(memory, family))
    return min(choices, key=lambda choice: choice[0])[1]


def _by_filling(memory: Memory, family: Family) -> Placed:
    """As Yosys' ``memory_bram`` chooses: block RAM if enough of it is filled; else RAM of logic cells; else logic.

    All of a memory is made of one shape, with a copy for each port that reads: the one that is filled best, in whole
    percent; then that of the fewest blocks.  A further port that writes finds none in any of them.
    """
    if memory.writes <= 1 and memory.clocked:
        percent, fewest = max(_filled(memory, shape) for shape in family.block_shapes)
        if percent >= family.least_percent:
            return Placed(blocks=-fewest)
    if memory.writes == 1 and not memory.initialised:
        shapes = family.lut_ram.shapes if family.lut_ram is not None else ()
        if any(_filled(memory, shape)[0] >= family.least_percent for shape in shapes):
            return _lut_ram(memory, family)[1]
    return _logic(memory, family)[1]


def _filled(memory: Memory, shape: tuple[int, int]) -> tuple[int, int]:
    """How much of blocks of a shape is filled, in percent, and minus their number."""
    words, width = shape
    blocks = ceil_div(memory.words, words) * ceil_div(memory.width, width) * memory.reads
    return 100 * memory.width * memory.words // (blocks * words * width), -blocks


def _logic(memory: Memory, family: Family) -> tuple[float, Placed]:
    bits = memory.width * memory.words
    if memory.read_only:
        used = memory.distinct * memory.reads
        copies = memory.chained * (1 - memory.distinct / memory.width)
        registers = used if memory.clocked else 0
        known, unknown = (memory.choices, 0) if memory.choices is not None else (0, used * memory.words)
        place = Placed(choices=known * memory.reads, table_bits=unknown, registers=registers, copies=copies)
        return bits / family.table_bits, place
    kept = memory.width * memory.reads if memory.clocked else 0
    return float(bits), Placed(select=bits * memory.reads, registers=bits + kept)


def _lut_ram(memory: Memory, family: Family) -> tuple[float, Placed]:
    ram = family.lut_ram
    assert ram is not None
    share, rows, cells = min(
        (_cells(memory.width, width, ram.partly) * rows, rows, ceil_div(memory.width, width) * rows)
        for rows, width in ((ceil_div(memory.words, words), width) for words, width in ram.shapes)
    )
    select = memory.width * (rows - 1) * memory.reads
    kept = memory.width * memory.reads if memory.clocked else 0
    cost = ram.cost * share * memory.reads + _SELECT_COST * (select + rows - 1)  # writes are told apart, too
    return cost, Placed(ram_luts=ram.luts * cells * memory.reads, select=select, registers=kept)


def _cells(bits: int, width: int, partly: bool) -> float:
    return bits / width if partly else ceil_div(bits, width)


def _blocks(memory: Memory, family: Family) -> tuple[float, Placed]:
    """Blocks side by side of one shape, the bits that are left in those of another one."""
    count, rows, width = min(
        (memory.width // wide * ceil_div(memory.words, deep) + _rest(memory.width % wide, memory.words, family),
         ceil_div(memory.words, deep), wide)
        for deep, wide in family.block_shapes
    )  # fmt: skip
    select = memory.width * (rows - 1) * memory.reads
    guarded = memory.old_word and not memory.read_only and not family.old_word
    taken_in = memory.behind if family.takes_in and rows == 1 and not guarded else 0
    halves = _halves(memory, width, family) if taken_in else 0
    blocks = count * memory.reads
    cost = family.block_cost * blocks + _SELECT_COST * select
    if guarded:  # what is written goes past the block, into registers
        bits = memory.width * memory.reads
        return cost + _GUARD_COST, Placed(blocks=blocks, select=select + bits, registers=2 * bits)
    return cost, Placed(blocks=blocks + halves, taken_in=taken_in, select=select)


def _halves(memory: Memory, width: int, family: Family) -> int:
    """Second blocks of words so wide that their register needs both ports (``rnngen.build.hard_registers``)."""
    if memory.read_only:
        return 0
    return sum(part > family.widest_register for part in (*[width] * (memory.width // width), memory.width % width))


def _rest(width: int, words: int, family: Family) -> int:
    return min(ceil_div(width, wide) * ceil_div(words, deep) for deep, wide in family.block_shapes)
