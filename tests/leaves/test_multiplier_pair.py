"""Two products from one multiplier, against integers: every value at small widths, else extremes and random ones."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from tests.leaves.bench import Bench, Port, draw
from tests.leaves.test_mac_array import build_and_run

pytestmark = pytest.mark.verilator

GENERIC = [(3, 3), (4, 4), (3, 5), (5, 3), (2, 4), (8, 8), (8, 9), (8, 11), (5, 8), (18, 18)]
"""Bits of a weight and of the common factor."""
ECP5 = [(3, 3), (4, 4), (3, 5), (2, 4), (2, 14), (3, 12), (4, 9), (4, 10), (5, 8), (6, 6), (7, 4)]
EXHAUSTIVE = 12
"""Bits of the three factors together up to which every combination is tried."""


def factors(width: int, other: int, cycles: int) -> np.ndarray:
    """a_low, a_high and b (cycles, 3): all there are, or all extremes and then random ones."""
    sizes = (width, width, other)
    if sum(sizes) <= EXHAUSTIVE:
        every = product(*(range(-(1 << (bits - 1)), 1 << (bits - 1)) for bits in sizes))
    else:
        ends = [(1 << (bits - 1)) for bits in sizes]
        every = product(*((-end, 1 - end, -1, 0, 1, end - 2, end - 1) for end in ends))
    values = np.array(list(every), dtype=np.int64)
    rng = np.random.default_rng(width * 32 + other)
    more = [draw(rng, cycles - len(values), bits, 1, 1 << (bits - 2)) for bits in sizes]
    return np.concatenate([values, np.concatenate(more, axis=1)])


def forms() -> list[tuple[str, int, int, int, dict[str, int | str]]]:
    """Module, widths, stages and parameters of every form."""
    found: list[tuple[str, int, int, int, dict[str, int | str]]] = []
    for width, other in GENERIC:
        for wide, stages in product((2 * width + other, 2 * width + other + 1, 2 * width + other + 3), range(5)):
            found.append(("rnn_multiplier_pair", width, other, stages, {"WIDE": wide}))
    for width, other in ECP5:
        found += [("rnn_multiplier_pair_ecp5", width, other, stages, {}) for stages in range(5)]
    return found


def test_both_products_in_their_cycle(tmp_path: Path) -> None:
    cycles, bench, stimulus = 4300, Bench(), {}
    for index, (module, width, other, stages, more) in enumerate(forms()):
        inputs = [Port("a_low", width), Port("a_high", width), Port("b", other)]
        outputs = [Port("product_low", width + other), Port("product_high", width + other)]
        parameters = {"A_WIDTH": width, "B_WIDTH": other, "STAGES": stages, **more}
        bench.add(f"d{index}", module, parameters, inputs, outputs)
        values = factors(width, other, cycles)
        stimulus |= {(f"d{index}", port.name): values[:, k : k + 1] for k, port in enumerate(inputs)}
    seen = bench.run(tmp_path, stimulus)
    for index, (module, width, other, stages, more) in enumerate(forms()):
        name = f"d{index}"
        for part in ("low", "high"):
            wanted = stimulus[name, f"a_{part}"] * stimulus[name, "b"]
            got = seen[name, f"product_{part}"]
            same = got[stages:] == wanted[: cycles - stages]
            assert same.all(), f"{module} {width} x {other}, {stages} stages, {more}: {part}"


REFUSED = {
    "rnn_multiplier_pair #(.A_WIDTH(8), .B_WIDTH(10), .WIDE(25))": "WIDE at least 26, not 3 and 25.",
    "rnn_multiplier_pair #(.STAGES(5))": "STAGES must be 0..4 and WIDE at least 24, not 5 and 25.",
    "rnn_mac_array #(.PAIR_WIDTH(31))": "PAIR_WIDTH must be 0 or at least 32, and with MULTIPLIER ecp5 be 0 or 18, not",
    'rnn_mac_array #(.MULTIPLIER("ecp5"), .WEIGHT_WIDTH(4), .VECTOR_WIDTH(8), .ACC_WIDTH(14), .PAIR_WIDTH(25))':
        "PAIR_WIDTH must be 0 or at least 16, and with MULTIPLIER ecp5 be 0 or 18, not 25.",
}  # fmt: skip


def test_widths_that_do_not_fit_stop_with_a_sentence(tmp_path: Path) -> None:
    instances = [f"{module} d{index} ();" for index, module in enumerate(REFUSED)]
    (tmp_path / "top.v").write_text(f"module top; {' '.join(instances)} endmodule\n")
    result = build_and_run(tmp_path)
    for sentence in REFUSED.values():
        assert sentence in result
