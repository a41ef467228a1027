"""Bench of the control port alone: cocotbext-axi's master, and bare pins where that is too well-behaved.

RNNGEN_BENCH names a JSON file: ``registers`` (the Python map), ``digest``, ``peek`` (its fields' [low, width]),
``memories`` (each [engine, memory, width, depth]), ``double`` (those with two images), ``features`` (the word).
"""

from __future__ import annotations

import itertools
import json
import os
import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly, RisingEdge, Timer
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp

with open(os.environ["RNNGEN_BENCH"], encoding="utf-8") as file:
    CONFIG = json.load(file)
MAP = CONFIG["registers"]
OFFSET = {name: entry["offset"] for name, entry in MAP.items()}
EVENTS = {"STEPS_IN": "step_in", "STEPS_OUT": "step_out", "INPUT_STALLS": "input_idle", "OUTPUT_STALLS": "output_stall"}
ERRORS = {"protocol_error": 1, "overlong": 4, "bad_symbol": 8, "memory_error": 16, "bad_stream": 64}
STATUS = ("idle", "input_idle", "output_stall", "resetting", "between")
INSIDE = (*EVENTS.values(), *ERRORS, *STATUS, "saturations", "peeked", "sequence_out", "reset_done", "measured",
          "latency")  # fmt: skip
STREAMS = CONFIG["features"] >> 16
PINS_IN = {"aw": ("awaddr", "awvalid"), "w": ("wdata", "wstrb", "wvalid"), "ar": ("araddr", "arvalid")}
OUTPUTS = ("awready", "wready", "bvalid", "bresp", "arready", "rvalid", "rdata", "rresp")


class TB:
    """The port, its clock, and everything that came over the load bus."""

    def __init__(self, dut) -> None:
        self.dut, self.loaded, self.master = dut, [], None

    async def start(self, master: bool = True) -> None:
        dut = self.dut
        for name in INSIDE:
            getattr(dut, name).value = 0
        for name in (*itertools.chain(*PINS_IN.values()), "bready", "rready", "awprot", "arprot"):
            getattr(dut, f"s_axil_{name}").value = 0
        dut.aresetn.value = 0
        Clock(dut.aclk, 10, unit="ns").start()
        if master:
            bus = AxiLiteBus.from_prefix(dut, "s_axil")
            self.master = AxiLiteMaster(bus, dut.aclk, dut.aresetn, reset_active_level=False)
        await self.cycles(2)  # a bench before this one may have left anything
        for _ in range(4):
            await FallingEdge(dut.aclk)
            assert not any(int(getattr(dut, f"s_axil_{name}").value) for name in OUTPUTS)
        dut.aresetn.value = 1
        await FallingEdge(dut.aclk)
        cocotb.start_soon(self.watch_load())

    async def watch_load(self) -> None:
        while True:
            await FallingEdge(self.dut.aclk)
            if int(self.dut.load_strobe.value):
                names = ("engine", "memory", "address", "data")
                self.loaded.append(tuple(int(getattr(self.dut, f"load_{name}").value) for name in names))

    async def cycles(self, count: int) -> None:
        for _ in range(count):
            await FallingEdge(self.dut.aclk)

    async def read(self, name: str) -> int:
        response = await self.master.read(OFFSET[name], 4)
        assert response.resp == AxiResp.OKAY, name
        return int.from_bytes(response.data, "little")

    async def write(self, name: str, value: int) -> None:
        assert (await self.master.write(OFFSET[name], value.to_bytes(4, "little"))).resp == AxiResp.OKAY, name

    def pause(self, seed: int) -> None:
        """Random pauses on all five channels."""
        write, read = self.master.write_if, self.master.read_if
        channels = (write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel)
        for index, channel in enumerate(channels):
            channel.set_pause_generator(coin(random.Random(10 * seed + index), (seed + index) % 3))

    async def offer(self, channel: str, delay: int, **values: int) -> None:
        """One transfer on bare pins, after ``delay`` cycles; pins change at the falling edge."""
        await self.cycles(delay)
        pins = {pin: getattr(self.dut, f"s_axil_{pin}") for pin in PINS_IN[channel]}
        for pin, value in values.items():
            pins[pin].value = value
        pins[f"{channel}valid"].value = 1
        while True:
            ready = int(getattr(self.dut, f"s_axil_{channel}ready").value)
            await FallingEdge(self.dut.aclk)
            if ready:
                break
        pins[f"{channel}valid"].value = 0

    async def accept(self, channel: str, delay: int) -> tuple[int, int]:
        """Response and data; the response must not change while it waits."""
        valid, ready = (getattr(self.dut, f"s_axil_{channel}{what}") for what in ("valid", "ready"))
        while not int(valid.value):
            await FallingEdge(self.dut.aclk)
        seen = self.response(channel)
        for _ in range(delay):
            await FallingEdge(self.dut.aclk)
            assert int(valid.value)
            assert self.response(channel) == seen
        ready.value = 1
        await FallingEdge(self.dut.aclk)
        ready.value = 0
        assert not int(valid.value)
        return seen

    def response(self, channel: str) -> tuple[int, int]:
        data = int(self.dut.s_axil_rdata.value) if channel == "r" else 0
        return int(getattr(self.dut, f"s_axil_{channel}resp").value), data

    async def bare_write(self, address: int, value: int, strobes: int = 15, delays=(0, 0, 0)) -> int:
        aw = cocotb.start_soon(self.offer("aw", delays[0], awaddr=address))
        w = cocotb.start_soon(self.offer("w", delays[1], wdata=value, wstrb=strobes))
        response, _ = await self.accept("b", delays[2])
        await aw
        await w
        return response

    async def bare_read(self, address: int, delays=(0, 0)) -> tuple[int, int]:
        ar = cocotb.start_soon(self.offer("ar", delays[0], araddr=address))
        answer = await self.accept("r", delays[1])
        await ar
        return answer


