"""The serial bridge of docs/serial-protocol.md in Python, with a line that loses and garbles what a test says."""

from __future__ import annotations

from collections.abc import Callable


def crc(data: bytes) -> bytes:
    """CRC-16 of polynomial 0x1021, begun with 0xFFFF, a bit at a time."""
    value = 0xFFFF
    for byte in data:
        value ^= byte << 8
        for _ in range(8):
            value = value << 1 ^ (0x11021 if value & 0x8000 else 0)
    return value.to_bytes(2, "big")


class Bridge:
    """A transport: what is written goes to the bridge at once.

    Args:
        step_bytes, gives: Bytes of a step, and what the core makes of them: a result's bytes, or None.
        registers: By byte address; others are refused.
        fault: Called with "in" or "out", the number of the frame and the frame; what goes on in its place.
    """

    def __init__(
        self, step_bytes: int, gives: Callable[[bytes, bool], bytes | None], registers: dict[int, int],
        fault: Callable[[str, int, bytes], bytes] = lambda way, number, frame: frame,
    ) -> None:  # fmt: skip
        self.step_bytes, self.gives, self.registers, self.fault = step_bytes, gives, registers, fault
        self.out = b""
        self.heard = b""
        self.next_step = self.next_result = self.tag = self.dropped = 0
        self.answer = b""
        self.frames = {"in": 0, "out": 0}
        self.written: list[tuple[int, int]] = []
        self.steps: list[bytes] = []
        self.restarts = 0

    def write(self, data: bytes) -> None:
        self.heard += self._passed("in", data)
        while self.heard:
            head = self.heard[0]
            size = 4 + self.step_bytes if head & 0xFE == 0xA0 else 10 if head & 0xFC == 0xC0 else 0
            if not size:
                self.heard = self.heard[1:]
                continue
            if len(self.heard) < size:
                return
            frame, self.heard = self.heard[:size], self.heard[size:]
            if crc(frame[:-2]) != frame[-2:]:
                self.dropped += 1
            elif head & 0xFE == 0xA0:
                self._step(frame)
            else:
                self._request(frame)

    def _passed(self, way: str, frame: bytes) -> bytes:
        self.frames[way] += 1
        return self.fault(way, self.frames[way] - 1, frame)

    def _step(self, frame: bytes) -> None:
        if frame[1] != self.next_step:
            self.dropped += 1
            return
        self.next_step = (self.next_step + 1) % 256
        self.steps.append(frame[2:-2])
        result = self.gives(frame[2:-2], bool(frame[0] & 1))
        if result is not None:
            self._send(bytes([0xB0 | frame[0] & 1, self.next_result]) + result)
            self.next_result = (self.next_result + 1) % 256

    def _send(self, frame: bytes) -> None:
        self.out += self._passed("out", frame + crc(frame))

    def _request(self, frame: bytes) -> None:
        kind, tag = frame[0] & 3, frame[1]
        address, data = int.from_bytes(frame[2:4], "little"), int.from_bytes(frame[4:8], "little")
        if kind < 2 and tag == self.tag:
            self._send(self.answer)
            return
        if kind < 2 and tag != (self.tag + 1) % 256:
            return
        self.tag = tag
        status, word = 0, 0
        if kind == 3:
            self.restarts += 1
            self.next_step = self.next_result = 0
        if kind == 2:
            status = 2
            word = 2 | 8 << 8 | self.step_bytes << 16 if address else self.next_step | self.next_result << 8
        elif kind < 2 and address not in self.registers:
            status = 2
        elif kind == 0:
            self.registers[address] = data
            self.written.append((address, data))
        elif kind == 1:
            word = self.registers[address]
        self.answer = bytes([0xD0 | kind, tag, status]) + word.to_bytes(4, "little")
        self._send(self.answer)

    def read(self, size: int, timeout: float) -> bytes:
        part, self.out = self.out[:size], self.out[size:]
        return part

    def receive(self, timeout: float) -> bytes:
        return self.read(len(self.out), timeout)

    def close(self) -> None:
        """Nothing to release."""
