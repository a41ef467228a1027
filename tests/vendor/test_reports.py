"""Parsers of vendors' reports, on texts written after the documented forms (reports/README.md)."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from rnngen.build.result import Clock, CriticalPath, Routed
from rnngen.build.vendor.figures import Report
from rnngen.build.vendor.flows import VENDOR_FLOWS
from rnngen.build.vendor.reports_gowin import gowin_version
from rnngen.build.vendor.reports_lattice import lattice_version
from rnngen.build.vendor.reports_quartus import quartus_version
from rnngen.build.vendor.reports_vivado import vivado_version
from rnngen.errors import ToolError

REPORTS = Path(__file__).parent / "reports"
MHZ = 1_000_000

# Which file of reports/ is which of a tool's, of a design called loop.
FILES = {
    "vivado": {"utilisation.rpt": "vivado_utilisation.rpt", "timing.rpt": "vivado_timing.rpt"},
    "cyclone": {
        f"output_files/loop.{end}": f"cyclone.{end}" for end in ("fit.summary", "fit.rpt", "sta.summary", "sta.rpt")
    },
    "max10": {
        "output_files/loop.fit.summary": "max10.fit.summary", "output_files/loop.fit.rpt": "max10.fit.rpt",
        "output_files/loop.sta.summary": "cyclone.sta.summary", "output_files/loop.sta.rpt": "cyclone.sta.rpt",
    },
    "gowin": {"impl/pnr/loop.rpt.txt": "gowin.rpt.txt", "impl/pnr/loop.tr": "gowin.tr"},
    "diamond": {f"impl/loop_impl.{end}": f"diamond.{end}" for end in ("mrp", "twr")},
    "radiant": {f"impl/loop_impl.{end}": f"radiant.{end}" for end in ("mrp", "twr")},
}  # fmt: skip
TARGETS = {"vivado": 100, "cyclone": 75, "max10": 75, "gowin": 27, "diamond": 100, "radiant": 12}


def lay(folder: Path, kind: str, change: Callable[[str], str] = lambda text: text) -> Path:
    """The reports of a tool where it leaves them, each changed."""
    for path, name in FILES[kind].items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(change((REPORTS / name).read_text()))
    return folder


def read(folder: Path, kind: str) -> tuple[Routed, str]:
    flow = VENDOR_FLOWS["quartus" if kind in ("cyclone", "max10") else kind]
    return flow.read(folder, "loop", TARGETS[kind] * MHZ)


def test_vivado(tmp_path: Path) -> None:
    routed, version = read(lay(tmp_path, "vivado"), "vivado")
    assert version == "v.2023.2"
    assert routed.used == {"luts": 4321, "ffs": 5678, "dsps": 68, "block_rams": 2 * 12 + 3}
    assert routed.available == {"luts": 20800, "ffs": 41600, "dsps": 90, "block_rams": 100}
    assert routed.clocks == (Clock("made", 125 * MHZ, 100 * MHZ),)  # 10 ns less 2 ns
    assert (routed.fmax_hz, routed.clock_met) == (125 * MHZ, True)
    assert routed.critical_path == CriticalPath(
        "core/engine0/h_reg[3]/C", "core/engine0/sum_reg[17]/D", 7.805, 3.1, 4.705, ()
    )


def test_vivado_of_ultrascale_and_older(tmp_path: Path) -> None:
    """UltraScale calls slices CLBs; before 2021 there is no column of prohibited sites."""

    def older(text: str) -> str:
        text = text.replace("Slice LUTs ", "CLB LUTs*  ").replace("Slice Registers", "CLB Registers  ")
        rows = re.compile(r"(\| +\S* +\| +\d* +\|)[ 0]+\|( +\d* \| +\S* \|)$", re.MULTILINE)
        return rows.sub(r"\1\2", text).replace(" Prohibited |", "")

    routed, _ = read(lay(tmp_path, "vivado", older), "vivado")
    assert "Prohibited" not in (tmp_path / "utilisation.rpt").read_text()
    assert routed.used == {"luts": 4321, "ffs": 5678, "dsps": 68, "block_rams": 27}


@pytest.mark.parametrize(
    ("old", "new"),
    [("      2.000   ", "     -0.150   "), ("  0.022  ", " -0.022  "), ("     2.225   ", "    -0.100   ")],
)
def test_vivado_misses_a_clock(tmp_path: Path, old: str, new: str) -> None:
    """By setup, hold or the width of pulses."""
    routed, _ = read(lay(tmp_path, "vivado", lambda text: text.replace(old, new)), "vivado")
    assert routed.clock_met is False


def test_cyclone(tmp_path: Path) -> None:
    routed, version = read(lay(tmp_path, "cyclone"), "cyclone")
    assert version == "22.1std.0"
    assert routed.used == {"luts": 3210, "ffs": 5678, "dsps": 64, "block_rams": 27}
    assert routed.available == {"luts": 83820, "ffs": 167640, "dsps": 112, "block_rams": 553}
    name = "pll|general[0].gpll~PLL_OUTPUT_COUNTER|divclk"
    assert routed.clocks == (Clock(name, 81_500_000, 75 * MHZ),)  # the slower of both corners
    assert routed.clock_met


def test_max10(tmp_path: Path) -> None:
    routed, version = read(lay(tmp_path, "max10"), "max10")
    assert version == "18.1.0"
    assert routed.used == {"luts": 6307, "ffs": 1671, "dsps": 17, "block_rams": 44}
    assert routed.available == {"luts": 49760, "ffs": 49760, "dsps": 144, "block_rams": 182}


def test_gowin(tmp_path: Path) -> None:
    routed, version = read(lay(tmp_path, "gowin"), "gowin")
    assert version == "V1.9.11.03"
    assert routed.used == {"luts": 5805, "ffs": 2300, "dsps": 11, "block_rams": 10}
    assert routed.available == {"luts": 8640, "ffs": 6693, "dsps": 20, "block_rams": 26}
    assert routed.clocks == (Clock("clk27", 41_250_000, 27 * MHZ),)


def test_diamond(tmp_path: Path) -> None:
    routed, version = read(lay(tmp_path, "diamond"), "diamond")
    assert version == "3.13.0.56.2"
    assert routed.used == {"luts": 5123, "ffs": 1970, "dsps": 33, "block_rams": 12}
    assert routed.available == {"luts": 83640, "ffs": 83640, "dsps": 156, "block_rams": 208}
    assert routed.clocks == (Clock("clk25", 150_015_000, 25 * MHZ), Clock("clock", 120_019_000, 100 * MHZ))
    assert (routed.fmax_hz, routed.clock_met) == (120_019_000, True)


def test_radiant(tmp_path: Path) -> None:
    routed, version = read(lay(tmp_path, "radiant"), "radiant")
    assert version == "2023.1.1.200.1"
    assert routed.used == {"luts": 4123, "ffs": 1972, "dsps": 5, "block_rams": 12}
    assert routed.available == {"luts": 5280, "ffs": 5280, "dsps": 8, "block_rams": 30}
    assert routed.clocks == (Clock("clk12", 18_409_000, 12 * MHZ),)


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("cyclone", "Slack : 0.101", "Slack : -0.101"),
        ("gowin", "Setup Violated Endpoints>:0", "Setup Violated Endpoints>:6"),
        ("gowin", "Hold Violated Endpoints>:0", "Hold Violated Endpoints>:1"),
        ("gowin", "41.250(MHz)", "26.100(MHz)"),
        ("diamond", "Report:  120.019MHz", "Warning:  90.009MHz"),
        ("diamond", "Timing errors: 0", "Timing errors: 3"),
        ("radiant", "Timing Errors: 0", "Timing Errors: 2"),
    ],
)
def test_a_missed_clock_is_told(tmp_path: Path, kind: str, old: str, new: str) -> None:
    assert read(lay(tmp_path / "met", kind), kind)[0].clock_met
    assert not read(lay(tmp_path / "missed", kind, lambda text: text.replace(old, new)), kind)[0].clock_met


LACKS = [
    ("vivado", "State : Routed", "State : Synthesized", "utilisation.rpt' does not say that the design is routed"),
    ("vivado", "DSPs  ", "DSPS  ", "how many DSPs are used and available"),
    ("vivado", "RAMB36/FIFO", "RAMB36 FIFO", "how many RAMB36 are used"),
    ("vivado", "Slice LUTs", "LUTs", "how many LUTs are used"),
    ("vivado", "      2.000        0.000", "         NA           NA", "the slacks of setup, hold and pulse width"),
    ("vivado", "| Clock Summary", "| Clocks", "its clocks"),
    ("vivado", "Vivado v.", "Tool ", "the tool's version"),
    ("cyclone", "Fitter Status : Successful", "Fitter Status : Failed", "that the design is routed"),
    ("cyclone", "Combinational ALUT usage", "ALUT usage", "how many ALUTs are used"),
    ("cyclone", "Total RAM Blocks", "Blocks", "how many RAM blocks are used"),
    ("cyclone", "Fmax Summary", "Summary", "the highest clock of any corner"),
    ("cyclone", "; Generated ; 13.333", "; Other ; 13.333", "the frequency that was asked of clock 'pll|general[0]"),
    ("cyclone", "Model Setup", "Model Set-up", "the slack of any clock"),
    ("max10", "; M9Ks", "; M10Ks", "how many M9K blocks are used"),
    ("gowin", "BSRAM     ", "BRAM      ", "how many block RAMs are used and available"),
    ("gowin", "5.5/10  | 55%", "55%", "how many DSPs are used and available"),
    ("gowin", "Setup Violated", "Setup", "how many setup errors there are"),
    ("diamond", "Number of LUT4s", "LUT4s", "how many LUTs are used"),
    ("diamond", "Timing summary (Hold)", "Timing (Hold)", "how many hold errors there are"),
    ("radiant", "Number of EBRs", "EBRs", "how many block RAMs are used"),
    ("radiant", " Hold at Speed", " Speed", "how many hold errors there are"),
]


@pytest.mark.parametrize(("kind", "old", "new", "what"), LACKS, ids=[f"{row[0]}-{row[3]}" for row in LACKS])
def test_a_figure_that_is_not_there_is_named(tmp_path: Path, kind: str, old: str, new: str, what: str) -> None:
    folder = lay(tmp_path, kind, lambda text: text.replace(old, new))
    with pytest.raises(ToolError, match=rf"^The report '.*{re.escape(what)}"):
        read(folder, kind)


@pytest.mark.parametrize("kind", FILES)
def test_reports_of_another_clock_are_refused(tmp_path: Path, kind: str) -> None:
    flow = VENDOR_FLOWS["quartus" if kind in ("cyclone", "max10") else kind]
    with pytest.raises(ToolError, match=r"has no clock of 66 MHz with paths, which the design was made for; it has "):
        flow.read(lay(tmp_path, kind), "loop", 66 * MHZ)


@pytest.mark.parametrize("kind", FILES)
def test_a_missing_report_is_named(tmp_path: Path, kind: str) -> None:
    folder, last = lay(tmp_path, kind), list(FILES[kind])[-1]
    (folder / last).unlink()
    with pytest.raises(ToolError, match=rf"wrote no report '{re.escape(last)}' \(No such file"):
        read(folder, kind)


def test_every_text_says_that_no_tool_wrote_it() -> None:
    for path in REPORTS.iterdir():
        assert "no tool wrote" in path.read_text().lower().replace("these files", "") or path.suffix == ".md", path.name


def test_versions_are_asked_of_each() -> None:
    for version in (vivado_version, quartus_version, gowin_version, lattice_version):
        with pytest.raises(ToolError, match="does not say the tool's version"):
            version(Report("empty", ""))
