"""What a circuit consists of: bits of each kind of word-level cell, its memories and its products."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rnngen.build.count.absorbed import NOTHING, Absorbed, absorbed
from rnngen.build.count.nets import Nets
from rnngen.errors import ToolError

_REGISTERS = frozenset(("$dff", "$dffe", "$sdff", "$sdffe", "$sdffce", "$adff", "$adffe"))
_ARITHMETIC = frozenset(("$add", "$sub", "$neg", "$alu", "$macc_v2"))
_MAGNITUDE = frozenset(("$lt", "$le", "$gt", "$ge"))
_EQUALITY = frozenset(("$eq", "$ne", "$eqx", "$nex"))
_BITWISE = frozenset(("$and", "$or"))
_EXCLUSIVE = frozenset(("$xor", "$xnor"))
_SHIFTS = frozenset(("$shl", "$shr", "$sshl", "$sshr", "$shift"))
_FREE = frozenset(("$not", "$pos", "$slice", "$concat", "$scopeinfo", "$buf", "$meminit_v2", "$meminit"))
"""Absorbed by what reads them, or wires."""

KINDS = (
    "carry", "carry chains", "compressed", "equality", "select", "gated", "parallel select", "and or", "xor",
    "reduction", "shift",
)  # fmt: skip
"""Of logic, by what it costs: bits of adders, subtractors and comparisons; how many of them; bits of what is added in
threes before, where there is no register between sums; thirds of bits that are compared for equality; bits of two-way
multiplexers; those with a constant on one side (not: with any value at all); bits of all sides of parallel
multiplexers; bits of AND and OR, and of XOR; thirds of bits that are reduced to one; bits times stages of shifters."""


@dataclass(frozen=True)
class Memory:
    """A memory, or ``number`` that are alike.

    Attributes:
        width, words: Its shape.
        reads, writes: Ports.  clocked: Whether words are read into registers.
        behind: Bits of further registers right behind it.
        old_word: Whether a word that is read while it is written must be the old one.
        distinct: Bits of a word of a table that are neither constant nor equal to another one.
        chained: Bits of registers that only hand a table's words on.
        choices: Two-way choices that a table takes in logic; None: nothing is known of what it holds.
        initialised: Whether it is known to hold something from the beginning; large ones are not looked at.
    """

    number: int
    width: int
    words: int
    reads: int
    writes: int
    clocked: bool
    behind: int
    old_word: bool
    distinct: int = 0
    chained: int = 0
    initialised: bool = False
    choices: int | None = None

    @property
    def read_only(self) -> bool:
        """Whether nothing writes it."""
        return self.writes == 0


@dataclass(frozen=True)
class Product:
    """A multiplication of ``wide`` by ``narrow`` bits, or ``number`` that are alike.

    ``before`` and ``behind``: bits of registers right beside it, the former only where they copy other registers.
    """

    number: int
    wide: int
    narrow: int
    before: int
    behind: int


@dataclass(frozen=True)
class Census:
    """A circuit by what it consists of.

    Attributes:
        registers: Bits that anything reads, but for those that memories read into.
        logic: By ``KINDS``.
        memories, products: All of them.
        blocks: The device's own blocks that the circuit names, by type.
        absorbed: What of it goes into DSP blocks and shift registers, where the family has such.
    """

    registers: int
    logic: Mapping[str, float]
    memories: tuple[Memory, ...]
    products: tuple[Product, ...]
    blocks: Mapping[str, int]
    absorbed: Absorbed = NOTHING


def census(netlist: Mapping[str, Any]) -> Census:
    """Counts a netlist of ``elaborate``.

    Raises:
        ToolError: if it has a cell that is not known here: what it costs must not be guessed.
    """
    modules = {name: module for name, module in netlist["modules"].items() if not _is_block(module)}
    registers, taken, blocks, memories, products = 0, NOTHING, Counter[str](), list[Memory](), list[Product]()
    logic: dict[str, float] = {}
    for name, number in _instances(modules).items():
        nets = Nets(modules[name])
        taken += absorbed(nets, modules[name]) * number
        for cell in modules[name]["cells"].values():
            kind, parameters = cell["type"], _Parameters(cell)
            if kind in modules or kind in _FREE:
                continue
            if not kind.startswith("$"):
                blocks[kind] += number
            elif kind in _REGISTERS:
                registers += number * nets.used(cell["connections"]["Q"])
            elif kind == "$mem_v2":
                memories.append(_memory(cell, parameters, number, nets))
            elif kind == "$mul":
                products.append(_product(cell, parameters, number, nets))
            else:
                for what, bits in _logic(kind, cell, parameters):
                    logic[what] = logic.get(what, 0) + number * bits
    return Census(registers, logic, tuple(memories), tuple(products), dict(blocks), taken)


def _is_block(module: Mapping[str, Any]) -> bool:
    return any(name in module["attributes"] for name in ("blackbox", "whitebox"))


def _instances(modules: Mapping[str, Any]) -> Counter[str]:
    """How often each module is there."""
    found: Counter[str] = Counter()
    waiting = [(next(name for name, module in modules.items() if "top" in module["attributes"]), 1)]
    while waiting:
        name, number = waiting.pop()
        found[name] += number
        inside = Counter(cell["type"] for cell in modules[name]["cells"].values() if cell["type"] in modules)
        waiting += [(child, number * times) for child, times in inside.items()]
    return found


class _Parameters:
    """A cell's parameters as numbers."""

    def __init__(self, cell: Mapping[str, Any]) -> None:
        self._texts: Mapping[str, str] = cell["parameters"]

    def __getitem__(self, name: str) -> int:
        return int(self._texts[name], 2)


