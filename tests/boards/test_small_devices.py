"""iCE40 UltraPlus and Gowin: clocks and constraints; in tests that take long, networks to their bitstreams."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from rnngen.build import synthesize
from rnngen.build.open_gowin import GowinTools
from rnngen.build.open_ice40 import Ice40Tools
from rnngen.config import load_board
from rnngen.emit.design import Design
from rnngen.errors import PlanError
from rnngen.flow import GenerateOptions, generate
from rnngen.gateware.board_clock import InputClock, clock_source
from rnngen.gateware.board_clock_gowin import gowin_pll
from rnngen.gateware.board_clock_ice40 import ice40_pll
from rnngen.plan.options import engine_dsps

ICEPLL = {  # what icepll -i 12 says: MHz, DIVR, DIVF, DIVQ, FILTER_RANGE
    16.5: (0, 87, 6, 1), 18: (0, 47, 5, 1), 24: (0, 63, 5, 1), 48: (0, 63, 4, 1)
}  # fmt: skip
GOWIN_PLL = {  # what gowin_pll -i 27 says for the GW2AR-18 C8/I7: MHz, IDIV_SEL, FBDIV_SEL, ODIV_SEL
    40.5: (1, 2, 16), 54: (0, 1, 16)
}  # fmt: skip


@pytest.mark.parametrize("mhz", ICEPLL)
def test_an_ice40_clock_is_what_icepll_finds(mhz: float) -> None:
    pll = ice40_pll(12_000_000, round(mhz * 1e6))
    assert pll.output_hz == round(mhz * 1e6)
    assert (pll.reference, pll.feedback, pll.output, pll.filter_range) == ICEPLL[mhz]


@pytest.mark.parametrize("mhz", GOWIN_PLL)
def test_a_gowin_clock_is_what_gowin_pll_finds(mhz: float) -> None:
    pll = gowin_pll("GW2AR-LV18QN88C8/I7", 27_000_000, round(mhz * 1e6))
    assert pll.output_hz == round(mhz * 1e6)
    assert (pll.reference, pll.feedback, pll.output) == GOWIN_PLL[mhz]


@pytest.mark.parametrize(("name", "hertz"), [("icebreaker", 12_000_000), ("tang-nano-9k", 27_000_000)])
def test_the_clock_that_comes_in_needs_no_pll(name: str, hertz: int) -> None:
    assert isinstance(clock_source(load_board(name), hertz), InputClock)


@pytest.mark.parametrize(("name", "mhz"), [("icebreaker", 13.0), ("tang-nano-20k", 28.001)])
def test_a_clock_that_no_pll_makes_is_refused(name: str, mhz: float) -> None:
    message = rf"^The board's PLL cannot make {mhz:g} MHz of \d+ MHz: ask for [\d.]+ or [\d.]+ MHz\.$"
    with pytest.raises(PlanError, match=message):
        clock_source(load_board(name), round(mhz * 1e6))


def test_constraints_of_an_ice40() -> None:
    lines = Ice40Tools().constraints(load_board("icebreaker"), ()).splitlines()
    assert {"set_io clk12 35", "set_io led[1] 37", "set_io -pullup yes uart_rx 6", "set_frequency clk12 12"} < {*lines}


def test_constraints_of_a_gowin_device() -> None:
    lines = GowinTools().constraints(load_board("tang-nano-20k"), ()).splitlines()
    assert {'IO_LOC "clk27" 4;', 'IO_LOC "led[5]" 20;', 'IO_PORT "uart_rx" IO_TYPE=LVCMOS33 PULL_MODE=UP;'} < {*lines}


def gru(folder: Path, inputs: int, hidden: int) -> Path:
    """A state dict with uniform weights, and beside it x.npy."""
    random, rows = np.random.default_rng(1), 3 * hidden
    sizes = {"weight_ih": (rows, inputs), "weight_hh": (rows, hidden), "bias_ih": (rows,), "bias_hh": (rows,)}
    reach = hidden**-0.5
    tensors = {f"gru.{name}_l0": random.uniform(-reach, reach, size) for name, size in sizes.items()}
    save_file({name: value.astype(np.float32) for name, value in tensors.items()}, folder / "gru.safetensors")
    np.save(folder / "x.npy", random.normal(size=(4, 20, inputs)).astype(np.float32))
    return folder / "gru.safetensors"


@pytest.mark.parametrize(
    ("hidden", "weights", "message"),
    [
        (80, "chip", r"the memories need [\d,]+ bits and its block RAM has 122,880; --weights spram puts the weights"),
        (256, "spram", r"takes \d blocks of single-port RAM .* has 4: use fewer multipliers"),
    ],
)
def test_weights_without_room_are_refused(tmp_path: Path, hidden: int, weights: str, message: str) -> None:
    model = gru(tmp_path, 8, hidden)
    options = GenerateOptions(board="icebreaker", activation_bits=8, calibrate=tmp_path / "x.npy", weights=weights)
    with pytest.raises(PlanError, match=message):
        generate(model, tmp_path / "design", options)
    assert not (tmp_path / "design").exists()


def test_operands_wider_than_the_multiplier_are_refused(tmp_path: Path) -> None:
    options = GenerateOptions(board="icebreaker", weights="spram")
    with pytest.raises(PlanError, match=r"^A DSP block of ice40 multiplies 16 x 16 bits, and --activation-bits 16"):
        generate(gru(tmp_path, 8, 16), tmp_path / "design", options)


def test_a_board_without_single_port_ram_says_so(tmp_path: Path) -> None:
    options = GenerateOptions(board="tang-nano-9k", activation_bits=8, weights="spram")
    with pytest.raises(PlanError, match=r"board 'tang-nano-9k' has none: leave it away\.$"):
        generate(gru(tmp_path, 8, 16), tmp_path / "design", options)


NETWORKS: dict[str, tuple[int, dict[str, Any], int]] = {  # hidden units, options, single-port RAMs that are planned
    "icebreaker": (64, {"activation_bits": 8, "weights": "spram"}, 1),
    "tang-nano-9k": (32, {"activation_bits": 8}, 0),
    "tang-nano-20k": (32, {"activation_bits": 8}, 0),
}
BEGINS = {"bin": b"\xff\x00\x00\xff\x7e\xaa\x99\x7e", "fs": b"1" * 64}  # icepack's and gowin_pack's preamble


def planned(design: Design) -> int:
    """DSP blocks of the plan."""
    return sum(engine_dsps(engine) for engine in design.plan.engines)


@pytest.mark.synthesis
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_to_its_bitstream(tmp_path: Path, name: str) -> None:
    hidden, more, single_port_rams = NETWORKS[name]
    options = GenerateOptions(board=name, calibrate=tmp_path / "x.npy", **more)
    design = generate(gru(tmp_path, 8, hidden), tmp_path / "design", options)
    result = synthesize(design.folder, print, time_limit_s=1800, seeds=(1, 2))
    assert result.clock_met
    assert result.fmax_hz >= load_board(name).clock.target_hz
    assert result.single_port_rams == single_port_rams
    assert 0 < result.dsps <= planned(design), "products of 10 bits and fewer are made in logic"
    for resource, used in (("luts", result.luts), ("ffs", result.ffs), ("block_rams", result.block_rams)):
        assert 0 < used <= result.available[resource] == getattr(load_board(name).budget, resource)
    assert result.bitstream is not None
    bitstream = design.folder / result.bitstream
    assert bitstream.read_bytes().startswith(BEGINS[bitstream.suffix[1:]])
