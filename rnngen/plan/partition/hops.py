"""What a step of one device's results takes on its way to the next one.

Times are ticks, of which every cycle of every device is a whole number, so that they add up exactly.  Where clocks are
equal a time is exact; where they differ it is a bound: what stands in both clocks is counted in the slower one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rnngen.config.system import Link, System
from rnngen.plan.layer import ceil_div
from rnngen.plan.link import LINK_CYCLES, frame_words, overhead_words, payload_words
from rnngen.plan.partition.parts import PartPlan


@dataclass(frozen=True)
class Hop:
    """A step's results on a link, one frame a step.

    Attributes:
        wire: The link.
        values, value_bits: Words of the step, and the width of each.
        payload: Words of the frame's payload.  words: All its words on the link.
        interval: Ticks that the frame takes on the link: no step interval is shorter.
        latency: Ticks from the last word given to the last one delivered.
    """

    wire: Link
    values: int
    value_bits: int
    payload: int
    words: int
    interval: int
    latency: int

    @property
    def step_bits(self) -> int:
        """Bits of a step."""
        return self.values * self.value_bits


def hop(system: System, wire: Link, values: int, value_bits: int) -> Hop:
    """A step of so many values on a link of one direction.

    From the last word given: the frame's CRC and, before all, its header go by at the link's pace, and behind the
    first word delivered the others are read at the receiver's.  At equal clocks that is ``plan.link.frame_latency``.
    """
    payload = payload_words(values, value_bits, wire.word_bits)
    word, sender, receiver = system.word_ticks(wire), *(system.cycle_ticks(end) for end in wire.ends)
    slowest = max(sender, receiver, word if wire.clock_hz is not None else 0)
    passing = (overhead_words(wire.word_bits) + 1) * word + (payload - 1) * receiver
    latency = wire.latency_cycles * sender + passing + LINK_CYCLES * slowest
    words = frame_words(payload, wire.word_bits)
    return Hop(wire, values, value_bits, payload, words, words * word, latency)


def giving(system: System, sender: PartPlan, found: Hop) -> int:
    """Ticks from a step's last output beat to the last word given to the link, which may be narrower than the port."""
    cycle = system.cycle_ticks(found.wire.source)
    last = sender.outputs[-1]
    return given(system, sender, found, [(at - last) * cycle for at in sender.outputs])[-1]


def taking(system: System, found: Hop, receiver: PartPlan) -> int:
    """Ticks from the last word delivered to the last input beat, of a port that may be narrower than the link."""
    cycle = system.cycle_ticks(found.wire.target)
    return taken(system, found, receiver, [(1 - found.payload + index) * cycle for index in range(found.payload)])[-1]


def given(
    system: System, sender: PartPlan, found: Hop, beats: Sequence[int], free: int | None = None
) -> list[int]:
    """Ticks in which a step's words are given to the link.

    Args:
        beats: Those of its output beats.  free: Before which the link takes no word of this step.
    """
    words = regrouped(beats, sender.output_bits, found.wire.word_bits, found.step_bits)
    return _paced(words, system.word_ticks(found.wire), free)


def taken(system: System, found: Hop, receiver: PartPlan, words: Sequence[int]) -> list[int]:
    """Ticks of a step's input beats, of the words as they are delivered."""
    beats = regrouped(words, found.wire.word_bits, receiver.input_bits, found.step_bits)
    return _paced(beats, system.cycle_ticks(found.wire.target), None)


def regrouped(times: Sequence[int], bits: int, into_bits: int, total: int) -> list[int]:
    """When all of each word of ``into_bits`` is there, of a step of ``total`` bits that comes ``bits`` at a time."""
    ends = (min((index + 1) * into_bits, total) for index in range(ceil_div(total, into_bits)))
    return [times[ceil_div(end, bits) - 1] for end in ends]


def _paced(ready: Sequence[int], each: int, free: int | None) -> list[int]:
    """When each goes if it waits for itself and for those before it, each of which takes so long."""
    found: list[int] = []
    for one in ready:
        earliest = one if free is None else max(one, free)
        found.append(earliest)
        free = earliest + each
    return found
