"""Instances of a core to copy into a design: Verilog and VHDL."""

from __future__ import annotations

import re

from rnngen.emit.ports import Port
from rnngen.emit.reuse.core import Core

_VHDL_WORDS = """
abs access after alias all and architecture array assert assume attribute begin block body buffer bus case component
configuration constant context cover default disconnect downto else elsif end entity exit fairness file for force
function generate generic group guarded if impure in inertial inout is label library linkage literal loop map mod nand
new next nor not null of on open or others out package parameter port postponed procedure process property protected
private pure range record register reject release rem report restrict return rol ror select sequence severity shared
signal sla sll sra srl strong subtype then to transport type unaffected units until use variable view vpkg vmode vprop
vunit wait when while with xnor xor
"""
VHDL_RESERVED = frozenset(_VHDL_WORDS.split())
"""Reserved words of VHDL-2008 and VHDL-2019."""


def verilog_instance(core: Core) -> str:
    """Declarations of the signals and an instance, to be copied into a module."""
    lines = [
        f"// {core.title}: an instance to copy, written by rnngen.",
        "// aresetn is synchronous to aclk and active low. Declarations first; drop those that you have.",
        "",
        *(f"wire {port.verilog_range}{port.name};" for port in core.ports.all),
        "",
        f"{core.top} {core.top}_i (",
        *_separated([f"    .{port.name}({port.name})" for port in core.ports.all], ","),
        ");",
        "",
    ]
    return "\n".join(lines)


def vhdl_instance(core: Core) -> str:
    """Component declaration, signals and an instance, to be copied into an architecture."""
    name = vhdl_name(core.top)
    lines = [
        f"-- {core.title}: to copy into an architecture, written by rnngen.",
        "-- aresetn is synchronous to aclk and active low.",
        "",
        "-- 1. In front of begin: the component, and signals for those of its ports that you have none for.",
        "",
        f"component {name} is",
        "  port (",
        *_separated([_vhdl_port(port) for port in core.ports.all], ";"),
        "  );",
        "end component;",
        "",
        *(f"signal {port.name} : {_vhdl_type(port)};" for port in core.ports.all),
        "",
        "-- 2. Behind begin: the instance.",
        "",
        f"{vhdl_name(core.top + '_i')} : {name}",
        "  port map (",
        *_separated([f"    {port.name} => {port.name}" for port in core.ports.all], ","),
        "  );",
        "",
    ]
    return "\n".join(lines)


def vhdl_name(name: str) -> str:
    """The name in VHDL: an extended identifier where a basic one may not be so."""
    basic = re.fullmatch(r"[A-Za-z](_?[A-Za-z0-9])*", name) and name.lower() not in VHDL_RESERVED
    return name if basic else f"\\{name}\\"


def _vhdl_type(port: Port) -> str:
    return "std_logic" if port.width == 1 else f"std_logic_vector({port.width - 1} downto 0)"


def _vhdl_port(port: Port) -> str:
    return f"    {port.name} : {'in ' if port.is_input else 'out'} {_vhdl_type(port)}"


def _separated(lines: list[str], mark: str) -> list[str]:
    """The mark behind each line but the last."""
    return [line + mark for line in lines[:-1]] + lines[-1:]
