"""Lanes worth a look for two stages of engines, of which the second takes what the first gives as it comes.

Thousands of pairs fit a budget, so they are weighed by whole numbers first: the issues of the busier stage are the
least interval that a pair can have, and a plan is made only where that may be better than what fewer multipliers do.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from heapq import nsmallest
from math import gcd
from operator import attrgetter
from typing import NamedTuple

from rnngen.plan.branch import BranchPlan
from rnngen.plan.engine import EnginePlan
from rnngen.plan.layer import LayerShape, ceil_div
from rnngen.plan.order import best_order
from rnngen.plan.sizes import column_choices, distinct_divisions
from rnngen.plan.timing import Pipeline

_SECOND_STAGES = 3
"""Sizes of a smaller stage that are tried for each number of its tiles: the one that keeps up, and wider ones."""

_ALL = 48
"""As many sizes are all tried."""

_NEAREST = 4
"""Of more sizes so many with the fewest multipliers, for each of the spare times."""

_SPARE = ((1.0, 0), (1.0, 64), (0.9, 64), (0.75, 64))
"""Time that a smaller stage may take: a part of the other one's, and cycles less, for what the recurrence needs."""


class _Lanes(NamedTuple):
    """Lanes of the engines of a stage, the DSP blocks of their arrays together, and the issues of a step."""

    array_dsps: int
    issues: int
    rows: int
    columns: int


@dataclass(frozen=True)
class _Pair:
    """Lanes of both stages.

    Attributes:
        handed: Element-wise lanes of each engine of the first stage.  fed_back: Those of the second.
    """

    first: _Lanes
    second: _Lanes
    handed: int
    fed_back: int

    @property
    def array_dsps(self) -> int:
        """Of both stages."""
        return self.first.array_dsps + self.second.array_dsps

    @property
    def issues(self) -> int:
        """Issues of the busier stage: no interval is shorter."""
        return max(self.first.issues, self.second.issues)


def staged(
    stages: Sequence[Sequence[LayerShape]], limit: int, pipeline: Pipeline, chained: bool,
    slices: tuple[int, int] = (0, 0),
) -> list[BranchPlan]:  # fmt: skip
    """Branches of two stages.  The stage with more to multiply is chosen first, the other one to go with it.

    Args:
        slices: Words that the columns of each stage divide; 0: any.
        chained: Other blocks ask for columns, element-wise lanes or multipliers; else the most promising pairs come
            first and those that cannot be faster are left out.
    """
    pairs = [
        pair
        for first, second in _lanes_of_both(stages, limit, slices)
        if (pair := _pair(len(stages[0]), first, second)) and pair.array_dsps <= limit
    ]
    found: list[BranchPlan] = []
    known: list[tuple[int, int, int]] = []  # intervals with element-wise lanes and columns, of fewer DSP blocks
    fastest, streams = 1 << 62, stages[0][0].streams
    order = attrgetter("array_dsps", "issues") if chained else attrgetter("issues", "array_dsps")
    for pair in sorted(pairs, key=order):
        if not chained and streams * pair.issues > fastest:
            break
        elements, columns = pair.fed_back, pair.first.columns
        if chained and any(i < streams * pair.issues and e <= elements and c >= columns for i, e, c in known):
            continue
        branch = _branch(stages, pair, pipeline)
        if branch is None:
            continue
        if branch.work <= fastest:
            branch = best_order(branch)
        interval = branch.interval
        fastest = min(fastest, interval)
        if not any(i <= interval and e <= elements and c >= columns for i, e, c in known):
            known = [k for k in known if not (interval <= k[0] and elements <= k[1] and columns >= k[2])]
            known.append((interval, elements, columns))
        found.append(branch)
    return found


def _lanes_of_both(
    stages: Sequence[Sequence[LayerShape]], limit: int, slices: tuple[int, int]
) -> Iterator[tuple[_Lanes, _Lanes]]:
    first, second, count = stages[0][0], stages[1][0], len(stages[0])
    if count * first.macs >= second.macs:
        choose = _Seconds(second, 1, slices[1])
        for lanes in _frontier(_all_lanes(first, count, limit, slices[0])):
            yield from ((lanes, other) for other in choose.keeping_up(lanes.issues, limit - lanes.array_dsps))
    else:
        choose = _Seconds(first, count, slices[0])
        for lanes in _frontier(_all_lanes(second, 1, limit, slices[1])):
            yield from ((other, lanes) for other in choose.keeping_up(lanes.issues, limit - lanes.array_dsps))


