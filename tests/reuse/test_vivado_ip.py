"""The script that packages a core for Vivado, run to its end in a real Tcl interpreter: a dry run.

Vivado's commands are stand-ins (``vivado_ip.tcl``), which know the commands, options, objects and properties that are
used, look for every file, and check each interface against the ports of the top.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rnngen.emit.design import Design
from rnngen.emit.reuse import Core, reuse_files
from rnngen.emit.reuse.vivado_ip import package_script
from tests.reuse.cores import AXIL, READ, core_of, stream, verilog_of

STAND_INS = Path(__file__).with_name("vivado_ip.tcl")
# Python's own Tcl, where the machine has no other.
PYTHON_TCL = """\
import sys, tkinter
tcl = tkinter.Tcl()
tcl.setvar("argv", tcl.call("list", *sys.argv[2:]))
tcl.eval("source {" + sys.argv[1] + "}")
"""


def tcl() -> list[str]:
    """The command that runs a Tcl script."""
    if found := shutil.which("tclsh"):
        return [found]
    pytest.importorskip("_tkinter", reason="No Tcl here: neither tclsh nor Python's own.")
    return [sys.executable, "-c", PYTHON_TCL]


def run(script: Path, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [*tcl(), str(STAND_INS), str(script), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


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


def facts(output: str) -> dict[str, str]:
    """Properties by object and name."""
    return dict(re.findall(r"^property (\S+) = (.*)$", output, re.MULTILINE))


def test_a_core_with_everything(tmp_path: Path) -> None:
    script = written(tmp_path / "a core", core_of(), verilog_of("tiny"))
    done = run(script, str(tmp_path / "out"), "xczu7ev-ffvc1156-2-e", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = facts(done.stdout)
    buses = {"s_axis": stream(False, 48, 3), "m_axis": stream(True, 32, 3), "s_axil": AXIL, "m_axi": READ}
    for bus, signals in buses.items():
        maps = {name for name in found if name.startswith(f"/core:core/bus:{bus}/portmap:")}
        assert {found[name] for name in maps} == {f"{bus}_{signal}" for signal in signals}
        for name in maps:  # /core:core/bus:s_axis/portmap:TDATA,physical_name
            assert found[name] == f"{bus}_{re.split('[:,]', name)[-2].lower()}"
        assert found[f"/core:core/bus:{bus},interface_mode"] == ("master" if bus[0] == "m" else "slave")
    values = {name.split("/bus:")[1]: value for name, value in found.items() if name.endswith(",value")}
    assert values == {
        "aclk/parameter:ASSOCIATED_BUSIF,value": "s_axis:m_axis:s_axil:m_axi",
        "aclk/parameter:ASSOCIATED_RESET,value": "aresetn",
        "aresetn/parameter:POLARITY,value": "ACTIVE_LOW",
        "irq/parameter:SENSITIVITY,value": "LEVEL_HIGH",
        "s_axil/parameter:PROTOCOL,value": "AXI4LITE",
        "m_axi/parameter:PROTOCOL,value": "AXI4",
        "m_axi/parameter:READ_WRITE_MODE,value": "READ_ONLY",
    }
    block = "/core:core/map:s_axil/block:registers"
    assert found[f"{block},range"] == "65536"  # 16 bits of byte address
    assert found[f"{block}/register:CONTROL,address_offset"] == "0x20"
    assert found["/core:core/space:m_axi,range"] == str(2**64)
    assert (tmp_path / "out" / "component.xml").is_file()
    assert not (tmp_path / "out" / "project").exists()


def test_a_design(design: Design, tmp_path: Path) -> None:
    """All of its files are there, all of its registers, and nothing is written into a folder of its own."""
    shutil.copytree(design.folder, tmp_path / "moved")
    done = run(tmp_path / "moved" / "reuse" / "package_ip.tcl", cwd=Path("/"))
    assert done.returncode == 0, done.stderr
    found = facts(done.stdout)
    registers = {re.split("[:,]", name)[-2] for name in found if "/register:" in name}
    assert registers == set(design.document["registers"])
    assert found["/core:core,name"] == "tiny"
    files = re.findall(r"^object /file:(\S.*)$", done.stdout, re.MULTILINE)
    assert {Path(name.replace("|", "/")).name for name in files} == {
        *design.document["verilog"], *(path.name for path in (design.folder / "rtl").glob("*.hex"))
    }  # fmt: skip
    images = [name for name in found if name.endswith(".hex,file_type")]
    assert {found[name] for name in images} == {"Memory Initialization Files"}
    assert len(images) == len(list((design.folder / "rtl").glob("*.hex")))


@pytest.mark.parametrize(
    ("wrong", "right", "sentence"),
    [
        ("TDATA s_axis_tdata", "TDATA s_axis_data", "the top has no port s_axis_data"),
        ("TDATA s_axis_tdata", "DATA s_axis_tdata", "axis has no signal DATA"),
        ("    TLAST s_axis_tlast\n", "", "the port s_axis_tlast is in no interface"),
        ("digest.hex", "digest.mem", "does not exist"),
        ("ASSOCIATED_RESET aresetn", "ASSOCIATED_RESET reset", "there is no object /core:core/bus:reset"),
        ("set_property slave_memory_map_ref", "#", "has no slave_memory_map_ref"),
        ("ipx::check_integrity", "ipx::integrity", "the command ipx::integrity is not known"),
        ("-taxonomy", "-category", "has no option -category"),
        ("set_property range", "set_property size", "has no property size"),
        ("ipx::update_checksums $core", "", "update_checksums must come first"),
    ],
)
def test_the_stand_ins_find_mistakes(tmp_path: Path, wrong: str, right: str, sentence: str) -> None:
    script = written(tmp_path, core_of(), verilog_of("tiny"))
    text = script.read_text()
    assert wrong in text
    script.write_text(text.replace(wrong, right, 1))
    done = run(script, str(tmp_path / "out"))
    assert done.returncode != 0
    assert sentence in done.stderr


def test_primitives_of_another_vendor_are_refused(tmp_path: Path) -> None:
    done = run(written(tmp_path, core_of(multiplier="ecp5"), verilog_of("tiny")))
    assert "tiny is made of primitives of ecp5; Vivado cannot build it." in done.stderr


def test_it_says_that_it_was_a_dry_run() -> None:
    assert "have not run it in Vivado" in package_script(core_of())
