"""Runs parts of a system in a process each, joined by a socket: what is too large for one simulator.

Every process runs a window of cycles, no longer than any word is under way, and then all of them wait for the words
that the others have sent in it: so each word comes in the cycle in which it would come in one simulation, whatever the
speed of the processes (conservative synchronisation, Chandy and Misra 1979).
"""

from __future__ import annotations

import json
import socket
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from rnngen.errors import ToolError
from rnngen.verify.compile import CompileOptions, Simulator, compile_simulator
from rnngen.verify.process import run_bench
from rnngen.verify.simulator import (
    BoolArray,
    ByteArray,
    CycleArray,
    Progress,
    Stimulus,
    check_images,
    watched_cycles,
)

_WAIT_SECONDS = 1.0
_JOBS = 2


@dataclass(frozen=True)
class Process:
    """What one process runs; keys as in ``sim/bench_apart.py``.

    Attributes:
        folder: With ``rtl`` in it, where the simulator runs.  top: The module.  sources: Below ``rtl``.
    """

    folder: Path
    top: str
    sources: tuple[Path, ...]
    stimulus: Stimulus | None
    expected_beats: int
    sends: tuple[str, ...]
    takes: tuple[str, ...]
    inputs: tuple[tuple[str, int], ...] = ()
    watch: tuple[str, ...] = ()
    compile: CompileOptions = field(default_factory=CompileOptions)


@dataclass(frozen=True)
class ProcessResult:
    """What a process recorded, in cycles behind the start (``sim/bench_apart.py``).

    ``watched``: the first cycle in which each output was 1; None: never.
    """

    in_cycle: CycleArray
    out_beats: ByteArray
    out_last: BoolArray
    out_cycle: CycleArray
    cycles: int
    watched: dict[str, int | None]
    build_seconds: float
    cache_hit: bool


@dataclass(frozen=True)
class Limits:
    """When a run ends: so many cycles behind the last expected beat, or the first one."""

    drain_cycles: int
    cycles: int


def run_apart(
    processes: Sequence[Process], window: int, limits: Limits, progress: Progress = lambda line: None
) -> tuple[list[ProcessResult], float]:
    """Runs all of them to the end; what they recorded, and how long they ran in seconds.

    Args:
        window: Cycles that a word is under way between two of them.

    Raises:
        ToolError: a tool, source or memory image is missing, or a simulation failed.
    """
    with tempfile.TemporaryDirectory(prefix="rnngen-") as name, ThreadPoolExecutor(max(_JOBS, len(processes))) as pool:
        work = Path(name)
        simulators = _compiled(processes, progress)
        started = time.monotonic()
        with _Hub(work / "hub", len(processes)) as hub:
            runs = []
            for number, (process, simulator) in enumerate(zip(processes, simulators)):
                own = work / str(number)
                own.mkdir()
                _write_config(process, number, own, window, hub.path)
                rtl = process.folder / "rtl"
                runs.append(pool.submit(run_bench, simulator, "bench_apart", rtl, own, None, progress))
            hub.serve(processes, window, limits, runs, progress)
        for run in runs:
            run.result()
        seconds = time.monotonic() - started
        results = [
            _read(work / str(number) / "result.npz", process, simulator)
            for number, (process, simulator) in enumerate(zip(processes, simulators))
        ]
    return results, seconds


def _compiled(processes: Sequence[Process], progress: Progress) -> list[Simulator]:
    """Their simulators, two built at a time."""

    def compiled(process: Process) -> Simulator:
        rtl = process.folder / "rtl"
        files = [rtl / source for source in process.sources]
        check_images(files, rtl)
        simulator = compile_simulator(process.top, files, process.compile)
        came = "taken from the cache" if simulator.cache_hit else f"built in {simulator.build_seconds:.1f} s"
        progress(f"simulator of {process.top} {came}")
        return simulator

    with ThreadPoolExecutor(_JOBS) as pool:
        return list(pool.map(compiled, processes))