def coin(generator: random.Random, weight: int):
    while True:
        yield generator.randrange(4) < weight


async def started(dut, master: bool = True) -> TB:
    tb = TB(dut)
    await tb.start(master)
    return tb


@cocotb.test()
async def identity_digest_and_reset_values(dut):
    tb = await started(dut)
    assert (await tb.read("IDENTITY")).to_bytes(4, "little") == b"RNNG"
    digest = 0
    for index in range(4):
        digest = digest << 32 | await tb.read(f"DIGEST{index}")
    assert digest == CONFIG["digest"]
    live = ("DIGEST", "CYCLES", "LOAD_DATA", "CLEAR_STREAM", "FEATURES")
    assert MAP["VERSION"]["reset"] == 0x0001_0003
    assert await tb.read("FEATURES") == CONFIG["features"]
    for name in MAP:
        if not name.startswith(live):
            assert await tb.read(name) == MAP[name]["reset"], name


@cocotb.test()
async def counters_count_and_clear(dut):
    tb = await started(dut)
    assert int(dut.enable.value) == 1
    for count, pin in enumerate(EVENTS.values(), 5):
        getattr(dut, pin).value = 1
        await tb.cycles(count)
        getattr(dut, pin).value = 0
    dut.saturations.value = 0xFFFFFFFF
    await tb.cycles(3)
    assert [await tb.read(name) for name in EVENTS] == [5, 6, 7, 8]
    assert await tb.read("SATURATIONS") == 0xFFFFFFFF
    pulses = cocotb.start_soon(count_high(dut, dut.clear, 40))
    await tb.write("CONTROL", 0b10)
    assert await pulses == 1
    assert [await tb.read(name) for name in EVENTS] == [0, 0, 0, 0]
    assert await tb.read("CONTROL") == 0
    assert int(dut.enable.value) == 0
    assert await tb.read("CYCLES_LOW") < 100


async def count_high(dut, pin, cycles: int) -> int:
    high = 0
    for _ in range(cycles):
        await FallingEdge(dut.aclk)
        high += int(pin.value)
    return high


@cocotb.test()
async def cycles_advance_by_one_a_cycle_and_the_high_half_is_latched(dut):
    tb = await started(dut, master=False)
    _, first = await tb.bare_read(OFFSET["CYCLES_LOW"])
    _, second = await tb.bare_read(OFFSET["CYCLES_LOW"])
    _, third = await tb.bare_read(OFFSET["CYCLES_LOW"], (50, 0))
    assert third - second == second - first + 50
    assert await tb.bare_read(OFFSET["CYCLES_HIGH"]) == (0, 0)


