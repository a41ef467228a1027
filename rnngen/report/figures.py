"""The report's figures: the timeline of a step, multipliers busy, error by layer and over time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rnngen.report.chart import (
    WIDTH,
    Frame,
    Scale,
    decades,
    figure,
    legend,
    line,
    linear,
    logarithmic,
    polyline,
    rectangle,
    step_path,
    text,
    ticks,
    x_axis,
    y_axis,
)
from rnngen.report.markup import Markup, element, join
from rnngen.report.numbers import decibels, power_of_ten, small, whole
from rnngen.report.views import ErrorView, Lane, LayerError, Span, TraceView

ROW = 26.0
HEADING = 26.0
BAR = 8.0
POINTS = 600
"""More steps than this are drawn in groups: a figure has fewer pixels."""


def merged(spans: Sequence[Span], gap: float) -> list[Span]:
    """Spans with those closer than ``gap`` cycles drawn as one, once there are too many to tell apart."""
    if len(spans) <= POINTS:
        return list(spans)
    joined: list[Span] = []
    for span in sorted(spans, key=lambda span: span.start):
        if joined and span.start - joined[-1].end < gap:
            joined[-1] = Span(joined[-1].start, max(span.end, joined[-1].end), "several")
        else:
            joined.append(span)
    return joined


def _clipped(spans: Sequence[Span], trace: TraceView) -> list[Span]:
    return [
        Span(max(span.start, trace.start), min(span.end, trace.end), span.label)
        for span in spans
        if span.start < trace.end and span.end > trace.start
    ]


def _bars(spans: Sequence[Span], trace: TraceView, lane: Lane, x: Scale, y: float, kind: str) -> Markup:
    differing = lane.differing
    equal = [span for span in spans if (span.start, span.end) not in differing]
    wrong = [span for span in spans if (span.start, span.end) in differing]
    return join(_same_bars(equal, trace, lane, x, y, kind), _same_bars(wrong, trace, lane, x, y, f"{kind} differs"))


def _same_bars(spans: Sequence[Span], trace: TraceView, lane: Lane, x: Scale, y: float, kind: str) -> Markup:
    gap = (trace.end - trace.start) / WIDTH
    parts = []
    for index, span in enumerate(merged(_clipped(spans, trace), gap)):
        class_ = f"{kind} even" if index % 2 else kind
        width = max(x(span.end) - x(span.start) - 0.6, 0.8)
        last = span.end - 1
        cycles = f"cycle {span.start}" if last == span.start else f"cycles {span.start} to {last}"
        title = f"{span.label or lane.name}: {cycles} ({kind})"
        parts.append(rectangle(x(span.start), y, width, BAR, class_, title))
    return join(*parts)


def _row(lane: Lane, trace: TraceView, x: Scale, frame: Frame, y: float) -> Markup:
    return join(
        text(frame.left - 10, y + 16, lane.name, "label", "end"),
        line(frame.left, y + ROW, frame.right, y + ROW, "grid"),
        _bars(lane.planned, trace, lane, x, y + 3, "planned"),
        _bars(lane.simulated, trace, lane, x, y + 4 + BAR, "simulated") if lane.simulated is not None else None,
    )


def _interval_mark(trace: TraceView, x: Scale, frame: Frame) -> Markup | None:
    if trace.interval is None or not trace.start <= trace.interval <= trace.end:
        return None
    place = x(trace.interval)
    offset = -6 if place > frame.right - 160 else 6
    return join(
        line(place, frame.top - 6, place, frame.bottom, "mark"),
        text(place + offset, frame.top + 10, "next step starts", "tick", "start" if offset > 0 else "end"),
    )


def timeline(trace: TraceView) -> Markup:
    """Rows = stages of each engine; upper bars as planned, lower bars as simulated."""
    groups = [(engine, list(lanes)) for engine, lanes in groupby(trace.lanes, key=lambda lane: lane.engine)]
    height = sum(HEADING + ROW * len(lanes) for _, lanes in groups)
    frame = Frame(180, 40, WIDTH - 12, 40 + height)
    x = linear(trace.start, trace.end, frame.left, frame.right)
    entries = [("bar", "planned", "planned")]
    if any(lane.simulated is not None for lane in trace.lanes):
        entries.append(("bar", "simulated", "simulated"))
    if any(lane.differing for lane in trace.lanes):
        entries.append(("bar", "simulated differs", "differs"))
    parts: list[Markup | None] = [
        x_axis(frame, x, ticks(trace.start, trace.end, 12), "cycle of the step"),
        legend(frame, entries),
    ]
    y = frame.top
    for engine, lanes in groups:
        parts.append(text(12, y + 18, engine, "heading"))
        y += HEADING
        for lane in lanes:
            parts.append(_row(lane, trace, x, frame, y))
            y += ROW
    parts.append(_interval_mark(trace, x, frame))
    return figure(frame.bottom + 44, "Timeline of one step", join(*parts))


def busy(trace: TraceView, multipliers: float | None) -> Markup:
    """Multipliers busy in every cycle: the area is planned, the line is simulated."""
    top = max([*trace.planned_busy, *(trace.simulated_busy or ()), multipliers or 1, 1])
    frame = Frame(70, 40, WIDTH - 12, 210)
    x = linear(trace.start, trace.end, frame.left, frame.right)
    y = linear(0, top, frame.bottom, frame.top)
    marks = [(value, whole(value)) for value in sorted({0.0, *ticks(0, top, 4)})]
    simulated = trace.simulated_busy
    entries = [("bar", "planned-area", "planned")]
    if simulated:
        entries.append(("line", "series-1", "simulated"))
    if multipliers:
        entries.append(("line", "limit", f"all {whole(multipliers)}"))
    return figure(
        frame.bottom + 44,
        "Multipliers busy in each cycle",
        x_axis(frame, x, ticks(trace.start, trace.end, 12), "cycle of the step"),
        y_axis(frame, y, marks, "multipliers busy"),
        step_path(trace.planned_busy, trace.start, x, y, True, "planned-area"),
        step_path(simulated, trace.start, x, y, False, "series-1") if simulated else Markup(""),
        line(frame.left, y(multipliers), frame.right, y(multipliers), "limit") if multipliers else Markup(""),
        legend(frame, entries),
    )


def grouped(values: Sequence[float], size: int, largest: bool) -> list[tuple[float, float]]:
    """(middle step, largest or mean value) of every ``size`` steps."""
    points = []
    for start in range(0, len(values), size):
        part = [float(value) for value in values[start : start + size]]
        points.append((start + (len(part) - 1) / 2, max(part) if largest else sum(part) / len(part)))
    return points


def group_size(steps: int) -> int:
    """Steps a point of the error plot stands for."""
    return -(-steps // POINTS)


def error_over_time(errors: ErrorView, unit: float | None) -> Markup | None:
    """Largest and mean error of every step on a log axis; None if no error is above zero.

    ``unit`` is the value of one unit in the last place of the output; it is marked.
    """
    positive = [float(value) for value in [*errors.step_max, *errors.step_mean] if value > 0]
    if not positive:
        return None
    exponents = decades(min([*positive, unit or positive[0]]), max([*positive, unit or positive[0]]))
    frame = Frame(70, 40, WIDTH - 12, 280)
    steps = len(errors.step_max)
    x = linear(0, max(steps - 1, 1), frame.left + 6, frame.right - 6)
    y = logarithmic(10.0 ** exponents[0], 10.0 ** exponents[-1], frame.bottom, frame.top)
    size = group_size(steps)
    parts = [
        x_axis(frame, x, ticks(0, steps - 1, 12), "step"),
        y_axis(frame, y, [(10.0**e, power_of_ten(e)) for e in exponents], "absolute error"),
    ]
    if unit:
        parts.append(line(frame.left, y(unit), frame.right, y(unit), "limit"))
    for values, largest, class_ in ((errors.step_mean, False, "series-2"), (errors.step_max, True, "series-1")):
        points = [(x(step), y(value)) for step, value in grouped(values, size, largest)]
        if len(points) == 1:
            parts.append(element("circle", cx=points[0][0], cy=points[0][1], r=4, class_=f"{class_} dot"))
        else:
            parts.append(polyline(points, class_))
    entries = [("line", "series-1", "largest"), ("line", "series-2", "mean")]
    parts.append(legend(frame, [*entries, ("line", "limit", "one unit of the output")] if unit else entries))
    return figure(frame.bottom + 44, "Error against the float network by step", *parts)


def _layer_row(layer: LayerError, x: Scale, frame: Frame, y: float) -> Markup:
    parts = [text(frame.left - 10, y + 4, layer.name, "label", "end")]
    if layer.mean_abs > 0:
        parts.append(line(x(layer.mean_abs), y, x(layer.max_abs), y, "axis"))
    for value, class_, name in ((layer.mean_abs, "series-2", "mean"), (layer.max_abs, "series-1", "largest")):
        if value > 0:
            tip = element("title", f"{layer.name}: {name} error {small(value)}")
            parts.append(element("circle", tip, cx=x(value), cy=y, r=5, class_=f"{class_} dot"))
    parts.append(text(frame.right + 96, y + 4, decibels(layer.sqnr_db), "label", "end"))
    return join(*parts)


def error_by_layer(errors: ErrorView) -> Markup | None:
    """Mean and largest error of every layer on a log axis, with its SQNR; None if no error is above zero."""
    positive = [value for layer in errors.layers for value in (layer.max_abs, layer.mean_abs) if value > 0]
    if not positive:
        return None
    exponents = decades(min(positive), max(positive))
    frame = Frame(180, 40, WIDTH - 120, 40 + 30 * len(errors.layers))
    x = logarithmic(10.0 ** exponents[0], 10.0 ** exponents[-1], frame.left, frame.right)
    parts = []
    for exponent in exponents:
        place = x(10.0**exponent)
        parts.append(line(place, frame.top, place, frame.bottom, "grid"))
        parts.append(text(place, frame.bottom + 16, power_of_ten(exponent), "tick", "middle"))
    parts.append(line(frame.left, frame.bottom, frame.right, frame.bottom, "axis"))
    parts.append(text((frame.left + frame.right) / 2, frame.bottom + 34, "absolute error", "label", "middle"))
    parts.append(text(frame.right + 96, frame.top - 12, "SQNR", "label", "end"))
    parts += [_layer_row(layer, x, frame, frame.top + 15 + 30 * i) for i, layer in enumerate(errors.layers)]
    parts.append(legend(frame, [("bar", "series-1 dot", "largest"), ("bar", "series-2 dot", "mean")]))
    return figure(frame.bottom + 44, "Error against the float network by layer", *parts)
