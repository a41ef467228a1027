"""Runs parts of a system in a process each, joined by a socket: what is too large for one simulator.

Every process runs for a window of time, no longer than any word is under way, and then all of them wait for the words
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
from rnngen.verify.course import Course
from rnngen.verify.process import run_bench
from rnngen.verify.simulator import (
    BoolArray,
    ByteArray,
    CycleArray,
    Progress,
    Stimulus,
    check_images,
)

_WAIT_SECONDS = 1.0
_JOBS = 2
_HANDED = (
    "expected_beats", "sends", "takes", "inputs", "start_events", "events", "shares_input", "shares_output", "watch"
)  # fmt: skip

Change = tuple[int, str, int, str | None]
"""Cycle, input of the top, and the value it takes; with a direction of a line: what is sent from then on meets it."""


@dataclass(frozen=True)
class Process:
    """What one process runs; keys as in ``sim/bench_apart.py``.

    Attributes:
        folder: With ``rtl`` in it, where the simulator runs.  top: The module.  sources: Below ``rtl``.
        clocks: Ports of the clocks that run in it, with the ticks of a cycle; the device's first.
    """

    folder: Path
    top: str
    sources: tuple[Path, ...]
    stimulus: Stimulus | None
    expected_beats: int
    clocks: tuple[tuple[str, int], ...]
    sends: tuple[tuple[str, str], ...]
    takes: tuple[tuple[str, str, int], ...]
    inputs: tuple[tuple[str, int], ...] = ()
    start_events: tuple[Change, ...] = ()
    events: tuple[Change, ...] = ()
    shares_input: bool = False
    shares_output: bool = False
    watch: tuple[str, ...] = ()
    compile: CompileOptions = field(default_factory=CompileOptions)


@dataclass(frozen=True)
class ProcessResult:
    """What a process recorded, from cycle 0 to the end of the run (``sim/bench_apart.py``).

    ``in_cycle``: of the first device.  ``out_tick``: ticks.
    ``watched``: the cycle of the first device in which each output was 1 for the first time; None: never.
    """

    in_cycle: CycleArray
    out_beats: ByteArray
    out_last: BoolArray
    out_tick: CycleArray
    watched: dict[str, int | None]
    build_seconds: float
    cache_hit: bool


@dataclass(frozen=True)
class ApartResult:
    """Of all processes.

    Attributes:
        cycles: Of the first device.  complete: All expected beats came.  seconds: Of the run.
    """

    processes: tuple[ProcessResult, ...]
    cycles: int
    complete: bool
    seconds: float


def run_apart(processes: Sequence[Process], course: Course, progress: Progress = lambda line: None) -> ApartResult:
    """Runs all of them to the end.

    Raises:
        ToolError: a tool, source or memory image is missing, or a simulation failed.
    """
    with tempfile.TemporaryDirectory(prefix="rnngen-") as name, ThreadPoolExecutor(max(_JOBS, len(processes))) as pool:
        work = Path(name)
        simulators = _compiled(processes, progress)
        started = time.monotonic()
        with _Hub(work / "hub", processes, course) as hub:
            runs = []
            for number, (process, simulator) in enumerate(zip(processes, simulators)):
                own = work / str(number)
                own.mkdir()
                _write_config(process, number, own, course, hub.path)
                rtl = process.folder / "rtl"
                runs.append(pool.submit(run_bench, simulator, "bench_apart", rtl, own, None, progress))
            ran = hub.serve(runs, progress)
        for run in runs:
            run.result()
        seconds = time.monotonic() - started
        results = tuple(
            _read(work / str(number) / "result.npz", process, course, ran, simulator)
            for number, (process, simulator) in enumerate(zip(processes, simulators))
        )
    return ApartResult(results, ran.length // course.base, ran.complete, seconds)


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


def _write_config(process: Process, number: int, work: Path, course: Course, hub: Path) -> None:
    given = process.stimulus
    if given is not None:
        tid = np.zeros(len(given.beats), dtype=np.int64)
        np.savez(work / "stimulus.npz", beats=given.beats, last=given.last, tid=tid)
    config = {name: getattr(process, name) for name in _HANDED} | {
        "stimulus": str(work / "stimulus.npz") if given is not None else None,
        "result": str(work / "result.npz"),
        "clock": process.clocks[0][0],
        "clocks": [(name, ticks * course.tick) for name, ticks in process.clocks],
        "base": course.base,
        "reset": course.reset,
        "moment": course.first,
        "socket": str(hub),
        "number": number,
    }
    (work / "bench.json").write_text(json.dumps(config), encoding="utf-8")


@dataclass(frozen=True)
class _Ran:
    """A run that has ended: time steps from cycle 0 on, and whether all expected beats came."""

    length: int
    complete: bool


class _Hub:
    """Hands the words of each process to those that take them, window by window."""

    def __init__(self, path: Path, processes: Sequence[Process], course: Course) -> None:
        self.path, self._processes, self._course = path, processes, course
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen(len(processes))
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

    def serve(self, runs: Sequence[Future[None]], progress: Progress) -> _Ran:
        """To the end of the run.

        Raises:
            ToolError: a process failed.
        """
        lines, course = self._connected(runs), self._course
        moment, start, ran = course.first, None, None
        shown, expected = time.monotonic(), sum(process.expected_beats for process in self._processes)
        while ran is None:
            notes, lines = self._notes(lines, runs)
            if start is None:
                start = course.start(moment, all(note["up"] for note in notes))
            else:
                ran = self._ended(notes, moment, start)
            moment = course.after(moment, start)
            self._answer(lines, notes, {"start": start, "moment": moment, "end": ran is not None})
            if time.monotonic() - shown >= _WAIT_SECONDS:
                shown = time.monotonic()
                cycle = (moment - (start or moment)) // course.base
                progress(f"cycle {cycle}: {sum(note['beats'] for note in notes)} of {expected} output beats")
        return ran

    def _ended(self, notes: Sequence[dict[str, Any]], moment: int, start: int) -> _Ran | None:
        """Whether the run has; of devices that give results side by side, all have given theirs."""
        giving = [note["done"] for note, process in zip(notes, self._processes) if process.expected_beats]
        done = None if None in giving else start + max(giving)
        watched = [note["seen"].get(name) for note, process in zip(notes, self._processes) for name in process.watch]
        seen = None if None in watched else max(watched)
        end = self._course.end(moment, start, done, seen)
        return None if end is None else _Ran(end - start, done is not None and done < end)

    def _connected(self, runs: Sequence[Future[None]]) -> list[TextIO]:
        """The way to each process."""
        while len(self._connections) < len(self._processes):
            try:
                connection, _ = self._socket.accept()
            except TimeoutError:
                _raise_first(runs)
                continue
            connection.setblocking(True)
            self._connections.append(connection)
        return [connection.makefile("rw", encoding="utf-8") for connection in self._connections]

    def _notes(
        self, lines: Sequence[TextIO], runs: Sequence[Future[None]]
    ) -> tuple[list[dict[str, Any]], list[TextIO]]:
        """Of every process, and the way to it, in their order."""
        told = [line.readline() for line in lines]
        if not all(told):
            self.__exit__()  # the others end, too, and have nothing to tell
            for run in runs:
                run.result()
            raise ToolError("A process of the simulation ended before the others; run it again.")
        found = sorted(zip(map(json.loads, told), lines), key=lambda pair: int(pair[0]["number"]))
        return [note for note, _ in found], [line for _, line in found]

    def _answer(
        self, lines: Sequence[TextIO], notes: Sequence[dict[str, Any]], told: dict[str, int | bool | None]
    ) -> None:
        """To each process, with the words that it takes."""
        sent = {name: words for note in notes for name, words in note["sent"].items()}
        pairs = list(zip(notes, self._processes))
        took = all(note["took"] for note, process in pairs if process.shares_input)
        there = all(note["there"] for note, process in pairs if process.shares_output)
        for line, own in zip(lines, self._processes):
            words = {name: sent[name] for name, *_ in own.takes}
            with suppress(OSError):  # one that has failed has no next note
                line.write(json.dumps({"sent": words, "took": took, "there": there, **told}) + "\n")
                line.flush()


def _raise_first(runs: Sequence[Future[None]]) -> None:
    for run in runs:
        if run.done():
            run.result()


def _read(path: Path, process: Process, course: Course, ran: _Ran, simulator: Simulator) -> ProcessResult:
    """Up to the end of the run: processes went on until all of them knew of it."""
    with np.load(path) as file:
        out, taken = file["out_step"], file["in_cycle"]
        given = out < ran.length
        # What changed behind an edge is seen by the next one.
        watched = {
            name: int(step) // course.base + 1 if seen and step < ran.length else None
            for name, seen, step in zip(process.watch, file["watch_seen"], file["watch_step"])
        }
        return ProcessResult(
            in_cycle=taken[taken * course.base < ran.length],
            out_beats=file["out_beats"][given],
            out_last=file["out_last"][given],
            out_tick=out[given] // course.tick,
            watched=watched,
            build_seconds=simulator.build_seconds,
            cache_hit=simulator.cache_hit,
        )
