"""Quartus Prime: a script that makes the project, assigns pins and runs the flow, and timing constraints."""

from __future__ import annotations

from rnngen.build.vendor.project import SCRIPT, Parts, clock_lines, headline, untimed_lines

FAMILIES = {"cyclonev": "Cyclone V", "max10": "MAX 10"}
OUTPUT = "output_files"
_CONSTRAINTS = "board.sdc"

_SCRIPT = """\
# {name} for {board}, made by rnngen: quartus_sh -t {script}
cd [file dirname [file normalize [info script]]]

package require ::quartus::project
package require ::quartus::flow

project_new {name} -revision {name} -overwrite
set_global_assignment -name FAMILY "{family}"
set_global_assignment -name DEVICE {part}
set_global_assignment -name TOP_LEVEL_ENTITY {top}
set_global_assignment -name PROJECT_OUTPUT_DIRECTORY {output}
set_global_assignment -name SDC_FILE {constraints}
{assignments}

# Memory images are beside the sources, in the folder of the project.
{sources}

{pins}
export_assignments

execute_module -tool map
execute_module -tool fit
execute_module -tool sta
execute_module -tool asm
project_close
"""


def quartus_files(parts: Parts) -> dict[str, str]:
    """Script and constraints."""
    settings = (setting.partition("=") for setting in parts.board.options("quartus", "assignments"))
    script = _SCRIPT.format(
        name=parts.name,
        board=parts.board.description,
        script=SCRIPT,
        family=FAMILIES[parts.board.family],
        part=parts.board.part,
        top=parts.top,
        output=OUTPUT,
        constraints=_CONSTRAINTS,
        assignments="\n".join(f'set_global_assignment -name {name} "{value}"' for name, _, value in settings),
        sources="\n".join(f"set_global_assignment -name VERILOG_FILE {name}" for name in parts.texts),
        pins="\n".join(_pins(parts)),
    )
    return {SCRIPT: script, _CONSTRAINTS: _sdc(parts)}


def _pins(parts: Parts) -> list[str]:
    lines = []
    for bit, site, pin in parts.bits:
        lines.append(f"set_location_assignment PIN_{site} -to {{{bit}}}")
        lines += [f'set_instance_assignment -name {name} "{value}" -to {{{bit}}}' for name, value in pin.attributes]
    return lines


def _sdc(parts: Parts) -> str:
    """Clocks that come in, those that PLLs make of them, and paths without a time."""
    derived = ["derive_pll_clocks", "derive_clock_uncertainty"]
    return "\n".join([headline(parts), *clock_lines(parts), *derived, *untimed_lines(parts)]) + "\n"
