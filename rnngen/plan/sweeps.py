"""The order in which an engine reads its words: passes and sweeps, and when each word is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from rnngen.arith.format import IntArray
from rnngen.plan.lanes import EngineLanes
from rnngen.plan.layer import Cycle
from rnngen.plan.timing import PARTIAL_GAP


@dataclass(frozen=True)
class EngineSweeps(EngineLanes):
    """When an engine issues each word of a step, counted from the step's first issue."""

    @cached_property
    def spacing(self) -> int:
        """Cycles between the first issues of two sweeps of the last pass; more than its words only if E is small."""
        halves = self.last_words - self.x_words + self.groups if self.halved else 0
        return max(self.last_words, self.groups, halves)

    @cached_property
    def last_words(self) -> int:
        """Words of the last pass."""
        if self.shape.spaced:
            return self.x_words
        return self.passes[-1] if self.passes else self.sweep

    @cached_property
    def h_spacing(self) -> int:
        """Cycles between the first issues of two tiles of a spaced engine's h pass."""
        return max(self.h_words, self.groups)

    @cached_property
    def h_to_x(self) -> int:
        """Of a spaced engine: first issue of a step's h pass to the earliest one of its x pass.

        All words of h are issued by then, the groups of the last tile leave the array before others come, and the
        sums that are kept are written before they are read.
        """
        before, after, tiles = self.h_spacing, self.spacing, self.tiles - 1
        ends = self.h_words - self.x_words
        written = ends + PARTIAL_GAP + max(0, tiles * (before - after))
        return max(self.tiles * before, tiles * before + ends + self.last_groups, written)

    @cached_property
    def last_pass(self) -> int:
        """First issue of the last pass, counted from the step's first one."""
        return self.sweeps * sum(self.passes[:-1])

    @cached_property
    def issue_cycles(self) -> int:
        """Cycles from a step's first issue to the earliest one of the next step that the multipliers allow."""
        ahead = self.tiles * self.h_spacing if self.shape.spaced else 0
        return ahead + self.last_pass + self.sweeps * self.spacing

    def turn_cycles(self, after: EngineSweeps) -> int:
        """First issue to the earliest one of another engine on the same array, whose sums let the groups leave."""
        return self.issue_cycles + max(0, self.groups - (self.spacing - self.sweep) - after.sweep)

    @cached_property
    def _starts(self) -> IntArray:
        """First word of each pass."""
        return np.cumsum((0, *self.passes[:-1]))

    def first_read(self, word: Cycle) -> Cycle:
        """Issue, counted from the step's first one, at which the first sweep reads a word (x words first, then h)."""
        if not self.passes:
            return word
        start = self._starts[np.searchsorted(self._starts, word, side="right") - 1]
        cycle: Cycle = self.sweeps * start + word - start
        return cycle

    def sweep_distance(self, word: int) -> int:
        """Issue of a word in one sweep to that in the next one."""
        return self.passes[np.searchsorted(self._starts, word, side="right") - 1] if self.passes else self.spacing

    def last_read(self, word: int) -> int:
        """Issue at which the last sweep reads a word."""
        return int(self.first_read(word)) + (self.sweeps - 1) * self.sweep_distance(word)

    def wait(self, written: Callable[[Any], Any], first: int, last: int) -> int:
        """Cycles that a step must start behind a writer, for each word to be written before it is read.

        Args:
            written: Cycle in which a word is complete; takes a word or an array of them.
            first, last: The words first .. last - 1 are written by it, in their order, at most one a cycle.
        """
        if not self.passes:  # they are read one a cycle: only the last two can be late
            return max(int(written(word)) + 1 - word for word in range(max(first, last - 2), last))
        ends = np.minimum(np.append(self._starts[1:], self.sweep), last)
        words = np.concatenate([ends - 2, ends - 1])
        words = words[(words >= first) & (words < last)]
        return int(np.max(written(words) + 1 - self.first_read(words)))
