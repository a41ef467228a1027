"""The check of a frame, a byte at a time."""

from __future__ import annotations

from amaranth.hdl import Value


def crc_with(crc: Value, byte: Value) -> Value:
    """The CRC-16 (polynomial 0x1021, high bit first) with a further byte; it begins with ``frames.CRC_START``."""
    mixed = crc[8:] ^ byte
    mixed = mixed ^ (mixed >> 4)
    return (crc << 8)[:16] ^ (mixed << 12)[:16] ^ (mixed << 5)[:16] ^ mixed
