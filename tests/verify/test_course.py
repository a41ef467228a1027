"""When processes of one simulation wait for each other, and when their run ends."""

from __future__ import annotations

from typing import Any

import pytest

from rnngen.verify.course import Course
from rnngen.verify.simulator import RunOptions

CLOCKS = (("aclk", 9), ("aclk_1", 10))


def course(window: int, shared: tuple[str, ...] = (), **options: Any) -> Course:
    return Course(RunOptions(expected_beats=1, clocks=CLOCKS, output_clock="aclk_1", **options), window, shared)


@pytest.mark.parametrize("window", [4, 9, 23])
def test_moments_are_between_edges_and_no_further_apart_than_the_window(window: int) -> None:
    """And there is one before each edge of the first clock, until it is known when the host begins."""
    made, moments = course(window), []
    moment = made.first
    for _ in range(100):
        moments.append(moment)
        moment = made.after(moment, None)
    assert made.reset < made.first < 9 * made.base
    assert all(0 < later - moment <= window * made.tick for moment, later in zip(moments, moments[1:]))
    assert all(moment % made.period(name) for moment in moments for name, _ in CLOCKS)
    assert {edge * made.base - 1 for edge in range(9, moments[-1] // made.base)} <= set(moments)
    start = moments[-1] + 1 + made.base
    assert start + 1 in {made.after(moment, start) for moment in range(start - 9, start, 2)}


def test_clocks_that_are_shared_have_a_moment_on_either_side_of_each_edge() -> None:
    made = course(1000, ("aclk_1",))
    start = 30 * made.base
    moments = [start + 1]
    while len(moments) < 50:
        moments.append(made.after(moments[-1], start))
    period = made.period("aclk_1")
    edges = range(start // period + 1, moments[-2] // period)
    assert moments[1:-1][: 2 * len(edges)] == [edge * period + side for edge in edges for side in (-1, 1)]


def test_the_host_begins_behind_the_edge_at_which_all_is_up() -> None:
    made = course(1000, time_limit_cycles=50)
    at = [(8 + cycle) * made.base - 1 for cycle in (1, 7, 49, 50)]
    assert [made.start(moment, True) for moment in at] == [moment + 1 + made.base for moment in at]
    assert [made.start(moment, False) for moment in at] == [None] * 3 + [at[3] + 1 + made.base]
    assert made.start(at[1] + 10, True) is None  # not before an edge


def test_the_end_is_that_of_one_process() -> None:
    """So many cycles behind the last beat, or the last device that failed and the last change; or the limit."""
    made = course(1000, time_limit_cycles=500, drain_cycles=30, events=((1, "hold_0", 1), (41, "hold_0", 0)))
    base, start, late = made.base, 100 * made.base, 10**9
    assert made.end(late, start, None, None) == start + 500 * base
    assert made.end(late, start, start + 7, None) == start + 7 + 30 * base
    assert made.end(start + 7, start, start + 7, None) is None  # it has not been yet
    assert made.end(late, start, None, start + 7) == start + (40 + 30) * base
    assert made.end(late, start, start + 999 * base, start + 60 * base) == start + (60 + 30) * base
    assert made.end(late, start, start + 900 * base, None) == start + 500 * base


def test_changes_of_the_output_count_in_its_clock() -> None:
    made = course(1000)
    period, start = made.period("aclk_1"), 99 * made.base
    first = start // period
    assert [made.change(start, cycle, "m_axis_tready") for cycle in (1, 2, 5)] == [
        start, (first + 1) * period, (first + 4) * period
    ]  # fmt: skip
    assert made.change(start, 5, "hold_1") == start + 4 * made.base
