"""From a design to synthesis.json with a vendor's tool, which is a stand-in here, and what stops it."""

from __future__ import annotations

import functools
import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from rnngen.build.result import SynthesisResult
from rnngen.build.vendor import project
from rnngen.cli import main
from rnngen.errors import DesignError, PlanError, ToolError
from rnngen.flow import dry_run, synthesize
from rnngen.gateware.board_top import board_verilog
from tests.vendor.projects import known_board, make_design
from tests.vendor.test_reports import FILES, REPORTS

# A gw_sh that checks where it runs, and leaves reports and a bitstream as Gowin EDA does.
GW_SH = """#!{python}
import pathlib, shutil, sys
assert sys.argv[1:] == ["build.tcl"], sys.argv
text = pathlib.Path("build.tcl").read_text()
assert pathlib.Path("loop.v").is_file() and pathlib.Path("bias.hex").is_file()
print("gw_sh of nobody")
pathlib.Path("impl/pnr").mkdir(parents=True)
for path, name in {files}.items():
    text = (pathlib.Path("{reports}") / name).read_text()
    pathlib.Path(path).write_text(text.replace("{old}", "{new}"))
if {bitstream}:
    pathlib.Path("impl/pnr/loop.fs").write_text("0101")
{more}
"""


def gw_sh(folder: Path, old: str = "", new: str = "", bitstream: bool = True, more: str = "") -> Path:
    """The stand-in in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "gw_sh"
    script.write_text(
        GW_SH.format(
            python=sys.executable, files=FILES["gowin"], reports=REPORTS, old=old, new=new or old, bitstream=bitstream,
            more=more,
        )
    )  # fmt: skip
    script.chmod(0o755)
    return folder


@functools.cache
def top_of(board: str, hertz: int) -> str:
    """The board's top around the stand-in core, made once."""
    ports = {name: {"tdata_bits": 16, "beats_per_step": 2} for name in ("s_axis", "m_axis")}
    return board_verilog({"top": "loop", "clock_hz_target": hertz, "ports": ports}, known_board(board))


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in core has no network behind it that could be read back."""
    monkeypatch.setattr(
        project, "board_verilog", lambda design, board: top_of(board.name, design["clock_hz_target"])
    )
    module = sys.modules["rnngen.flow.synthesize"]  # the function of this name hides it
    monkeypatch.setattr(module, "read_design", lambda folder: SimpleNamespace(folder=Path(folder)))


@pytest.fixture
def design(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A design for Gowin EDA, which is nowhere."""
    for variable in ("GOWIN_HOME", "XILINX_VIVADO", "QUARTUS_ROOTDIR", "FOUNDRY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    return make_design(tmp_path / "with space" / "design", "gowin-test")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


BEFORE = {"design.json", "rtl"}


def test_a_tool_on_path_to_figures(design: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{gw_sh(design.parent / 'bin')}:/usr/bin:/bin")
    lines: list[str] = []
    result = synthesize(design, lines.append)
    assert json.loads((design / "synthesis.json").read_text()) == json.loads(json.dumps(result.to_dict()))
    assert set(result.to_dict()) == set(SynthesisResult.__dataclass_fields__)
    assert (result.tool, result.tool_version, result.device) == ("Gowin EDA", "V1.9.11.03", "GW1NR-LV9QN88PC6/I5")
    assert (result.luts, result.ffs, result.dsps, result.block_rams) == (5805, 2300, 11, 10)
    assert (result.fmax_hz, result.clock_target_hz, result.clock_met) == (41_250_000, 27_000_000, True)
    assert (result.measured, result.seed, result.seeds_tried) == (True, None, ())
    assert result.bitstream == "synthesis/impl/pnr/loop.fs"
    assert (design / result.bitstream).read_text() == "0101"
    assert (design / "synthesis" / "gowin.out").read_text() == "gw_sh of nobody\n"
    assert names(design) == BEFORE | {"gowin", "synthesis", "synthesis.json"}
    assert lines[-1] == "synthesize: 41.2 MHz, clock met"


def test_a_tool_that_a_variable_names_is_found(design: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gw_sh(design.parent / "gowin" / "IDE" / "bin")
    monkeypatch.setenv("GOWIN_HOME", str(design.parent / "gowin"))
    assert synthesize(design, flow="gowin").clock_met


def test_a_missed_clock_gives_no_bitstream(design: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{gw_sh(design.parent / 'bin', '41.250(MHz)', '26.100(MHz)')}:/usr/bin:/bin")
    result = synthesize(design)
    assert (result.clock_met, result.bitstream, result.fmax_hz) == (False, None, 26_100_000)
    assert not (design / "synthesis" / "impl" / "pnr" / "loop.fs").exists()


@pytest.mark.parametrize(
    ("more", "bitstream", "sentence"),
    [
        ("print('ERROR: no licence'); sys.exit(3)", True, r"^Gowin EDA failed with status 3: ERROR: no licence\.$"),
        ("pathlib.Path('impl/pnr/loop.tr').unlink()", True, r"wrote no report 'impl/pnr/loop\.tr'"),
        ("", False, r"wrote no bitstream 'impl/pnr/loop\.fs'"),
    ],
)
def test_a_tool_that_fails_leaves_its_log_and_the_project(
    design: Path, monkeypatch: pytest.MonkeyPatch, more: str, bitstream: bool, sentence: str
) -> None:
    monkeypatch.setenv("PATH", f"{gw_sh(design.parent / 'bin', more=more, bitstream=bitstream)}:/usr/bin:/bin")
    (design / "synthesis.json").write_text("{}")
    with pytest.raises(ToolError, match=sentence):
        synthesize(design)
    assert names(design) == BEFORE | {"gowin", "synthesis.json"}
    assert (design / "synthesis.json").read_text() == "{}"
    assert (design / "gowin" / "gowin.out").read_text().startswith("gw_sh of nobody\n")


def test_a_tool_that_is_not_here_is_named_and_its_project_written(design: Path) -> None:
    with pytest.raises(
        ToolError,
        match=r"^Gowin EDA is not on this machine \('gw_sh' is not on PATH, nor below GOWIN_HOME\): install Gowin EDA "
        r".*, or take '.*/gowin' to a machine that has it and run 'gw_sh build\.tcl' there\.$",
    ):
        synthesize(design)
    assert names(design) == BEFORE | {"gowin"}
    document = json.loads((design / "gowin" / "project.json").read_text())
    assert {item["path"] for item in document["files"]} | {"project.json"} == names(design / "gowin")
    assert document["command"] == "gw_sh build.tcl"


def test_a_project_is_the_same_again_and_may_be_moved(design: Path, tmp_path: Path) -> None:
    with pytest.raises(ToolError):
        synthesize(design)
    first = {path.name: path.read_bytes() for path in (design / "gowin").iterdir()}
    (design / "gowin" / "old.rpt").write_text("of an earlier run")
    shutil.move(design, tmp_path / "moved")
    with pytest.raises(ToolError):
        synthesize(tmp_path / "moved")
    assert {path.name: path.read_bytes() for path in (tmp_path / "moved" / "gowin").iterdir()} == first


def test_somebody_elses_folder_is_left_alone(design: Path) -> None:
    (design / "gowin").mkdir()
    (design / "gowin" / "mine.txt").write_text("mine")
    with pytest.raises(DesignError, match=r"gowin' was not made by rnngen; move it away, nothing was overwritten\.$"):
        synthesize(design)
    assert names(design / "gowin") == {"mine.txt"}


def test_another_flow_than_the_boards_is_refused(design: Path) -> None:
    with pytest.raises(PlanError, match=r"^Board 'gowin-test' is built with gowin, not quartus\.$"):
        synthesize(design, flow="quartus")
    with pytest.raises(PlanError, match=r"^Flow must be one of open, vivado, .*, not ise\.$"):
        synthesize(design, flow="ise")
    assert names(design) == BEFORE


def test_the_open_flow_has_no_dry_run(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"the open flow runs here as it is: leave --dry-run out\.$"):
        dry_run(make_design(tmp_path / "design", "ulx3s-85f"))


def test_dry_run_on_the_command_line(design: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("_tkinter" if shutil.which("tclsh") is None else "json", reason="needs a Tcl interpreter")
    assert main(["synthesize", str(design), "--flow", "gowin", "--dry-run", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["flow"], said["part"], said["dry_run"]) == ("gowin", "GW1NR-LV9QN88PC6/I5", True)
    assert main(["synthesize", str(design), "--dry-run"]) == 0
    assert "No tool of the vendor ran: its commands were stand-ins" in capsys.readouterr().out
    assert names(design) == BEFORE | {"gowin"}


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
def test_radiant_takes_no_pll(tmp_path: Path) -> None:
    """Its clock is the one that comes in; another is refused before anything is written."""
    design = make_design(tmp_path / "design", "radiant-test", clock_hz_target=24_000_000)
    with pytest.raises((DesignError, PlanError), match="12 MHz"):
        synthesize(design)
    assert names(design) == BEFORE
