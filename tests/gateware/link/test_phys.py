"""PHYs: the words that one end sends are the other's, over pins; and whole links over them (make links)."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib.wiring import Component

from rnngen.config.link import LinkShape
from rnngen.errors import PlanError
from rnngen.gateware.link.phy_aurora import AuroraPhy
from rnngen.gateware.link.phy_pins import PinsPhy, PinsReceiver, PinsTransmitter
from rnngen.gateware.link.phy_uart import BytesToWords, WordsToBytes
from tests.gateware.link.bench import LOST, RX, TX, component_text, run, simulator
from tests.leaves.bench import Bench, Port

BITS = 16
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


def sent_and_received(
    work: Path, line: Component, cut: np.ndarray, cycles: int
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """(word, start) in both places, from random words that hold many bytes with a meaning of their own."""
    (work / "words_line.v").write_text(component_text(line, "words_line"))
    bench = Bench()
    inputs = [Port("data", BITS), Port("start", 1), Port("valid", 1), Port("cut", 1), Port("rst", 1)]
    outputs = [Port(name, bits, signed=False) for name, bits in
               (("ready", 1), ("out_data", BITS), ("out_start", 1), ("out_valid", 1))]  # fmt: skip
    bench.add("x", "words_line", {}, inputs, outputs)
    bench.text[-1] = bench.text[-1].replace("words_line #()", "words_line")
    rng = np.random.default_rng(5)
    special = rng.choice([0xC0, 0xDB, 0xDC, 0xDD, 0x00, 0x41], (cycles, 2)) @ np.array([1, 256])
    stimulus = {
        "data": special, "start": rng.integers(0, 2, cycles), "valid": np.ones(cycles, int), "cut": cut,
        "rst": np.zeros(cycles, int),
    }  # fmt: skip
    response = bench.run(work, {("x", name): value.reshape(-1, 1) for name, value in stimulus.items()})
    taken = response["x", "ready"][:, 0] == 1
    given = list(zip(special[taken].tolist(), stimulus["start"][taken].tolist(), strict=True))
    there = response["x", "out_valid"][:, 0] == 1
    names = ("out_data", "out_start")
    arrived = list(zip(*(response["x", name][there, 0].tolist() for name in names), strict=True))
    return given, arrived


LINES = {"uart": uart_line, "pins 4": lambda: pins_line(4), "pins 16": lambda: pins_line(16)}


@pytest.mark.verilator
@pytest.mark.parametrize("name", LINES)
def test_words_arrive_with_their_start_flags(name: str, tmp_path: Path) -> None:
    given, arrived = sent_and_received(tmp_path, LINES[name](), np.zeros(4_000, int), 4_000)
    first = next(k for k, (_, start) in enumerate(given) if start) if name == "uart" else 0
    assert len(arrived) >= len(given) - first - 3 > 500
    assert arrived == given[first : first + len(arrived)]


@pytest.mark.verilator
@pytest.mark.parametrize("name", LINES)
def test_words_are_right_again_behind_a_start_flag(name: str, tmp_path: Path) -> None:
    """Lost beats shift words until the next start flag; from there on they are those that were sent."""
    cut = np.zeros(4_000, int)
    cut[[500, 501, 503, 1_000]] = 1
    given, arrived = sent_and_received(tmp_path, LINES[name](), cut, 4_000)
    tail = arrived[-400:]
    assert tail[0][0] is not None
    begin = next(k for k, (_, start) in enumerate(tail) if start)
    tail = tail[begin:]
    assert any(given[k : k + len(tail)] == tail for k in range(len(given)))


def test_pins_divide_a_word() -> None:
    with pytest.raises(PlanError, match=r"must divide its words of 16 bits, 5 do not\."):
        PinsPhy(LinkShape(16), 5).elaborate(None)


def test_the_serdes_adapter_has_the_vendors_names() -> None:
    """Names of the product guides PG046 and PG074; TLAST carries the start flag both ways."""
    names = set(AuroraPhy(LinkShape(64)).signature.members)
    tx = {f"s_axi_tx_t{name}" for name in ("data", "keep", "last", "valid", "ready")}
    rx = {f"m_axi_rx_t{name}" for name in ("data", "keep", "last", "valid")}
    assert tx | rx | {"channel_up"} <= names
    text = component_text(AuroraPhy(LinkShape(64)), "adapter")
    assert "assign s_axi_tx_tlast = phy_tx_start;" in text
    assert "assign phy_rx_start = m_axi_rx_tlast;" in text
    assert "assign s_axi_tx_tkeep = 8'hff;" in text


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("phys")


@pytest.mark.verilator
@pytest.mark.skipif("RNNGEN_LINKS" not in os.environ, reason="make links")
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
    assert log.counters["a_check_errors"] > 0
    assert len(log.words(0, RX).data) > 500
