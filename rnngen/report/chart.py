"""A tiny SVG chart kit: scales, axes and paths.  Colours come from the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rnngen.report.markup import Markup, coordinate, element, join

WIDTH = 1000.0
"""Drawing units across a figure."""

Scale = Callable[[float], float]


@dataclass(frozen=True)
class Frame:
    """The plotting area inside a figure."""

    left: float
    top: float
    right: float
    bottom: float


def linear(low: float, high: float, start: float, end: float) -> Scale:
    """Map [low, high] to [start, end]; an empty range maps to the start."""
    span = (high - low) or 1.0
    return lambda value: start + (value - low) / span * (end - start)


def logarithmic(low: float, high: float, start: float, end: float) -> Scale:
    """Like ``linear`` on decades; values below ``low`` are drawn at its place."""
    inner = linear(math.log10(low), math.log10(high), start, end)
    return lambda value: inner(math.log10(max(value, low)))


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round values (1, 2 or 5 times a power of ten apart, never below 1) within [low, high]."""
    if high <= low:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / about))
    step = max(1.0, next(m * power for m in (1, 2, 5, 10) if (high - low) / (m * power) <= about))
    first = math.ceil(low / step)
    return [index * step for index in range(first, math.floor(high / step) + 1)]


def decades(low: float, high: float) -> list[int]:
    """Exponents of the powers of ten that enclose [low, high], at least two."""
    first = math.floor(math.log10(low))
    last = max(math.ceil(math.log10(high)), first + 1)
    return list(range(first, last + 1))


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def text(x: float, y: float, content: str, class_: str = "label", anchor: str = "start") -> Markup:
    """A line of text with its baseline at y."""
    return element("text", content, x=x, y=y, class_=class_, text_anchor=anchor)


def rectangle(x: float, y: float, width: float, height: float, class_: str, title: str | None = None) -> Markup:
    """A bar with an optional tooltip."""
    tip = element("title", title) if title else None
    return element("rect", tip, x=x, y=y, width=width, height=height, rx=1.5, class_=class_)


def arrow(points: Sequence[tuple[float, float]], both: bool = False) -> Markup:
    """A line through points with a head at its end; ``both``: at its start, too."""
    heads = [_head(points[-2], points[-1]), _head(points[1], points[0]) if both else None]
    return join(polyline(points, "wire"), *heads)


def _head(before: tuple[float, float], tip: tuple[float, float]) -> Markup:
    length = math.dist(before, tip) or 1.0
    along = ((tip[0] - before[0]) / length, (tip[1] - before[1]) / length)
    foot = (tip[0] - 9 * along[0], tip[1] - 9 * along[1])
    across = (-4 * along[1], 4 * along[0])
    corners = (tip, (foot[0] + across[0], foot[1] + across[1]), (foot[0] - across[0], foot[1] - across[1]))
    return element("polygon", points=" ".join(f"{coordinate(x)},{coordinate(y)}" for x, y in corners), class_="head")


def fitting(content: str, width: float, each: float = 6.6) -> str:
    """As much of a text as a width holds, when a letter takes about ``each``."""
    letters = max(1, int(width / each))
    return content if len(content) <= letters else f"{content[: letters - 1]}…"


def polyline(points: Iterable[tuple[float, float]], class_: str) -> Markup:
    """A line through points."""
    return element("polyline", points=" ".join(f"{coordinate(x)},{coordinate(y)}" for x, y in points), class_=class_)


def step_path(values: Sequence[float], start: float, x: Scale, y: Scale, closed: bool, class_: str) -> Markup:
    """Values that each hold for one unit of x; ``closed`` makes an area above zero.  Only changes are written."""
    before = 0.0 if closed else values[0]
    commands = [f"M{coordinate(x(start))} {coordinate(y(before))}"]
    for index, value in enumerate(values):
        if value != before:
            commands.append(f"H{coordinate(x(start + index))}V{coordinate(y(value))}")
            before = value
    commands.append(f"H{coordinate(x(start + len(values)))}")
    if closed:
        commands.append(f"V{coordinate(y(0))}Z")
    return element("path", d="".join(commands), class_=class_)


def x_axis(frame: Frame, x: Scale, values: Iterable[float], title: str) -> Markup:
    """Ticks below the frame, grid lines through it."""
    parts = []
    for value in values:
        parts.append(line(x(value), frame.top, x(value), frame.bottom, "grid"))
        parts.append(text(x(value), frame.bottom + 16, f"{value:g}", "tick", "middle"))
    parts.append(line(frame.left, frame.bottom, frame.right, frame.bottom, "axis"))
    parts.append(text((frame.left + frame.right) / 2, frame.bottom + 34, title, "label", "middle"))
    return join(*parts)


def y_axis(frame: Frame, y: Scale, values: Iterable[tuple[float, str]], title: str) -> Markup:
    """Ticks at the left of the frame, grid lines through it, the title above."""
    parts = []
    for value, label in values:
        parts.append(line(frame.left, y(value), frame.right, y(value), "grid"))
        parts.append(text(frame.left - 8, y(value) + 4, label, "tick", "end"))
    parts.append(text(frame.left, frame.top - 12, title))
    return join(*parts)


def legend(frame: Frame, entries: Sequence[tuple[str, str, str]]) -> Markup:
    """Swatches right above the frame; an entry is (shape ``line`` or ``bar``, class, name)."""
    parts = []
    x = frame.right - sum(44 + 7.2 * len(name) for _, _, name in entries)
    y = frame.top - 16
    for shape, class_, name in entries:
        x += 16
        if shape == "line":
            parts.append(line(x, y, x + 20, y, class_))
        else:
            parts.append(rectangle(x + 2, y - 4, 18, 8, class_))
        parts.append(text(x + 26, y + 4, name))
        x += 28 + 7.2 * len(name)
    return join(*parts)


def figure(height: float, description: str, *children: Markup) -> Markup:
    """An SVG as wide as the page; it scrolls sideways where the page is narrow."""
    svg = element(
        "svg", *children, viewBox=f"0 0 {coordinate(WIDTH)} {coordinate(height)}", role="img", aria_label=description
    )
    return element("div", svg, class_="figure")
