"""Board files: what they may hold, and what is said of each mistake."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from rnngen.config import list_boards, load_board
from rnngen.config.board import BOARDS_VARIABLE
from rnngen.config.board_record import DRY_RUN, BoardRecord, read_record, write_record
from rnngen.errors import PlanError
from rnngen.plan.dsp import DSPS
from rnngen.resources import boards_dir

SMALL = """
name = "mine"
description = "A board"

[device]
family = "ecp5"
part = "LFE5U-25F"
package = "CABGA256"
speed_grade = "6"
dsp = "ecp5"

[clock]
port = "clk"
input_hz = 25_000_000
target_hz = 50_000_000

[reset]
port = "button"
active = "low"

[leds]
port = "led"
active = "low"

[fixed]
quiet = "low"

[host]
kind = "uart"
baud = 1_000_000
rx = "rx"
tx = "tx"

[flow]
use = ["open"]

[flow.open]
pack = ["--freq", "38.8"]

[budget]
multipliers = 24
dsps = 28
block_rams = 56
block_ram_bits = 1_032_192
luts = 24_288
ffs = 24_288

[pins]
clk = "P6"
button = "B1"
led = ["A1", "A2"]
quiet = "B2"
rx = "C1"
tx = "C2"

[pins.attributes]
default = { IO_TYPE = "LVCMOS33" }
led = { IO_TYPE = "LVCMOS33", DRIVE = 4 }

[connectors]
j1 = ["D1", "D2"]

