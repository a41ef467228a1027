"""Every vendor's script to its end in a real Tcl interpreter, and what its stand-ins refuse."""

from __future__ import annotations

import functools
import importlib.util
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rnngen.build.vendor.dry_run import _TKINTER, dry_run, run_stand_ins, tcl_interpreter
from rnngen.build.vendor.run import Written, write_vendor_project
from rnngen.errors import DesignError, PlanError, ToolError
from tests.reuse.cores import READ
from tests.vendor.projects import known_board, make_design

HAS_TKINTER = importlib.util.find_spec("_tkinter") is not None
pytestmark = pytest.mark.skipif(
    not (HAS_TKINTER or shutil.which("tclsh")), reason="needs a Tcl interpreter: tclsh, or Python with tkinter"
)

BOARDS = [
    ("arty-a7-35", "vivado"),
    ("arty-a7-100", "vivado"),
    ("genesys2", "vivado"),
    ("kcu105", "vivado"),
    ("zcu104", "vivado"),
    ("pynq-z2", "vivado"),
    ("de10-nano", "quartus"),
    ("de10-lite", "quartus"),
    ("tang-nano-9k", "gowin"),
    ("tang-nano-20k", "gowin"),
    ("gowin-test", "gowin"),
    ("ulx3s-85f", "diamond"),
    ("ecpix5-45f", "diamond"),
    ("radiant-test", "radiant"),
]
BITSTREAM = {
    "vivado": ["write_bitstream", "-force", "loop.bit"],
    "quartus": ["execute_module", "-tool", "asm"],
    "gowin": ["run", "all"],
    "diamond": ["prj_run", "Export", "-impl", "impl", "-task", "Bitgen"],
    "radiant": ["prj_run", "Export", "-impl", "impl", "-task", "Bitgen", "-forceOne"],
}

Calls = list[list[str]]


def quiet(line: str) -> None:
    """Nobody reads it."""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Written]:
    """The project of a board, written once."""

    @functools.cache
    def write(name: str) -> Written:
        design = make_design(tmp_path_factory.mktemp(name) / "design", name)
        return write_vendor_project(design, dict(BOARDS)[name], quiet)

    return write


def run(project: Written) -> Calls:
    return [list(call) for call in run_stand_ins(project, tcl_interpreter())]


def run_design(folder: Path, flow: str = "vivado") -> Calls:
    return [list(call) for call in dry_run(folder, flow, quiet).calls]


def values(calls: Calls, command: str, option: str | None = None) -> list[str]:
    """The last word of each call of a command, or the one behind an option."""
    found = [call for call in calls if call[0] == command]
    return [call[-1] if option is None else call[call.index(option) + 1] for call in found if option in (None, *call)]


@pytest.mark.parametrize(("name", "flow"), BOARDS)
def test_a_script_runs_to_its_end(written: Callable[[str], Written], name: str, flow: str) -> None:
    board, project = known_board(name), written(name)
    calls = run(project)
    assert calls[-1] == ["end", "0"]
    assert BITSTREAM[flow] in calls
    texts = "\n".join(path.read_text() for path in project.folder.glob("*") if path.suffix != ".json")
    assert board.part in texts
    assert "unused" not in texts  # a module that nothing uses is no source
    assert all((project.folder / file).is_file() for file in ("adder.v", "bias.hex", "loop.v", "build.tcl"))
    assert str(project.folder.parent) not in texts
    top = "loop" if board.host.kind == "axi" else "loop_board"
    assert re.search(rf"\b{top}\b", texts)


def test_constraints_are_those_of_the_board(written: Callable[[str], Written]) -> None:
    """Pins as Digilent's master constraints of the Arty A7 have them."""
    calls = run(written("arty-a7-35"))
    assert values(calls, "create_project", "-part") == ["xc7a35ticsg324-1L"]
    assert values(calls, "synth_design", "-top") == ["loop_board"]
    placed = {call[3].strip("{}"): call[2] for call in calls if call[:2] == ["set_property", "-dict"]}
    assert placed == {
        "port:clk100": "PACKAGE_PIN E3 IOSTANDARD LVCMOS33",
        "port:reset": "PACKAGE_PIN C2 IOSTANDARD LVCMOS33",
        "port:uart_rx": "PACKAGE_PIN A9 IOSTANDARD LVCMOS33",
        "port:uart_tx": "PACKAGE_PIN D10 IOSTANDARD LVCMOS33",
        "port:led[0]": "PACKAGE_PIN H5 IOSTANDARD LVCMOS33",
        "port:led[1]": "PACKAGE_PIN J5 IOSTANDARD LVCMOS33",
        "port:led[2]": "PACKAGE_PIN T9 IOSTANDARD LVCMOS33",
        "port:led[3]": "PACKAGE_PIN T10 IOSTANDARD LVCMOS33",
    }
    assert ["create_clock", "-name", "clk100", "-period", "10.000", "port:clk100"] in calls
    assert ["set_property", "CFGBVS", "VCCO", "design:"] in calls
    ends = ("_design", "_bitstream", "_utilization", "_timing_summary")
    order = [call[0] for call in calls if call[0].endswith(ends)]
    assert order == [
        "synth_design", *["current_design"] * 3, "opt_design", "place_design", "phys_opt_design", "route_design",
        "report_utilization", "report_timing_summary", "write_bitstream",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["arty-a7-35", "pynq-z2"])
