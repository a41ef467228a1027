"""Column word and weight word to the multiplier array, its own or the shared one, and its sums."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Mux, Signal, Value

from rnngen.gateware.array import ArrayShape, engine_array
from rnngen.gateware.buffers import StepBuffer
from rnngen.gateware.engine.circuit import EngineCircuit
from rnngen.gateware.engine.hidden import h_word
from rnngen.gateware.engine.weights import weight_word
from rnngen.gateware.sequencer import Sequencer
from rnngen.gateware.shared import extended, own_sums, padded_weights, word_layout
from rnngen.plan.timing import OPERAND_CYCLES


@dataclass(frozen=True, eq=False)
class ArrayWays:
    """What goes into the array beside operands, and out of it.

    Attributes:
        sums: Of the array.  sums_x: Of gate n of a GRU in one pass.
        addend: Enters the sums where nothing is accumulated.
    """

    sums: Signal
    sums_x: Signal
    addend: Value | None = None


def operand_path(
    circuit: EngineCircuit, sequencer: Sequencer, buffer: StepBuffer, ways: ArrayWays, h_operand: Signal | None
) -> None:
    """Builds the way from column and weight words to sums.

    Args:
        h_operand: h, where it comes straight from its end.
    """
    m, plan = circuit.m, circuit.plan
    from_x, first_step = Signal(), Signal()
    reads_x, no_h = _reads(circuit, sequencer)
    m.d.sync += [from_x.eq(reads_x), first_step.eq(no_h)]
    word, no_word = h_word(circuit, sequencer, first_step, h_operand is not None)
    x_word = buffer.data if plan.shape.inputs else Const(0, circuit.x_format.width * plan.x_columns)
    if plan.x_lanes:
        operand = _side_by_side(circuit, x_word, word, no_word, h_operand)
    else:
        operand = _operand(circuit, "operand", from_x, no_word, x_word, word)
    issue_late, first, last = Signal(), Signal(OPERAND_CYCLES), Signal(OPERAND_CYCLES)
    weights = weight_word(circuit, sequencer, issue_late)
    first_h = Signal(OPERAND_CYCLES)
    array = engine_array(circuit.layer, plan, circuit.context.options.multiplier)
    m.d.sync += [
        issue_late.eq(sequencer.issue),
        first.eq(Cat(sequencer.first, first)),
        first_h.eq(Cat(sequencer.first_h, first_h)),
        last.eq(Cat(sequencer.last, last)),
    ]
    if circuit.context.array:
        _share(circuit, circuit.context.array, issue_late, (first[-1], last[-1]), weights, operand, ways.sums)
        return
    m.submodules.array = array.instance(
        first[-1], last[-1], weights, operand, ways.sums, ways.sums_x if array.split else None,
        first_h[-1] & array.split, ways.addend,
    )  # fmt: skip


def _reads(circuit: EngineCircuit, sequencer: Sequencer) -> tuple[Value, Value]:
    """Whether a word of x is read, and whether zeros take the place of h.

    Products of what is not there yet must not be added: while anything is waited for, the operand is an h of 0.
    """
    reads_x, no_h = Value.cast(sequencer.from_x), Value.cast(sequencer.step_first)
    if circuit.context.follows:
        reads_x, no_h = reads_x & ~circuit.ports.hold, no_h | circuit.ports.hold
    if circuit.others:
        no_h = (no_h if circuit.plan.shape.gives_h else Const(0, 1)) | sequencer.held
    return reads_x, no_h


def _side_by_side(
    circuit: EngineCircuit, x_word: Value, word: Value, no_word: Value, h_operand: Signal | None
) -> Value:
    """x and h at once.  Words beyond the last one of x, or of h, meet weights of 0."""
    plan, product = circuit.plan, circuit.product
    without_x = Const(0, product.x.width * plan.h_columns)
    without_h = Const(0, product.h.width * plan.x_columns)
    if h_operand is None:
        h_operand = _operand(circuit, "operand_h", Const(0, 1), no_word, without_x, word)
    return Cat(_operand(circuit, "operand_x", Const(1, 1), no_word, x_word, without_h), h_operand)


def _operand(circuit: EngineCircuit, name: str, from_x: Value, first_step: Value, x: Value, h: Value) -> Signal:
    """A column word of x or of h at one binary point; h is 0 in a sequence's first step."""
    product, x_width = circuit.product, circuit.x_format.width
    columns = len(x) // x_width
    operand = Signal(columns * product.operand_width, name=name)
    circuit.m.submodules[name] = Instance(
        "rnn_operand",
        p_COLUMNS=columns,
        p_X_WIDTH=x_width,
        p_H_WIDTH=product.h.width,
        p_SHIFT_X=product.shift_x,
        p_SHIFT_H=product.shift_h,
        p_OUT_WIDTH=product.operand_width,
        i_clk=ClockSignal(),
        i_from_x=from_x,
        i_first_step=first_step,
        i_x=x,
        i_h=h,
        o_operand=operand,
    )
    return operand


def _share(
    circuit: EngineCircuit, array: ArrayShape, issue_late: Value, ends: tuple[Value, Value], weights: Value,
    operand: Value, sums: Signal,
) -> None:  # fmt: skip
    """The word of this cycle to the shared array, 0 without an issue, and its sums as they come.

    Args:
        ends: Whether the word is the first one, and the last one, of a sweep.
    """
    plan, product, valid = circuit.plan, circuit.product, Signal()
    vector = extended(operand, product.operand_width, array.vector_width)
    own = Signal(word_layout(array), name="own_word")
    circuit.m.d.comb += [
        own.first.eq(ends[0]),
        own.last.eq(ends[1]),
        own.weights.eq(padded_weights(weights, plan, product.weight_width, array)),
        own.vector.eq(vector),
        sums.eq(own_sums(circuit.ports.group, plan.elements, product.accumulator_width, array)),
    ]
    circuit.m.d.sync += [valid.eq(issue_late), circuit.ports.word.eq(Mux(valid, own.as_value(), 0))]
