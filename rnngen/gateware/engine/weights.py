"""The words of weights of an engine, from its memory or from external memory."""

from __future__ import annotations

from amaranth.hdl import Mux, Signal, Value

from rnngen.gateware.engine.circuit import EngineCircuit
from rnngen.gateware.external import WeightBuffer
from rnngen.gateware.parameters import weight_word_width
from rnngen.gateware.sequencer import Sequencer
from rnngen.plan.external import WeightStream


def weight_word(circuit: EngineCircuit, sequencer: Sequencer, taken: Value) -> Signal:
    """The word of weights of each issue, two cycles behind it, one where ``taken`` is the issue itself."""
    m, plan, coming = circuit.m, circuit.plan, circuit.context.weights
    weights = Signal(weight_word_width(circuit.layer, plan))
    if coming is not None:
        _buffered(circuit, coming, sequencer, weights)
        return weights
    address = Signal(range(max(2, plan.words)))
    with m.If(taken):
        m.d.sync += address.eq(Mux(address == plan.words - 1, 0, address + 1))
    if plan.shape.spaced:  # an h pass that is done again begins with the first word again
        begins_h = Signal()
        m.d.sync += begins_h.eq(circuit.ports.go_h)
        with m.If(circuit.ports.go_h if plan.shape.banked else begins_h):
            m.d.sync += address.eq(0)
    m.submodules.weights = circuit.parameter_memory("weights", plan.words, address, weights)
    return weights


def _buffered(circuit: EngineCircuit, coming: WeightStream, sequencer: Sequencer, weights: Signal) -> None:
    """Words that come from external memory."""
    circuit.m.submodules.weights = buffer = WeightBuffer(coming)
    circuit.m.d.comb += [
        buffer.beat.eq(circuit.ports.beat),
        circuit.ports.returned.eq(buffer.returned),
        sequencer.ready.eq(buffer.ready),
        buffer.take.eq(sequencer.issue),
        weights.eq(buffer.word),
    ]
