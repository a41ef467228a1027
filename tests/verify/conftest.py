"""A design folder around the stand-in, with a cache of its own for the session."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from rnngen.arith.beats import PortFormat, pack
from rnngen.verify.simulator import RunOptions, RunResult, Stimulus, run
from rnngen.verify.tools import cache_folder

STAND_IN = Path(__file__).parent / "stand_ins" / "stand_in.v"
LATENCY = 3
FAULTS = {"none": 0, "flip": 1, "drop": 2, "late": 3, "no_last": 4, "hang": 5, "surplus": 6}
PORT = PortFormat(tdata_bits=32, words_per_beat=2, beats_per_step=2, word_bits=12, fraction_bits=8, signed=True)
SIZE = 3


def sequences() -> list[np.ndarray]:
    """Two sequences of 4 and 3 steps of 3 words."""
    generator = np.random.default_rng(7)
    return [generator.integers(-2048, 2048, (steps, SIZE)) for steps in (4, 3)]


def promised_cycles(beats: int) -> np.ndarray:
    """The stand-in takes a beat in cycle 1 and then every LATENCY + 1 cycles; it answers LATENCY cycles later."""
    return 1 + LATENCY + (LATENCY + 1) * np.arange(beats)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty simulator cache; compiled C++ is shared with the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CCACHE_DIR", str(cache_folder() / "ccache"))
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("RNNGEN_CACHE", str(folder))
        yield folder


@pytest.fixture
def design(tmp_path: Path, cache: Path) -> Path:
    rtl = tmp_path / "rtl"
    rtl.mkdir()
    shutil.copy(STAND_IN, rtl)
    return tmp_path


@pytest.fixture
def simulate(design: Path) -> Callable[..., RunResult]:
    """``simulate(fault, beat, **options)`` runs the two sequences through the stand-in."""

    def go(fault: str = "none", beat: int = 0, **options: object) -> RunResult:
        (design / "rtl" / "fault.hex").write_text(f"{FAULTS[fault]:x}\n{beat:x}\n")
        beats, last = pack(sequences(), PORT)
        settings = {"expected_beats": len(beats), "time_limit_cycles": 400} | options
        return run(design, "stand_in", [Path("stand_in.v")], Stimulus(beats, last), RunOptions(**settings))

    return go
