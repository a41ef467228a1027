"""A PHY over a serial line, 8N1: any USB serial adapter, or two pins of two boards.

The start flag is a byte of its own before the word, which occurs nowhere else (byte stuffing):

    0xC0          the next byte is the first of a word with the start flag
    0xDB 0xDC     the data byte 0xC0
    0xDB 0xDD     the data byte 0xDB

Words are sent least significant byte first.  Where a byte is lost, words are shifted until the next start flag: their
frames' checks do not hold.
"""

from __future__ import annotations

from amaranth.hdl import Cat, DomainRenamer, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rnngen.config.link import LinkShape
from rnngen.gateware.link.port import phy_side_ports
from rnngen.gateware.uart.receiver import UartReceiver
from rnngen.gateware.uart.transmitter import UartTransmitter

START, ESCAPE = 0xC0, 0xDB
ESCAPED_START, ESCAPED_ESCAPE = 0xDC, 0xDD


class WordsToBytes(wiring.Component):
    """A word, and its start flag, to bytes of the line."""

    def __init__(self, word_bits: int) -> None:
        self._bits = word_bits
        super().__init__(
            {
                "data": In(word_bits), "start": In(1), "valid": In(1), "ready": Out(1),
                "byte": Out(8), "byte_valid": Out(1), "byte_ready": In(1),
            }
        )  # fmt: skip

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        word, left = Signal(self._bits), Signal(range(self._bits // 8 + 1))
        flag, escaped, low = Signal(), Signal(), word[:8]
        special = (low == START) | (low == ESCAPE)
        m.d.comb += [
            self.ready.eq((left == 0) & ~flag),
            self.byte_valid.eq(~self.ready),
            self.byte.eq(low),
        ]
        with m.If(flag):
            m.d.comb += self.byte.eq(START)
        with m.Elif(escaped):
            m.d.comb += self.byte.eq(Mux(low == START, ESCAPED_START, ESCAPED_ESCAPE))
        with m.Elif(special):
            m.d.comb += self.byte.eq(ESCAPE)
        with m.If(self.valid & self.ready):
            m.d.sync += [word.eq(self.data), left.eq(self._bits // 8), flag.eq(self.start)]
        with m.If(self.byte_valid & self.byte_ready):
            with m.If(flag):
                m.d.sync += flag.eq(0)
            with m.Elif(special & ~escaped):
                m.d.sync += escaped.eq(1)
            with m.Else():
                m.d.sync += [escaped.eq(0), left.eq(left - 1), word.eq(word >> 8)]
        return m


class BytesToWords(wiring.Component):
    """Bytes of the line to words; bytes before the first start flag are dropped."""

    def __init__(self, word_bits: int) -> None:
        self._bits = word_bits
        super().__init__(
            {"byte": In(8), "byte_valid": In(1), "data": Out(word_bits), "start": Out(1), "valid": Out(1)}
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        count = self._bits // 8
        place, flag, escaped, hunting = Signal(range(count)), Signal(), Signal(), Signal(init=1)
        byte = Mux(escaped, Mux(self.byte == ESCAPED_START, START, ESCAPE), self.byte)
        m.d.sync += self.valid.eq(0)
        with m.If(self.byte_valid):
            m.d.sync += escaped.eq(0)
            with m.If(self.byte == START):
                m.d.sync += [place.eq(0), flag.eq(1), hunting.eq(0)]
            with m.Elif((self.byte == ESCAPE) & ~escaped):
                m.d.sync += escaped.eq(1)
            with m.Elif(~hunting):
                m.d.sync += [self.data.eq(Cat(self.data[8:], byte)), place.eq(place + 1)]
                with m.If(place == count - 1):
                    m.d.sync += [place.eq(0), self.valid.eq(1), self.start.eq(flag), flag.eq(0)]
        return m


class UartPhy(wiring.Component):
    """The PHY; ``phy_tx`` and ``phy_rx`` have the same rate, ``divisor`` cycles a bit.

    Ports: those of ``phy_side_ports``, and the pins ``tx`` and ``rx``.
    """

    def __init__(self, shape: LinkShape, divisor: int) -> None:
        self._bits, self._divisor = shape.word_bits, divisor
        super().__init__({**phy_side_ports(shape), "tx": Out(1, init=1), "rx": In(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        to_bytes, to_words = WordsToBytes(self._bits), BytesToWords(self._bits)
        transmitter, receiver = UartTransmitter(self._divisor), UartReceiver(self._divisor)
        for name, part, domain in (
            ("to_bytes", to_bytes, "phy_tx"), ("transmitter", transmitter, "phy_tx"),
            ("receiver", receiver, "phy_rx"), ("to_words", to_words, "phy_rx"),
        ):  # fmt: skip
            m.submodules[name] = DomainRenamer(domain)(part)
        m.d.comb += [
            to_bytes.data.eq(self.phy_tx_data), to_bytes.start.eq(self.phy_tx_start),
            to_bytes.valid.eq(self.phy_tx_valid), self.phy_tx_ready.eq(to_bytes.ready),
            transmitter.data.eq(to_bytes.byte), transmitter.valid.eq(to_bytes.byte_valid),
            to_bytes.byte_ready.eq(transmitter.ready), self.tx.eq(transmitter.pin),
            receiver.pin.eq(self.rx), to_words.byte.eq(receiver.data), to_words.byte_valid.eq(receiver.valid),
            self.phy_rx_data.eq(to_words.data), self.phy_rx_start.eq(to_words.start),
            self.phy_rx_valid.eq(to_words.valid), self.phy_up.eq(1),
        ]  # fmt: skip
        return m
