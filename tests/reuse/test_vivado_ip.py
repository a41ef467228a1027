"""The script that packages a core for Vivado, run to its end in a real Tcl interpreter: a dry run.

Vivado's commands are stand-ins (``sim/tcl/vivado_ip.tcl``, which block designs have as well), which know the commands,
options, objects and properties that are used, look for every file, and check each interface against the top's ports.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from rnngen.build.vendor.dry_run import run_script, tcl_interpreter
from rnngen.emit.design import Design
from rnngen.emit.reuse import Core, reuse_files
from rnngen.emit.reuse.vivado_ip import package_script
from rnngen.errors import ToolError
from tests.reuse.cores import AXIL, READ, core_of, stream, verilog_of

Calls = tuple[tuple[str, ...], ...]


def run(script: Path, *arguments: str) -> Calls:
    """Each call with its words, and what was packaged."""
    try:
        interpreter = tcl_interpreter()
    except ToolError:
        pytest.skip("No Tcl here: neither tclsh nor Python's own.")
    return run_script("vivado_package", script, interpreter, arguments)


def written(folder: Path, core: Core, verilog: str) -> Path:
    """A folder with this core; returns the script."""
    for name, content in reuse_files(core).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "rtl").mkdir()
    for name in (*core.verilog, *core.images):
        (folder / "rtl" / name).write_text("0\n")
    (folder / "rtl" / f"{core.top}.v").write_text(verilog)
    return folder / "reuse" / "package_ip.tcl"


def facts(calls: Calls) -> dict[tuple[str, str], str]:
    """Properties by object and name."""
    return {call[2:4]: call[4] for call in calls if call[:2] == ("dry::packaged", "property")}


def test_a_core_with_everything(tmp_path: Path) -> None:
    script = written(tmp_path / "a core", core_of(), verilog_of("tiny"))
    found = facts(run(script, str(tmp_path / "out"), "xczu7ev-ffvc1156-2-e"))
    buses = {"s_axis": stream(False, 48, 3), "m_axis": stream(True, 32, 3), "s_axil": AXIL, "m_axi": READ}
    for bus, signals in buses.items():
        maps = {name: port for (name, _), port in found.items() if name.startswith(f"portmap:{bus}/")}
        assert maps == {f"portmap:{bus}/{signal.upper()}": f"{bus}_{signal}" for signal in signals}
        assert found[f"bus:{bus}", "interface_mode"] == ("master" if bus[0] == "m" else "slave")
    values = {name.removeprefix("parameter:"): value for (name, key), value in found.items() if key == "value"}
    assert values == {
        "aclk/ASSOCIATED_BUSIF": "s_axis:m_axis:s_axil:m_axi",
        "aclk/ASSOCIATED_RESET": "aresetn",
        "aresetn/POLARITY": "ACTIVE_LOW",
        "irq/SENSITIVITY": "LEVEL_HIGH",
        "s_axil/PROTOCOL": "AXI4LITE",
        "m_axi/PROTOCOL": "AXI4",
        "m_axi/READ_WRITE_MODE": "READ_ONLY",
    }
    assert found["block:s_axil/registers", "range"] == "65536"  # 16 bits of byte address
    assert found["register:s_axil/registers/CONTROL", "address_offset"] == "0x20"
    assert found["space:m_axi", "range"] == str(2**64)
    assert (tmp_path / "out" / "component.xml").is_file()
    assert not (tmp_path / "out" / "project").exists()


def test_a_design(design: Design, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of its files are there, all of its registers, and nothing is written into a folder of its own."""
    shutil.copytree(design.folder, tmp_path / "moved")
    monkeypatch.chdir("/")
    calls = run(tmp_path / "moved" / "reuse" / "package_ip.tcl")
    found = facts(calls)
    registers = {name.split("/")[-1] for name, _ in found if name.startswith("register:")}
    assert registers == set(design.document["registers"])
    assert found["core:rnngen:accelerators", "name"] == "tiny"
    types = {Path(call[2]).name: call[3] for call in calls if call[:2] == ("dry::packaged", "file")}
    images = {path.name for path in (design.folder / "rtl").glob("*.hex")}
    assert types == dict.fromkeys(design.document["verilog"], "") | dict.fromkeys(images, "Memory Initialization Files")


@pytest.mark.parametrize(
    ("wrong", "right", "sentence"),
    [
        ("TDATA s_axis_tdata", "TDATA s_axis_data", "the top has no port s_axis_data"),
        ("TDATA s_axis_tdata", "DATA s_axis_tdata", "axis has no signal DATA"),
        ("    TLAST s_axis_tlast\n", "", "the port s_axis_tlast is in no interface"),
        ("TLAST s_axis_tlast", "TLAST s_axis_tvalid", "the port s_axis_tvalid is in two interfaces"),
        ("s_axis slave", "s_axis master", "bus:s_axis is a master, and s_axis_tvalid is no output"),
        ("s_axis slave", "s_axis monitor", "must be one of master slave, not monitor"),
        ("digest.hex", "digest.mem", "digest.mem is missing"),
        ("../rtl", "../../rtl", "is missing"),
        ("ASSOCIATED_RESET aresetn", "ASSOCIATED_RESET reset", "there is no object bus:reset"),
        ("set_property slave_memory_map_ref", "#", "has no slave_memory_map_ref"),
        ("ipx::check_integrity", "ipx::integrity", "the command 'ipx::integrity' is not known"),
        ("-taxonomy", "-category", "has no option -category"),
        ("set_property range", "set_property size", "has no property size"),
        ("ipx::update_checksums $core", "", "ipx::save_core comes before ipx::update_checksums"),
        ("ipx::check_integrity $core", "", "ipx::save_core comes before ipx::check_integrity"),
        ("ipx::save_core $core", "", "the end comes before ipx::save_core"),
        ("close_project", "", "the project is still open"),
        ("    ipx::remove_bus_interface", "    # ", "bus:s_axis is there already"),
    ],
)
def test_the_stand_ins_find_mistakes(tmp_path: Path, wrong: str, right: str, sentence: str) -> None:
    script = written(tmp_path, core_of(), verilog_of("tiny"))
    text = script.read_text()
    assert wrong in text
    script.write_text(text.replace(wrong, right, 1))
    with pytest.raises(ToolError, match=re.escape(sentence)):
        run(script, str(tmp_path / "out"))


def test_primitives_of_another_vendor_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"tiny is made of primitives of ecp5; Vivado cannot build it\."):
        run(written(tmp_path, core_of(multiplier="ecp5"), verilog_of("tiny")))


def test_it_says_that_it_was_a_dry_run() -> None:
    assert "have not run it in Vivado" in package_script(core_of())
