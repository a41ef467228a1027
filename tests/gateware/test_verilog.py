"""What is said when the tool that writes the Verilog fails."""

from __future__ import annotations

import pytest
from amaranth.back import verilog
from amaranth.hdl import Module, Signal

from rnngen.errors import ToolError
from rnngen.gateware.verilog import to_verilog


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (verilog.YosysError(""), "it was ended before it said why"),
        (verilog.YosysError("a warning\nno room\n"), "no room"),
        (OSError("no such file"), "no such file"),
    ],
)
def test_the_reason_is_one_sentence(error: Exception, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> str:
        raise error

    monkeypatch.setattr(verilog, "convert", fails)
    with pytest.raises(ToolError, match=f"^Yosys, which writes the Verilog, failed: {reason}.$"):
        to_verilog(Module(), "none", [Signal()])
