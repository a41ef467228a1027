"""Figures: what is drawn where."""

from __future__ import annotations

import math
import re

import pytest

from rnngen.errors import DesignError
from rnngen.report import ErrorView, Lane, LayerError, Span, TraceView, chart, figures
from rnngen.report.markup import element
from rnngen.report.numbers import decibels, flat, microseconds, significant, small, whole
from tests.report import sample


def rectangles(svg: str, class_: str) -> list[tuple[float, float]]:
    """(x, width) of the bars of a class, the legend's left out."""
    found = re.findall(rf'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height="8" rx="1.5" class="{class_}">', svg)
    return [(float(x), float(width)) for x, width in found if width != "18"]


def one_lane(planned: tuple[Span, ...], simulated: tuple[Span, ...] | None, cycles: int = 10) -> TraceView:
    return TraceView((Lane("stage", "engine", planned, simulated),), 0, cycles, [1] * cycles)


def test_equal_spans_are_drawn_at_one_place() -> None:
    svg = figures.timeline(one_lane((Span(2, 5, "t"),), (Span(2, 5, "t"),)))
    assert rectangles(svg, "planned") == rectangles(svg, "simulated")
    assert "t: cycles 2 to 4 (simulated)" in svg


def test_differing_spans_are_marked_on_both_sides() -> None:
    svg = figures.timeline(one_lane((Span(2, 5), Span(6, 7)), (Span(3, 6), Span(6, 7))))
    assert len(rectangles(svg, "planned differs")) == len(rectangles(svg, "simulated differs")) == 1
    assert len(rectangles(svg, "planned")) == len(rectangles(svg, "simulated")) == 1


def test_spans_outside_the_drawn_cycles_are_left_out() -> None:
    svg = figures.timeline(one_lane((Span(8, 14), Span(20, 30)), None))
    assert len(rectangles(svg, "planned")) == 1
    assert "cycles 8 to 9" in svg


def test_very_many_spans_are_joined_where_no_eye_tells_them_apart() -> None:
    spans = tuple(Span(2 * i, 2 * i + 1) for i in range(5000))
    assert len(figures.merged(spans, 10)) == 1
    assert figures.merged(spans[:100], 10) == list(spans[:100])


def test_a_difference_among_very_many_spans_stays_visible() -> None:
    spans = tuple(Span(2 * i, 2 * i + 1) for i in range(5000))
    svg = figures.timeline(one_lane(spans, (*spans[:-1], Span(9998, 10000)), 10000))
    assert len(rectangles(svg, "simulated differs")) == 1


def test_the_interval_is_marked() -> None:
    assert "next step starts" in figures.timeline(sample.trace())


def test_busy_writes_changes_only() -> None:
    path = chart.step_path([3, 3, 3, 5], 0, lambda v: v, lambda v: -v, False, "c")
    assert path == '<path d="M0 -3H3V-5H4" class="c"></path>'


def test_busy_area_is_closed_on_zero() -> None:
    path = chart.step_path([2, 2], 0, lambda v: v, lambda v: -v, True, "c")
    assert path == '<path d="M0 0H0V-2H2V0Z" class="c"></path>'


def test_busy_without_simulation_draws_the_plan_alone() -> None:
    svg = figures.busy(sample.trace(simulated=False), 130)
    assert "simulated" not in svg
    assert "all 130" in svg


def test_error_plots_of_an_exact_network_are_left_out() -> None:
    exact = ErrorView((LayerError("l", 0.0, 0.0, math.inf),), [0.0], [0.0], 1, "PyTorch")
    assert figures.error_over_time(exact, None) is None
    assert figures.error_by_layer(exact) is None


def test_one_step_is_a_dot() -> None:
    view = ErrorView((), [1e-3], [1e-4], 1, "PyTorch")
    assert str(figures.error_over_time(view, 1e-4)).count("<circle") == 2


def test_long_sequences_are_drawn_in_groups() -> None:
    assert figures.group_size(600) == 1
    assert figures.group_size(4000) == 7
    assert figures.grouped([1, 5, 2, 0], 2, True) == [(0.5, 5), (2.5, 2)]
    assert figures.grouped([1, 5, 2, 0], 2, False) == [(0.5, 3), (2.5, 1)]


@pytest.mark.parametrize(
    ("low", "high", "about", "expected"),
    [(0, 10, 5, [0, 2, 4, 6, 8, 10]), (0, 3, 12, [0, 1, 2, 3]), (90, 210, 4, [100, 150, 200]), (0, 0, 5, [0])],
)
def test_ticks(low: float, high: float, about: int, expected: list[float]) -> None:
    assert chart.ticks(low, high, about) == expected


def test_decades_enclose() -> None:
    assert chart.decades(2e-5, 3e-3) == [-5, -4, -3, -2]
    assert chart.decades(1e-3, 1e-3) == [-3, -2]


def test_logarithmic_scale() -> None:
    y = chart.logarithmic(1e-4, 1e-2, 200, 0)
    assert y(1e-3) == pytest.approx(100)
    assert y(0) == 200


def test_numbers() -> None:
    assert whole(1234567) == "1\u202f234\u202f567"
    assert whole(1009.230769) == "1\u202f009.231"
    assert [significant(v) for v in (0.0, 1.0, 1061.0, 10.244, 0.01, 1e9)] == [
        "0", "1", "1\u202f061", "10.24", "0.01", "1.000e+09",
    ]  # fmt: skip
    assert [small(v) for v in (0.0, 0.25, 3.1e-4)] == ["0", "0.25", "3.10·10⁻⁴"]
    assert decibels(math.inf) == "exact"
    assert microseconds(100, None) is None
    assert microseconds(1024, 100e6) == "10.24 µs"
    assert flat({"a": {"b": 1}, "c": 2}) == [("a.b", 1), ("c", 2)]


def test_elements_escape() -> None:
    assert element("p", "a<b", title='"x"', class_="y") == '<p title="&quot;x&quot;" class="y">a&lt;b</p>'


def test_a_span_must_not_be_empty() -> None:
    with pytest.raises(DesignError, match=r"A span must end after its start, cycle 3, not in cycle 3\."):
        Span(3, 3)


def test_busy_must_cover_the_trace() -> None:
    with pytest.raises(DesignError, match=r"A trace of 5 cycles must have as many values of planned_busy, not 2\."):
        TraceView((), 0, 5, [1, 1])


def test_a_trace_must_hold_a_cycle() -> None:
    with pytest.raises(DesignError, match=r"A trace must hold at least one cycle, not 0\."):
        TraceView((), 4, 4, [])


def test_step_errors_must_pair_up() -> None:
    with pytest.raises(DesignError, match=r"as many means as maxima a step, not 1 and 2\."):
        ErrorView((), [1.0, 2.0], [1.0], 1, "PyTorch")
