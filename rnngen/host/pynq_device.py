"""An accelerator in the programmable logic of a PYNQ board: DMA for the streams, AXI4-Lite for the registers.

Not run on hardware: tests hold the calls against a stand-in of the ``pynq`` package, by its documented interface.
"""

from __future__ import annotations

import importlib
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from rnngen.arith.beats import pack, unpack
from rnngen.arith.format import IntArray
from rnngen.errors import DesignError, ToolError
from rnngen.host.device import Device
from rnngen.host.errors import HostError
from rnngen.host.ports import HostDesign, host_design

_POLL_SECONDS = 0.0002


class PynqDevice(Device):
    """An accelerator of an overlay.

    A DMA transfer is a whole sequence, as its end is the stream's TLAST; so steps that are given one by one are sent
    with the last of them, and results come behind it.  Beats lie in memory without gaps, so where they are none of the
    DMA's widths a width converter stands between.

    Args:
        design: What the overlay should hold.
        bitfile: The overlay's .bit file, its .hwh file beside it.
        dma, core: Names of its blocks; "": found by what they are.
        timeout: Seconds to wait for a sequence.

    Raises:
        ToolError: pynq is not installed.
        DesignError: a block is not found, or the overlay holds another design.
    """

    def __init__(
        self, design: HostDesign, bitfile: str, dma: str = "", core: str = "", timeout: float = 10.0, check: bool = True
    ) -> None:
        super().__init__(design, timeout)
        self._stepwise = False
        try:
            self._pynq: Any = importlib.import_module("pynq")
        except ImportError:
            raise ToolError(
                "An overlay needs the package pynq, which is not installed: run this on the board, in its environment."
            ) from None
        if design.streams > 1:
            raise DesignError("A DMA names no stream: open a design of one stream.")
        self._overlay = self._pynq.Overlay(bitfile)
        self._dma = getattr(self._overlay, dma or self._block("DMA", "axi_dma"))
        self._mmio = getattr(self._overlay, core or self._block("accelerator", design.name)).mmio
        self._steps: list[IntArray] = []
        self._results: deque[IntArray] = deque()
        if check:
            self.check_identity()
        self.recover()

    def _block(self, what: str, kind: str) -> str:
        """The block whose type, or name, has ``kind`` in it."""
        blocks = self._overlay.ip_dict
        found = [name for name, block in blocks.items() if kind in str(block.get("type", "")) or kind in name]
        if len(found) != 1:
            raise DesignError(
                f"The overlay must have one {what} block ('{kind}'), not {len(found)} of {', '.join(sorted(blocks))}: "
                f"give its name."
            )
        return str(found[0])

    def _send(self, words: IntArray, last: bool, stream: int) -> None:
        self._steps.append(words)
        if last:
            steps = np.stack(self._steps)
            self._steps = []
            self._results += self._transfer(steps)

    def _transfer(self, steps: IntArray) -> Sequence[IntArray]:
        """Results of a whole sequence."""
        beats = pack([steps], self.design.takes)[0]
        count = 1 if self.design.one_step else len(steps)
        gives = self.design.gives
        given = self._pynq.allocate(shape=beats.shape, dtype=np.uint8)
        taken = self._pynq.allocate(shape=(count * gives.beats_per_step, gives.tdata_bits // 8), dtype=np.uint8)
        try:
            given[:] = beats
            given.flush()
            self._dma.recvchannel.transfer(taken)
            self._dma.sendchannel.transfer(given)
            self._wait()
            taken.invalidate()
            words: IntArray = unpack(np.array(taken), gives, self.design.outputs)
            return list(words)
        finally:
            given.freebuffer()
            taken.freebuffer()

    def _wait(self) -> None:
        """Until both channels are idle: their own ``wait`` knows no limit of time."""
        deadline = time.monotonic() + self._timeout
        for name in ("sendchannel", "recvchannel"):
            channel = getattr(self._dma, name)
            while not channel.idle:
                if channel.error:
                    raise HostError(f"The DMA's {name} reports an error: recover() the device.")
                if time.monotonic() > deadline:
                    raise HostError(f"The accelerator gave no whole sequence within {self._timeout:g} s: recover().")
                time.sleep(_POLL_SECONDS)

    def _ready(self) -> bool:
        return bool(self._results)

    def _result(self, timeout: float | None = None) -> tuple[int, IntArray]:
        if not self._results:
            raise HostError("No result is there: over DMA they come with the last step of a sequence.")
        return 0, self._results.popleft()

    def read_register(self, name: str) -> int:
        """A register of the control port."""
        return int(self._mmio.read(self._offset(name)))

    def _write_all(self, pairs: Iterable[tuple[int, int]]) -> None:
        for address, value in pairs:
            self._mmio.write(address, value)

    def recover(self) -> None:
        """Stops and starts both channels, and clears states."""
        for name in ("sendchannel", "recvchannel"):
            channel = getattr(self._dma, name)
            channel.stop()
            channel.start()
        self._steps.clear()
        self._results.clear()
        if "FEATURES" in self.design.document["registers"] and self._feature("soft_reset"):
            self.write_register("CONTROL", self._bits("CONTROL", "enable", "soft_reset"))
        self.clear_state()

    def close(self) -> None:
        """Leaves the overlay as it is."""


def open_overlay(source: Any, bitfile: str, timeout: float = 10.0, check: bool = True) -> PynqDevice:
    """An overlay that should hold a design."""
    return PynqDevice(host_design(source), bitfile, timeout=timeout, check=check)
