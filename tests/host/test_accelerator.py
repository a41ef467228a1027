"""The host class on a transport in memory: frames and errors."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from rnngen.errors import DataError, DesignError, ToolError
from rnngen.host import Accelerator, HostError, PairTransport, SerialTransport, SocketTransport

PORT_IN = {
    "tdata_bits": 48,
    "words_per_beat": 2,
    "beats_per_step": 2,
    "word_bits": 18,
    "fraction_bits": 10,
    "signed": True,
}
PORT_OUT = {
    "tdata_bits": 32,
    "words_per_beat": 4,
    "beats_per_step": 1,
    "word_bits": 7,
    "fraction_bits": 6,
    "signed": True,
}
DESIGN = {"ports": {"s_axis": PORT_IN, "m_axis": PORT_OUT}}


class Memory:
    """Records what is written and answers with prepared words."""

    def __init__(self, answers: bytes) -> None:
        self.written = b""
        self.answers = answers

    def write(self, data: bytes) -> None:
        self.written += data

    def read(self, size: int, timeout: float) -> bytes:
        part, self.answers = self.answers[:size], self.answers[size:]
        return part

    def receive(self, timeout: float) -> bytes:
        return self.read(len(self.answers), timeout)

    def close(self) -> None:
        """Nothing to release."""


def crc(data: bytes) -> bytes:
    """CRC-16 of polynomial 0x1021, begun with 0xFFFF, a bit at a time."""
    value = 0xFFFF
    for byte in data:
        value ^= byte << 8
        for _ in range(8):
            value = value << 1 ^ (0x11021 if value & 0x8000 else 0)
    return value.to_bytes(2, "big")


def frames(kind: int, words: np.ndarray, port: dict) -> bytes:
    """Frames of one sequence as the protocol describes them, a word at a time."""
    lane = port["tdata_bits"] // port["words_per_beat"] // 8
    lanes = port["words_per_beat"] * port["beats_per_step"]
    found = b""
    for step, row in enumerate(words.tolist()):
        frame = bytes([kind | (step == len(words) - 1), step])
        frame += b"".join(word.to_bytes(lane, "little", signed=True) for word in row + [0] * (lanes - len(row)))
        found += frame + crc(frame)
    return found


RESTART = bytes([0xC3, *bytes(7)]) + crc(bytes([0xC3, *bytes(7)]))
ANSWER = bytes([0xD3, 0, 2, *bytes(4)]) + crc(bytes([0xD3, 0, 2, *bytes(4)]))


def test_frames_are_those_of_the_protocol() -> None:
    generator = np.random.default_rng(3)
    x = generator.integers(-(2**17), 2**17, (1, 4, 3))
    y = generator.integers(-64, 64, (4, 3))
    for answer in (ANSWER, b""):  # of a system nobody hears it
        transport = Memory(answer + frames(0xB0, y, PORT_OUT))
        result = Accelerator(transport, DESIGN, outputs=3).run(x / 1024)
        assert transport.written == bytes(16) + RESTART + frames(0xA0, x[0], PORT_IN)
        assert np.array_equal(result[0], y / 64)


@pytest.mark.parametrize(
    ("place", "message"),
    [(0, r"must begin with 0xB1, not 0xA1: reset the board"), (3, r"must have the check that it says: reset")],
)
def test_a_wrong_answer(place: int, message: str) -> None:
    wrong = bytearray(frames(0xB0, np.zeros((1, 4), dtype=int), PORT_OUT))
    wrong[place] ^= 0x10
    with pytest.raises(HostError, match=message):
        Accelerator(Memory(bytes(wrong)), DESIGN).run(np.zeros((1, 1, 3)))


def test_a_pair_writes_to_one_end_and_reads_from_the_other() -> None:
    first, last = Memory(b"first"), Memory(b"last")
    pair = PairTransport(first, last)
    pair.write(b"step")
    assert pair.read(4, 1.0) == b"last"
    assert (first.written, last.written) == (b"step", b"")


def test_silence_is_one_clear_error() -> None:
    with pytest.raises(HostError, match=r"sent 0 of 8 bytes within 10 s in answer to sequence 0, step 0"):
        Accelerator(Memory(b""), DESIGN).run(np.zeros((1, 2, 3)))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 3)), r"shape \(sequences, steps, 1\.\.4 features\), not \(2, 3\)"),
        (np.zeros((1, 2, 5)), r"not \(1, 2, 5\)"),
        (np.full((1, 1, 1), np.nan), r"must be finite"),
    ],
)
def test_bad_input(x: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Accelerator(Memory(b""), DESIGN).run(x)


def test_bad_design() -> None:
    with pytest.raises(DesignError, match=r"lacks the key 'm_axis'"):
        Accelerator(Memory(b""), {"ports": {"s_axis": PORT_IN}})
    with pytest.raises(DesignError, match=r"within 1\.\.4, not 9"):
        Accelerator(Memory(b""), DESIGN, outputs=9)


def test_serial_port_without_pyserial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "serial", None)
    with pytest.raises(ToolError, match=r"run `pip install pyserial`"):
        SerialTransport("/dev/ttyUSB0", 115200)


def test_serial_port(monkeypatch: pytest.MonkeyPatch) -> None:
    class Absent:
        @staticmethod
        def Serial(port: str, baud: int) -> None:
            raise OSError("no such device")

    monkeypatch.setitem(sys.modules, "serial", Absent)
    with pytest.raises(ToolError, match=r"port /dev/none cannot be opened: no such device"):
        SerialTransport("/dev/none", 115200)


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"No simulation listens at .*nothing after 0 s: No such file"):
        SocketTransport(tmp_path / "nothing", connect_seconds=0)
