"""The engine's schedule as counters: which column word is issued in which cycle."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rnngen.gateware.buffers import address_width
from rnngen.plan.engine import EnginePlan


class Sequencer(wiring.Component):
    """Issues a step's column words without a gap.

    The first word is issued one cycle after go; from then on nothing can hold a step up.

    Ports:
        go: A step starts.  sequence_last: It is its sequence's last one.  base: Its first word in the input buffer.
        release: The step's input is read for the last time.
        issue: A column word is read in this cycle, at x_address where from_x, else at h_address.
        first, last: It is its tile's first, last word.  first_h: It is its tile's first word of h.
        last_tile: The tile is the step's last.
        step_first, step_last: The step is the first, last of its sequence.

    Args:
        plan: Of the engine.
        x_depth: Words of the input buffer.  h_stride: Words of one h in its memory.
    """

    def __init__(self, plan: EnginePlan, x_depth: int, h_stride: int) -> None:
        self._plan = plan
        self._h_stride = h_stride
        super().__init__(
            {
                "go": In(1),
                "sequence_last": In(1),
                "base": In(range(max(2, x_depth))),
                "release": Out(1),
                "issue": Out(1),
                "from_x": Out(1),
                "x_address": Out(address_width(x_depth)),
                "h_address": Out(address_width(max(1, 2 * h_stride))),
                "first": Out(1),
                "first_h": Out(1),
                "last": Out(1),
                "last_tile": Out(1),
                "step_first": Out(1, init=1),
                "step_last": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        plan = self._plan
        shape = plan.shape
        x_first, h_first = shape.x_offset // plan.columns, shape.h_offset // plan.columns
        active = Signal()
        column = Signal(range(max(2, plan.spacing)))
        tile = Signal(range(max(2, plan.tiles)))
        x_base = Signal.like(self.base)
        h_slot = Signal()
        previous_last = Signal(init=1)
        tile_end = Signal()
        m.d.comb += [
            tile_end.eq(column == plan.spacing - 1),
            self.last_tile.eq(tile == plan.tiles - 1),
            self.issue.eq(active & (column < plan.sweep)),
            self.from_x.eq(column < plan.x_words),
            self.first.eq(self.issue & (column == 0)),
            self.last.eq(active & (column == plan.sweep - 1)),
            self.first_h.eq(self.issue & (column == plan.x_words)),
            self.release.eq(active & self.last_tile & (column == (plan.sweep if shape.symbols else plan.x_words) - 1)),
        ]
        h_base = Mux(h_slot, self._h_stride + h_first, h_first)
        with m.If(active):
            m.d.sync += column.eq(column + 1)
            if not shape.symbols:
                m.d.sync += self.x_address.eq(self.x_address + 1)
            with m.If(~self.from_x):
                m.d.sync += self.h_address.eq(self.h_address + 1)
            with m.If(tile_end):
                m.d.sync += [column.eq(0), tile.eq(tile + 1), self.x_address.eq(x_base), self.h_address.eq(h_base)]
                with m.If(self.last_tile):
                    m.d.sync += active.eq(0)
        with m.If(self.go):
            m.d.sync += [
                active.eq(1),
                column.eq(0),
                tile.eq(0),
                x_base.eq(self.base + x_first),
                self.x_address.eq(self.base + x_first),
                # The step before wrote its h to the slot that this step reads.
                h_slot.eq(~h_slot),
                self.h_address.eq(Mux(h_slot, h_first, self._h_stride + h_first)),
                self.step_first.eq(previous_last),
                self.step_last.eq(self.sequence_last),
                previous_last.eq(self.sequence_last),
            ]
        return m