def _columns(shape: LayerShape, step: int) -> Iterator[int]:
    """Columns of a stage; ``step``: they divide it, where it is not 0."""
    return (columns for columns in column_choices(shape) if not step or step % columns == 0)


def _all_lanes(shape: LayerShape, count: int, limit: int, slices: int) -> Iterator[_Lanes]:
    """Lanes of one stage; engines side by side read slices, which their columns divide."""
    step = gcd(slices, shape.inputs, shape.hidden) if count > 1 else slices
    sweeps = [(columns, shape.words(columns)) for columns in _columns(shape, step)]
    for rows in distinct_divisions(shape.units):
        tiles, each = ceil_div(shape.units, rows), count * shape.array_dsps(shape.gates * rows, 1)
        for columns, sweep in sweeps:
            if each * columns > limit:
                break
            yield _Lanes(each * columns, tiles * sweep, rows, columns)


def _frontier(lanes: Iterable[_Lanes]) -> list[_Lanes]:
    """Of as many multipliers those with the fewest issues, and a few shapes of each."""
    kept: list[_Lanes] = []
    fewest = 1 << 62
    for one in sorted(lanes, key=lambda one: (one.array_dsps, one.issues, -one.columns)):
        if one.issues <= fewest:
            fewest = one.issues
            kept.append(one)
    return kept


class _Seconds:
    """The smaller stage, of ``count`` engines: lanes of it that go with those of the other one."""

    def __init__(self, shape: LayerShape, count: int, slices: int) -> None:
        # Words of a sweep, ascending, and the columns for them: the fewest first where words are equal.
        self._sweeps = sorted((shape.words(c), -c) for c in _columns(shape, slices))
        self._rows = [
            (rows, ceil_div(shape.units, rows), count * shape.array_dsps(shape.gates * rows, 1))
            for rows in distinct_divisions(shape.units)
        ]

    def keeping_up(self, issues: int, room: int) -> list[_Lanes]:
        """Of the fewest columns for each number of tiles that keep up with the other stage, and more, the smallest.

        Where the room is too small for that, as many columns as it allows.

        Args:
            issues: Of the other stage.  room: DSP blocks that are left.
        """
        sweeps, found = self._sweeps, []
        for rows, tiles, each in self._rows:
            most = room // each
            if not most:
                break
            # Issues are tiles * sweep: of those that keep up, the longest sweeps have the fewest columns.
            end = bisect_right(sweeps, issues // tiles, key=lambda entry: entry[0])
            near = sweeps[max(0, end - _SECOND_STAGES) : end] or sweeps[:1]
            fitting = [entry for entry in near if -entry[1] <= most]
            for sweep, columns in fitting or [min(entry for entry in sweeps if -entry[1] <= most)]:
                found.append(_Lanes(-columns * each, tiles * sweep, rows, -columns))
        if len(found) <= _ALL:
            return found
        kept: set[_Lanes] = set()
        for part, less in _SPARE:
            kept |= set(nsmallest(_NEAREST, (lanes for lanes in found if lanes.issues <= part * issues - less)))
        return sorted(kept) or nsmallest(_NEAREST, found, key=lambda lanes: lanes.issues)


def _pair(count: int, first: _Lanes, second: _Lanes) -> _Pair | None:
    """Both stages with the most element-wise lanes that each can hand on; None if they do not fit together."""
    handed = min(first.rows, second.columns // count)
    fed_back = min(second.rows, first.columns)
    if handed < 1:
        return None
    if count > 1:
        # Empty lanes of groups side by side are handed over, too; what a slice is written in must not straddle two.
        handed = max(n for n in range(1, handed + 1) if first.rows % n == 0)
        fed_back = gcd(second.rows, first.columns)
    return _Pair(first, second, handed, fed_back)


def _branch(stages: Sequence[Sequence[LayerShape]], pair: _Pair, pipeline: Pipeline) -> BranchPlan | None:
    """The branch with these lanes; the second stage reads the groups' words as they are written."""
    leading = EnginePlan(stages[0][0], pair.first.rows, pair.first.columns, pair.handed, pipeline)
    second = stages[1][0]
    if len(stages[0]) > 1:
        padded = len(stages[0]) * leading.elements * leading.group_count
        second = replace(second, inputs=padded, padding=padded - second.inputs)
    if pair.second.columns > second.inputs:
        return None
    firsts = tuple(replace(leading, shape=shape) for shape in stages[0])
    return BranchPlan((firsts, (EnginePlan(second, pair.second.rows, pair.second.columns, pair.fed_back, pipeline),)))
