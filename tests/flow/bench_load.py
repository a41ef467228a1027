"""Bench of the whole core: cocotbext-axi stops it, loads other parameters over AXI4-Lite, and lets it run.

RNNGEN_BENCH names a JSON file: ``offsets`` (of registers), ``digest``, ``memories`` (each [engine, memory, width,
words in hexadecimal]), ``sequences`` (each a list of bytes), ``result`` (a JSON file to write).
"""

from __future__ import annotations

import json
import os

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource

with open(os.environ["RNNGEN_BENCH"], encoding="utf-8") as file:
    CONFIG = json.load(file)


class Core:
    """The accelerator between three clients."""

    def __init__(self, dut) -> None:
        self.dut = dut

    async def start(self) -> None:
        dut = self.dut
        for name in ("awprot", "arprot"):
            getattr(dut, f"s_axil_{name}").value = 0
        dut.aresetn.value = 0
        Clock(dut.aclk, 10, unit="ns").start()
        reset = {"reset": dut.aresetn, "reset_active_level": False}
        self.master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.aclk, **reset)
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.aclk, **reset)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.aclk, **reset)
        await self.cycles(8)
        dut.aresetn.value = 1
        await self.cycles(4)

    async def cycles(self, count: int) -> None:
        for _ in range(count):
            await RisingEdge(self.dut.aclk)

    async def write(self, name: str, value: int) -> None:
        await self.master.write_dword(CONFIG["offsets"][name], value)

    async def read(self, name: str) -> int:
        return await self.master.read_dword(CONFIG["offsets"][name])

    async def stop(self) -> None:
        """No new input; what is inside comes out."""
        await self.write("CONTROL", 0)
        while not await self.read("STATUS") & 1:
            await self.cycles(20)

    async def load(self) -> None:
        for engine, memory, width, words in CONFIG["memories"]:
            await self.write("LOAD_SELECT", engine << 8 | memory)
            await self.write("LOAD_ADDRESS", 0)
            for word in words:
                for low in range(0, width, 32):
                    await self.write("LOAD_DATA", int(word, 16) >> low & 0xFFFFFFFF)
            assert await self.read("LOAD_STATUS") == len(words)
        assert await self.read("ERRORS") == 0

    async def results(self) -> list[str]:
        frames = [await self.sink.recv() for _ in CONFIG["sequences"]]
        return [bytes(frame.tdata).hex() for frame in frames]

    def send(self) -> None:
        for sequence in CONFIG["sequences"]:
            self.source.send_nowait(AxiStreamFrame(bytes(sequence)))


@cocotb.test()
async def other_parameters(dut) -> None:
    core = Core(dut)
    await core.start()
    digest = "".join([f"{await core.read(f'DIGEST{index}'):08x}" for index in range(4)])
    assert digest == CONFIG["digest"]
    core.send()
    before = await core.results()
    await core.stop()
    await core.load()
    core.send()
    await core.cycles(200)
    assert not dut.s_axis_tready.value, "a stopped core must take nothing"
    assert core.sink.empty()
    steps = await core.read("STEPS_IN")
    assert steps == await core.read("STEPS_OUT") > 0
    await core.write("CONTROL", 3)  # go on, counters from 0
    await core.cycles(30)
    await core.stop()  # in the middle: what was accepted comes out, nothing else
    halted = await core.read("STEPS_OUT")
    assert 0 < halted < steps
    assert halted == await core.read("STEPS_IN")
    await core.write("CONTROL", 1)
    after = await core.results()
    assert await core.read("STEPS_OUT") == steps
    assert await core.read("INPUT_STALLS") > 0
    with open(CONFIG["result"], "w", encoding="utf-8") as file:
        json.dump({"before": before, "after": after, "saturations": await core.read("SATURATIONS")}, file)
