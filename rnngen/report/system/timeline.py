"""The timeline over devices: who works on which step when, and what the links carry meanwhile; as planned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rnngen.plan.partition.timeline import DeviceTimes, LinkTimes, Stretch
from rnngen.report.chart import WIDTH, Frame, Scale, figure, fitting, line, linear, rectangle, text, ticks, x_axis
from rnngen.report.markup import Markup, join
from rnngen.report.numbers import lookup, significant
from rnngen.report.system.view import SystemView

ROW, BAR, SPACE = 15.0, 11.0, 10.0
WAY = 14.0
"""Below a link's bars, where what is on its way is drawn."""
LEFT = 210.0


@dataclass(frozen=True)
class Row:
    """A row of the timeline.

    Attributes:
        name: What is done.  group: The device that does it; empty below its first row, and for links.
        bars: Of each step.
        waits: Parts of bars in which nothing happens.  flights: Of a link, from the end of a frame to its arrival.
    """

    name: str
    group: str
    bars: Sequence[Stretch]
    waits: Sequence[Stretch] = ()
    flights: Sequence[Stretch] = ()


def rows(view: SystemView) -> list[Row]:
    """Devices in the order of the data, each link behind its sender; of links that are alike, one behind all."""
    found: list[Row] = []
    for index, (device, times) in enumerate(zip(view.devices, view.times.devices)):
        found += _device_rows(str(lookup(device, "name")), view.stages[index], times)
        if not view.shares_all:
            found += _links_from(view, str(lookup(device, "name")))
    if view.shares_all and view.links:
        kinds: dict[int, LinkTimes] = {}
        for link, carried in zip(view.links, view.times.links):
            kinds.setdefault(view.frames(link), carried)
        for frames, carried in kinds.items():
            found.append(_link_row("each link" if len(kinds) == 1 else f"links, {frames} a step", carried))
    return found


def _links_from(view: SystemView, name: str) -> Iterator[Row]:
    """The links of a sender; those on which the same happens, together."""
    targets: dict[LinkTimes, list[str]] = {}
    for link, times in zip(view.links, view.times.links):
        if lookup(link, "from") == name:
            targets.setdefault(times, []).append(str(lookup(link, "to")))
    for times, names in targets.items():
        yield _link_row(f"link{'s' * (len(names) > 1)} to {', '.join(names)}", times)


def _device_rows(name: str, stages: Sequence[str], times: DeviceTimes) -> Iterator[Row]:
    yield Row("takes in", name, times.takes)
    for stage, bars in zip(stages, times.multiplies):
        yield Row(f"multiplies {stage}" if len(stages) > 1 else "multiplies", "", bars, times.waits)
    yield Row("gives", "", times.gives)


def _link_row(name: str, times: LinkTimes) -> Row:
    return Row(name, "", times.carries, flights=times.arrives)


@dataclass(frozen=True)
class _Axis:
    """Where ticks are drawn, and in which unit they are counted along the axis."""

    frame: Frame
    unit: float
    title: str
    view: SystemView

    @property
    def x(self) -> Scale:
        return linear(0, self.view.end, self.frame.left, self.frame.right)

    def drawn(self) -> Markup:
        """Ticks of the unit, named below."""
        last = self.view.end / self.unit
        return x_axis(self.frame, linear(0, last, self.frame.left, self.frame.right), ticks(0, last, 12), self.title)


def _axis(view: SystemView, bottom: float) -> _Axis:
    """Cycles where all devices have one clock, or the time."""
    frame = Frame(LEFT, 14, WIDTH - 12, bottom)
    if view.clock_hz is not None:
        each = f"cycle of {significant(1e9 / view.clock_hz)} ns"
        return _Axis(frame, view.ticks_hz / view.clock_hz, each, view)
    long = view.end / view.ticks_hz > 2e-5
    return _Axis(frame, view.ticks_hz / (1e6 if long else 1e9), "time in µs" if long else "time in ns", view)


