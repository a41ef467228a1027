"""PHYs: the words that one end sends are the other's, over pins; and whole links over them (make links)."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from amaranth.hdl import Module
from amaranth.lib.wiring import Component
from amaranth.sim import Simulator, SimulatorContext

from rnngen.config.link import LinkShape
from rnngen.errors import PlanError
from rnngen.gateware.link.phy_aurora import AuroraPhy
from rnngen.gateware.link.phy_pins import PinsPhy, PinsReceiver, PinsTransmitter
from rnngen.gateware.link.phy_uart import BytesToWords, WordsToBytes
from tests.gateware.link.bench import LOST, TX, component_text, run, simulator

BITS = 16
SPECIAL = (0xC0, 0xDB, 0xDC, 0xDD, 0x00, 0x41)
RANDOM = {"lo_a": 1, "hi_a": 12, "gap_a": 400, "stall_a": 30, "lo_b": 1, "hi_b": 12, "gap_b": 900, "stall_b": 80}


class Line(Component):
    """A transmitter straight into a receiver, whose words count only while ``kept`` is set."""

    def __init__(self, sender: Component, taker: Component, names: tuple[str, ...], kept: str) -> None:
        self._sender, self._taker, self._names, self._kept = sender, taker, names, kept
        flow = {name: sender.signature.members[name] for name in ("data", "start", "valid", "ready")}
        out = {f"out_{name}": taker.signature.members[name] for name in ("data", "start", "valid")}
        cut = {"cut": sender.signature.members["valid"]}
        super().__init__({**flow, **out, **cut})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.sender, m.submodules.taker = sender, taker = self._sender, self._taker
        for name in ("data", "start", "valid"):
            m.d.comb += [
                getattr(sender, name).eq(getattr(self, name)),
                getattr(self, f"out_{name}").eq(getattr(taker, name)),
            ]
        m.d.comb += self.ready.eq(sender.ready)
        for name in self._names:
            m.d.comb += getattr(taker, name).eq(getattr(sender, name) & ~(self.cut if name == self._kept else 0))
        if hasattr(sender, "byte_ready"):
            m.d.comb += sender.byte_ready.eq(1)
        return m


def uart_line() -> Component:
    return Line(WordsToBytes(BITS), BytesToWords(BITS), ("byte", "byte_valid"), "byte_valid")


def pins_line(pins: int) -> Component:
    names = ("pin_data", "pin_start", "pin_valid")
    return Line(PinsTransmitter(BITS, pins), PinsReceiver(BITS, pins), names, "pin_valid")


Words = list[tuple[int, int]]


def sent_and_received(line: Component, cut: set[int], cycles: int) -> tuple[Words, Words]:
    """(word, start) in both places, from random words that hold many bytes with a meaning of their own."""
    rng, given, arrived = random.Random(5), [], []

    async def bench(context: SimulatorContext) -> None:
        context.set(line.valid, 1)
        for cycle in range(cycles):
            word = rng.choice(SPECIAL) | rng.choice(SPECIAL) << 8
            start = rng.randrange(2)
            context.set(line.data, word)
            context.set(line.start, start)
            context.set(line.cut, cycle in cut)
            _, _, ready, there, data, flag = await context.tick().sample(
                line.ready, line.out_valid, line.out_data, line.out_start
            )
            if ready:
                given.append((word, start))
            if there:
                arrived.append((data, flag))

    simulator = Simulator(line)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return given, arrived


LINES = {"uart": uart_line, "pins 4": lambda: pins_line(4), "pins 16": lambda: pins_line(16)}


@pytest.mark.parametrize("name", LINES)
def test_words_arrive_with_their_start_flags(name: str) -> None:
    given, arrived = sent_and_received(LINES[name](), set(), 4_000)
    first = next(k for k, (_, start) in enumerate(given) if start) if name == "uart" else 0
    assert len(arrived) >= len(given) - first - 3 > 500
    assert arrived == given[first : first + len(arrived)]


@pytest.mark.parametrize("name", LINES)
def test_words_are_right_again_behind_a_start_flag(name: str) -> None:
    """Lost beats shift words until the next start flag; from there on they are those that were sent."""
    given, arrived = sent_and_received(LINES[name](), {500, 501, 503, 1_000}, 4_000)
    tail = arrived[-200:]
    tail = tail[next(k for k, (_, start) in enumerate(tail) if start) :]
    assert arrived != given[: len(arrived)]
    assert any(given[k : k + len(tail)] == tail for k in range(len(given)))


def test_pins_divide_a_word() -> None:
    with pytest.raises(PlanError, match=r"must divide its words of 16 bits, 5 do not\."):
        PinsPhy(LinkShape(16), 5)


def test_the_serdes_adapter_has_the_vendors_names() -> None:
    """Names of the product guides PG046 and PG074; TLAST carries the start flag both ways."""
    adapter = AuroraPhy(LinkShape(64))
    names = set(adapter.signature.members)
    tx = {f"s_axi_tx_t{name}" for name in ("data", "keep", "last", "valid", "ready")}
    rx = {f"m_axi_rx_t{name}" for name in ("data", "keep", "last", "valid")}
    assert tx | rx | {"channel_up"} <= names
    text = component_text(adapter, "adapter")
    assert "assign s_axi_tx_tlast = phy_tx_start;" in text
    assert "assign phy_rx_start = m_axi_rx_tlast;" in text
    assert "assign s_axi_tx_tkeep = 8'hff;" in text


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("phys")


@pytest.mark.verilator
@pytest.mark.parametrize("phy", ["uart", "pins"])
def test_a_link_over_pins(phy: str, folder: Path) -> None:
    """Frames both ways, while the line is disturbed now and then: all of them arrive."""
    rate = {"uart": 200, "pins": 4}[phy]
    shape = LinkShape(16, longest=16).slowed(rate)
    times = [20_000 + 30_011 * k for k in range(10)]
    edges = [(time + off, 1 - off // 700) for time in times for off in (0, 700)]
    events = [f"at={cycle}:{way}_cut:{value}" for cycle, value in edges for way in ("ab", "ba")]
    stop = [f"at={500_000}:silent_{end}:1" for end in "ab"]
    log = run(simulator(shape, folder, phy), *events, *stop, cycles=1_500_000, **RANDOM)
    for end in (0, 1):
        assert log.changes(end, LOST) == []
        assert log.delivered(end) == len(log.words(1 - end, TX).data) > 500
