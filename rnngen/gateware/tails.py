"""The element-wise leaf of each kind of engine, with its parameters taken from the formats."""

from __future__ import annotations

from dataclasses import dataclass, field

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Mux, Signal, Value

from rnngen.arith.activation import TanhTable
from rnngen.ir.quantised import GruFormats, LayerFormats, LinearFormats, LstmFormats, ProductFormats, QuantisedLayer
from rnngen.plan.engine import EnginePlan
from rnngen.plan.memory import state_width
from rnngen.plan.timing import Pipeline, tail_timing

SATURATION_COUNTER_BITS = 32


@dataclass(frozen=True, eq=False)
class TailSignals:
    """The wires around an element-wise path.

    Attributes:
        sums, sums_x, bias: Presented together; sums_x only of a GRU, the x-parts of gate n.
        state: Old state.  state_new, output: Results.  parts: What is narrowed first, for the probes.
        sum_width: Bits of one sum.  addend: The biases where they are inside the sums, and ``bias`` is 0.
        ahead: ``output`` one cycle earlier, where h is kept at its end; the leaf then has no register there.
        saturated: By point, how many lanes saturated, and so many cycles behind the sums.
    """

    sums: Signal
    sums_x: Signal
    bias: Signal
    state: Signal
    state_new: Signal
    output: Signal
    parts: Signal
    sum_width: int
    addend: Signal = field(default_factory=lambda: Signal(0))
    ahead: Signal | None = None
    saturated: dict[str, tuple[Signal, int]] = field(default_factory=dict)

    def count(self, point: str, largest: int, delay: int) -> Signal:
        """The signal of a point's saturations."""
        signal = Signal(range(largest + 1), name=f"saturated_{point}")
        self.saturated[point] = (signal, delay)
        return signal


def bias_width(layer: QuantisedLayer) -> int:
    """Bits of one bias in its memory."""
    return layer.formats.product.bias.width


def part_width(formats: LayerFormats) -> int:
    """Bits of one of a unit's first narrowings (0: none but the output)."""
    if isinstance(formats, GruFormats):
        return max(formats.preactivation.width, formats.inner.width)
    preactivation = formats.preactivation
    return 0 if preactivation is None else preactivation.width


def sum_width(layer: QuantisedLayer, plan: EnginePlan) -> int:
    """Bits of a sum at the array's output; where nothing is accumulated the bias is inside."""
    product = layer.formats.product
    return product.total_width if plan.is_unrolled else product.accumulator_width


def make_tail(layer: QuantisedLayer, plan: EnginePlan, table_file: str) -> tuple[Instance, TailSignals]:
    """The leaf for the plan's element-wise lanes and its wires."""
    formats, product = layer.formats, layer.formats.product
    elements, pipeline = plan.elements, plan.pipeline
    rows, slots = elements * len(layer.gates), elements * len(formats.bias_slots)
    width, result = sum_width(layer, plan), elements * layer.output_format.width
    signals = TailSignals(
        sums=Signal(rows * width, name="sums"),
        sums_x=Signal(elements * product.accumulator_width if layer.kind == "gru" else 0, name="sums_x"),
        bias=Signal(slots * (product.bias.width + product.bias_shift), name="bias"),
        sum_width=width,
        addend=Signal(slots * (product.bias.width + product.bias_shift), name="addend"),
        state=Signal(elements * state_width(layer), name="state"),
        state_new=Signal(elements * state_width(layer), name="state_new"),
        output=Signal(result, name="tail_output"),
        ahead=Signal(result, name="tail_ahead") if plan.forwards else None,
        parts=Signal(slots * part_width(formats), name="preactivation"),
    )
    if isinstance(formats, LstmFormats):
        return _lstm_tail(formats, elements, table_file, signals, pipeline), signals
    if isinstance(formats, GruFormats):
        return _gru_tail(formats, elements, table_file, signals, pipeline), signals
    return make_function(formats, elements, table_file, signals, pipeline), signals


def shifted_bias(product: ProductFormats, word: Signal) -> Value:
    """A bias memory word with every bias at the accumulator's point."""
    if not product.bias_shift:
        return word
    width = product.bias.width
    return Cat(*((Const(0, product.bias_shift), word[at : at + width]) for at in range(0, len(word), width)))


def _common(product: ProductFormats, elements: int, signals: TailSignals, pipeline: Pipeline) -> dict[str, object]:
    return {
        "p_NARROW_STAGES": pipeline.narrow_stages,
        "p_LANES": elements,
        "p_ACC_WIDTH": signals.sum_width,
        "p_BIAS_WIDTH": product.bias.width + product.bias_shift,
        "i_clk": ClockSignal(),
        "i_sums": signals.sums,
        "i_bias": signals.bias,
    }


def _table(table: TanhTable, file: str, pipeline: Pipeline) -> dict[str, object]:
    return {
        "p_TABLE_STAGES": pipeline.table_stages,
        "p_SIGNED_TABLE": int(pipeline.signed_table),
        "p_REST_BITS": table.rest_bits,
        "p_GUARD_BITS": table.guard_bits,
        "p_BASE_WIDTH": table.base_width,
        "p_SLOPE_WIDTH": table.slope_width,
        "p_INIT_FILE": file,
    }


def _open(signals: TailSignals) -> int:
    """1 where the path's last register is not the leaf's."""
    return int(signals.ahead is not None)


def _end(signals: TailSignals) -> Signal:
    """What the leaf gives as its result."""
    return signals.output if signals.ahead is None else signals.ahead


