"""What holds the vectors of a sparse engine: each bank is written at one place and read at several at once.

A memory has one read port beside its write port, so each read takes a copy of the bank, of LUT RAM or of block RAM; or
the bank is registers, and each read a multiplexer.  Which is cheapest depends on the words of a bank and on what the
device's memories are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rnngen.ir.quantised import ProductFormats
from rnngen.plan.dsp import Dsp
from rnngen.plan.engine import EnginePlan
from rnngen.plan.layer import ceil_div

STYLES = ("registers", "distributed", "block")
"""Values of the synthesisers' attribute ``ram_style``; where the device is not known they choose (``"auto"``)."""


@dataclass(frozen=True)
class MemoryCosts:
    """What the memories of a family cost.

    Attributes:
        lut_words, lut_bits: Words and bits a word of its smallest LUT RAM with a write port and a read port.
        lut_luts: LUTs that it takes.
        block_words, block_bits: Of a block RAM, as wide as it can be with two ports.
        block_luts: LUTs that a device has for each block RAM, which is what one is worth.
    """

    lut_words: int
    lut_bits: int
    lut_luts: int
    block_words: int
    block_bits: int
    block_luts: int


COSTS: Mapping[str, MemoryCosts] = {
    "ecp5": MemoryCosts(16, 4, 6, 512, 36, 402),  # DPR16X4, DP16KD (FPGA-TN-02204); LFE5U-85F: 83,640 and 208
    "dsp48e1": MemoryCosts(32, 6, 4, 512, 36, 235),  # RAM32M (UG474), RAMB18E1 (UG473); XC7A100T: 63,400 and 270
    "dsp48e2": MemoryCosts(32, 14, 8, 512, 36, 202),  # RAM32M16 (UG574), RAMB18E2 (UG573); XCKU040: 242,400 and 1,200
}
"""By the name of the family's DSP block; ice40 has no LUT RAM and gowin's was not measured: there synthesis chooses."""


@dataclass(frozen=True)
class VectorBanks:
    """The banks of x or of h.

    Attributes:
        words, bits: Of a bank.
        reads: Places of a bank that are read in a cycle: as many as there are sets of places.
        style: One of ``STYLES``, or ``"auto"``.
    """

    words: int
    bits: int
    reads: int
    style: str

    @property
    def copies(self) -> int:
        """Memories that hold a bank: registers, and one word, are read as often as one likes."""
        return 1 if self.style == "registers" or self.words == 1 else self.reads


def style_luts(words: int, bits: int, reads: int, costs: MemoryCosts) -> dict[str, int]:
    """LUTs of a bank in each style; flip-flops stand beside LUTs and are not counted."""
    rams = ceil_div(words, costs.lut_words)
    wide = {"distributed": ceil_div(bits, costs.lut_bits), "block": ceil_div(bits, costs.block_bits)}
    return {
        "registers": reads * bits * _multiplexer_luts(words),
        "distributed": reads * (wide["distributed"] * rams * costs.lut_luts + bits * _multiplexer_luts(rams)),
        "block": reads * wide["block"] * ceil_div(words, costs.block_words) * costs.block_luts,
    }


def _multiplexer_luts(inputs: int) -> int:
    """LUTs of a bit that is chosen of so many, at a place that is a sum: 1.4 to 2 an input, measured."""
    return inputs - 1 if inputs <= 2 else 2 * inputs


def cheapest_style(words: int, bits: int, reads: int, dsp: Dsp | None) -> str:
    """The style of the fewest LUTs; of equal ones the first of ``STYLES``."""
    if dsp is None or dsp.name not in COSTS:
        return "auto"
    luts = style_luts(words, bits, reads, COSTS[dsp.name])
    return min(STYLES, key=lambda style: luts[style])


def vector_banks(
    product: ProductFormats, plan: EnginePlan, dsp: Dsp | None, stored_steps: int = 0, streams: int = 1
) -> dict[str, VectorBanks]:
    """The banks of ``"x"`` and of ``"h"`` of a sparse engine; of a dense one none.

    Args:
        stored_steps, streams: As for ``x_bank_words`` and ``h_bank_words``.
    """
    reads = plan.index_sets
    if not reads:
        return {}
    found = {"x": (x_bank_words(plan, stored_steps), product.x.width)} if plan.shape.inputs else {}
    if plan.shape.hidden:
        found["h"] = (h_bank_words(plan, streams), product.h.width)
    return {
        what: VectorBanks(words, bits, reads, cheapest_style(words, bits, reads, dsp))
        for what, (words, bits) in found.items()
    }


def x_bank_words(plan: EnginePlan, stored_steps: int = 0, size: int = 0) -> int:
    """Words of a bank of the memory of x.

    Args:
        stored_steps: Steps that are stored; 0: as many as the input has slots.
        size: Elements of the whole x; 0: the engine multiplies all of them.
    """
    return (stored_steps or plan.input_slots) * ceil_div(size or plan.shape.inputs, plan.x_columns)


def h_bank_words(plan: EnginePlan, streams: int = 1, size: int = 0) -> int:
    """Words of a bank of the memory of h: of each stream the last h and the one that is written; size: as for x."""
    return 2 * streams * ceil_div(size or plan.shape.hidden, plan.h_columns)
