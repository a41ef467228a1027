"""What a plan needs to know of a layer: its sizes, its gates, and which of its products are zeros."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from rnngen.arith.format import IntArray

Cycle = TypeVar("Cycle", int, IntArray)
"""A word, unit or cycle, or many of them."""


def ceil_div(a: int, b: int) -> int:
    """a / b rounded up."""
    return -(-a // b)


def at_most(value: Cycle, limit: int) -> Cycle:
    """The smaller one."""
    # Plain integers stay plain: NumPy's are slow, one by one.
    return min(value, limit) if isinstance(value, int) else np.minimum(value, limit)


@dataclass(frozen=True)
class BankedShape:
    """Bank-balanced rows: the elements of a row lie in ``banks`` banks (element j in bank j mod banks), and of each
    bank as many are not zero (Cao et al., FPGA 2019).

    Attributes:
        banks: B, multiplied at once.
        kept_x, kept_h: Non-zeros of a bank of W_ih, of W_hh.
        shared_rows: N, neighbouring units whose rows of a gate have the same places (SIBBS 2022).
        index_bits: Of a non-zero's place in its bank.
    """

    banks: int
    kept_x: int
    kept_h: int
    shared_rows: int
    index_bits: int

    def allows(self, rows: int) -> bool:
        """Whether row lanes and rows that share their places fit each other."""
        return not (rows % self.shared_rows and self.shared_rows % rows)

    def words(self, size: int, kept: int) -> int:
        """Words of a sweep over so many elements: one for each non-zero of a bank, and one where there are none."""
        return max(1, kept) if size else 0

    def products(self, size: int, kept: int) -> int:
        """Non-zeros of a row of so many elements: a bank has no more than it has places."""
        return sum(min(kept, ceil_div(size - bank, self.banks)) for bank in range(self.banks))


@dataclass(frozen=True)
class LayerShape:
    """What a plan needs to know of a layer.

    Attributes:
        kind: Of its element-wise path (``rnngen.plan.timing.tail_timing``).
        gates: Rows of the matrix for one output unit.
        inputs: Words of x that are multiplied.  units: H (outputs of a Linear layer).
        hidden: Words of h that are multiplied (0: none).
        symbols: V where x is a symbol that a table is read at, and nothing of x is multiplied; else 0.
        alone: Whether h is the engine's own result, and not that of a second stage.
        x_offset, h_offset: First words of x and h that are read, where the vectors are longer.
        padding: Words of x that are there for the sake of a layout and have no weight.
        streams: S interleaved sequences that share the engine, each with a state of its own.
        spaced: The h-part of a step is computed as soon as h is there, before its x comes.
        pair_width: Bits of a multiplier's wide operand where each gives two products, of neighbouring rows of the
            matrix; else 0.
        banked: The non-zeros of its rows, where zeros are not multiplied; the banks are its columns.
        shares: Devices that compute as many units of the layer each; h holds the engine's own units first, then those
            of the others, which come over links.  Of a second stage that shares what the first stages of all devices
            give: its x is that of its own device, its h that of the others.
        apart: x is multiplied by another engine, and the input of a step is its sums: the biases of that step.
    """

    name: str
    kind: str
    gates: int
    inputs: int
    units: int
    hidden: int
    symbols: int = 0
    alone: bool = True
    x_offset: int = 0
    h_offset: int = 0
    padding: int = 0
    streams: int = 1
    spaced: bool = False
    pair_width: int = 0
    banked: BankedShape | None = None
    shares: int = 1
    apart: bool = False

    @property
    def port_size(self) -> int:
        """Words of an input step: of x, or a symbol, or the sums of x."""
        if self.apart:
            return self.gates * self.units
        return 1 if self.symbols else self.inputs

    @property
    def others(self) -> int:
        """Other devices whose words are among those of h."""
        return self.shares - 1

    @property
    def gives_h(self) -> bool:
        """Whether words of h are the engine's own results, or those of a second stage."""
        return self.hidden > 0 and (self.shares == 1 or self.alone)

    def halves(self, turns: int) -> bool:
        """Whether the last of so many turns of gates gives two sums: of x and of h (a GRU keeps those of n apart)."""
        return turns > 1 and self.kind == "gru" and self.inputs > 0

    def x_words(self, columns: int) -> int:
        """Words of x that a sweep multiplies."""
        banked = self.banked
        return ceil_div(self.inputs, columns) if banked is None else banked.words(self.inputs, banked.kept_x)

    def h_words(self, columns: int) -> int:
        """Words of h that a sweep multiplies."""
        banked = self.banked
        return ceil_div(self.hidden, columns) if banked is None else banked.words(self.hidden, banked.kept_h)

    def words(self, columns: int) -> int:
        """Words that a sweep multiplies."""
        return self.x_words(columns) + self.h_words(columns)

    def array_dsps(self, rows: Cycle, columns: Cycle) -> Cycle:
        """DSP blocks of a multiplier array, or of many: of an odd number of rows the last one shares none."""
        return -(-rows // (2 if self.pair_width else 1)) * columns

    @property
    def macs(self) -> int:
        """Multiply-accumulates of a step; of banked rows those of non-zeros."""
        if self.banked is None:
            return self.gates * self.units * (self.inputs - self.padding + self.hidden)
        return self.gates * self.units * (self.banked.products(self.inputs, self.banked.kept_x)
                                          + self.banked.products(self.hidden, self.banked.kept_h))  # fmt: skip


def turn_choices(shape: LayerShape) -> tuple[int, ...]:
    """Turns in which the gates of a layer can be taken, as many of them in each; in spaced mode all at once."""
    if shape.spaced:
        return (1,)
    return tuple(turns for turns in range(1, shape.gates + 1) if shape.gates % turns == 0)
