"""Bench of the control port alone, all in one run: interrupts, resets, streams, and images that change.

RNNGEN_BENCH: as for ``bench_control``.
"""

from __future__ import annotations

import random
import zlib

import cocotb
from bench_control import CONFIG, OFFSET, STREAMS, TB, count_high, parts_of, started
from cocotbext.axi import AxiResp


@cocotb.test()
async def one_stream_is_cleared(dut):
    tb = await started(dut)
    for stream in range(STREAMS):
        pulses = cocotb.start_soon(count_high(dut, dut.restart, 40))
        await tb.write("CLEAR_STREAM", stream)
        assert await pulses == 1 << stream
    assert await tb.read("ERRORS") == 0
    for stream in (STREAMS, 0xFFFF):
        pulses = cocotb.start_soon(count_high(dut, dut.restart, 40))
        await tb.write("CLEAR_STREAM", stream)
        assert await pulses == 0
        assert await tb.read("ERRORS") == 0b1000000
        await tb.write("ERRORS", 0b1000000)
    assert (await tb.master.read(OFFSET["CLEAR_STREAM"], 4)).resp == AxiResp.SLVERR


@cocotb.test()
async def a_soft_reset_is_one_pulse_and_leaves_the_registers(dut):
    tb = await started(dut)
    await tb.write("LOAD_ADDRESS", 77)
    pulses = cocotb.start_soon(count_high(dut, dut.soft_reset, 40))
    await tb.write("CONTROL", 0b1001)
    assert await pulses == 1
    assert await tb.read("CONTROL") == 1
    assert await tb.read("LOAD_ADDRESS") == 77


@cocotb.test()
async def the_worst_latency_is_kept(dut):
    tb = await started(dut)
    most = 0
    for cycles in (9, 4, 12, 12, 1000, 3):
        await tb.cycles(1)  # a pin changes at the falling edge
        dut.latency.value, dut.measured.value = cycles, 1
        await tb.cycles(1)
        dut.latency.value, dut.measured.value = 0xFFFFFFFF, 0
        most = max(most, cycles)
        assert await tb.read("LATENCY_MAX") == most
    await tb.write("CONTROL", 0b11)
    assert await tb.read("LATENCY_MAX") == 0


@cocotb.test()
async def interrupts_are_pending_until_they_are_cleared_and_masked(dut):
    tb = await started(dut)
    causes = {"step_out": 1, "sequence_out": 2, "protocol_error": 4, "reset_done": 16}
    for mask in (0, 0b11111, 0b10010):
        await tb.write("INTERRUPT_MASK", 0xFFFFFFE0 | mask)
        assert await tb.read("INTERRUPT_MASK") == mask
        for pin, bit in causes.items():
            await tb.cycles(1)  # a pin changes at the falling edge
            getattr(dut, pin).value = 1
            await tb.cycles(1)
            getattr(dut, pin).value = 0
            await tb.cycles(4)
            assert int(dut.irq.value) == int(mask & bit != 0), pin
            assert await tb.read("INTERRUPT_PENDING") == bit
            await tb.write("INTERRUPT_PENDING", ~bit & 0xFFFFFFFF)
            assert await tb.read("INTERRUPT_PENDING") == bit
            await tb.write("INTERRUPT_PENDING", bit)
            await tb.cycles(2)
            assert await tb.read("INTERRUPT_PENDING") == 0
            assert int(dut.irq.value) == 0
        await tb.write("ERRORS", 0xFFFFFFFF)
    dut.step_out.value = 1
    await tb.write("INTERRUPT_MASK", 1)
    await tb.cycles(3)
    stays = cocotb.start_soon(count_high(dut, dut.irq, 12))
    await tb.write("INTERRUPT_PENDING", 1)
    assert await stays == 12, "an event in the cycle of the clearing must not be lost"


class Loads:
    """Writes to load, and the checksum that the host computes of them."""

    def __init__(self, tb: TB) -> None:
        self.tb, self.crc = tb, 0

    async def write(self, name: str, value: int) -> None:
        await self.tb.write(name, value)
        self.crc = zlib.crc32(value.to_bytes(4, "little"), self.crc)

    async def memory(self, engine: int, memory: int, words: int | None = None) -> None:
        (width, depth), = ((w, d) for e, k, w, d in CONFIG["memories"] if (e, k) == (engine, memory))
        await self.write("LOAD_SELECT", engine << 8 | memory)
        await self.write("LOAD_ADDRESS", 0)
        for _ in range(depth if words is None else words):
            for part in parts_of(random.getrandbits(width), width):
                await self.write("LOAD_DATA", part)

    async def image(self) -> None:
        for engine, memory in CONFIG["double"]:
            await self.memory(engine, memory)

    async def commit(self, crc: int | None = None) -> int:
        """ERRORS behind it."""
        await self.tb.write("LOAD_CHECKSUM", self.crc if crc is None else crc)
        await self.tb.write("LOAD_CONTROL", 2)
        await self.tb.cycles(2)
        errors = await self.tb.read("ERRORS")
        await self.tb.write("ERRORS", errors)
        return errors

    async def begin(self) -> None:
        await self.tb.write("LOAD_CONTROL", 1)
        self.crc = 0


