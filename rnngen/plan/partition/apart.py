"""Layers whose x is multiplied on one device and whose h on the next one.

In the search such a layer is two blocks (``passes.apart``), between which a cut may lie; a device that takes both has
them as the one block that they are.  So the same exact search weighs a cut inside a layer beside those between layers,
and links, frames and the cycle model of a system know nothing of it.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from functools import cache
from math import floor

from rnngen.config.system import Device
from rnngen.errors import PlanError
from rnngen.ir.quantised import QuantisedNetwork
from rnngen.passes.apart import halved, kept_together, separable, whole
from rnngen.passes.cut import part_of
from rnngen.plan.link import MOST_PAYLOAD
from rnngen.plan.partition.cuts import X_AND_H
from rnngen.plan.partition.parts import PartPlan, Parts, Refusal
from rnngen.plan.partition.result import Partition
from rnngen.plan.partition.search import best_below
from rnngen.plan.shapes import BlockShape

MOST_HALVED = 4
"""Layers that one search may have apart; of networks with more it is one at a time."""
GAIN = Fraction(1, 10)
"""What a cut between x and h must take from the step interval where nobody asks for it: it costs latency, and a frame
of gates times as many values."""


class ApartParts(Parts):
    """Plans of parts where some blocks are two, of x and of h; ``of``: the parts of the network as it is.

    Args:
        blocks: Those of them.
        inside: The one of them that no device may have whole; None: each may be whole.
    """

    def __init__(self, of: Parts, blocks: Collection[int], inside: int | None = None) -> None:
        super().__init__(halved(of.network, blocks), of.system, of.capacity, of.fold, of.progress)
        self.share_plans(of)
        self._of, self._halved, self._inside = of, frozenset(blocks), inside
        self._origin = cache(self._found_origin)

    def _found_origin(self, place: int) -> tuple[int, bool]:
        """Of a place between blocks: whole blocks before it, and whether it lies inside the next one."""
        block, before = 0, 0
        while before + self._count(block) <= place:
            before += self._count(block)
            block += 1
        return block, place > before

    def _count(self, block: int) -> int:
        """Blocks that a block of the network is here."""
        return 2 if block in self._halved else 1

    def _place(self, whole_blocks: int, inside: bool, apart: Collection[int]) -> int:
        """The inverse, where only some blocks are two."""
        return whole_blocks + inside + sum(block < whole_blocks for block in apart)

    def shapes(self, device: Device, blocks: range) -> tuple[BlockShape, ...]:
        """What a device with these blocks computes: with both halves of a block the whole."""
        (first, from_h), (last, to_x) = self._origin(blocks.start), self._origin(blocks.stop)
        before = super().shapes(device, range(blocks.start, blocks.start + from_h))
        behind = super().shapes(device, range(blocks.stop - to_x, blocks.stop))
        return before + self._of.shapes(device, range(first + from_h, last)) + behind

    def part(self, blocks: range) -> QuantisedNetwork:
        """The same in integers."""
        return whole(part_of(self.network, blocks))

    def least_ways(self, device: Device, blocks: range) -> int:
        """As for ``Parts``; x counts nothing, as it has no way of its own where it is with its h."""
        last = blocks.stop - self._origin(blocks.stop)[1]
        return super().least_ways(device, range(blocks.start, last)) if last > blocks.start else 0

    def known(self, device: Device, blocks: range) -> PartPlan | Refusal | None:
        """As for ``Parts``."""
        if self._inside is not None:
            (first, from_h), (last, _) = self._origin(blocks.start), self._origin(blocks.stop)
            if first + from_h <= self._inside < last:
                return Refusal(device.name, blocks, "its x and its h are to be on two devices")
        return super().known(device, blocks)

    def _made(self, device: Device, blocks: range) -> PartPlan | Refusal:
        made = super()._made(device, blocks)
        is_half = self._origin(blocks.start)[1] or self._origin(blocks.stop)[1]
        return replace(made, cut=X_AND_H) if isinstance(made, PartPlan) and is_half else made

    def told(self, found: Partition) -> Partition:
        """A cut with the blocks counted so that only those are two that it has apart."""
        ends = [self._origin(part.blocks.stop) for part in found.parts]
        apart = tuple(block for block, inside in ends if inside)
        places = [0, *(self._place(*end, apart) for end in ends)]
        ranges = (range(start, stop) for start, stop in zip(places, places[1:]))
        parts = tuple(replace(part, blocks=blocks) for part, blocks in zip(found.parts, ranges))
        return replace(found, parts=parts, apart=apart)


    def counted(self, found: Partition) -> Partition:
        """A cut of the network as it is, with blocks counted as here; nothing of it is apart."""
        stops = [self._place(part.blocks.stop, False, self._halved) for part in found.parts]
        ranges = (range(start, stop) for start, stop in zip([0, *stops], stops))
        return replace(found, parts=tuple(replace(part, blocks=blocks) for part, blocks in zip(found.parts, ranges)))


def best_apart(parts: Parts, goal: str) -> Partition | str:
    """The best cut that has x and h of some layer on two devices, or why there is none.

    Raises:
        PlanError: if there are too many ways to weigh.
    """
    blocks = separable(parts.network)
    if not blocks:
        return kept_together(parts.network, 0)
    if len(parts.system.devices) < 2:
        return "there is one device"
    best, refused = None, ""
    together = blocks if len(blocks) <= MOST_HALVED else ()
    for block in blocks:
        choice = ApartParts(parts, together or (block,), block)
        found = best_below(choice, goal, None if best is None else best.key(goal))
        if isinstance(found, str):
            refused = refused or found
        else:
            best = choice.told(found)
    return best or refused


def better_apart(parts: Parts, goal: str, beaten: Partition | None) -> Partition | None:
    """The same where it shortens a cut's step interval by as much as ``GAIN``, or there was none so far; else None.

    Only layers that bind the interval are weighed, and those whose sums a link takes in time.

    Args:
        beaten: That cut.
    """
    blocks, limit = separable(parts.network), None
    if beaten is not None:
        limit = floor(beaten.interval_ticks * (1 - GAIN))
        blocks = tuple(block for block in _binding(beaten) if block in blocks) if goal == "interval" else ()
    blocks = tuple(block for block in blocks if _is_carried(parts, block, limit))
    together = len(blocks) <= MOST_HALVED
    best: Partition | None = None
    for chosen in [blocks] if together else [(block,) for block in blocks]:
        below = best.key(goal) if best is not None else None if limit is None else (limit + 1, 0)
        with suppress(PlanError):
            choice = ApartParts(parts, chosen)
            found = best_below(choice, goal, below) if chosen else ""
            if not isinstance(found, str) and any(part.cut for part in found.parts):
                best = choice.told(found)
    return best


def _binding(found: Partition) -> list[int]:
    """Blocks of the slowest devices; none where a link binds."""
    if max(found.device_ticks) < found.interval_ticks:
        return []
    slowest = (part for part, ticks in zip(found.parts, found.device_ticks) if ticks == found.interval_ticks)
    return [block for part in slowest for block in part.blocks]


def _is_carried(parts: Parts, block: int, limit: int | None) -> bool:
    """Whether a link takes the sums of a block's x, in so many ticks."""
    halves = ApartParts(parts, (block,))
    for wire in parts.system.wires:
        if halves.value_bits(block) <= wire.word_bits:
            hop = halves.hop(wire, block + 1)
            if hop.frame.words <= MOST_PAYLOAD and (limit is None or hop.interval <= limit):
                return True
    return False
