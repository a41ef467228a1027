"""The UART bench itself, with a stand-in board."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rnngen.errors import ToolError
from rnngen.verify.session import UartOptions, UartSimulation

pytestmark = pytest.mark.verilator


def test_a_silent_host_ends_the_simulation(tmp_path: Path) -> None:
    (tmp_path / "rtl").mkdir()
    shutil.copy(Path(__file__).parent / "stand_ins" / "uart_line.v", tmp_path / "rtl")
    options = UartOptions(clocks_per_bit=4, idle_cycles=100, host_seconds=0.5)
    with (
        pytest.raises(ToolError, match=r"The host said nothing for 0\.5 s"),
        UartSimulation(tmp_path, "uart_line", [Path("uart_line.v")], options),
    ):
        pass
