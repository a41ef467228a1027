"""The memories and the choice of operand against Python lists, with random reads and writes in every cycle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.leaves.bench import Bench, Port

pytestmark = pytest.mark.verilator

CYCLES = 3000


@dataclass(frozen=True)
class VectorCase:
    """Parameters of rnn_vector_memory."""

    width: int
    banks: int
    lanes: int
    depth: int
    aligned: bool
    sets: int = 0  # reads of a bank at places of their own
    place_bits: int = 1

    @property
    def reads(self) -> int:
        """Words that are read at once."""
        return max(1, self.sets)

    @property
    def widths(self) -> tuple[int, int, int]:
        """Bits of word, bank and count."""
        return max(1, (self.depth - 1).bit_length()), max(1, (self.banks - 1).bit_length()), self.lanes.bit_length()


VECTOR_CASES = [
    VectorCase(16, 4, 2, 6, True),
    VectorCase(5, 6, 3, 4, True),
    VectorCase(8, 4, 4, 2, True),
    VectorCase(7, 1, 1, 5, True),
    VectorCase(16, 4, 2, 6, False),
    VectorCase(9, 5, 3, 4, False),
    VectorCase(3, 7, 7, 3, False),
    VectorCase(18, 3, 1, 2, False),
    VectorCase(16, 4, 2, 6, True, 3, 2),
    VectorCase(7, 3, 2, 9, False, 5, 3),
    VectorCase(5, 1, 1, 8, True, 1, 3),
]


def vector_stimulus(case: VectorCase, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Writes anywhere that keep inside the memory; the first cycles fill it."""
    steps = case.lanes if case.aligned else 1
    size = case.banks * case.depth
    first = rng.integers(0, size, CYCLES) // steps * steps
    fill = np.arange(0, size, case.lanes)
    if case.aligned or case.banks % case.lanes == 0:
        first[: len(fill)] = fill
    else:
        fill = np.arange(size)
        first[: len(fill)] = fill
    count = np.minimum(rng.integers(0, case.lanes + 1, CYCLES), size - first)
    enable = rng.integers(0, 2, CYCLES)
    count[: len(fill)] = np.minimum(case.lanes, size - first[: len(fill)])
    enable[: len(fill)] = 1
    high = 1 << (case.width - 1)
    reach = min(1 << case.place_bits, case.depth) if case.sets else 1
    return {
        "read_word": rng.integers(0, case.depth - reach + 1, CYCLES),
        "read_index": rng.integers(0, reach, (CYCLES, case.banks * case.reads)),
        "write_enable": enable,
        "write_word": first // case.banks,
        "write_bank": first % case.banks,
        "write_count": count,
        "write_data": rng.integers(-high, high, (CYCLES, case.lanes)),
    }


def check_vector(case: VectorCase, stimulus: dict[str, np.ndarray], got: np.ndarray) -> None:
    """Reads against a flat list; words hit by a write of the same cycle are outside the contract."""
    memory: list[int | None] = [None] * (case.banks * case.depth)
    checked = 0
    for cycle in range(CYCLES - 1):
        first = int(stimulus["write_word"][cycle]) * case.banks + int(stimulus["write_bank"][cycle])
        count = int(stimulus["write_count"][cycle]) if stimulus["write_enable"][cycle] else 0
        written = range(first, first + count)
        word = int(stimulus["read_word"][cycle])
        for place in range(case.banks * case.reads):
            bank = place // case.reads
            element = (word + int(stimulus["read_index"][cycle, place])) * case.banks + bank
            if element not in written and memory[element] is not None:
                assert got[cycle + 1, place] == memory[element], (case, cycle, place)
                checked += 1
        for lane, element in enumerate(written):
            memory[element] = int(stimulus["write_data"][cycle, lane])
    assert None not in memory
    assert checked > CYCLES * case.banks // 4


