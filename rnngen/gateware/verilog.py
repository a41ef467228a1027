"""Amaranth to Verilog text."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.back import verilog
from amaranth.hdl import Elaboratable, Signal

from rnngen.errors import ToolError


def to_verilog(circuit: Elaboratable, name: str, ports: Sequence[Signal]) -> str:
    """Verilog of a circuit, without paths: the same circuit gives the same text.

    Raises:
        ToolError: if the Yosys that Amaranth runs fails, for lack of room for instance.
    """
    try:
        return str(verilog.convert(circuit, name=name, ports=ports, emit_src=False, strip_internal_attrs=True))
    except (OSError, verilog.YosysError) as error:
        said = str(error).strip().splitlines()  # none, where it was ended from outside
        reason = said[-1] if said else "it was ended before it said why"
        raise ToolError(f"Yosys, which writes the Verilog, failed: {reason}.") from error
