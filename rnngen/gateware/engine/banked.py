"""Operands of a sparse layer: each row reads its own words of x and h."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Signal, Value

from rnngen.gateware.array import engine_array
from rnngen.gateware.banked import make_banked_array, place_address
from rnngen.gateware.buffers import StepBuffer, VectorWriter
from rnngen.gateware.engine.circuit import EngineCircuit
from rnngen.gateware.engine.operands import ArrayWays
from rnngen.gateware.engine.weights import weight_word
from rnngen.gateware.sequencer import Sequencer
from rnngen.plan.vectors import vector_banks


def banked_path(circuit: EngineCircuit, sequencer: Sequencer, buffer: StepBuffer, ways: ArrayWays) -> None:
    """Builds the way of weights and places of non-zeros to the rows, which read their own words of x and h."""
    m, plan, context = circuit.m, circuit.plan, circuit.context
    hidden = _hidden(circuit) if plan.shape.hidden else None
    read = buffer.memory if isinstance(buffer.memory, VectorWriter) and plan.shape.inputs else None
    array = engine_array(circuit.layer, plan, context.options.multiplier)
    word: Value = weight_word(circuit, sequencer, sequencer.issue)
    if plan.places_apart:
        word = Cat(word, _places(circuit, sequencer))
    banks = vector_banks(circuit.product, plan, context.options.dsp, 2 * context.capacity, context.streams)
    m.submodules.array = make_banked_array(
        m, circuit.layer, plan, array, sequencer, word, read, hidden, banks, ways.sums, ways.sums_x
    )


def _hidden(circuit: EngineCircuit) -> VectorWriter:
    """What writes h; the rows read it."""
    context = circuit.context
    circuit.m.submodules.hidden = hidden = VectorWriter(
        circuit.product.h.width, context.h_lanes, circuit.plan.h_columns, context.h_size, 2, context.h_aligned,
        context.streams, context.streams > 1,
    )  # fmt: skip
    circuit.m.d.comb += hidden.write.eq(circuit.ports.feedback)
    return hidden


def _places(circuit: EngineCircuit, sequencer: Sequencer) -> Signal:
    """Places from a memory of their own."""
    plan = circuit.plan
    address = place_address(circuit.m, plan, sequencer, circuit.ports.go_h if plan.shape.spaced else Const(0, 1))
    places = Signal(plan.index_width, name="places")
    circuit.m.submodules.places = circuit.parameter_memory("places", plan.index_words, address, places)
    return places
