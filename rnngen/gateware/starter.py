"""Decides when a block starts a step."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rnngen.plan.layer import ceil_div


class StepStarter(wiring.Component):
    """Starts a step when a whole input step is there, the interval has passed since the last start of its stream, the
    initiation interval since that of any, and the reader of the results has a slot for them.

    Ports:
        available, sequence_last, stream: The waiting input step.
        space: The reader has room for one more step.
        held: The engine waits for weights or for h of other devices: no step starts, and the intervals do not pass
            (``waits``).
        go: A step starts.  go_last: with it, the step is its sequence's last one.  reserve: It will use that room.

    Args:
        interval, initiation_interval: Of the block.  streams: How many there are.
        selects: Only a sequence's last step goes on, and the others need no room.
        in_turn: It starts only while ``turn`` is set, too.
    """

    def __init__(
        self, interval: int, initiation_interval: int, streams: int, selects: bool, in_turn: bool = False,
        waits: bool = False,
    ) -> None:  # fmt: skip
        self._interval, self._initiation, self._streams = interval, initiation_interval, streams
        self._selects, self._in_turn, self._waits = selects, in_turn, waits
        super().__init__(
            {
                **({"turn": In(1)} if in_turn else {}),
                "available": In(1),
                "sequence_last": In(1),
                "stream": In(range(streams)),
                "space": In(1),
                **({"held": In(1)} if waits else {}),
                "go": Out(1),
                "go_last": Out(1),
                "reserve": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        gap = Signal(range(self._initiation + 1))
        passes = self.sequence_last if self._selects else 1
        room = self.space | ~self.sequence_last if self._selects else self.space
        turn = self.turn if self._in_turn else 1
        may_start = self.available & ~self.held if self._waits else self.available
        m.d.comb += [
            self.go.eq(may_start & room & (gap == 0) & ~self._blocked(m) & turn),
            self.go_last.eq(self.sequence_last),
            self.reserve.eq(self.go & passes),
        ]
        m.d.sync += gap.eq(Mux(self.go, self._initiation - 1, self._counted_down(gap)))
        return m

    def _counted_down(self, left: Signal) -> Value:
        """A counter one further, if its time passes and it is not at 0 yet."""
        further = Mux(left == 0, 0, left - 1)
        return Mux(self.held, left, further) if self._waits else further

    def _blocked(self, m: Module) -> Value:
        """Whether a step of the same stream has started less than the interval ago.

        As many of the last starts are remembered as there can be within an interval; each counts it down.
        """
        if self._interval <= self._initiation:
            return Const(0)
        count = min(self._streams, ceil_div(self._interval, self._initiation))
        turn = Signal(range(max(2, count)))
        blocked: Value = Const(0)
        for number in range(count):
            left, whose = Signal(range(self._interval), name=f"left_{number}"), Signal.like(self.stream)
            taken = self.go & (turn == number)
            m.d.sync += left.eq(Mux(taken, self._interval - 1, self._counted_down(left)))
            with m.If(taken):
                m.d.sync += whose.eq(self.stream)
            blocked = blocked | ((left != 0) & (whose == self.stream))
        with m.If(self.go):
            m.d.sync += turn.eq(Mux(turn == count - 1, 0, turn + 1))
        return blocked


class SpacedStarter(wiring.Component):
    """Starts the steps of a spaced block: the h pass of the next step as soon as h is written, and its x pass when a
    whole input step is there, the h pass is out, and the reader of the results has a slot for them.

    Ports:
        available, sequence_last, space, go, go_last, reserve: As for ``StepStarter``; ``go`` starts the x pass.
        stale: What an h pass reads has changed: the h pass of the next step is done again.
        go_h: An h pass starts.
        ahead: An h pass is due or not out yet.

    Args:
        x_to_h, h_to_x: Of the engine.  selects: Only a sequence's last step goes on, and the others need no room.
    """

    def __init__(self, x_to_h: int, h_to_x: int, selects: bool) -> None:
        self._x_to_h, self._h_to_x, self._selects = x_to_h, h_to_x, selects
        super().__init__(
            {
                "available": In(1),
                "sequence_last": In(1),
                "stream": In(range(1)),
                "space": In(1),
                "stale": In(1),
                "go": Out(1),
                "go_last": Out(1),
                "reserve": Out(1),
                "go_h": Out(1),
                "ahead": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        due, gap = Signal(init=1), Signal(range(max(self._x_to_h, self._h_to_x)))
        free = gap == 0
        passes = self.sequence_last if self._selects else 1
        room = self.space | ~self.sequence_last if self._selects else self.space
        m.d.comb += [
            self.go_h.eq(due & free),
            self.go.eq(~due & free & self.available & room),
            self.go_last.eq(self.sequence_last),
            self.reserve.eq(self.go & passes),
            self.ahead.eq(due | ~free),
        ]
        m.d.sync += due.eq(self.go | self.stale | due & ~self.go_h)
        with m.If(self.go):
            m.d.sync += gap.eq(self._x_to_h - 1)
        with m.Elif(self.go_h):
            m.d.sync += gap.eq(self._h_to_x - 1)
        with m.Elif(~free):
            m.d.sync += gap.eq(gap - 1)
        return m


class SequenceStarter(wiring.Component):
    """Starts the steps of a stored sequence, one an interval, once all of it is there and the buffer behind has room.

    Ports:
        written: A step is written.  written_last: with it, it ends its sequence.  rewind: Its sequence is forgotten.
        released: A sequence has been read.  full: No more sequence may begin.
        sent: A sequence has left the buffer behind.
        go: A step starts.  go_first, go_last: with it, it is the first, last one of its sequence.

    Args:
        interval: Of the block.  capacity: Steps of the longest sequence.
        in_turn: A step starts only while ``turn`` is set, too.
    """

    def __init__(self, interval: int, capacity: int, in_turn: bool = False) -> None:
        self._interval, self._capacity, self._in_turn = interval, capacity, in_turn
        super().__init__(
            {
                **({"turn": In(1)} if in_turn else {}),
                "written": In(1),
                "written_last": In(1),
                "rewind": In(1),
                "released": In(1),
                "full": Out(1),
                "overlong": Out(1),
                "sent": In(1),
                "go": Out(1),
                "go_first": Out(1),
                "go_last": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        capacity = self._capacity
        gap = Signal(range(self._interval + 1))
        count, step = Signal(range(capacity + 1)), Signal(range(capacity + 1))
        lengths = [Signal(range(capacity + 1), name=f"length_{k}") for k in range(2)]
        written, read, inside = Signal(), Signal(), Signal()
        complete, waiting, room = Signal(range(3)), Signal(range(3)), Signal(range(3), init=2)
        ends = self.written & self.written_last
        m.d.comb += [
            self.full.eq(complete == 2),
            self.overlong.eq(self.written & ~self.written_last & (count == capacity - 1)),
            self.go_first.eq(~inside),
            self.go.eq((gap == 0) & (inside | ((waiting != 0) & (room != 0))) & (self.turn if self._in_turn else 1)),
            self.go_last.eq(step + 1 == Mux(read, lengths[1], lengths[0])),
        ]
        begins = self.go & self.go_first
        m.d.sync += [
            gap.eq(Mux(self.go, self._interval - 1, Mux(gap == 0, 0, gap - 1))),
            complete.eq(complete + ends - self.released),
            waiting.eq(waiting + ends - begins),
            room.eq(room + self.sent - begins),
        ]
        with m.If(self.written):
            m.d.sync += count.eq(Mux(self.written_last, 0, count + 1))
            with m.If(self.written_last):
                for number, length in enumerate(lengths):
                    with m.If(written == number):
                        m.d.sync += length.eq(count + 1)
                m.d.sync += written.eq(~written)
        with m.If(self.rewind):
            m.d.sync += count.eq(0)
        with m.If(self.go):
            m.d.sync += [inside.eq(~self.go_last), step.eq(Mux(self.go_last, 0, step + 1))]
            with m.If(self.go_last):
                m.d.sync += read.eq(~read)
        return m


LONGEST_LINE = 64
"""Cycles that a start is delayed by registers alone; beyond them a counter takes what one interval holds."""


class StartDelay(wiring.Component):
    """A start ``cycles`` later; starts are at least ``interval`` cycles apart.

    Ports:
        go, go_last, stream: As they come.  late, late_last, late_stream: The same, later.
        held: No time passes, and no start comes (``waits``).
    """

    def __init__(self, cycles: int, interval: int, streams: int, waits: bool = False) -> None:
        self._counted = min(cycles, interval) if cycles > LONGEST_LINE else 0
        self._line, self._waits = cycles - self._counted, waits
        super().__init__(
            {
                **({"held": In(1)} if waits else {}),
                "go": In(1),
                "go_last": In(1),
                "stream": In(range(streams)),
                "late": Out(1),
                "late_last": Out(1),
                "late_stream": Out(range(streams)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        if not self._waits:
            self._delay(m)
            return m
        with m.If(~self.held):
            self._delay(m)
        return m

    def _delay(self, m: Module) -> None:
        """The way of a start."""
        go: Value = self.go
        what: Value = Cat(self.go_last, self.stream)
        if self._counted:
            left, active, kept = Signal(range(self._counted + 1)), Signal(), Signal(len(what))
            go, what = active & (left == 0), kept
            with m.If(active):
                m.d.sync += [left.eq(left - 1), active.eq(left != 0)]
            with m.If(self.go):
                m.d.sync += [left.eq(self._counted - 1), active.eq(1), kept.eq(Cat(self.go_last, self.stream))]
        for number in range(self._line):
            later, later_what = Signal(name=f"go_{number}"), Signal(len(what), name=f"what_{number}")
            m.d.sync += [later.eq(go), later_what.eq(what)]
            go, what = later, later_what
        m.d.comb += [self.late.eq(go), Cat(self.late_last, self.late_stream).eq(what)]
