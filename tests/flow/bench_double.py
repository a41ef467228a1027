"""Bench of the whole core: sequences without end, while other weights are loaded, checked, committed, and resets.

RNNGEN_BENCH names a JSON file: ``registers`` (the Python map), ``spans`` (each a list of steps [stream, beats in
hexadecimal, whether it ends its sequence]; behind a span every stream is between sequences), ``images`` (each a list of
[engine, memory, width, words in hexadecimal]), ``beats_out`` (of an output step), ``every`` (each step has an output),
``resets`` (there is a soft reset to try), ``seed``, ``result`` (a JSON file to write).
"""

from __future__ import annotations

import json
import os
import random
import zlib

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster

with open(os.environ["RNNGEN_BENCH"], encoding="utf-8") as file:
    CONFIG = json.load(file)
MAP = CONFIG["registers"]
ALWAYS, OFTEN, NEVER = 1.0, 0.6, 0.0
IRQ_CYCLES = 3
"""From what happens to the interrupt."""


def bit(register: str, field: str) -> int:
    low, _ = MAP[register]["fields"][field]
    return 1 << low


class Core:
    """The accelerator with a host that never runs out of input."""

    def __init__(self, dut) -> None:
        self.dut = dut
        self.random = random.Random(CONFIG["seed"])
        self.steps: list[list] = []
        self.begun: list[int] = []  # numbers of the spans that were fed
        self.outputs: list[list] = []
        self.feeding = self.offered = self.ready = False
        self.taking, self.giving = ALWAYS, ALWAYS
        self.beat = self.cycle = 0
        self.entries: list[int] = []
        self.out_beats = self.worst = 0
        self.waiting: tuple[int, int] | None = None
        self.accepted: list[int] = []
        self.left: list[int] = []
        self.irq, self.rose = 0, 0  # it is high; the cycle in which it rose

    async def start(self) -> None:
        dut = self.dut
        for name in ("s_axil_awprot", "s_axil_arprot", "s_axis_tvalid", "m_axis_tready"):
            getattr(dut, name).value = 0
        dut.aresetn.value = 0
        Clock(dut.aclk, 10, unit="ns").start()
        self.master = AxiLiteMaster(
            AxiLiteBus.from_prefix(dut, "s_axil"), dut.aclk, reset=dut.aresetn, reset_active_level=False
        )
        await self.cycles(8)
        dut.aresetn.value = 1
        await self.cycles(4)
        cocotb.start_soon(self.run())

    async def cycles(self, count: int) -> None:
        for _ in range(count):
            await RisingEdge(self.dut.aclk)

    async def run(self) -> None:
        """Both streams, cycle by cycle."""
        dut, edge = self.dut, RisingEdge(self.dut.aclk)
        while True:
            await edge
            self.cycle += 1
            if self.offered and int(dut.s_axis_tready.value):
                self._taken()
            self._collect()
            self._offer()
            before, self.irq = self.irq, int(dut.irq.value)
            if self.irq and not before:
                self.rose = self.cycle
            self.ready = self.random.random() < self.taking
            dut.m_axis_tready.value = int(self.ready)

    def _taken(self) -> None:
        self.offered = False
        self.beat += 1
        self.accepted.append(self.cycle)
        _, beats, last = self.steps[0]
        if self.beat == len(beats):
            self.beat = 0
            del self.steps[0]
            if CONFIG["every"] or last:
                self.entries.append(self.cycle)

    def _collect(self) -> None:
        dut = self.dut
        valid = int(dut.m_axis_tvalid.value)
        shown = (int(dut.m_axis_tdata.value), int(dut.m_axis_tlast.value)) if valid else None
        if self.waiting is not None:
            assert shown == self.waiting, "a beat that was offered was taken back or changed"
        self.waiting = None if self.ready else shown
        if shown is None or not self.ready:
            return
        stream = int(dut.m_axis_tid.value) if hasattr(dut, "m_axis_tid") else 0
        self.outputs.append([stream, f"{shown[0]:x}", shown[1]])
        self.out_beats += 1
        self.left.append(self.cycle)
        if self.out_beats % CONFIG["beats_out"] == 0 and (CONFIG["every"] or shown[1]):
            self.worst = max(self.worst, self.cycle - self.entries.pop(0))

    def _offer(self) -> None:
        dut = self.dut
        if self.offered:
            return
        if not self.steps and self.feeding:
            number = len(self.begun) % len(CONFIG["spans"])
            self.begun.append(number)
            self.steps += CONFIG["spans"][number]
        self.offered = bool(self.steps) and self.random.random() < self.giving
        dut.s_axis_tvalid.value = int(self.offered)
        if self.offered:
            stream, beats, last = self.steps[0]
            dut.s_axis_tdata.value = int(beats[self.beat], 16)
            dut.s_axis_tlast.value = int(last and self.beat == len(beats) - 1)
            if hasattr(dut, "s_axis_tid"):
                dut.s_axis_tid.value = stream

    async def write(self, name: str, value: int) -> None:
        await self.master.write_dword(MAP[name]["offset"], value)

    async def read(self, name: str) -> int:
        return await self.master.read_dword(MAP[name]["offset"])

    async def idle(self) -> None:
        """All input is out."""
        self.feeding = False
        while self.steps or self.offered or not await self.read("STATUS") & bit("STATUS", "idle"):
            await self.cycles(10)
        await self.cycles(20)

    async def spans(self, count: int) -> None:
        """So many more spans begin."""
        self.feeding, target = True, len(self.begun) + count
        while len(self.begun) < target:
            await self.cycles(5)

    async def load(self, image: list, part: float = 1.0) -> int:
        """The CRC of what was written; ``part``: only the first memories."""
        crc = 0

        async def write(name: str, value: int) -> None:
            nonlocal crc
            await self.write(name, value)
            crc = zlib.crc32(value.to_bytes(4, "little"), crc)

        for engine, memory, width, words in image[: max(1, int(part * len(image)))]:
            await write("LOAD_SELECT", engine << 8 | memory)
            await write("LOAD_ADDRESS", 0)
            for word in words:
                for low in range(0, width, 32):
                    await write("LOAD_DATA", int(word, 16) >> low & 0xFFFFFFFF)
        return crc

    async def commit(self, crc: int) -> None:
        await self.write("LOAD_CHECKSUM", crc)
        await self.write("LOAD_CONTROL", bit("LOAD_CONTROL", "commit"))
        await self.cycles(4)

    async def errors(self) -> int:
        errors = await self.read("ERRORS")
        await self.write("ERRORS", errors)
        return errors

    async def interrupt(self, field: str) -> None:
        """Waits for the interrupt, and clears it."""
        mask = bit("INTERRUPT_PENDING", field)
        await self.write("INTERRUPT_MASK", mask)
        while not int(self.dut.irq.value):
            await self.cycles(1)
        await self.write("INTERRUPT_PENDING", mask)
        await self.cycles(4)
        assert not int(self.dut.irq.value)


