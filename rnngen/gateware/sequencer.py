"""The engine's schedule as counters: which column word is issued in which cycle."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rnngen.gateware.buffers import address_width
from rnngen.plan.engine import EnginePlan


class Sequencer(wiring.Component):
    """Starts steps and issues their column words without a gap.

    A step starts ("go") when a whole input step is there, the engine's interval has passed since the
    last start, and the reader of the results has a slot for them.  The first word is issued one cycle
    after go; from then on nothing can hold a step up.

    Ports:
        available, sequence_last, base: The waiting input step.  release: It is read for the last time.
        space: The reader has room for one more step.  go: A step starts.
        issue: A column word is read in this cycle, at x_address where from_x, else at h_address.
        first, last: It is its tile's first, last word.  last_tile: The tile is the step's last.
        step_first, step_last: The step is the first, last of its sequence.
    """

    def __init__(self, plan: EnginePlan) -> None:
        self._plan = plan
        x_depth = plan.x_words * plan.input_slots
        super().__init__(
            {
                "available": In(1),
                "sequence_last": In(1),
                "base": In(range(max(2, x_depth))),
                "release": Out(1),
                "space": In(1),
                "go": Out(1),
                "issue": Out(1),
                "from_x": Out(1),
                "x_address": Out(address_width(x_depth)),
                "h_address": Out(address_width(max(1, 2 * plan.h_words))),
                "first": Out(1),
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
        gap = Signal(range(plan.interval + 1))
        active = Signal()
        column = Signal(range(max(2, plan.spacing)))
        tile = Signal(range(max(2, plan.tiles)))
        x_base = Signal.like(self.base)
        h_slot = Signal()
        previous_last = Signal(init=1)
        tile_end = Signal()
        m.d.comb += [
            self.go.eq(self.available & self.space & (gap == 0)),
            tile_end.eq(column == plan.spacing - 1),
            self.last_tile.eq(tile == plan.tiles - 1),
            self.issue.eq(active & (column < plan.sweep)),
            self.from_x.eq(column < plan.x_words),
            self.first.eq(self.issue & (column == 0)),
            self.last.eq(active & (column == plan.sweep - 1)),
            self.release.eq(active & self.last_tile & (column == plan.x_words - 1)),
        ]
        with m.If(gap != 0):
            m.d.sync += gap.eq(gap - 1)
        h_base = Mux(h_slot, plan.h_words, 0)
        with m.If(active):
            m.d.sync += column.eq(column + 1)
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
                gap.eq(plan.interval - 1),
                column.eq(0),
                tile.eq(0),
                x_base.eq(self.base),
                self.x_address.eq(self.base),
                # The step before wrote its h to the slot that this step reads.
                h_slot.eq(~h_slot),
                self.h_address.eq(Mux(h_slot, 0, plan.h_words)),
                self.step_first.eq(previous_last),
                self.step_last.eq(self.sequence_last),
                previous_last.eq(self.sequence_last),
            ]
        return m
