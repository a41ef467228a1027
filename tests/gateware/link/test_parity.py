"""Checks against implementations of others, and the linear maps in Verilog against Python."""

from __future__ import annotations

import random
import zlib
from pathlib import Path

import numpy as np
import pytest

from rnngen.gateware.link.parity import CRC32, CRC64, crc_step, crc_unstep
from tests.leaves.bench import Bench, Port


def crc(data: bytes, bits: int, polynomial: int, word_bytes: int) -> int:
    state = (1 << bits) - 1
    for k in range(0, len(data), word_bytes):
        word = int.from_bytes(data[k : k + word_bytes], "little")
        state = crc_step(state, word, 8 * word_bytes, polynomial)
    return state ^ (1 << bits) - 1


@pytest.mark.parametrize("word_bytes", [1, 2, 4, 8])
def test_crc_32_is_that_of_zlib(word_bytes: int) -> None:
    data = random.Random(word_bytes).randbytes(256)
    assert crc(data, *CRC32, word_bytes) == zlib.crc32(data)


def test_crc_64_has_its_published_check_value() -> None:
    assert crc(b"123456789", *CRC64, 1) == 0x995DC9BBDF1939FA


@pytest.mark.parametrize("word_bits", [8, 32, 64])
def test_a_word_of_zeros_is_undone(word_bits: int) -> None:
    state = random.Random(word_bits).getrandbits(64)
    assert crc_unstep(crc_step(state, 0, word_bits, CRC64[1]), word_bits, *CRC64) == state


def test_crc_64_tells_odd_from_even() -> None:
    """The polynomial has the factor x + 1: the syndrome's parity is that of the number of wrong bits."""
    rng = random.Random(1)
    for _ in range(50):
        wrong = rng.getrandbits(640)
        state = 0
        for k in range(10):
            state = crc_step(state, wrong >> 64 * k & (1 << 64) - 1, 64, CRC64[1])
        assert state.bit_count() % 2 == wrong.bit_count() % 2


@pytest.mark.verilator
def test_the_leaf_computes_parities(tmp_path: Path) -> None:
    rows, columns = 7, 13
    rng = np.random.default_rng(3)
    matrix = rng.integers(0, 2, (rows, columns))
    constant = int("".join(str(bit) for bit in matrix.reshape(-1)[::-1]), 2)
    bench = Bench()
    bench.add(
        "x", f"rnn_xor_matrix_{rows}", {}, [Port("in", columns, signed=False)], [Port("out", rows, signed=False)]
    )
    bench.text[-1] = (
        bench.text[-1]
        .replace(f"rnn_xor_matrix_{rows} #()", f"rnn_xor_matrix #(.ROWS({rows}), .COLUMNS({columns}), "
                 f".MATRIX({rows * columns}'h{constant:x}))")
        .replace(".clk(clk), ", "")
    )  # fmt: skip
    words = rng.integers(0, 1 << columns, (500, 1))
    bits = words >> np.arange(columns) & 1
    expected = (bits @ matrix.T % 2) @ (1 << np.arange(rows))
    assert np.array_equal(bench.run(tmp_path, {("x", "in"): words})["x", "out"][:, 0], expected)