def _memory(cell: Mapping[str, Any], parameters: _Parameters, number: int, nets: Nets) -> Memory:
    width, words, data = parameters["WIDTH"], parameters["SIZE"], cell["connections"]["RD_DATA"]
    contents: str = cell["parameters"]["INIT"]
    is_table = not parameters["WR_PORTS"]
    columns = _columns(contents, width) if is_table and "x" not in contents else None
    return Memory(
        number, width, words, parameters["RD_PORTS"], parameters["WR_PORTS"], parameters["RD_CLK_ENABLE"] != 0,
        nets.behind(data), not parameters["RD_COLLISION_X_MASK"] and not parameters["RD_TRANSPARENCY_MASK"],
        width if columns is None else len(columns), nets.chained(data) if is_table else 0,
        any(bit in "01" for bit in contents), None if columns is None else sum(map(_nodes, columns)),
    )  # fmt: skip


def _columns(contents: str, width: int) -> set[str]:
    """Each bit of a table over all its words, but for constants and copies; the highest word is the first one."""
    return {column for column in (contents[place::width] for place in range(width)) if len(set(column)) > 1}


def _nodes(column: str) -> int:
    """Two-way choices that a bit of a table takes, address bit for address bit, where equal parts are one."""
    found, size = 0, 1
    whole = column.rjust(1 << (len(column) - 1).bit_length(), column[0])
    while size < len(whole):
        size *= 2
        parts = {whole[begin : begin + size] for begin in range(0, len(whole), size)}
        found += sum(part[: size // 2] != part[size // 2 :] for part in parts)
    return found


def _product(cell: Mapping[str, Any], parameters: _Parameters, number: int, nets: Nets) -> Product:
    narrow, wide = sorted((parameters["A_WIDTH"], parameters["B_WIDTH"]))
    pins = cell["connections"]
    behind = nets.behind(pins["Y"])
    before = nets.before([*pins["A"], *pins["B"]]) if behind else 0
    return Product(number, wide, narrow, before, behind)


def _variable(cell: Mapping[str, Any], port: str) -> list[bool]:
    """Of each bit of a port, whether it is no constant."""
    return [isinstance(bit, int) for bit in cell["connections"].get(port, ())]


def _logic(kind: str, cell: Mapping[str, Any], parameters: _Parameters) -> Iterator[tuple[str, float]]:
    """What a cell counts as."""
    left, right = _variable(cell, "A"), _variable(cell, "B")
    a, b = sum(left), sum(right)
    if kind in _ARITHMETIC:
        yield "carry", parameters["Y_WIDTH"]
        yield "carry chains", 1
        if kind == "$macc_v2":
            yield "compressed", max(0, parameters["NADDENDS"] - 2) * parameters["Y_WIDTH"]
    elif kind in _MAGNITUDE:
        yield ("carry" if min(a, b) else "reduction"), max(a, b)
    elif kind in _EQUALITY:
        yield "equality", max(a, b) * (2 if min(a, b) else 1) / 3
    elif kind == "$mux":
        yield "select", sum(x and y for x, y in zip(left, right))
        sides = zip(left, right, cell["connections"]["A"], cell["connections"]["B"])
        yield "gated", sum(x != y and "x" not in (one, other) for x, y, one, other in sides)
    elif kind in ("$pmux", "$bmux"):
        yield "parallel select", b if kind == "$pmux" else a
    elif kind in _BITWISE:
        yield "and or", min(parameters["Y_WIDTH"], max(a, b))
    elif kind in _EXCLUSIVE:
        yield "xor", min(parameters["Y_WIDTH"], max(a, b))
    elif kind.startswith(("$reduce_", "$logic_")):
        yield "reduction", max(0, a + b - 1) / 3
    elif kind in _SHIFTS:
        yield "shift", parameters["Y_WIDTH"] * min(b, 6)
    elif kind == "$shiftx":
        yield "shift", a / 2
    else:
        raise ToolError(
            f"Yosys made a cell {kind} of the circuit, and what that costs is not known: generate with --no-count, and "
            f"tell us."
        )
