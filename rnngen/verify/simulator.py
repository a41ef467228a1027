"""Runs a design in Verilator with one of the cocotb benches of ``sim/``.

The simulator runs with the design's ``rtl`` folder as its working directory,
so that ``$readmemh`` finds the memory images there: a second checkpoint of the
same shape is new images and the same simulator.
"""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rnngen.errors import DataError, ToolError
from rnngen.verify.compile import CompileOptions, Simulator, compile_simulator
from rnngen.verify.process import run_bench

ByteArray = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]
CycleArray = npt.NDArray[np.int64]

Progress = Callable[[str], None]

# The cycle of the first input handshake with the "fast" client, if the design is ready by then (see sim/bench_stream).
FIRST_INPUT_CYCLE = 1

_IMAGE = re.compile(r'"([^"\s]+\.(?:hex|mem))"')
Event = tuple[int, str, int]
"""Cycle, input of the top, and the value it takes."""

READY = "m_axis_tready"
"""The one signal of a stream that events may drive."""

_CLIENTS = ("fast", "axi")
MEMORY_MODELS = ("exact", "axiram")
_MOST_STEPS = 2**63
_NOT_OF_THE_BENCH = ("compile", "waves")
"""Options that the bench is not told."""


@dataclass(frozen=True)
class Stimulus:
    """Input beats: ``beats`` uint8 (N, tdata bytes), little-endian; ``last`` (N,) = TLAST; ``tid`` (N,) or None.

    ``offered`` (N,) or None: the first cycle in which each beat is offered ("fast" client).
    """

    beats: ByteArray
    last: BoolArray
    tid: npt.NDArray[np.int64] | None = None
    offered: CycleArray | None = None

    def __post_init__(self) -> None:
        if self.beats.dtype != np.uint8 or self.beats.ndim != 2:
            raise DataError(f"Stimulus beats must be uint8 (N, bytes), not {self.beats.dtype} {self.beats.shape}.")
        if self.last.shape != (len(self.beats),):
            raise DataError(f"Stimulus last must be of shape ({len(self.beats)},), not {self.last.shape}.")
        if self.offered is not None and self.offered.shape != (len(self.beats),):
            raise DataError(f"Stimulus offered must be of shape ({len(self.beats)},), not {self.offered.shape}.")


@dataclass(frozen=True)
class ExternalMemory:
    """What stands behind ``m_axi``; keys as in ``sim/bench_stream.py``, and ``image`` is relative to the design."""

    image: str
    model: str
    latency: int
    base: int
    writes: tuple[tuple[int, int], ...]
    fill_cycles: int
    error_beat: int | None = None


