"""Small text files that put a core into a larger design: file list, FuseSoC, Vivado IP, LiteX, instances to copy.

They follow from the core's ports and files, cost nothing, and name nothing outside of their own folder.  None of them
is a part of the design's identity, and none is read again by rnngen, so whoever takes them over may change them.
"""

from __future__ import annotations

from rnngen.emit.reuse.core import RTL, Core, core_of
from rnngen.emit.reuse.fusesoc import core_file
from rnngen.emit.reuse.instances import verilog_instance, vhdl_instance
from rnngen.emit.reuse.litex import litex_module
from rnngen.emit.reuse.vivado_ip import package_script

__all__ = ["RTL", "Core", "constraints", "core_of", "file_list", "reuse_files"]

FOLDER = "reuse"


def file_list(core: Core) -> str:
    """The sources, one a line, from the design folder on: ``verilator -F DIR/TOP.f``."""
    return "".join(f"{RTL}/{name}\n" for name in core.verilog)


def constraints(core: Core) -> str:
    """The clock, as Vivado, Quartus and other tools read it (SDC)."""
    period = 1e9 / core.clock_hz
    return f"create_clock -name aclk -period {period:.3f} [get_ports aclk]\n"


def reuse_files(core: Core) -> dict[str, bytes]:
    """The files by their path below the design folder."""
    texts = {
        f"{core.top}.f": file_list(core),
        f"{core.top}.core": core_file(core, f"{FOLDER}/{core.top}.sdc"),
        f"{FOLDER}/{core.top}.sdc": constraints(core),
        f"{FOLDER}/{core.top}.veo": verilog_instance(core),
        f"{FOLDER}/{core.top}.vho": vhdl_instance(core),
        f"{FOLDER}/litex_{core.top}.py": litex_module(core),
        f"{FOLDER}/package_ip.tcl": package_script(core),
    }
    return {name: text.encode() for name, text in texts.items()}
