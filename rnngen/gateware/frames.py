"""The serial protocol between a host and a board: one definition for the gateware and for host software.

Nothing here needs Amaranth.  The page docs/serial-protocol.md is the protocol in words; in short, a frame is a header
byte, what the header says, and a CRC-16 of all of it, high byte first:

    0xA0 | last   number, stream, beats            a step to the accelerator
    0xB0 | last   number, stream, beats            a result of it
    0xC0 | kind   tag, address (2), data (4)       a request to the bridge
    0xD0 | kind   tag, status, data (4)            its answer

Numbers of several bytes have the low byte first, and so have beats.  ``stream`` is there where the port has a TID.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PROTOCOL_VERSION = 2
"""1: steps and results without number and check, and no requests."""

STEP, RESULT, REQUEST, ANSWER = 0xA0, 0xB0, 0xC0, 0xD0
STREAM_MASK = 0xFE
"""Bits of a header that tell steps and results; the other one ends the sequence."""
REQUEST_MASK = 0xFC
WRITE, READ, LOOK, RESTART = range(4)
"""Kinds of requests."""

LOOK_STATE, LOOK_SHAPE = 0, 4
"""Addresses of a look: what the bridge is at, and what it is."""
NUMBERS = 256
"""Numbers of steps and results, and tags, are counted modulo this."""

OKAY, SLVERR, DECERR = 0, 2, 3
"""Status of an answer, as AXI4-Lite tells it; DECERR: the bridge has no control port behind it."""

CRC_BYTES = 2
REQUEST_BODY = 7
ANSWER_BODY = 6
REQUEST_BYTES = 1 + REQUEST_BODY + CRC_BYTES
ANSWER_BYTES = 1 + ANSWER_BODY + CRC_BYTES
BUFFER_BYTES = 2048
"""Of the bridge's step buffer, unless a board asks for another one."""
MOST_SLOTS = 255
RESTART_CYCLES = 128
"""So long a restart holds the accelerator in reset: leaves have none, and what is on its way in them must be gone."""

CRC_START = 0xFFFF


@dataclass(frozen=True)
class StreamShape:
    """A stream port: bits of TDATA, beats of one step, and bits of TID (0: there is none)."""

    tdata_bits: int
    beats_per_step: int
    tid_bits: int = 0

    def __post_init__(self) -> None:
        if self.tdata_bits < 8 or self.tdata_bits % 8:
            raise ValueError(f"A stream's TDATA must be a positive multiple of 8 bits, not {self.tdata_bits}.")
        if self.beats_per_step < 1:
            raise ValueError(f"A stream must have at least 1 beat a step, not {self.beats_per_step}.")
        if not 0 <= self.tid_bits <= 8:
            raise ValueError(f"A stream's TID must have 0..8 bits to go over a serial line, not {self.tid_bits}.")

    @classmethod
    def from_design(cls, port: Mapping[str, Any], tid_bits: int = 0) -> StreamShape:
        """Of a port in ``design.json``."""
        return cls(port["tdata_bits"], port["beats_per_step"], tid_bits)

    @property
    def bytes_per_beat(self) -> int:
        """Bytes of one beat on the line."""
        return self.tdata_bits // 8

    @property
    def step_bytes(self) -> int:
        """Bytes of all beats of a step."""
        return self.beats_per_step * self.bytes_per_beat

    @property
    def stored_bytes(self) -> int:
        """Bytes of a step in the bridge's buffer: header, stream and beats."""
        return 1 + bool(self.tid_bits) + self.step_bytes

    @property
    def frame_bytes(self) -> int:
        """Bytes of a step, or of a result, on the line."""
        return self.stored_bytes + 1 + CRC_BYTES

    @property
    def widths(self) -> dict[str, int]:
        """Bits of the port's signals that go with its beats."""
        tid = {"tid": self.tid_bits} if self.tid_bits else {}
        return {"tdata": self.tdata_bits, "tvalid": 1, "tlast": 1, **tid}


def slots(shape: StreamShape, buffer_bytes: int = BUFFER_BYTES) -> int:
    """Steps that the bridge's buffer holds: two at least, whatever their size."""
    return max(2, min(MOST_SLOTS, buffer_bytes // shape.stored_bytes))


def with_crc(frame: bytes) -> bytes:
    """A frame with its check behind it (CRC-16, polynomial 0x1021, begun with 0xFFFF)."""
    return frame + binascii.crc_hqx(frame, CRC_START).to_bytes(CRC_BYTES, "big")


def is_sound(frame: bytes) -> bool:
    """Whether the check at the end of a whole frame holds."""
    return binascii.crc_hqx(frame, CRC_START) == 0


def request(kind: int, tag: int, address: int = 0, data: int = 0) -> bytes:
    """The frame of a request."""
    body = bytes([REQUEST | kind, tag]) + address.to_bytes(2, "little") + data.to_bytes(4, "little")
    return with_crc(body)


def escape(shape: StreamShape | None) -> bytes:
    """Bytes behind which the bridge waits for a header, whatever came before: as many zeros as the longest frame."""
    return bytes(max(REQUEST_BYTES, 0 if shape is None else shape.frame_bytes))
