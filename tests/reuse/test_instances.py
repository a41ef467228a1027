"""Templates of instances: Verilog and VHDL."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from rnngen.emit.design import Design
from rnngen.emit.reuse.instances import verilog_instance, vhdl_instance, vhdl_name
from rnngen.verify.tools import find_tools
from tests.reuse.cores import core_of, ports_of

ENTITY = """\
library ieee;
use ieee.std_logic_1164.all;

entity around is
end entity;

architecture made of around is
{declarations}
begin
{instance}
end architecture;
"""


def test_the_verilog_instance_names_every_port_once() -> None:
    text = verilog_instance(core_of())
    instance = text[text.index("tiny tiny_i (") :]
    assert re.findall(r"\.(\w+)\((\w+)\)", instance) == [(port.name, port.name) for port in core_of().ports.all]
    assert "wire [47:0] s_axis_tdata;" in text
    assert "wire irq;" in text


@pytest.mark.verilator
def test_the_verilog_instance_fits_the_core_in_a_folder_that_was_moved(design: Design, tmp_path: Path) -> None:
    """Linted from elsewhere, with the file list; a pin that is missing or too wide is a warning, so an error."""
    moved = tmp_path / "moved here"
    shutil.copytree(design.folder, moved)
    template = (moved / "reuse" / "tiny.veo").read_text()
    (tmp_path / "around.v").write_text(f"module around;\n{template}\nendmodule\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    command = [str(find_tools().verilator), "--lint-only", "-Wall", "--top-module", "around", "../around.v", "-F"]
    waived = [f"-Wno-{rule}" for rule in ("DECLFILENAME", "UNDRIVEN")]  # nothing drives the wires around it
    (elsewhere / "waived.vlt").write_text(f'`verilator_config\nlint_off -file "{moved}/*"\n')
    done = subprocess.run(
        [*command, str(moved / "tiny.f"), *waived, "-Wno-UNUSEDSIGNAL", "waived.vlt"],
        cwd=elsewhere, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_vhdl_instance_has_the_ports() -> None:
    """By its text; where there is GHDL, the next test has it analysed."""
    text = vhdl_instance(core_of())
    component = text[text.index("component tiny is") : text.index("end component;")]
    line = r"^    (\w+) : (in |out) (std_logic(?:_vector\((\d+) downto 0\))?)(;?)$"
    found = re.findall(line, component, re.MULTILINE)
    assert {name: (way == "in ", int(high or 0) + 1) for name, way, _, high, _ in found} == ports_of()
    assert [mark for *_, mark in found] == [";"] * (len(found) - 1) + [""]
    instance = text[text.index("tiny_i : tiny") :]
    assert re.findall(r"^    (\w+) => (\w+)", instance, re.MULTILINE) == [(name, name) for name, *_ in found]
    assert re.findall(r"^signal (\w+) : (.*);$", text, re.MULTILINE) == [(name, kind) for name, _, kind, *_ in found]


@pytest.mark.skipif(shutil.which("ghdl") is None, reason="GHDL is not installed; the text is checked all the same.")
@pytest.mark.parametrize("top", ["tiny", "signal", "a__b", "x_"])
def test_the_vhdl_instance_is_vhdl(tmp_path: Path, top: str) -> None:
    declarations, instance = vhdl_instance(core_of(top)).split("-- 2. Behind begin: the instance.")
    (tmp_path / "around.vhd").write_text(ENTITY.format(declarations=declarations, instance=instance))
    done = subprocess.run(
        ["ghdl", "-a", "--std=93", "around.vhd"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("tiny", "tiny"), ("lstm_2", "lstm_2"), ("signal", r"\signal\ "), ("Process", r"\Process\ "),
        ("a__b", r"\a__b\ "), ("_x", r"\_x\ "), ("x_", r"\x_\ "),
    ],
)  # fmt: skip
def test_vhdl_names(name: str, written: str) -> None:
    """Reserved words, double and outer underscores need an extended identifier."""
    assert vhdl_name(name) == written.rstrip(" ")
