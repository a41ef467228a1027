"""Figures measured from the handshakes of a run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnngen.verify.simulator import RunResult


@dataclass(frozen=True)
class Measured:
    """Measured cycles; None where the run is too short to tell.

    ``step_interval_cycles``: median distance of the last output beats of consecutive steps of one stream in the second
    half of the run; ``step_interval_steady``: all of those distances are equal. The latencies are those of the first
    step of the run, from its last input beat to its first and last output beat; None where these have different
    clocks. ``cycles_total``: cycles from
    the release of reset to the last output beat, both included.
    """

    step_interval_cycles: float | None
    step_interval_steady: bool
    latency_first_output_cycles: int | None
    latency_last_output_cycles: int | None
    cycles_total: int
    steps: int


def measure(result: RunResult, input_beats_per_step: int, output_beats_per_step: int, streams: int = 1) -> Measured:
    """Read the figures off the recorded handshakes; ``streams`` sequences were sent side by side."""
    out = result.out_cycle
    ends = out[output_beats_per_step - 1 :: output_beats_per_step]
    distances = ends[streams:] - ends[:-streams]
    distances = distances[len(distances) // 2 :]
    latency_first = latency_last = None
    if result.same_clock and len(result.in_cycle) >= input_beats_per_step and len(ends):
        fed = int(result.in_cycle[input_beats_per_step - 1])
        latency_first, latency_last = int(out[0]) - fed, int(ends[0]) - fed
    return Measured(
        step_interval_cycles=_plain(float(np.median(distances))) if len(distances) else None,
        step_interval_steady=bool(len(distances)) and bool(np.all(distances == distances[0])),
        latency_first_output_cycles=latency_first,
        latency_last_output_cycles=latency_last,
        cycles_total=int(out[-1]) + 1 if len(out) else result.cycles,
        steps=len(ends),
    )


def _plain(value: float) -> float:
    """An integer where the median is one, so that it prints as one."""
    return int(value) if value.is_integer() else value
