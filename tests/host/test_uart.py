"""The host class through the UART bench, on a stand-in board that echoes every step."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from rnngen.errors import ToolError
from rnngen.host import Accelerator, HostError, SocketTransport
from rnngen.verify.session import UartOptions, UartSimulation
from rnngen.verify.tools import cache_folder

pytestmark = pytest.mark.verilator

PORT = {"tdata_bits": 16, "words_per_beat": 1, "beats_per_step": 2, "word_bits": 12, "fraction_bits": 8, "signed": True}
DESIGN = {"ports": {"s_axis": PORT, "m_axis": PORT}}


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uart_cache: Path) -> Path:
    monkeypatch.setenv("CCACHE_DIR", os.environ.get("CCACHE_DIR") or str(cache_folder() / "ccache"))
    monkeypatch.setenv("RNNGEN_CACHE", str(uart_cache))
    (tmp_path / "rtl").mkdir()
    shutil.copy(Path(__file__).parent / "stand_ins" / "uart_echo.v", tmp_path / "rtl")
    return tmp_path


@pytest.fixture(scope="module")
def uart_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def simulation(board: Path, fault: int, **options: float) -> UartSimulation:
    (board / "rtl" / "fault.hex").write_text(f"{fault:x}\n")
    return UartSimulation(board, "uart_echo", [Path("uart_echo.v")], UartOptions(clocks_per_bit=4, **options))


def test_steps_come_back(board: Path) -> None:
    x = np.random.default_rng(1).uniform(-9, 9, (3, 5, 2))  # the format holds -8 to 8: some saturate
    with simulation(board, 0, idle_cycles=500) as running, SocketTransport(running.socket) as transport:
        y = Accelerator(transport, DESIGN, outputs=2).run(x)
    assert np.array_equal(y, np.clip(np.floor(x * 256 + 0.5), -2048, 2047) / 256)


def test_wrong_header(board: Path) -> None:
    with (
        simulation(board, 1) as running,
        SocketTransport(running.socket) as transport,
        pytest.raises(HostError, match=r"sequence 0, step 0 must begin with 0xB1, not 0xA1: reset the board"),
    ):
        Accelerator(transport, DESIGN).run(np.zeros((1, 1, 2)))


def test_time_out(board: Path) -> None:
    with (
        simulation(board, 2) as running,
        SocketTransport(running.socket) as transport,
        pytest.raises(HostError, match=r"sent 4 of 5 bytes within 1 s in answer to sequence 0, step 0: check the port"),
    ):
        Accelerator(transport, DESIGN, timeout=1.0).run(np.zeros((1, 2, 2)))


def test_a_silent_host_ends_the_simulation(board: Path) -> None:
    with (
        pytest.raises(ToolError, match=r"The host said nothing for 0\.5 s"),
        simulation(board, 0, idle_cycles=100, host_seconds=0.5),
    ):
        pass
