"""The picture of a system: a box for each device, an arrow for each link, and how much of their time they work."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise, product

from rnngen.report.chart import WIDTH, arrow, figure, fitting, rectangle, text
from rnngen.report.markup import Markup, join
from rnngen.report.numbers import Json, count, lookup, megahertz, number, percent
from rnngen.report.system.view import SystemView

COLUMNS = 4
MARGIN, GAP, ROW_GAP, MEMBER_GAP = 50.0, 92.0, 84.0, 40.0
BOX, WIDEST = 104.0, 230.0
GAUGE = 64.0
MOST_AROUND = 8
"""More devices than this are not drawn around a circle with all links between them."""

Point = tuple[float, float]


def gauge(x: float, y: float, width: float, load: float, title: str) -> Markup:
    """A load as a bar in a frame: its length, and a shade that is darker for more, say the same."""
    shade = min(5, 1 + int(5 * load))
    return join(
        rectangle(x, y, max(width * min(load, 1.0), 0.8), 8, f"load shade-{shade}", title),
        rectangle(x, y, width, 8, "gauge"),
    )


def _load(item: Json) -> tuple[float, str, str]:
    """A load, what is written beside its gauge, and what a pointer on it shows."""
    load = number(item, "load") or 0.0
    return load, percent(load) + (", binds" if load == 1.0 else ""), f"works {percent(load)} of the time"


def _box(view: SystemView, index: int, at: Point, width: float) -> Markup:
    """A device with its left upper corner at a point."""
    device = view.devices[index]
    name, computes = view.title(device), view.computes(index)
    load, said, works = _load(device)
    left, top = at
    inner = left + 12
    lines = (
        (name, "heading"), (computes, "label"), (megahertz(number(device, "clock_hz") or 0.0), "label"),
        (f"{count(device, 'step_interval_cycles')} cycles a step", "label"),
    )  # fmt: skip
    parts = [rectangle(left, top, width, BOX, "box binds" if load == 1.0 else "box", f"{name}: {computes}")]
    for row, (content, class_) in enumerate(lines):
        letter = 7.4 if class_ == "heading" else 6.8
        parts.append(text(inner, top + 20 + 18 * row, fitting(content, width - 20, letter), class_))
    bar = width - 24 - 92
    parts.append(gauge(inner, top + BOX - 18, bar, load, f"{name} {works}"))
    parts.append(text(inner + bar + 6, top + BOX - 10, said, "tick"))
    return join(*parts)


def _link_label(link: Json, middle: Point, over: Sequence[str] = ()) -> Markup:
    """What a link carries, above and below an arrow's middle; ``over``: devices that give it on."""
    load, said, works = _load(link)
    x, y = middle
    title = f"{lookup(link, 'from')} to {lookup(link, 'to')} {works}"
    return join(
        text(x, y - 24, f"{count(link, 'word_bits')}-bit words", "tick", "middle"),
        text(x, y - 9, f"{count(link, 'frame_words')} a frame", "tick", "middle"),
        gauge(x - GAUGE / 2, y + 9, GAUGE, load, title),
        text(x, y + 31, said, "tick", "middle"),
        text(x, y + 45, fitting(_over(over), GAP - 4, 6.2), "tick", "middle") if over else None,
    )


def _over(between: Sequence[str]) -> str:
    """Devices that give on what others compute."""
    return f"over {', '.join(between)}"


def _legend(y: float) -> Markup:
    """What the shades of the gauges mean."""
    parts = [text(MARGIN, y + 8, "load:", "tick")]
    for step in range(5):
        x = MARGIN + 40 + 118 * step
        parts.append(rectangle(x, y, 22, 8, f"load shade-{step + 1}"))
        parts.append(text(x + 28, y + 8, f"{20 * step}–{20 * step + 20} %", "tick"))
    parts.append(text(MARGIN + 40 + 118 * 5, y + 8, "a device with a thick frame binds", "tick"))
    return join(*parts)


def _grid(devices: int) -> tuple[list[Point], float]:
    """Left upper corners of boxes row by row, and their width."""
    columns = min(devices, COLUMNS)
    width = min(WIDEST, (WIDTH - 2 * MARGIN - GAP * (columns - 1)) / columns)
    gap = GAP if columns > 2 else 150.0
    left = (WIDTH - columns * width - gap * (columns - 1)) / 2
    places = (divmod(index, columns) for index in range(devices))
    return [(left + column * (width + gap), 16 + row * (BOX + ROW_GAP)) for row, column in places], width