@dataclass(frozen=True)
class RunOptions:
    """How to run; the meaning of cycles is written down in ``sim/bench_stream.py``.

    ``client`` "fast" offers and takes a beat whenever the design can; "axi" is cocotbext-axi, which pauses
    each side in a cycle with probability ``stall`` (repeatable by ``seed``).
    ``probes`` are sampled in every cycle of ``window`` = [from, to).
    ``registers`` (byte offsets) are read over ``s_axil`` when everything has come.
    ``memory`` holds external weights.
    ``clocks``: each clock and the ticks of its cycle, ``aclk`` first; (): ``aclk`` alone, of a tick.
    ``output_clock``: that of ``m_axis``.
    ``inputs``: other inputs of the top, held at a value; ``start_events``, ``events``: (cycle, name, value), from the
    end of the reset on and from cycle 0 on; ``wait_for``: an output that is 1 before cycle 0.
    ``watch``: outputs whose first cycle at 1 is recorded; a run ends when all of them have been 1.
    ``waves``: file of waveforms to write, whose suffix is its format (``compile.WAVE_FORMATS``).
    """

    expected_beats: int
    client: str = "fast"
    stall: float = 0.0
    seed: int = 0
    time_limit_cycles: int = 1_000_000
    drain_cycles: int = 32
    probes: tuple[str, ...] = ()
    window: tuple[int, int] = (0, 0)
    registers: tuple[int, ...] = ()
    memory: ExternalMemory | None = None
    clocks: tuple[tuple[str, int], ...] = ()
    output_clock: str = "aclk"
    inputs: tuple[tuple[str, int], ...] = ()
    start_events: tuple[Event, ...] = ()
    events: tuple[Event, ...] = ()
    wait_for: str | None = None
    watch: tuple[str, ...] = ()
    waves: Path | None = None
    compile: CompileOptions = field(default_factory=CompileOptions)

    def __post_init__(self) -> None:
        if self.client not in _CLIENTS:
            raise DataError(f"Bench client must be one of {', '.join(_CLIENTS)}, not {self.client!r}.")
        if not 0.0 <= self.stall < 1.0:
            raise DataError(f"Stall probability must be within 0 <= stall < 1, not {self.stall}.")
        if self.stall > 0 and self.client == "fast":
            raise DataError("The fast bench client never pauses: use client 'axi' for a stall above 0.")
        self._check_events()
        self._check_clocks()

    @property
    def same_clock(self) -> bool:
        """Whether both streams have clocks of the same period, which then have the same edges."""
        ticks = dict(self.clocks)
        return self.output_clock == "aclk" or ticks["aclk"] == ticks[self.output_clock]

    def _check_events(self) -> None:
        for least, events in ((0, self.start_events), (1, self.events)):
            for cycle, name, _ in events:
                if cycle < least:
                    raise DataError(f"An event of '{name}' must be in cycle {least} or later, not {cycle}.")
        driven = {name for _, name, _ in self.events}
        if READY in driven and self.client != "fast":
            raise DataError(f"Only the fast bench client leaves {READY} to events: give no stall, or no such events.")

    def _check_clocks(self) -> None:
        """Two time steps a tick, at least, in the simulator's 64 bits of them."""
        ticks = max((ticks for _, ticks in self.clocks), default=1)
        if 4 * ticks * self.time_limit_cycles >= _MOST_STEPS:
            raise DataError(
                f"The clocks of a run must have a common time step, of which {self.time_limit_cycles:,} cycles are "
                f"fewer than 2**61, but a cycle of the slowest one has {ticks:,} of them; round the clocks, for "
                f"instance to 1 kHz."
            )


@dataclass(frozen=True)
class RunResult:
    """What the bench recorded. Cycle numbers are int64, one a handshake, each of the clock of its port.

    ``out_tick``: ticks of output handshakes behind cycle 0; where no clocks are given a tick is a cycle.
    ``complete``: all expected beats came before the time limit. ``cycles``: length of the run.
    ``probes``: uint8 (samples, bytes), little-endian, by name; sample k is of cycle window[0] + k.
    ``registers``: what was read, in the order asked for.
    ``same_clock``: inputs and outputs are counted in cycles of the same length, from the same one on.
    ``watched``: the first cycle (of ``aclk``; below 0 before cycle 0) in which each output was 1; None: never.
    """

    in_cycle: CycleArray
    out_beats: ByteArray
    out_last: BoolArray
    out_tid: npt.NDArray[np.int64]
    out_cycle: CycleArray
    out_tick: CycleArray
    cycles: int
    complete: bool
    probes: dict[str, ByteArray]
    registers: tuple[int, ...]
    watched: dict[str, int | None]
    build_seconds: float
    simulate_seconds: float
    cache_hit: bool
    waves: Path | None
    same_clock: bool = True

    @property
    def cycles_per_second(self) -> float:
        """Simulated cycles a second of wall time, start-up included."""
        return self.cycles / self.simulate_seconds


