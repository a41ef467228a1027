"""Memory bits of an engine, counted from the memories that are emitted."""

from __future__ import annotations

from rnngen.arith.format import Format
from rnngen.ir.quantised import QuantisedLayer, QuantisedLstm, QuantisedNetwork
from rnngen.plan.engine import EnginePlan
from rnngen.plan.network import NetworkPlan

TABLE_COPIES = 5
"""Activation tables of an LSTM lane: one a gate and one for tanh(c)."""


def group_count(plan: EnginePlan) -> int:
    """Groups of E units in a step: words of the bias and state memories."""
    return (plan.tiles - 1) * plan.groups + plan.last_groups


def engine_memory_bits(layer: QuantisedLayer, plan: EnginePlan) -> dict[str, int]:
    """Bits of every memory of an engine, by what it holds."""
    product = layer.formats.product
    lanes = plan.elements * plan.shape.gates
    bits = {
        "weights": plan.words * plan.multipliers * product.weight_width,
        "bias": group_count(plan) * lanes * product.bias.width,
        "input": plan.input_slots * plan.x_words * plan.columns * product.x.width,
    }
    if isinstance(layer, QuantisedLstm):
        bits["hidden"] = 2 * plan.h_words * plan.columns * product.h.width
        bits["state"] = group_count(plan) * plan.elements * layer.formats.c.width
        bits["tables"] = TABLE_COPIES * plan.elements * layer.formats.table.memory_bits
    return bits


def output_memory_bits(plan: NetworkPlan, word: Format) -> int:
    """Bits of the output buffer."""
    return plan.output_slots * plan.output_beats * plan.output_words * word.width


def total_memory_bits(network: QuantisedNetwork, plan: NetworkPlan) -> int:
    """Bits of all memories of the accelerator."""
    engines = zip(network.layers, plan.engines)
    return sum(sum(engine_memory_bits(layer, engine).values()) for layer, engine in engines) + output_memory_bits(
        plan, network.output_format
    )
