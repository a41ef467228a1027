"""What crosses the links of one layer that several devices compute, and when it is there.

The devices of a cut have one clock and do the same in the same cycles, so one of them stands for all: what it sends in
a cycle it is sent by its neighbours, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rnngen.plan.layer import ceil_div
from rnngen.plan.link import frame_latency, frame_words, payload_words
from rnngen.plan.partition.rings import Ring

PATTERNS = ("all", "reduce", "gather")

WRITE_CYCLES = 1
"""A word delivered in cycle n is written to a vector memory in cycle n + 1."""


@dataclass(frozen=True)
class Exchange:
    """What each device sends in a step.

    Attributes:
        pattern: ``"all"`` (every device to every other one), ``"reduce"`` (partial sums to one device; those on the way
            add their own), or ``"gather"`` (results to one device).
        values, value_bits: Of each device.
        what: ``"h"``, ``"partial sums"``, ``"outputs"`` or ``"group outputs"``.
    """

    pattern: str
    values: int
    value_bits: int
    what: str


@dataclass(frozen=True)
class Wires:
    """The links between the devices of a cut, which are alike.

    Attributes:
        devices: How many.
        word_bits, latency: Of a link; its PHY's latency in cycles.
        ahead, back: Hops that what a device sends takes each way round a ring, where every device forwards it.
        direct: Each device has a link to each other one, and nothing is forwarded.
    """

    devices: int
    word_bits: int
    latency: int
    ahead: int
    back: int = 0
    direct: bool = False

    @property
    def sources(self) -> int:
        """Devices whose values come."""
        return self.devices - 1

    def words(self, values: Sequence[int], value_bits: int) -> int:
        """Words of a step on the busiest link: each frame crosses it once for each of its hops."""
        once = sum(self.frame(count, value_bits) for count in values)
        return once if self.direct else max(self.ahead, self.back) * once

    def frame(self, values: int, value_bits: int) -> int:
        """Words of a frame of so many values."""
        return frame_words(payload_words(values, value_bits, self.word_bits), self.word_bits)


def ring_wires(devices: int, word_bits: int, latency: int, both: bool) -> Wires:
    """Devices in a ring, with links one way round or both; of two devices, a link between them."""
    ring = Ring(devices, both)
    return Wires(devices, word_bits, latency, ring.ahead, ring.back)


def direct_wires(devices: int, word_bits: int, latency: int) -> Wires:
    """A link from each device to each other one."""
    return Wires(devices, word_bits, latency, 1, 0, True)


@dataclass(frozen=True)
class Sent:
    """Values that a device sends in one frame: how many, and the cycle from which on they can be given word by word."""

    values: int
    ready: int


def deliveries(wires: Wires, frames: Sequence[Sent], value_bits: int) -> list[list[int]]:
    """By source, nearest first, and by frame: cycle in which its first word is delivered."""
    if wires.direct:
        return [_forwarded(wires, frames, value_bits, 1)[0]] * wires.sources
    found = [*_forwarded(wires, frames, value_bits, wires.ahead), *_forwarded(wires, frames, value_bits, wires.back)]
    return sorted(found)


def _forwarded(wires: Wires, frames: Sequence[Sent], value_bits: int, hops: int) -> list[list[int]]:
    """One way round: by hops that they take, when frames are delivered.

    Of the frames that wait for the link the one that has come the furthest goes first, of equals the older one.
    """
    delivered = [[0] * len(frames) for _ in range(hops)]
    waiting = [(0, number, frame.ready) for number, frame in enumerate(frames) if hops]
    free = min((frame.ready for frame in frames), default=0)
    while waiting:
        start = max(free, min(ready for _, _, ready in waiting))
        chosen = min((-hop, number, ready) for hop, number, ready in waiting if ready <= start)
        hop, number, ready = -chosen[0], *chosen[1:]
        waiting.remove((hop, number, ready))
        payload = payload_words(frames[number].values, value_bits, wires.word_bits)
        free = start + frame_words(payload, wires.word_bits)
        delivered[hop][number] = start + frame_latency(payload, wires.word_bits, wires.latency)
        if hop + 1 < hops:
            waiting.append((hop + 1, number, delivered[hop][number]))
    return delivered


def received(
    wires: Wires, frames: Sequence[Sent], delivered: Sequence[int], value_bits: int, columns: int
) -> list[int]:
    """When each vector word of ``columns`` values of one source is written: at most one a cycle, as its values come."""
    ends: list[int] = []  # by value, when it is delivered
    for frame, first in zip(frames, delivered):
        words = ((value + 1) * value_bits for value in range(frame.values))
        ends += [first + ceil_div(bits, wires.word_bits) - 1 for bits in words]
    written: list[int] = []
    for last in range(columns - 1, len(ends) + columns - 1, columns):
        there = ends[min(last, len(ends) - 1)] + WRITE_CYCLES
        written.append(max(there, written[-1] + 1) if written else there)
    return written
