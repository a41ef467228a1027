"""Verdicts on runs made by hand, and the search for the first difference inside the pipeline."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rnngen.arith.beats import PortFormat, pack
from rnngen.errors import DataError
from rnngen.verify.compare import Counter, compare
from rnngen.verify.locate import Trace, locate
from rnngen.verify.simulator import RunResult, Stimulus

PORT = PortFormat(tdata_bits=32, words_per_beat=2, beats_per_step=2, word_bits=12, fraction_bits=8)
EXPECTED = [np.arange(8).reshape(2, 4), 100 + np.arange(12).reshape(3, 4)]
CYCLES = np.array([20, 21, 30, 31, 40, 41, 50, 51, 60, 61])


def right() -> RunResult:
    beats, last = pack(EXPECTED, PORT)
    return RunResult(
        in_cycle=np.arange(1, 6),
        out_beats=beats,
        out_last=last,
        out_tid=np.zeros(len(last), np.int64),
        out_cycle=CYCLES,
        out_tick=CYCLES,
        cycles=90,
        complete=True,
        probes={},
        registers=(),
        watched={},
        build_seconds=0.0,
        simulate_seconds=1.0,
        cache_hit=True,
        waves=None,
    )


def test_equal_runs() -> None:
    judged = compare(EXPECTED, CYCLES, right(), PORT, input_beats_per_step=1)
    assert judged.cycle_exact
    assert judged.first is None
    figures = judged.measured
    assert (figures.step_interval_cycles, figures.step_interval_steady) == (10, True)
    assert (figures.latency_first_output_cycles, figures.latency_last_output_cycles) == (19, 20)
    assert (figures.cycles_total, figures.steps) == (62, 5)


def test_an_unsteady_interval_is_said_to_be_so() -> None:
    result = replace(right(), out_cycle=CYCLES + np.array([0] * 9 + [3]))
    figures = compare(EXPECTED, None, result, PORT, 1).measured
    assert (figures.step_interval_cycles, figures.step_interval_steady) == (11.5, False)


def test_no_output_at_all() -> None:
    nothing = {"out_beats": np.zeros((0, 4), np.uint8), "out_last": np.zeros(0, bool), "out_cycle": CYCLES[:0]}
    result = replace(right(), **nothing, out_tid=np.zeros(0, np.int64))
    judged = compare(EXPECTED, CYCLES, result, PORT, 1)
    assert judged.missing_beats == 10
    assert judged.first is not None
    assert judged.first.sentence == (
        "Output ended too early: the beat of sequence 0, step 0, unit 0 (due in cycle 20) never came."
    )
    assert judged.measured.step_interval_cycles is None
    assert judged.measured.cycles_total == 90


def test_an_early_last_and_its_sentence() -> None:
    last = right().out_last.copy()
    last[1] = True
    judged = compare(EXPECTED, CYCLES, replace(right(), out_last=last), PORT, 1)
    assert judged.last_errors == 1
    assert judged.first is not None
    assert judged.first.sentence == "TLAST came too early at sequence 0, step 0 in cycle 21."


def test_a_wrong_value_stands_before_a_wrong_cycle() -> None:
    beats = right().out_beats.copy()
    beats[4, 2] ^= 0x40
    result = replace(right(), out_beats=beats, out_cycle=CYCLES + (CYCLES >= 40))
    judged = compare(EXPECTED, CYCLES, result, PORT, 1, layer="head")
    assert (judged.mismatches, judged.cycle_mismatches) == (1, 6)
    assert judged.first is not None
    assert judged.first.sentence == (
        "Value differs at sequence 1, step 0, layer head, unit 1 in cycle 41: expected 101, got 37."
    )


def test_wrong_number_of_expected_cycles() -> None:
    with pytest.raises(DataError, match=r"Expected cycles must be of shape \(10,\), not \(9,\)"):
        compare(EXPECTED, CYCLES[:9], right(), PORT, 1)


def trace(layer: str, point: str, gate: str | None, wrong: tuple[int, int] | None) -> Trace:
    expected = np.arange(15).reshape(5, 3)
    got = expected.copy()
    if wrong is not None:
        got[wrong] += 100
    return Trace(layer, point, gate, expected, got, cycles=10 * expected)


def test_locate_finds_the_first_step_then_the_first_point() -> None:
    traces = [
        trace("0", "z", "i", (4, 0)),
        trace("0", "z", "f", None),
        trace("0", "c", None, (3, 2)),
        trace("0", "h", None, (3, 1)),
        trace("1", "z", "i", (3, 0)),
    ]
    found = locate(traces, steps_per_sequence=[2, 3])
    assert found is not None
    assert found.sentence == (
        "Value differs at sequence 1, step 1, layer 0, point c, unit 2 in cycle 110: expected 11, got 111."
    )
    assert locate([trace("0", "z", "g", (0, 1))]) is not None
    assert locate([trace("0", "z", "g", None)]) is None


def test_traces_must_have_equal_shapes() -> None:
    with pytest.raises(DataError, match=r"0\.h must hold equal shapes"):
        Trace("0", "h", None, np.zeros((2, 3), int), np.zeros((2, 2), int))
    with pytest.raises(DataError, match=r"0\.h needs cycles of shape \(2, 3\)"):
        Trace("0", "h", None, np.zeros((2, 3), int), np.zeros((2, 3), int), np.zeros((2, 2), int))


def test_stimulus_is_checked() -> None:
    with pytest.raises(DataError, match=r"uint8 \(N, bytes\), not int64"):
        Stimulus(np.zeros((2, 4), dtype=np.int64), np.zeros(2, bool))
    with pytest.raises(DataError, match=r"last must be of shape \(2,\)"):
        Stimulus(np.zeros((2, 4), np.uint8), np.zeros(3, bool))


def test_a_counter_that_differs_is_no_equal_run() -> None:
    counters = [Counter("STEPS_IN", 5, 5), Counter("SATURATIONS", 3, 4)]
    judged = compare(EXPECTED, CYCLES, right(), PORT, input_beats_per_step=1, counters=counters)
    assert not judged.bit_exact
    assert judged.sentence == "The hardware counter SATURATIONS differs: expected 3, got 4."


def test_locate_counts_layers_of_last_steps_by_sequence() -> None:
    """Sequences of 2 and 3 steps: the head's row 1 belongs to the run's step 4, behind a difference in step 3."""
    expected, got = np.zeros((5, 2), dtype=np.int64), np.zeros((5, 2), dtype=np.int64)
    got[3, 1] = 7
    body = Trace("body", "h", None, expected, got)
    head = Trace("head", "h", None, expected[:2], np.array([[0, 0], [0, 9]]), None, True)
    found = locate([head, body], steps_per_sequence=[2, 3])
    assert found is not None
    assert (found.layer, found.sequence, found.step, found.unit, found.got) == ("body", 1, 1, 1, 7)
    found = locate([head], steps_per_sequence=[2, 3])
    assert found is not None
    assert (found.layer, found.sequence, found.step, found.unit, found.got) == ("head", 1, 2, 1, 9)


def test_an_output_may_come_early_but_not_late() -> None:
    early = compare(EXPECTED, None, right(), PORT, 1, latest_ticks=CYCLES + 3)
    assert (early.within_bounds, early.cycle_exact, early.late_beats) == (True, False, 0)
    assert not compare(EXPECTED, None, right(), PORT, 1).within_bounds  # nobody asked
    late = compare(EXPECTED, None, right(), PORT, 1, layer="l", latest_ticks=CYCLES - (np.arange(10) == 7))
    assert (late.bit_exact, late.within_bounds, late.late_beats) == (True, False, 1)
    assert late.sentence == (
        "Output came too late at sequence 1, step 1, layer l, unit 2: planned for tick 50 at the latest, got tick 51."
    )
    with pytest.raises(DataError, match=r"^Latest ticks must be of shape \(10,\), not \(9,\)\.$"):
        compare(EXPECTED, None, right(), PORT, 1, latest_ticks=CYCLES[:9])


def test_latencies_need_one_clock() -> None:
    figures = compare(EXPECTED, None, replace(right(), same_clock=False), PORT, 1).measured
    assert (figures.latency_first_output_cycles, figures.latency_last_output_cycles) == (None, None)
    assert figures.step_interval_cycles == 10
