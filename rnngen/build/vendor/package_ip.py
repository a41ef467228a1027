"""The script that packages the core for Vivado's IP catalogue, as a block design needs it."""

from __future__ import annotations

from rnngen.build.vendor.project import Parts, words

PACKAGE_SCRIPT = "package_ip.tcl"
VLNV = "rnngen:user:{top}:1.0"

_SCRIPT = """\
# Packages {top} for Vivado's IP catalogue, made by rnngen; sourced with argv as {{FOLDER PART}}.
lassign $argv folder part

create_project -force -part $part package [file join $folder project]
add_files -norecurse {{
{sources}}}
set images {{
{images}}}
add_files -norecurse $images
set_property file_type {{Memory Initialization Files}} [get_files $images]
set_property top {top} [get_filesets sources_1]
update_compile_order -fileset sources_1

ipx::package_project -root_dir $folder -vendor rnngen -library user -taxonomy /UserIP -import_files -force
set core [ipx::current_core]
set_property version 1.0 $core
set_property display_name {{{top}}} $core
set_property description {{{top}, a recurrent network made by rnngen}} $core
foreach interface {{{interfaces}}} {{
    ipx::associate_bus_interfaces -busif $interface -clock aclk $core
}}
ipx::associate_bus_interfaces -clock aclk -reset aresetn $core
ipx::create_xgui_files $core
ipx::update_checksums $core
ipx::check_integrity -quiet $core
ipx::save_core $core
close_project
"""


def package_script(parts: Parts, interfaces: tuple[str, ...]) -> str:
    """The script; it takes interfaces as Vivado infers them from the names of ports."""
    return _SCRIPT.format(
        top=parts.top, sources=words(parts.texts), images=words(parts.images), interfaces=" ".join(interfaces)
    )