async def changes(core: Core, result: dict) -> None:
    """Images change again and again while sequences run, and never by mistake."""
    begin = bit("LOAD_CONTROL", "begin")
    rejected = bit("ERRORS", "commit_rejected")
    await core.spans(2)
    for turn in range(4):
        image = CONFIG["images"][(turn + 1) % 2]
        if turn == 1:  # an image of another checksum, and a part of one
            crc = await core.load(image, 0.5)
            await core.commit(crc)
            assert await core.errors() == rejected
            await core.write("LOAD_CONTROL", begin)
        crc = await core.load(image)
        await core.spans(1)
        if turn == 0:
            await core.commit(crc ^ 4)
            assert await core.errors() == rejected
            await core.spans(2)
        assert await core.read("STATUS") & bit("STATUS", "image") == (turn % 2) * bit("STATUS", "image")
        core.taking = core.giving = ALWAYS if turn == 3 else OFTEN
        await core.cycles(core.random.randrange(200))
        await core.commit(crc)
        await core.interrupt("commit")
        changed = core.rose - IRQ_CYCLES
        await core.spans(2)
        assert await core.errors() == 0
    await core.idle()
    end = min(cycle for cycle in core.accepted if cycle >= changed)
    last = max(cycle for cycle in core.left if cycle < changed)
    begin = max(cycle for cycle in core.accepted if cycle < changed)
    result["held"] = {"cycles": end - begin, "behind_the_last_output": end - last}


async def resets(core: Core, result: dict) -> None:
    """A soft reset in the middle of everything, while a beat waits."""
    core.giving = ALWAYS
    await core.spans(2)
    core.taking = NEVER
    while not int(core.dut.m_axis_tvalid.value):
        await core.cycles(1)
    await core.cycles(40)
    await core.write("CONTROL", bit("CONTROL", "enable") | bit("CONTROL", "soft_reset"))
    await core.cycles(30)
    assert await core.read("STATUS") & bit("STATUS", "resetting")
    assert int(core.dut.m_axis_tvalid.value)
    assert not int(core.dut.s_axis_tready.value)
    core.feeding, core.giving = False, NEVER
    core.steps.clear()  # the host begins anew, with a whole step
    core.offered, core.beat = False, 0
    core.dut.s_axis_tvalid.value = 0
    before = len(core.outputs)
    core.taking = ALWAYS
    await core.interrupt("reset")
    assert len(core.outputs) == before + 1, "the beat that waited, and no other"
    status = await core.read("STATUS")
    assert status & bit("STATUS", "idle")
    assert status & bit("STATUS", "between_sequences")
    core.begun, core.outputs, core.out_beats, core.giving = [], [], 0, ALWAYS
    core.entries.clear()
    await core.write("CONTROL", bit("CONTROL", "enable") | bit("CONTROL", "clear_counters"))
    core.worst = 0
    await core.spans(len(CONFIG["spans"]))
    await core.idle()


async def clears(core: Core, result: dict) -> None:
    """The state of one stream is cleared between the same steps of all."""
    part = [step for step in CONFIG["spans"][0] if step[0] in CONFIG["streams"]]
    half = [[stream, beats, False] for stream, beats, last in part if not last]
    core.begun, core.outputs = [], []
    core.steps += half
    await core.idle()
    assert not await core.read("STATUS") & bit("STATUS", "between_sequences")
    await core.write("CLEAR_STREAM", CONFIG["streams"][-1])
    core.steps += part
    await core.idle()
    assert await core.read("ERRORS") == 0


@cocotb.test()
async def weights_change_between_sequences(dut) -> None:
    core, result = Core(dut), {}
    await core.start()
    for phase in CONFIG["phases"]:
        core.begun, core.outputs, core.out_beats = [], [], 0
        await {"changes": changes, "resets": resets, "clears": clears}[phase](core, result)
        if MAP["LATENCY_MAX"] and CONFIG["latency"]:
            assert await core.read("LATENCY_MAX") == core.worst
        result[phase] = {"begun": core.begun, "outputs": core.outputs, "worst": core.worst}
    with open(CONFIG["result"], "w", encoding="utf-8") as file:
        json.dump(result, file)
