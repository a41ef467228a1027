"""Finds the first difference inside the pipeline, from sampled probes and the emulator's values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnngen.arith.format import IntArray
from rnngen.errors import DataError
from rnngen.verify.compare import Difference


@dataclass(frozen=True)
class Trace:
    """One named point of one layer, emulated and simulated.

    ``point``: for example "z", "c", "h"; ``gate``: "i", "f", "g", "o" or None where the point has no gates.
    ``expected`` and ``got``: integers (steps, units), steps counted through the whole run.
    ``cycles``: the cycle in which each was sampled, of the same shape, if known.
    ``last_only``: only each sequence's last step came here.
    """

    layer: str
    point: str
    gate: str | None
    expected: IntArray
    got: IntArray
    cycles: npt.NDArray[np.int64] | None = None
    last_only: bool = False

    def __post_init__(self) -> None:
        if self.expected.ndim != 2 or self.expected.shape != self.got.shape:
            raise DataError(
                f"Trace {self.layer}.{self.point} must hold equal shapes (steps, units), "
                f"not {self.expected.shape} and {self.got.shape}."
            )
        if self.cycles is not None and self.cycles.shape != self.got.shape:
            raise DataError(f"Trace {self.layer}.{self.point} needs cycles of shape {self.got.shape}.")


def locate(traces: Sequence[Trace], steps_per_sequence: Sequence[int] = ()) -> Difference | None:
    """First difference by step, then in the order of ``traces``, then by unit; None if all are equal.

    Args:
        traces: in pipeline order: layer by layer, and within a layer as the values flow.
        steps_per_sequence: lengths of the sequences of the run; empty means one sequence.
    """
    ends = np.cumsum(steps_per_sequence, dtype=np.int64) - 1
    found: tuple[int, int, int] | None = None
    for order, trace in enumerate(traces):
        rows = (trace.expected != trace.got).any(axis=1)
        if rows.any():
            row = int(rows.argmax())
            candidate = (int(ends[row]) if trace.last_only else row, order, row)
            found = candidate if found is None else min(found, candidate)
    if found is None:
        return None
    step, order, row = found
    trace = traces[order]
    unit = int((trace.expected[row] != trace.got[row]).argmax())
    sequence, local = _sequence_of(step, steps_per_sequence)
    cycle = None if trace.cycles is None else int(trace.cycles[row, unit])
    values = int(trace.expected[row, unit]), int(trace.got[row, unit])
    return Difference("value", sequence, local, unit, trace.layer, trace.point, trace.gate, cycle, *values)


def _sequence_of(step: int, steps_per_sequence: Sequence[int]) -> tuple[int, int]:
    starts = np.concatenate([[0], np.cumsum(steps_per_sequence, dtype=np.int64)])
    sequence = int(np.searchsorted(starts, step, side="right")) - 1
    sequence = min(sequence, max(len(steps_per_sequence) - 1, 0))
    return sequence, step - int(starts[sequence])