WAITS, IMAGE, REJECTED, REFUSED = 1 << 5, 1 << 6, 1 << 1, 1 << 5
TOTAL = sum(depth for engine, memory, _, depth in CONFIG["memories"] if [engine, memory] in CONFIG["double"])


@cocotb.test()
async def the_image_changes_once_a_whole_one_of_the_right_checksum_is_there(dut):
    tb = await started(dut)
    loads, between = Loads(tb), 1 << 4
    await loads.image()
    assert await tb.read("LOAD_CRC") == loads.crc
    assert await tb.read("LOAD_WORDS") == TOTAL
    assert await loads.commit(loads.crc ^ 1) == REFUSED
    assert await loads.commit() == 0
    dut.idle.value = 1  # but a sequence is open
    await tb.cycles(5)
    assert await tb.read("STATUS") == WAITS | 1
    assert not int(dut.hold.value)
    dut.idle.value, dut.between.value = 0, 1
    await tb.cycles(5)
    assert int(dut.hold.value) == 1
    assert await tb.read("STATUS") == WAITS | between
    assert int(dut.image.value) == 0
    switched = cocotb.start_soon(count_high(dut, dut.switched, 20))
    dut.idle.value = 1
    await tb.cycles(2)
    assert (int(dut.image.value), int(dut.hold.value)) == (1, 0)
    assert await switched == 1
    assert await tb.read("STATUS") == IMAGE | between | 1
    assert await tb.read("INTERRUPT_PENDING") == 0b1100
    assert [await tb.read(name) for name in ("LOAD_CRC", "LOAD_WORDS")] == [0, 0]
    assert await loads.commit() == REFUSED  # the other one is not taken back by mistake
    assert int(dut.image.value) == 1


@cocotb.test()
async def no_part_of_an_image_is_taken(dut):
    tb = await started(dut)
    dut.idle.value = dut.between.value = 1
    loads = Loads(tb)
    first, last = CONFIG["double"][0], CONFIG["double"][-1]
    await loads.memory(*first)
    assert await loads.commit() == REFUSED  # one memory is missing
    await loads.memory(*last, words=1)
    assert await loads.commit() == REFUSED  # a word is
    await loads.begin()
    await loads.image()
    await loads.memory(*first, words=1)
    assert await tb.read("LOAD_WORDS") == TOTAL + 1
    assert await loads.commit() == REFUSED  # a word too many
    await loads.begin()
    await loads.image()
    await loads.write("LOAD_DATA", 0)  # beyond the memory
    await loads.write("LOAD_DATA", 0)
    assert await loads.commit() == REFUSED | REJECTED
    assert not int(dut.image.value)
    await loads.begin()
    await loads.memory(0, 1)  # of one image, in between
    await loads.image()
    assert await loads.commit() == 0
    await tb.cycles(3)
    assert int(dut.image.value) == 1


@cocotb.test()
async def nothing_is_written_to_an_image_that_waits_and_it_can_be_forgotten(dut):
    tb = await started(dut)
    loads = Loads(tb)
    await loads.image()
    assert await loads.commit() == 0
    tb.loaded.clear()
    await loads.memory(*CONFIG["double"][0], words=1)
    assert await tb.read("ERRORS") == REJECTED
    await tb.write("ERRORS", REJECTED)
    assert tb.loaded == []
    await loads.memory(0, 1, words=1)
    assert len(tb.loaded) == 1
    assert await loads.commit() == REFUSED  # one waits
    await loads.begin()
    assert not await tb.read("STATUS") & WAITS
    dut.idle.value = dut.between.value = 1
    await tb.cycles(5)
    assert not int(dut.image.value)
    await loads.image()
    assert await loads.commit() == 0
    assert int(dut.image.value) == 1


@cocotb.test()
async def narrow_writes_change_their_bytes(dut):
    """As a host of 8 or 16 bits makes them, through cocotbext-axi."""
    tb = await started(dut)
    await tb.write("LOAD_CHECKSUM", 0x11223344)
    for data, kept in ((b"\xaa", 0x112233AA), (b"\xbb\xcc", 0x1122CCBB), (b"\x01\x02\x03", 0x11030201)):
        assert (await tb.master.write(OFFSET["LOAD_CHECKSUM"], data)).resp == AxiResp.OKAY
        assert await tb.read("LOAD_CHECKSUM") == kept
    for offset in (1, 2, 3):  # an address that is no word's
        assert (await tb.master.write(OFFSET["LOAD_CHECKSUM"] + offset, b"\xff")).resp == AxiResp.SLVERR
        assert (await tb.master.read(OFFSET["LOAD_CHECKSUM"] + offset, 1)).resp == AxiResp.SLVERR
    assert await tb.read("LOAD_CHECKSUM") == 0x11030201
    assert (await tb.master.write(OFFSET["CLEAR_STREAM"], b"\x00")).resp == AxiResp.SLVERR
    assert (await tb.master.write(OFFSET["LOAD_CRC"], b"\x00")).resp == AxiResp.SLVERR
