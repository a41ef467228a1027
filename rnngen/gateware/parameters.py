"""The memories of an engine: their images, words and depths."""

from __future__ import annotations

from rnngen.gateware.loader import LoadableMemory
from rnngen.gateware.tails import bias_width, sum_width
from rnngen.ir.quantised import QuantisedLayer
from rnngen.plan.engine import EnginePlan
from rnngen.plan.layer import ceil_div
from rnngen.plan.memory import kept_slots, state_width

MEMORY_NAMES = ("weights", "places", "bias", "table", "h_0", "state_0")
"""What the memories of an engine that have images hold."""

LOADED = ("weights", "bias", "h_0", "state_0", "places")
"""Those that can be loaded, by their numbers in LOAD_SELECT."""


def image_names(index: int, prefix: str = "") -> dict[str, str]:
    """Memory image files of engine ``index``, by what they hold."""
    return {what: f"{prefix}engine{index}_{what}.hex" for what in MEMORY_NAMES}


def weight_word_width(layer: QuantisedLayer, plan: EnginePlan) -> int:
    """Bits of one weight memory word: weights, and of banked rows their places, unless those are apart."""
    return operand_word_width(layer, plan) - (plan.index_width if plan.places_apart else 0)


def operand_word_width(layer: QuantisedLayer, plan: EnginePlan) -> int:
    """Bits of what the array takes of its memories in a cycle: weights, and of banked rows their places behind them."""
    return plan.multipliers * layer.formats.product.weight_width + plan.index_width


def bias_word_width(layer: QuantisedLayer, plan: EnginePlan) -> int:
    """Bits of one bias memory word: all biases of E units that do not come with the sums of x."""
    return plan.elements * len(kept_slots(layer)) * bias_width(layer)


def bus_widths(layer: QuantisedLayer, plan: EnginePlan) -> dict[str, int]:
    """Bits of an engine's widest buses, by what they carry in one cycle."""
    product = layer.formats.product
    return {
        "weights": operand_word_width(layer, plan),
        "biases": plan.elements * len(layer.formats.bias_slots) * bias_width(layer),
        "sums": plan.elements * plan.shape.gates * sum_width(layer, plan),
        "operands": plan.columns * product.operand_width,
    }


def parameter_memories(
    index: int, layer: QuantisedLayer, plan: EnginePlan, images: int = 1
) -> dict[str, LoadableMemory]:
    """The memories of engine ``index`` that hold its parameters, by what they hold."""
    found = {"weights": LoadableMemory(index, 0, weight_word_width(layer, plan), plan.words, images)}
    if plan.places_apart:
        found["places"] = LoadableMemory(index, 4, plan.index_width, plan.index_words, images)
    if kept_slots(layer):
        depth = plan.group_count * max(1, layer.symbols)
        found["bias"] = LoadableMemory(index, 1, bias_word_width(layer, plan), depth, images)
    return found


def state_memories(index: int, layer: QuantisedLayer, plan: EnginePlan, h_size: int) -> dict[str, LoadableMemory]:
    """The memories of engine ``index`` that hold the state which sequences begin with; h_size: words of a whole h."""
    h_width, h_words = layer.formats.product.h.width * plan.h_columns, ceil_div(h_size, plan.h_columns)
    found = {"h_0": LoadableMemory(index, 2, h_width, h_words)} if plan.shape.gives_h else {}
    if state_width(layer):
        found["state_0"] = LoadableMemory(index, 3, plan.elements * state_width(layer), plan.group_count)
    return found
