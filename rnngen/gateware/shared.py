"""One multiplier array for all engines: their words meet in it, and each takes its own sums when they are due."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data

from rnngen.gateware.array import ArrayShape
from rnngen.ir.quantised import QuantisedNetwork
from rnngen.plan.engine import EnginePlan
from rnngen.plan.network import NetworkPlan


def word_layout(array: ArrayShape) -> data.StructLayout:
    """What an engine presents to the shared array in a cycle; all 0 while it is not its turn."""
    weights, vector = array.rows * array.columns * array.weight_width, array.columns * array.vector_width
    return data.StructLayout({"first": 1, "last": 1, "weights": weights, "vector": vector})


def shared_array(network: QuantisedNetwork, plan: NetworkPlan, multiplier: str) -> ArrayShape | None:
    """The array of all engines, wide enough for each; None where every engine has its own."""
    shared = plan.shared
    if shared is None:
        return None
    products = [layer.formats.product for layer in network.layers]
    weight, vector = (max(getattr(p, what) for p in products) for what in ("weight_width", "operand_width"))
    one_word = weight + vector + (shared.columns - 1).bit_length()
    return ArrayShape(
        rows=shared.rows,
        columns=shared.columns,
        group_rows=shared.elements,
        weight_width=weight,
        vector_width=vector,
        sum_width=max(one_word, *(product.accumulator_width for product in products)),
        pipeline=plan.engines[0].pipeline,
        multiplier=multiplier,
    )


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
    each = array.sum_width
    return Cat(group[at : at + width] for at in range(0, elements * each, each))


def make_array(m: Module, array: ArrayShape, words: Sequence[Value], group: Signal) -> None:
    """The array; of the engines' words at most one is not 0."""
    layout = word_layout(array)
    word = Signal(layout, name="shared_word")
    met: Value = Const(0, layout.size)
    for one in words:
        met = met | one
    m.d.comb += word.as_value().eq(met)
    m.submodules.array0 = array.instance(word.first, word.last, word.weights, word.vector, group)


def make_frame(m: Module, cycles: int, idle: Value) -> Signal:
    """Number of the cycle in the frame; it waits in the first one while there is nothing to do."""
    cycle = Signal(range(max(2, cycles)), name="frame_cycle")
    with m.If((cycle != 0) | ~idle):
        m.d.sync += cycle.eq(Mux(cycle == cycles - 1, 0, cycle + 1))
    return cycle
