"""The ports of an engine."""

from __future__ import annotations

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rnngen.gateware.buffers import StepBuffer, write_layout
from rnngen.gateware.context import EngineContext
from rnngen.gateware.engine.circuit import EngineMemories, others
from rnngen.gateware.external import beat_layout
from rnngen.gateware.loader import load_layout
from rnngen.gateware.peek import PEEK
from rnngen.gateware.registers import WORD_BITS
from rnngen.gateware.remote import h_beat_layout
from rnngen.gateware.shared import word_layout
from rnngen.gateware.tails import SATURATION_COUNTER_BITS
from rnngen.ir.quantised import QuantisedLayer
from rnngen.plan.engine import EnginePlan

Ports = dict[str, wiring.Member]


def may_wait(plan: EnginePlan, context: EngineContext) -> bool:
    """Whether an engine waits for weights, or for the h of other devices."""
    return context.weights is not None or plan.shape.shares > 1


def engine_ports(
    layer: QuantisedLayer, plan: EnginePlan, context: EngineContext, buffer: StepBuffer, memories: EngineMemories
) -> Ports:
    """All ports of an engine, as ``Engine`` describes them, in the order in which they stand in Verilog."""
    product, streams = layer.formats.product, context.streams
    h = {"feedback": In(write_layout(product.h.width, context.h_lanes, streams))} if plan.shape.gives_h else {}
    return {
        **_some_ports(layer, plan, context),
        **{f"load_{what}": In(load_layout(memory)) for what, memory in memories.loadable.items()},
        **h,
        "write": In(write_layout(product.x.width, context.x_lanes, streams)),
        "rewind": In(1),
        "available": Out(1),
        "waiting_last": Out(1),
        "waiting_stream": Out(range(streams)),
        "full": Out(1),
        "slot": Out(buffer.slot.shape()),
        "go": In(1),
        "sequence_last": In(1),
        "stream": In(range(streams)),
        "restart": In(streams),
        "image": In(1),
        "switched": In(1),
        "peek": In(PEEK),
        "peeked": Out(WORD_BITS),
        "released": Out(1),
        "released_last": Out(1),
        "result": Out(write_layout(layer.output_format.width, plan.elements, streams)),
        "saturations": Out(SATURATION_COUNTER_BITS),
        "clear": In(1),
    }


def _some_ports(layer: QuantisedLayer, plan: EnginePlan, context: EngineContext) -> Ports:
    """Those that only some engines have: spaced, with a shared array, with something to wait for."""
    ports: Ports = {"go_h": In(1), "stale": Out(1)} if plan.shape.spaced else {}
    if context.array:
        ports |= {"word": Out(word_layout(context.array)), "group": In(context.array.group_width)}
    if context.weights:
        ports |= {"beat": In(beat_layout(context.weights.data_bits)), "returned": Out(1)}
    h_beat = h_beat_layout(layer.formats.product.h.width, context.remote_lanes)
    ports |= {name: In(h_beat) for name in others(plan)}
    if may_wait(plan, context):
        ports["held"] = Out(1)
    if context.follows:
        ports["hold"] = In(1)
    return ports
