"""What joins two cores of one device: a link's words in registers, without a PHY."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rnngen.config.system import INSIDE_CYCLES


class InsideWire(wiring.Component):
    """One direction, in the clock of both cores.

    Ports: ``tx_data``, ``tx_start`` and ``tx_valid``, and the same as ``rx_*`` ``INSIDE_CYCLES`` cycles later.
    """

    def __init__(self, word_bits: int) -> None:
        words = {"data": word_bits, "start": 1, "valid": 1}
        super().__init__(
            {f"tx_{name}": In(width) for name, width in words.items()}
            | {f"rx_{name}": Out(width) for name, width in words.items()}
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        word = Cat(self.tx_data, self.tx_start, self.tx_valid)
        for number in range(INSIDE_CYCLES):
            later = Signal(len(word), name=f"word_{number}")
            m.d.sync += later.eq(word)
            word = later
        m.d.comb += Cat(self.rx_data, self.rx_start, self.rx_valid).eq(word)
        return m