[connectors.attributes]
sends = { IO_TYPE = "LVCMOS33", SLEWRATE = "FAST" }
takes = { IO_TYPE = "LVCMOS33", PULLMODE = "DOWN" }
"""


def written(folder: Path, text: str, name: str = "mine") -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text)
    return path


def test_all_that_a_file_says(tmp_path: Path) -> None:
    board = load_board(str(written(tmp_path, SMALL)))
    assert (board.family, board.part, board.package, board.speed_grade) == ("ecp5", "LFE5U-25F", "CABGA256", "6")
    assert (board.clock.port, board.clock_input_hz, board.clock_target_hz) == ("clk", 25_000_000, 50_000_000)
    assert board.reset is not None
    assert board.leds is not None
    assert (board.reset.port, board.reset.active_high, board.leds.active_high) == ("button", False, False)
    assert board.fixed == (("quiet", 0),)
    assert (board.host.kind, board.uart_baud, board.host.rx, board.host.tx) == ("uart", 1_000_000, "rx", "tx")
    assert (board.pin("led").sites, board.pin("rx").sites) == (("A1", "A2"), ("C1",))
    assert board.pin("led").attributes == (("IO_TYPE", "LVCMOS33"), ("DRIVE", "4"))
    assert board.pin("rx").attributes == (("IO_TYPE", "LVCMOS33"),)
    assert board.options("open", "pack") == ("--freq", "38.8")
    assert board.options("open", "place") == ()
    assert (board.budget.multipliers, board.budget.ultra_rams) == (24, 0)
    assert board.connector("j1").sites == ("D1", "D2")
    assert (board.record, board.status) == (None, "not run")


def test_the_least_that_a_board_needs(tmp_path: Path) -> None:
    """A device whose clock and host are its processing system: no pins at all."""
    text = """
    name = "mine"
    description = "A board"
    device = { family = "xcup", part = "xczu7ev-ffvc1156-2-e", board_part = "xilinx.com:zcu104:part0:1.1" }
    clock = { source = "processor", input_hz = 200_000_000, target_hz = 200_000_000, makes_hz = [200_000_000] }
    host = { kind = "axi", processor = "zynqmp" }
    flow = { use = "vivado", vivado = { design = "A=2" } }
    budget = { multipliers = 1, dsps = 1, block_rams = 1, block_ram_bits = 1, luts = 1, ffs = 1, ultra_rams = 96 }
    """
    board = load_board(str(written(tmp_path, text)))
    assert (board.pins, board.connectors, board.reset, board.leds, board.dsp) == ((), (), None, None, None)
    assert (board.clock.source, board.clock_port, board.clock.makes_hz) == ("processor", "", (200_000_000,))
    assert (board.host.processor, board.flows, board.options("vivado", "design")) == ("zynqmp", ("vivado",), ("A=2",))
    assert board.budget.ultra_rams == 96
    with pytest.raises(PlanError, match=r"^Board 'mine' has no serial line: its host is 'axi'\.$"):
        _ = board.uart_baud
    with pytest.raises(PlanError, match=r"^Board 'mine' has no connectors, and so no 'j1'\.$"):
        board.connector("j1")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('family = "ecp5"', 'family = "virtex"', "[device] needs one of ecp5, ice40, gowin, xc7, xcu, xcup, "),
        ('part = "LFE5U-25F"', "", "[device] has no key 'part'; give it."),
        ('part = "LFE5U-25F"', "part = 25", "[device] needs a text for 'part', not 25."),
        ('dsp = "ecp5"', 'dps = "ecp5"', "[device] has the unknown key 'dps'; known are family, part, package, "),
        ("luts = 24_288", "", "[budget] has no key 'luts'; give it."),
        ("dsps = 28", "dsps = 2.5", "[budget] needs a whole number of at least 0 for 'dsps', not 2.5."),
        ("dsps = 28", "dsps = true", "[budget] needs a whole number of at least 0 for 'dsps', not True."),
        ("multipliers = 24", "multipliers = 0", "[budget] needs at least 1 for 'multipliers', not 0."),
        ("ffs = 24_288", "ffs = 24_288\nlut = 1", "[budget] has the unknown key 'lut'; known are multipliers, "),
        ("input_hz = 25_000_000", "input_hz = 0", "[clock] needs a whole number of at least 1 for 'input_hz', not 0."),
        ("input_hz", "makes_hz = [1]\ninput_hz", "[clock] needs one of 'makes_hz' for 'target_hz', not 50000000."),
        ("input_hz", "makes_hz = [0]\ninput_hz", "[clock] needs a list of positive whole numbers for 'makes_hz'"),
        ("input_hz", 'source = "internal"\ninput_hz', "[clock] has a clock from elsewhere (source = "),
        ('active = "low"\n\n[leds]', 'active = 0\n\n[leds]', "[reset] needs a text for 'active', not 0."),
        ('quiet = "low"', 'quiet = "off"', "[fixed] needs one of high, low for 'quiet', not 'off'."),
        ('quiet = "low"', 'loud = "low"', "[pins] has no key 'loud', which [fixed] names; give its pins."),
        ('[fixed]\nquiet = "low"', "", "[pins] has the port 'quiet' and nothing uses it; name it in "),
        ('kind = "uart"', 'kind = "usb"', "[host] needs one of uart, axi, none for 'kind', not 'usb'."),
        ('kind = "uart"', 'kind = "none"', "[host] has the unknown key 'baud'; known are kind."),
        ("baud = 1_000_000", "", "[host] has no key 'baud'; give it."),
        ('rx = "rx"', 'rx = "clk"', "[host] names the port 'clk', which [clock] has already; take another."),
        ('rx = "C1"', 'rx = ["C1", "C3"]', "[pins] needs one pin for 'rx', not 2."),
        ('rx = "C1"', 'rx = "C2"', "has the pin C2 in 'pins.rx' and 'pins.tx'; a pin has one place."),
        ('"A1", "A2"', '"A1", "A1"', "has the pin A1 in 'pins.led' twice; a pin has one place."),
        ('"D1", "D2"', '"D1", "B2"', "has the pin B2 in 'pins.quiet' and 'connectors.j1'; a pin has one place."),
        ('"D1", "D2"', "", "[connectors] needs a text or a list of texts for 'j1', not []."),
        ("[connectors.attributes]", "[connectors.attribute]", "[connectors] needs a text or a list of texts for "),
        ("[pins]", '[pins]\nX1 = "Z9"', "[pins] needs ports of small letters, digits and '_' that do not "),
        ("[pins]", '[pins]\nin_a = "Z9"', "[pins] needs ports of small letters, digits and '_' that do not "),
        ('led = { IO', 'leds = { IO', "[pins.attributes] has the unknown key 'leds'; known are default, clk, button, "),
        ('default = { IO_TYPE = "LVCMOS33" }', "", "[pins.attributes] has no key 'default'; give it."),
        ("DRIVE = 4", "DRIVE = 4.5", "[pins.attributes] needs a table of texts and numbers for 'led', not {"),
        ('use = ["open"]', 'use = ["vivado"]', "[flow] needs flows that ecp5 has for 'use', of open, "),
        ('use = ["open"]', 'use = []', "[flow] needs a text or a list of texts for 'use', not []."),
        ("[flow.open]", "[flow.diamond]", "[flow] has the unknown key 'diamond'; known are use, load, open."),
        ('pack = ["', 'pak = ["', "[flow.open] has the unknown key 'pak'; known are synth, place, pack."),
        ('"open"]', '"open", "diamond"]\ndiamond.a = "1"', "[flow.diamond] has the unknown key 'a'; known are none."),
        ("[budget]", "[budgets]", "has the unknown key 'budgets'; known are name, description, note, amaranth, "),
        ('[host]\nkind = "uart"', 'x', "is no TOML: "),
        ('name = "mine"', 'name = "other"', "needs the file's name without .toml, of small letters, digits, "),
        ('description = "A board"', 'description = ""', "needs a text for 'description', not ''."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    """One sentence that names the file, the table and the key."""
    assert old in SMALL
    with pytest.raises(PlanError) as caught:
        load_board(str(written(tmp_path, SMALL.replace(old, new, 1))))
    assert str(caught.value).startswith("Board file 'mine.toml'")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_files_and_tables_are_told(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"^Board file '.*none\.toml' cannot be read: No such file or directory\.$"):
        load_board(str(tmp_path / "none.toml"))
    text = SMALL.replace("[budget]", "[connectors.x]")
    with pytest.raises(PlanError, match=r"^Board file 'mine\.toml' has no key 'budget'; give it\.$"):
        load_board(str(written(tmp_path, text)))
    with pytest.raises(PlanError, match=r"^Board file 'mine\.toml' needs a table for 'device', not 'ecp5'\.$|must be"):
        load_board(str(written(tmp_path, "name = 'mine'\ndevice = 'ecp5'\nclock = 1\nbudget = 1\nhost = 1\nflow = 1")))


def test_folders_of_a_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, SMALL)
    assert "mine" not in list_boards()
    monkeypatch.setenv(BOARDS_VARIABLE, str(tmp_path))
    assert "mine" in list_boards()
    assert load_board("mine").description == "A board"
    shutil.copy(boards_dir() / "ulx3s-85f.toml", tmp_path)
    with pytest.raises(PlanError, match=r"^Board 'ulx3s-85f' is in both '.*' and '.*'; rename one\.$"):
        load_board("mine")
    monkeypatch.setenv(BOARDS_VARIABLE, str(tmp_path / "none"))
    with pytest.raises(PlanError, match=r"^RNNGEN_BOARDS names '.*none', which is no folder\.$"):
        list_boards()


def test_records(tmp_path: Path) -> None:
    """A record says what was done, and has no clock that was not measured."""
    board = load_board(str(written(tmp_path, SMALL)))
    record = BoardRecord(DRY_RUN, "vivado", "tclsh 8.6", "LSTM 4/8", 50_000_000, None, None, {}, {}, note="stand-ins")
    path = write_record(board.file, record)
    assert path == tmp_path / "records" / "mine.json"
    assert (board.record, board.status) == (record, "dry run")
    with pytest.raises(ValueError, match="go together"):
        replace(record, fmax_hz=10)
    path.write_text(json.dumps({"status": "routed"}))
    with pytest.raises(PlanError, match=r"^The record 'mine\.json' of a board is damaged \(.*\); run"):
        read_record(board.file)


@pytest.mark.parametrize("name", list_boards())
def test_boards_of_the_package(name: str) -> None:
    """Each loads, has a DSP that the plans know, and budgets within its device."""
    board = load_board(name)
    assert board.name == name
    assert board.dsp is None or board.dsp in DSPS
    assert board.budget.multipliers <= board.budget.dsps or board.budget.dsps == 0
    assert len(board.description) < 80
    assert board.record is None or board.record.flow in board.flows
