"""Memory bits of an accelerator, counted from the memories that are emitted."""

from __future__ import annotations

from rnngen.arith.format import Format
from rnngen.ir.quantised import Block, GruFormats, LstmFormats, QuantisedLayer, QuantisedNetwork
from rnngen.plan.engine import EnginePlan
from rnngen.plan.layer import ceil_div
from rnngen.plan.network import HANDED_SLOTS, BlockPlan, NetworkPlan
from rnngen.plan.vectors import h_bank_words, x_bank_words

TABLE_COPIES = {"lstm": 5, "gru": 3, "linear": 0, "table": 1}
"""Activation tables of an element-wise lane: one a gate, and one for tanh(c)."""


SINGLE_PORT_WIDTH, SINGLE_PORT_WORDS, SINGLE_PORT_BANKS = 16, 16384, 4
"""Bits and words of a block of single-port RAM (iCE40 UltraPlus: SB_SPRAM256KA), and the most behind each other."""


def state_width(layer: QuantisedLayer) -> int:
    """Bits of one unit's state (0: none)."""
    formats = layer.formats
    if isinstance(formats, LstmFormats):
        return formats.c.width
    return formats.state.width if isinstance(formats, GruFormats) else 0


def kept_slots(layer: QuantisedLayer) -> tuple[str, ...]:
    """Bias slots that a memory holds: those that do not come with the sums of x."""
    inside = layer.formats.sum_slots if layer.apart else ()
    return tuple(slot for slot in layer.formats.bias_slots if slot not in inside)


def engine_memory_bits(
    layer: QuantisedLayer, plan: EnginePlan, stored_steps: int = 0, streams: int = 1, sizes: tuple[int, int] = (0, 0),
    images: int = 1,
) -> dict[str, int]:  # fmt: skip
    """Bits of every memory of an engine, by what it holds.

    Args:
        stored_steps: Steps of its input that are stored.
        sizes: Elements of the whole x and the whole h; 0: the engine multiplies all of them.
        images: Of its parameters.
    """
    product, shape = layer.formats.product, plan.shape
    symbols = stored_steps or plan.input_slots
    x_words = symbols if shape.symbols else x_bank_words(plan, stored_steps, sizes[0]) * plan.x_columns
    if shape.apart:
        x_words = plan.input_slots * plan.group_count * plan.port_columns
    slots_of_bias = max(1, shape.symbols) * len(kept_slots(layer))
    bits = {
        "weights": images * plan.words * plan.multipliers * product.weight_width,
        "bias": images * plan.group_count * plan.elements * slots_of_bias * product.bias.width,
        "input": x_words * product.x.width,
    }
    copies = max(1, plan.index_sets)
    bits["input"] *= 1 if shape.symbols else copies
    if plan.index_width:
        bits["indices"] = images * plan.index_words * plan.index_width
    if shape.hidden:
        bits["hidden"] = copies * h_bank_words(plan, streams, sizes[1]) * plan.h_columns * product.h.width
    if state_width(layer):
        bits["state"] = streams * plan.group_count * plan.elements * state_width(layer)
    if plan.keeps_sums:
        bits["partial sums"] = plan.group_count * plan.elements * shape.gates * product.accumulator_width
    if plan.turns > 1 and plan.groups > 1:
        depth = (plan.partial_turns - 1) * plan.groups
        bits["gate sums"] = depth * plan.elements * plan.gates_at_once * product.accumulator_width
    if TABLE_COPIES[layer.kind]:
        bits["tables"] = TABLE_COPIES[layer.kind] * plan.elements * layer.formats.table.memory_bits
    return bits


def single_port_rams(layer: QuantisedLayer, plan: EnginePlan) -> int:
    """Blocks of single-port RAM that an engine's weights take (``rnn_weight_spram``)."""
    width = plan.multipliers * layer.formats.product.weight_width + (0 if plan.places_apart else plan.index_width)
    return ceil_div(width, SINGLE_PORT_WIDTH) * ceil_div(plan.words, SINGLE_PORT_WORDS)


def stored_steps(network: QuantisedNetwork, plan: NetworkPlan) -> list[int]:
    """Steps of its input that each engine stores: two sequences where its block works on whole ones, else 0."""
    return [
        2 * block_plan.capacity if number == 0 else 0
        for block, block_plan in zip(network.blocks, plan.blocks)
        for branch in block.branches
        for number, stage in enumerate(branch.stages)
        for _ in stage
    ]


def _sizes(plan: NetworkPlan) -> list[tuple[int, int]]:
    """Elements of the whole x and h of each engine that reads a slice of them; 0 where it reads all."""
    return [
        (block.port_size if engine.shape.inputs and number == 0 else 0,
         branch.units if engine.shape.gives_h and not engine.shape.others else 0)
        for block in plan.blocks
        for branch in block.branches
        for number, stage in enumerate(branch.stages)
        for engine in stage
    ]  # fmt: skip


def engine_bits(network: QuantisedNetwork, plan: NetworkPlan, images: int = 1) -> list[dict[str, int]]:
    """Bits of the memories of every engine; images: of its parameters."""
    parts = zip(network.layers, plan.engines, stored_steps(network, plan), _sizes(plan))
    found = [
        engine_memory_bits(layer, engine, stored, plan.streams, sizes, images)
        for layer, engine, stored, sizes in parts
    ]
    for bits, stream in zip(found, plan.weights):  # on chip there is a buffer only
        bits["weights"] = stream.depth * stream.entry_bits
    return found


def stored_memory_bits(network: QuantisedNetwork, block: Block, plan: BlockPlan) -> int:
    """Bits of the buffer behind a stored block: two sequences of each branch's results."""
    words = sum(-(-branch.units // plan.lanes) * plan.lanes for branch in plan.branches) if plan.stored else 0
    width = network.layers[block.branches[0].last].output_format.width
    return 2 * plan.capacity * words * width


def output_memory_bits(plan: NetworkPlan, word: Format) -> int:
    """Bits of the output buffer; where sums of other devices are added, of the one behind the total."""
    words = plan.output_parts * plan.output_words
    return plan.output_slots * ceil_div(plan.blocks[-1].units, words) * words * word.width


def handed_memory_bits(plan: NetworkPlan, word: Format) -> int:
    """Bits of the buffer of what other devices of the layer are given, where that is not what leaves."""
    if not plan.handed_words:
        return 0
    first = plan.blocks[0].first
    words = ceil_div(first.elements, plan.handed_words) * plan.handed_words
    return HANDED_SLOTS * ceil_div(first.shape.units, words) * words * word.width


def joined_memory_bits(plan: NetworkPlan, word: Format) -> int:
    """Bits of the buffer of sums that wait for those of other devices, where there are any."""
    if plan.join is None:
        return 0
    last, join = plan.blocks[-1], plan.join
    words = ceil_div(last.elements, join.words) * join.words
    return join.slots * ceil_div(last.units, words) * words * word.width


def total_memory_bits(network: QuantisedNetwork, plan: NetworkPlan, images: int = 1) -> int:
    """Bits of all memories of the accelerator; images: of its parameters (2: double buffer)."""
    engines = sum(sum(bits.values()) for bits in engine_bits(network, plan, images))
    stored = sum(stored_memory_bits(network, *pair) for pair in zip(network.blocks, plan.blocks))
    handed = handed_memory_bits(plan, network.layers[0].output_format)
    sums = joined_memory_bits(plan, network.layers[-1].output_format)
    return engines + stored + handed + sums + output_memory_bits(plan, network.output_format)
