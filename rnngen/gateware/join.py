"""Sums of several devices, each of other inputs, to the results of a layer: what stands behind the last engine."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rnngen.gateware.buffers import OutputBuffer, write_layout
from rnngen.gateware.post import MapStage
from rnngen.gateware.tails import SATURATION_COUNTER_BITS
from rnngen.ir.quantised import QuantisedMap
from rnngen.plan.layer import ceil_div
from rnngen.plan.network import BlockPlan, Join


def beat_layout(width: int, words: int) -> data.StructLayout:
    """A beat of sums that is there."""
    return data.StructLayout({"valid": 1, "data": width * words})


class Joiner(wiring.Component):
    """Adds what other devices give to what this one gives, beat by beat, each when that of every device is there.

    The total has as many bits as what each gives: the plan's sums are so wide that none ever overflows.

    Ports:
        own: The device's sums; last: with them, the sequence ends with the step.  other_K: Those of the K-th other one.
        taken: In this cycle a beat of each.
        space: There is room for a step of results.  begins: A step begins, and takes it.
        write: Totals, ``timing.JOIN_CYCLES`` after their sums were taken.

    Args:
        width: Of a sum.  size: Sums of a step.
    """

    def __init__(self, join: Join, width: int, size: int) -> None:
        self._join, self._width, self._beats = join, width, ceil_div(size, join.words)
        self._left = size - (self._beats - 1) * join.words
        beat = beat_layout(width, join.words)
        super().__init__(
            {
                "own": In(beat),
                "last": In(1),
                **{f"other_{number}": In(beat) for number in range(1, join.others + 1)},
                "taken": Out(1),
                "space": In(1),
                "begins": Out(1),
                "write": Out(write_layout(width, join.words, 1)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        width, words = self._width, self._join.words
        sources = [self.own, *(getattr(self, f"other_{number}") for number in range(1, self._join.others + 1))]
        beat, ends = Signal(range(max(2, self._beats))), Signal()
        m.d.comb += [
            ends.eq(beat == self._beats - 1),
            self.taken.eq(Cat(source.valid for source in sources).all() & ((beat != 0) | self.space)),
            self.begins.eq(self.taken & (beat == 0)),
        ]
        with m.If(self.taken):
            m.d.sync += beat.eq(Mux(ends, 0, beat + 1))
        totals = []
        for lane in range(words):
            total = Signal(width, name=f"total_{lane}")
            parts = [source.data[lane * width : (lane + 1) * width] for source in sources]
            m.d.comb += total.eq(sum(parts[1:], parts[0]))
            totals.append(total)
        write = self.write
        m.d.sync += [
            write.enable.eq(self.taken),
            write.count.eq(Mux(ends, self._left, words)),
            write.last.eq(ends),
            write.sequence_last.eq(ends & self.last),
            write.data.eq(Cat(*totals)),
        ]
        return m


class JoinedOutput(wiring.Component):
    """The output of an accelerator that adds what other devices give: its own sums wait, totals pass the function.

    Ports:
        write: Sums of the last engine.  released: Those of a step have been taken.
        other_K: Sums of the K-th other device.  taken: They are taken in this cycle, those of all at once.
        data, valid, ready, last: Results, as of ``OutputBuffer``.  sent: The last beat of a step leaves in this cycle.
        idle: Nothing is behind the sums.  saturations, clear: Of the function, as for an engine.

    Args:
        function: Of the total.  table_file: Its table's image.
        words: Of a beat of results.  slots: Steps of results that it holds.
    """

    def __init__(
        self, plan: BlockPlan, join: Join, function: QuantisedMap, table_file: str, words: int, slots: int
    ) -> None:
        sum_width, width = function.formats.product.x.width, function.output_format.width
        self._slots, self._join = slots, join
        self._sums = OutputBuffer(sum_width, plan.elements, join.words, plan.units, join.slots, plan.aligned, 1)
        self._joiner = Joiner(join, sum_width, plan.units)
        self._function = MapStage(function, join.words, table_file, 1)
        self._results = OutputBuffer(width, join.words, words, plan.units, slots, True, 1)
        beat = beat_layout(sum_width, join.words)
        super().__init__(
            {
                "write": In(write_layout(sum_width, plan.elements, 1)),
                "released": Out(1),
                **{f"other_{number}": In(beat) for number in range(1, join.others + 1)},
                "taken": Out(1),
                "data": Out(width * words),
                "valid": Out(1),
                "ready": In(1),
                "last": Out(1),
                "sent": Out(1),
                "idle": Out(1),
                "saturations": Out(SATURATION_COUNTER_BITS),
                "clear": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        m.submodules.sums, m.submodules.joiner = sums, joiner = self._sums, self._joiner
        m.submodules.function, m.submodules.results = function, results = self._function, self._results
        room = Signal(range(self._slots + 1), init=self._slots)
        m.d.sync += room.eq(room + results.released - joiner.begins)
        m.d.comb += [
            sums.write.eq(self.write),
            self.released.eq(sums.released),
            joiner.own.valid.eq(sums.valid),
            joiner.own.data.eq(sums.data),
            joiner.last.eq(sums.last),
            joiner.space.eq(room != 0),
            sums.ready.eq(joiner.taken),
            self.taken.eq(joiner.taken),
            function.write.eq(joiner.write),
            function.clear.eq(self.clear),
            self.saturations.eq(function.saturations),
            results.write.eq(function.result),
            self.data.eq(results.data),
            self.valid.eq(results.valid),
            self.last.eq(results.last),
            results.ready.eq(self.ready),
            self.sent.eq(results.released),
            self.idle.eq(room == self._slots),
        ]
        for number in range(1, self._join.others + 1):
            m.d.comb += getattr(joiner, f"other_{number}").eq(getattr(self, f"other_{number}"))
        return m
