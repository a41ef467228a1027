"""The schedule of a stretch of cycles: planned from the plan, simulated from sampled probes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from rnngen.arith.format import IntArray
from rnngen.emit.stages import engine_paths
from rnngen.emulate.network import Cycles
from rnngen.plan.engine import EnginePlan
from rnngen.plan.network import NetworkPlan

Flags = npt.NDArray[np.bool_]

LONGEST_WINDOW = 8192
"""Cycles that a trace shows at most."""

_STAGES = {
    "x part": "issue",
    "h part": "issue",
    "sums": "sums_valid",
    "pre-activations": "z_valid",
    "cell state": "c_valid",
    "output": "h_valid",
}
"""Rows of an engine's timeline, and the probe each is drawn from."""

_PARTS = {"x part": "from_x", "h part": "from_h"}
"""Probes that tell what an issue reads."""


@dataclass(frozen=True)
class Window:
    """Cycles [start, end) of the schedule, counted as the plan counts them, around one step."""

    step: int
    start: int
    end: int


def choose_window(plan: NetworkPlan, cycles: Cycles) -> Window:
    """From a settled step's first issue to its last output beat, or to the longest window."""
    steps = len(cycles.output)
    step = min(steps - 1, max(steps // 2, 2))
    start = int(cycles.issues[0][min(step, len(cycles.issues[0]) - 1)])
    end = max(int(cycles.output[step, -1]) + 1, start + plan.interval)
    return Window(step, start, min(end, start + LONGEST_WINDOW))


def probe_names(plan: NetworkPlan) -> tuple[str, ...]:
    """Control probes of every engine."""
    names = []
    for path, engine in zip(engine_paths(plan), plan.engines):
        for stage in stages(engine):
            names.append(f"{path}.probe_{_STAGES[stage]}")
        names += [f"{path}.probe_{which}" for which in _PARTS.values()]
    return tuple(dict.fromkeys(names))


def stages(engine: EnginePlan) -> list[str]:
    """Timeline rows of an engine."""
    absent = set() if engine.tail.state_write is not None else {"pre-activations", "cell state"}
    absent |= {part for part, words in (("x part", engine.x_words), ("h part", engine.h_words)) if not words}
    return [stage for stage in _STAGES if stage not in absent]


def planned_flags(plan: NetworkPlan, cycles: Cycles, window: Window) -> list[dict[str, Flags]]:
    """For every engine and stage, whether it works in each cycle of the window."""
    engines = []
    for index, engine in enumerate(plan.engines):
        flags = {}
        for stage in stages(engine):
            places, delays = _active_cycles(engine, stage)
            if cycles.places:
                steps = [at for at in cycles.places[index] if len(at) == engine.issue_cycles]
                flags[stage] = _flags([at[places] + delays for at in steps], window)
            else:
                starts = _starts(engine, stage, cycles.issues[index])
                flags[stage] = _marked(places + delays, starts, window)
        engines.append(flags)
    return engines


def _starts(engine: EnginePlan, stage: str, issues: IntArray) -> IntArray:
    """First issues from which a stage's cycles are counted; a spaced engine's h passes run ahead of the steps."""
    if stage == "h part" and engine.shape.spaced:
        return np.concatenate([[0], issues + engine.x_to_h])
    return issues


def _active_cycles(engine: EnginePlan, stage: str) -> tuple[IntArray, IntArray]:
    """Cycles, from ``_starts``, in which a stage of the engine works for a step: each as that of an issue, and how long
    behind it.
    """
    parts = {"x part": (0, engine.x_words), "h part": engine.h_places}
    if stage in parts:
        reads = np.sort(np.concatenate([_reads(engine, stage, word) for word in range(*parts[stage])]))
        return reads, np.zeros_like(reads)
    timing = engine.tail
    delay = {
        "sums": 0,
        "pre-activations": timing.narrow,
        "cell state": timing.state_write or 0,
        "output": timing.output,
    }[stage]
    behind = engine.sum_cycles + delay
    group = np.arange(engine.group_count)
    in_tile = group % engine.groups
    return engine.group_cycle(group - in_tile) - engine.result_cycles, behind + in_tile


def _reads(engine: EnginePlan, stage: str, word: int) -> IntArray:
    """Issues of a word, by sweep."""
    ahead = stage == "h part" and engine.shape.spaced
    distance = engine.h_spacing if ahead else engine.sweep_distance(word)
    return engine.first_read(word) + np.arange(engine.sweeps) * distance


def _marked(offsets: IntArray, issues: IntArray, window: Window) -> Flags:
    inside = issues[(issues + int(offsets[-1]) >= window.start) & (issues < window.end)]
    return _flags([offsets + int(issue) for issue in inside], window)


def _flags(marked: Iterable[IntArray], window: Window) -> Flags:
    """Cycles of the window that are among those that are marked."""
    flags = np.zeros(window.end - window.start, dtype=bool)
    for cycles in marked:
        places = cycles - window.start
        flags[places[(places >= 0) & (places < len(flags))]] = True
    return flags


def simulated_flags(plan: NetworkPlan, probes: Mapping[str, npt.NDArray[np.uint8]]) -> list[dict[str, Flags]]:
    """The same from the probes sampled over the window."""
    engines = []
    for path, engine in zip(engine_paths(plan), plan.engines):
        flags = {}
        for stage in stages(engine):
            sampled = probes[f"{path}.probe_{_STAGES[stage]}"][:, 0].astype(bool)
            if stage in _PARTS:
                sampled = sampled & probes[f"{path}.probe_{_PARTS[stage]}"][:, 0].astype(bool)
            flags[stage] = sampled
        engines.append(flags)
    return engines


def spans(flags: Flags) -> list[tuple[int, int]]:
    """Runs [start, end) of set flags."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(start), int(end)) for start, end in list(pairwise(edges))[::2]]


def busy(plan: NetworkPlan, engines: list[dict[str, Flags]]) -> list[int]:
    """Multipliers busy in each cycle."""
    total = np.zeros(len(next(iter(engines[0].values()))), dtype=np.int64)
    for engine, flags in zip(plan.engines, engines):
        issued = np.any([flags[part] for part in ("x part", "h part") if part in flags], axis=0)
        total += engine.multipliers * issued
    return [int(count) for count in total]


def trace_document(plan: NetworkPlan, window: Window, planned: list[dict[str, Flags]],
                   simulated: list[dict[str, Flags]], beats: tuple[Flags, Flags]) -> dict[str, Any]:  # fmt: skip
    """The trace as plain data for the report; ``beats`` are planned and simulated output beats."""
    lanes = [
        {
            "name": stage,
            "engine": engine.shape.name,
            "planned": spans(want[stage]),
            "simulated": spans(got[stage]),
        }
        for engine, want, got in zip(plan.engines, planned, simulated)
        for stage in want
    ]
    lanes.append({"name": "beats", "engine": "output port", "planned": spans(beats[0]), "simulated": spans(beats[1])})
    return {
        "step": window.step,
        "cycles": window.end - window.start,
        "interval": plan.interval,
        "lanes": lanes,
        "planned_busy": busy(plan, planned),
        "simulated_busy": busy(plan, simulated),
    }
