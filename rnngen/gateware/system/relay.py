"""A ring of devices that compute a layer together: what comes from one neighbour goes to the core, and to the other."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rnngen.gateware.system.fork import Fork
from rnngen.plan.frames import StepFrame


class Relay(wiring.Component):
    """One way round a ring, at one device: it sends its own frame of a step, then all that come but the last.

    The order is the same in every step: the own frame, that of the neighbour, that of the one behind it, and so on.
    So a counter at both ends tells whose a frame is, and no frame needs an address.  A word that comes is taken when
    the core and, where its frame goes on, the link has it; neither of them waits for the other.

    Nothing waits in a circle.  A device gives its own frame of a step when it has all frames of the step before, and
    waits for no other frame of this one (G-LSTM: what it hands over needs its own h, which is of the step before, too).
    Every frame that it is to send of a step comes in front of one of the same step, on the same link, that it needs for
    the next step; so its own frame of the next step finds all of them sent.  Hence frames of a step wait for own frames
    of the same step only, those for frames of the step before, and so on down to the first, of which every device gives
    its own without any.  What comes too early waits in the receive buffer of its link, whose credits hold the sender.

    To the core this is a link (``rx_*``, ``tx_*``).

    Ports:
        comes_*: Words from the link of one neighbour.  goes_*: To that of the other one.
        rx_*: What comes, for the core.  turn: Number, in its step, of the frame that this word is of.
        tx_*: Words of the own frames; ``tx_length`` is ignored, as all frames are alike.

    Args:
        frames: Of a step that come, and as many go.  frame: Each of them.
    """

    def __init__(self, frames: int, frame: StepFrame) -> None:
        self._frames, self._words = frames, frame.words
        bits = frame.word_bits
        super().__init__(
            {
                "comes_data": In(bits),
                "comes_valid": In(1),
                "comes_last": In(1),
                "comes_ready": Out(1),
                "goes_data": Out(bits),
                "goes_valid": Out(1),
                "goes_ready": In(1),
                "rx_data": Out(bits),
                "rx_valid": Out(1),
                "rx_last": Out(1),
                "rx_ready": In(1),
                "turn": Out(range(max(2, frames))),
                "tx_data": In(bits),
                "tx_valid": In(1),
                "tx_ready": Out(1),
                "tx_length": In(range(frame.words + 1)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        m.submodules.fork = fork = Fork(2)
        going, place = Signal(range(max(2, self._frames))), Signal(range(max(2, self._words)))
        is_own, passes, is_next, takes = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            is_own.eq(going == 0),
            passes.eq(self.turn != self._frames - 1),
            is_next.eq(passes & (going == self.turn + 1)),
            fork.valid.eq(self.comes_valid),
            fork.readys.eq(Cat(self.rx_ready, Mux(passes, is_next & self.goes_ready, 1))),
            self.comes_ready.eq(fork.ready),
            self.rx_data.eq(self.comes_data),
            self.rx_valid.eq(fork.valids[0]),
            self.rx_last.eq(self.comes_last),
            self.goes_data.eq(Mux(is_own, self.tx_data, self.comes_data)),
            self.goes_valid.eq(Mux(is_own, self.tx_valid, is_next & fork.valids[1])),
            self.tx_ready.eq(is_own & self.goes_ready),
            takes.eq(self.goes_valid & self.goes_ready),
        ]
        with m.If(self.comes_valid & self.comes_ready & self.comes_last):
            m.d.sync += self.turn.eq(Mux(passes, self.turn + 1, 0))
        with m.If(takes):
            ends = place == self._words - 1
            m.d.sync += place.eq(Mux(ends, 0, place + 1))
            with m.If(ends):
                m.d.sync += going.eq(Mux(going == self._frames - 1, 0, going + 1))
        return m
