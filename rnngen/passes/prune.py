"""Masks by magnitude: bank-balanced ones, what they are compared with, and the pattern of weights already sparse.

Of equal magnitudes the one of the lower index is kept, so that a matrix always has the same mask.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import TypeAlias

import numpy as np

from rnngen.errors import ModelError
from rnngen.ir.layers import FloatArray
from rnngen.ir.sparse import (
    SHOWN,
    BankedMask,
    BoolArray,
    IndexArray,
    bank_length,
    check_banks,
    group_starts,
    in_banks,
    unlike_rows,
)

Ratio: TypeAlias = float | str | Fraction
"""A share of zeros: a number, or a text such as ``0.875``, ``7/8`` or ``87.5%``."""

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)"
_RATIO = re.compile(rf"\s*(?P<number>{_NUMBER})\s*(?:/\s*(?P<divisor>\d+)|(?P<percent>%))?\s*", re.ASCII)
_LONGEST = 40  # characters of a ratio
_NEAR = Fraction(1, 10**9)  # a legal ratio that is no finite decimal may be given rounded


def _fraction(value: Ratio) -> Fraction | None:
    """A ratio as it is written; None if it is no number."""
    if isinstance(value, Fraction):
        return value
    if not isinstance(value, str):
        return Fraction(repr(float(value))) if math.isfinite(value) else None
    match = _RATIO.fullmatch(value) if len(value) <= _LONGEST else None
    if match is None:
        return None
    divisor = int(match["divisor"] or (100 if match["percent"] else 1))
    return Fraction(match["number"]) / divisor if divisor else None


def ratio(value: Ratio, title: str = "Sparsity") -> Fraction:
    """A share of zeros, exact as it is written.

    Raises:
        ModelError: if it is no number of at least 0 and below 1.
    """
    share = _fraction(value)
    if share is None or not 0 <= share < 1:
        raise ModelError(f"{title} must be at least 0 and below 1, such as 0.875, 7/8 or 87.5%, not '{value}'.")
    return share


def _spelled(share: Fraction) -> str:
    """A ratio that a user can give: a decimal where a short one is exact."""
    decimal = f"{float(share):.6g}"
    return decimal if Fraction(decimal) == share else str(share)


def kept_of(sparsity: Ratio, columns: int, banks: int, title: str = "The matrix") -> int:
    """Non-zeros that each bank of a row keeps at a share of zeros: (1 - sparsity) * columns / banks.

    The share is that of the row without its padding; one within 1e-9 of a legal one is taken for it.

    Raises:
        ModelError: if the banks exceed the row, or if the ratio leaves a fraction of a non-zero; the sentence has the
            nearest legal ones.
    """
    check_banks(title, (1, columns), banks)
    share = ratio(sparsity)
    exact, most = (1 - share) * columns / banks, columns // banks

    def legal(kept: int) -> Fraction:
        return 1 - Fraction(kept * banks, columns)

    kept = min(max(round(exact), 1), most)
    if abs(legal(kept) - share) <= _NEAR:
        return kept
    around = sorted({min(max(count, 1), most) for count in (math.floor(exact), math.ceil(exact))}, reverse=True)
    said = " and ".join(f"{_spelled(legal(count))} ({count} kept)" for count in around)
    raise ModelError(
        f"{title} cannot have a sparsity of {_spelled(share)}, which would keep {float(exact):.4g} non-zeros in each "
        f"bank (rows of {columns} in {banks} banks); the nearest legal {'ones are' if len(around) > 1 else 'one is'} "
        f"{said}."
    )


def nearest_kept(sparsity: Ratio, columns: int, banks: int, title: str = "The matrix") -> int:
    """The legal number of non-zeros of a bank whose share of zeros is nearest, the larger one of two equally near.

    For ratios on the way to one that is legal, as in a schedule that prunes little by little.

    Raises:
        ModelError: if the banks exceed the row, or the ratio is none.
    """
    check_banks(title, (1, columns), banks)
    return min(math.floor((1 - ratio(sparsity)) * columns / banks + Fraction(1, 2)), columns // banks)


def _magnitudes(weights: FloatArray, title: str) -> FloatArray:
    values = np.asarray(weights, dtype=np.float64)
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        where = tuple(int(number) for number in bad[0])
        raise ModelError(
            f"{title} holds {values[where]} at {list(where)} ({len(bad)} of its {values.size} values are not finite); "
            f"all must be finite, so repair the checkpoint or take an earlier one."
        )
    return np.abs(values)


def _group_of(rows: int, starts: IndexArray) -> IndexArray:
    """Number of each row's group."""
    return np.searchsorted(starts, np.arange(rows), side="right") - 1


