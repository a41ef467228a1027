"""The link layers of a cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rnngen.config.link import LinkShape
from rnngen.plan.partition.hops import Hop
from rnngen.plan.partition.parts import PartPlan

_SLOW = 4
"""Cycles of a word from which on a link's times count in its words: the short crossing that belongs to them would not
keep a faster PHY busy."""


@dataclass(frozen=True)
class Flow:
    """Frames in one direction of a link.

    Attributes:
        hop: One a step.  span: Cycles of the sender from a frame's first word given to the one behind its last.
    """

    hop: Hop
    span: int


def given(hop: Hop, sender: PartPlan) -> Flow:
    """What a device that computes a part gives to a link."""
    inside = hop is sender.exchange
    return Flow(hop, (sender.exchange_cycles if inside else sender.outputs[-1] - sender.outputs[0]) + hop.frame.words)


def forwarded(hop: Hop) -> Flow:
    """What a device gives on that came over another link: a word in each cycle."""
    return Flow(hop, hop.frame.words)


def link_shape(flows: Sequence[Flow]) -> LinkShape:
    """A link layer that never stalls, and that waits for the words of a step as long as they take to come.

    Args:
        flows: Of a direction, or one of each.
    """
    wire, words = flows[0].hop.wire, [flow.hop.frame.words for flow in flows]
    shape = LinkShape(wire.word_bits).carrying(max(words), max(flow.span for flow in flows))
    burst = max(flow.hop.frames for flow in flows)
    shape = shape.streaming(wire.latency_cycles, min(words), burst)
    if wire.pins is not None:
        return shape.slowed(wire.pins.beats(wire.word_bits))
    slowest = max(flow.hop.word_cycles for flow in flows)
    return shape.slowed(slowest) if slowest >= _SLOW else shape
