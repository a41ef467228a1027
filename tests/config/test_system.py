"""System descriptions: what a file says, and a sentence for everything that is wrong in one."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import pytest

from rnngen.config.board import load_board
from rnngen.config.pins import LinkPins, PinsEnd, rows
from rnngen.config.system import Device, Host, Link, System, chain, over_pins, ring
from rnngen.config.system_file import read_system_file
from rnngen.errors import PlanError

DEVICES = """
[[device]]
name = "a"
multipliers = 64
clock_mhz = 100
[[device]]
name = "b"
dsps = 20
memory_bits = 1_000
luts = 900
dsp = "dsp48e2"
pipeline = "short"
clock_mhz = 62.5
"""
LINK = """
[[link]]
from = "a"
to = "b"
word_bits = 64
latency_cycles = 16
"""
BOARDS = """
[[device]]
name = "a"
board = "ulx3s-85f"
[[device]]
name = "b"
board = "ulx3s-85f"
"""
THIRD = """
[[device]]
name = "c"
board = "ulx3s-85f"
"""
PINS = """
[[link]]
from = "a"
to = "b"
word_bits = 32
phy = "pins"
data_pins = 8
from_connector = "j1"
to_connector = "j1"
"""
ALIKE = [Device(name, 10**8, 8) for name in "abcd"]
WIRE = Link("x", "y", 32, 5)


def read(path: Path, text: str) -> System:
    file = path / "system.toml"
    file.write_text(text)
    return read_system_file(file)


def test_what_a_file_says(tmp_path: Path) -> None:
    more = 'rate = 0.3\ndirection = "one-way"\n[host]\ninput = "a"\noutput = "b"\n'
    system = read(tmp_path, DEVICES + LINK + more)
    assert system == System(
        (
            Device("a", 100_000_000, 64),
            Device("b", 62_500_000, 20, 20, 1_000, 900, "dsp48e2", "short"),
        ),
        (Link("a", "b", 64, 16, Fraction(3, 10), None, False),),
        Host("a", "b"),
    )
    assert system.wire("a", "b") == system.links[0]
    assert system.wire("b", "a") is None


def test_a_board_says_what_its_device_has(tmp_path: Path) -> None:
    board = load_board("ulx3s-85f")
    device = '[[device]]\nname = "u"\nboard = "ulx3s-85f"\n'
    (plain,) = read(tmp_path, device).devices
    have = board.budget
    assert (plain.multipliers, plain.dsps, plain.memory_bits) == (have.multipliers, have.dsps, have.block_ram_bits)
    assert (plain.luts, plain.dsp, plain.board, plain.clock_hz) == (have.luts, "ecp5", "ulx3s-85f", 10**8)
    (slower,) = read(tmp_path, f"{device}clock_mhz = 50\n").devices
    assert slower.clock_hz == 50_000_000
    (smaller,) = read(tmp_path, f"{device}multipliers = 32\n").devices
    assert (smaller.multipliers, smaller.dsps) == (32, have.dsps)


def test_links_between_neighbours(tmp_path: Path) -> None:
    row = read(tmp_path, f"{DEVICES}[chain]\nword_bits = 64\nlatency_cycles = 16\nclock_mhz = 125\n")
    assert [wire.ends for wire in row.wires] == [("a", "b"), ("b", "a")]
    assert row.links == (Link("a", "b", 64, 16, clock_hz=125_000_000),)
    assert [link.ends for link in chain(ALIKE, WIRE).links] == [("a", "b"), ("b", "c"), ("c", "d")]
    assert [link.ends for link in ring(ALIKE, WIRE).links] == [("a", "b"), ("b", "c"), ("c", "d"), ("d", "a")]
    with pytest.raises(PlanError, match=re.escape("A ring needs at least 3 devices, not 2; make it a chain.")):
        ring(ALIKE[:2], WIRE)


def test_links_over_pins(tmp_path: Path) -> None:
    """A word of 32 bits takes 4 cycles over 8 pins; the way back is the same connector from its other end."""
    system = read(tmp_path, BOARDS + PINS)
    there, back = system.wire("a", "b"), system.wire("b", "a")
    assert there is not None
    assert back is not None
    assert (there.rate, there.latency_cycles, there.clock_hz) == (Fraction(1, 4), 8, None)
    assert there.pins == LinkPins(8, PinsEnd("j1", True), PinsEnd("j1", False))
    assert back.pins == LinkPins(8, PinsEnd("j1", False), PinsEnd("j1", True))
    assert System(system.devices, (there, back)).wires == system.wires  # a link's ways one by one
    figures = PINS.replace('[[link]]\nfrom = "a"\nto = "b"', "[chain]").replace('to_connector = "j1"', "")
    row = read(tmp_path, f"{BOARDS}{THIRD}{figures}to_connector = 'j2'\n")
    ends = [(link.source, link.pins.source, link.target, link.pins.target) for link in row.links if link.pins]
    one, other = PinsEnd("j1", True), PinsEnd("j2", False)
    assert ends == [("a", one, "b", other), ("b", one, "c", other)]
    with pytest.raises(PlanError, match=r"goes over pins, which say its rate and latency; make it with over_pins\.$"):
        Link("a", "b", 32, 8, pins=there.pins)
    assert over_pins("a", "b", 32, there.pins) == system.links[0]


def test_rows_of_a_connector() -> None:
    """Each end counts its pins from its own end of the row: clock, start, valid and data."""
    assert rows("abcdefghij", 2) == (("a", "b", "c", "d", "e"), ("j", "i", "h", "g", "f"))


def test_times_are_whole_ticks() -> None:
    devices = (Device("a", 100_000_000, 1), Device("b", 75_000_000, 1), Device("c", 200_000_000, 1))
    links = (
        Link("a", "c", 8, 0, Fraction(3, 7), both=False),
        Link("c", "b", 8, 0, both=False),
        Link("b", "a", 8, 0, clock_hz=25_000_000, both=False),
    )
    system = System(devices, links)
    cycle = {device.name: Fraction(system.cycle_ticks(device.name), system.ticks_hz) for device in devices}
    assert cycle == {"a": Fraction(1, 10**8), "b": Fraction(1, 75 * 10**6), "c": Fraction(1, 2 * 10**8)}
    words = [Fraction(system.word_ticks(link), system.ticks_hz) for link in links]
    # At a's rate; as fast as the slower receiver; at the link's own clock.
    assert words == [Fraction(7, 3 * 10**8), Fraction(1, 75 * 10**6), Fraction(1, 25 * 10**6)]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "The system has no devices; describe each in a [[device]] table."),
        ("device = 3", "[device] must be a list of tables; write [[device]]."),
        ("device = [3]", "[[device]] must be a table, not 3."),
        ("x = 1", "The system has the unknown entry 'x'; known are device, link, host, chain, ring."),
        ("[[device]]\nboard = 'x'", "Device 1 has no 'name'; give it."),
        ("[[device]]\nname = 3", "Device '3': name must be a text, not 3."),
        (
            "[[device]]\nname = 'a'\nluts = 4\nclock = 5",
            "Device 'a' has the unknown entry 'clock'; known are name, board, clock_mhz, pipeline, dsp, multipliers, "
            "dsps, memory_bits, luts.",
        ),
        ("[[device]]\nname = 'a'", "Device 'a' has no budget; give it a board, multipliers or dsps."),
        ("[[device]]\nname = 'a'\ndsps = 3", "Device 'a' has no clock; give clock_mhz."),
        (
            "[[device]]\nname = 'a'\nboard = 'ulx3s-85f'\ndsps = 3",
            "Device 'a' has a board, which says its dsps; leave one of the two away.",
        ),
        (
            "[[device]]\nname = 'a'\nboard = 'ulx3s-85f'\nmultipliers = 129",
            "Device 'a': multipliers must be at most its board's 128, not 129.",
        ),
        (
            "[[device]]\nname = 'a'\nboard = 'x'",
            "No board is called 'x': 'rnngen boards' lists them, and a board file's name ends in .toml.",
        ),
        (
            "[[device]]\nname = 'a'\nmultipliers = 1.5\nclock_mhz = 9",
            "Device 'a': multipliers must be a whole number, not 1.5.",
        ),
        (
            "[[device]]\nname = 'a'\nmultipliers = true\nclock_mhz = 9",
            "Device 'a': multipliers must be a whole number, not True.",
        ),
        ("[[device]]\nname = 'a'\ndsps = 0\nclock_mhz = 9", "Device 'a': multipliers must be at least 1, not 0."),
        (
            "[[device]]\nname = 'a'\nmultipliers = 2\nmemory_bits = -1\nclock_mhz = 9",
            "Device 'a': memory_bits must be at least 1, not -1.",
        ),
        (
            "[[device]]\nname = 'a'\nmultipliers = 1\nclock_mhz = 'x'",
            "Device 'a': clock_mhz must be a number, not 'x'.",
        ),
        (
            "[[device]]\nname = 'a'\nmultipliers = 1\nclock_mhz = 0.0000005",
            "Device 'a': clock_mhz must be a whole number of Hz, not 0.5 Hz.",
        ),
        (
            "[[device]]\nname = 'a'\nmultipliers = 1\nclock_mhz = 20000",
            "Device 'a': its clock must be within 0.001..10000 MHz, not 20000.",
        ),
        (
            "[[device]]\nname = 'a b'\nmultipliers = 1\nclock_mhz = 2",
            "A device's name becomes that of its folder and of a Verilog module, so it must begin with a letter and "
            "hold letters, digits and _ only, not 'a b'.",
        ),
        (
            "[[device]]\nname = 'a'\nmultipliers = 1\nclock_mhz = 2\n" * 2,
            "Two devices are called 'a', upper and lower case aside; rename one of them.",
        ),
        (
            DEVICES,
            "No links join device 'b' to 'a'; add a link, or leave the device out.",
        ),
        (f"{DEVICES}[chain]\nword_bits = 8", "[chain] has no latency_cycles; give it."),
        (f"{DEVICES}[chain]\n{LINK}", "The system has links of several kinds; give [[link]] tables, or one of [chain] "
         "and [ring]."),
        (f"{DEVICES}chain = 3", "Device 'b' has the unknown entry 'chain'; known are name, board, clock_mhz, pipeline, "
         "dsp, multipliers, dsps, memory_bits, luts."),
        (f"chain = 3\n{DEVICES}", "[chain] must be a table, not 3."),
        (f"{DEVICES}[[link]]\nto = 'b'", "Link 1 has no 'from'; give it."),
        (f"{DEVICES}[[link]]\nfrom = 'a'", "Link 1 has no 'to'; give it."),
        (f"{DEVICES}{LINK}lanes = 3", "Link 1 has the unknown entry 'lanes'; known are word_bits, latency_cycles, "
         "rate, clock_mhz, direction, phy, data_pins, from_connector, to_connector, from, to."),
        (f"{DEVICES}{LINK}data_pins = 3", "Link 1 has data_pins and no phy; give phy = \"pins\", or leave data_pins "
         "away."),
        (f"{DEVICES}{LINK}phy = 'serdes'", "Link 1: phy must be pins, not 'serdes'; leave it away for figures alone."),
        (f"{DEVICES}{LINK}phy = 'pins'", "Link 1 goes over pins, which say its latency_cycles; leave latency_cycles "
         "away."),
        (BOARDS + PINS.replace("data_pins = 8\n", ""), "Link 1 has no data_pins; give it."),
        (BOARDS + PINS.replace("8", "5"), "The link from 'a' to 'b': data_pins must divide its words of 32 bits and "
         "be fewer, so that no receiver is too slow, not 5."),
        (BOARDS + PINS.replace("8", "32"), "The link from 'a' to 'b': data_pins must divide its words of 32 bits and "
         "be fewer, so that no receiver is too slow, not 32."),
        (BOARDS + PINS.replace("8", "16"), "The link from 'a' to 'b' needs 38 pins for 16 of data each way, and "
         "connector 'j1' of 'a' has 28; give fewer data_pins."),
        (BOARDS + PINS.replace("j1", "x"), "Board 'ulx3s-85f' has the connectors j1, j2, and not 'x'."),
        (DEVICES + PINS, "The link from 'a' to 'b' goes over pins, and 'a' has no board that says which; give it one."),
        (BOARDS + THIRD + PINS + PINS.replace('"a"', '"c"'), "The link from 'c' to 'b' and that from 'a' to 'b' both "
         "take connector 'j1' of 'b'; give one of them another."),
        (BOARDS + "clock_mhz = 12.5\n" + PINS, "The link from 'a' to 'b' brings 'b' 25 million words a second, more "
         "than it has cycles (12.5 MHz); give fewer data_pins."),
        (f"{DEVICES}{LINK}direction = 'two'", "Link 1: direction must be both or one-way, not 'two'."),
        (f"{DEVICES}{LINK}rate = 0", "The link from 'a' to 'b': rate must be above 0 and at most 1 word a cycle, not "
         "0."),
        (f"{DEVICES}{LINK}rate = 1.25", "The link from 'a' to 'b': rate must be above 0 and at most 1 word a cycle, "
         "not 1.25."),
        (f"{DEVICES}{LINK}rate = 0.5\nclock_mhz = 3", "The link from 'a' to 'b' has a clock of its own and a rate of "
         "the sender's; give one of them."),
        (f"{DEVICES}{LINK}clock_mhz = 0.0005", "The link from 'a' to 'b': its clock must be within 0.001..10000 MHz, "
         "not 0.0005."),
        (DEVICES + LINK.replace("64", "4"), "A link's words must have 8 to 64 bits, not 4."),
        (DEVICES + LINK.replace("64", "48"), "A link's words must have 8, 16, 32 or 64 bits, not 48."),
        (DEVICES + LINK.replace("16", "-1"), "The link from 'a' to 'b': latency_cycles must be within 0..1,000,000, "
         "not -1."),
        (DEVICES + LINK.replace('"b"', '"a"'), "The link from 'a' to 'a' leads from a device to itself; take it out."),
        (DEVICES + LINK.replace('"b"', '"c"'), "The link from 'a' to 'c' names 'c', but the devices are a, b."),
        (DEVICES + LINK + LINK, "There are two links from 'a' to 'b'; give one, as wide as both."),
        (f"{DEVICES}{LINK}[host]\ninput = 'c'", "The host's input names 'c', but the devices are a, b."),
        (f"{DEVICES}{LINK}[host]\nin = 'c'", "[host] has the unknown entry 'in'; known are input, output."),
        (
            f"{DEVICES}{LINK}direction = 'one-way'\n[host]\ninput = 'b'\noutput = 'a'",
            "No links lead from 'b', where the input enters, to 'a', where results leave; add a link, or choose other "
            "devices for the host.",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(PlanError) as caught:
        read(tmp_path, text)
    assert str(caught.value) == sentence


def test_files_that_are_no_toml(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"The system file 'system.toml' is no TOML \(.*\)\."):
        read(tmp_path, "[[device")
    with pytest.raises(PlanError, match=r"The system file 'system.toml' is no TOML \(nan is no number to count with\)"):
        read(tmp_path, f"{DEVICES}{LINK}rate = nan")
    with pytest.raises(PlanError, match=r"The system file '.*none.toml' cannot be read \(.*\); give a TOML file\."):
        read_system_file(tmp_path / "none.toml")


def test_a_system_of_no_devices() -> None:
    with pytest.raises(PlanError, match=re.escape("A system must have 1..64 devices, not 0.")):
        System(())
