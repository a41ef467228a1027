"""The section on sparse layers: every kept weight is drawn where it is, and memory is counted as by hand."""

from __future__ import annotations

import re

import numpy as np

from rnngen.ir.sparse import BankedMask
from rnngen.report import MaskView
from rnngen.report.sparsity import mask_figure, sparsity


def view(rows: list[str], banks: int, kept: int) -> MaskView:
    mask = np.array([[letter == "x" for letter in row] for row in rows])
    return MaskView("rnn", "W_hh", BankedMask(banks, kept, 1, mask))


def paths(text: str, class_: str) -> list[tuple[float, float, float]]:
    """(x, y, length) of each rectangle."""
    found = re.search(rf'<path d="([^"]*)" class="{class_}"', text)
    assert found
    cells = re.findall(r"M([\d.]+) ([\d.]+)h([\d.]+)v", found[1])
    return [(float(x), float(y), float(length)) for x, y, length in cells]


def test_weights_are_drawn_bank_beside_bank() -> None:
    """Two banks of three places: columns 0 2 4 and 1 3 5; of the second row two places side by side are one bar."""
    cell = (1000 - 12 - 80) / 6
    drawn = paths(mask_figure(view(["x..x..", ".x..x."], 2, 1)), "simulated")
    assert np.allclose(drawn, [(80, 44, cell), (80 + 4 * cell, 44, cell), (80 + 2 * cell, 52, 2 * cell)], atol=0.01)


def test_the_whole_matrix_is_drawn_in_shades() -> None:
    """320 columns in cells of two: of each one weight kept, or of the left half of a row both."""
    rows = ["x." * 160] * 24 + ["x" * 160 + "." * 160] * 24
    text = mask_figure(view(rows, 1, 160))
    assert len(paths(text, "simulated shade-3")) == 24  # 1 of 2 weights is 2.5 fifths
    assert [length for *_, length in paths(text, "simulated shade-5")] == [454.0] * 24
    assert "shade-1" not in text


def test_memory_by_hand() -> None:
    """An RNN of 2 units and 6 inputs at 8 bits: 2 * (6 + 2) * 8 = 128 bits dense, 32 + 8 sparse."""
    layer = {
        "name": "rnn", "gates": 1, "output_size": 2, "input_columns": 6, "hidden_inputs": 2,
        "memory_bits": {"weights": 32, "indices": 8},
        "vector_banks": {"h": {"words": 2, "bits": 16, "reads": 4, "style": "distributed", "copies": 4}},
    }  # fmt: skip
    page = sparsity([view(["x..x..", ".x..x."], 2, 1)], {"weight_bits": 8, "layers": [layer]})
    assert page is not None
    text = re.sub(r"<[^>]*>", " ", page)
    assert re.search(r"rnn\s+2\s+W_hh 1 of 3\s+1\s+32\s+8\s+128\s+68.8\s%", text), text
    assert re.search(r"rnn\s+h\s+2\s+16\s+4\s+4\s+LUT RAM", text), text


def test_a_dense_design_has_no_such_section() -> None:
    assert sparsity([], {"weight_bits": 8, "layers": []}) is None
