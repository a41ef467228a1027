"""What words pass on their way from one block to the next: functions, argmax, the choice of steps."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rnngen.gateware.buffers import write_layout
from rnngen.gateware.tails import SATURATION_COUNTER_BITS, TailSignals, count_saturations, make_function
from rnngen.ir.quantised import QuantisedMap
from rnngen.plan.timing import DEFAULT_PIPELINE, tail_timing


class MapStage(wiring.Component):
    """A function of each word; latency: that of the element-wise path of its kind.

    Ports:
        write: Words in the map's x format.  result: The same words behind the function.
        saturations, clear: As for an engine.
    """

    def __init__(self, layer: QuantisedMap, lanes: int, table_file: str, streams: int) -> None:
        self._layer, self._lanes, self._table_file = layer, lanes, table_file
        super().__init__(
            {
                "write": In(write_layout(layer.formats.product.x.width, lanes, streams)),
                "result": Out(write_layout(layer.output_format.width, lanes, streams)),
                "saturations": Out(SATURATION_COUNTER_BITS),
                "clear": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        formats, lanes = self._layer.formats, self._lanes
        product, x_width = formats.product, formats.product.x.width
        tail = TailSignals(
            sums=Signal(lanes * product.accumulator_width, name="sums"),
            sums_x=Signal(0),
            bias=Signal(lanes * product.bias.width, name="bias"),
            state=Signal(0),
            state_new=Signal(0),
            output=Signal(lanes * formats.y.width, name="tail_output"),
            parts=Signal(lanes * (formats.preactivation.width if formats.preactivation else 0), name="parts"),
            sum_width=product.accumulator_width,
        )
        m.submodules.tail = make_function(formats, lanes, self._table_file, tail, DEFAULT_PIPELINE)
        words = []
        for lane in range(lanes):
            # Lanes without a word must not count as saturated.
            word = Mux(lane < self.write.count, self.write.data[lane * x_width : (lane + 1) * x_width], 0)
            scaled = Signal(product.accumulator_width, name=f"sum_{lane}")
            m.d.comb += scaled.eq(word.as_signed() * self._layer.scale)
            words.append(scaled)
        bias = Const(self._layer.bias, product.bias.width)
        m.d.comb += [tail.sums.eq(Cat(*words)), tail.bias.eq(Cat(*(bias for _ in range(lanes))))]
        flags = _flags(self.write)
        line = [flags]
        for number in range(tail_timing(formats.kind, DEFAULT_PIPELINE).output):
            later = Signal.like(flags, name=f"flags_{number}")
            m.d.sync += later.eq(line[-1])
            line.append(later)
        m.d.comb += [_flags(self.result).eq(line[-1]), self.result.data.eq(tail.output)]
        passing = {delay: line[delay][0] for _, delay in tail.saturated.values()}
        count_saturations(m, tail, passing, self.saturations, self.clear)
        return m


def _flags(write: data.View[data.StructLayout]) -> Value:
    """All of a write but its data."""
    return Cat(write.enable, write.count, write.last, write.sequence_last, write.stream)


class ArgmaxStage(wiring.Component):
    """The number of a step's largest word, the first of equals; two cycles behind the step's last words.

    Ports:
        write: Words.  result: One word a step.
    """

    def __init__(self, size: int, width: int, lanes: int, out_width: int, streams: int) -> None:
        self._width, self._lanes, self._size = width, lanes, size
        self._streams = streams
        result = Out(write_layout(out_width, 1, streams))
        super().__init__({"write": In(write_layout(width, lanes, streams)), "result": result})

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        width, write = self._width, self.write
        first = Signal(range(2 * self._size + self._lanes))
        best = data.StructLayout({"value": width, "number": first.shape()})
        candidates = []
        for lane in range(self._lanes):
            candidate = Signal(data.StructLayout({"there": 1, "best": best}), name=f"lane_{lane}")
            m.d.comb += [
                candidate.there.eq(lane < write.count),
                candidate.best.value.eq(write.data[lane * width : (lane + 1) * width]),
                candidate.best.number.eq(first + lane),
            ]
            candidates.append(candidate)
        chosen = _largest(m, candidates)
        group, flags, stream = Signal(best), Signal(3), Signal(range(self._streams))
        m.d.sync += [group.eq(chosen.best), flags.eq(Cat(write.enable, write.last, write.sequence_last))]
        m.d.sync += stream.eq(write.stream)
        with m.If(write.enable):
            m.d.sync += first.eq(Mux(write.last, 0, first + write.count))
        running, begun = Signal(best), Signal()
        better = ~begun | (group.value.as_signed() > running.value.as_signed())
        now = Signal(best)
        m.d.comb += now.eq(Mux(better, group, running))
        with m.If(flags[0]):
            m.d.sync += [running.eq(now), begun.eq(~flags[1])]
        result = self.result
        m.d.comb += [result.count.eq(1), result.last.eq(1)]
        m.d.sync += [
            result.enable.eq(flags[0] & flags[1]),
            result.sequence_last.eq(flags[2]),
            result.stream.eq(stream),
            result.data.eq(now.number),
        ]
        return m


def _largest(m: Module, candidates: Sequence[data.View[data.StructLayout]]) -> data.View[data.StructLayout]:
    """A tree over candidates in order: the first of the largest."""
    level = list(candidates)
    while len(level) > 1:
        following = []
        for pair in range(0, len(level), 2):
            following.append(reduce(lambda a, b: _better(m, a, b), level[pair : pair + 2]))
        level = following
    return level[0]


def _better(
    m: Module, a: data.View[data.StructLayout], b: data.View[data.StructLayout]
) -> data.View[data.StructLayout]:
    chosen = Signal(a.shape())
    m.d.comb += chosen.eq(Mux(b.there & (b.best.value.as_signed() > a.best.value.as_signed()), b, a))
    return chosen
