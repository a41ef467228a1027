"""Steps to an accelerator and its results, and nothing else: where nobody answers requests.

That is a system whose first board takes steps and whose last one gives results.  ``open_device`` does more.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rnngen.arith.beats import PortFormat, pack, unpack
from rnngen.arith.format import FloatArray, IntArray
from rnngen.errors import DataError, DesignError
from rnngen.gateware import frames
from rnngen.gateware.frames import StreamShape
from rnngen.host.errors import HostError
from rnngen.host.transports import Transport


class Accelerator:
    """An accelerator behind a transport: a board's UART, the simulation of it, or both ends of a system.

    One step is outstanding at a time.  The first thing that is sent restarts the bridge, so that both count from 0.

    Args:
        transport: carries the bytes; the caller closes it.
        design: the content of ``design.json``, of which ``ports`` is read.
        outputs: words of a step to return; by default all lanes of the output port.
        timeout: seconds to wait for the answer to a step.

    Raises:
        DesignError: ``ports`` is missing or incomplete.
    """

    def __init__(
        self, transport: Transport, design: Mapping[str, Any], outputs: int | None = None, timeout: float = 10.0
    ) -> None:
        try:
            ports = design["ports"]
            self._input = PortFormat.from_design(ports["s_axis"])
            self._output = PortFormat.from_design(ports["m_axis"])
        except KeyError as error:
            raise DesignError(f"The design lacks the key {error.args[0]!r}: generate it again.") from None
        self._transport = transport
        self._shapes = [StreamShape(port.tdata_bits, port.beats_per_step) for port in (self._input, self._output)]
        self._outputs = self._output.words_per_step if outputs is None else outputs
        self._timeout = timeout
        self._sent: int | None = None
        most = self._output.words_per_step
        if not 1 <= self._outputs <= most:
            raise DesignError(f"Outputs of a step must be within 1..{most}, not {self._outputs}.")

    def run(self, x: npt.NDArray[np.floating[Any]]) -> FloatArray:
        """Outputs (sequences, steps, outputs) of inputs (sequences, steps, features).

        Inputs are rounded half up to the input format, saturating. Every sequence starts from a cleared state.

        Raises:
            DataError: wrong shape, or a value that is not finite.
            HostError: the device does not answer in time, or answers out of step.
        """
        self._check(x)
        return self._output.format.to_float(self.run_integers(self._input.format.quantise(x)))

    def run_integers(self, words: IntArray) -> IntArray:
        """The same in integers of the port formats."""
        sequences, steps, _ = words.shape
        results = np.zeros((sequences, steps, self._outputs), dtype=np.int64)
        if self._sent is None:
            self._transport.write(frames.escape(self._shapes[0]) + frames.request(frames.RESTART, 0))
            self._sent = 0
        for sequence in range(sequences):
            beats = pack([words[sequence]], self._input)[0].reshape(steps, -1)
            for step in range(steps):
                last = int(step == steps - 1)
                head = bytes([frames.STEP | last, self._sent % frames.NUMBERS])
                self._transport.write(frames.with_crc(head + beats[step].tobytes()))
                self._sent += 1
                results[sequence, step] = self._answer(sequence, step, last)
        return results

    def _answer(self, sequence: int, step: int, last: int) -> IntArray:
        size = self._shapes[1].frame_bytes
        data = self._read(size, f"in answer to sequence {sequence}, step {step}")
        if data[0] != frames.RESULT | last or not frames.is_sound(data):
            wrong = f"begin with 0x{frames.RESULT | last:02X}, not 0x{data[0]:02X}"
            if data[0] == frames.RESULT | last:
                wrong = "have the check that it says"
            raise HostError(
                f"The answer to sequence {sequence}, step {step} must {wrong}: reset the board and start again."
            )
        beats = np.frombuffer(data[2 : -frames.CRC_BYTES], dtype=np.uint8).reshape(self._output.beats_per_step, -1)
        words: IntArray = unpack(beats, self._output, self._outputs)[0]
        return words

    def _read(self, size: int, what: str) -> bytes:
        """A result's bytes; the answer to the restart is passed over where one comes."""
        deadline = time.monotonic() + self._timeout
        while True:
            data = self._transport.read(1, max(0.0, deadline - time.monotonic()))
            answers = bool(data) and data[0] & frames.REQUEST_MASK == frames.ANSWER
            rest = frames.ANSWER_BYTES - 1 if answers else size - 1
            if data:
                data += self._transport.read(rest, max(0.0, deadline - time.monotonic()))
            if len(data) < rest + 1:
                raise HostError(
                    f"The accelerator sent {len(data)} of {size} bytes within {self._timeout:g} s {what}: check the "
                    f"port, the baud rate and that the board holds this design."
                )
            if not answers:
                return data

    def _check(self, x: npt.NDArray[np.floating[Any]]) -> None:
        if x.ndim != 3 or not 1 <= x.shape[2] <= self._input.words_per_step or x.shape[1] < 1:
            raise DataError(
                f"Input must be of shape (sequences, steps, 1..{self._input.words_per_step} features), not {x.shape}."
            )
        if not np.all(np.isfinite(x)):
            raise DataError("Input must be finite: it holds NaN or infinity.")
