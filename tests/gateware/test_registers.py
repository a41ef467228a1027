"""The register table: consistent, and alike in every form it is printed in."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from rnngen.gateware.registers import REGISTERS, Field, Register, c_header, check_table, markdown, python_map


def test_no_two_registers_share_an_address_or_a_name() -> None:
    check_table(REGISTERS)
    assert len({register.offset for register in REGISTERS}) == len(REGISTERS)


def test_offsets_are_kept() -> None:
    """Software that is out there uses these numbers."""
    assert {register.name: register.offset for register in REGISTERS} == {
        "IDENTITY": 0x00,
        "VERSION": 0x04,
        "FEATURES": 0x08,
        "DIGEST0": 0x10,
        "DIGEST1": 0x14,
        "DIGEST2": 0x18,
        "DIGEST3": 0x1C,
        "CONTROL": 0x20,
        "STATUS": 0x24,
        "ERRORS": 0x28,
        "CLEAR_STREAM": 0x2C,
        "CYCLES_LOW": 0x30,
        "CYCLES_HIGH": 0x34,
        "STEPS_IN": 0x38,
        "STEPS_OUT": 0x3C,
        "INPUT_STALLS": 0x40,
        "OUTPUT_STALLS": 0x44,
        "SATURATIONS": 0x48,
        "LATENCY_MAX": 0x4C,
        "LOAD_SELECT": 0x50,
        "LOAD_ADDRESS": 0x54,
        "LOAD_DATA": 0x58,
        "LOAD_STATUS": 0x5C,
        "READ_SELECT": 0x60,
        "READ_ADDRESS": 0x64,
        "READ_DATA": 0x68,
        "MEMORY_BASE_LOW": 0x70,
        "MEMORY_BASE_HIGH": 0x74,
        "MEMORY_CONTROL": 0x78,
        "INTERRUPT_PENDING": 0x80,
        "INTERRUPT_MASK": 0x84,
        "LOAD_CONTROL": 0x90,
        "LOAD_CHECKSUM": 0x94,
        "LOAD_CRC": 0x98,
        "LOAD_WORDS": 0x9C,
    }


def one(name: str = "A", offset: int = 0, *fields: Field) -> Register:
    return Register(name, offset, "rw", fields, "A register.")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Field("f", 30, 3, ""), "Field 'f' must lie within bits 0..31, not start at 30 with 3 bits."),
        (lambda: Field("f", 0, 0, ""), "Field 'f' must lie within bits 0..31, not start at 0 with 0 bits."),
        (lambda: Field("f", 0, 2, "", reset=4), "Field 'f': reset value must fit 2 bits, not be 4."),
        (lambda: one("A", 2), "Register A: offset must be a multiple of 4 below 0x10000, not 0x2."),
        (lambda: one("A", 1 << 16), "Register A: offset must be a multiple of 4 below 0x10000, not 0x10000."),
        (
            lambda: one("A", 0, Field("f", 0, 4, ""), Field("g", 3, 4, "")),
            "Register A: field 'g' overlaps another at bits 6:3.",
        ),
        (lambda: check_table([one("A", 4), one("B", 4)]), "Register B must not share offset 0x04 with A."),
        (lambda: check_table([one("A", 4), one("A", 8)]), "Register name A must be used once only."),
    ],
)
def test_refusals(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        build()


def test_an_unknown_field_is_named() -> None:
    with pytest.raises(KeyError, match="Register A has no field 'x'"):
        one().field("x")


def test_the_c_header_compiles_and_says_the_same(tmp_path: Path) -> None:
    compiler = shutil.which("gcc") or shutil.which("cc")
    assert compiler is not None
    (tmp_path / "registers.h").write_text(c_header(), encoding="ascii")
    lines = ['#include "registers.h"', '#include "registers.h"']
    for name, entry in python_map().items():
        lines.append(f'_Static_assert(RNN_{name} == {entry["offset"]}u, "{name}");')
        if entry["reset"]:
            lines.append(f'_Static_assert(RNN_{name}_RESET == {entry["reset"]}u, "{name}");')
        for field, (low, width) in entry["fields"].items():
            symbol = f"RNN_{name}_{field.upper()}"
            ones = f"(0xFFFFFFFFu >> {32 - width})"
            lines.append(f'_Static_assert({symbol}_MASK >> {symbol}_SHIFT == {ones}, "{symbol}");')
            lines.append(f'_Static_assert({symbol}_SHIFT == {low}, "{symbol}");')
    source = tmp_path / "check.c"
    source.write_text("\n".join([*lines, "int unused;", ""]), encoding="ascii")
    command = [compiler, "-fsyntax-only", "-std=c11", "-Wall", "-Wextra", "-pedantic", "-Werror", str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_python_map_survives_json() -> None:
    entry = json.loads(json.dumps(python_map()))["CONTROL"]
    fields = {"enable": [0, 1], "clear_counters": [1, 1], "clear_state": [2, 1], "soft_reset": [3, 1]}
    assert entry == {"offset": 0x20, "access": "rw", "reset": 1, "feature": "", "fields": fields}


def test_the_documentation_has_a_row_for_every_field() -> None:
    rows = [line.split(" | ") for line in markdown().splitlines() if line.startswith("| ")][1:]
    assert len(rows) == sum(len(register.fields) for register in REGISTERS)
    assert {len(row) for row in rows} == {7}