def _write_config(process: Process, number: int, work: Path, window: int, hub: Path) -> None:
    given = process.stimulus
    if given is not None:
        tid = np.zeros(len(given.beats), dtype=np.int64)
        np.savez(work / "stimulus.npz", beats=given.beats, last=given.last, tid=tid)
    config = {
        "stimulus": str(work / "stimulus.npz") if given is not None else None,
        "result": str(work / "result.npz"),
        "expected_beats": process.expected_beats,
        "inputs": process.inputs,
        "sends": process.sends,
        "takes": process.takes,
        "window": window,
        "socket": str(hub),
        "number": number,
        "watch": process.watch,
    }
    (work / "bench.json").write_text(json.dumps(config), encoding="utf-8")


class _Hub:
    """Hands the words of each process to those that take them, window by window."""

    def __init__(self, path: Path, count: int) -> None:
        self.path, self._count = path, count
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen(count)
        self._socket.settimeout(_WAIT_SECONDS)
        self._connections: list[socket.socket] = []

    def __enter__(self) -> _Hub:
        return self

    def __exit__(self, *error: object) -> None:
        for connection in self._connections:
            with suppress(OSError):  # the other end may be gone
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._socket.close()

    def serve(
        self, processes: Sequence[Process], window: int, limits: Limits, runs: Sequence[Future[None]],
        progress: Progress,
    ) -> None:  # fmt: skip
        """Until all expected beats have come, or the limit.

        Raises:
            ToolError: a process failed.
        """
        lines = self._connected(runs)
        cycle, started, left = 0, False, limits.drain_cycles // window + 1
        shown, expected = time.monotonic(), sum(process.expected_beats for process in processes)
        while True:
            notes = self._notes(lines, runs)
            sent = {name: words for note in notes for name, words in note["sent"].items()}
            done = started and all(note["done"] for note in notes)
            left -= done
            cycle += window
            end = left == 0 or cycle >= limits.cycles
            started = started or all(note["up"] for note in notes)
            self._answer(lines, notes, processes, sent, started, end)
            if end:
                return
            if time.monotonic() - shown >= _WAIT_SECONDS:
                shown = time.monotonic()
                progress(f"cycle {cycle}: {sum(note['beats'] for note in notes)} of {expected} output beats")

    def _connected(self, runs: Sequence[Future[None]]) -> list[TextIO]:
        """The way to each process."""
        while len(self._connections) < self._count:
            try:
                connection, _ = self._socket.accept()
            except TimeoutError:
                _raise_first(runs)
                continue
            connection.setblocking(True)
            self._connections.append(connection)
        return [connection.makefile("rw", encoding="utf-8") for connection in self._connections]

    def _notes(self, lines: Sequence[TextIO], runs: Sequence[Future[None]]) -> list[dict[str, Any]]:
        """Of every process."""
        told = [line.readline() for line in lines]
        if not all(told):
            self.__exit__()  # the others end, too, and have nothing to tell
            for run in runs:
                run.result()
            raise ToolError("A process of the simulation ended before the others; run it again.")
        return [json.loads(line) for line in told]

    def _answer(
        self, lines: Sequence[TextIO], notes: Sequence[dict[str, Any]], processes: Sequence[Process],
        sent: dict[str, Any], begin: bool, end: bool,
    ) -> None:  # fmt: skip
        """To each process, which is known by what it sends and takes."""
        for line, note in zip(lines, notes):
            own = processes[note["number"]]
            words = {name: sent[name] for name in own.takes}
            with suppress(OSError):  # one that has failed has no next note
                line.write(json.dumps({"sent": words, "begin": begin, "end": end}) + "\n")
                line.flush()


def _raise_first(runs: Sequence[Future[None]]) -> None:
    for run in runs:
        if run.done():
            run.result()


def _read(path: Path, process: Process, simulator: Simulator) -> ProcessResult:
    with np.load(path) as file:
        return ProcessResult(
            in_cycle=file["in_cycle"],
            out_beats=file["out_beats"],
            out_last=file["out_last"],
            out_cycle=file["out_cycle"],
            cycles=int(file["cycles"]),
            watched=watched_cycles(process.watch, file),
            build_seconds=simulator.build_seconds,
            cache_hit=simulator.cache_hit,
        )
