"""Systems of boards whose links go over pins: what their projects hold, in text, in simulation and as bitstreams."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rnngen.cli import main
from rnngen.config import load_board
from rnngen.config.system import Device, Host, Link, System, chain
from rnngen.config.system_file import read_system_file
from rnngen.emit.system import SystemDesign
from rnngen.errors import DesignError
from rnngen.flow import PartitionOptions, emulate, partition, read_system, simulate_board, simulate_boards, synthesize
from rnngen.gateware.board_top import board_constraints, board_verilog, inside
from rnngen.host import Accelerator, SocketTransport
from rnngen.resources import benches_dir
from tests.leaves.bench import VERILATOR

torch.set_num_threads(1)

SYSTEM = """
[[device]]
name = "left"
board = "ulx3s-85f"
clock_mhz = 50
[[device]]
name = "right"
board = "ulx3s-85f"
clock_mhz = 62.5
[[link]]
from = "left"
to = "right"
word_bits = 16
phy = "pins"
data_pins = 4
from_connector = "j1"
to_connector = "j2"
"""
HOST = '[host]\ninput = "left"\noutput = "right"\n'
WIRES = ("clock", "start", "valid", "data[0]", "data[1]", "data[2]", "data[3]")
WAIVED = (
    "DECLFILENAME", "UNUSEDSIGNAL", "WIDTHEXPAND", "PROCASSINIT", "CASEINCOMPLETE", "WIDTHTRUNC", "ASCRANGE",
    "SYNCASYNCNET",
)  # fmt: skip
"""Those of Amaranth's Verilog (``rnngen.verify.compile``), ``!`` of several bits and addresses of none among them; and
in a clock from elsewhere the reset is asynchronous."""
LAYERS = PartitionOptions(cut="layers", name="net", count=False)  # tests/flow/test_fits.py counts


def system_of(folder: Path, text: str) -> System:
    (folder / "system.toml").write_text(text)
    return read_system_file(folder / "system.toml")


def layers(inputs: int, units: int) -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.LSTM(inputs, units, num_layers=2, batch_first=True)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> SystemDesign:
    """Two LSTMs of 4 units, a board each, whose clocks differ."""
    folder = tmp_path_factory.mktemp("pair")
    return partition(layers(3, 4), system_of(folder, SYSTEM + HOST), folder / "d", LAYERS)


def constraints(document: dict[str, Any]) -> str:
    return board_constraints(load_board("ulx3s-85f"), inside(document).links or ())


def sites(document: dict[str, Any], prefix: str) -> dict[str, str]:
    """Pins of a board's ports that begin so, by what follows."""
    found = re.findall(r'LOCATE COMP "(\S+)" SITE "(\w+)";', constraints(document))
    return {port.removeprefix(prefix): site for port, site in found if port.startswith(prefix)}


def test_each_folder_knows_its_link(pair: SystemDesign) -> None:
    """Both folders alone say which pins, in which order, and the clock that comes from the other board."""
    left, right = (json.loads((pair.folder / name / "design.json").read_text()) for name in ("left", "right"))
    pins = {"data": 4, "connector": "j1", "first": True, "clock_hz": 62_500_000}
    link = {"name": "out", "to": "right", "word_bits": 16, "pins": pins}
    host = {"input": True, "output": False}
    assert left["device"] == {"name": "left", "top": "net_left_device", "host": host, "links": [link]}
    turned = {"data": 4, "connector": "j2", "first": False, "clock_hz": 50_000_000}
    assert right["device"]["host"] == {"input": False, "output": True}
    assert right["device"]["links"] == [{"name": "in", "to": "left", "word_bits": 16, "pins": turned}]
    assert read_system(pair.folder).system == pair.system
    assert pair.document["latency_is"] == "bound"
    assert 'FREQUENCY PORT "out_take_clock" 62.5 MHZ;' in constraints(left)
    assert 'FREQUENCY PORT "in_take_clock" 50 MHZ;' in constraints(right)


def test_a_straight_cable_joins_both(pair: SystemDesign) -> None:
    """What a pin of one board sends, the pin at the same place of the other one's connector takes."""
    board = load_board("ulx3s-85f")
    j1, j2 = board.connector("j1").sites, board.connector("j2").sites
    left, right = (design.document for design in pair.designs)
    for sends, takes, places in (
        (sites(left, "out_send_"), sites(right, "in_take_"), range(7)),
        (sites(left, "out_take_"), sites(right, "in_send_"), range(27, 20, -1)),
    ):
        assert tuple(sends) == tuple(takes) == WIRES
        assert list(sends.values()) == [j1[place] for place in places]
        assert list(takes.values()) == [j2[place] for place in places]


