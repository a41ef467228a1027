"""The header of a frame."""

from __future__ import annotations

from enum import IntEnum

from amaranth.hdl import Cat, Const, Value
from amaranth.lib import data

from rnngen.config.link import HeaderShape

_POLYNOMIAL = 0x07  # CRC-8, x^8 + x^2 + x + 1
_INITIAL = 0xA5  # so that words of zeros are no header


class Kind(IntEnum):
    """What a frame is.  0 is none, so that an idle line is no frame."""

    INIT = 1  # training: acked 0; freed: words of the sender's receive buffer; epoch: peer is the receiver's session
    CONTROL = 2
    DATA = 3


def header_layout(shape: HeaderShape) -> data.StructLayout:
    """Fields of a header, lowest bits first, without its check.

    nak: counts gaps that were found (1 bit: it moves once a gap); epoch: the last nak that the sender has acted on.
    sequence: of this data frame, or of the next one.  acked: the next one expected from the other side.
    freed: words ever read from the receive buffer.  own, peer: sessions of the sender and of the receiver.
    """
    return data.StructLayout(
        {
            "kind": 2,
            "nak": 1,
            "epoch": 1,
            "sequence": shape.sequence,
            "acked": shape.sequence,
            "length": shape.length,
            "freed": shape.index,
            "own": shape.session,
            "peer": shape.session,
        }
    )


def header_check(fields: Value, shape: HeaderShape) -> Value:
    """The check of the header alone, a CRC-8 (its low bits where the shape has fewer)."""
    columns: list[int] = []
    value = 1
    for _ in range(len(fields)):  # column k: x^(k+8) modulo the polynomial
        for _ in range(8 if not columns else 1):
            value = (value << 1) ^ (0x100 | _POLYNOMIAL if value & 0x80 else 0)
        columns.append(value)
    bits = []
    for bit in range(shape.check):
        total: Value = Const(_INITIAL >> bit & 1, 1)
        for k, column in enumerate(columns):
            if column >> bit & 1:
                total = total ^ fields[k]
        bits.append(total)
    return Cat(*bits)
