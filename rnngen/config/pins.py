"""A link over plain pins of two boards: which pins of each, and what the PHY makes of them.

A connector of a board is a row of pins (``Board.connectors``).  A link takes as many at both ends of the row: over the
first ones goes what one end sends, over the last ones, counted from the end, what the other end sends.  So a straight
cable, pin for pin, joins two connectors of one kind.  The clock is on the outermost pin, then start, valid and data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rnngen.errors import PlanError

BESIDE = ("clock", "start", "valid")
"""What each direction has beside its data, from the outermost pin on."""

CONSTANT = 4
"""Cycles of the sender from a word given to the same word delivered, beyond a cycle for each of its beats: the sender's
register and that at its pins, half a cycle, as pins are taken at the clock's other edge, the receiver's register at
its pins and the one behind, and a half for the cable.  (The last beat's own cycle is that of the word's register.)"""


@dataclass(frozen=True)
class PinsEnd:
    """One end: the connector of its board, and whether it sends over the first pins and takes over the last."""

    connector: str
    first: bool


@dataclass(frozen=True)
class LinkPins:
    """A link over pins.

    Attributes:
        data: Pins of a word, in each direction.
        source, target: Its ends.
    """

    data: int
    source: PinsEnd
    target: PinsEnd

    @property
    def turned(self) -> LinkPins:
        """The same pins, seen from the other end."""
        return LinkPins(self.data, self.target, self.source)

    @property
    def each_way(self) -> int:
        """Pins of a direction."""
        return self.data + len(BESIDE)

    def beats(self, word_bits: int) -> int:
        """Cycles of the sender that a word takes."""
        return word_bits // self.data

    def latency(self, word_bits: int) -> int:
        """Cycles of the sender from a word given to the same word delivered, at most."""
        return self.beats(word_bits) + CONSTANT

    def check(self, name: str, word_bits: int) -> None:
        """Whether words can go over as many pins.

        Raises:
            PlanError: if they cannot.
        """
        if not 1 <= self.data < word_bits or word_bits % self.data:
            raise PlanError(
                f"{name}: data_pins must divide its words of {word_bits} bits and be fewer, so that no receiver is "
                f"too slow, not {self.data}."
            )


def joined(data: int, source: str, target: str) -> LinkPins:
    """A link between two connectors, whose first pins carry what ``source`` sends."""
    return LinkPins(data, PinsEnd(source, True), PinsEnd(target, False))


def rows(sites: Sequence[str], data: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Pins of the end that sends first, and of the other one; clock, start, valid, then data, bit 0 first."""
    count = data + len(BESIDE)
    return tuple(sites[:count]), tuple(reversed(sites[-count:]))
