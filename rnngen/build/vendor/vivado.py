"""Vivado: a script without a project on disk, and constraints.  Boards with a processing system: ``vivado_design``."""

from __future__ import annotations

from rnngen.build.vendor.project import SCRIPT, Parts, clock_lines, headline, untimed_lines, words
from rnngen.build.vendor.vivado_design import design_files

_CONSTRAINTS = "board.xdc"

_SCRIPT = """\
# {name} for {board}, made by rnngen: vivado -mode batch -source {script}
cd [file dirname [file normalize [info script]]]

create_project -in_memory -part {part}
set_property target_language Verilog [current_project]
read_verilog {{
{sources}}}
# As files of the project, memory images are found by their names.
set images {{
{images}}}
add_files -norecurse $images
set_property file_type {{Memory Initialization Files}} [get_files $images]
read_xdc {constraints}

synth_design -top {top} -part {part}
opt_design
place_design
phys_opt_design
route_design

report_utilization -file utilisation.rpt
report_timing_summary -max_paths 10 -file timing.rpt
report_drc -file drc.rpt
write_checkpoint -force {name}.dcp

# A bitstream that misses its clock would compute rubbish.
set setup [get_property SLACK [get_timing_paths -delay_type max -max_paths 1]]
set hold [get_property SLACK [get_timing_paths -delay_type min -max_paths 1]]
if {{$setup >= 0 && $hold >= 0}} {{
    write_bitstream -force {name}.bit
}} else {{
    puts "rnngen: the clock is missed (setup $setup ns, hold $hold ns); no bitstream is written"
}}
"""


def vivado_files(parts: Parts) -> dict[str, str]:
    """Script and constraints."""
    if parts.board.host.kind == "axi":
        return design_files(parts)
    script = _SCRIPT.format(
        name=parts.name,
        board=parts.board.description,
        script=SCRIPT,
        part=parts.board.part,
        sources=words(parts.texts),
        images=words(parts.images),
        constraints=_CONSTRAINTS,
        top=parts.top,
    )
    return {SCRIPT: script, _CONSTRAINTS: _xdc(parts)}


def _xdc(parts: Parts) -> str:
    """Pins, clocks that come in (those behind the clock manager follow from them), and paths without a time."""
    lines = [headline(parts)]
    for bit, site, pin in parts.bits:
        attributes = "".join(f" {name} {value}" for name, value in pin.attributes)
        lines.append(f"set_property -dict {{PACKAGE_PIN {site}{attributes}}} [get_ports {{{bit}}}]")
    lines += [*clock_lines(parts), *untimed_lines(parts)]
    for setting in parts.board.options("vivado", "design"):
        name, _, value = setting.partition("=")
        lines.append(f"set_property {name} {value} [current_design]")
    return "\n".join(lines) + "\n"
