"""What the families of devices make of memories and products: shapes and rules, not figures of one part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class LutRam:
    """RAM in logic cells.

    Attributes:
        shapes: (words, bits) of one cell of it, with one port that writes and one that reads.
        cost: Of a cell, when a memory's place is chosen.
        luts: LUTs that a cell takes.
        partly: Whether a cell that is used in part costs its part only.
    """

    shapes: tuple[tuple[int, int], ...]
    cost: float
    luts: float
    partly: bool = False


@dataclass(frozen=True)
class Family:
    """How a family's devices hold memories and products.

    Attributes:
        lut_inputs: Of a logic cell.
        block_shapes: (words, bits) of a block RAM with one port that writes and one that reads.
        block_cost: Of a block, when a memory's place is chosen.
        lut_ram: None: there is none.
        least_percent: Instead of costs: how much of its blocks a memory has to fill to get them.  0: costs decide.
        dsp: Bits of the operands of a DSP block: wide, narrow.
        dsp_least: Narrowest operand and result that get a DSP block; products below are logic.
        dsp_half: Bits of operands of which two products share a DSP block; 0: none do.
        block_cells: Yosys' names of the block RAM, with how many of ``block_shapes`` one is.  dsp_cells: Likewise.
        source: Where this is written.
        table_bits: Bits of a table in logic that cost as much as a bit of registers, when a memory's place is chosen.
        widest_register: Bits of the register behind a port of a block RAM, where rnngen puts registers into hard blocks
            (``rnngen.build.hard_registers``); else 0.
        cell_holds_both: Whether what is counted as LUTs are cells of a LUT and a register, either perhaps unused.
        dissolves: Whether modules that say keep_hierarchy are synthesised as a part of what they are in.
        dsp_absorbs: Whether DSP blocks take in the registers and sums of ``absorbed.py``.
        shift_registers: Whether rows of registers become shift registers.
        old_word: Whether a block gives the old word where it is read and written at once.
    """

    lut_inputs: int
    block_shapes: tuple[tuple[int, int], ...]
    block_cost: float
    lut_ram: LutRam | None
    dsp: tuple[int, int]
    dsp_least: tuple[int, int]
    block_cells: Mapping[str, int]
    dsp_cells: Mapping[str, int]
    source: str
    least_percent: int = 0
    table_bits: float = 16.0
    widest_register: int = 0
    old_word: bool = False
    dsp_absorbs: bool = False
    shift_registers: bool = False
    dissolves: bool = True
    dsp_half: int = 0
    cell_holds_both: bool = False

    @property
    def takes_in(self) -> bool:
        """Whether registers beside hard blocks go into them."""
        return self.widest_register > 0


def _shapes(bits: int, widths: tuple[int, ...], parity: tuple[int, ...] = ()) -> tuple[tuple[int, int], ...]:
    """Shapes of a block of as many bits; ``parity``: widths with a bit more for each eight."""
    plain = [(bits // width, width) for width in widths]
    return tuple(plain + [(bits // (width * 8 // 9), width) for width in parity])


_BLOCK_18K = _shapes(16384, (1, 2, 4), (9, 18, 36))
_XILINX_DSP_LEAST = (2, 9)

FAMILIES: Mapping[str, Family] = {
    "ecp5": Family(
        4, _BLOCK_18K, 128, LutRam(((16, 4),), 4, 6), (18, 18), (2, 0), {"DP16KD": 1}, {"MULT18X18D": 1},
        "Lattice FPGA-TN-02204 (memory), FPGA-TN-02205 (sysDSP)", widest_register=18,
        dissolves=False,
    ),
    "gowin": Family(
        4, _BLOCK_18K, 128, LutRam(((16, 4),), 4, 4, True), (18, 18), (2, 4),
        {"SP": 1, "DPB": 1, "SDPB": 1, "pROM": 1, "SPX9": 1, "DPX9B": 1, "SDPX9B": 1, "pROMX9": 1},
        {"MULT18X18": 1, "MULT9X9": 1}, "Gowin UG285 (memory), UG287 (DSP)", dsp_half=9,
    ),
    "ice40": Family(
        4, _shapes(4096, (2, 4, 8, 16)), 64, None, (16, 16), (2, 11), {"SB_RAM40_4K": 1}, {"SB_MAC16": 1},
        "Lattice iCE40 UltraPlus family data sheet FPGA-DS-02008", cell_holds_both=True,
        dissolves=False,
    ),
    "xc7": Family(
        6, _BLOCK_18K, 129, LutRam(((32, 6), (64, 3)), 8, 4, True), (25, 18), _XILINX_DSP_LEAST,
        {"RAMB18E1": 1, "RAMB36E1": 2},
        {"DSP48E1": 1}, "AMD UG473 (memory), UG474 (logic), UG479 (DSP)", table_bits=64, old_word=True,
        dsp_absorbs=True, shift_registers=True,
    ),
    "xcu": Family(
        6, _BLOCK_18K, 129, LutRam(((32, 14), (64, 7)), 16, 8, True), (27, 18), _XILINX_DSP_LEAST,
        {"RAMB18E2": 1, "RAMB36E2": 2},
        {"DSP48E2": 1}, "AMD UG573 (memory), UG574 (logic), UG579 (DSP)", table_bits=64, old_word=True,
        shift_registers=True,  # Yosys puts no registers into DSP48E2
    ),
    "xcup": Family(
        6, _BLOCK_18K, 129, LutRam(((32, 14), (64, 7)), 16, 8, True), (27, 18), _XILINX_DSP_LEAST,
        {"RAMB18E2": 1, "RAMB36E2": 2},
        {"DSP48E2": 1}, "AMD UG573 (memory), UG574 (logic), UG579 (DSP)", table_bits=64, old_word=True,
        shift_registers=True,  # Yosys puts no registers into DSP48E2
    ),
    "cyclonev": Family(
        6, ((8192, 1), (4096, 2), (2048, 5), (1024, 10), (512, 20), (256, 40)), 0, LutRam(((32, 1),), 0, 1), (27, 27),
        (4, 4),
        {"MISTRAL_M10K": 1}, {"MISTRAL_MUL27X27": 1, "MISTRAL_MUL18X18": 1, "MISTRAL_MUL9X9": 1},
        "Intel CV-5V2 (memory, DSP)", 5,
    ),
    "max10": Family(
        4, _shapes(8192, (1, 2, 4, 8, 16, 32), (9, 18, 36)), 0, None, (18, 18), (4, 4),
        {"$__M9K_ALTSYNCRAM_SINGLEPORT_FULL": 1}, {"fiftyfivenm_mac_mult": 1}, "Intel M10-MEMORY, M10-DSP", 2,
    ),
}  # fmt: skip
"""By ``rnngen.config.board_data.FAMILIES``.  Costs are Yosys' own, so that the count says what Yosys will do."""
