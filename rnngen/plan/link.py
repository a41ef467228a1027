"""What a step's results cost on a link, by the law of the link layer (``rnngen.config.link``).

A frame is a header, its payload and a check, each in whole words.  It is sent as it is given, and delivered when its
check holds.
"""

from __future__ import annotations

from rnngen.config.link import CONSTANT, HeaderShape, LinkShape
from rnngen.plan.layer import ceil_div

LINK_CYCLES = CONSTANT
"""With no errors and equal clocks, what the link layer adds to the PHY's latency and all words of a frame."""

MOST_PAYLOAD = (1 << HeaderShape().length) - 1
"""Payload words of the longest frame: what the header's length can say."""


def payload_words(values: int, value_bits: int, word_bits: int) -> int:
    """Words of a frame's payload: values packed to their width."""
    return ceil_div(values * value_bits, word_bits)


def header_words(word_bits: int) -> int:
    """Words of a frame's header."""
    return LinkShape(word_bits).header_words


def check_words(word_bits: int) -> int:
    """Words of a frame's check."""
    return LinkShape(word_bits).check_words


def frame_words(payload: int, word_bits: int) -> int:
    """Words that a frame takes on the link."""
    return LinkShape(word_bits).frame_words(payload)


def frame_latency(payload: int, word_bits: int, phy_latency: int) -> int:
    """Cycles from a frame's first word given to its first word delivered; its words follow each other without gaps.

    As many from the last word given to the last one delivered, whatever gaps there were.
    """
    return LinkShape(word_bits).frame_latency(payload, phy_latency)
