"""The description of a core for FuseSoC (CAPI2)."""

from __future__ import annotations

from rnngen.emit.reuse.core import RTL, Core

VENDOR, LIBRARY = "rnngen", "accelerators"

WAIVED = (
    "ASCRANGE", "CASEINCOMPLETE", "CMPCONST", "DECLFILENAME", "PROCASSINIT", "UNSIGNED", "UNUSEDSIGNAL", "VARHIDDEN",
    "WIDTHEXPAND", "WIDTHTRUNC",
)  # fmt: skip
"""Warnings of Verilator about style that a whole core gives: Amaranth's Verilog, and leaves in branches that are not
taken.  All others, such as of undriven or multiply driven signals, stay on."""

VIVADO_PART = "xc7a100tcsg324-1"
QUARTUS_FAMILY, QUARTUS_DEVICE = "Cyclone V", "5CSEBA6U23I7"
"""Devices where the user names none (``fusesoc run --target vivado NAME --part PART``)."""


def core_file(core: Core, constraints: str) -> str:
    """The ``.core`` file; paths are relative to it.

    Args:
        constraints: Path of the clock constraint.

    Images are copied to where the tool runs, because that is where ``$readmemh`` looks.
    """
    lines = [
        "CAPI=2:",
        f"# {core.title}, written by rnngen.",
        f"name: {VENDOR}:{LIBRARY}:{core.top}:{core.version}",
        f"description: {core.title}",
        "",
        "filesets:",
        "  rtl:",
        "    files:",
        *(f"      - {RTL}/{name}" for name in core.verilog),
        "    file_type: verilogSource-2005",
        "  images:",
        "    files:",
        *(f"      - {RTL}/{name}: {{copyto: {name}}}" for name in core.images),
        "    file_type: user",
        "  constraints:",
        "    files:",
        f"      - {constraints}",
        "    file_type: SDC",
        "",
        "targets:",
        "  default: &default",
        "    description: Sources and memory images, for designs that depend on this core",
        "    filesets: [rtl, images]",
        f"    toplevel: {core.top}",
        "",
        "  lint:",
        "    <<: *default",
        "    description: Verilator's warnings",
        "    flow: lint",
        "    flow_options:",
        "      tool: verilator",
        f"      verilator_options: [-Wall, {', '.join(f'-Wno-{rule}' for rule in WAIVED)}]",
    ]
    return "\n".join([*lines, *(_vendors() if core.portable else _no_vendors(core)), ""])


def _vendors() -> list[str]:
    """Synthesis alone, as the ports of a core are more than a device has pins."""
    return [
        "",
        "  vivado:",
        "    <<: *default",
        "    description: Synthesis by Vivado, no place and route",
        "    filesets: [rtl, images, constraints]",
        "    flow: vivado",
        "    flow_options:",
        f"      part: {VIVADO_PART}",
        "      pnr: none",
        "",
        "  quartus:",
        "    <<: *default",
        "    description: Synthesis by Quartus, no place and route",
        "    filesets: [rtl, images, constraints]",
        "    default_tool: quartus",
        "    tools:",
        "      quartus:",
        f"        family: {QUARTUS_FAMILY}",
        f"        device: {QUARTUS_DEVICE}",
        "        pnr: none",
    ]


def _no_vendors(core: Core) -> list[str]:
    return [
        "",
        f"# No targets for Vivado and Quartus: the multipliers of this design are primitives of {core.multiplier}.",
        "# One that is generated with --multipliers, or for a board of another family, has them.",
    ]
