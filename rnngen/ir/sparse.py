"""Bank-balanced sparse matrices: which weights are kept, and where a bank's memory holds their operands.

Element j of a row lies in bank j mod B, at the local index j // B.  Units that are written together, and the newest
h, so lie in different banks, and the non-zeros of a bank in the order of their index have the newest h last.  A bank
has ceil(columns / B) places; the last place of some banks is padding, which never holds a non-zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from rnngen.errors import ModelError
from rnngen.ir.layers import FloatArray

BoolArray = npt.NDArray[np.bool_]
IndexArray = npt.NDArray[np.int64]
_Value = TypeVar("_Value", bound=np.generic)

SHOWN = 3
"""How many rows and banks a message names."""


def bank_length(columns: int, banks: int) -> int:
    """Places of a bank: ceil(columns / banks)."""
    return -(-columns // banks)


def in_banks(rows: npt.NDArray[_Value], banks: int, padding: Any) -> npt.NDArray[_Value]:
    """Rows (rows, columns) as (rows, bank length, banks): element j at [:, j // banks, j % banks]."""
    height, columns = rows.shape
    length = bank_length(columns, banks)
    padded = np.full((height, length * banks), padding, dtype=rows.dtype)
    padded[:, :columns] = rows
    return padded.reshape(height, length, banks)


def group_starts(rows: int, gates: int, shared_rows: int) -> IndexArray:
    """First row of each group of rows with one index set: no group crosses a gate, and a gate's last may be smaller."""
    height = rows // gates
    return np.concatenate([np.arange(gate * height, (gate + 1) * height, shared_rows) for gate in range(gates)])


def check_banks(
    title: str, shape: tuple[int, ...], banks: int, kept: int = 0, shared_rows: int = 1, gates: int = 1
) -> None:
    """Raise ModelError unless a matrix of this shape can have such banks.

    Args:
        title: How the message calls the matrix.
        shape: Of the matrix.
        banks: B, at most the columns.
        kept: Non-zeros of each bank of each row, at most the places of the shortest bank.
        shared_rows: Neighbouring rows of one gate with one index set.
        gates: Equal parts of the rows, PyTorch's order.
    """
    if len(shape) != 2 or 0 in shape:
        raise ModelError(f"{title} must be a matrix with at least one row and column, not of shape {shape}.")
    rows, columns = shape
    if gates < 1 or rows % gates:
        raise ModelError(f"{title} has {rows} rows, which are not {gates} gates of equal size; give the cell's gates.")
    if not 1 <= banks <= columns:
        raise ModelError(
            f"{title} has rows of {columns}, so its banks must be within 1..{columns}, not {banks}; "
            f"choose another number, or leave it dense."
        )
    if not 0 <= kept <= columns // banks:
        raise ModelError(
            f"{title} must keep 0..{columns // banks} non-zeros in a bank (rows of {columns} in {banks} banks, the "
            f"shortest of which has {columns // banks}), not {kept}."
        )
    if shared_rows < 1:
        raise ModelError(f"{title} must have at least 1 row with an index set, not {shared_rows}.")


@dataclass(frozen=True, eq=False)
class BankedMask:
    """Which weights of a matrix are kept: as many in each bank of each row.

    Attributes:
        banks: B: equal parts of a row, element j in bank j mod B; a multiplier each.
        kept: k: non-zeros in each bank of each row, at most the length of the shortest bank.
        shared_rows: N: rows n * N .. n * N + N - 1 of a gate have one index set; the last group may be smaller.
        mask: (rows, columns), True where a weight is kept; read-only.
        gates: Equal parts of the rows (PyTorch's order) that share no index set.
    """

    banks: int
    kept: int
    shared_rows: int
    mask: BoolArray
    gates: int = 1

    def __post_init__(self) -> None:
        if self.mask.dtype != np.bool_:
            raise ModelError(f"A mask must be of the type bool, not {self.mask.dtype}.")
        check_banks("A mask", self.mask.shape, self.banks, self.kept, self.shared_rows, self.gates)
        mask = self.mask.copy()
        mask.flags.writeable = False
        object.__setattr__(self, "mask", mask)
        counts = in_banks(mask, self.banks, False).sum(axis=1)
        bad = np.argwhere(counts != self.kept)
        if len(bad):
            row, bank = (int(number) for number in bad[0])
            raise ModelError(
                f"A mask must keep {self.kept} in each bank of each row, but keeps {counts[row, bank]} in bank {bank} "
                f"of row {row} ({len(bad)} of {counts.size} banks differ)."
            )
        unlike = unlike_rows(mask, self.gates, self.shared_rows)
        if len(unlike):
            raise ModelError(
                f"A mask must keep the same columns in all rows of a group of {self.shared_rows}, but row {unlike[0]} "
                f"differs from the first row of its group ({len(unlike)} of {len(mask)} rows do)."
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.mask.shape
        return rows, columns

    @property
    def bank_length(self) -> int:
        """Places of a bank, ceil(columns / B)."""
        return bank_length(self.shape[1], self.banks)

    @property
    def index_bits(self) -> int:
        """Bits of a local index: 0 where a bank has one place."""
        return (self.bank_length - 1).bit_length()

    @property
    def groups(self) -> int:
        """Index sets: groups of rows."""
        return len(group_starts(self.shape[0], self.gates, self.shared_rows))

    @property
    def nonzeros(self) -> int:
        """Weights that are kept."""
        return self.shape[0] * self.banks * self.kept

    @property
    def index_memory_bits(self) -> int:
        """Bits of all indices, those of shared rows once."""
        return self.groups * self.banks * self.kept * self.index_bits

    @property
    def indices(self) -> IndexArray:
        """Local indices (rows, k, B), ascending in each bank: the first non-zero of every bank, then the second."""
        # False sorts before True, and a stable sort leaves the kept places in their order.
        order = np.argsort(~in_banks(self.mask, self.banks, False), axis=1, kind="stable")
        return order[:, : self.kept].astype(np.int64)

    @property
    def columns(self) -> IndexArray:
        """Columns of the matrix (rows, k, B) in the order of ``indices``."""
        return self.indices * self.banks + np.arange(self.banks)

    def values(self, weights: npt.NDArray[_Value]) -> npt.NDArray[_Value]:
        """The kept weights (rows, k, B) in the order of ``indices``.

        Raises:
            ModelError: if the weights are not of the mask's shape.
        """
        self._check(weights)
        return np.take_along_axis(in_banks(weights, self.banks, 0), self.indices, axis=1)

    def apply(self, weights: npt.NDArray[_Value]) -> npt.NDArray[_Value]:
        """The weights with zeros in place of those that are not kept.

        Raises:
            ModelError: if the weights are not of the mask's shape.
        """
        self._check(weights)
        return np.where(self.mask, weights, weights.dtype.type(0))

    def _check(self, weights: npt.NDArray[Any]) -> None:
        if weights.shape != self.mask.shape:
            raise ModelError(
                f"A mask of shape {self.shape} does not match weights of shape {weights.shape}; "
                f"both must come from one matrix."
            )


def stored(weights: IndexArray, mask: BankedMask | None, banks: int) -> tuple[IndexArray, IndexArray]:
    """Weights (rows, columns) as an engine reads them: values and places (rows, k, B), k at least 1.

    Without a mask every place is kept; places that are padding hold 0.
    """
    if mask is not None and mask.kept:
        return mask.values(weights), mask.indices
    values = in_banks(weights, banks, 0)
    if mask is not None:
        values = np.zeros_like(values[:, :1])
    places = np.broadcast_to(np.arange(values.shape[1])[:, None], values.shape)
    return values, places


def unlike_rows(mask: BoolArray, gates: int, shared_rows: int) -> list[int]:
    """Rows whose columns are not those of the first row of their group."""
    starts = group_starts(mask.shape[0], gates, shared_rows)
    first = starts[np.searchsorted(starts, np.arange(mask.shape[0]), side="right") - 1]
    return [int(row) for row in np.flatnonzero((mask != mask[first]).any(axis=1))]


ROLES = ("weight_ih", "weight_hh", "weight_hr", "weight")
"""What a matrix that can be pruned multiplies: x, h of the step before, an LSTM's output before its projection, or
what stands before a Linear layer."""


@dataclass(frozen=True, eq=False)
class WeightMatrix:
    """A matrix of a model that can be pruned.

    Attributes:
        name: Of the parameter, for instance ``encoder.lstm.weight_ih_l0``.
        layer: Of its layer, for instance ``encoder.lstm.l0``.
        names: All by which a user means it: its own, its layer's, those of what holds the layer.
        role: One of ``ROLES``.
        weights: (gates * H, columns).
        gates: Equal parts of its rows.
    """

    name: str
    layer: str
    names: tuple[str, ...]
    role: str
    weights: FloatArray
    gates: int

    @property
    def recurrent(self) -> bool:
        """Whether it multiplies the h of the step before."""
        return self.role == "weight_hh"
