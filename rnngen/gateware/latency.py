"""How long each step is inside, measured."""

from __future__ import annotations

from amaranth.hdl import ClockSignal, Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rnngen.gateware.buffers import address_width, fit_address
from rnngen.gateware.registers import WORD_BITS


class LatencyMeter(wiring.Component):
    """Cycles from a step's entry to its leaving, for every step; they leave in their order.

    Between both are four cycles at least, as a result is never sooner.

    Ports:
        entered, left: A step's last input beat is taken, its last output beat.
        done: A step was measured.  cycles: What it took, modulo 2**32.

    Args:
        depth: Steps that are inside at once at most.
    """

    def __init__(self, depth: int) -> None:
        self._bits = address_width(depth)
        super().__init__({"entered": In(1), "left": In(1), "done": Out(1), "cycles": Out(WORD_BITS)})

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        depth = 1 << self._bits
        now, then = Signal(WORD_BITS), Signal(WORD_BITS, name="entry_time")
        entered, left = Signal(name="step_entered"), Signal(name="step_left")
        write, read, following = Signal(self._bits), Signal(self._bits), Signal(self._bits)
        m.d.comb += following.eq(read + left)
        m.d.sync += [
            now.eq(now + 1),
            entered.eq(self.entered),
            left.eq(self.left),
            write.eq(write + entered),
            read.eq(following),
            self.done.eq(left),
            self.cycles.eq(now - then),
        ]
        m.submodules.times = Instance(
            "rnn_state_memory",
            p_WIDTH=WORD_BITS,
            p_DEPTH=depth,
            p_ADDRESS_WIDTH=self._bits,
            i_clk=ClockSignal(),
            i_read_address=fit_address(m, following, depth),
            o_read_data=then,
            i_write_enable=entered,
            i_write_address=write,
            i_write_data=now,
        )
        return m
