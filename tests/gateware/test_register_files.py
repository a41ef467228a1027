"""Every form of the register table says what the table says; judged by PeakRDL, a C compiler and Python itself."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from peakrdl_cheader.exporter import CHeaderExporter
from systemrdl import RDLCompiler
from systemrdl.node import AddrmapNode, RootNode
from systemrdl.rdltypes import AccessType, OnWriteType

from rnngen.gateware.register_files import page, python_module, rdl, register_files
from rnngen.gateware.registers import REGISTERS, Features, c_header, python_map

PAGE = Path(__file__).parents[2] / "docs" / "registers.md"
SOFTWARE = {"ro": AccessType.r, "rw": AccessType.rw, "w1c": AccessType.rw, "wo": AccessType.w}
FEATURES = Features(double_buffer=True, interrupt=True, streams=5)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> RootNode:
    path = tmp_path_factory.mktemp("rdl") / "rnn_registers.rdl"
    path.write_text(rdl({"FEATURES": FEATURES.word}), encoding="ascii")
    compiler = RDLCompiler()
    compiler.compile_file(str(path))
    return compiler.elaborate()


def top(compiled: RootNode) -> AddrmapNode:
    return compiled.top


def test_peakrdl_reads_the_registers_of_the_table(compiled: RootNode) -> None:
    found = [(node.inst_name, node.absolute_address, node.get_property("desc")) for node in top(compiled).registers()]
    assert found == [(register.name, register.offset, register.description) for register in REGISTERS]
    assert {node.get_property("regwidth") for node in top(compiled).registers()} == {32}


def test_peakrdl_reads_the_fields_of_the_table(compiled: RootNode) -> None:
    nodes = {node.inst_name: node for node in top(compiled).registers()}
    for register in REGISTERS:
        fields: list[tuple[Any, ...]] = []
        for node in nodes[register.name].fields():
            names = ("sw", "onwrite", "onread", "singlepulse", "reset", "desc")
            fields.append((node.inst_name, node.low, node.high, *(node.get_property(name) for name in names)))
        constant = {"FEATURES": FEATURES.word}.get(register.name)
        wanted = [
            (
                field.name, field.low, field.low + field.width - 1, SOFTWARE[register.access],
                OnWriteType.woclr if register.access == "w1c" else None, None, field.pulse,
                field.reset if constant is None else (constant & field.mask) >> field.low, field.description,
            )
            for field in sorted(register.fields, key=lambda field: field.low)
        ]  # fmt: skip
        assert fields == wanted, register.name


def test_hardware_writes_what_is_live_and_only_that(compiled: RootNode) -> None:
    hardware = {
        node.inst_name: {field.is_hw_writable or field.get_property("hwset") for field in node.fields()}
        for node in top(compiled).registers()
    }
    constant = {"IDENTITY", "VERSION", "FEATURES"}
    for register in REGISTERS:
        live = register.name not in constant and register.access in ("ro", "w1c")
        assert hardware[register.name] == {live}, register.name


def test_peakrdls_c_header_agrees_with_ours(compiled: RootNode, tmp_path: Path) -> None:
    compiler = shutil.which("gcc") or shutil.which("cc")
    assert compiler is not None
    CHeaderExporter().export(compiled, str(tmp_path / "theirs.h"))
    (tmp_path / "ours.h").write_text(c_header(), encoding="ascii")
    lines = ["#include <stddef.h>", '#include "theirs.h"', '#include "ours.h"']
    for name, entry in python_map().items():
        lines.append(f'_Static_assert(offsetof(rnn_registers_t, {name}) == RNN_{name}, "{name}");')
        for field in entry["fields"]:
            theirs, ours = f"RNN_REGISTERS__{name}__{field.upper()}", f"RNN_{name}_{field.upper()}"
            lines.append(f'_Static_assert({theirs}_bm == {ours}_MASK && {theirs}_bp == {ours}_SHIFT, "{ours}");')
    (tmp_path / "check.c").write_text("\n".join([*lines, "int unused;", ""]), encoding="ascii")
    command = [compiler, "-fsyntax-only", "-std=c11", "-Wall", "-Wextra", "-Werror", str(tmp_path / "check.c")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_quotes_and_backslashes_are_escaped(tmp_path: Path) -> None:
    odd = replace(REGISTERS[0], description='a "quoted" back\\slash')
    path = tmp_path / "odd.rdl"
    path.write_text(rdl(registers=[odd]), encoding="ascii")
    compiler = RDLCompiler()
    compiler.compile_file(str(path))
    (node,) = compiler.elaborate().top.registers()
    assert node.get_property("desc") == odd.description


def test_the_python_module_holds_the_map() -> None:
    names: dict[str, Any] = {}
    exec(compile(python_module(), "rnn_registers.py", "exec"), names)
    assert names["REGISTERS"] == python_map()


def test_a_design_gets_every_form() -> None:
    files = register_files({"FEATURES": FEATURES.word})
    assert list(files) == ["rnn_registers.h", "rnn_registers.rdl", "rnn_registers.py", "rnn_registers.md"]
    assert (files["rnn_registers.h"], files["rnn_registers.md"]) == (c_header(), page())


def test_the_page_in_the_documentation_is_the_tables() -> None:
    """To renew it: python -m rnngen.gateware.register_files > docs/registers.md."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_features_there_and_back() -> None:
    assert FEATURES.word == 5 << 16 | 1 << 1 | 1 << 9
    assert Features.of(FEATURES.word | 1 << 15) == FEATURES
