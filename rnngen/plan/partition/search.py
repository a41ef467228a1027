"""The best cut of a network into neighbouring blocks on devices, exactly.

Best first: of all partial cuts the one whose figures may still become the smallest goes on.  Plans of parts cost time,
so the newest part of a cut counts with what it takes at least until the cut comes first; then it is planned.  What is
to come counts with products over multipliers of the devices that are left.  As nothing ever counts more than it takes,
the first whole cut that comes first is the best.  Of partial cuts that go on in the same way those are dropped that
another one beats in interval and latency.

First over links that lead straight from one part to the next one, the last part where results leave; then, against
what that found, with ways over devices between them (``routes``), which are many more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rnngen.errors import PlanError
from rnngen.plan.partition.best_first import BestFirst, TooManyWays
from rnngen.plan.partition.parts import Parts
from rnngen.plan.partition.refusals import Loser
from rnngen.plan.partition.result import Partition
from rnngen.plan.partition.ways import Reach

Other = Partition | Loser


@dataclass(frozen=True, eq=False)
class SearchResult:
    """What a search found.

    Attributes:
        best: The best cut of all.
        others: The best cut over one device, and over one less and one more than the best has, or why there is none.
        weighed_all: Whether all ways over other devices were weighed, or only direct ones and those back to the host.
    """

    best: Partition
    others: tuple[Other, ...]
    weighed_all: bool = True


def best_partition(parts: Parts, goal: str = "interval") -> SearchResult:
    """The cut with the least step interval, then the least latency (``goal`` "latency": the other way round).

    Of equal ones the one over fewer devices.

    Raises:
        PlanError: if the network fits no way, saying what is in the way; or there are too many ways to weigh.
    """
    search = BestFirst(parts, goal)
    best = _best_of_all(search)
    if best is None:
        reasons = "; ".join(f"over {one.devices}: {one.reason}" for one in search.losers())
        raise PlanError(f"The network fits the system on no number of devices ({reasons}).")
    count, weighed_all = len(best.parts), search.weighed_all
    near = sorted({number for number in (1, count - 1, count + 1) if 1 <= number <= search.most and number != count})
    others = tuple(_best_of_all(search, number) or search.loser(number) for number in near)
    return SearchResult(best, others, weighed_all)


def _best_of_all(
    search: BestFirst, count: int | None = None, below: tuple[int, ...] | None = None
) -> Partition | None:
    """The best cut, over so many devices, whichever way results take, below some figures; None if there is none."""
    direct = search.best(count, below=below)
    if not search.has_ways_over:
        return direct
    if direct is not None:
        below = (*direct.key(search.goal), len(direct.parts))
    for reach in (Reach.ALL, Reach.LAST)[not search.weighed_all :]:
        try:
            return search.best(count, reach, below) or direct
        except TooManyWays:
            search.weighed_all = False
    return direct


def best_with(parts: Parts, devices: Sequence[str], goal: str = "interval") -> Partition | str:
    """The best cut that uses these devices, or why there is none.

    Raises:
        PlanError: if there are too many ways to weigh.
    """
    search = BestFirst(parts, goal, devices)
    return search.best() or "; ".join(f"over {one.devices}: {one.reason}" for one in search.losers())


def best_below(
    parts: Parts, goal: str, below: tuple[int, int] | None, devices: Sequence[str] = ()
) -> Partition | str:
    """The best cut that uses these devices, of figures (``Partition.key``) below these; or why there is none.

    Raises:
        PlanError: if there are too many ways to weigh.
    """
    search = BestFirst(parts, goal, devices)
    found = _best_of_all(search, below=below)
    if found is not None:
        return found
    if below is not None:
        return "no such cut is better"
    return "; ".join(f"over {one.devices}: {one.reason}" for one in search.losers())
