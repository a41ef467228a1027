"""Bench of the whole core: interleaved streams; states given, kept, cleared and read over AXI4-Lite.

RNNGEN_BENCH names a JSON file: ``offsets`` (of registers), ``actions`` (see ``run``), ``result`` (a JSON file to
write: a list with what each action gave).
"""

from __future__ import annotations

import json
import os

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster

with open(os.environ["RNNGEN_BENCH"], encoding="utf-8") as file:
    CONFIG = json.load(file)


class Core:
    """The accelerator between its clients."""

    def __init__(self, dut) -> None:
        self.dut = dut

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

    async def cycles(self, count: int) -> None:
        for _ in range(count):
            await RisingEdge(self.dut.aclk)

    async def write(self, name: str, value: int) -> None:
        await self.master.write_dword(CONFIG["offsets"][name], value)

    async def read(self, name: str) -> int:
        return await self.master.read_dword(CONFIG["offsets"][name])

    async def idle(self) -> None:
        while not await self.read("STATUS") & 1:
            await self.cycles(20)

    async def steps(self, frames: list[dict]) -> list[list]:
        """Sends steps with TID, and TLAST where it is asked for; gives what comes back.

        By hand: cocotbext-axi's source sets TLAST at the end of every frame.
        """
        dut, edge = self.dut, RisingEdge(self.dut.aclk)
        got: list[list] = []
        expected = sum(frame["outputs"] for frame in frames)

        async def feed() -> None:
            for frame in frames:
                for number, beat in enumerate(frame["beats"]):
                    dut.s_axis_tdata.value = int(beat, 16)
                    dut.s_axis_tlast.value = int(frame["last"] and number == len(frame["beats"]) - 1)
                    if hasattr(dut, "s_axis_tid"):
                        dut.s_axis_tid.value = frame["stream"]
                    dut.s_axis_tvalid.value = 1
                    await edge
                    while not dut.s_axis_tready.value:
                        await edge
                dut.s_axis_tvalid.value = 0
                for _ in range(frame["pause"]):
                    await edge

        dut.m_axis_tready.value = 1
        task = cocotb.start_soon(feed())
        waited = 0
        while len(got) < expected and waited < 20000:
            await edge
            waited += 1
            if dut.m_axis_tvalid.value and dut.m_axis_tready.value:
                stream = int(dut.m_axis_tid.value) if hasattr(dut, "m_axis_tid") else 0
                got.append([f"{int(dut.m_axis_tdata.value):x}", int(dut.m_axis_tlast.value), stream])
        await task
        for _ in range(50):
            await edge
            assert not dut.m_axis_tvalid.value, "a beat too many came"
        return got

    async def load(self, memory: list) -> None:
        engine, number, width, words = memory
        await self.write("LOAD_SELECT", engine << 8 | number)
        await self.write("LOAD_ADDRESS", 0)
        for word in words:
            for low in range(0, width, 32):
                await self.write("LOAD_DATA", int(word, 16) >> low & 0xFFFFFFFF)
        assert await self.read("LOAD_STATUS") == len(words)

    async def state(self, place: dict) -> list[str]:
        """All words of a state."""
        await self.idle()
        await self.write("READ_SELECT", place["stream"] << 16 | place["engine"] << 8 | place["memory"])
        words = []
        for word in range(place["depth"]):
            value = 0
            for part in range(-(-place["width"] // 32)):
                await self.write("READ_ADDRESS", word << 16 | part)
                value |= await self.read("READ_DATA") << 32 * part
            words.append(f"{value & (1 << place['width']) - 1:x}")
        return words


@cocotb.test()
async def run(dut) -> None:
    core = Core(dut)
    results = []
    await core.start()
    for kind, argument in CONFIG["actions"]:
        if kind == "steps":
            results.append(await core.steps(argument))
        elif kind == "load":
            await core.idle()
            for memory in argument:
                await core.load(memory)
            results.append(None)
        elif kind == "state":
            results.append([await core.state(place) for place in argument])
        elif kind == "control":
            await core.idle()
            await core.write("CONTROL", argument)
            results.append(None)
        elif kind == "errors":
            await core.idle()
            results.append(await core.read("ERRORS"))
            await core.write("ERRORS", 0xFFFFFFFF)
    with open(CONFIG["result"], "w", encoding="utf-8") as file:
        json.dump(results, file)