def run(
    design_dir: Path,
    top: str,
    sources: Sequence[Path],
    stimulus: Stimulus,
    options: RunOptions,
    progress: Progress = lambda line: None,
) -> RunResult:
    """Simulate ``stimulus`` through ``top``.

    ``sources`` are absolute or relative to ``design_dir / "rtl"``. A design that sends too few beats is no
    error here: the result says ``complete=False`` and holds what came.

    Raises:
        ToolError: a tool, source or memory image is missing, or the simulation itself failed.
    """
    design_dir = design_dir.resolve()  # the simulator runs in a folder of its own
    rtl = design_dir / "rtl"
    files = [rtl / source for source in sources]
    check_images(files, rtl)
    simulator = compile_design(top, files, options, progress)
    waves = None if options.waves is None else options.waves.resolve()
    if waves is not None:
        waves.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="rnngen-") as name:
        work = Path(name)
        tid = np.zeros(len(stimulus.beats), dtype=np.int64) if stimulus.tid is None else stimulus.tid
        offered = np.zeros_like(tid) if stimulus.offered is None else stimulus.offered
        np.savez(work / "stimulus.npz", beats=stimulus.beats, last=stimulus.last, tid=tid, offered=offered)
        config = {key: value for key, value in asdict(options).items() if key not in _NOT_OF_THE_BENCH}
        if options.memory is not None:
            config["memory"]["image"] = str(design_dir / options.memory.image)
        config |= {"stimulus": str(work / "stimulus.npz"), "result": str(work / "result.npz")}
        (work / "bench.json").write_text(json.dumps(config), encoding="utf-8")
        started = time.monotonic()
        run_bench(simulator, "bench_stream", rtl, work, waves, progress)
        return _read_result(work / "result.npz", options, simulator, time.monotonic() - started, waves)


def compile_design(top: str, files: Sequence[Path], options: RunOptions, progress: Progress) -> Simulator:
    """Compile with the options of a run (tracing only when waves are wanted), and say what happened."""
    compile_options = options.compile
    if options.waves is not None:
        compile_options = replace(compile_options, waves=options.waves.suffix[1:])
    progress(f"building the simulator of {top}")
    simulator = compile_simulator(top, files, compile_options)
    came = "taken from the cache" if simulator.cache_hit else f"built in {simulator.build_seconds:.1f} s"
    progress(f"simulator of {top} {came}")
    return simulator


def check_images(files: Sequence[Path], rtl: Path) -> None:
    """Stop if a memory image that an instance names is not in ``rtl``.

    Defaults of parameters are not counted: an instance overrides them.
    """
    for file in files:
        if not file.is_file():
            raise ToolError(f"The Verilog source {file} does not exist: generate the design again.")
        for line in file.read_text(encoding="utf-8").splitlines():
            for image in _IMAGE.findall("" if re.search(r"\bparameter\b", line) else line):
                if not (rtl / image).is_file():
                    raise ToolError(f"The memory image {rtl / image}, which {file.name} reads, does not exist.")


def watched_cycles(names: Sequence[str], file: Mapping[str, npt.NDArray[Any]]) -> dict[str, int | None]:
    """Of a bench's result: the first cycle in which each output that it watched was 1; None: never."""
    pairs = zip(file["watch_seen"].tolist(), file["watch_cycle"].tolist())
    return {name: cycle if seen else None for name, (seen, cycle) in zip(names, pairs)}


def _read_result(
    path: Path, options: RunOptions, simulator: Simulator, seconds: float, waves: Path | None
) -> RunResult:
    with np.load(path) as file:
        return RunResult(
            in_cycle=file["in_cycle"],
            out_beats=file["out_beats"],
            out_last=file["out_last"],
            out_tid=file["out_tid"],
            out_cycle=file["out_cycle"],
            out_tick=file["out_tick"],
            cycles=int(file["cycles"]),
            complete=bool(file["complete"]),
            probes={name: file[f"probe_{index}"] for index, name in enumerate(options.probes)},
            registers=tuple(file["registers"].tolist()),
            watched=watched_cycles(options.watch, file),
            build_seconds=simulator.build_seconds,
            simulate_seconds=seconds,
            cache_hit=simulator.cache_hit,
            waves=waves,
            same_clock=options.same_clock,
        )
