"""Memory images against words laid out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rnngen.arith.format import Format
from rnngen.emit.images import bias_words, hex_lines, memory_images, weight_words
from rnngen.ir.quantised import LinearFormats, LstmFormats, ProductFormats, QuantisedLayer
from rnngen.plan.engine import EnginePlan
from rnngen.plan.layer import LayerShape


def test_hex_lines_by_hand() -> None:
    """Field 0 in the low bits: (1, -1, 2) of 3 bits is 010 111 001 = 0b0_1011_1001; 9 bits are three digits."""
    assert hex_lines(np.array([[1, -1, 2], [-4, 3, 0]]), 3) == "0b9\n01c\n"
    assert hex_lines(np.array([[-2], [7]]), 4) == "e\n7\n"
    assert hex_lines(np.array([[0x12, -1]]), 8) == "ff12\n"


@given(st.integers(1, 40), st.lists(st.lists(st.integers(-(2**39), 2**39 - 1), min_size=3, max_size=3), min_size=1))
def test_hex_lines_are_the_fields(width: int, rows: list[list[int]]) -> None:
    wanted = [sum((value % 2**width) << (i * width) for i, value in enumerate(row)) for row in rows]
    lines = hex_lines(np.array(rows, dtype=np.int64), width).splitlines()
    assert [int(line, 16) for line in lines] == wanted
    assert {len(line) for line in lines} == {(3 * width + 3) // 4}


def small_lstm() -> QuantisedLayer:
    """I = 3, H = 3.  x weight of gate g, unit u, column i is 10 g + 3 u + i; h weights are the negated ones less 1."""
    product = ProductFormats(3, 3, Format(8, 6), Format(8, 6), Format(8, 7), Format(8, 6), Format(16, 13))
    formats = LstmFormats(product, Format(10, 6), 8, Format(10, 6), Format(8, 7))
    weights = np.array([[10 * g + 3 * u + i for i in range(3)] for g in range(4) for u in range(3)])
    return QuantisedLayer("l", weights, -weights - 1, np.arange(12) * 100, formats)


def plan(rows: int, columns: int, elements: int) -> EnginePlan:
    return EnginePlan(LayerShape("l", "lstm", 4, 3, 3, 3), rows, columns, elements)


def test_weight_words_by_hand() -> None:
    """2 rows and 2 columns: tiles (unit 0, 1) and (unit 2, none); words x0 x1, x2 -, h0 h1, h2 -."""
    words = weight_words(small_lstm(), plan(2, 2, 1))
    assert words.shape == (2 * 4, 2 * 4 * 2)
    # Column fastest, then gate, then row.
    assert words[0].tolist() == [0, 1, 10, 11, 20, 21, 30, 31, 3, 4, 13, 14, 23, 24, 33, 34]
    assert words[1].tolist() == [2, 0, 12, 0, 22, 0, 32, 0, 5, 0, 15, 0, 25, 0, 35, 0]
    assert words[2].tolist() == [-1, -2, -11, -12, -21, -22, -31, -32, -4, -5, -14, -15, -24, -25, -34, -35]
    assert words[5].tolist() == [8, 0, 18, 0, 28, 0, 38, 0, *[0] * 8]
    assert words[7].tolist() == [-9, 0, -19, 0, -29, 0, -39, 0, *[0] * 8]


def test_weight_words_of_passes_by_hand() -> None:
    """The two x words of both tiles first, then their two h words."""
    one_pass = weight_words(small_lstm(), plan(2, 2, 2))
    two_passes = weight_words(small_lstm(), replace(plan(2, 2, 2), passes=(2, 2)))
    assert two_passes.tolist() == one_pass[[0, 1, 4, 5, 2, 3, 6, 7]].tolist()


def test_weight_words_of_gates_in_turn_by_hand() -> None:
    """Gates i and f of a tile before its g and o; a word has a row's two gates of 2 columns."""
    words = weight_words(small_lstm(), replace(plan(2, 2, 1), turns=2))
    assert words.shape == (2 * 2 * 4, 2 * 2 * 2)
    assert words[0].tolist() == [0, 1, 10, 11, 3, 4, 13, 14]
    assert words[3].tolist() == [-3, 0, -13, 0, -6, 0, -16, 0]
    assert words[4].tolist() == [20, 21, 30, 31, 23, 24, 33, 34]
    assert words[12].tolist() == [26, 27, 36, 37, 0, 0, 0, 0]
    assert weight_words(small_lstm(), replace(plan(1, 1, 1), turns=4))[6].tolist() == [10]
    passes = weight_words(small_lstm(), replace(plan(2, 2, 2), turns=2, passes=(2, 2)))
    assert passes.tolist() == words[[0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15]].tolist()


def test_bias_words_by_hand() -> None:
    """The accumulator has 13 fraction bits, tanh inputs 6, sigmoid inputs 5: constants 2**6 for g, 2**7 for i, f, o."""
    words = bias_words(small_lstm(), plan(2, 2, 1))
    assert words.tolist() == [
        [0 + 128, 300 + 128, 600 + 64, 900 + 128],
        [100 + 128, 400 + 128, 700 + 64, 1000 + 128],
        [200 + 128, 500 + 128, 800 + 64, 1100 + 128],
    ]
    words = bias_words(small_lstm(), plan(3, 3, 2))  # groups (unit 0, 1) and (unit 2, none)
    assert words.shape == (2, 8)
    assert words[0].tolist() == [128, 428, 664, 1028, 228, 528, 764, 1128]
    assert words[1].tolist() == [328, 628, 864, 1228, 0, 0, 0, 0]


def test_images_of_a_layer() -> None:
    layer = small_lstm()
    images = memory_images(layer, plan(2, 2, 1), 3, False)
    assert set(images) == {"weights", "bias", "table"}
    first = images["weights"].splitlines()[0]
    assert len(first) == 16 * 2
    assert first.endswith("0b0a0100")  # 11, 10, 1, 0
    assert images["bias"].splitlines()[0] == "0404" + "0298" + "01ac" + "0080"  # 1028, 664, 428, 128
    table = layer.formats.table
    words = [int(line, 16) for line in images["table"].splitlines()]
    assert [word % 2**table.base_width for word in words] == table.base.tolist()
    assert [word >> table.base_width for word in words] == table.slope.tolist()


def test_images_of_a_head() -> None:
    """3 outputs of 2 inputs on 2 x 1 lanes; 4 fraction bits fall away: a half is 8."""
    x, weight = Format(8, 6), Format(4, 2)
    product = ProductFormats(2, 0, x, weight, x, weight, Format(12, 8))
    layer = QuantisedLayer("head", np.array([[1, 2], [3, 4], [5, 6]]), None, np.array([10, 20, 30]),
                            LinearFormats(product, Format(8, 4)))  # fmt: skip
    head = EnginePlan(LayerShape("head", "linear", 1, 2, 3, 0), 2, 1, 2)
    images = memory_images(layer, head, 3, False)
    assert images == {"weights": "31\n42\n05\n06\n", "bias": "01c012\n000026\n"}
