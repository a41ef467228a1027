"""What a link costs: the one place that knows a frame's overhead and a link's latency.

A frame is a header of 64 bits, so many payload words, and a CRC of 32 bits, each in whole words.  It is sent as it is
given, and delivered when its CRC holds.
"""

from __future__ import annotations

from rnngen.plan.layer import ceil_div

HEADER_BITS = 64
CRC_BITS = 32

LINK_CYCLES = 10
"""With no errors and equal clocks, what the link layer adds to the PHY's latency and all words of a frame."""

MOST_PAYLOAD = (1 << 12) - 1
"""Payload words of the longest frame: what the header's length can say."""


def payload_words(values: int, value_bits: int, word_bits: int) -> int:
    """Words of a frame's payload: values packed to their width."""
    return ceil_div(values * value_bits, word_bits)


def overhead_words(word_bits: int) -> int:
    """Words of a frame beside its payload."""
    return ceil_div(HEADER_BITS, word_bits) + ceil_div(CRC_BITS, word_bits)


def frame_words(payload: int, word_bits: int) -> int:
    """Words that a frame takes on the link."""
    return payload + overhead_words(word_bits)


def frame_latency(payload: int, word_bits: int, phy_latency: int) -> int:
    """Cycles from a frame's first word given to its first word delivered; its words follow each other without gaps.

    As many from the last word given to the last one delivered, whatever gaps there were.
    """
    return phy_latency + frame_words(payload, word_bits) + LINK_CYCLES
