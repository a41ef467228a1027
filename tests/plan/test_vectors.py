"""What holds the vectors of a sparse engine: the cheapest style, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from rnngen.plan.dsp import DSPS
from rnngen.plan.vectors import COSTS, STYLES, MemoryCosts, VectorBanks, cheapest_style, style_luts


def test_luts_by_hand() -> None:
    """40 words of 16 bits, read at 3 places, of LUT RAM of 16 words of 4 bits in 6 LUTs, or of block RAM for 400."""
    costs = MemoryCosts(16, 4, 6, 512, 36, 400)
    assert style_luts(40, 16, 3, costs) == {
        "registers": 3 * 16 * 2 * 40,
        "distributed": 3 * (4 * 3 * 6 + 16 * 2 * 3),
        "block": 3 * 400,
    }


@pytest.mark.parametrize(
    ("words", "reads", "style"),
    [(1, 4, "registers"), (2, 4, "registers"), (3, 4, "distributed"), (16, 4, "distributed"), (64, 1, "distributed"),
     (512, 4, "block"), (512, 1, "block"), (2000, 4, "block")],
)  # fmt: skip
def test_the_cheapest_on_an_ecp5(words: int, reads: int, style: str) -> None:
    assert cheapest_style(words, 16, reads, DSPS["ecp5"]) == style


def test_up_to_a_block_ram_more_words_never_go_back_to_a_smaller_memory() -> None:
    for dsp in (DSPS[name] for name in COSTS):
        for bits in (8, 16, 32):
            chosen = [STYLES.index(cheapest_style(words, bits, 4, dsp)) for words in range(1, 513)]
            assert np.all(np.diff(chosen) >= 0)
            assert set(chosen) == {0, 1, 2}


def test_an_unknown_device_leaves_the_choice_to_the_synthesiser() -> None:
    assert cheapest_style(16, 16, 4, None) == "auto"
    assert {cheapest_style(16, 16, 4, DSPS[name]) for name in set(DSPS) - set(COSTS)} == {"auto"}
    assert set(COSTS) < set(DSPS)


def test_copies() -> None:
    assert [VectorBanks(8, 16, 4, style).copies for style in (*STYLES, "auto")] == [1, 4, 4, 4]
    assert VectorBanks(1, 16, 4, "auto").copies == 1
