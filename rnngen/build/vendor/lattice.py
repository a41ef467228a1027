"""Lattice Diamond (ECP5) and Lattice Radiant (iCE40 UltraPlus): scripts and constraints."""

from __future__ import annotations

import re

from rnngen.build.vendor.project import SCRIPT, Parts, clock_lines, headline, untimed_lines, words
from rnngen.errors import DesignError
from rnngen.gateware.board_top import board_constraints, inside

IMPLEMENTATION = "impl"
_PREFERENCES = "board.lpf"
_PINS, _CLOCKS = "board.pdc", "board.sdc"
_PACKAGES = {"CABGA": "BG", "CSFBGA": "MG", "TQFP": "TG"}

_COPY = """\
# Synthesis runs in a folder of its own.
file mkdir {implementation}
foreach image {{
{images}}} {{
    file copy -force $image {implementation}
}}
"""

_DIAMOND = """\
# {name} for {board}, made by rnngen: diamondc {script}
cd [file dirname [file normalize [info script]]]

prj_project new -name {name} -impl {implementation} -impl_dir {implementation} -dev {device} -lpf {preferences} \\
    -synthesis synplify
foreach source {{
{sources}}} {{
    prj_src add $source
}}
prj_impl option top {top}
prj_project save
{copy}
prj_run Synthesis -impl {implementation} -forceOne
prj_run Translate -impl {implementation} -forceOne
prj_run Map -impl {implementation} -forceOne
prj_run PAR -impl {implementation} -forceOne
prj_run PAR -impl {implementation} -task PARTrace
prj_run Export -impl {implementation} -task Bitgen
prj_project close
"""

# The project commands and tasks are those that LiteX (build/lattice/radiant.py) and rniwase/tsuraraGB give radiantc
# (create_project.tcl, of an iCE40UP5K-SG48I).
_RADIANT = """\
# {name} for {board}, made by rnngen: radiantc {script}
cd [file dirname [file normalize [info script]]]

prj_create -name {name} -impl {implementation} -dev {device} -performance High-Performance_1.2V -synthesis synplify
foreach source {{
{sources}    {clocks}
    {pins}
}} {{
    prj_add_source $source
}}
prj_set_impl_opt -impl {implementation} top {top}
prj_save
{copy}
prj_run Synthesis -impl {implementation} -forceOne
prj_run Map -impl {implementation} -forceOne
prj_run PAR -impl {implementation} -forceOne
prj_run Export -impl {implementation} -task Bitgen -forceOne
prj_close
"""


# Radiant calls the single-port RAM of an iCE40 UltraPlus SP256K.  Names and order were checked with public designs for
# Radiant: rniwase/tsuraraGB (radiant_prims.sv pairs the same ports) and NEORV32 (its memories for ice40up).  Lattice's
# TN1314 has POWEROFF as active low, as PWROFF_N is.
_MEMORY_FILE = "sb_spram256ka.v"
_MEMORY = """\
module SB_SPRAM256KA (
    input [13:0] ADDRESS, input [15:0] DATAIN, input [3:0] MASKWREN, input WREN, input CHIPSELECT, input CLOCK,
    input STANDBY, input SLEEP, input POWEROFF, output [15:0] DATAOUT
);
    SP256K ram (
        .AD(ADDRESS), .DI(DATAIN), .MASKWE(MASKWREN), .WE(WREN), .CS(CHIPSELECT), .CK(CLOCK),
        .STDBY(STANDBY), .SLEEP(SLEEP), .PWROFF_N(POWEROFF), .DO(DATAOUT)
    );
endmodule
"""


def diamond_files(parts: Parts) -> dict[str, str]:
    """Script and preferences, which are those of the open flow."""
    links = inside(parts.design).links or ()
    script = _DIAMOND.format(**_common(parts), device=_ecp5(parts), preferences=_PREFERENCES)
    return {SCRIPT: script, _PREFERENCES: board_constraints(parts.board, links)}


def radiant_files(parts: Parts) -> dict[str, str]:
    """Script and constraints, and the memory of the open flow's name where the design has one.

    Raises:
        DesignError: if the clock is made by a PLL, which the open flow and Radiant do not have in common.
    """
    board = parts.board
    used = "\n".join(parts.texts.values())
    if re.search(r"^\s*SB_PLL40_PAD\b", used, re.MULTILINE):
        raise DesignError(
            f"Radiant's project takes the clock of board '{board.name}' as it comes, {board.clock.input_hz / 1e6:g} "
            f"MHz; generate the design with --clock {board.clock.input_hz / 1e6:g}."
        )
    adapters = {_MEMORY_FILE: _MEMORY} if re.search(r"\bSB_SPRAM256KA\b", used) else {}
    common = _common(parts)
    common["sources"] += words(adapters)
    script = _RADIANT.format(**common, device=f"{board.part}-{board.package}I", clocks=_CLOCKS, pins=_PINS)
    return {SCRIPT: script, _PINS: _pdc(parts), _CLOCKS: _sdc(parts), **adapters}


def _common(parts: Parts) -> dict[str, str]:
    return {
        "name": parts.name,
        "board": parts.board.description,
        "script": SCRIPT,
        "top": parts.top,
        "implementation": IMPLEMENTATION,
        "sources": words(parts.texts),
        "copy": _COPY.format(implementation=IMPLEMENTATION, images=words(parts.images)),
    }


def _ecp5(parts: Parts) -> str:
    """Diamond's name of a device: LFE5U-85F-6BG381C."""
    board = parts.board
    package = re.fullmatch(r"([A-Z]+)(\d+)", board.package)
    if package is None or package[1] not in _PACKAGES or not board.speed_grade:
        raise DesignError(
            f"Diamond needs a package of {', '.join(_PACKAGES)} and a speed grade, not '{board.package}' and "
            f"'{board.speed_grade}'; give them in the file of board '{board.name}'."
        )
    return f"{board.part}-{board.speed_grade}{_PACKAGES[package[1]]}{package[2]}C"


def _pdc(parts: Parts) -> str:
    lines = [headline(parts)]
    for bit, site, pin in parts.bits:
        lines.append(f"ldc_set_location -site {{{site}}} [get_ports {{{bit}}}]")
        # The board's attributes are those of the open flow: a pull-up is all that they may ask for.  Public PDC files
        # of this family have a resistance (100K, 3P3K) or NA for it, and not the UP and DOWN of Lattice's other ones.
        pulled = " PULLMODE=100K" if dict(pin.attributes).get("pullup") == "yes" else " PULLMODE=NA"
        attributes = f"IO_TYPE=LVCMOS33{pulled}"
        lines.append(f"ldc_set_port -iobuf {{{attributes}}} [get_ports {{{bit}}}]")
    return "\n".join(lines) + "\n"


def _sdc(parts: Parts) -> str:
    return "\n".join([headline(parts), *clock_lines(parts), *untimed_lines(parts)]) + "\n"