@cocotb.test()
async def the_high_half_of_the_cycles_belongs_to_the_low_half(dut):
    tb = await started(dut)
    dut.cycles.value = 0x7_FFFF_FF80
    await tb.cycles(1)
    before = await tb.read("CYCLES_LOW")
    await tb.cycles(200)
    assert before >= 0xFFFFFF80
    assert await tb.read("CYCLES_HIGH") == 7
    assert await tb.read("CYCLES_LOW") < 0x200
    assert await tb.read("CYCLES_HIGH") == 8


@cocotb.test()
async def counters_stay_at_their_largest_value(dut):
    tb = await started(dut)
    for name, pin in EVENTS.items():
        getattr(dut, name.lower()).value = 0xFFFFFFFD
        getattr(dut, pin).value = 1
    await tb.cycles(10)
    assert [await tb.read(name) for name in EVENTS] == [0xFFFFFFFF] * 4


@cocotb.test()
async def status_shows_the_pins(dut):
    tb = await started(dut)
    for value in range(1 << len(STATUS)):
        for bit, pin in enumerate(STATUS):
            getattr(dut, pin).value = value >> bit & 1
        await tb.cycles(1)
        assert await tb.read("STATUS") == value


@cocotb.test()
async def every_strobe_pattern_writes_its_bytes_only(dut):
    tb = await started(dut, master=False)
    kept = 0
    for strobes in [*range(16), 0]:
        value = random.getrandbits(32)
        mask = sum(0xFF << 8 * byte for byte in range(4) if strobes >> byte & 1)
        kept = kept & ~mask | value & mask
        assert await tb.bare_write(OFFSET["LOAD_ADDRESS"], value, strobes) == 0
        assert await tb.bare_read(OFFSET["LOAD_ADDRESS"]) == (0, kept)
    await tb.bare_write(OFFSET["LOAD_SELECT"], 0xFFFFFFFF)
    assert await tb.bare_read(OFFSET["LOAD_SELECT"]) == (0, 0xFF07)
    await tb.bare_write(OFFSET["CONTROL"], 0xFFFFFF00, 0b1110)
    assert await tb.bare_read(OFFSET["CONTROL"]) == (0, 1)


@cocotb.test()
async def illegal_accesses_are_answered_with_slverr_and_do_nothing(dut):
    tb = await started(dut, master=False)
    await tb.bare_write(OFFSET["LOAD_ADDRESS"], 0x12345678)
    known = set(OFFSET.values())
    for address in [*range(0xA8), *(1 << bit for bit in range(7, 16)), 0x154, 0x8020, 0xFFFC]:
        names = [name for name, offset in OFFSET.items() if offset == address]
        access = MAP[names[0]]["access"] if address in known else ""
        response, value = await tb.bare_read(address)
        assert response == (2 if access in ("", "wo") else 0), hex(address)
        assert response == 0 or value == 0
        if access in ("", "ro"):
            assert await tb.bare_write(address, 0xFFFFFFFF) == 2, hex(address)
    for strobes in range(1, 15):
        assert await tb.bare_write(OFFSET["LOAD_DATA"], 0, strobes) == 2
        assert await tb.bare_write(OFFSET["CLEAR_STREAM"], 0, strobes) == 2
    assert await tb.bare_write(OFFSET["LOAD_DATA"], 0, 0) == 0
    assert await tb.bare_read(OFFSET["LOAD_ADDRESS"]) == (0, 0x12345678)
    assert await tb.bare_read(OFFSET["CONTROL"]) == (0, 1)
    assert await tb.bare_read(OFFSET["ERRORS"]) == (0, 0)


@cocotb.test()
async def address_and_data_come_in_any_order(dut):
    tb = await started(dut, master=False)
    for delays in itertools.product((0, 1, 2, 5), (0, 1, 2, 5), (0, 1, 4)):
        value = random.getrandbits(32)
        assert await tb.bare_write(OFFSET["LOAD_ADDRESS"], value, 15, delays) == 0
        assert await tb.bare_read(OFFSET["LOAD_ADDRESS"], delays[1:]) == (0, value)


