"""Bank-balanced masks: the interleaved banks, the order of indices and values, and what is no such mask."""

from __future__ import annotations

import re

import numpy as np
import pytest

from rnngen.errors import ModelError
from rnngen.ir.sparse import BankedMask


def mask_of(*rows):
    return np.array([[letter == "x" for letter in row] for row in rows])


# Two rows of 10 in 4 banks: columns 0 4 8 | 1 5 9 | 2 6 | 3 7 (bank 2 and 3 have a place of padding).
UNEVEN = mask_of("..x.xx.x..", "x.....xx.x")


def test_by_hand():
    banked = BankedMask(4, 1, 1, UNEVEN)
    assert banked.indices.tolist() == [[[1, 1, 0, 1]], [[0, 2, 1, 1]]]
    assert banked.columns.tolist() == [[[4, 5, 2, 7]], [[0, 9, 6, 7]]]
    weights = np.arange(20).reshape(2, 10)
    assert banked.values(weights).tolist() == [[[4, 5, 2, 7]], [[10, 19, 16, 17]]]
    assert banked.apply(weights).tolist() == [[0, 0, 2, 0, 4, 5, 0, 7, 0, 0], [10, 0, 0, 0, 0, 0, 16, 17, 0, 19]]
    assert (banked.bank_length, banked.index_bits, banked.groups, banked.nonzeros) == (3, 2, 2, 8)
    assert banked.index_memory_bits == 16


def test_first_non_zeros_of_all_banks_come_first():
    banked = BankedMask(2, 2, 1, mask_of("x.xx...x"))
    # Bank 0: columns 0 2 4 6, bank 1: columns 1 3 5 7.
    assert banked.columns.tolist() == [[[0, 3], [2, 7]]]
    assert banked.indices.tolist() == [[[0, 1], [1, 3]]]


def test_shared_rows_stop_at_gates():
    """Two gates of three units, groups of two: rows 0-1, 2, 3-4, 5."""
    rows = ("x.", "x.", ".x", "x.", "x.", ".x")
    banked = BankedMask(1, 1, 2, mask_of(*rows), gates=2)
    assert (banked.groups, banked.index_memory_bits, banked.nonzeros) == (4, 4, 6)
    sentence = "in all rows of a group of 2, but row 3 differs from the first row of its group (2 of 6 rows do)."
    with pytest.raises(ModelError, match=re.escape(sentence)):
        BankedMask(1, 1, 2, mask_of(*rows), gates=1)  # rows 2-3 and 4-5 are groups then


@pytest.mark.parametrize("banks, kept, length, bits", [(1, 8, 8, 3), (8, 1, 1, 0), (4, 2, 2, 1), (2, 4, 4, 2)])
def test_all_dense(banks, kept, length, bits):
    weights = np.arange(24.0).reshape(3, 8)
    banked = BankedMask(banks, kept, 1, np.ones((3, 8), dtype=bool))
    assert (banked.bank_length, banked.index_bits) == (length, bits)
    assert np.array_equal(banked.values(weights).reshape(3, 8), weights)  # interleaved: the order is the row's own


def test_nothing_kept():
    banked = BankedMask(2, 0, 1, np.zeros((3, 5), dtype=bool))
    assert (banked.indices.shape, banked.values(np.ones((3, 5))).shape) == ((3, 0, 2), (3, 0, 2))
    assert (banked.nonzeros, banked.index_memory_bits) == (0, 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_types_are_kept(dtype):
    banked = BankedMask(4, 1, 1, UNEVEN)
    weights = np.ones((2, 10), dtype=dtype)
    assert (banked.values(weights).dtype, banked.apply(weights).dtype) == (dtype, dtype)


def test_frozen():
    mask = UNEVEN.copy()
    banked = BankedMask(4, 1, 1, mask)
    mask[:] = False
    assert np.array_equal(banked.mask, UNEVEN)
    with pytest.raises(ValueError, match="read-only"):
        banked.mask[0, 0] = True


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (
            (4, 2, 1, UNEVEN),
            "A mask must keep 2 in each bank of each row, but keeps 1 in bank 0 of row 0 (8 of 8 banks differ).",
        ),
        (
            (2, 2, 1, mask_of("x.x.x..x..")),
            "A mask must keep 2 in each bank of each row, but keeps 3 in bank 0 of row 0 (2 of 2 banks differ).",
        ),
        (
            (4, 3, 1, UNEVEN),
            "A mask must keep 0..2 non-zeros in a bank (rows of 10 in 4 banks, the shortest of which has 2), not 3.",
        ),
        ((4, -1, 1, UNEVEN), "A mask must keep 0..2 non-zeros in a bank"),
        ((11, 0, 1, UNEVEN), "A mask has rows of 10, so its banks must be within 1..10, not 11; choose another number"),
        ((0, 0, 1, UNEVEN), "A mask has rows of 10, so its banks must be within 1..10, not 0; choose another number"),
        ((4, 1, 0, UNEVEN), "A mask must have at least 1 row with an index set, not 0."),
        (
            (4, 1, 2, UNEVEN),
            "A mask must keep the same columns in all rows of a group of 2, but row 1 differs from the first row of "
            "its group (1 of 2 rows do).",
        ),
        ((4, 1, 1, UNEVEN, 3), "A mask has 2 rows, which are not 3 gates of equal size; give the cell's gates."),
        ((4, 1, 1, UNEVEN[0]), "A mask must be a matrix with at least one row and column, not of shape (10,)."),
        ((4, 1, 1, UNEVEN.astype(int)), "A mask must be of the type bool, not int64."),
    ],
)
def test_refused(arguments, sentence):
    with pytest.raises(ModelError, match=re.escape(sentence)):
        BankedMask(*arguments)


def test_weights_of_another_shape():
    banked = BankedMask(4, 1, 1, UNEVEN)
    for use in (banked.values, banked.apply):
        with pytest.raises(ModelError, match=r"^A mask of shape \(2, 10\) does not match weights of shape \(10, 2\);"):
            use(np.ones((10, 2)))


@pytest.mark.parametrize("seed", range(30))
def test_random_masks_against_the_definition(seed):
    rng = np.random.default_rng(seed)
    columns, gates, height = int(rng.integers(1, 20)), int(rng.integers(1, 5)), int(rng.integers(1, 6))
    banks, shared = int(rng.integers(1, columns + 1)), int(rng.integers(1, 4))
    kept = int(rng.integers(0, columns // banks + 1))
    mask = np.zeros((gates * height, columns), dtype=bool)
    groups = 0
    for gate in range(gates):
        for first in range(0, height, shared):
            groups += 1
            for bank in range(banks):
                places = rng.choice(np.arange(bank, columns, banks), kept, replace=False)
                for row in range(first, min(first + shared, height)):
                    mask[gate * height + row, places] = True
    banked = BankedMask(banks, kept, shared, mask, gates)
    weights = rng.normal(size=mask.shape)
    places = -(-columns // banks)
    assert banked.index_memory_bits == groups * banks * kept * int(np.ceil(np.log2(places)))
    assert banked.nonzeros == mask.sum()
    for row in range(len(mask)):
        for bank in range(banks):
            there = [j for j in range(columns) if mask[row, j] and j % banks == bank]  # ascending: the newest last
            assert banked.indices[row, :, bank].tolist() == [j // banks for j in there]
            assert banked.columns[row, :, bank].tolist() == there
            assert banked.values(weights)[row, :, bank].tolist() == weights[row, there].tolist()
