"""Two ends of a link in one simulator, its log, and an independent judgement of it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from amaranth.lib.wiring import Component

from rnngen.config.link import LinkShape
from rnngen.gateware.link.phy_pins import PinsPhy
from rnngen.gateware.link.phy_uart import UartPhy
from rnngen.gateware.link.port import LinkPort
from rnngen.gateware.verilog import to_verilog
from tests.leaves.bench import TEMPLATES, build

MAIN = Path(__file__).with_name("main.cpp")
CORE = (
    "tx_data", "tx_length", "tx_valid", "tx_ready", "rx_data", "rx_first", "rx_last", "rx_valid", "rx_ready", "up",
    "lost", "mismatch", "clear", "inject_every", "inject_bit", "frames_sent", "words_sent", "frames_received",
    "words_received", "check_errors", "corrected", "replays", "credit_stalls", "replay_highest", "buffer_highest",
    "latency", "latency_highest",
)  # fmt: skip
LINE = {
    "seed": 64, "latency": 16, "bit_errors": 32, "start_errors": 32, "bursts": 32, "burst_words": 16, "cut": 1,
    "down": 1,
}  # fmt: skip
TX, RX, UP, LOST = range(4)
RECORD = np.dtype([("cycle", "<u8"), ("data", "<u8"), ("end", "u1"), ("what", "u1"), ("flags", "u1"), ("unused", "V5")])


def phy_text(kind: str, end: str, other: str) -> str:
    """Verilog of one end's PHY, whose pins go to the other's; ``cut`` disturbs what it receives."""
    cut, wires = f"{other}{end}_cut", [f".phy_tx_clk(p{end}_clk), .phy_tx_rst(1'b0), .phy_rx_rst(1'b0)"]
    wires += [f".phy_tx_{name}({end}_phy_tx_{name})" for name in ("data", "start", "valid", "ready")]
    wires += [f".phy_rx_{name}({end}_phy_rx_{name})" for name in ("data", "start", "valid")]
    wires.append(f".phy_up({end}_phy_up)")
    if kind == "uart":
        wires.append(f".phy_rx_clk(q{end}_clk), .tx({end}_pin), .rx({other}_pin | {cut})")
        return f"wire {end}_pin; link_phy {end}_phy ({', '.join(wires)});"
    names = ("clock", "data", "start", "valid")
    declared = " ".join(f"wire {'[3:0] ' if name == 'data' else ''}{end}_out_{name};" for name in names)
    wires += [f".out_{name}({end}_out_{name})" for name in names]
    wires.append(f".phy_rx_clk({other}_out_clock), .in_data({other}_out_data), .in_start({other}_out_start)")
    return f"{declared} link_phy {end}_phy ({', '.join(wires)}, .in_valid({other}_out_valid & ~{cut}));"


def top_text(port: LinkPort, shape: LinkShape, phy: str = "channel") -> str:
    """Verilog of both ends and both directions, over the simulation channel or a PHY's pins (uart, pins)."""
    members = {path[0]: (member.flow.name, value) for path, member, value in port.signature.flatten(port)}
    ports, body = ["input line_rst"], []
    for clock in ("ca", "cb", "pa", "pb", "qa", "qb"):
        ports.append(f"input {clock}_clk")
        if clock[0] == "c":
            ports.append(f"input {clock}_rst")
    for end, other in ("ab", "ba"):
        rx_clock = f"{other}_out_clock" if phy == "pins" else f"q{end}_clk"
        wires = [f".clk(c{end}_clk), .rst(c{end}_rst), .phy_tx_clk(p{end}_clk), .phy_rx_clk({rx_clock})"]
        wires.append(".phy_tx_rst(1'b0), .phy_rx_rst(1'b0)")
        for name, (flow, value) in members.items():
            size = f"[{len(value) - 1}:0] "
            wires.append(f".{name}({end}_{name})")
            if name in CORE:
                ports.append(f"{'input' if flow == 'In' else 'output'} {size}{end}_{name}")
            else:
                body.append(f"wire {size}{end}_{name};")
        body.append(f"link_port {end} ({', '.join(wires)});")
        way = end + other
        for name, bits in LINE.items():
            ports.append(f"input [{bits - 1}:0] {way}_{name}")
        if phy != "channel":
            body.append(phy_text(phy, end, other))
            continue
        wires = [f".{name}({way}_{name})" for name in LINE]
        wires += [f".rst(line_rst), .up({other}_phy_up), .tx_clk(p{end}_clk), .rx_clk(q{other}_clk)"]
        wires += [f".tx_{name}({end}_phy_tx_{name})" for name in ("data", "start", "valid", "ready")]
        wires += [f".rx_{name}({other}_phy_rx_{name})" for name in ("data", "start", "valid")]
        body.append(f"rnn_link_channel #(.WIDTH({shape.word_bits})) {way} ({', '.join(wires)});")
    return f"module top(\n  {', '.join(ports)});\n  " + "\n  ".join(body) + "\nendmodule\n"


