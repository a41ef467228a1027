"""The script that packages a core for Vivado's IP catalogue."""

from __future__ import annotations

from rnngen.emit.ports import CLOCK, INTERRUPT, RESET, Bus, Kind
from rnngen.emit.reuse.core import RTL, Core
from rnngen.emit.reuse.fusesoc import LIBRARY, VENDOR, VIVADO_PART

_TYPES: dict[Kind, tuple[str, str]] = {
    "axis": ("xilinx.com:interface:axis:1.0", "xilinx.com:interface:axis_rtl:1.0"),
    "axil": ("xilinx.com:interface:aximm:1.0", "xilinx.com:interface:aximm_rtl:1.0"),
    "axi": ("xilinx.com:interface:aximm:1.0", "xilinx.com:interface:aximm_rtl:1.0"),
}
"""Bus and abstraction of an interface in the IP catalogue."""

_HEAD = """\
# Packages {top} for Vivado's IP catalogue, written by rnngen:
#     vivado -mode batch -source package_ip.tcl [-tclargs FOLDER [PART]]
# FOLDER: where the IP core goes (default: ip beside this script).  PART: only its family matters.
# Run to its end against checked stand-ins of Vivado's commands only; rnngen's makers have not run it in Vivado.

set here [file dirname [file normalize [info script]]]
set rtl [file normalize [file join $here {rtl}]]
set folder [file join $here ip]
set part {part}
if {{[llength $argv] > 0}} {{ set folder [file normalize [lindex $argv 0]] }}
if {{[llength $argv] > 1}} {{ set part [lindex $argv 1] }}

proc beside {{folder names}} {{
    set paths {{}}
    foreach name $names {{ lappend paths [file join $folder $name] }}
    return $paths
}}

# A bus interface over ports, {{logical physical ...}}.
proc interface {{core name mode bus abstraction map}} {{
    set interface [ipx::add_bus_interface $name $core]
    set_property bus_type_vlnv $bus $interface
    set_property abstraction_type_vlnv $abstraction $interface
    set_property interface_mode $mode $interface
    foreach {{logical physical}} $map {{
        set_property physical_name $physical [ipx::add_port_map $logical $interface]
    }}
    return $interface
}}

proc parameter {{interface name value}} {{
    set_property value $value [ipx::add_bus_parameter $name $interface]
}}
"""

_PROJECT = """\
file mkdir $folder
create_project -force -part $part {top}_ip [file join $folder project]
add_files -norecurse [beside $rtl $sources]
add_files -norecurse [beside $rtl $images]
set_property file_type {{Memory Initialization Files}} [get_files [beside $rtl $images]]
set_property top {top} [current_fileset]
update_compile_order -fileset sources_1

ipx::package_project -root_dir $folder -vendor {vendor} -library {library} -taxonomy /UserIP -import_files -force
set core [ipx::current_core]
set_property name {top} $core
set_property version {version} $core
set_property display_name {{{top}}} $core
set_property description {{{title}}} $core

# What Vivado has inferred from the ports' names goes, so that what follows is all there is.
foreach found [ipx::get_bus_interfaces -of_objects $core] {{
    ipx::remove_bus_interface [get_property name $found] $core
}}
"""

_TAIL = """\
ipx::create_xgui_files $core
ipx::update_checksums $core
ipx::check_integrity $core
ipx::save_core $core
close_project
file delete -force [file join $folder project]
puts "IP core: $folder"
"""


def vlnv(core: Core) -> str:
    """The name of the core in the IP catalogue: vendor, library, name and version."""
    return f"{VENDOR}:{LIBRARY}:{core.top}:{_version(core)}"


