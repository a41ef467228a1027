"""What a device's top instantiates: the link layer and both clock crossings."""

from __future__ import annotations

from amaranth.hdl import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.fifo import AsyncFIFO
from amaranth.lib.wiring import In, Out

from rnngen.config.link import LinkShape
from rnngen.gateware.link.core import LinkCore, core_ports


def phy_ports(shape: LinkShape) -> dict[str, wiring.Member]:
    """The PHY contract, as the link layer sees it.

    phy_tx_*, in the domain ``phy_tx``: A word and its start flag are taken in a cycle with valid and ready.
    phy_rx_*, in the domain ``phy_rx``: A word with valid; it cannot be refused.  Words may be lost, changed, and have
    wrong start flags, but stay in order.
    phy_up: Words may be expected; any clock.
    """
    return {
        "phy_tx_data": Out(shape.word_bits),
        "phy_tx_start": Out(1),
        "phy_tx_valid": Out(1),
        "phy_tx_ready": In(1),
        "phy_rx_data": In(shape.word_bits),
        "phy_rx_start": In(1),
        "phy_rx_valid": In(1),
        "phy_up": In(1),
    }


def phy_side_ports(shape: LinkShape) -> dict[str, wiring.Member]:
    """The same ports as a PHY has them."""
    return {name: member.flip() for name, member in phy_ports(shape).items()}


class LinkPort(wiring.Component):
    """One end of a link between the core (``core_ports``, domain ``sync``) and a PHY (``phy_ports``)."""

    def __init__(self, shape: LinkShape) -> None:
        self._shape = shape
        super().__init__({**core_ports(shape), **phy_ports(shape)})

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        shape = self._shape
        width, depth = shape.word_bits + 1, shape.fifo_words
        m.submodules.core = core = LinkCore(shape)
        m.submodules.tx = tx = AsyncFIFO(width=width, depth=depth, w_domain="sync", r_domain="phy_tx")
        m.submodules.rx = rx = AsyncFIFO(width=width, depth=depth, w_domain="phy_rx", r_domain="sync")
        m.submodules.phy_up = FFSynchronizer(self.phy_up, core.phy_up)
        for name, member in core_ports(shape).items():
            outer, inner = getattr(self, name), getattr(core, name)
            m.d.comb += inner.eq(outer) if member.flow == In else outer.eq(inner)
        m.d.comb += [
            tx.w_data.eq(Cat(core.out_data, core.out_start)), tx.w_en.eq(core.out_valid), core.out_ready.eq(tx.w_rdy),
            Cat(self.phy_tx_data, self.phy_tx_start).eq(tx.r_data), self.phy_tx_valid.eq(tx.r_rdy),
            tx.r_en.eq(self.phy_tx_ready),
            rx.w_data.eq(Cat(self.phy_rx_data, self.phy_rx_start)), rx.w_en.eq(self.phy_rx_valid),
            Cat(core.in_data, core.in_start).eq(rx.r_data), core.in_valid.eq(rx.r_rdy), rx.r_en.eq(1),
        ]  # fmt: skip
        return m