def bank_mask(
    weights: FloatArray,
    banks: int,
    kept: int,
    shared_rows: int = 1,
    gates: int = 1,
    title: str = "The matrix",
) -> BankedMask:
    """The largest weights of each bank of each row.

    Args:
        weights: (gates * H, columns).
        banks: B, at most the columns.
        kept: k, at most the length of the shortest bank.
        shared_rows: N neighbouring rows of a gate that keep the same columns, those of the largest summed magnitude.
        gates: Equal parts of the rows.
        title: How messages call the weights.

    Returns:
        The mask of the largest sum of kept magnitudes; of equal ones the lower column is kept.

    Raises:
        ModelError: if the weights cannot have such banks, or are not finite.
    """
    check_banks(title, np.shape(weights), banks, kept, shared_rows, gates)
    magnitudes = _magnitudes(weights, title)
    starts = group_starts(len(magnitudes), gates, shared_rows)
    scores = in_banks(np.add.reduceat(magnitudes, starts, axis=0), banks, -1.0)  # padding comes last
    order = np.argsort(-scores, axis=1, kind="stable")[:, :kept]
    chosen = np.zeros(scores.shape, dtype=np.bool_)
    np.put_along_axis(chosen, order, True, axis=1)
    return BankedMask(banks, kept, shared_rows, _spread(chosen, starts, magnitudes.shape), gates)


def _spread(chosen: BoolArray, starts: IndexArray, shape: tuple[int, ...]) -> BoolArray:
    """A mask (rows, columns) of what each group keeps (groups, bank length, banks)."""
    rows, columns = shape
    flat = chosen.reshape(len(chosen), -1)[:, :columns]
    return flat[_group_of(rows, starts)]


def unstructured_mask(weights: FloatArray, kept: int, title: str = "The matrix") -> BoolArray:
    """The ``kept`` largest weights of a matrix, wherever they are; of equal ones the first in the order of rows.

    Raises:
        ModelError: if there are not so many, or they are not finite.
    """
    magnitudes = _magnitudes(weights, title)
    if not 0 <= kept <= magnitudes.size:
        raise ModelError(f"{title} must keep 0..{magnitudes.size} weights, not {kept}.")
    mask = np.zeros(magnitudes.size, dtype=np.bool_)
    mask[np.argsort(-magnitudes.ravel(), kind="stable")[:kept]] = True
    return mask.reshape(magnitudes.shape)


