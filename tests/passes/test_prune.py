"""Masks by magnitude against hand-worked cases and against all masks there are; ratios; patterns recognised."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest

from rnngen.errors import ModelError
from rnngen.ir.sparse import BankedMask
from rnngen.passes.prune import (
    bank_mask,
    block_mask,
    find_banks,
    fit_banks,
    kept_of,
    nearest_kept,
    ratio,
    unstructured_mask,
)


def kept_columns(mask):
    return [np.flatnonzero(row).tolist() for row in mask]


def all_masks(columns, banks, kept):
    """Every set of columns with `kept` in each bank of a row, from the definition alone."""
    members = [[j for j in range(columns) if j % banks == bank] for bank in range(banks)]
    for choice in product(*(combinations(places, kept) for places in members)):
        yield sorted(sum(choice, ()))


def refused(sentence, function, *arguments, **options):
    with pytest.raises(ModelError, match=f"^{re.escape(sentence)}$"):
        function(*arguments, **options)


# --- bank-balanced masks


def test_by_hand():
    """Bank 0: columns 0 2 4 with 5, -9, 1; bank 1: columns 1 3 5 with 2, 2, -3."""
    weights = np.array([[5.0, 2.0, -9.0, 2.0, 1.0, -3.0]])
    assert kept_columns(bank_mask(weights, 2, 1).mask) == [[2, 5]]
    assert kept_columns(bank_mask(weights, 2, 2).mask) == [[0, 1, 2, 5]]  # of the two 2s the lower column
    assert kept_columns(bank_mask(weights, 2, 3).mask) == [[0, 1, 2, 3, 4, 5]]


def test_shared_rows_by_hand():
    """Row 0 alone keeps column 0, row 1 column 2; together 4 + 0 < 3 + 3, so both keep column 1."""
    weights = np.array([[4.0, 3.0, 0.0], [0.0, -3.0, 3.5]])
    assert kept_columns(bank_mask(weights, 1, 1).mask) == [[0], [2]]
    assert kept_columns(bank_mask(weights, 1, 1, shared_rows=2).mask) == [[1], [1]]
    assert kept_columns(bank_mask(weights, 1, 1, shared_rows=2, gates=2).mask) == [[0], [2]]  # a gate each


@pytest.mark.parametrize("gates, groups", [(1, [[0, 1], [2, 3], [4, 5]]), (2, [[0, 1], [2], [3, 4], [5]])])
@pytest.mark.parametrize("columns, banks, kept", [(6, 1, 2), (6, 2, 1), (7, 3, 2), (8, 4, 1), (5, 5, 1), (7, 2, 3)])
def test_best_of_all_masks(columns, banks, kept, gates, groups):
    rng = np.random.default_rng(columns * 100 + banks)
    weights = rng.integers(-4, 5, (6, columns)).astype(float)  # many ties
    found = kept_columns(bank_mask(weights, banks, kept, 2, gates).mask)
    for group in groups:
        sums = np.abs(weights[group]).sum(axis=0)
        best = max(sums[chosen].sum() for chosen in all_masks(columns, banks, kept))
        assert all(found[row] == found[group[0]] for row in group)
        assert found[group[0]] in list(all_masks(columns, banks, kept))
        assert sums[found[group[0]]].sum() == best


@pytest.mark.parametrize("columns, banks, kept", [(6, 2, 1), (7, 3, 2), (8, 1, 3)])
def test_ties_keep_the_lower_columns(columns, banks, kept):
    expected = min(all_masks(columns, banks, kept))  # all equal: the smallest numbers
    assert kept_columns(bank_mask(np.ones((2, columns)), banks, kept).mask) == [expected] * 2


def test_padding_is_never_kept():
    weights = np.zeros((3, 10))  # zeros are as small as anything that padding could be
    found = bank_mask(weights, 4, 2)
    assert found.mask.shape == (3, 10)
    assert found.columns.max() <= 9


def test_nothing_kept():
    assert not bank_mask(np.ones((2, 4)), 2, 0).mask.any()


def test_magnitude_of_float32():
    weights = np.random.default_rng(0).normal(size=(8, 32)).astype(np.float32)
    assert np.array_equal(bank_mask(weights, 4, 2).mask, bank_mask(weights.astype(np.float64), 4, 2).mask)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(value):
    weights = np.ones((3, 4))
    weights[2, 1] = value
    sentence = (
        f"The matrix holds {value} at [2, 1] (1 of its 12 values are not finite); all must be finite, so repair the "
        f"checkpoint or take an earlier one."
    )
    for function in (lambda w: bank_mask(w, 2, 1), lambda w: fit_banks(w, 2), lambda w: unstructured_mask(w, 3)):
        refused(sentence, function, weights)


@pytest.mark.parametrize(
    "banks, kept, shared, gates, sentence",
    [
        (
            *(7, 1, 1, 1),
            "W has rows of 6, so its banks must be within 1..6, not 7; choose another number, or leave it dense.",
        ),
        (
            *(0, 1, 1, 1),
            "W has rows of 6, so its banks must be within 1..6, not 0; choose another number, or leave it dense.",
        ),
        (
            *(4, 2, 1, 1),
            "W must keep 0..1 non-zeros in a bank (rows of 6 in 4 banks, the shortest of which has 1), not 2.",
        ),
        (2, 1, 0, 1, "W must have at least 1 row with an index set, not 0."),
        (2, 1, 1, 3, "W has 4 rows, which are not 3 gates of equal size; give the cell's gates."),
    ],
)
def test_refused_banks(banks, kept, shared, gates, sentence):
    refused(sentence, bank_mask, np.ones((4, 6)), banks, kept, shared, gates, "W")


def test_no_matrix():
    sentence = "The matrix must be a matrix with at least one row and column, not of shape (4,)."
    refused(sentence, bank_mask, np.ones(4), 2, 1)


# --- the masks to compare with


def test_unstructured():
    weights = np.array([[1.0, -4.0, 2.0], [2.0, 0.0, 3.0]])
    assert kept_columns(unstructured_mask(weights, 3)) == [[1, 2], [2]]  # of the two 2s the one of the first row
    assert not unstructured_mask(weights, 0).any()
    assert unstructured_mask(weights, 6).all()
    refused("The matrix must keep 0..6 weights, not 7.", unstructured_mask, weights, 7)


def test_blocks():
    """Block sums 4, 3 over 3, 4: the first of the two largest, then the other one."""
    weights = np.array([[1.0, -1.0, 3.0, 0.0], [1.0, 1.0, 0.0, 0.0], [0.0, 3.0, 2.0, 2.0], [0.0, 0.0, 0.0, 0.0]])
    assert kept_columns(block_mask(weights, (2, 2), 1)) == [[0, 1], [0, 1], [], []]
    assert kept_columns(block_mask(weights, (2, 2), 2)) == [[0, 1], [0, 1], [2, 3], [2, 3]]
    assert kept_columns(block_mask(weights, (4, 1), 1)) == [[1]] * 4  # of the sums 2, 5, 5, 2
    refused("The matrix of shape (4, 4) cannot be cut into blocks of 3 x 2.", block_mask, weights, (3, 2), 1)
    refused("The matrix must keep 0..4 blocks of 2 x 2, not 5.", block_mask, weights, (2, 2), 5)


# --- ratios


@pytest.mark.parametrize(
    "given, expected",
    [
        (0.875, Fraction(7, 8)),
        ("0.875", Fraction(7, 8)),
        ("7/8", Fraction(7, 8)),
        ("87.5%", Fraction(7, 8)),
        (" 87.5 % ", Fraction(7, 8)),
        (Fraction(2, 3), Fraction(2, 3)),
        (0.9, Fraction(9, 10)),
        (0, Fraction(0)),
        (".5", Fraction(1, 2)),
        (np.float64(0.75), Fraction(3, 4)),
    ],
)
def test_ratio(given, expected):
    assert ratio(given) == expected


@pytest.mark.parametrize(
    "given", [1, 1.0, -0.1, "-1/2", "100%", 75, "8/7", "1/0", "half", "", "0.5.5", "1e3", "9" * 99]
)
def test_refused_ratio(given):
    refused(f"S must be at least 0 and below 1, such as 0.875, 7/8 or 87.5%, not '{given}'.", ratio, given, "S")


@pytest.mark.parametrize("given", [float("nan"), float("inf")])
def test_ratio_that_is_not_finite(given):
    refused(f"S must be at least 0 and below 1, such as 0.875, 7/8 or 87.5%, not '{given}'.", ratio, given, "S")


@pytest.mark.parametrize(
    "sparsity, columns, banks, kept",
    [
        (0.875, 64, 4, 2),
        (0.9, 100, 5, 2),
        ("93.75%", 128, 8, 1),
        (0, 12, 4, 3),
        (2 / 3, 12, 4, 1),  # 0.6666666666666666
        ("0.6666666667", 12, 4, 1),
        (Fraction(1, 3), 12, 4, 2),
        ("3/5", 10, 4, 1),  # 4 of 10 kept: the padding is no part of the ratio
        ("1/5", 10, 4, 2),
    ],
)
def test_kept(sparsity, columns, banks, kept):
    assert kept_of(sparsity, columns, banks) == kept
    assert 1 - kept * banks / columns == pytest.approx(float(ratio(sparsity)), abs=1e-9)


@pytest.mark.parametrize(
    "sparsity, columns, banks, kept, legal",
    [
        (0.9, 96, 4, "2.4", "ones are 0.875 (3 kept) and 11/12 (2 kept)"),
        (0.875, 12, 4, "0.375", "one is 2/3 (1 kept)"),
        (0, 10, 4, "2.5", "one is 0.2 (2 kept)"),
        ("0.667", 12, 4, "0.999", "one is 2/3 (1 kept)"),
        ("0.333", 12, 4, "2.001", "ones are 0 (3 kept) and 1/3 (2 kept)"),
    ],
)
def test_ratio_that_leaves_a_fraction(sparsity, columns, banks, kept, legal):
    refused(
        f"W cannot have a sparsity of {sparsity}, which would keep {kept} non-zeros in each bank "
        f"(rows of {columns} in {banks} banks); the nearest legal {legal}.",
        kept_of, sparsity, columns, banks, "W",
    )  # fmt: skip


def test_legal_ratios_are_taken():
    for columns, banks in ((96, 4), (10, 4), (153, 64), (7, 3)):
        for kept in range(1, columns // banks + 1):
            assert kept_of(Fraction(columns - kept * banks, columns), columns, banks) == kept
            assert kept_of((columns - kept * banks) / columns, columns, banks) == kept


@pytest.mark.parametrize(
    "sparsity, columns, banks, kept",
    [
        (0.875, 64, 4, 2),
        (0.9, 64, 4, 2),  # 1.6
        (0.92, 64, 4, 1),  # 1.28
        ("29/32", 64, 4, 2),  # 1.5
        (0.99, 64, 4, 0),  # 0.16
        (0, 10, 4, 2),  # 2.5, but a bank of the four has two places only
        (0, 12, 4, 3),
    ],
)
def test_nearest_kept(sparsity, columns, banks, kept):
    assert nearest_kept(sparsity, columns, banks) == kept


def test_nearest_kept_refuses_what_is_no_ratio():
    sentence = "Sparsity must be at least 0 and below 1, such as 0.875, 7/8 or 87.5%, not '1'."
    refused(sentence, nearest_kept, 1, 64, 4)


def test_banks_that_exceed_the_row():
    sentence = "W has rows of 12, so its banks must be within 1..12, not 16; choose another number, or leave it dense."
    refused(sentence, kept_of, 0.5, 12, 16, "W")


# --- weights that are sparse already


def pruned(rows, columns, banks, kept, shared=1, gates=1, seed=0):
    weights = np.random.default_rng(seed).uniform(0.5, 1, (rows, columns))
    mask = bank_mask(weights, banks, kept, shared, gates)
    return mask.apply(weights), mask


@pytest.mark.parametrize(
    "columns, banks, kept, shared, gates",
    [
        (16, 4, 2, 1, 1),
        (16, 4, 2, 3, 2),
        (10, 4, 1, 1, 4),
        (7, 7, 1, 2, 1),
        (9, 1, 4, 1, 1),
        (8, 8, 0, 1, 1),
        (8, 4, 2, 1, 1),
    ],
)
def test_recognised(columns, banks, kept, shared, gates):
    weights, mask = pruned(8, columns, banks, kept, shared, gates)
    for pad in (False, True):
        found = fit_banks(weights, banks, shared, pad, gates)
        assert (found.banks, found.kept, found.shared_rows, found.gates) == (banks, kept, shared, gates)
        assert np.array_equal(found.mask, mask.mask)


@pytest.mark.parametrize("columns, banks", [(64, 8), (48, 4), (50, 16), (9, 1)])
def test_number_of_banks_found(columns, banks):
    weights, mask = pruned(64, columns, banks, columns // banks // 2 + 1)
    assert find_banks(weights) == banks
    assert np.array_equal(fit_banks(weights).mask, mask.mask)
    assert fit_banks(weights, max(1, banks // 2)).kept == mask.kept * (2 if banks > 1 else 1)


def test_number_of_banks_of_dense_weights():
    assert find_banks(np.ones((3, 12))) == 4  # 8 banks would have 2 or 1
    assert find_banks(np.zeros((3, 12))) == 8  # nothing in each


def test_refused_where_banks_differ():
    weights, _ = pruned(6, 8, 2, 2)
    weights[3, np.flatnonzero(weights[3, ::2])[0] * 2] = 0  # bank 0 of row 3 loses one
    weights[5, 1::2] = 1  # bank 1 of row 5 is full
    refused(
        "W does not fit 2 banks of equal numbers of non-zeros: most hold 2, but not row 3 bank 0 (1), row 5 bank 1 "
        "(4); prune it to banks, give another number of them, or let zeros be added (pad).",
        fit_banks, weights, 2, title="W",
    )  # fmt: skip
    weights[0] = 1
    faults = r"not row 0 bank 0 \(4\), row 0 bank 1 \(4\), row 3 bank 0 \(1\) and 1 more \(4 in all\);"
    with pytest.raises(ModelError, match=faults):
        fit_banks(weights, 2)
    with pytest.raises(ModelError, match="does not fit 1 bank of equal numbers"):
        fit_banks(weights)


def test_padded_with_zeros():
    """Bank 0 (columns 0 2 4): 4 is used; bank 1 (1 3 5): 1 and 5.  k = 2; bank 0 takes its lowest free place, 0."""
    weights = np.array([[0, 7.0, 0, 0, 7.0, 7.0], [1.0, 0, 1.0, 0, 0, 0]])
    found = fit_banks(weights, 2, pad=True)
    assert found.kept == 2
    assert kept_columns(found.mask) == [[0, 1, 4, 5], [0, 1, 2, 3]]
    assert np.array_equal(found.apply(weights), weights)


def test_padded_shared_rows():
    """Two rows with one index set: the columns of both."""
    weights = np.array([[1.0, 0, 0, 0], [0, 0, 1.0, 0]])
    refused(
        "W does not fit groups of 2 rows with one index set, as other columns than in the first row of their group are "
        "non-zero in row 1; give fewer shared rows, or let zeros be added (pad).",
        fit_banks, weights, 1, 2, title="W",
    )  # fmt: skip
    assert kept_columns(fit_banks(weights, 1, 2, pad=True).mask) == [[0, 2]] * 2


@pytest.mark.parametrize("seed", range(20))
def test_padding_loses_nothing(seed):
    rng = np.random.default_rng(seed)
    rows, columns = 6, int(rng.integers(1, 13))
    banks, shared, gates = int(rng.integers(1, columns + 1)), int(rng.integers(1, 4)), int(rng.choice([1, 2, 3]))
    weights = rng.normal(size=(rows, columns)) * (rng.random((rows, columns)) < 0.3)
    try:
        found = fit_banks(weights, banks, shared, True, gates)
    except ModelError as error:
        assert "give a number of banks that divides" in str(error)
        assert columns % banks  # banks of two lengths, and one of the longer ones is full
        return
    assert isinstance(found, BankedMask)
    assert np.array_equal(found.apply(weights), weights)


def test_padding_beyond_the_shortest_bank():
    refused(
        "W does not fit 4 banks: 3 non-zeros a bank are needed, but rows of 10 have banks of 3 and of 2; give a number "
        "of banks that divides 10, or leave the layer dense.",
        fit_banks, np.ones((2, 10)), 4, pad=True, title="W",
    )  # fmt: skip


def test_padding_needs_the_number_of_banks():
    refused(
        "W fits any number of banks if it is padded with zeros; give the number.",
        fit_banks, np.ones((2, 4)), pad=True, title="W",
    )  # fmt: skip


def test_banks_beyond_the_row_are_not_fitted():
    sentence = "W has rows of 4, so its banks must be within 1..4, not 5; choose another number, or leave it dense."
    refused(sentence, fit_banks, np.ones((2, 4)), 5, title="W")
