"""A PHY for a vendor's SERDES link core with Aurora's AXI4-Stream user ports (8b/10b and 64b/66b, framing interface).

NOT RUN ON HARDWARE, and not simulated with the vendor's core: port names and rules are those of the product guides
(PG046, PG074).  What is tested is the adapter alone.

The core carries words with a mark at the end of a frame, and a frame may be a single word.  TLAST here marks the word
*with the start flag*: the core's frame ends behind the first word of each of ours, so that the flag arrives with its
word and nothing waits for the word behind it.  All words are whole (``tkeep`` all ones); the received ``tkeep`` is not
looked at, as a frame that was cut short does not pass its check.  Both user ports run on the core's user clock, which
clocks ``phy_tx`` and ``phy_rx``.  The received stream cannot be refused, as the core has no buffer.
"""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rnngen.config.link import LinkShape
from rnngen.gateware.link.port import phy_side_ports


class AuroraPhy(wiring.Component):
    """The adapter.  Ports: those of ``phy_side_ports``, and the vendor core's under their own names."""

    def __init__(self, shape: LinkShape) -> None:
        bits = shape.word_bits
        super().__init__(
            {
                **phy_side_ports(shape),
                "s_axi_tx_tdata": Out(bits),
                "s_axi_tx_tkeep": Out(bits // 8),
                "s_axi_tx_tlast": Out(1),
                "s_axi_tx_tvalid": Out(1),
                "s_axi_tx_tready": In(1),
                "m_axi_rx_tdata": In(bits),
                "m_axi_rx_tkeep": In(bits // 8),
                "m_axi_rx_tlast": In(1),
                "m_axi_rx_tvalid": In(1),
                "channel_up": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit, which is wires."""
        m = Module()
        m.d.comb += [
            self.s_axi_tx_tdata.eq(self.phy_tx_data),
            self.s_axi_tx_tkeep.eq(~0),
            self.s_axi_tx_tlast.eq(self.phy_tx_start),
            self.s_axi_tx_tvalid.eq(self.phy_tx_valid),
            self.phy_tx_ready.eq(self.s_axi_tx_tready),
            self.phy_rx_data.eq(self.m_axi_rx_tdata),
            self.phy_rx_start.eq(self.m_axi_rx_tlast),
            self.phy_rx_valid.eq(self.m_axi_rx_tvalid),
            self.phy_up.eq(self.channel_up),
        ]
        return m