def test_a_missed_clock_gives_no_bitstream(
    written: Callable[[str], Written], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RNNGEN_DRY_SLACK", "-0.25")
    calls = run(written(name))
    assert calls[-1] == ["end", "0"]
    assert values(calls, "write_bitstream") == []


def test_a_max_10_starts_with_its_memories(written: Callable[[str], Written]) -> None:
    calls = run(written("de10-lite"))
    assert values(calls, "set_global_assignment", "-name").count("VERILOG_FILE") == 3
    assert ["set_global_assignment", "-name", "INTERNAL_FLASH_UPDATE_MODE", "SINGLE IMAGE WITH ERAM"] in calls
    assert ["set_global_assignment", "-name", "DEVICE", "10M50DAF484C7G"] in calls
    assert ["set_location_assignment", "PIN_D14", "-to", "led[7]"] in calls
    assert [call[-1] for call in calls if call[0] == "execute_module"] == ["map", "fit", "sta", "asm"]


def test_a_gowin_device_has_its_die(written: Callable[[str], Written]) -> None:
    calls = run(written("gowin-test"))
    assert ["set_device", "-name", "GW1NR-9C", "GW1NR-LV9QN88PC6/I5"] in calls
    assert ["set_option", "-gen_text_timing_rpt", "1"] in calls
    assert ["set_option", "-use_mspi_as_gpio", "1"] in calls


@pytest.mark.parametrize("name", ["tang-nano-9k", "tang-nano-20k"])
def test_a_tang_nano_frees_no_pins(written: Callable[[str], Written], name: str) -> None:
    """The device as its maker's own projects name it, and nothing of its configuration given up."""
    calls = run(written(name))
    parts = {"tang-nano-9k": ["GW1NR-9C", "GW1NR-LV9QN88PC6/I5"], "tang-nano-20k": ["GW2AR-18C", "GW2AR-LV18QN88C8/I7"]}
    assert ["set_device", "-name", *parts[name]] in calls
    assert [call[1] for call in calls if call[0] == "set_option" and call[1].endswith("_as_gpio")] == []


def test_a_diamond_device_is_named_as_diamond_does(written: Callable[[str], Written]) -> None:
    calls = run(written("ulx3s-85f"))
    assert values(calls, "dry::project_new", "-dev") == ["LFE5U-85F-6BG381C"]


def packaged(calls: Calls, wanted: str) -> dict[str, str]:
    """Properties of an object of the core that was packaged."""
    return {call[3]: call[4] for call in calls if call[:3] == ["dry::packaged", "property", wanted]}


def edges(calls: Calls) -> set[tuple[str, str]]:
    """Interfaces that a block design joins."""
    joined = [call[1:] for call in calls if call[0] == "connect_bd_intf_net"]
    return {(a.removeprefix("intf:"), b.removeprefix("intf:")) for a, b in joined}


def test_a_block_design_is_whole(tmp_path: Path) -> None:
    """The core as IP with its clock and reset, the DMA at both streams, the processors' ports, and addresses."""
    calls = run_design(make_design(tmp_path / "design", "pynq-z2", more={"irq": (False, 1)}))
    assert packaged(calls, "parameter:aclk/ASSOCIATED_BUSIF") == {"value": "s_axis:m_axis:s_axil"}
    assert packaged(calls, "parameter:aclk/ASSOCIATED_RESET") == {"value": "aresetn"}
    assert packaged(calls, "core:rnngen:accelerators")["name"] == "loop"
    assert edges(calls) == {
        ("ps/M_AXI_GP0", "to_registers/S00_AXI"), ("to_registers/M00_AXI", "dma/S_AXI_LITE"),
        ("to_registers/M01_AXI", "core/s_axil"), ("dma/M_AXI_MM2S", "to_memory/S00_AXI"),
        ("dma/M_AXI_S2MM", "to_memory/S01_AXI"), ("to_memory/M00_AXI", "ps/S_AXI_HP0"),
        ("dma/M_AXIS_MM2S", "core/s_axis"), ("core/m_axis", "dma/S_AXIS_S2MM"),
    }  # fmt: skip
    nets = [[pin.removeprefix("pin:") for pin in call[1:]] for call in calls if call[0] == "connect_bd_net"]
    assert ["core/irq", "interrupts/In2"] in nets
    assert ["interrupts/dout", "ps/IRQ_F2P"] in nets
    assert {"core/aclk", "dma/s_axi_lite_aclk", "ps/S_AXI_HP0_ACLK"} < set(nets[0])
    at = [call[0] for call in calls]
    assert at.index("assign_bd_address") < at.index("validate_bd_design") < at.index("make_wrapper")
    assert ["launch_runs", "synth_1", "-jobs", "4"] in calls


def test_a_stream_of_odd_bytes_has_a_converter(tmp_path: Path) -> None:
    design = make_design(tmp_path / "design", "zcu104", in_bits=48, out_bits=256)
    calls = run_design(design)
    assert edges(calls) > {
        ("dma/M_AXIS_MM2S", "take/S_AXIS"), ("take/M_AXIS", "core/s_axis"), ("core/m_axis", "dma/S_AXIS_S2MM"),
        ("ps/M_AXI_HPM0_FPD", "to_registers/S00_AXI"), ("to_memory/M00_AXI", "ps/S_AXI_HP0_FPD"),
    }  # fmt: skip
    given = " ".join(" ".join(call) for call in calls if call[0] == "set_property")
    assert "CONFIG.S_TDATA_NUM_BYTES 8 CONFIG.M_TDATA_NUM_BYTES 6" in given
    assert "CONFIG.c_s_axis_s2mm_tdata_width 256" in given


def test_external_weights_are_read_from_the_processors_memory(tmp_path: Path) -> None:
    ports = {f"m_axi_{name}": port for name, port in READ.items()}
    calls = run_design(make_design(tmp_path / "design", "pynq-z2", more=ports))
    assert ("core/m_axi", "to_memory/S02_AXI") in edges(calls)
    assert packaged(calls, "parameter:aclk/ASSOCIATED_BUSIF") == {"value": "s_axis:m_axis:s_axil:m_axi"}


def test_board_files_that_are_not_installed_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNGEN_DRY_BOARD_PARTS", "")
    with pytest.raises(ToolError, match=r"the files of board tul\.com\.tw:pynq-z2:part0:1\.0 are not installed"):
        dry_run(make_design(tmp_path / "design", "pynq-z2"), "vivado", quiet)


def test_a_clock_that_processors_do_not_make_is_refused(tmp_path: Path) -> None:
    design = make_design(tmp_path / "design", "pynq-z2", clock_hz_target=120_000_000)
    with pytest.raises(PlanError, match=r"divides 1000 MHz and cannot make 120 MHz: ask for 111\.111111 or 125 MHz\.$"):
        dry_run(design, "vivado", quiet)


def test_streams_are_not_for_a_dma(tmp_path: Path) -> None:
    ports = {"s_axis": {"tdata_bits": 16, "beats_per_step": 2}, "m_axis": {"tdata_bits": 16, "beats_per_step": 2}}
    design = make_design(tmp_path / "design", "pynq-z2", ports={**ports, "tid_bits": 2})
    with pytest.raises(DesignError, match=r"no TID.*generate with --streams 1\.$"):
        dry_run(design, "vivado", quiet)


@pytest.mark.skipif(not HAS_TKINTER, reason="needs Python with tkinter")
def test_tkinter_is_an_interpreter_as_well(written: Callable[[str], Written], tmp_path: Path) -> None:
    project = copied(written("gowin-test"), tmp_path)
    assert run_stand_ins(project, [sys.executable, "-c", _TKINTER]) == run_stand_ins(project, tcl_interpreter())
    damage(project, "run all", "run everything")
    with pytest.raises(ToolError, match="this script runs all, not everything"):
        run_stand_ins(project, [sys.executable, "-c", _TKINTER])


def copied(project: Written, folder: Path) -> Written:
    shutil.copytree(project.folder, folder / "copy")
    return Written(folder / "copy", project.flow, project.project)


def damage(written: Written, old: str, new: str, file: str = "build.tcl") -> None:
    path = written.folder / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


IMAGES = """add_files -norecurse $images
set_property file_type {Memory Initialization Files} [get_files $images]
"""
REFUSED = [
    ("arty", "build.tcl", "opt_design\n", "optimise_design\n", "the command 'optimise_design' is not known here"),
    ("arty", "build.tcl", "-top loop_board", "-topp loop_board", "synth_design has no option -topp"),
    ("arty", "build.tcl", "-delay_type max", "-delay_type most", "option -delay_type must be one of max min, not most"),
    ("arty", "build.tcl", "    adder.v\n", "    subtractor.v\n", "the file subtractor.v is missing"),
    ("arty", "build.tcl", "    adder.v\n", "    ../adder.v\n", "the file ../adder.v is missing"),
    ("arty", "build.tcl", IMAGES, "", "reads bias.hex, which is no file of the project"),
    ("arty", "build.tcl", "opt_design\nplace", "place_design\nopt_design\nplace", "comes before opt_design"),
    ("arty", "build.tcl", "xc7a35ticsg324-1L\nset", "xc7a35t\nset", "a part is such as xc7a35ticsg324-1L"),
    ("arty", "build.tcl", "report_timing", "# report_timing", "the end comes before report_timing_summary"),
    ("arty", "board.xdc", "led[3]", "led[4]", "the top has no port led[4]"),
    ("arty", "board.xdc", "PACKAGE_PIN T9", "PACKAGE_PIN J5", "the pin J5 has led[1] already"),
    ("arty", "board.xdc", "LVCMOS33} [get_ports {reset", "LVCMOS34} [get_ports {reset", "no I/O standard is LVCMOS34"),
    ("arty", "board.xdc", " IOSTANDARD LVCMOS33} [get_ports {reset", "} [get_ports {reset", "reset has no IOSTANDARD"),
    ("arty", "board.xdc", "create_clock", "# create_clock", "synth_design comes before clocked"),
    ("arty", "bias.hex", "0000\n", "// first\n0000\n", "a line that is no hexadecimal word: // first"),
    ("pynq", "build.tcl", "core/m_axis dma/S_AXIS_S2MM", "core/m_axis dma/S_AXI_LITE", "and dma/S_AXI_LITE is aximm"),
    ("pynq", "build.tcl", "    core/m_axis dma/S_AXIS_S2MM\n", "", "the interface core/m_axis is not connected"),
    ("pynq", "build.tcl", " core/aresetn", "", "the pin core/aresetn is not connected"),
    ("pynq", "build.tcl", "s2mm_tdata_width 16", "s2mm_tdata_width 32", "has 2 bytes and one of dma/S_AXIS_S2MM 4"),
    ("pynq", "build.tcl", "NUM_MI 2", "NUM_MI 1", "to_registers has no interface M01_AXI"),
    ("pynq", "build.tcl", "assign_bd_address\n", "", "validate_bd_design comes before assign_bd_address"),
    ("pynq", "package_ip.tcl", "ASSOCIATED_RESET aresetn", "ASSOCIATED_RESET areset", "there is no object bus:areset"),
    ("pynq", "package_ip.tcl", "s_axis:m_axis:s_axil", "s_axis:s_axil", "m_axis of the core has no clock"),
    ("pynq", "package_ip.tcl", "parameter $signal ASSOCIATED_RESET", "# ", "the core's clock aclk has no reset"),
    ("pynq", "package_ip.tcl", "RST aresetn", "RST areset", "the top has no port areset"),
    ("pynq", "build.tcl", "accelerators:loop:0.1", "accelerators:loop:1.0", "has the version 0.1"),
    ("lite", "build.tcl", "SINGLE IMAGE WITH ERAM", "SINGLE IMAGE", "has no ERAM, so memories cannot have contents"),
    ("lite", "build.tcl", "10M50DAF484C7G", "5CSEBA6U23I7", "5CSEBA6U23I7 is no MAX 10"),
    ("lite", "build.tcl", "PIN_B8", "B8", "a pin is such as PIN_V11, not B8"),
    ("lite", "build.tcl", "export_assignments\n", "", "execute_module comes before exported"),
    ("lite", "board.sdc", "derive_pll_clocks", "derive_clocks", "the command 'derive_clocks' is not known here"),
    ("lite", "bias.hex", "", None, "reads the memory image bias.hex, which is missing"),
]


@pytest.mark.parametrize(("project", "file", "old", "new", "sentence"), REFUSED, ids=[row[-1] for row in REFUSED])
def test_stand_ins_refuse(
    written: Callable[[str], Written],
    tmp_path: Path,
    project: str,
    file: str,
    old: str,
    new: str | None,
    sentence: str,
) -> None:
    copy = copied(written({"arty": "arty-a7-35", "pynq": "pynq-z2", "lite": "de10-lite"}[project]), tmp_path)
    if new is None:
        (copy.folder / file).unlink()
    else:
        damage(copy, old, new, file)
    with pytest.raises(ToolError, match=re.escape(sentence)):
        run_stand_ins(copy, tcl_interpreter())