def _between(one: Point, other: Point, width: float) -> tuple[list[Point], Point]:
    """The way from a box to the next one, to the right or around to the next row, and the middle of its label."""
    if other[1] == one[1]:
        y = one[1] + BOX / 2
        return [(one[0] + width, y), (other[0], y)], ((one[0] + width + other[0]) / 2, y)
    middle, x, end = one[1] + BOX + ROW_GAP / 2, one[0] + width / 2, other[0] + width / 2
    way = [(x, one[1] + BOX), (x, middle), (end, middle), (end, other[1])]
    return [point for index, point in enumerate(way) if index == 0 or point != way[index - 1]], ((x + end) / 2, middle)


def _chain(view: SystemView) -> Markup:
    """Devices in the order of the data."""
    corners, width = _grid(len(view.devices))
    first, last = corners[0], corners[-1]
    parts = [
        arrow([(first[0] - 40, first[1] + BOX / 2), (first[0], first[1] + BOX / 2)]),
        text(first[0] - 6, first[1] + BOX / 2 - 8, "input", "tick", "end"),
        *(_back(view, corners, width) if view.back else _output(last, width)),
    ]
    for (link, over), one, other in zip(_chain_links(view), corners, corners[1:]):
        way, middle = _between(one, other, width)
        parts += [arrow(way), _link_label(link, middle, over)]
    parts += [_box(view, index, corner, width) for index, corner in enumerate(corners)]
    bottom = last[1] + BOX + (48 if view.back else 24)
    return figure(bottom + 20, "Devices and links", *parts, _legend(bottom))


def _chain_links(view: SystemView) -> list[tuple[Json, list[str]]]:
    """From each device to the next one: its link, and the devices that its results go over."""
    if view.paths:
        between = view.paths[: len(view.parts) - 1]
        return [(view.link(path[0], path[1]), path[1:-1]) for path in between]
    return [(link, []) for link in view.links]


def _output(last: Point, width: float) -> list[Markup]:
    """Where results leave the last device."""
    y = last[1] + BOX / 2
    return [
        arrow([(last[0] + width, y), (last[0] + width + 40, y)]),
        text(last[0] + width + 6, y - 8, "output", "tick"),
    ]


def _back(view: SystemView, corners: Sequence[Point], width: float) -> list[Markup]:
    """The way of results from the last device around to the host's, and out of that."""
    names = [str(lookup(device, "name")) for device in view.devices]
    (left, top), last = corners[names.index(view.back[-1])], corners[-1]
    below, x = last[1] + BOX + 18, left - 30
    way = [(last[0] + width / 2, last[1] + BOX), (last[0] + width / 2, below), (x, below), (x, top + BOX - 14)]
    over = f" {_over(view.back[1:-1])}" if view.back[1:-1] else ""
    return [
        arrow([*way, (left, top + BOX - 14)]),
        text(x + 8, below + 14, f"results back to {view.back[-1]}{over}", "tick"),
        arrow([(left, top + 18), (left - 40, top + 18)]),
        text(left - 6, top + 10, "output", "tick", "end"),
    ]


def _around(devices: int) -> tuple[list[Point], float]:
    """Left upper corners of boxes on an ellipse, the first one above, and their width."""
    width = 170.0
    across, down = WIDTH / 2 - MARGIN - width / 2, 130.0 if devices < 5 else 230.0
    turn = math.pi / devices if devices % 2 == 0 else 0.0
    angles = [2 * math.pi * index / devices - math.pi / 2 - turn for index in range(devices)]
    top = min(math.sin(angle) for angle in angles)
    return [
        (WIDTH / 2 + across * math.cos(angle) - width / 2, 16 + down * (math.sin(angle) - top)) for angle in angles
    ], width


def _edge(one: Point, other: Point, width: float) -> Point:
    """Where the line from the middle of a box to that of another one leaves the first."""
    dx, dy = other[0] - one[0], other[1] - one[1]
    share = min(width / 2 / abs(dx) if dx else math.inf, BOX / 2 / abs(dy) if dy else math.inf)
    return one[0] + width / 2 + share * dx, one[1] + BOX / 2 + share * dy


def _to_first(corners: list[Point], width: float) -> Iterator[Markup]:
    """From each other one to the first one."""
    for other in corners[1:]:
        yield arrow([_edge(other, corners[0], width), _edge(corners[0], other, width)])


def _wires(corners: list[Point], width: float, ring: str | None) -> Iterator[Markup]:
    """From each one to each other one, or in a ring to the one before it."""
    pairs = combinations(corners, 2) if ring is None else zip([*corners[1:], corners[0]], corners)
    for one, other in pairs:
        yield arrow([_edge(one, other, width), _edge(other, one, width)], both=ring != "one way")