def test_the_tops_hold_their_devices(pair: SystemDesign) -> None:
    """A device's top, a PHY with registers at its pins, and the half of the serial bridge that has a host."""
    left, right = (board_verilog(design.document, load_board("ulx3s-85f")) for design in pair.designs)
    for text, core, link in ((left, "net_left", "out"), (right, "net_right", "in")):
        assert f"module {core}_board(" in text
        assert f"{core}_device core (" in text
        assert text.count("ODDRX1F ") == len(WIRES)
        assert text.count("IFS1P3DX ") == len(WIRES) - 1  # the clock clocks them
        for name in ("tx_clk", "rx_clk", "tx_data", "tx_start", "tx_valid", "tx_ready", "rx_data", "rx_valid", "up"):
            assert f".{link}_{name}(" in text
    assert ".s_axis_tdata(" in left
    assert ".m_axis_tdata(" not in left
    assert ".m_axis_tdata(" in right
    assert ".s_axis_tdata(" not in right
    assert left == board_verilog(pair.designs[0].document, load_board("ulx3s-85f"))


@pytest.mark.verilator
def test_the_tops_are_lint_clean(pair: SystemDesign, tmp_path: Path) -> None:
    for design in pair.designs:
        top = tmp_path / f"{design.top}_board.v"
        top.write_text(board_verilog(design.document, load_board("ulx3s-85f")))
        around = design.folder / "rtl" / f"{design.top}_device.v"
        twins = [benches_dir() / f"{name}.v" for name in ("ehxplll", "oddrx1f", "ifs1p3dx")]
        command = [VERILATOR, "--lint-only", "-Wall", "-Wno-fatal", "--top-module", top.stem]
        done = subprocess.run(
            [*command, *map(str, (*design.sources, around, *twins, top))],
            check=False, capture_output=True, text=True, cwd=design.folder / "rtl",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found = re.findall(rf"^%Warning-(\w+): .*/{top.name}:(.*)$", done.stderr, re.MULTILINE)
        open_ports = [text for rule, text in found if rule == "PINMISSING"]
        assert all("'s_axil_" in text for text in open_ports)  # nobody on the board talks to it
        assert {rule for rule, _ in found} <= {*WAIVED, "PINMISSING"}


def test_what_has_no_bitstream_is_refused(pair: SystemDesign, tmp_path: Path) -> None:
    with pytest.raises(DesignError, match=r"left' is a device of a system; simulate the boards of the system together"):
        simulate_board(pair.designs[0])
    with pytest.raises(DesignError, match=r"holds a system of several designs; give the folder of one of left, right"):
        synthesize(pair.folder)
    devices = [Device(name, 10**8, 24, board="ulx3s-85f") for name in ("left", "right")]
    described = chain(devices, Link("x", "y", 64, 16), Host("left", "right"))
    plain = partition(layers(3, 4), described, tmp_path / "d", LAYERS)
    with pytest.raises(DesignError, match=r"^The link from device 'left' to 'right' goes over no pins of its board"):
        synthesize(plain.designs[0])
    with pytest.raises(DesignError, match=r"^The link from device 'left' to 'right' goes over no pins of its board"):
        simulate_boards(plain)


def test_what_the_command_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The latency is a bound, whatever the clocks; another cut that lost is told with its parts."""
    torch.save(layers(12, 32).state_dict(), tmp_path / "m.pt")
    (tmp_path / "s.toml").write_text(SYSTEM.replace("62.5", "50").replace("= 16", "= 32").replace("= 4", "= 8"))
    arguments = [str(tmp_path / "m.pt"), "--system", str(tmp_path / "s.toml"), "-o", str(tmp_path / "d")]
    assert main(["partition", *arguments, "--no-count"]) == 0
    said = capsys.readouterr().out
    assert "to the last output word, at most, as boards have clocks of their own." in said
    assert "(blocks left 0..1); what binds: device 'left'" in said


@pytest.mark.verilator
def test_both_boards_in_one_simulation(tmp_path: Path) -> None:
    """What the host gives the first board comes out of the last one, over registers, pins and cable, bit for bit."""
    text = SYSTEM.replace("62.5", "50") + HOST
    design = partition(layers(3, 4), system_of(tmp_path, text), tmp_path / "d", LAYERS)
    x = np.random.default_rng(0).uniform(-1.0, 1.0, (2, 5, 3))
    with simulate_boards(design.folder) as boards, SocketTransport(boards.socket) as transport:
        y = Accelerator(transport, design.document, outputs=4).run(x)
    assert np.array_equal(y, emulate(design.folder, x).output)


@pytest.mark.synthesis
def test_a_device_to_its_bitstream(pair: SystemDesign) -> None:
    """The board's clock and the one from the other board are both constrained and reached."""
    result = synthesize(pair.designs[0])
    assert result.clock_met
    assert result.bitstream == "synthesis/net_left.bit"
    assert (pair.folder / "left" / result.bitstream).stat().st_size > 10_000
    targets = {clock.name: clock.target_hz for clock in result.clocks}
    assert targets["out_take_clock"] == 62_500_000
    assert sorted(targets.values()) == [50_000_000, 62_500_000]