def test_memories_and_operands(tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    bench, stimulus, vectors = Bench(), {}, {}
    for index, case in enumerate(VECTOR_CASES):
        name, (word, bank, count) = f"vector{index}", case.widths
        parameters = {
            "WIDTH": case.width, "BANKS": case.banks, "LANES": case.lanes, "DEPTH": case.depth, "WORD_WIDTH": word,
            "BANK_WIDTH": bank, "COUNT_WIDTH": count, "ALIGNED": int(case.aligned), "INDEXED": int(case.sets > 0),
            "SETS": case.reads, "INDEX_WIDTH": case.place_bits,
        }  # fmt: skip
        places = case.banks * case.reads
        inputs = [Port("read_word", word), Port("read_index", case.place_bits, places), Port("write_enable", 1),
                  Port("write_word", word), Port("write_bank", bank), Port("write_count", count),
                  Port("write_data", case.width, case.lanes)]  # fmt: skip
        bench.add(name, "rnn_vector_memory", parameters, inputs, [Port("read_data", case.width, places)])
        vectors[name] = vector_stimulus(case, rng)
        for port, values in vectors[name].items():
            stimulus[name, port] = values.reshape(CYCLES, -1)
    depth, width = 11, 40
    image = rng.integers(0, 1 << width, depth)
    (tmp_path / "image.hex").write_text("".join(f"{word:x}\n" for word in image))
    parameters = {"WIDTH": width, "DEPTH": depth, "ADDRESS_WIDTH": 4}
    ports = {
        "weight": ("rnn_weight_memory", "address", "data"),
        "state": ("rnn_state_memory", "read_address", "read_data"),
    }
    for name, (module, address, data) in ports.items():
        own = parameters | ({"INIT_FILE": "image.hex"} if name == "weight" else {})
        inputs = [Port(address, 4), Port("write_enable", 1), Port("write_address", 4), Port("write_data", width)]
        bench.add(name, module, own, inputs, [Port(data, width, signed=False)])
        stimulus[name, address] = rng.integers(0, depth, (CYCLES, 1))
        stimulus[name, "write_enable"] = rng.integers(0, 2, (CYCLES, 1))
        stimulus[name, "write_address"] = rng.integers(0, depth, (CYCLES, 1))
        stimulus[name, "write_data"] = rng.integers(0, 1 << width, (CYCLES, 1))
    shapes = {"equal": (3, 8, 8, 0, 0, 8), "x_up": (2, 6, 9, 4, 0, 12), "h_up": (1, 16, 14, 0, 2, 18)}
    for name, (columns, x, h, shift_x, shift_h, out) in shapes.items():
        parameters = {
            "COLUMNS": columns, "X_WIDTH": x, "H_WIDTH": h, "SHIFT_X": shift_x, "SHIFT_H": shift_h, "OUT_WIDTH": out,
        }  # fmt: skip
        inputs = [Port("from_x", 1), Port("first_step", 1), Port("x", x, columns), Port("h", h, columns)]
        bench.add(name, "rnn_operand", parameters, inputs, [Port("operand", out, columns)])
        for port in inputs:
            low, high = (0, 2) if port.width == 1 else (-(1 << (port.width - 1)), 1 << (port.width - 1))
            stimulus[name, port.name] = rng.integers(low, high, (CYCLES, port.count))
    got = bench.run(tmp_path, stimulus)
    for name, (_, _, _, shift_x, shift_h, _) in shapes.items():
        first, from_x = stimulus[name, "first_step"], stimulus[name, "from_x"]
        old = np.where(first == 1, 0, stimulus[name, "h"])  # no h in the first step of a sequence
        wanted = np.where(from_x == 1, stimulus[name, "x"] * 2**shift_x, old * 2**shift_h)
        assert np.array_equal(got[name, "operand"][1:], wanted[:-1]), name
    for case, (name, values) in zip(VECTOR_CASES, vectors.items(), strict=True):
        check_vector(case, values, got[name, "read_data"])
    for name, (_, address, data) in ports.items():
        memory: list[int | None] = image.tolist() if name == "weight" else [None] * depth
        for cycle in range(CYCLES - 1):
            read = int(stimulus[name, address][cycle, 0])
            target = int(stimulus[name, "write_address"][cycle, 0]) if stimulus[name, "write_enable"][cycle, 0] else -1
            if memory[read] is not None and (name == "weight" or read != target):
                assert got[name, data][cycle + 1, 0] == memory[read], (name, cycle)
            if target >= 0:
                memory[target] = int(stimulus[name, "write_data"][cycle, 0])
        assert None not in memory
