"""The serial bridge in Amaranth's simulator: frames both ways, garbage, back-pressure, a full buffer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from amaranth.sim import Simulator

from rnngen.gateware.uart import StreamShape, UartBridge

DIVISOR = 8
TO_CORE, FROM_CORE = StreamShape(24, 2), StreamShape(16, 3)

Process = Callable[[Any], Any]


def simulate(bridge: UartBridge, drive: Process, *background: Process) -> None:
    simulator = Simulator(bridge)
    simulator.add_clock(1e-8)
    simulator.add_testbench(drive)
    for process in background:
        simulator.add_testbench(process, background=True)
    simulator.run()


async def send(ctx: Any, bridge: UartBridge, data: Iterable[int], divisor: float = DIVISOR) -> None:
    """The host's transmitter; ``divisor`` may be off, as clocks are."""
    due = 0.0
    done = 0
    for byte in data:
        for bit in [0, *((byte >> i) & 1 for i in range(8)), 1]:
            ctx.set(bridge.rx, bit)
            due += divisor
            await ctx.tick().repeat(round(due) - done)
            done = round(due)


async def receive(ctx: Any, bridge: UartBridge, count: int) -> bytes:
    """The host's receiver."""
    data = bytearray()
    while len(data) < count:
        await ctx.tick().until(~bridge.tx)
        await ctx.tick().repeat(DIVISOR // 2)
        byte = 0
        for bit in range(8):
            await ctx.tick().repeat(DIVISOR)
            byte |= ctx.get(bridge.tx) << bit
        await ctx.tick().repeat(DIVISOR)
        assert ctx.get(bridge.tx) == 1
        data.append(byte)
    return bytes(data)


def core_input(bridge: UartBridge, beats: list[tuple[int, int]], pause: int) -> Process:
    async def process(ctx: Any) -> None:
        while True:
            ctx.set(bridge.s_axis_tready, 1)
            data, last = await ctx.tick().sample(bridge.s_axis_tdata, bridge.s_axis_tlast).until(bridge.s_axis_tvalid)
            beats.append((data, last))
            ctx.set(bridge.s_axis_tready, 0)
            if pause:
                await ctx.tick().repeat(pause)

    return process


def step_bytes(last: int, beats: list[int]) -> bytes:
    return bytes([0xA0 | last]) + b"".join(beat.to_bytes(3, "little") for beat in beats)


def test_steps_reach_the_core() -> None:
    for pause, divisor in ((0, DIVISOR), (500, DIVISOR), (3, DIVISOR * 1.02), (3, DIVISOR * 0.98)):
        bridge = UartBridge(TO_CORE, FROM_CORE, DIVISOR)
        beats: list[tuple[int, int]] = []

        async def drive(ctx: Any, bridge: UartBridge = bridge, divisor: float = divisor) -> None:
            frames = step_bytes(0, [0x123456, 0xFFFFFF]) + step_bytes(1, [0xA0A1B0, 0x000001]) + step_bytes(0, [5, 6])
            await send(ctx, bridge, frames, divisor)
            await ctx.tick().repeat(2000)
            assert ctx.get(bridge.dropped) == 0

        simulate(bridge, drive, core_input(bridge, beats, pause))
        assert beats == [(0x123456, 0), (0xFFFFFF, 0), (0xA0A1B0, 0), (1, 1), (5, 0), (6, 0)]


@pytest.mark.parametrize("from_core", [FROM_CORE, None])
def test_garbage_before_a_header_is_dropped_and_counted(from_core: StreamShape | None) -> None:
    bridge = UartBridge(TO_CORE, from_core, DIVISOR)
    beats: list[tuple[int, int]] = []

    async def drive(ctx: Any) -> None:
        await send(ctx, bridge, b"\x00\xb0\xa2" + step_bytes(1, [7, 8]) + b"\xff" + step_bytes(0, [9, 10]))
        await ctx.tick().repeat(100)
        assert ctx.get(bridge.dropped) == 4
        assert ctx.get(bridge.tx) == 1

    simulate(bridge, drive, core_input(bridge, beats, 0))
    assert beats == [(7, 0), (8, 1), (9, 0), (10, 0)]


@pytest.mark.parametrize("to_core", [TO_CORE, None])
def test_results_reach_the_host_and_hold_the_core_back(to_core: StreamShape | None) -> None:
    bridge = UartBridge(to_core, FROM_CORE, DIVISOR)
    answers = [(0, [0x1234, 0xABCD, 0xFFFF]), (1, [1, 2, 3]), (0, [0xB0B1, 0xA0A1, 0])]

    async def core(ctx: Any) -> None:
        for last, beats in answers:
            for index, beat in enumerate(beats):
                ctx.set(bridge.m_axis_tdata, beat)
                ctx.set(bridge.m_axis_tlast, int(last and index == 2))
                ctx.set(bridge.m_axis_tvalid, 1)
                await ctx.tick().until(bridge.m_axis_tready)
                ctx.set(bridge.m_axis_tvalid, 0)
                await ctx.tick().repeat(index + 1)

    async def host(ctx: Any) -> None:
        wanted = b"".join(
            bytes([0xB0 | last]) + b"".join(beat.to_bytes(2, "little") for beat in beats) for last, beats in answers
        )
        assert await receive(ctx, bridge, len(wanted)) == wanted

    simulate(bridge, host, core)


def test_a_full_buffer_is_reported() -> None:
    bridge = UartBridge(TO_CORE, FROM_CORE, DIVISOR, buffer_bytes=4)

    async def drive(ctx: Any) -> None:
        await send(ctx, bridge, step_bytes(0, [1, 2]))
        assert ctx.get(bridge.overflow) == 0
        await send(ctx, bridge, step_bytes(0, [1, 2]))
        assert ctx.get(bridge.overflow) == 1

    simulate(bridge, drive)