@cocotb.test()
async def writes_and_reads_every_second_cycle(dut):
    tb = await started(dut, master=False)
    dut.s_axil_bready.value = dut.s_axil_rready.value = 1
    dut.s_axil_awaddr.value = dut.s_axil_araddr.value = OFFSET["LOAD_ADDRESS"]
    dut.s_axil_wstrb.value = 15
    for name in ("awvalid", "wvalid", "arvalid"):
        getattr(dut, f"s_axil_{name}").value = 1
    await tb.cycles(4)
    answers = [cocotb.start_soon(count_high(dut, pin, 40)) for pin in (dut.s_axil_bvalid, dut.s_axil_rvalid)]
    assert [await answer for answer in answers] == [20, 20]


@cocotb.test()
async def no_output_follows_an_input_within_a_cycle(dut):
    tb = await started(dut, master=False)
    inputs = [getattr(dut, f"s_axil_{name}") for name in (*itertools.chain(*PINS_IN.values()), "bready", "rready")]
    inputs += [getattr(dut, name) for name in INSIDE]
    outputs = [getattr(dut, f"s_axil_{name}") for name in OUTPUTS]
    inside = ("enable", "clear", "restart", "load_strobe", "load_data", "peek")
    outputs += [getattr(dut, name) for name in (*inside, "soft_reset", "image", "switched", "irq")]
    addresses = list(OFFSET.values())
    for _ in range(400):
        await RisingEdge(dut.aclk)
        await Timer(1, unit="ns")
        before = [int(pin.value) for pin in outputs]
        for _ in range(3):
            for pin in inputs:
                pin.value = random.choice(addresses) if "addr" in pin._name else random.getrandbits(len(pin))
            await Timer(1, unit="ns")
            await ReadOnly()
            assert [int(pin.value) for pin in outputs] == before
            await Timer(1, unit="ns")
    await tb.cycles(1)


@cocotb.test()
async def errors_stay_until_one_is_written(dut):
    tb = await started(dut)
    dut.protocol_error.value = 1
    await tb.cycles(1)
    dut.protocol_error.value = 0
    await tb.write("LOAD_SELECT", 0xFF00)
    await tb.write("LOAD_DATA", 1)
    assert await tb.read("ERRORS") == 0b11
    await tb.write("ERRORS", 0)
    assert await tb.read("ERRORS") == 0b11
    await tb.write("ERRORS", 0b10)
    assert await tb.read("ERRORS") == 0b01
    await tb.write("ERRORS", 0b01)
    assert await tb.read("ERRORS") == 0
    dut.protocol_error.value = 1
    await tb.cycles(3)
    stays = cocotb.start_soon(count_high(dut, dut.errors, 12))
    await tb.write("ERRORS", 0b01)
    assert await stays == 12, "an error in the cycle of the clearing must not be lost"


@cocotb.test()
async def every_error_has_its_bit(dut):
    tb = await started(dut)
    for pin, bit in ERRORS.items():
        getattr(dut, pin).value = 1
        await tb.cycles(1)
        getattr(dut, pin).value = 0
        await tb.cycles(2)
        assert await tb.read("ERRORS") == bit, pin
        await tb.write("ERRORS", bit)
        await tb.cycles(1)  # a pin changes at the falling edge


@cocotb.test()
async def where_external_weights_lie_is_shown_inside(dut):
    tb = await started(dut)
    assert int(dut.fetch.value) == 0
    await tb.write("MEMORY_BASE_LOW", 0x89ABCFFF)
    await tb.write("MEMORY_BASE_HIGH", 0x01234567)
    await tb.write("MEMORY_CONTROL", 0xFFFFFFFF)
    await tb.cycles(2)
    assert int(dut.memory_base.value) == 0x01234567_89ABC000
    assert int(dut.fetch.value) == 1
    assert await tb.read("MEMORY_BASE_LOW") == 0x89ABC000
    assert await tb.read("MEMORY_CONTROL") == 1


@cocotb.test()
async def clear_state_is_one_pulse_and_leaves_the_counters(dut):
    tb = await started(dut)
    dut.step_in.value = 1
    await tb.cycles(5)
    dut.step_in.value = 0
    pulses = [cocotb.start_soon(count_high(dut, pin, 40)) for pin in (dut.restart, dut.clear)]
    await tb.write("CONTROL", 0b101)
    assert [await pulse for pulse in pulses] == [(1 << STREAMS) - 1, 0]
    assert await tb.read("STEPS_IN") == 5
    assert await tb.read("CONTROL") == 1


