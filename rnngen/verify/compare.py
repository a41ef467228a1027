"""Compares a simulated run with the emulator: every bit, every cycle, and the first difference in words.

Equality is the only judgement; there is no tolerance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnngen.arith.beats import PortFormat, lanes, pack
from rnngen.arith.format import IntArray
from rnngen.errors import DataError
from rnngen.verify.measure import Measured, measure
from rnngen.verify.simulator import RunResult

CycleArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Counter:
    """A hardware counter read over ``s_axil`` behind the run, and what it must show."""

    name: str
    expected: int
    got: int

    @property
    def sentence(self) -> str:
        """One sentence for the user, where they differ."""
        return f"The hardware counter {self.name} differs: expected {self.expected}, got {self.got}."


@dataclass(frozen=True)
class Difference:
    """One place where the circuit departs from the emulator.

    ``kind``: "value", "cycle", "late", "last" (TLAST), "stream" (TID), "missing" or "surplus" (beat). ``step`` counts
    within the sequence. ``layer``, ``point`` and ``gate`` say where inside, when that is known; ``cycle`` is the
    cycle in which it was seen (None: it never came). ``expected`` and ``got`` are integers as the circuit holds them,
    cycle numbers for kind "cycle", ticks for kind "late".
    """

    kind: str
    sequence: int
    step: int
    unit: int | None = None
    layer: str | None = None
    point: str | None = None
    gate: str | None = None
    cycle: int | None = None
    expected: int | None = None
    got: int | None = None

    @property
    def place(self) -> str:
        """Where it is, in words."""
        parts = [f"sequence {self.sequence}", f"step {self.step}"]
        parts += [f"layer {self.layer}"] if self.layer is not None else []
        parts += [f"point {self.point}"] if self.point is not None else []
        parts += [f"gate {self.gate}"] if self.gate is not None else []
        parts += [f"unit {self.unit}"] if self.unit is not None else []
        return ", ".join(parts)

    @property
    def sentence(self) -> str:
        """One sentence for the user."""
        when = f" in cycle {self.cycle}" if self.cycle is not None else ""
        if self.kind == "value":
            return f"Value differs at {self.place}{when}: expected {self.expected}, got {self.got}."
        if self.kind == "cycle":
            return f"Output came in the wrong cycle at {self.place}: expected cycle {self.expected}, got {self.got}."
        if self.kind == "late":
            return (
                f"Output came too late at {self.place}: planned for tick {self.expected} at the latest, got tick "
                f"{self.got}."
            )
        if self.kind == "last":
            wrong = "is missing" if self.expected else "came too early"
            return f"TLAST {wrong} at {self.place}{when}."
        if self.kind == "stream":
            return f"TID is wrong at {self.place}{when}: expected {self.expected}, got {self.got}."
        if self.kind == "missing":
            due = f" (due in cycle {self.expected})" if self.expected is not None else ""
            return f"Output ended too early: the beat of {self.place}{due} never came."
        return f"Output went on too long: a surplus beat came{when} behind {self.place}."


@dataclass(frozen=True)
class Comparison:
    """The verdict on a run.

    ``mismatches`` counts lanes with a wrong value (padding included), ``cycle_mismatches`` beats in a wrong cycle;
    ``cycles_compared`` is False when only values were asked for (runs with pauses).  ``late_beats`` counts beats behind
    the latest tick planned for them; ``bounds_compared`` is False where no such ticks were given.  ``counters`` holds
    the hardware counters that differ.
    """

    mismatches: int
    cycle_mismatches: int
    missing_beats: int
    surplus_beats: int
    last_errors: int
    cycles_compared: bool
    counters: tuple[Counter, ...]
    first: Difference | None
    measured: Measured
    late_beats: int = 0
    bounds_compared: bool = False

    @property
    def prefix_exact(self) -> bool:
        """What came has the right bits and the right TLAST, and nothing came besides; something may be missing."""
        return not (self.mismatches or self.surplus_beats or self.last_errors)

    @property
    def bit_exact(self) -> bool:
        """All beats came, with the right bits and the right TLAST, and none besides; the counters agree."""
        return self.prefix_exact and not (self.missing_beats or self.counters)

    @property
    def sentence(self) -> str | None:
        """The first difference in words; None if there is none."""
        if self.first is not None:
            return self.first.sentence
        return self.counters[0].sentence if self.counters else None

    @property
    def figures(self) -> dict[str, bool | int | str | None]:
        """The verdict as plain data; None for cycles that were not compared."""
        return {
            "bit_exact": self.bit_exact,
            "cycle_exact": self.cycle_exact if self.cycles_compared else None,
            "mismatches": self.mismatches,
            "cycle_mismatches": self.cycle_mismatches if self.cycles_compared else None,
            "first_difference": self.sentence,
        }

    @property
    def cycle_exact(self) -> bool:
        """All of that, each beat in its promised cycle."""
        return self.bit_exact and self.cycles_compared and self.cycle_mismatches == 0

    @property
    def times_compared(self) -> bool:
        """Cycles were compared, or the latest ticks."""
        return self.cycles_compared or self.bounds_compared

    @property
    def within_bounds(self) -> bool:
        """All beats came, as they should be, and each one in its promised cycle, or by the latest planned tick."""
        return self.cycle_exact or (self.bit_exact and self.bounds_compared and self.late_beats == 0)


def compare(
    expected: Sequence[IntArray],
    expected_cycles: CycleArray | None,
    result: RunResult,
    output: PortFormat,
    input_beats_per_step: int,
    layer: str | None = None,
    counters: Sequence[Counter] = (),
    order: IntArray | None = None,
    streams: int = 1,
    latest_ticks: CycleArray | None = None,
) -> Comparison:
    """Compare output words, cycles and counters.

    Args:
        expected: emulated output integers, one array (steps, size) a sequence.
        expected_cycles: cycle of every output beat, int64 (beats,), counted as in ``sim/bench_stream.py``;
            None compares values alone.
        result: what the bench recorded.
        layer: name of the layer the output comes from, for the sentence.
        counters: hardware counters, read and expected.
        order: in which steps are sent, as numbers counted sequence by sequence; None: in that order.
        streams: sequence k is stream k mod ``streams``.
        latest_ticks: tick by which every output beat must have come, int64 (beats,); None: not compared.
    """
    beats, last = pack(expected, output)
    steps = [len(sequence) for sequence in expected]
    order = np.arange(sum(steps), dtype=np.int64) if order is None else order
    in_order = (order[:, None] * output.beats_per_step + np.arange(output.beats_per_step)).ravel()
    beats, last = beats[in_order], last[in_order]
    whose = np.repeat(np.arange(len(steps)) % streams, steps)[order].repeat(output.beats_per_step)
    for name, times in (("Expected cycles", expected_cycles), ("Latest ticks", latest_ticks)):
        if times is not None and times.shape != last.shape:
            raise DataError(f"{name} must be of shape {last.shape}, not {times.shape}.")
    count = min(len(beats), len(result.out_beats))
    want, got = lanes(beats[:count], output), lanes(result.out_beats[:count], output)
    wrong_value = want != got
    wrong_last = last[:count] != result.out_last[:count]
    wrong_stream = whose[:count] != result.out_tid[:count]
    wrong_cycle = np.zeros(count, dtype=bool)
    if expected_cycles is not None:
        wrong_cycle = expected_cycles[:count] != result.out_cycle[:count]
    late = np.zeros(count, dtype=bool)
    if latest_ticks is not None:
        late = result.out_tick[:count] > latest_ticks[:count]
    missing, surplus = len(beats) - count, len(result.out_beats) - count
    first = None
    wrong = wrong_value.any(axis=1) | wrong_last | wrong_stream | wrong_cycle | late
    if wrong.any() or missing or surplus:
        index = int(wrong.argmax()) if wrong.any() else count
        sent = _Sent(want, last, whose, expected_cycles, latest_ticks, steps, order)
        first = _describe(index, sent, got, result, output, layer)
    return Comparison(
        mismatches=int(np.count_nonzero(wrong_value)),
        cycle_mismatches=int(np.count_nonzero(wrong_cycle)),
        missing_beats=missing,
        surplus_beats=surplus,
        last_errors=int(np.count_nonzero(wrong_last | wrong_stream)),
        cycles_compared=expected_cycles is not None,
        counters=tuple(counter for counter in counters if counter.got != counter.expected),
        first=first,
        measured=measure(result, input_beats_per_step, output.beats_per_step, streams),
        late_beats=int(np.count_nonzero(late)),
        bounds_compared=latest_ticks is not None,
    )


@dataclass(frozen=True, eq=False)
class _Sent:
    """What should come, beat by beat."""

    want: IntArray
    last: npt.NDArray[np.bool_]
    stream: IntArray
    cycles: CycleArray | None
    latest: CycleArray | None
    steps: Sequence[int]
    order: IntArray


def _describe(
    index: int, sent: _Sent, got: IntArray, result: RunResult, output: PortFormat, layer: str | None
) -> Difference:
    """The difference at beat ``index``: its value before its TLAST before its stream before its cycle."""
    want, last, expected_cycles = sent.want, sent.last, sent.cycles
    flat = min(index, len(last) - 1)
    sequence, step = _locate_step(int(sent.order[flat // output.beats_per_step]), sent.steps)
    first_unit = flat % output.beats_per_step * output.words_per_beat
    if index >= len(want):
        if index >= len(last):
            return Difference("surplus", sequence, step, layer=layer, cycle=int(result.out_cycle[index]))
        due = None if expected_cycles is None else int(expected_cycles[index])
        return Difference("missing", sequence, step, first_unit, layer, expected=due)
    cycle = int(result.out_cycle[index])
    lane = int((want[index] != got[index]).argmax())
    if want[index, lane] != got[index, lane]:
        values = int(want[index, lane]), int(got[index, lane])
        return Difference("value", sequence, step, first_unit + lane, layer, None, None, cycle, *values)
    if last[index] != result.out_last[index]:
        flags = int(last[index]), int(result.out_last[index])
        return Difference("last", sequence, step, None, layer, None, None, cycle, *flags)
    if sent.stream[index] != result.out_tid[index]:
        streams = int(sent.stream[index]), int(result.out_tid[index])
        return Difference("stream", sequence, step, None, layer, None, None, cycle, *streams)
    if sent.latest is not None and result.out_tick[index] > sent.latest[index]:
        ticks = int(sent.latest[index]), int(result.out_tick[index])
        return Difference("late", sequence, step, first_unit, layer, None, None, cycle, *ticks)
    due = None if expected_cycles is None else int(expected_cycles[index])
    return Difference("cycle", sequence, step, first_unit, layer, None, None, cycle, due, cycle)


def _locate_step(step: int, steps: Sequence[int]) -> tuple[int, int]:
    """(sequence, step within it) of the flat step number."""
    for sequence, length in enumerate(steps):
        if step < length:
            return sequence, step
        step -= length
    raise DataError(f"Step {step} lies behind the last sequence.")