def package_script(core: Core, rtl: str = f"../{RTL}") -> str:
    """``package_ip.tcl``: sources, images, interfaces, clock and reset, and the memory map.

    Args:
        rtl: Where sources and images are, from the folder of the script on.
    """
    names = {
        "top": core.top, "rtl": rtl, "part": VIVADO_PART, "vendor": VENDOR, "library": LIBRARY,
        "version": _version(core), "title": core.title,
    }  # fmt: skip
    if not core.portable:
        return (
            f"# The multipliers of this design are primitives of {core.multiplier}, which Vivado does not know:\n"
            "# generate it with --multipliers, or for a board with a device of AMD, to package it.\n"
            f'error "{core.top} is made of primitives of {core.multiplier}; Vivado cannot build it."\n'
        )
    parts = [
        _HEAD.format(**names),
        _list("sources", core.verilog),
        _list("images", core.images),
        _PROJECT.format(**names),
        *(_bus(bus, core) for bus in core.ports.buses),
        _signals(core),
        _TAIL,
    ]
    return "\n".join(parts)


def _version(core: Core) -> str:
    """As the catalogue takes it, of two numbers."""
    return ".".join(core.version.split(".")[:2])


def _list(name: str, items: tuple[str, ...]) -> str:
    return "\n".join([f"set {name} {{", *(f"    {item}" for item in items), "}", ""])


def _bus(bus: Bus, core: Core) -> str:
    kind, abstraction = _TYPES[bus.kind]
    mode = "master" if bus.master else "slave"
    lines = [f"set bus [interface $core {bus.name} {mode} {kind} {abstraction} {{"]
    lines += [f"    {signal.upper()} {port.name}" for signal, port in bus.signals.items()]
    lines.append("}]")
    if bus.kind == "axil":
        lines += _memory_map(bus, core)
    elif bus.kind == "axi":
        lines += _address_space(bus)
    return "\n".join([*lines, ""])


def _memory_map(bus: Bus, core: Core) -> list[str]:
    """All of the addresses that the slave sees, and the registers that lie there."""
    address, data = bus.signals["awaddr"].width, bus.signals["wdata"].width
    return [
        "parameter $bus PROTOCOL AXI4LITE",
        f"set map [ipx::add_memory_map {bus.name} $core]",
        f"set_property slave_memory_map_ref {bus.name} $bus",
        "set block [ipx::add_address_block registers $map]",
        "set_property base_address 0 $block",
        f"set_property range {1 << address} $block",
        f"set_property width {data} $block",
        "set_property usage register $block",
        "foreach {name offset} {",
        *(f"    {name} 0x{offset:02X}" for name, offset in core.registers.items()),
        "} {",
        "    set register [ipx::add_register $name $block]",
        "    set_property address_offset $offset $register",
        f"    set_property size {data} $register",
        "}",
    ]


def _address_space(bus: Bus) -> list[str]:
    """What a master reaches."""
    address, data = bus.signals["araddr"].width, bus.signals["rdata"].width
    return [
        "parameter $bus PROTOCOL AXI4",
        "parameter $bus READ_WRITE_MODE READ_ONLY",
        f"set space [ipx::add_address_space {bus.name} $core]",
        f"set_property master_address_space_ref {bus.name} $bus",
        f"set_property range {1 << address} $space",
        f"set_property width {data} $space",
    ]


def _signals(core: Core) -> str:
    """Clock and reset, each told what it is for, and an interrupt where there is one."""
    buses = ":".join(bus.name for bus in core.ports.buses)
    lines = _signal(RESET, "slave", "reset", "RST")
    lines.append("parameter $signal POLARITY ACTIVE_LOW")
    lines += _signal(CLOCK, "slave", "clock", "CLK")
    lines += [f"parameter $signal ASSOCIATED_BUSIF {buses}", f"parameter $signal ASSOCIATED_RESET {RESET}"]
    if any(port.name == INTERRUPT for port in core.ports.others):
        lines += _signal(INTERRUPT, "master", "interrupt", "INTERRUPT")
        lines.append("parameter $signal SENSITIVITY LEVEL_HIGH")
    return "\n".join([*lines, ""])


def _signal(port: str, mode: str, kind: str, logical: str) -> list[str]:
    vlnv = f"xilinx.com:signal:{kind}:1.0 xilinx.com:signal:{kind}_rtl:1.0"
    return [f"set signal [interface $core {port} {mode} {vlnv} {{{logical} {port}}}]"]