def _stages(pipeline: Pipeline) -> dict[str, object]:
    """Of the paths with element-wise products."""
    return {"p_PRODUCT_STAGES": pipeline.element_stages, "p_ROUND_STAGES": pipeline.round_stages}


def _lstm_tail(
    formats: LstmFormats, elements: int, table_file: str, signals: TailSignals, pipeline: Pipeline
) -> Instance:
    left_fc, left_ig, right_c = formats.cell_shifts
    timing = tail_timing("lstm", pipeline)
    assert timing.state_write is not None
    z = signals.count("preactivation", 4 * elements, timing.narrow)
    c = signals.count("c", 4 * elements, timing.state_write)
    h = signals.count("h", 4 * elements, timing.output - _open(signals))
    return Instance(
        "rnn_lstm_tail",
        **_common(formats.product, elements, signals, pipeline),
        **_table(formats.table, table_file, pipeline),
        **_stages(pipeline),
        p_SHIFT=formats.slot_shift("g"),
        p_Z_WIDTH=formats.preactivation.width,
        p_GATE_FRACTION=formats.gate_fraction,
        p_C_WIDTH=formats.c.width,
        p_SHIFT_FC=left_fc,
        p_SHIFT_IG=left_ig,
        p_SHIFT_C=right_c,
        p_TANH_SHIFT=formats.tanh_shift,
        p_SHIFT_H=formats.output_shift,
        p_H_WIDTH=formats.h.width,
        p_COUNT_WIDTH=len(z),
        p_OPEN=_open(signals),
        i_c=signals.state,
        o_c_new=signals.state_new,
        o_h=_end(signals),
        o_z=signals.parts,
        o_saturated_z=z,
        o_saturated_c=c,
        o_saturated_h=h,
    )


def _gru_tail(
    formats: GruFormats, elements: int, table_file: str, signals: TailSignals, pipeline: Pipeline
) -> Instance:
    left_n, left_h, shift_state, shift_h = formats.state_shifts
    timing = tail_timing("gru", pipeline)
    narrow, end = timing.narrow, timing.output
    delays = {"z": narrow, "inner": narrow, "n": timing.candidate, "state": end, "h": end}
    counts = {point: signals.count(point, 4 * elements, delay) for point, delay in delays.items()}
    return Instance(
        "rnn_gru_tail",
        **_common(formats.product, elements, signals, pipeline),
        **_table(formats.table, table_file, pipeline),
        **_stages(pipeline),
        i_sums_x=signals.sums_x,
        p_SHIFT_Z=formats.slot_shift("z"),
        p_SHIFT_INNER=formats.slot_shift("n"),
        p_SHIFT_N=formats.candidate_shift,
        p_Z_WIDTH=formats.preactivation.width,
        p_INNER_WIDTH=formats.inner.width,
        p_PART_WIDTH=part_width(formats),
        p_GATE_FRACTION=formats.gate_fraction,
        p_STATE_WIDTH=formats.state.width,
        p_LEFT_N=left_n,
        p_LEFT_H=left_h,
        p_SHIFT_STATE=shift_state,
        p_SHIFT_H=shift_h,
        p_H_WIDTH=formats.h.width,
        p_COUNT_WIDTH=len(counts["h"]),
        i_state=signals.state,
        o_state_new=signals.state_new,
        o_h=signals.output,
        o_parts=signals.parts,
        **{f"o_saturated_{point}": signal for point, signal in counts.items()},
    )


def make_function(
    formats: LinearFormats, elements: int, table_file: str, signals: TailSignals, pipeline: Pipeline
) -> Instance:
    """The leaf that narrows sums and takes a Linear layer's function of them."""
    common = _common(formats.product, elements, signals, pipeline)
    if formats.preactivation is None:
        stages = tail_timing("linear", pipeline).output - _open(signals)
        common["p_NARROW_STAGES"] = stages
        count = signals.count("y", elements, stages)
        low, high = formats.limits
        return Instance(
            "rnn_linear_tail",
            **common,
            p_SHIFT=formats.slot_shift("y"),
            p_OUT_WIDTH=formats.y.width,
            p_LIMIT=int((low, high) != (formats.y.minimum, formats.y.maximum)),
            p_LOW=Const(low, 32),
            p_HIGH=Const(high, 32),
            p_COUNT_WIDTH=len(count),
            o_y=_end(signals),
            o_saturated=count,
        )
    count = signals.count("z", elements, pipeline.narrow_stages)
    return Instance(
        "rnn_table_tail",
        **common,
        **_table(formats.table, table_file, pipeline),
        p_SHIFT=formats.slot_shift("y"),
        p_Z_WIDTH=formats.preactivation.width,
        p_OUT_WIDTH=formats.y.width,
        p_SIGMOID=int(formats.function == "sigmoid"),
        p_COUNT_WIDTH=len(count),
        p_OPEN=_open(signals),
        o_y=_end(signals),
        o_z=signals.parts,
        o_saturated=count,
    )


def count_saturations(m: Module, tail: TailSignals, valid: dict[int, Value], total: Signal, clear: Value) -> None:
    """Adds each point's count in the cycle in which its words pass there; the total sticks at its largest value.

    Args:
        valid: By cycles behind the sums, whether words pass.
    """
    counts = [Mux(valid[delay], signal, 0) for signal, delay in tail.saturated.values()]
    now = Signal.like(sum(counts, Const(0)), name="saturated_now")
    m.d.sync += now.eq(sum(counts, Const(0)))
    wide = Signal(len(total) + 1)
    m.d.comb += wide.eq(total + now)
    m.d.sync += total.eq(Mux(clear, 0, Mux(wide[-1], ~0, wide)))