@cocotb.test()
async def the_state_that_is_asked_for_is_shown(dut):
    """State, engine, stream, word and part go out as they were written; what comes back is read."""
    tb = await started(dut)

    def shown(field: str) -> int:
        low, width = CONFIG["peek"][field]
        return int(dut.peek.value) >> low & (1 << width) - 1

    for idle in (0, 1):
        dut.idle.value = idle
        state, engine, stream, word, part = (random.getrandbits(bits) for bits in (1, 8, 16, 16, 16))
        await tb.write("READ_SELECT", stream << 16 | engine << 8 | state)
        await tb.write("READ_ADDRESS", word << 16 | part)
        await tb.cycles(2)
        asked = {"now": idle, "state": state, "stream": stream, "word": word, "part": part}
        assert {field: shown(field) for field in asked} == asked
        assert int(dut.peek_engine.value) == engine
        dut.peeked.value = value = random.getrandbits(32)
        await tb.cycles(1)
        assert await tb.read("READ_DATA") == value


def parts_of(word: int, width: int) -> list[int]:
    """What LOAD_DATA takes, with rubbish in the spare bits of the last part."""
    count = -(-width // 32)
    word |= random.getrandbits(32 * count) >> width << width
    return [word >> 32 * k & 0xFFFFFFFF for k in range(count)]


async def fill(tb: TB, engine: int, memory: int, width: int, depth: int) -> list[tuple[int, int, int, int]]:
    expected = [(engine, memory, address, random.getrandbits(width)) for address in range(depth)]
    await tb.write("LOAD_SELECT", engine << 8 | memory)
    await tb.write("LOAD_ADDRESS", 0)
    for *_, word in expected:
        for part in parts_of(word, width):
            await tb.write("LOAD_DATA", part)
    assert await tb.read("LOAD_STATUS") == depth
    assert await tb.read("LOAD_ADDRESS") == depth
    return expected


def narrowed(tb: TB) -> list[tuple[int, int, int, int]]:
    """What came over the bus, each word cut to its memory's width."""
    widths = {(engine, memory): width for engine, memory, width, _ in CONFIG["memories"]}
    return [(e, k, address, word & (1 << widths[e, k]) - 1) for e, k, address, word in tb.loaded]


@cocotb.test()
async def loading_delivers_exact_words(dut):
    tb = await started(dut)
    expected = []
    for memory in CONFIG["memories"] * 2:
        expected += await fill(tb, *memory)
    assert narrowed(tb) == expected
    assert await tb.read("ERRORS") == 0


@cocotb.test()
async def loading_survives_pauses_and_queued_writes(dut):
    tb = await started(dut)
    for seed, (engine, memory, width, depth) in enumerate(CONFIG["memories"]):
        tb.pause(seed)
        tb.loaded.clear()
        expected = [(engine, memory, address, random.getrandbits(width)) for address in range(depth)]
        writes = [("LOAD_SELECT", engine << 8 | memory), ("LOAD_ADDRESS", 0)]
        writes += [("LOAD_DATA", part) for *_, word in expected for part in parts_of(word, width)]
        events = [tb.master.init_write(OFFSET[name], value.to_bytes(4, "little")) for name, value in writes]
        reads = [tb.master.init_read(OFFSET["IDENTITY"], 4) for _ in range(20)]
        for event in (*events, *reads):
            await event.wait()
            assert event.data.resp == AxiResp.OKAY
        assert all(bytes(event.data.data) == b"RNNG" for event in reads)
        await tb.cycles(2)
        assert narrowed(tb) == expected


@cocotb.test()
async def unfinished_words_are_dropped_and_words_beyond_the_memory_rejected(dut):
    tb = await started(dut)
    engine, memory, width, depth = CONFIG["memories"][0]
    assert width > 64
    for restart, value in (("LOAD_SELECT", engine << 8 | memory), ("LOAD_ADDRESS", 0)):
        await tb.write("LOAD_SELECT", engine << 8 | memory)
        await tb.write("LOAD_DATA", 0xFFFFFFFF)
        await tb.write(restart, value)
    assert tb.loaded == []
    expected = await fill(tb, engine, memory, width, depth)
    for part in parts_of(0, width):
        await tb.write("LOAD_DATA", part)
    assert narrowed(tb) == expected
    assert await tb.read("LOAD_STATUS") == depth
    assert await tb.read("ERRORS") == 0b10
