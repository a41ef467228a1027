"""Linear maps of bits, as exclusive ors in a Verilog leaf (``rnn_xor_matrix``)."""

from __future__ import annotations

from collections.abc import Callable

from amaranth.hdl import Const, Instance, Module, Signal, Value

CRC32 = (32, int(f"{0x04C11DB7:032b}"[::-1], 2))
"""IEEE 802.3: bits, and the polynomial with its lowest power in the highest bit."""
CRC64 = (64, int(f"{0x42F0E1EBA9EA3693:064b}"[::-1], 2))
"""ECMA-182, as xz uses it."""


def crc_step(state: int, word: int, word_bits: int, polynomial: int) -> int:
    """The CRC's register behind a word, its lowest bit first."""
    for k in range(word_bits):
        odd = (state ^ word >> k) & 1
        state = state >> 1 ^ (polynomial if odd else 0)
    return state


def crc_unstep(state: int, word_bits: int, bits: int, polynomial: int) -> int:
    """The register before a word of zeros: the inverse of ``crc_step``."""
    for _ in range(word_bits):
        state = ((state ^ polynomial) << 1 | 1) if state >> bits - 1 else state << 1
    return state


def apply_map(m: Module, function: Callable[[int], int], operand: Value, rows: int) -> Signal:
    """``function(operand)``, for a function that is linear over exclusive or."""
    columns = len(operand)
    images = [function(1 << k) for k in range(columns)]
    matrix = 0
    for row in range(rows):
        for k, image in enumerate(images):
            matrix |= (image >> row & 1) << row * columns + k
    result = Signal(rows)
    m.submodules += Instance(
        "rnn_xor_matrix",
        p_ROWS=rows,
        p_COLUMNS=columns,
        p_MATRIX=Const(matrix, rows * columns),
        i_in=operand,
        o_out=result,
    )
    return result
