"""The software model as a device: the same script, before there is any hardware; bit for bit what it will give."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import numpy as np

from rnngen.arith.format import IntArray
from rnngen.emit.design import Design
from rnngen.emulate.network import StepEmulator, run_values
from rnngen.host.device import Counters, Device
from rnngen.host.errors import HostError
from rnngen.host.parameters import Parameters
from rnngen.host.ports import host_design
from rnngen.ir.quantised import QuantisedNetwork


class EmulatorDevice(Device):
    """The software model of a design.  It has no clock and no registers: counters tell steps and saturations only."""

    def __init__(self, design: Design, timeout: float = 10.0) -> None:
        super().__init__(host_design(design), timeout)
        self._use(design.quantised)
        self._results: deque[tuple[int, IntArray]] = deque()
        self.clear_counters()

    def _use(self, network: QuantisedNetwork) -> None:
        self._network = network
        self._streams: list[StepEmulator | None] = [None] * self.design.streams
        self._stored: list[list[IntArray]] = [[] for _ in range(self.design.streams)]

    def _send(self, words: IntArray, last: bool, stream: int) -> None:
        self._steps_in += 1
        if self.design.every:
            self._results.append((stream, self._step(words, last, stream)))
            return
        self._stored[stream].append(words)
        if last:
            steps = np.stack(self._stored[stream])[None]
            self._stored[stream] = []
            emulation = run_values(self._network, self._network.input_format.to_float(steps))
            self._saturations += emulation.total_saturations
            self._results += [(stream, step) for step in emulation.output[0]]

    def _step(self, words: IntArray, last: bool, stream: int) -> IntArray:
        emulator = self._streams[stream]
        if emulator is None:
            emulator = self._streams[stream] = StepEmulator(self._network)
            emulator.begin()
        result = emulator.step(words[None], last)
        assert result is not None
        if last:
            self._forget(stream)
        output: IntArray = result[0]
        return output

    def _forget(self, stream: int) -> None:
        """The next step is the first of a sequence."""
        emulator = self._streams[stream]
        if emulator is not None:
            self._saturations += _saturations(emulator)
        self._streams[stream] = None

    def _ready(self) -> bool:
        return bool(self._results)

    def _result(self, timeout: float | None = None) -> tuple[int, IntArray]:
        if not self._results:
            raise HostError("The software model gave no result: nothing was sent that has one.")
        self._steps_out += 1
        return self._results.popleft()

    def read_register(self, name: str) -> int:
        """There is none."""
        raise HostError(f"The software model has no registers, so no {name}; open a simulation or a board.")

    def _write_all(self, pairs: Iterable[tuple[int, int]]) -> None:
        raise HostError("The software model has no registers to be written; open a simulation or a board.")

    def counters(self) -> Counters:
        """Steps and saturations."""
        running = sum(_saturations(emulator) for emulator in self._streams if emulator is not None)
        return Counters(
            steps_in=self._steps_in, steps_out=self._steps_out, saturations=self._saturations + running
        )  # fmt: skip

    def clear_counters(self) -> None:
        """Sets all counters to 0."""
        self._steps_in = self._steps_out = 0
        self._saturations = -sum(_saturations(emulator) for emulator in self._streams if emulator is not None)

    def errors(self) -> tuple[str, ...]:
        """None ever."""
        return ()

    def clear_errors(self) -> None:
        """There are none."""

    def clear_state(self) -> None:
        """The next step of every stream is the first of a sequence."""
        for stream in range(self.design.streams):
            self._forget(stream)
            self._stored[stream] = []

    def _put(self, parameters: Parameters) -> None:
        self._use(parameters.network())

    def recover(self) -> None:
        """Clears states and forgets results."""
        self.clear_state()
        self._results.clear()

    def check_identity(self) -> None:
        """It is the design's own."""

    def close(self) -> None:
        """Nothing to release."""


def _saturations(emulator: StepEmulator) -> int:
    return sum(each.total for each in emulator.saturations)
