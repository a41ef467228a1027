"""The link layers of a cut."""

from __future__ import annotations

from dataclasses import replace

from rnngen.config.link import LinkShape
from rnngen.plan.partition.hops import Hop
from rnngen.plan.partition.parts import PartPlan


def link_shape(hop: Hop, sender: PartPlan) -> LinkShape:
    """A link layer that never stalls, and that waits for the words of a step as long as they take to come."""
    outputs, frame = sender.outputs, hop.frame
    least = LinkShape(hop.wire.word_bits)
    patience = max(least.patience, outputs[-1] - outputs[0] + 2 * frame.words)
    quiet = least.frame_words(frame.words) + patience + least.keep_alive
    timeout = max(least.timeout, 2 * quiet)
    shape = replace(
        least,
        longest=frame.words,
        replay_words=_power_of_two(max(least.replay_words, 2 * frame.words)),
        buffer_words=_power_of_two(max(least.buffer_words, 2 * frame.words)),
        patience=patience,
        timeout=timeout,
        silence=max(least.silence, 2 * timeout),
        give_up=max(least.give_up, 2 * timeout),
    )
    return shape.streaming(hop.wire.latency_cycles)


def _power_of_two(value: int) -> int:
    return 1 << (value - 1).bit_length()
