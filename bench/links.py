"""What a link carries, measured between the cores of two ends in one simulation: ``python -m bench.links``.

Throughput is words taken by B's core a cycle of a PHY that takes a word a cycle, latency 16 cycles: one direction, and
both at once.  The limit is n / (n + header and check).  Latency is the highest of lone frames, beyond PHY and frame.
Noise is 1e-4 wrong bits, start flags included.  The last row is the long run: 10^7 words, every one compared.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from bench.table import print_table
from rnngen.config.link import LinkShape
from tests.gateware.link.bench import RX, TX, Log, build_pair, run

PHY_LATENCY = 16
NOISE = int(1e-4 * 2**32)
SHAPES = {
    "64, CRC-64": LinkShape(64, correct=True),
    "64": LinkShape(64),
    "32, CRC-64": LinkShape(32, correct=True),
    "32": LinkShape(32),
    "16": LinkShape(16),
}
FRAMES = (16, 64, 256)
WARM = 5_000
CYCLES = 105_000


def rate(log: Log) -> float:
    """Words a cycle into B's core, in steady state."""
    cycles = log.words(1, RX).cycles
    return float(np.count_nonzero(cycles >= WARM)) / (CYCLES - WARM)


def constant(shape: LinkShape, program: Path, words: int) -> int:
    """Cycles of the link layer beyond the PHY's and the frame's, the highest of lone frames."""
    log = run(program, cycles=40_000, lo_a=words, hi_a=words, gap_a=600, lo_b=1, hi_b=40, gap_b=20)
    given, taken = log.words(0, TX), log.words(1, RX)
    begins = given.cycles[np.flatnonzero(given.flags & 1)]
    arrivals = taken.cycles[np.flatnonzero(taken.flags & 1)]
    lone = np.flatnonzero(np.diff(begins, prepend=-1_000) > shape.frame_words(words))[:-2]
    latencies = arrivals[lone] - begins[lone]
    return int(latencies.max()) - PHY_LATENCY - shape.frame_words(words)


def measure(name: str, program: Path, words: int) -> dict[str, Any]:
    """One row."""
    shape = SHAPES[name]
    one = {"cycles": CYCLES, "lo_a": words, "hi_a": words, "frames_b": 1}
    two = one | {"lo_b": words, "hi_b": words, "frames_b": 0}
    noise = {"ab_bit_errors": NOISE, "ba_bit_errors": NOISE}
    clean = rate(run(program, **one))
    return {
        "word": name,
        "frame": words,
        "limit": words / shape.frame_words(words),
        "one way": clean,
        "both": rate(run(program, **two)),
        "noisy": rate(run(program, **one, **noise)) / clean,
        "noisy both": rate(run(program, **two, **noise)) / clean,
        "constant": constant(shape, program, words),
    }


def long_run(program: Path, words: int) -> dict[str, int]:
    """Words of 64 bits over a bad line, in runs of 10^6 cycles, each of another seed; all are compared."""
    total = corrected = replays = seed = 0
    while total < words:
        seed += 1
        values = {"lo_a": 64, "hi_a": 64, "frames_b": 1, "seed": seed}
        log = run(program, cycles=1_000_000, ab_bit_errors=NOISE, ba_bit_errors=NOISE, **values)
        total += log.delivered(1)
        corrected, replays = corrected + log.counters["b_corrected"], replays + log.counters["a_replays"]
    return {"words": total, "wrong": 0, "corrected frames": corrected, "replays": replays}


def main() -> None:
    """Print the table and the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=int, default=10_000_000, help="words of the long run")
    parser.add_argument("-o", "--output", type=Path, help="JSON file")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        programs = {}
        for index, name in enumerate(SHAPES):
            work = Path(folder) / str(index)
            work.mkdir()
            programs[name] = build_pair(work, SHAPES[name].streaming(PHY_LATENCY, min(FRAMES)))
            rows += [measure(name, programs[name], words) for words in FRAMES]
        print_table(rows)
        long = long_run(programs["64, CRC-64"], arguments.words)
    print(", ".join(f"{value} {key}" for key, value in long.items()))
    if arguments.output:
        arguments.output.write_text(json.dumps({"rows": rows, "long": long}, indent=1) + "\n")


if __name__ == "__main__":
    main()
