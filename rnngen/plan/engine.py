"""The plan of one engine: lanes, schedule of a step, memories; everything counted, nothing estimated."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from rnngen.plan.latency import EngineLatency
from rnngen.plan.limits import check_limits
from rnngen.plan.timing import STATE_AHEAD


@dataclass(frozen=True)
class EnginePlan(EngineLatency):
    """A dense engine: gates x rows x columns multipliers that sweep the matrix tile by tile.

    Gates in turn: only some of the gates are multiplied at once, and a tile is swept as often as that takes; its sums
    are gathered behind the array until those of its last gates are there.

    In several passes the columns are cut, and each pass sweeps its own words of all tiles, one tile behind the
    other; sums are kept between passes.  So the x-part of all tiles runs before h is needed, or words that
    come slowly are multiplied as they come.

    A spaced engine has two passes that start on their own, first h and then x; cycles of a step are counted from the
    first issue of its x pass, and words of x and of h each from their pass's first one.

    What it counts is in ``EngineLanes`` (words of a step), ``EngineSweeps`` (when they are read) and ``EngineLatency``
    (when results are written); here is how soon one step can follow another one.
    """

    def __post_init__(self) -> None:
        check_limits(self)

    @cached_property
    def interval(self) -> int:
        """P: cycles between the starts of two steps of one stream, of this engine."""
        return max(self.shape.streams * self.issue_cycles, self.unhidden_interval, self._tail_interval)

    @cached_property
    def unhidden_interval(self) -> int:
        """The least interval that the recurrence alone allows: each h word is written before the next step reads it."""
        if not self.shape.hidden or not self.shape.alone:
            return 1
        if self.forwards:
            return self.recurrence_latency
        return self.x_to_h + self.h_to_x if self.shape.spaced else self._wait_for_h()

    def _wait_for_h(self) -> int:
        """Cycles from a step's first issue to the one behind which the next words of h are read in time."""
        return self.wait(lambda word: self.write_cycle(self.unit_of(word)) - self.index_cycles, *self.h_places)

    @property
    def _tail_interval(self) -> int:
        """A step's state must be written before the next step reads it."""
        timing = self.tail
        if timing.state_read is None or timing.state_write is None:
            return 1
        return timing.state_write - (timing.state_read - STATE_AHEAD) + 1

    def is_hidden(self) -> bool:
        """Whether the recurrence latency costs nothing."""
        return self.unhidden_interval <= self.shape.streams * self.issue_cycles

    @cached_property
    def x_to_h(self) -> int:
        """Of a spaced engine: first issue of a step's x pass to the earliest one of the next step's h pass.

        All words of x are issued by then, and each word of h is written before it is read.
        """
        return max(self.tiles * self.spacing, self._wait_for_h())

    def with_slots(self, slots: int) -> EnginePlan:
        """The same engine with another depth of input buffer."""
        return replace(self, input_slots=slots)
