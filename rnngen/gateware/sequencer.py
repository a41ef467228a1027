"""The engine's schedule as counters: which column word is issued in which cycle."""

from __future__ import annotations

from dataclasses import dataclass, field

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rnngen.gateware.buffers import address_width, times
from rnngen.plan.engine import EnginePlan


@dataclass(frozen=True, eq=False)
class _Place:
    """Where in a step the sequencer is.

    Attributes:
        active: Words are issued.  column, tile: The word of the sweep, the tile.
        x_base, h_base, h_word_base: Where a sweep of this pass begins.
        moves: On to the next word.
        tile_end, last_turn, last_sweep: The sweep ends; is of its tile's last gates; is the pass's last.
        pass_end: The pass ends.
    """

    active: Signal
    column: Signal
    tile: Signal
    x_base: Signal
    h_base: Signal
    h_word_base: Signal
    moves: Signal = field(default_factory=lambda: Signal(name="moves"))
    tile_end: Signal = field(default_factory=lambda: Signal(name="tile_end"))
    last_turn: Signal = field(default_factory=lambda: Signal(name="last_turn"))
    last_sweep: Signal = field(default_factory=lambda: Signal(name="last_sweep"))
    pass_end: Signal = field(default_factory=lambda: Signal(name="pass_end"))


