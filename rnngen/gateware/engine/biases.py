"""The biases of each group of units, or the sums of x that come in their place."""

from __future__ import annotations

from amaranth.hdl import Cat, Signal, Value

from rnngen.gateware.buffers import StepBuffer
from rnngen.gateware.engine.circuit import EngineCircuit
from rnngen.gateware.groups import group_ahead, group_counter
from rnngen.gateware.parameters import bias_word_width
from rnngen.gateware.tails import TailSignals, bias_width, shifted_bias
from rnngen.plan.memory import kept_slots


def read_biases(
    circuit: EngineCircuit, tail: TailSignals, groups: list[Signal], symbol: Value, buffer: StepBuffer
) -> None:
    """Builds what reads the biases of each group in time."""
    m, plan, layer = circuit.m, circuit.plan, circuit.layer
    count = plan.group_count
    bias = word = Signal(plan.elements * len(layer.formats.bias_slots) * bias_width(layer), name="bias_word")
    for number in range(group_ahead(plan) - 1):
        late = Signal.like(word, name=f"bias_word_{number}", reset_less=True)
        m.d.sync += late.eq(word)
        word = late
    m.d.comb += (tail.addend if plan.is_unrolled else tail.bias).eq(shifted_bias(layer.formats.product, word))
    if plan.shape.apart:
        m.d.comb += bias.eq(_sums_of_x(circuit, groups[0], buffer))
        return
    depth = count * max(1, plan.shape.symbols)
    address = Signal(range(max(2, depth)), name="bias_address")
    m.d.comb += address.eq(symbol + group_counter(m, groups[0], count))
    m.submodules.bias = circuit.parameter_memory("bias", depth, address, bias)


def _sums_of_x(circuit: EngineCircuit, group: Signal, buffer: StepBuffer) -> Value:
    """The biases of a group, one cycle behind it: the sums of x from the input, and of the other slots constants.

    A step's words are read once, in their order; with the last ones its place in the input is free.
    """
    m, layer, ports = circuit.m, circuit.layer, circuit.ports
    m.d.comb += [
        buffer.address.eq(group_counter(m, group, buffer.depth)),
        ports.released.eq(group.valid & group.step_end),
        ports.released_last.eq(ports.released & group.sequence_last),
    ]
    width, coming, kept = bias_width(layer), layer.formats.sum_slots, kept_slots(layer)
    constants = _constants(circuit, group)
    biases: list[Value] = []
    for unit in range(circuit.plan.elements):
        for slot in layer.formats.bias_slots:
            if slot in kept:
                biases.append(constants.word_select(unit * len(kept) + kept.index(slot), width))
                continue
            word = buffer.data.word_select(unit * len(coming) + coming.index(slot), layer.formats.product.x.width)
            biases.append(Cat(word, word[-1].replicate(width - len(word))))
    return Cat(biases)


def _constants(circuit: EngineCircuit, group: Signal) -> Signal:
    """Biases of the slots that have no sum of x."""
    plan = circuit.plan
    constants = Signal(bias_word_width(circuit.layer, plan), name="constant_biases")
    if kept_slots(circuit.layer):
        address = group_counter(circuit.m, group, plan.group_count)
        circuit.m.submodules.bias = circuit.parameter_memory("bias", plan.group_count, address, constants)
    return constants
