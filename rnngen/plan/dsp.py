"""Multipliers of the devices, and when one of them gives two products.

Two weights a_low and a_high of w bits that meet the same operand b of v bits share a multiplier as
(a_high * 2**k + a_low) * b: a_low * b lies in the low k bits and, where it is negative, has borrowed one from
a_high * b.  All are signed, so the packed operand has k + w + 1 bits: its least value, of both smallest weights, lies
below -2**(k + w - 1).  Products of w by v bits fit in w + v bits, and all but (-2**(w-1)) * (-2**(v-1)) in one bit
less, where that one looks like a product that there is not.  So k = w + v - 1 is enough, and two products need an
operand of 2w + v bits; a bit more spares logic (``hdl_templates/rnn_multiplier_pair.v``).
"""

from __future__ import annotations

from dataclasses import dataclass

from rnngen.ir.quantised import ProductFormats


@dataclass(frozen=True)
class Dsp:
    """A multiplier of a family of devices, as one of its products takes it: signed.

    Attributes:
        name: For ``--dsp``, and in the files of boards.
        wide, narrow: Bits of its operands.
        multiplier: Form of the leaf that stands for it: ``"generic"`` (inferred) or ``"ecp5"``.
        devices: Which have it.
    """

    name: str
    wide: int
    narrow: int
    multiplier: str
    devices: str


COMMON_WIDTH = 18
"""Bits of the narrow operand of the usual DSP blocks, which hold the element-wise products of 16-bit activations."""
ELEMENT_BITS = 2
"""By which operands of the element-wise path are wider than activations: a gate's sign, a state's guard bits."""

DSPS = {
    dsp.name: dsp
    for dsp in (
        Dsp("ecp5", 18, 18, "ecp5", "Lattice ECP5, MULT18X18D (sysDSP usage guide FPGA-TN-02205)"),
        Dsp("ice40", 16, 16, "generic", "Lattice iCE40 UltraPlus, SB_MAC16 (iCE40 technology library)"),
        Dsp("gowin", 18, 18, "generic", "Gowin LittleBee and Arora, MULT18X18 (DSP user guide UG287)"),
        Dsp("dsp48e1", 25, 18, "generic", "AMD 7 series, DSP48E1 (user guide UG479)"),
        Dsp("dsp48e2", 27, 18, "generic", "AMD UltraScale and UltraScale+, DSP48E2 (user guide UG579)"),
    )
}


def pair_bits(product: ProductFormats) -> int:
    """Bits of the wide operand that two products of a layer need."""
    return 2 * product.weight_width + product.operand_width


def pair_width(product: ProductFormats, dsp: Dsp | None) -> int:
    """Bits of the DSP's wide operand where it holds two products of a layer; else 0."""
    if dsp is None or pair_bits(product) > dsp.wide or product.operand_width > dsp.narrow:
        return 0
    return dsp.wide


def pairing_sentence(product: ProductFormats, dsp: Dsp) -> str:
    """Whether a DSP gives two products of a layer, and what of."""
    widths = f"weights of {product.weight_width} bits beside operands of {product.operand_width}"
    needed = f"{pair_bits(product)} bits of the {dsp.wide} of {dsp.name}'s wide operand"
    if pair_width(product, dsp):
        return f"Two products in a DSP: {widths} take {needed}."
    fewer = (dsp.wide - product.operand_width) // 2
    advice = f"; weights of {fewer} bits would fit" if fewer >= 2 else ""
    return f"One product in a DSP: two, of {widths}, would take {needed}{advice}."
