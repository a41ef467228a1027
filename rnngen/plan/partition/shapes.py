"""The link layers of a cut."""

from __future__ import annotations

from rnngen.config.link import LinkShape
from rnngen.plan.partition.hops import Hop
from rnngen.plan.partition.parts import PartPlan

_SLOW = 4
"""Cycles of a word from which on a link's times count in its words: the short crossing that belongs to them would not
keep a faster PHY busy."""


def link_shape(hop: Hop, sender: PartPlan) -> LinkShape:
    """A link layer that never stalls, and that waits for the words of a step as long as they take to come."""
    inside = hop is sender.exchange
    span = (sender.exchange_cycles if inside else sender.outputs[-1] - sender.outputs[0]) + hop.frame.words
    wire = hop.wire
    shape = LinkShape(wire.word_bits).carrying(hop.frame.words, span).streaming(wire.latency_cycles, burst=hop.frames)
    if wire.pins is not None:
        return shape.slowed(wire.pins.beats(wire.word_bits))
    return shape.slowed(hop.word_cycles) if hop.word_cycles >= _SLOW else shape
