"""Gowin EDA: a script for gw_sh, physical and timing constraints."""

from __future__ import annotations

import re

from rnngen.build.vendor.project import SCRIPT, Parts, clock_lines, headline, words
from rnngen.config import Board
from rnngen.errors import DesignError

_PINS, _CLOCKS = "board.cst", "board.sdc"

_SCRIPT = """\
# {name} for {board}, made by rnngen: gw_sh {script}
if {{[info script] ne ""}} {{
    cd [file dirname [file normalize [info script]]]
}}

set_device -name {variant} {part}
foreach source {{
{sources}}} {{
    add_file -type verilog $source
}}
add_file -type cst {pins}
add_file -type sdc {clocks}
set_option -top_module {top}
set_option -output_base_name {name}
set_option -verilog_std v2001
set_option -gen_text_timing_rpt 1
{options}
# Synthesis runs in a folder of its own.
file mkdir impl/gwsynthesis
foreach image {{
{images}}} {{
    file copy -force $image impl/gwsynthesis
}}

run all
"""


def gowin_files(parts: Parts) -> dict[str, str]:
    """Script and constraints."""
    script = _SCRIPT.format(
        name=parts.name,
        board=parts.board.description,
        script=SCRIPT,
        variant=_device(parts.board),
        part=parts.board.part,
        sources=words(parts.texts),
        images=words(parts.images),
        pins=_PINS,
        clocks=_CLOCKS,
        top=parts.top,
        options="".join(f"set_option -{option} 1\n" for option in parts.board.options("gowin", "options")),
    )
    return {SCRIPT: script, _PINS: _cst(parts), _CLOCKS: _sdc(parts)}


def _device(board: Board) -> str:
    """What set_device calls the device beside its part: GW1NR-9C, of GW1NR-LV9QN88PC6/I5 whose die is a C.

    Raises:
        DesignError: if the part is written in another way.
    """
    named = re.fullmatch(r"(GW\d[A-Z]+)-[LU]V(\d+)[A-Z]{2}\d+.*", board.part)
    if named is None:
        raise DesignError(
            f"Gowin EDA needs a part such as GW1NR-LV9QN88PC6/I5, not '{board.part}'; give it in the file of board "
            f"'{board.name}'."
        )
    die = re.search(r"[A-Z]?$", board.variant)
    return f"{named[1]}-{named[2]}{die[0] if die else ''}"


def _cst(parts: Parts) -> str:
    lines = [headline(parts, "//")]
    for bit, site, pin in parts.bits:
        lines.append(f'IO_LOC "{bit}" {site};')
        attributes = " ".join(f"{name}={value}" for name, value in pin.attributes)
        lines.append(f'IO_PORT "{bit}" {attributes};')
    return "\n".join(lines) + "\n"


def _sdc(parts: Parts) -> str:
    """Clocks that come in; the tool derives those of PLLs, and times no path from or to a pin unless it is told to."""
    return "\n".join([headline(parts, "//"), *clock_lines(parts)]) + "\n"
