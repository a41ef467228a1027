"""One multiplier array for all engines: their words meet in it, and each takes its own sums when they are due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Mux, Signal, Value
from amaranth.lib import data

from rnngen.ir.quantised import QuantisedNetwork
from rnngen.plan.engine import EnginePlan
from rnngen.plan.network import NetworkPlan
from rnngen.plan.timing import Pipeline


@dataclass(frozen=True)
class ArrayShape:
    """An array wide enough for every engine.

    Attributes:
        rows, columns: R and C.  elements: Rows of a group.
        weight_width, vector_width, accumulator_width: Bits of a weight, an operand, a sum.
    """

    rows: int
    columns: int
    elements: int
    weight_width: int
    vector_width: int
    accumulator_width: int

    @property
    def word_layout(self) -> data.StructLayout:
        """What an engine presents in a cycle; all 0 while it is not its turn."""
        weights, vector = self.rows * self.columns * self.weight_width, self.columns * self.vector_width
        return data.StructLayout({"first": 1, "last": 1, "weights": weights, "vector": vector})

    @property
    def sums_width(self) -> int:
        """Bits of a group."""
        return self.elements * self.accumulator_width


def array_shape(network: QuantisedNetwork, plan: NetworkPlan) -> ArrayShape | None:
    """The shared array of a plan; None where every engine has its own."""
    shared = plan.shared
    if shared is None:
        return None
    products = [layer.formats.product for layer in network.layers]
    weight, vector = (max(getattr(p, what) for p in products) for what in ("weight_width", "operand_width"))
    one_word = weight + vector + (shared.columns - 1).bit_length()
    sums = max(one_word, *(product.accumulator_width for product in products))
    return ArrayShape(shared.rows, shared.columns, shared.elements, weight, vector, sums)


def extended(word: Value, width: int, wide: int) -> Value:
    """Signed fields of ``width`` bits as fields of ``wide`` bits."""
    if width == wide:
        return word
    fields = [word[at : at + width] for at in range(0, len(word), width)]
    return Cat(Cat(field, field[-1].replicate(wide - width)) for field in fields)


def padded_weights(word: Value, plan: EnginePlan, width: int, array: ArrayShape) -> Value:
    """An engine's weight word as one of the array's: its rows and columns first, and zeros in the others."""
    row = plan.columns * width
    rest = Const(0, (array.columns - plan.columns) * array.weight_width)
    if not len(rest):
        return extended(word, width, array.weight_width)
    rows = (extended(word[at : at + row], width, array.weight_width) for at in range(0, len(word), row))
    return Cat(Cat(weights, rest) for weights in rows)


def own_sums(group: Value, elements: int, width: int, array: ArrayShape) -> Value:
    """The sums of an engine's rows of a group, which fit their own width."""
    each = array.accumulator_width
    return Cat(group[at : at + width] for at in range(0, elements * each, each))


def make_array(
    m: Module, array: ArrayShape, pipeline: Pipeline, multiplier: str, words: Sequence[Value], group: Signal
) -> None:
    """The array; of the engines' words at most one is not 0."""
    layout = array.word_layout
    word = Signal(layout, name="shared_word")
    met: Value = Const(0, layout.size)
    for one in words:
        met = met | one
    m.d.comb += word.as_value().eq(met)
    m.submodules.array0 = Instance(
        "rnn_mac_array",
        p_ROWS=array.rows,
        p_COLUMNS=array.columns,
        p_GROUP_ROWS=array.elements,
        p_WEIGHT_WIDTH=array.weight_width,
        p_VECTOR_WIDTH=array.vector_width,
        p_ACC_WIDTH=array.accumulator_width,
        p_PRODUCT_STAGES=max(1, pipeline.product_stages),
        p_TREE_STAGES_EVERY=pipeline.tree_stages_every,
        p_ADDEND_WIDTH=2,
        p_MULTIPLIER=multiplier,
        i_clk=ClockSignal(),
        i_first=word.first,
        i_first_h=Const(0, 1),
        i_last=word.last,
        i_weights=word.weights,
        i_vector=word.vector,
        i_addend=Const(0, 2 * array.rows),
        o_group=group,
        o_group_x=Signal(array.accumulator_width, name="no_shared_x"),
    )


def make_frame(m: Module, cycles: int, idle: Value) -> Signal:
    """Number of the cycle in the frame; it waits in the first one while there is nothing to do."""
    cycle = Signal(range(max(2, cycles)), name="frame_cycle")
    with m.If((cycle != 0) | ~idle):
        m.d.sync += cycle.eq(Mux(cycle == cycles - 1, 0, cycle + 1))
    return cycle
