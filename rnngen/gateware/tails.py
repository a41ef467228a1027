"""The element-wise leaf of each kind of engine, with its parameters taken from the formats."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import ClockSignal, Instance, Signal

from rnngen.ir.quantised import LinearFormats, LstmFormats, QuantisedLayer, QuantisedLstm


@dataclass(frozen=True, eq=False)
class TailSignals:
    """The wires around an element-wise path.

    Attributes:
        sums, bias: Presented together.  state: Old state, or None.
        state_new, output: Results.  preactivation: For the probes, or None.
        saturated: By point, how many lanes saturated.
    """

    sums: Signal
    bias: Signal
    state: Signal
    state_new: Signal
    output: Signal
    preactivation: Signal
    saturated: dict[str, Signal]


def bias_width(layer: QuantisedLayer) -> int:
    """Bits of one bias in its memory."""
    return layer.formats.product.bias.width


def state_width(layer: QuantisedLayer) -> int:
    """Bits of one unit's state (0: none)."""
    return layer.formats.c.width if isinstance(layer, QuantisedLstm) else 0


def make_tail(layer: QuantisedLayer, elements: int, table_file: str) -> tuple[Instance, TailSignals]:
    """The leaf for ``elements`` lanes and its wires."""
    count = elements * len(layer.gates)
    product = layer.formats.product
    signals = TailSignals(
        sums=Signal(count * product.accumulator_width, name="sums"),
        bias=Signal(count * product.bias.width, name="bias"),
        state=Signal(elements * state_width(layer), name="state"),
        state_new=Signal(elements * state_width(layer), name="state_new"),
        output=Signal(elements * layer.output_format.width, name="tail_output"),
        preactivation=Signal(count * preactivation_width(layer), name="preactivation"),
        saturated={},
    )
    common = {
        "p_LANES": elements,
        "p_ACC_WIDTH": product.accumulator_width,
        "p_BIAS_WIDTH": product.bias.width,
        "i_clk": ClockSignal(),
        "i_sums": signals.sums,
        "i_bias": signals.bias,
    }
    if isinstance(layer, QuantisedLstm):
        return _lstm_tail(layer.formats, elements, table_file, common, signals), signals
    return _linear_tail(layer.formats, elements, common, signals), signals


def preactivation_width(layer: QuantisedLayer) -> int:
    """Bits of one pre-activation (0: none)."""
    return layer.formats.preactivation.width if isinstance(layer, QuantisedLstm) else 0


def _lstm_tail(
    formats: LstmFormats, elements: int, table_file: str, common: dict[str, object], signals: TailSignals
) -> Instance:
    table = formats.table
    left_fc, left_ig, right_c = formats.cell_shifts
    count_width = (4 * elements).bit_length()
    points = {"preactivation": "z", "c": "c", "h": "h"}
    signals.saturated.update({point: Signal(count_width, name=f"saturated_{point}") for point in points})
    return Instance(
        "rnn_lstm_tail",
        **common,
        p_SHIFT=formats.gate_shift("g"),
        p_Z_WIDTH=formats.preactivation.width,
        p_REST_BITS=table.rest_bits,
        p_GUARD_BITS=table.guard_bits,
        p_BASE_WIDTH=table.base_width,
        p_SLOPE_WIDTH=table.slope_width,
        p_GATE_FRACTION=formats.gate_fraction,
        p_C_WIDTH=formats.c.width,
        p_SHIFT_FC=left_fc,
        p_SHIFT_IG=left_ig,
        p_SHIFT_C=right_c,
        p_TANH_SHIFT=formats.tanh_shift,
        p_SHIFT_H=formats.output_shift,
        p_H_WIDTH=formats.h.width,
        p_COUNT_WIDTH=count_width,
        p_INIT_FILE=table_file,
        i_c=signals.state,
        o_c_new=signals.state_new,
        o_h=signals.output,
        o_z=signals.preactivation,
        **{f"o_saturated_{suffix}": signals.saturated[point] for point, suffix in points.items()},
    )


def _linear_tail(formats: LinearFormats, elements: int, common: dict[str, object], signals: TailSignals) -> Instance:
    count_width = elements.bit_length()
    signals.saturated["y"] = Signal(count_width, name="saturated_y")
    return Instance(
        "rnn_linear_tail",
        **common,
        p_SHIFT=formats.output_shift,
        p_OUT_WIDTH=formats.y.width,
        p_COUNT_WIDTH=count_width,
        o_y=signals.output,
        o_saturated=signals.saturated["y"],
    )
