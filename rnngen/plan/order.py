"""In which order an engine multiplies the words of a sweep: one pass, or several with sums kept between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rnngen.plan.branch import BranchPlan
from rnngen.plan.engine import EnginePlan
from rnngen.plan.layer import ceil_div
from rnngen.plan.limits import are_legal
from rnngen.plan.timing import PARTIAL_GAP

_PASSES = 64
"""Passes that words are cut into at most."""


def orders(plan: EnginePlan) -> list[EnginePlan]:
    """The engine, and with the x-part of all tiles first where h comes too late else."""
    if plan.is_hidden() or plan.shape.spaced:
        return [plan]
    return [plan, *_in_passes(plan, (plan.x_words, plan.h_words))]


def best_order(branch: BranchPlan) -> BranchPlan:
    """A branch of two stages with the words of each in the order that gives the smallest interval, then latency.

    One of them gives its results tile by tile and the other one multiplies them as they come, in short passes; the
    x-part of all tiles of the first stage runs while the recurrence goes through both.
    """
    first, last = branch.first, branch.last
    following = [last, *_in_blocks(last, 0)]
    best = branch
    for leading in (first, *_in_passes(first, (first.x_words, first.h_words)), *_in_blocks(first, first.x_words)):
        for second in following:
            if best.is_hidden():
                return best
            engines = tuple(replace(leading, shape=engine.shape) for engine in branch.stages[0])
            made = BranchPlan((engines, (second,)))
            best = min(best, made, key=lambda found: (found.interval, found.last_write_cycle))
    return best


def _in_passes(plan: EnginePlan, passes: tuple[int, ...]) -> Iterator[EnginePlan]:
    """The engine with these passes, if they are legal."""
    if all(passes) and are_legal(plan, passes):
        yield replace(plan, passes=passes)


def _in_blocks(plan: EnginePlan, ahead: int) -> Iterator[EnginePlan]:
    """With the words behind the first ``ahead`` in passes as short as can be: they are multiplied as they come."""
    words = plan.sweep - ahead
    block = max(plan.groups, ceil_div(words, _PASSES), ceil_div(PARTIAL_GAP, plan.sweeps))
    if words >= 2 * block:
        head = (ahead,) if ahead else ()
        yield from _in_passes(plan, (*head, block + words % block, *(block,) * (words // block - 1)))