def block_mask(weights: FloatArray, block: tuple[int, int], kept: int, title: str = "The matrix") -> BoolArray:
    """The ``kept`` blocks of a matrix with the largest summed magnitudes; of equal ones the first in the order of rows.

    Args:
        weights: (rows, columns).
        block: Rows and columns of a block; they divide those of the matrix.
        kept: Blocks that are kept whole.
        title: How messages call the weights.

    Raises:
        ModelError: if the blocks do not divide the matrix, if there are not so many, or the weights are not finite.
    """
    magnitudes = _magnitudes(weights, title)
    check_banks(title, magnitudes.shape, 1)
    (rows, columns), (high, wide) = magnitudes.shape, block
    if high < 1 or wide < 1 or rows % high or columns % wide:
        raise ModelError(f"{title} of shape {magnitudes.shape} cannot be cut into blocks of {high} x {wide}.")
    sums = magnitudes.reshape(rows // high, high, columns // wide, wide).sum(axis=(1, 3))
    if not 0 <= kept <= sums.size:
        raise ModelError(f"{title} must keep 0..{sums.size} blocks of {high} x {wide}, not {kept}.")
    return np.repeat(np.repeat(unstructured_mask(sums, kept), high, axis=0), wide, axis=1)


def find_banks(weights: FloatArray, shared_rows: int = 1, gates: int = 1, title: str = "The matrix") -> int:
    """The most banks, of the powers of two, that the non-zeros of a matrix fit: as many non-zeros in each.

    Where B banks fit B / 2 do, too (each is two of the former), so matrices that must have one B have the least of
    theirs.

    Raises:
        ModelError: if not even one bank fits, because the rows have different numbers of non-zeros, or if the weights
            are not finite.
    """
    check_banks(title, np.shape(weights), 1, 0, shared_rows, gates)
    present = _magnitudes(weights, title) != 0
    banks = 1
    while 2 * banks <= present.shape[1] and _balanced(present, 2 * banks):
        banks *= 2
    if banks == 1:
        fit_banks(weights, 1, shared_rows, gates=gates, title=title)  # says what does not fit
    return banks


def _balanced(present: BoolArray, banks: int) -> bool:
    counts = in_banks(present, banks, False).sum(axis=1)
    return bool((counts == counts[0, 0]).all())


def fit_banks(
    weights: FloatArray,
    banks: int | None = None,
    shared_rows: int = 1,
    pad: bool = False,
    gates: int = 1,
    title: str = "The matrix",
) -> BankedMask:
    """The banks that weights already sparse fit: every non-zero is kept, and as many places in each bank.

    Args:
        weights: (gates * H, columns).
        banks: B; None: what ``find_banks`` finds (not with ``pad``, since every number fits then).
        shared_rows: N neighbouring rows of a gate with one index set.
        pad: Where banks have unequal numbers of non-zeros, or rows of a group different columns, the group's rows
            keep the columns of all of them, each bank as many as the fullest has; zeros fill the lowest free places.
        gates: Equal parts of the rows.
        title: How messages call the weights.

    Raises:
        ModelError: if they do not fit: the sentence has the rows and banks at fault, and what to do.
    """
    if banks is None:
        if pad:
            raise ModelError(f"{title} fits any number of banks if it is padded with zeros; give the number.")
        banks = find_banks(weights, shared_rows, gates, title)
    check_banks(title, np.shape(weights), banks, 0, shared_rows, gates)
    present = _magnitudes(weights, title) != 0
    if pad:
        return _padded(present, banks, shared_rows, gates, title)
    counts = in_banks(present, banks, False).sum(axis=1)
    kept = int(np.bincount(counts.ravel()).argmax())
    _check_counts(counts, kept, title)
    unlike = unlike_rows(present, gates, shared_rows)
    if unlike:
        raise ModelError(
            f"{title} does not fit groups of {shared_rows} rows with one index set, as other columns than in the first "
            f"row of their group are non-zero in {_some([f'row {row}' for row in unlike])}; give fewer shared rows, "
            f"or let zeros be added (pad)."
        )
    return BankedMask(banks, kept, shared_rows, present, gates)


def _banks(number: int) -> str:
    return f"{number} bank{'s' * (number != 1)}"


def _some(items: list[str]) -> str:
    """The first few, and how many there are."""
    shown = ", ".join(items[:SHOWN])
    return shown if len(items) <= SHOWN else f"{shown} and {len(items) - SHOWN} more ({len(items)} in all)"


def _check_counts(counts: IndexArray, kept: int, title: str) -> None:
    """Refuse banks (rows, banks) that do not hold as many non-zeros as most do."""
    banks = counts.shape[1]
    faults = [f"row {row} bank {bank} ({counts[row, bank]})" for row, bank in np.argwhere(counts != kept)]
    if faults:
        raise ModelError(
            f"{title} does not fit {_banks(banks)} of equal numbers of non-zeros: most hold {kept}, but not "
            f"{_some(faults)}; prune it to banks, give another number of them, or let zeros be added (pad)."
        )


def _padded(present: BoolArray, banks: int, shared_rows: int, gates: int, title: str) -> BankedMask:
    starts = group_starts(len(present), gates, shared_rows)
    used = in_banks(np.logical_or.reduceat(present, starts, axis=0), banks, False)
    kept = int(used.sum(axis=1).max())
    columns = present.shape[1]
    if kept > columns // banks:
        raise ModelError(
            f"{title} does not fit {_banks(banks)}: {kept} non-zeros a bank are needed, but rows of {columns} have "
            f"banks of {bank_length(columns, banks)} and of {columns // banks}; give a number of banks that divides "
            f"{columns}, or leave the layer dense."
        )
    # Non-zeros first, then free places from the lowest on; padding is the last place, which is out of k's reach.
    order = np.argsort(~used, axis=1, kind="stable")[:, :kept]
    chosen = np.zeros(used.shape, dtype=np.bool_)
    np.put_along_axis(chosen, order, True, axis=1)
    return BankedMask(banks, kept, shared_rows, _spread(chosen, starts, present.shape), gates)
