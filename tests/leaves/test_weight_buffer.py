"""Weights on their way from memory: words put together of beats, and beats cut into words, against Python integers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.leaves.bench import Bench, Port

pytestmark = pytest.mark.verilator

CYCLES = 2000


@dataclass(frozen=True)
class Case:
    """Parameters of rnn_weight_buffer."""

    beat: int
    word: int
    depth: int

    @property
    def beats(self) -> int:
        return -(-self.word // self.beat)

    @property
    def words(self) -> int:
        return max(1, self.beat // self.word)


CASES = [Case(32, 32, 4), Case(16, 50, 2), Case(8, 16, 8), Case(32, 33, 4), Case(32, 10, 4), Case(40, 20, 2)]


def bits_of(count: int) -> int:
    return max(1, (count - 1).bit_length())


def test_beats_become_words(tmp_path: Path) -> None:
    """Entries are written and read at random addresses; a cycle without a word gives 0."""
    rng = np.random.default_rng(5)
    bench, stimulus = Bench(), {}
    for index, case in enumerate(CASES):
        name, address = f"case{index}", bits_of(case.depth)
        part, lane = bits_of(case.beats), bits_of(case.words)
        parameters = {
            "BEAT_WIDTH": case.beat, "WORD_WIDTH": case.word, "BEATS": case.beats, "WORDS": case.words,
            "DEPTH": case.depth, "ADDRESS_WIDTH": address, "PART_WIDTH": part, "LANE_WIDTH": lane,
        }  # fmt: skip
        inputs = [
            Port("write_enable", 1), Port("write_address", address), Port("write_part", part), Port("beat", case.beat),
            Port("take", 1), Port("read_address", address), Port("read_lane", lane),
        ]  # fmt: skip
        bench.add(name, "rnn_weight_buffer", parameters, inputs, [Port("word", case.word, signed=False)])
        ranges = {
            "write_enable": 2, "write_address": case.depth, "write_part": case.beats, "beat": 1 << case.beat,
            "take": 2, "read_address": case.depth, "read_lane": case.words,
        }  # fmt: skip
        for port, high in ranges.items():
            stimulus[name, port] = rng.integers(0, high, (CYCLES, 1))
    got = bench.run(tmp_path, stimulus)
    for index, case in enumerate(CASES):
        given = {port: values[:, 0].tolist() for (name, port), values in stimulus.items() if name == f"case{index}"}
        kept: dict[tuple[int, int], int] = {}
        checked = 0
        for cycle in range(CYCLES - 2):
            place = given["read_address"][cycle]
            beats = [kept.get((place, part)) for part in range(case.beats)]
            # A part that is written in this cycle is outside the contract.
            target = given["write_address"][cycle], given["write_part"][cycle]
            written = target if given["write_enable"][cycle] else ()
            word = got[f"case{index}", "word"][cycle + 2, 0]
            if not given["take"][cycle]:
                assert word == 0, (case, cycle)
            elif None not in beats and not (written and written[0] == place):
                entry = sum(beat << (case.beat * part) for part, beat in enumerate(beats))
                wanted = entry >> (case.word * given["read_lane"][cycle]) & ((1 << case.word) - 1)
                assert word == wanted, (case, cycle)
                checked += 1
            if written:
                kept[written] = given["beat"][cycle]
        assert checked > CYCLES // 8
