"""The host side of an accelerator: real numbers in, real numbers out.

A step travels as a frame of bytes. To the device: one byte 0xA0 | last, then the beats of the step, each as
its TDATA bytes, low byte first. From the device: one byte 0xB0 | last, then the beats of its output. One step
is outstanding at a time, so neither side needs more room than a step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rnngen.arith.beats import PortFormat, pack, unpack
from rnngen.arith.format import FloatArray, IntArray
from rnngen.errors import DataError, DesignError, RnngenError
from rnngen.host.transports import Transport

_REQUEST = 0xA0
_ANSWER = 0xB0


class HostError(RnngenError):
    """The device does not answer, or answers something else than the protocol says."""


class Accelerator:
    """An accelerator behind a transport: a board's UART, or the simulation of it.

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
            self._input = PortFormat.from_design(design["ports"]["s_axis"])
            self._output = PortFormat.from_design(design["ports"]["m_axis"])
        except KeyError as error:
            raise DesignError(f"The design lacks the key {error.args[0]!r}: generate it again.") from None
        self._transport = transport
        self._outputs = self._output.words_per_step if outputs is None else outputs
        self._timeout = timeout
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
        for sequence in range(sequences):
            beats = pack([words[sequence]], self._input)[0].reshape(steps, -1)
            for step in range(steps):
                last = int(step == steps - 1)
                self._transport.write(bytes([_REQUEST | last]) + beats[step].tobytes())
                results[sequence, step] = self._answer(sequence, step, last)
        return results

    def _answer(self, sequence: int, step: int, last: int) -> IntArray:
        size = 1 + self._output.words_per_step * self._output.lane_bytes
        data = self._transport.read(size, self._timeout)
        if len(data) < size:
            raise HostError(
                f"The accelerator sent {len(data)} of {size} bytes within {self._timeout:g} s in answer to sequence "
                f"{sequence}, step {step}: check the port, the baud rate and that the board holds this design."
            )
        if data[0] != _ANSWER | last:
            raise HostError(
                f"The answer to sequence {sequence}, step {step} must begin with 0x{_ANSWER | last:02X}, not "
                f"0x{data[0]:02X}: reset the board and start again."
            )
        beats = np.frombuffer(data[1:], dtype=np.uint8).reshape(self._output.beats_per_step, -1)
        words: IntArray = unpack(beats, self._output, self._outputs)[0]
        return words

    def _check(self, x: npt.NDArray[np.floating[Any]]) -> None:
        if x.ndim != 3 or not 1 <= x.shape[2] <= self._input.words_per_step or x.shape[1] < 1:
            raise DataError(
                f"Input must be of shape (sequences, steps, 1..{self._input.words_per_step} features), not {x.shape}."
            )
        if not np.all(np.isfinite(x)):
            raise DataError("Input must be finite: it holds NaN or infinity.")
