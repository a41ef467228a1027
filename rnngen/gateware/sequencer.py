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
        stream: Whose step it is.  restart: The next step of every stream is the first one of a sequence.
        release: The step's input is read for the last time.
        issue: A column word is read in this cycle, at x_address where from_x, else at h_address.
        h_word: Number of the word of h at h_address.
        first, last: It is its tile's first, last word.  first_h: It is its tile's first word of h.
        last_tile: The tile is the step's last.
        step_first, step_last: The step is the first, last of its sequence.  step_stream: Whose step it is.
        peek_stream: A stream.  peek_base: First word of its latest h.

    Args:
        plan: Of the engine.
        x_depth: Words of the input buffer.  h_stride: Words of one h in its memory.
    """

    def __init__(self, plan: EnginePlan, x_depth: int, h_stride: int, streams: int) -> None:
        self._plan = plan
        self._h_stride, self._streams = h_stride, streams
        h_depth = max(1, 2 * h_stride * streams)
        super().__init__(
            {
                "go": In(1),
                "sequence_last": In(1),
                "stream": In(range(streams)),
                "restart": In(1),
                "base": In(range(max(2, x_depth))),
                "release": Out(1),
                "issue": Out(1),
                "from_x": Out(1),
                "x_address": Out(address_width(x_depth)),
                "h_word": Out(range(max(2, h_stride))),
                "h_address": Out(address_width(h_depth)),
                "first": Out(1),
                "first_h": Out(1),
                "last": Out(1),
                "last_tile": Out(1),
                "step_first": Out(1, init=1),
                "step_last": Out(1),
                "step_stream": Out(range(streams)),
                "peek_stream": In(range(streams)),
                "peek_base": Out(address_width(h_depth)),
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
        every = (1 << self._streams) - 1
        h_slots, previous_last = Signal(self._streams), Signal(self._streams, init=every)
        h_base, new_h_base = Signal.like(self.h_address), Signal.like(self.h_address)
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
        stride = self._h_stride
        # The step before wrote its h to the slot that this step reads.
        slot = h_slots.bit_select(self.stream, 1)
        m.d.comb += new_h_base.eq(self.stream * (2 * stride) + Mux(slot, 0, stride) + h_first)
        peek_slot = h_slots.bit_select(self.peek_stream, 1)
        m.d.comb += self.peek_base.eq(self.peek_stream * (2 * stride) + Mux(peek_slot, 0, stride))
        with m.If(active):
            m.d.sync += column.eq(column + 1)
            if not shape.symbols:
                m.d.sync += self.x_address.eq(self.x_address + 1)
            with m.If(~self.from_x):
                m.d.sync += [self.h_address.eq(self.h_address + 1), self.h_word.eq(self.h_word + 1)]
            with m.If(tile_end):
                m.d.sync += [column.eq(0), tile.eq(tile + 1), self.x_address.eq(x_base)]
                m.d.sync += [self.h_address.eq(h_base), self.h_word.eq(h_first)]
                with m.If(self.last_tile):
                    m.d.sync += active.eq(0)
        with m.If(self.go):
            m.d.sync += [
                active.eq(1),
                column.eq(0),
                tile.eq(0),
                x_base.eq(self.base + x_first),
                self.x_address.eq(self.base + x_first),
                h_slots.bit_select(self.stream, 1).eq(~slot),
                h_base.eq(new_h_base),
                self.h_address.eq(new_h_base),
                self.h_word.eq(h_first),
                self.step_first.eq(previous_last.bit_select(self.stream, 1)),
                self.step_last.eq(self.sequence_last),
                self.step_stream.eq(self.stream),
                previous_last.bit_select(self.stream, 1).eq(self.sequence_last),
            ]
        with m.If(self.restart):
            m.d.sync += previous_last.eq(every)
        return m
