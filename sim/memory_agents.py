"""External memory behind the AXI4 read port ``m_axi``: one of exactly stated cycles, and cocotbext-axi's.

Cycles are counted as in ``bench_stream``.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import cocotb
from cocotb.triggers import RisingEdge

PAGE_BYTES = 4096
INCR = 1
OKAY, SLVERR = 0, 2


@dataclass
class Burst:
    """A burst that was accepted: its first beat may come in cycle ``due``."""

    due: int
    engine: int
    address: int
    beats: int


class ExactMemory:
    """A read-only memory at ``base``: ARREADY is always 1, the first beat of a burst is on the port ``latency`` cycles
    behind the one in which its address was accepted, or straight behind the beats before it; then a beat a cycle.

    ``error_beat``: number of the beat that is answered with SLVERR (None: no such).
    Every request is checked: INCR, whole beats, within a page and within the image.
    """

    def __init__(self, dut, image: bytes, base: int, latency: int, error_beat: int | None) -> None:
        self._dut, self._image, self._base, self._latency = dut, image, base, latency
        self._error_beat = error_beat
        self._bytes = len(dut.m_axi_rdata) // 8
        self.bursts = self.beats = 0

    def start(self):
        """The memory in the background; call it just after a rising edge."""
        self._dut.m_axi_arready.value = 1
        return cocotb.start_soon(self._run())

    async def _run(self) -> None:
        dut, edge = self._dut, RisingEdge(self._dut.aclk)
        arvalid, asked = dut.m_axi_arvalid, RisingEdge(dut.m_axi_arvalid)
        waiting: deque[Burst] = deque()
        cycle, sent, valid = 0, 0, False
        while True:
            await edge
            cycle += 1
            if arvalid.value:
                waiting.append(self._accepted(cycle))
            elif not waiting and not valid:
                await asked  # nothing happens in between
                continue
            if waiting and waiting[0].due <= cycle + 1:
                burst = waiting[0]
                assert dut.m_axi_rready.value, "RREADY must be 1: every beat was asked for"
                self._drive(burst, sent)
                sent, valid = sent + 1, True
                if sent == burst.beats:
                    waiting.popleft()
                    sent = 0
            elif valid:
                dut.m_axi_rvalid.value = 0
                valid = False

    def _accepted(self, cycle: int) -> Burst:
        dut = self._dut
        address, beats = int(dut.m_axi_araddr.value), int(dut.m_axi_arlen.value) + 1
        assert int(dut.m_axi_arburst.value) == INCR, "bursts must be INCR"
        assert 1 << int(dut.m_axi_arsize.value) == self._bytes, "beats must be as wide as the port"
        size = beats * self._bytes
        assert address % self._bytes == 0, "addresses must be multiples of a beat"
        assert address // PAGE_BYTES == (address + size - 1) // PAGE_BYTES, "a burst must not cross a page"
        place = address - self._base
        assert 0 <= place <= place + size <= len(self._image), f"address {address:#x} is outside the image"
        self.bursts += 1
        return Burst(cycle + self._latency, int(dut.m_axi_arid.value), place, beats)

    def _drive(self, burst: Burst, sent: int) -> None:
        dut, first = self._dut, burst.address + sent * self._bytes
        dut.m_axi_rdata.value = int.from_bytes(self._image[first : first + self._bytes], "little")
        dut.m_axi_rid.value = burst.engine
        dut.m_axi_rresp.value = SLVERR if self.beats == self._error_beat else OKAY
        dut.m_axi_rlast.value = int(sent == burst.beats - 1)
        dut.m_axi_rvalid.value = 1
        self.beats += 1


def start_axi_ram(dut, image: bytes, base: int, pauses) -> None:
    """cocotbext-axi's memory, holding the image at ``base``; ``pauses``: of addresses and of data, or None."""
    from cocotbext.axi import AxiRamRead, AxiReadBus

    ram = AxiRamRead(AxiReadBus.from_prefix(dut, "m_axi"), dut.aclk, size=1 << (base + len(image)).bit_length())
    ram.write(base, image)
    if pauses is not None:
        ram.ar_channel.set_pause_generator(pauses[0])
        ram.r_channel.set_pause_generator(pauses[1])


async def write_register(dut, clock, offset: int, value: int) -> None:
    """Write a word behind the AXI4-Lite port ``s_axil``; call it just after a rising edge."""
    edge = RisingEdge(clock)
    dut.s_axil_awaddr.value, dut.s_axil_wdata.value, dut.s_axil_wstrb.value = offset, value, 0xF
    dut.s_axil_awvalid.value = dut.s_axil_wvalid.value = dut.s_axil_bready.value = 1
    open_channels = {"aw", "w", "b"}
    while open_channels:
        await edge
        for channel in sorted(open_channels):
            ready, valid = ("bvalid", "bready") if channel == "b" else (f"{channel}ready", f"{channel}valid")
            if getattr(dut, f"s_axil_{ready}").value:
                if channel == "b":
                    assert int(dut.s_axil_bresp.value) == OKAY, f"the register at {offset:#x} refused what was written"
                getattr(dut, f"s_axil_{valid}").value = 0
                open_channels.discard(channel)