def _label(view: SystemView, bar: Stretch) -> str:
    return str(bar.step) if len(view.times.lengths) == 1 else f"{bar.sequence}.{bar.step}"


def _said(view: SystemView, bar: Stretch, what: str) -> str:
    which = "" if len(view.times.lengths) == 1 else f"sequence {bar.sequence}, "
    length = view.cycles(bar.end - bar.start)
    return (
        f"{which}step {bar.step} {what}: {view.time(bar.start)} to {view.time(bar.end)}"
        f"{f', {length}' if length else ''} (planned)"
    )


def _bar(view: SystemView, x: Scale, bar: Stretch, top: float, name: str) -> Markup:
    """A step's bar; the first step's has a dark frame."""
    class_ = "planned even" if (bar.sequence + bar.step) % 2 else "planned"
    first = " first" if (bar.sequence, bar.step) == (0, 0) else ""
    width = max(x(min(bar.end, view.end)) - x(bar.start) - 0.6, 0.8)
    return rectangle(x(bar.start), top, width, BAR, class_ + first, _said(view, bar, name))


def _number(view: SystemView, x: Scale, bar: Stretch, top: float) -> Markup | None:
    """A step's number in its bar, where there is room."""
    start, end, label = x(bar.start), x(min(bar.end, view.end)), _label(view, bar)
    if end - start < 6 * len(label) + 4:
        return None
    return text((start + end) / 2, top + 9, label, "inside", "middle")


def _wait(view: SystemView, x: Scale, wait: Stretch, top: float) -> Markup:
    width = x(min(wait.end, view.end)) - x(wait.start)
    return rectangle(x(wait.start), top, width, BAR, "waits", _said(view, wait, "waits for others' h"))


def _flight(view: SystemView, x: Scale, flight: Stretch, top: float) -> Markup:
    """A slanted line down to where the frame is at the other side; cut where the figure ends."""
    share = min(1.0, (view.end - flight.start) / (flight.end - flight.start))
    start, end = x(flight.start), x(flight.start + share * (flight.end - flight.start))
    return line(start, top + BAR, end, top + BAR + share * (WAY - 1), "flight")


def _row(view: SystemView, x: Scale, row: Row, top: float) -> Markup:
    shown = [bar for bar in row.bars if bar.start < view.end]
    return join(
        text(LEFT - 10, top + 10, fitting(row.name, 110, 6.4), "tick", "end"),
        text(8, top + 11, fitting(row.group, 128, 7.4), "heading") if row.group else None,
        *(_bar(view, x, bar, top, row.name) for bar in shown),
        *(_wait(view, x, wait, top) for wait in row.waits if wait.start < view.end),
        *(_number(view, x, bar, top) for bar in shown),
        *(_flight(view, x, flight, top) for flight in row.flights if flight.start < view.end),
    )


def timeline(view: SystemView) -> Markup:
    """A bar for each step; a link's bar is its frame, and the slanted line the way to the other side."""
    drawn = rows(view)
    tops: list[float] = []
    top = 18.0
    for index, row in enumerate(drawn):
        top += SPACE if index and row.group and not drawn[index - 1].flights else 0.0
        tops.append(top)
        top += ROW + (WAY if row.flights else 0.0)
    axis = _axis(view, top + 4)
    parts = [axis.drawn()]
    for row, at in zip(drawn, tops):
        if row.group and at > tops[0]:
            parts.append(line(8, at - 3, axis.frame.right, at - 3, "grid"))
        parts.append(_row(view, axis.x, row, at))
    parts.append(_out_mark(view, axis))
    return figure(axis.frame.bottom + 44, "Timeline of the first steps over all devices", *parts)


def _out_mark(view: SystemView, axis: _Axis) -> Markup:
    """Where the first result is out."""
    place = axis.x(view.times.results[0].end)
    return line(place, axis.frame.top - 8, place, axis.frame.bottom, "mark")
