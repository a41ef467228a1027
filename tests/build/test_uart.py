"""The serial bridge in Amaranth's simulator: frames both ways, line errors, registers, restarts, back-pressure."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from amaranth.sim import Simulator

from rnngen.gateware import frames
from rnngen.gateware.frames import StreamShape
from rnngen.gateware.uart.bridge import UartBridge

DIVISOR = 4
LIMIT = 60_000
TO_CORE, FROM_CORE = StreamShape(24, 2), StreamShape(16, 3)
WRITE, READ, LOOK, RESTART = range(4)

Process = Callable[[Any], Any]


def crc(data: bytes) -> bytes:
    """CRC-16 of polynomial 0x1021, begun with 0xFFFF, a bit at a time."""
    value = 0xFFFF
    for byte in data:
        value ^= byte << 8
        for _ in range(8):
            value = value << 1 ^ (0x11021 if value & 0x8000 else 0)
    return value.to_bytes(2, "big")


def step(number: int, last: int, beats: list[int], stream: int | None = None) -> bytes:
    return result(number, last, beats, stream, 0xA0, 3)


def result(
    number: int, last: int, beats: list[int], stream: int | None = None, kind: int = 0xB0, size: int = 2
) -> bytes:
    head = bytes([kind | last, number, *([] if stream is None else [stream])])
    frame = head + b"".join(beat.to_bytes(size, "little") for beat in beats)
    return frame + crc(frame)


def request(kind: int, tag: int, address: int = 0, data: int = 0) -> bytes:
    frame = bytes([0xC0 | kind, tag]) + address.to_bytes(2, "little") + data.to_bytes(4, "little")
    return frame + crc(frame)


def answer(kind: int, tag: int, status: int, data: int = 0) -> bytes:
    frame = bytes([0xD0 | kind, tag, status]) + data.to_bytes(4, "little")
    return frame + crc(frame)


def simulate(bridge: UartBridge, drive: Process, *background: Process) -> None:
    simulator = Simulator(bridge)
    simulator.add_clock(1e-8)
    simulator.add_testbench(drive)

    async def limit(ctx: Any) -> None:
        await ctx.tick().repeat(LIMIT)
        raise AssertionError("What was waited for did not come.")

    simulator.add_testbench(limit, background=True)
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


def core_input(bridge: UartBridge, beats: list[tuple[int, ...]], pause: int) -> Process:
    async def process(ctx: Any) -> None:
        signals = [bridge.s_axis_tdata, bridge.s_axis_tlast, *([bridge.s_axis_tid] if bridge._to_core.tid_bits else [])]
        while True:
            ctx.set(bridge.s_axis_tready, 1)
            beats.append(tuple(await ctx.tick().sample(*signals).until(bridge.s_axis_tvalid)))
            ctx.set(bridge.s_axis_tready, 0)
            if pause:
                await ctx.tick().repeat(pause)

    return process


def core_output(bridge: UartBridge, results: list[tuple[int, list[int]]]) -> Process:
    async def process(ctx: Any) -> None:
        for last, beats in results:
            for index, beat in enumerate(beats):
                ctx.set(bridge.m_axis_tdata, beat)
                ctx.set(bridge.m_axis_tlast, int(last and index == len(beats) - 1))
                ctx.set(bridge.m_axis_tvalid, 1)
                await ctx.tick().until(bridge.m_axis_tready)
                ctx.set(bridge.m_axis_tvalid, 0)
                await ctx.tick().repeat(index + 1)

    return process


def registers(bridge: UartBridge, words: dict[int, int], log: list[tuple[int, ...]], slow: int = 0) -> Process:
    """An AXI4-Lite slave; addresses from 0x100 on are none of its."""

    async def process(ctx: Any) -> None:
        while True:
            await ctx.tick().until(bridge.axil_arvalid | bridge.axil_awvalid)
            writes = ctx.get(bridge.axil_awvalid)
            address = ctx.get(bridge.axil_awaddr if writes else bridge.axil_araddr)
            data = ctx.get(bridge.axil_wdata)
            log.append((address, data) if writes else (address,))
            await ctx.tick().repeat(slow + 1)
            ready = (bridge.axil_awready, bridge.axil_wready) if writes else (bridge.axil_arready,)
            for signal in ready:  # one channel after the other
                ctx.set(signal, 1)
                await ctx.tick()
                ctx.set(signal, 0)
            if writes and address < 0x100:
                words[address] = data
            response = 2 if address >= 0x100 else 0
            ctx.set(bridge.axil_bresp if writes else bridge.axil_rresp, response)
            ctx.set(bridge.axil_rdata, 0 if response else words.get(address, 0))
            valid = bridge.axil_bvalid if writes else bridge.axil_rvalid
            ctx.set(valid, 1)
            await ctx.tick()
            ctx.set(valid, 0)

    return process


def test_the_check_is_the_one_described() -> None:
    """0x29B1 is the published check value of this CRC, of the digits 1 to 9."""
    assert crc(b"123456789") == bytes.fromhex("29b1")
    assert frames.request(frames.WRITE, 5, 0x1234, 0xDEADBEEF) == request(WRITE, 5, 0x1234, 0xDEADBEEF)


def test_steps_reach_the_core() -> None:
    for pause, divisor in ((0, DIVISOR * 1.02), (300, DIVISOR * 0.98)):
        bridge = UartBridge(TO_CORE, FROM_CORE, DIVISOR)
        beats: list[tuple[int, ...]] = []

        async def drive(ctx: Any, bridge: UartBridge = bridge, divisor: float = divisor) -> None:
            sent = step(0, 0, [0x123456, 0xFFFFFF]) + step(1, 1, [0xA0A1B0, 1]) + step(2, 0, [5, 6])
            await send(ctx, bridge, sent, divisor)
            await ctx.tick().repeat(2000)
            assert ctx.get(bridge.dropped) == 0

        simulate(bridge, drive, core_input(bridge, beats, pause))
        assert beats == [(0x123456, 0), (0xFFFFFF, 0), (0xA0A1B0, 0), (1, 1), (5, 0), (6, 0)]


def test_streams_have_their_name() -> None:
    bridge = UartBridge(StreamShape(24, 2, 2), StreamShape(16, 1, 2), DIVISOR)
    beats: list[tuple[int, ...]] = []

    async def drive(ctx: Any) -> None:
        await send(ctx, bridge, step(0, 1, [7, 8], stream=2))
        ctx.set(bridge.m_axis_tid, 3)
        wanted = result(0, 0, [0x1234], stream=3)
        ctx.set(bridge.m_axis_tvalid, 1)
        ctx.set(bridge.m_axis_tdata, 0x1234)
        await ctx.tick()
        ctx.set(bridge.m_axis_tvalid, 0)
        assert await receive(ctx, bridge, len(wanted)) == wanted

    simulate(bridge, drive, core_input(bridge, beats, 0))
    assert beats == [(7, 0, 2), (8, 1, 2)]


@pytest.mark.parametrize("from_core", [FROM_CORE, None])
def test_what_is_not_sound_never_reaches_the_core(from_core: StreamShape | None) -> None:
    """Rubbish, a step with a wrong bit, steps out of turn; and the host goes on from where the bridge is."""
    bridge = UartBridge(TO_CORE, from_core, DIVISOR)
    beats: list[tuple[int, ...]] = []
    wrong = bytearray(step(1, 0, [9, 10]))
    wrong[4] ^= 0x10

    async def drive(ctx: Any) -> None:
        await send(ctx, bridge, b"\x00\xb0\xa2" + step(0, 1, [7, 8]) + bytes(wrong) + step(2, 0, [11, 12]) + b"\xff")
        await send(ctx, bridge, request(LOOK, 77))
        assert await receive(ctx, bridge, 9) == answer(LOOK, 77, 2, 0x06_00_00_01)
        await send(ctx, bridge, step(1, 0, [9, 10]) + step(2, 0, [11, 12]))
        await ctx.tick().repeat(100)
        assert ctx.get(bridge.dropped) == 6

    simulate(bridge, drive, core_input(bridge, beats, 0))
    assert beats == [(7, 0), (8, 1), (9, 0), (10, 0), (11, 0), (12, 0)]


@pytest.mark.parametrize("cut", [1, 2, 5, 9])
def test_a_half_frame_ends_with_zeros(cut: int) -> None:
    """The stated escape: behind as many zeros as the longest frame has bytes the bridge waits for a header."""
    bridge = UartBridge(TO_CORE, FROM_CORE, DIVISOR)
    beats: list[tuple[int, ...]] = []

    async def drive(ctx: Any) -> None:
        half = (step(0, 0, [1, 2]), request(WRITE, 1, 0, 0))[cut % 2][:cut]
        await send(ctx, bridge, half + frames.escape(TO_CORE))
        await send(ctx, bridge, step(0, 1, [3, 4]))
        await ctx.tick().repeat(100)

    simulate(bridge, drive, core_input(bridge, beats, 0))
    assert beats == [(3, 0), (4, 1)]
    assert len(frames.escape(TO_CORE)) == len(step(0, 0, [1, 2])) == 10


@pytest.mark.parametrize("to_core", [TO_CORE, None])
def test_results_reach_the_host_and_hold_the_core_back(to_core: StreamShape | None) -> None:
    bridge = UartBridge(to_core, FROM_CORE, DIVISOR)
    results = [(0, [0x1234, 0xABCD, 0xFFFF]), (1, [1, 2, 3]), (0, [0xB0B1, 0xA0A1, 0])]

    async def host(ctx: Any) -> None:
        wanted = b"".join(result(number, *one) for number, one in enumerate(results))
        assert await receive(ctx, bridge, len(wanted)) == wanted

    simulate(bridge, host, core_output(bridge, results))


def test_registers_are_written_and_read_once_each() -> None:
    """In order of their tags; the same tag again is answered again, and not carried out; another one is not."""
    bridge = UartBridge(TO_CORE, FROM_CORE, DIVISOR)
    words: dict[int, int] = {}
    log: list[tuple[int, ...]] = []

    async def ask(ctx: Any, frame: bytes, wanted: bytes) -> None:
        await send(ctx, bridge, frame)
        assert await receive(ctx, bridge, len(wanted)) == wanted

    async def drive(ctx: Any) -> None:
        await ask(ctx, request(LOOK, 254, 4), answer(LOOK, 254, 2, 6 << 16 | 255 << 8 | 2))
        await ask(ctx, request(WRITE, 255, 0x20, 0xDEADBEEF), answer(WRITE, 255, 0))
        await ask(ctx, request(WRITE, 255, 0x20, 0xDEADBEEF), answer(WRITE, 255, 0))
        await ask(ctx, request(READ, 0, 0x20), answer(READ, 0, 0, 0xDEADBEEF))
        await ask(ctx, request(READ, 1, 0x100), answer(READ, 1, 2))
        wrong = bytearray(request(WRITE, 2, 0x24, 1))
        wrong[6] ^= 1
        await send(ctx, bridge, bytes(wrong) + request(WRITE, 3, 0x28, 1))
        await ask(ctx, request(WRITE, 2, 0x200, 1), answer(WRITE, 2, 2))

    simulate(bridge, drive, registers(bridge, words, log))
    assert log == [(0x20, 0xDEADBEEF), (0x20,), (0x100,), (0x200, 1)]


@pytest.mark.parametrize(("address", "status"), [(0x4, 0), (0x104, 2)])
def test_writes_without_waiting_are_all_carried_out(address: int, status: int) -> None:
    """While a long result goes out answers wait: the last one is sent, and keeps the error of those before."""
    bridge = UartBridge(TO_CORE, StreamShape(16, 40), DIVISOR)
    log: list[tuple[int, ...]] = []
    long = [(0, list(range(40)))]

    async def further(ctx: Any) -> None:
        await ctx.tick().repeat(1000)
        await send(ctx, bridge, request(LOOK, 9))
        for tag, place in ((10, 0x0), (11, address), (12, 0x8)):
            await send(ctx, bridge, request(WRITE, tag, place, tag))

    async def host(ctx: Any) -> None:
        wanted = result(0, *long[0]) + answer(WRITE, 12, status)
        assert await receive(ctx, bridge, len(wanted)) == wanted

    simulate(bridge, host, core_output(bridge, long), further, registers(bridge, {}, log))
    assert log == [(0x0, 10), (address, 11), (0x8, 12)]


def test_a_restart_ends_everything() -> None:
    """Steps that wait, one that the core has half, a result half sent, a bus that never answers."""
    bridge = UartBridge(TO_CORE, StreamShape(16, 20), DIVISOR)
    beats: list[tuple[int, ...]] = []
    held: list[int] = []

    async def drive(ctx: Any) -> None:
        await send(ctx, bridge, request(LOOK, 0) + request(READ, 1, 4))  # nobody answers on the bus
        await send(ctx, bridge, step(0, 0, [1, 2]))
        ctx.set(bridge.s_axis_tready, 1)
        await ctx.tick().until(bridge.s_axis_tvalid)
        ctx.set(bridge.s_axis_tready, 0)
        await send(ctx, bridge, step(1, 0, [3, 4]) + step(2, 0, [5, 6]))
        ctx.set(bridge.m_axis_tvalid, 1)
        await ctx.tick().repeat(20)
        ctx.set(bridge.m_axis_tvalid, 0)
        await send(ctx, bridge, request(RESTART, 200))

    async def core(ctx: Any) -> None:
        await ctx.tick().until(bridge.restart)
        held.append(1)
        while ctx.get(bridge.restart):
            held[0] += 1
            await ctx.tick()
        await core_input(bridge, beats, 0)(ctx)

    async def listen(ctx: Any) -> None:
        while True:
            heard.extend(await receive(ctx, bridge, 1))

    heard = bytearray()

    async def host(ctx: Any) -> None:
        await drive(ctx)
        await ctx.tick().repeat(600)
        assert heard.startswith(answer(LOOK, 0, 2) + bytes([0xB0, 0]))
        assert heard.endswith(answer(RESTART, 200, 2))
        assert len(heard) < 9 + 45 + 9  # the result was cut off
        await send(ctx, bridge, step(0, 1, [7, 8]) + request(LOOK, 3))
        await ctx.tick().repeat(600)
        assert heard.endswith(answer(LOOK, 3, 2, 1))

    simulate(bridge, host, core, listen)
    assert held == [frames.RESTART_CYCLES]
    assert beats == [(7, 0), (8, 1)]


def test_without_a_control_port_requests_are_refused() -> None:
    bridge = UartBridge(TO_CORE, FROM_CORE, DIVISOR, registers=False)

    async def drive(ctx: Any) -> None:
        await send(ctx, bridge, request(LOOK, 0))
        assert await receive(ctx, bridge, 9) == answer(LOOK, 0, 2)
        await send(ctx, bridge, request(READ, 1, 4))
        assert await receive(ctx, bridge, 9) == answer(READ, 1, 3)

    simulate(bridge, drive)


def test_a_full_buffer_refuses_and_reports() -> None:
    """Two steps fit, however small the buffer; the third is refused whole."""
    bridge = UartBridge(TO_CORE, FROM_CORE, DIVISOR, buffer_bytes=4)
    beats: list[tuple[int, ...]] = []

    async def drive(ctx: Any) -> None:
        await send(ctx, bridge, step(0, 0, [1, 2]) + step(1, 0, [3, 4]))
        assert ctx.get(bridge.overflow) == 0
        await send(ctx, bridge, step(2, 0, [5, 6]))
        await ctx.tick().repeat(4)
        assert ctx.get(bridge.overflow) == 1
        simulated.append(1)
        await ctx.tick().repeat(400)
        await send(ctx, bridge, step(2, 0, [7, 8]))
        await ctx.tick().repeat(100)

    simulated: list[int] = []

    async def core(ctx: Any) -> None:
        while not simulated:
            await ctx.tick()
        await core_input(bridge, beats, 0)(ctx)

    simulate(bridge, drive, core)
    assert [data for data, _ in beats] == [1, 2, 3, 4, 7, 8]


def test_any_rubbish_is_survived() -> None:
    """Random bytes, half frames and whole ones of any kind; then the stated procedure, and all is well."""
    source = random.Random(7)
    bridge = UartBridge(TO_CORE, FROM_CORE, DIVISOR)
    beats: list[tuple[int, ...]] = []
    log: list[tuple[int, ...]] = []
    rubbish = b"".join(
        source.choice(
            [
                source.randbytes(source.randrange(20)),
                bytes([source.choice([0xA0, 0xA1, 0xC0, 0xC1])]) + source.randbytes(source.randrange(9)),
                request(source.choice([WRITE, READ]), source.randrange(256)),
            ]
        )
        for _ in range(20)
    )

    async def drive(ctx: Any) -> None:
        await send(ctx, bridge, rubbish)
        await ctx.tick().repeat(1000)
        beats.clear()
        await send(ctx, bridge, frames.escape(TO_CORE) + request(RESTART, 9))
        await ctx.tick().repeat(1000)
        await send(ctx, bridge, step(0, 0, [1, 2]) + request(READ, 10, 8))
        assert await receive(ctx, bridge, 9) == answer(READ, 10, 0, 55)

    simulate(bridge, drive, core_input(bridge, beats, 1), registers(bridge, {8: 55}, log))
    assert beats == [(1, 0), (2, 0)]
