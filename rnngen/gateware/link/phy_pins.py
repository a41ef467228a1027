"""A PHY over plain pins with the sender's clock beside them (source-synchronous), one edge a bit.

    clock   the clock of ``phy_tx``, inverted: pins change at its falling edge and are taken at its rising one
    valid   a beat of a word; start: with all beats of a word that has the start flag
    data    ``pins`` bits of the word, lowest first; a word takes word_bits / pins beats

The receiver's domain ``phy_rx`` is clocked by the pin ``clock``.  A word begins with the start flag or behind the
last beat of the one before; where beats are lost, words are shifted until the next start flag.
"""

from __future__ import annotations

from amaranth.hdl import Cat, ClockSignal, DomainRenamer, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rnngen.config.link import LinkShape
from rnngen.errors import PlanError
from rnngen.gateware.link.port import phy_side_ports


def _beats(word_bits: int, pins: int) -> int:
    """Of a word.

    Raises:
        PlanError: if the word is not a whole number of beats.
    """
    if pins < 1 or word_bits % pins:
        raise PlanError(f"A link's data pins must divide its words of {word_bits} bits, {pins} do not.")
    return word_bits // pins


class PinsTransmitter(wiring.Component):
    """Words to beats, from registers."""

    def __init__(self, word_bits: int, pins: int) -> None:
        self._beats, self._pins = _beats(word_bits, pins), pins
        super().__init__(
            {
                "data": In(word_bits), "start": In(1), "valid": In(1), "ready": Out(1),
                "pin_data": Out(pins), "pin_start": Out(1), "pin_valid": Out(1),
            }
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        rest, left = Signal(len(self.data)), Signal(range(self._beats))
        m.d.comb += self.ready.eq(left == 0)
        with m.If(left == 0):
            m.d.sync += [
                self.pin_data.eq(self.data[: self._pins]), self.pin_start.eq(self.start & self.valid),
                self.pin_valid.eq(self.valid), rest.eq(self.data >> self._pins),
            ]  # fmt: skip
            with m.If(self.valid):
                m.d.sync += left.eq(self._beats - 1)
        with m.Else():
            m.d.sync += [self.pin_data.eq(rest[: self._pins]), rest.eq(rest >> self._pins), left.eq(left - 1)]
        return m


class PinsReceiver(wiring.Component):
    """Beats to words."""

    def __init__(self, word_bits: int, pins: int) -> None:
        self._beats, self._pins = _beats(word_bits, pins), pins
        super().__init__(
            {
                "pin_data": In(pins), "pin_start": In(1), "pin_valid": In(1),
                "data": Out(word_bits), "start": Out(1), "valid": Out(1),
            }
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        data, start, valid = Signal(self._pins), Signal(), Signal()  # straight behind the pins
        m.d.sync += [data.eq(self.pin_data), start.eq(self.pin_start), valid.eq(self.pin_valid)]
        place, starting = Signal(range(self._beats + 1)), Signal()
        begins = start & ~starting  # the first beat with the flag: whatever was there is dropped
        m.d.sync += self.valid.eq(0)
        with m.If(valid):
            m.d.sync += [self.data.eq(Cat(self.data, data)[self._pins :]), starting.eq(start), place.eq(place + 1)]
            last = (place == self._beats - 1) & ~begins if self._beats > 1 else 1
            with m.If(begins):
                m.d.sync += place.eq(1)
            with m.If(last):
                m.d.sync += [place.eq(0), starting.eq(0), self.valid.eq(1), self.start.eq(start)]
        return m


class PinsPhy(wiring.Component):
    """The PHY.  Ports: those of ``phy_side_ports``, and the pins ``out_*`` and ``in_*`` (the module's docstring)."""

    def __init__(self, shape: LinkShape, pins: int) -> None:
        _beats(shape.word_bits, pins)
        self._bits, self._pins = shape.word_bits, pins
        super().__init__(
            {
                **phy_side_ports(shape),
                "out_clock": Out(1), "out_data": Out(pins), "out_start": Out(1), "out_valid": Out(1),
                "in_data": In(pins), "in_start": In(1), "in_valid": In(1),
            }
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        send, take = PinsTransmitter(self._bits, self._pins), PinsReceiver(self._bits, self._pins)
        m.submodules.send, m.submodules.take = DomainRenamer("phy_tx")(send), DomainRenamer("phy_rx")(take)
        m.d.comb += [
            send.data.eq(self.phy_tx_data), send.start.eq(self.phy_tx_start), send.valid.eq(self.phy_tx_valid),
            self.phy_tx_ready.eq(send.ready), self.out_clock.eq(~ClockSignal("phy_tx")),
            self.out_data.eq(send.pin_data), self.out_start.eq(send.pin_start), self.out_valid.eq(send.pin_valid),
            take.pin_data.eq(self.in_data), take.pin_start.eq(self.in_start), take.pin_valid.eq(self.in_valid),
            self.phy_rx_data.eq(take.data), self.phy_rx_start.eq(take.start), self.phy_rx_valid.eq(take.valid),
            self.phy_up.eq(1),
        ]  # fmt: skip
        return m
