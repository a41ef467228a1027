"""The host's end of the serial protocol (``rnngen.gateware.frames``, docs/serial-protocol.md)."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from rnngen.gateware import frames
from rnngen.gateware.frames import StreamShape
from rnngen.host.errors import HostError, LineError, RegisterError
from rnngen.host.transports import Transport

_TRIES = 4
_WRITES_AHEAD = 32
"""Register writes that are sent before the first one is answered."""
_MOST_AHEAD = 128
"""Steps in flight: less than half of the numbers, so that none is taken for another."""
_READ_SECONDS = 0.05


@dataclass(frozen=True)
class Result:
    """A result as it came: its number, stream and beats, and whether it ends its sequence."""

    number: int
    stream: int
    last: bool
    beats: bytes


@dataclass(frozen=True)
class BridgeState:
    """What a look shows: numbers (modulo 256) of the next step and result, steps in the buffer, refused frames."""

    next_step: int
    next_result: int
    waiting: int
    dropped: int

    @classmethod
    def of(cls, word: int) -> BridgeState:
        """Of the answer's data."""
        return cls(word & 0xFF, word >> 8 & 0xFF, word >> 16 & 0xFF, word >> 24)


class SerialLink:
    """Steps, results and register accesses over a transport.

    Steps are numbered and sent again where the bridge did not get them; results are numbered, and a lost one is an
    error.  Nothing is done in the background: the methods read what has come.

    Args:
        transport: Carries the bytes; the caller closes it.
        takes, gives: Shapes of the streams.
        timeout: Seconds to wait for what must come.
        patience: Seconds of silence behind which the bridge is asked where it is.
        every: Whether each step has a result, soon: then results tell that steps were taken.
    """

    def __init__(
        self, transport: Transport, takes: StreamShape, gives: StreamShape, timeout: float = 10.0,
        patience: float = 0.25, every: bool = True,
    ) -> None:  # fmt: skip
        self._transport, self._takes, self._gives = transport, takes, gives
        self._timeout, self._patience, self._every = timeout, patience, every
        self._heard = bytearray()
        self._results: deque[Result] = deque()
        self._answers: deque[bytes] = deque()
        self._tag = time.monotonic_ns() % frames.NUMBERS  # answers to somebody before are not taken for ours
        self._slots = 2
        self._begin()

    def _begin(self) -> None:
        """Numbers from 0; nothing is in flight."""
        self._start(BridgeState(0, 0, 0, 0))

    def _start(self, state: BridgeState) -> None:
        """Goes on from the bridge's numbers."""
        self._first = self._sent = self._taken = state.next_step
        self._got, self._done = state.next_result, 0
        self._kept: deque[bytes] = deque()  # the newest steps: all that the bridge may not have
        self._lost: tuple[int, int] | None = None
        self._results.clear()

    # Steps and results

    @property
    def room(self) -> int:
        """Steps that can be sent at once."""
        return min(self._slots, _MOST_AHEAD) - (self._sent - self._taken)

    @property
    def window(self) -> int:
        """Steps in flight, at most."""
        return min(self._slots, _MOST_AHEAD)

    def send(self, beats: bytes, last: bool, stream: int = 0) -> None:
        """Sends a step; waits while the bridge has no room for it.

        Raises:
            HostError: there was none in time.  LineError: a result was lost meanwhile.
        """
        waited = time.monotonic()
        while self.room <= 0:
            if not self._listen(self._patience if self._every else 0.0) or not self._every:
                self._catch_up()
            if time.monotonic() - waited > self._timeout:
                raise HostError(
                    f"The accelerator took no step within {self._timeout:g} s: check that CONTROL.enable is 1, or "
                    f"recover() the device."
                )
        named = bytes([stream]) if self._takes.tid_bits else b""
        head = bytes([frames.STEP | int(last), self._sent % frames.NUMBERS])
        frame = frames.with_crc(head + named + beats)
        self._kept.append(frame)
        self._sent += 1
        self._transport.write(frame)

    def ready(self) -> bool:
        """Whether a result is there, of what has come by now."""
        while not self._results and self._listen(0.0):
            pass
        return bool(self._results)

    def result(self, timeout: float | None = None) -> Result:
        """The next result; steps that the bridge did not get are sent again meanwhile.

        Raises:
            HostError: none came in time.  LineError: one was lost.
        """
        limit = self._timeout if timeout is None else timeout
        deadline = time.monotonic() + limit
        while not self._results:
            left = deadline - time.monotonic()
            if left <= 0:
                raise HostError(
                    f"The accelerator gave no result within {limit:g} s: check the port, the baud rate and that the "
                    f"board holds this design, or recover() the device."
                )
            if not self._listen(min(left, self._patience)):
                self._catch_up()
        return self._results.popleft()

    def _catch_up(self) -> None:
        """Learns what the bridge has, and sends again what it has not."""
        state = self.look()
        lost = (self._sent - state.next_step) % frames.NUMBERS
        if lost > len(self._kept):
            raise LineError("The bridge counts other steps than were sent: it was reset, or somebody else talks to it.")
        while len(self._kept) > lost:
            self._kept.popleft()
        self._taken = max(self._taken, self._sent - lost - state.waiting)
        # What was sent before the answer has come before it.
        if state.next_result != self._got % frames.NUMBERS and not self._results:
            raise LineError(_lost_sentence(state.next_result, self._got % frames.NUMBERS))
        for frame in self._kept:
            self._transport.write(frame)

    # Requests

    def look(self, address: int = frames.LOOK_STATE) -> BridgeState:
        """What the bridge is at."""
        return BridgeState.of(self._look(address))

    def _look(self, address: int) -> int:
        return self._ask(frames.LOOK, address, 0)[1]

    def escape(self) -> None:
        """Ends whatever frame the bridge is in, and forgets what has come."""
        self._transport.write(frames.escape(self._takes))
        self._heard.clear()

    def connect(self) -> BridgeState:
        """Finds the bridge, whatever state it is in, and goes on from its numbers; what was on the way is forgotten.

        Raises:
            HostError: nobody answers, or somebody with another protocol or shape.
        """
        self.escape()
        shape = self._look(frames.LOOK_SHAPE)
        version, slots, step_bytes = shape & 0xFF, shape >> 8 & 0xFF, shape >> 16
        if version != frames.PROTOCOL_VERSION:
            raise HostError(f"The bridge must speak protocol {frames.PROTOCOL_VERSION}, not {version}: build it again.")
        if slots and step_bytes != self._takes.step_bytes & 0xFFFF:
            raise HostError(
                f"The board takes steps of {step_bytes} bytes and the design gives {self._takes.step_bytes}: it holds "
                f"another design."
            )
        state = self.look()
        self._start(state)
        self._slots = max(1, slots)
        return state

    def restart(self) -> None:
        """Resets bridge and accelerator; whatever was on the way is gone, and numbers begin anew.

        Raises:
            HostError: nobody answers.
        """
        self.escape()
        self._ask(frames.RESTART, 0, 0)
        self._begin()

    def read(self, address: int) -> int:
        """The register at a byte address.

        Raises:
            RegisterError: there is none, or it cannot be read.  HostError: nobody answers.
        """
        status, data = self._ask(frames.READ, address, 0)
        _check(status, f"read of register 0x{address:02X}")
        return data

    def write(self, address: int, data: int) -> None:
        """Writes the register at a byte address.

        Raises:
            RegisterError: there is none, or it cannot be written.  HostError: nobody answers.
        """
        status, _ = self._ask(frames.WRITE, address, data)
        _check(status, f"write of register 0x{address:02X}")

    def write_all(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Writes many registers in order, without waiting for each answer.

        Raises:
            RegisterError: one of them was refused; those behind it may have been written.  HostError: nobody answers.
        """
        waiting: deque[tuple[int, bytes]] = deque()
        status = 0
        for address, data in pairs:
            self._tag = (self._tag + 1) % frames.NUMBERS
            frame = frames.request(frames.WRITE, self._tag, address, data)
            waiting.append((self._tag, frame))
            self._transport.write(frame)
            while len(waiting) >= _WRITES_AHEAD:
                status |= self._answered(waiting)
        while waiting:
            status |= self._answered(waiting)
        _check(status, "write of several registers")

    def _answered(self, waiting: deque[tuple[int, bytes]]) -> int:
        """Waits for an answer to one of the oldest writes, which answers those before it, too."""
        for _ in range(_TRIES):
            answer = self._await_answer()
            tags = [tag for tag, _ in waiting]
            if answer is not None and answer[1] in tags:
                for _ in range(tags.index(answer[1]) + 1):
                    waiting.popleft()
                return answer[2]
            if answer is None:
                # Nothing behind a lost frame was carried out, and the last one that was is answered again.
                for _, frame in waiting:
                    self._transport.write(frame)
        raise self._silence("a register write")

    def _ask(self, kind: int, address: int, data: int) -> tuple[int, int]:
        """Status and data of a request, which is sent again where no answer comes: it is carried out once only."""
        self._tag = (self._tag + 1) % frames.NUMBERS
        frame = frames.request(kind, self._tag, address, data)
        self._answers.clear()
        for _ in range(_TRIES):
            self._transport.write(frame)
            while (answer := self._await_answer()) is not None:
                if answer[0] == frames.ANSWER | kind and answer[1] == self._tag:
                    return answer[2], int.from_bytes(answer[3:7], "little")
        raise self._silence("a request")

    def _await_answer(self) -> bytes | None:
        """The next answer; None: none came within a share of the timeout."""
        deadline = time.monotonic() + self._timeout / _TRIES
        while not self._answers:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            if not self._listen(min(left, _READ_SECONDS), strict=False):
                self._search()
        return self._answers.popleft()

    def _search(self) -> None:
        """An answer behind a frame that does not go on, as a restart leaves one."""
        for begin in range(len(self._heard) - frames.ANSWER_BYTES + 1):
            frame = bytes(self._heard[begin : begin + frames.ANSWER_BYTES])
            if frame[0] & frames.REQUEST_MASK == frames.ANSWER and frame[1] == self._tag and frames.is_sound(frame):
                del self._heard[: begin + frames.ANSWER_BYTES]
                self._answers.append(frame)
                return

    def _silence(self, what: str) -> HostError:
        return HostError(
            f"Nobody answered {what} within {self._timeout:g} s: check the port, the baud rate and that the board "
            f"holds this design."
        )

    # Bytes

    def _listen(self, timeout: float, strict: bool = True) -> bool:
        """Sorts what comes within ``timeout``; whether anything came.

        Raises:
            LineError: a result was lost (``strict``; else it will be told when the next one is asked for).
        """
        data = self._transport.receive(timeout)
        self._heard += data
        while self._next_frame():
            pass
        if strict and self._lost is not None:
            lost, self._lost = self._lost, None
            raise LineError(_lost_sentence(*lost))
        return bool(data)

    def _next_frame(self) -> bool:
        """Takes a frame, or a byte that is none's, out of what was heard; whether there may be more."""
        if not self._heard:
            return False
        head = self._heard[0]
        if head & frames.STREAM_MASK == frames.RESULT:
            size = self._gives.frame_bytes
        elif head & frames.REQUEST_MASK == frames.ANSWER:
            size = frames.ANSWER_BYTES
        else:
            del self._heard[0]
            return True
        if len(self._heard) < size:
            return False
        frame = bytes(self._heard[:size])
        if not frames.is_sound(frame):
            del self._heard[0]  # what looks like a frame may be the middle of one
            return True
        del self._heard[:size]
        if head & frames.REQUEST_MASK == frames.ANSWER:
            self._answers.append(frame)
        else:
            self._keep(frame)
        return True

    def _keep(self, frame: bytes) -> None:
        named = 1 if self._gives.tid_bits else 0
        number, due = frame[1], self._got % frames.NUMBERS
        if number != due and self._lost is None:
            self._lost = (number, due)
        self._got = number + 1
        stream = frame[2] if named else 0
        self._results.append(Result(number, stream, bool(frame[0] & 1), frame[2 + named : -frames.CRC_BYTES]))
        self._done += 1
        if self._every:
            self._taken = max(self._taken, self._first + self._done)
            while len(self._kept) > self._sent - self._taken:
                self._kept.popleft()


def _lost_sentence(came: int, due: int) -> str:
    return (
        f"A result was lost on the line (number {came} came where {due} was due); recover() the device and send the "
        f"sequence again."
    )


def _check(status: int, what: str) -> None:
    if status == frames.DECERR:
        raise RegisterError(f"The {what} was refused: the board has no control port behind its serial line.")
    if status != frames.OKAY:
        raise RegisterError(f"The {what} was refused: the accelerator has no such register.")