def _mesh(view: SystemView) -> Markup:
    """Devices that exchange with each other one, or around a ring, or give to the first one; two are side by side."""
    devices, alike = len(view.devices), view.inside(0)
    link = alike[0]
    if devices == 2:
        corners, width = _grid(2)
        way, middle = _between(corners[0], corners[1], width)
        wires = [arrow(way[::-1], both=not view.joins(0)), _link_label(link, middle)]
    elif devices <= MOST_AROUND:
        corners, width = _around(devices)
        wires = list(_to_first(corners, width) if view.joins(0) else _wires(corners, width, view.ring(0)))
    else:
        corners, width = _grid(devices)
        wires = []
    boxes = [_box(view, index, corner, width) for index, corner in enumerate(corners)]
    bottom = max(y for _, y in corners) + BOX + 24
    which = "links (one way)" if view.ring(0) is None else "busiest links around the ring"
    label = _each_link(view, link, f"Each of the {len(alike)} {which}", bottom)
    return figure(bottom + 46, "Devices and links", *wires, *boxes, label, _legend(bottom + 24))


def _each_link(view: SystemView, link: Json, which: str, bottom: float) -> Markup:
    """What links that are alike carry, in a line."""
    load, said, works = _load(link)
    frames = f"{view.frames(link)} frames a step, " if view.frames(link) > 1 else ""
    each = f"{which}: {count(link, 'word_bits')}-bit words, {count(link, 'frame_words')} a frame, {frames}load"
    return join(
        text(MARGIN, bottom + 8, each, "tick"),
        gauge(MARGIN + 6.2 * len(each), bottom, GAUGE, load, f"each link {works}"),
        text(MARGIN + 6.2 * len(each) + GAUGE + 8, bottom + 8, said, "tick"),
    )


def _mixed(view: SystemView) -> Markup:
    """Parts in the order of the data side by side, the devices of each one below the other."""
    boxes, arrows, labels = list[Markup](), list[Markup](), list[Markup]()
    tops, width = _columns(view)
    for part, members in enumerate(view.parts):
        corners = [_below(tops[part], number) for number in range(len(members))]
        boxes += [_box(view, index, corner, width) for index, corner in zip(members, corners)]
        if view.inside(part):
            arrows += [
                arrow([(other[0] + width / 2, other[1]), (one[0] + width / 2, one[1] + BOX)], both=not view.joins(part))
                for one, other in pairwise(corners)
            ]
        if part + 1 < len(view.parts):
            ways, middle = _ways(view, part, tops, width)
            arrows += [arrow(way) for way in ways]
            labels.append(_link_label(view.between(part), middle))
    bottom = max(_below(top, len(members))[1] for top, members in zip(tops, view.parts))
    for part in range(len(view.parts)):
        alike = view.inside(part)
        if alike:
            which = "links" if view.ring(part) is None else "busiest links"
            what = "to the first device of a layer" if view.joins(part) else "inside a layer"
            each = f"Each of the {len(alike)} {which}" if len(alike) > 1 else "The link"
            labels.append(_each_link(view, alike[0], f"{each} {what}", bottom))
    first, last = tops[0], tops[-1]
    ends = [
        text(first[0] - 6, first[1] + BOX / 2 + 4, "input", "tick", "end"),
        text(last[0] + width + 6, last[1] + BOX / 2 + 4, "output", "tick"),
    ]
    return figure(bottom + 46, "Devices and links", *arrows, *boxes, *ends, *labels, _legend(bottom + 24))


def _below(top: Point, number: int) -> Point:
    """The left upper corner of a device below others of its part."""
    return top[0], top[1] + number * (BOX + MEMBER_GAP)


def _columns(view: SystemView) -> tuple[list[Point], float]:
    """The left upper corner of each part's first device, and the width of all."""
    corners, width = _grid(len(view.parts))
    found, y = list[Point](), 16.0
    for band in range(0, len(corners), COLUMNS):
        members = view.parts[band : band + COLUMNS]
        found += [(x, y) for x, _ in corners[band : band + COLUMNS]]
        y = _below((0.0, y), max(map(len, members)))[1] - MEMBER_GAP + ROW_GAP
    return found, width


def _ways(view: SystemView, part: int, tops: list[Point], width: float) -> tuple[list[list[Point]], Point]:
    """From each device of a part to each of the next one, and the middle of their label."""
    counts = [1 if view.joins(part) else len(view.parts[part]), len(view.parts[part + 1])]
    senders, readers = ([_below(tops[part + way], number) for number in range(counts[way])] for way in (0, 1))
    if senders[0][1] == readers[0][1]:
        half = BOX / 2
        ways = [
            [(one[0] + width, one[1] + half), (other[0], other[1] + half)] for one, other in product(senders, readers)
        ]
        return ways, ((senders[0][0] + width + readers[0][0]) / 2, senders[0][1] + half)
    way, middle = _between(senders[-1], readers[0], width)
    return [way], middle


def diagram(view: SystemView) -> Markup:
    """Boxes and arrows."""
    if view.shares_all and view.links:
        return _mesh(view)
    return _chain(view) if view.is_chain else _mixed(view)