class Sequencer(wiring.Component):
    """Issues a step's column words without a gap.

    The first word is issued one cycle after go; from then on nothing can hold a step up, or a pass of a spaced engine,
    but a weight that is not there, where weights are in external memory, or a word of h, where other devices give some
    (``waits``), or another engine that waits (``follows``): then nothing moves on.

    Ports:
        go: A step starts; of a spaced engine its x pass.  go_h: The next one's h pass starts, or starts again.
        sequence_last: It is its sequence's last one.  base: Its first word in the input buffer.
        stream: Whose step it is.  restart: By stream, its next step is the first one of a sequence.
        release: The step's input is read for the last time.
        issue: A column word is read in this cycle, at x_address where from_x, at h_address where from_h (of banked rows
            the words of a bank begin there; with several devices' h, a slot has the words of one of them).
        h_word: Number of the word of h at h_address.
        first, last: A sum begins, ends with it: a sweep's in this pass, or one of the two of a sweep that is halved.
        first_h: It is its sweep's first word of h.  turn: Number of that sum, of those of its tile.
        last_tile: The tile is the last one.  first_pass, last_pass: The pass is the step's first, last one.
        step_first, step_last: The step is the first, last of its sequence.  step_stream: Whose step it is.
        peek_stream: A stream.  peek_base: First word of its latest h.
        wants: A word is to be issued in this cycle.  ready: All that it takes is there.  held: It is not; nothing moves
            on, and no step may start.
        hold: Another engine waits.

    Args:
        plan: Of the engine.
        x_depth: Words of the input buffer.  h_stride: Words of one h in its memory, of one device.
    """

    def __init__(
        self, plan: EnginePlan, x_depth: int, h_stride: int, streams: int, waits: bool = False, follows: bool = False
    ) -> None:
        self._plan, self._waits, self._follows = plan, waits, follows
        self._h_stride, self._streams = h_stride, streams
        h_depth = max(1, (2 * streams + plan.shape.shares - 1) * h_stride)
        ways = {"wants": Out(1), "ready": In(1), "held": Out(1)} if waits else {}
        ways |= {"hold": In(1)} if follows else {}
        super().__init__(
            {
                **({"go_h": In(1)} if plan.shape.spaced else {}),
                **ways,
                "go": In(1),
                "sequence_last": In(1),
                "stream": In(range(streams)),
                "restart": In(streams),
                "base": In(range(max(2, x_depth))),
                "release": Out(1),
                "issue": Out(1),
                "from_x": Out(1),
                "from_h": Out(1),
                "x_address": Out(address_width(x_depth)),
                "h_word": Out(range(max(2, h_stride * plan.shape.shares))),
                "h_address": Out(address_width(h_depth)),
                "first": Out(1),
                "first_h": Out(1),
                "last": Out(1),
                "turn": Out(range(plan.partial_turns)),
                "last_tile": Out(1),
                "first_pass": Out(1),
                "last_pass": Out(1),
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
        place = _Place(
            active=Signal(name="active"),
            column=Signal(
                range(max(2, plan.spacing, plan.h_spacing if plan.shape.spaced else 0, *plan.passes)), name="column"
            ),
            tile=Signal(range(max(2, plan.tiles)), name="tile"),
            x_base=Signal.like(self.base, name="x_base"),
            h_base=Signal.like(self.h_address, name="h_base"),
            h_word_base=Signal.like(self.h_word, name="h_word_base"),
        )
        self._now(m, place)
        self._advance(m, place)
        self._begin(m, place)
        return m

    def _now(self, m: Module, place: _Place) -> None:
        """What is issued in this cycle, and what of the sweep, the pass and the step ends with it."""
        plan, column = self._plan, place.column
        words, cycles, x_left = self._passes(m, place.pass_end)
        moves = place.active & ~self.held if self._waits else place.active
        moves = moves & ~self.hold if self._follows else moves
        last_turn, ends_x, begins_h = self._turns(m, moves & place.tile_end, column)
        m.d.comb += [
            place.moves.eq(moves),
            place.tile_end.eq(column == cycles - 1),
            self.last_tile.eq(place.tile == plan.tiles - 1),
            place.last_turn.eq(last_turn),
            place.last_sweep.eq(self.last_tile & last_turn),
            place.pass_end.eq(moves & place.tile_end & place.last_sweep),
            self.issue.eq(moves & (column < words)),
            self.from_x.eq(column < x_left),
            self.from_h.eq(column < plan.h_words if plan.x_lanes else ~self.from_x),
            self.first.eq(self.issue & ((column == 0) | begins_h)),
            self.last.eq(moves & ((column == words - 1) | ends_x)),
            self.first_h.eq(self.issue & (column == x_left)),
            self.release.eq(moves & place.last_sweep & self._reads_last_x(column, x_left)),
        ]
        if self._waits:
            m.d.comb += [self.wants.eq(place.active & (column < words)), self.held.eq(self.wants & ~self.ready)]

    def _advance(self, m: Module, place: _Place) -> None:
        """To the next word, sweep and pass."""
        shape = self._plan.shape
        x_next, h_next = Signal.like(place.x_base), Signal.like(place.h_base)
        h_word_next = Signal.like(self.h_word)
        m.d.comb += [
            x_next.eq(self.x_address if shape.symbols or shape.banked else self.x_address + self.from_x),
            h_next.eq(self.h_address if shape.banked else self.h_address + (self.issue & self.from_h)),
            h_word_next.eq(self.h_word + (self.issue & self.from_h)),
        ]
        x_base, h_base, h_word_base = place.x_base, place.h_base, place.h_word_base
        with m.If(place.moves):
            m.d.sync += place.column.eq(place.column + 1)
            m.d.sync += [self.x_address.eq(x_next), self.h_address.eq(h_next), self.h_word.eq(h_word_next)]
            with m.If(place.tile_end):
                m.d.sync += [place.column.eq(0), place.tile.eq(place.tile + place.last_turn)]
                with m.If(~place.last_sweep):
                    m.d.sync += [self.x_address.eq(x_base), self.h_address.eq(h_base), self.h_word.eq(h_word_base)]
                with m.Else():  # the next pass goes on where this one ends
                    m.d.sync += [place.tile.eq(0), x_base.eq(x_next), h_base.eq(h_next), h_word_base.eq(h_word_next)]
                    with m.If(Const(1) if shape.spaced else self.last_pass):
                        m.d.sync += place.active.eq(0)

    def _begin(self, m: Module, place: _Place) -> None:
        """A step starts, of a spaced engine one of its passes."""
        plan, shape, stride = self._plan, self._plan.shape, self._h_stride
        x_first, h_first = shape.x_offset // plan.x_columns, shape.h_offset // plan.h_columns
        every = (1 << self._streams) - 1
        # The step before wrote its h to the slot that this step reads; what only others give they give in this step.
        in_step = bool(shape.others) and not shape.gives_h
        h_slots, previous_last = Signal(self._streams, init=in_step), Signal(self._streams, init=every)
        new_h_base = Signal.like(self.h_address)
        slot = h_slots.bit_select(self.stream, 1)
        m.d.comb += new_h_base.eq(times(self.stream, 2 * stride) + Mux(slot, 0, stride) + h_first)
        peek_slot = h_slots.bit_select(self.peek_stream, 1)
        m.d.comb += self.peek_base.eq(times(self.peek_stream, 2 * stride) + Mux(peek_slot, 0, stride))
        begins = [place.active.eq(1), place.column.eq(0), place.tile.eq(0)]
        reads_x = [
            place.x_base.eq(self.base + x_first),
            self.x_address.eq(self.base + x_first),
            h_slots.bit_select(self.stream, 1).eq(~slot),
        ]
        reads_h = [
            place.h_base.eq(new_h_base),
            self.h_address.eq(new_h_base),
            self.h_word.eq(h_first),
            place.h_word_base.eq(h_first),
            self.step_first.eq(previous_last.bit_select(self.stream, 1)),
        ]
        takes = [
            self.step_last.eq(self.sequence_last),
            self.step_stream.eq(self.stream),
            previous_last.bit_select(self.stream, 1).eq(self.sequence_last),
        ]
        if shape.spaced:
            with m.If(self.go_h):
                m.d.sync += [*begins, *reads_h]
            reads_h = []
        with m.If(self.go):
            m.d.sync += [*begins, *reads_x, *reads_h, *takes]
        for number in range(self._streams):
            with m.If(self.restart[number]):
                m.d.sync += previous_last[number].eq(1)

    def _turns(self, m: Module, sweep_end: Value, column: Signal) -> tuple[Value, Value, Value]:
        """Whether the gates of a sweep are its tile's last; whether a word ends a sum of x, and begins one of h."""
        plan = self._plan
        if plan.turns == 1:
            return Const(1, 1), Const(0, 1), Const(0, 1)
        turn, last_turn = Signal(range(plan.turns)), Signal()
        m.d.comb += last_turn.eq(turn == plan.turns - 1)
        with m.If(sweep_end):
            m.d.sync += turn.eq(Mux(last_turn, 0, turn + 1))
        if not plan.halved:
            m.d.comb += self.turn.eq(turn)
            return last_turn, Const(0, 1), Const(0, 1)
        m.d.comb += self.turn.eq(turn + (last_turn & (column >= plan.x_words)))
        return last_turn, last_turn & (column == plan.x_words - 1), last_turn & (column == plan.x_words)

    def _passes(self, m: Module, pass_end: Signal) -> tuple[Value, Value, Value]:
        """Of the pass that is on: its words, its cycles a tile, and how many of its words are x words, at least."""
        plan = self._plan
        if plan.shape.spaced:
            in_h = Signal()
            with m.If(self.go | self.go_h):
                m.d.sync += in_h.eq(self.go_h)
            m.d.comb += [self.first_pass.eq(in_h), self.last_pass.eq(~in_h)]
            words, cycles = Mux(in_h, plan.h_words, plan.x_words), Mux(in_h, plan.h_spacing, plan.spacing)
            return words, cycles, Mux(in_h, 0, plan.x_words)
        if not plan.passes:
            m.d.comb += [self.first_pass.eq(1), self.last_pass.eq(1)]
            return Const(plan.sweep), Const(plan.spacing), Const(plan.x_words)
        number = Signal(range(len(plan.passes)))
        m.d.comb += [self.first_pass.eq(number == 0), self.last_pass.eq(number == len(plan.passes) - 1)]
        with m.If(pass_end):
            m.d.sync += number.eq(Mux(self.last_pass, 0, number + 1))
        words = Mux(number == 0, plan.passes[0], Mux(number == 1, plan.passes[1], plan.passes[-1]))
        left = Signal(range(max(2, plan.x_words + 1)), init=plan.x_words)
        with m.If(pass_end):
            m.d.sync += left.eq(Mux(self.last_pass, plan.x_words, Mux(left > words, left - words, 0)))
        return words, words, left

    def _reads_last_x(self, column: Signal, x_left: Value) -> Value:
        """Whether the tile reads its last word of x now; of a symbol the step's last word of all."""
        plan = self._plan
        if plan.shape.symbols:
            return column == plan.sweep - 1
        # x_left is 0 in passes behind the last word of x.
        return column + 1 == x_left