def component_text(component: Component, name: str) -> str:
    """Verilog of a component alone."""
    return to_verilog(component, name, [value for _, _, value in component.signature.flatten(component)])


def build_pair(work: Path, shape: LinkShape, phy: str = "channel") -> Path:
    """The simulator of two ends."""
    port = LinkPort(shape)
    (work / "top.v").write_text(top_text(port, shape, phy))
    (work / "link_port.v").write_text(component_text(port, "link_port"))
    if phy == "uart":
        (work / "link_phy.v").write_text(component_text(UartPhy(shape, 8), "link_phy"))
    if phy == "pins":
        (work / "link_phy.v").write_text(component_text(PinsPhy(shape, 4), "link_phy"))
    (work / "main.cpp").write_text("#include <functional>\n" + MAIN.read_text())
    options = ["--cc", "--exe", "--build", "-j", "2", "--top-module", "top", "--output-split", "0", "-Wno-fatal"]
    options += ["-CFLAGS", f"-O1 -DWORD_BITS={shape.word_bits}", "-MAKEFLAGS", "OPT_FAST=-O1"]
    options += ["-y", str(TEMPLATES), "-y", "."]
    build(work, *options, "--Mdir", "obj", "top.v", "link_port.v", "main.cpp")
    return work / "obj" / "Vtop"


@dataclass(frozen=True)
class Words:
    """Words that one end gave or took: data, cycles and flags (1: first, 2: last of a frame)."""

    data: np.ndarray
    cycles: np.ndarray
    flags: np.ndarray


@dataclass(frozen=True)
class Log:
    """What a run did.  ``end`` is 0 or 1."""

    records: np.ndarray
    counters: dict[str, int]

    def words(self, end: int, what: int) -> Words:
        """In the order of time."""
        chosen = self.records[(self.records["end"] == end) & (self.records["what"] == what)]
        return Words(chosen["data"], chosen["cycle"], chosen["flags"])

    def changes(self, end: int, what: int) -> list[tuple[int, int]]:
        """(cycle, value) of ``up`` or ``lost``."""
        chosen = self.records[(self.records["end"] == end) & (self.records["what"] == what)]
        return [(int(cycle), int(value)) for cycle, value in zip(chosen["cycle"], chosen["data"], strict=True)]

    def sessions(self, end: int, what: int) -> list[Words]:
        """Words of each time that the end was up."""
        rises = [cycle for cycle, value in self.changes(end, UP) if value]
        words = self.words(end, what)
        places = np.searchsorted(words.cycles, [*rises, np.iinfo(np.int64).max])
        assert places[0] == 0, "no word moves before the link is up"
        parts = [slice(a, b) for a, b in zip(places, places[1:], strict=False)]
        return [Words(words.data[part], words.cycles[part], words.flags[part]) for part in parts]

    def delivered(self, end: int) -> int:
        """Words that ``end`` took, each of which was the right one in its place.

        What it takes in a session is the begin of what the other end gave in one session of its own; sessions come
        in order.
        """
        given, at, total = self.sessions(1 - end, TX), 0, 0
        for taken in self.sessions(end, RX):
            count = len(taken.data)
            while count and not self._begins(given[at], taken):
                at += 1
                assert at < len(given), f"end {end} took words that are the begin of no session"
            total += count
        return total

    @staticmethod
    def _begins(given: Words, taken: Words) -> bool:
        count = len(taken.data)
        same = np.array_equal(given.data[:count], taken.data)
        return same and np.array_equal(given.flags[:count], taken.flags)


def run(program: Path, *settings: str, **values: int) -> Log:
    """One run; settings ``at=...``, values by name (main.cpp)."""
    log = program.parent / "log"
    arguments = [f"{key}={value}" for key, value in values.items()]
    done = subprocess.run([program, log, *arguments, *settings], check=True, capture_output=True, text=True)
    pairs = (line.split("=") for line in done.stdout.splitlines())
    records = np.fromfile(log, dtype=RECORD)
    log.unlink()
    return Log(records, {key: int(value) for key, value in pairs})


@cache
def simulator(shape: LinkShape, folder: Path, phy: str = "channel") -> Path:
    """Built once a test session and shape."""
    work = folder / f"link{len(list(folder.glob('link*')))}"
    work.mkdir()
    return build_pair(work, shape, phy)
