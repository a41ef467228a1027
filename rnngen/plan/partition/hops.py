"""What a step of one device's results takes on its way to the next one.

Times are ticks, of which every cycle of every device is a whole number, so that they add up exactly.  Where clocks are
equal a time is exact; where they differ it is a bound: what stands in both clocks is counted in the slower one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from rnngen.config.system import Link, System
from rnngen.plan.frames import StepFrame
from rnngen.plan.layer import ceil_div
from rnngen.plan.link import LINK_CYCLES, check_words, frame_words, header_words
from rnngen.plan.partition.rings import Ring


@dataclass(frozen=True)
class Hop:
    """A step's results on a link, one frame a step.

    Attributes:
        wire: The link, or one of links that are alike, where a layer's rows are on several devices.
        frame: The step, or the part of it that one of so many devices gives.
        sender, receiver: Ticks of a cycle at both ends.  word: Ticks of a word.
        shares: Devices that give a part of the step each, at the same time.
        ring: Of which it is a link, the busiest one, on which frames of other devices follow this one.
        own_clock: Ticks of a cycle of the link's clock, where that is not the sender's.
    """

    wire: Link
    frame: StepFrame
    sender: int
    receiver: int
    word: int
    shares: int = 1
    ring: Ring | None = None
    own_clock: int | None = None

    @property
    def words(self) -> int:
        """Of a frame, header and CRC included."""
        return frame_words(self.frame.words, self.wire.word_bits)

    @property
    def interval(self) -> int:
        """Ticks that the frames of a step take on the link: no step interval is shorter."""
        return self.busy(self.frames)

    @property
    def frames(self) -> int:
        """Frames of a step."""
        return 1 if self.ring is None else self.ring.ahead

    def busy(self, frames: int) -> int:
        """Ticks that so many frames take on a link like this one."""
        return frames * self.words * self.word

    @property
    def word_cycles(self) -> int:
        """Cycles of the slower end that the PHY is busy with a word, at most."""
        return ceil_div(self.word, max(self.sender, self.receiver))

    @cached_property
    def latency(self) -> int:
        """Ticks from the last word given to the first one delivered, where words are given in a row."""
        words = [index * self.sender for index in range(self.frame.beats)]
        return self.delivered([words])[0] - words[-1]

    @property
    def flight(self) -> int:
        """Ticks from a frame's last word sent to its first word delivered."""
        slowest = max(self.sender, self.receiver, self.word if self.wire.clock_hz is not None else 0)
        return self.wire.latency_cycles * self.sender + LINK_CYCLES * slowest

    def delivered(self, outputs: Sequence[Sequence[int]]) -> list[int]:
        """Ticks in which each step's first word is delivered, the others behind it in the receiver's cycles.

        A frame's header goes in the cycle behind its first word, each word in the cycle behind the one in which it was
        given, at the earliest, and all of them are delivered when the frame is there.

        Args:
            outputs: Ticks of each step's output beats, one a word.
        """
        return [carried.there for carried in self.carried(outputs)]

    def taken(self, there: int) -> list[int]:
        """Ticks in which the words of values are taken that are delivered from a tick on, one in each cycle."""
        return [there + word * self.receiver for word in range(self.frame.beats)]

    def carried(self, outputs: Sequence[Sequence[int]]) -> list[Carried]:
        """``delivered``, and when each step is on the link."""
        crossing = Crossing(self)
        return [crossing.carry(beats) for beats in outputs]


@dataclass(frozen=True)
class Route:
    """A step's results on their way to another device: over a link, or over several, one behind the other.

    A device between two links gives a frame on unchanged, a word in each of its cycles, once all of it is there; from
    the cycle in which its first word is delivered the next link counts as from one that a core gives.
    """

    hops: tuple[Hop, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The devices on the way, both ends included."""
        return self.hops[0].wire.source, *(hop.wire.target for hop in self.hops)

    @property
    def frame(self) -> StepFrame:
        """The step, the same on all links."""
        return self.hops[0].frame

    @property
    def words(self) -> int:
        """Of a frame on a link, header and CRC included."""
        return self.hops[0].words

    @property
    def sender(self) -> int:
        """Ticks of a cycle of the device that gives the results."""
        return self.hops[0].sender

    @property
    def receiver(self) -> int:
        """Ticks of a cycle of the device that they are for."""
        return self.hops[-1].receiver

    @property
    def interval(self) -> int:
        """Ticks that a frame takes on the slowest link: no step interval is shorter."""
        return max(hop.interval for hop in self.hops)

    @cached_property
    def latency(self) -> int:
        """Ticks from the last word given to the first one delivered, where words are given in a row."""
        words = [index * self.sender for index in range(self.frame.beats)]
        return self.delivered([words])[0] - words[-1]

    def delivered(self, outputs: Sequence[Sequence[int]]) -> list[int]:
        """Ticks in which each step's first word is delivered at the end, the others behind it (``Hop.delivered``)."""
        return [carried.there for carried in self.carried(outputs)[-1]]

    def carried(self, outputs: Sequence[Sequence[int]]) -> list[list[Carried]]:
        """By link, when each step is on it."""
        found: list[list[Carried]] = []
        for hop in self.hops:
            found.append(hop.carried(outputs))
            outputs = [hop.taken(frame.there) for frame in found[-1]]
        return found


@dataclass(frozen=True)
class Carried:
    """A step's frame on a link.

    Attributes:
        start, end: Ticks [start, end) from its first word sent to its last one; it waits for words not given yet.
        there: Tick in which the first word of its payload is delivered.
    """

    start: int
    end: int
    there: int


class Crossing:
    """Steps on their way over a link, one by one (``Hop.delivered``).

    Args:
        taking: Cycles of the receiver that a step takes to be read, where they are more than its words.
    """

    def __init__(self, found: Hop, taking: int = 0) -> None:
        self._hop, self._taking = found, max(taking, found.shares * found.frame.words)
        self._header, self._check = header_words(found.wire.word_bits), check_words(found.wire.word_bits)
        self._free, self._read = 0, 0

    def carry(self, beats: Sequence[int]) -> Carried:
        """The next step, whose output beats are given in these ticks."""
        hop = self._hop
        return self.send([*beats, beats[-1] + hop.sender] if hop.frame.own_flag_word else beats)

    def send(self, words: Sequence[int]) -> Carried:
        """The next frame, whose words are given in these ticks."""
        hop = self._hop
        start = max(words[0] + hop.sender, self._free)
        at = start + self._header * hop.word
        for given in words:
            at = max(at, given + hop.sender) + hop.word
        self._free = at + self._check * hop.word
        first = max(self._read, self._free - hop.word + hop.flight)
        self._read = first + self._taking * hop.receiver
        return Carried(start, self._free, first)


def hop(system: System, wire: Link, values: int, value_bits: int, shares: int = 1, most: int = 0) -> Hop:
    """A step of so many values on a link of one direction, or on as many links as devices share it.

    Args:
        most: Values of a word at most; 0: as many as fit.
    """
    sender, receiver = (system.cycle_ticks(end) for end in wire.ends)
    frame = StepFrame(values // shares, value_bits, wire.word_bits, most)
    own = None if wire.clock_hz is None else system.ticks_hz // wire.clock_hz
    return Hop(wire, frame, sender, receiver, system.word_ticks(wire), shares, own_clock=None if own == sender else own)
