"""Where an engine's h is read: its memory, the register where its way ends, or what other devices give."""

from __future__ import annotations

from amaranth.hdl import ClockSignal, Const, Instance, Mux, Signal, Value

from rnngen.gateware.buffers import VectorMemory
from rnngen.gateware.engine.circuit import EngineCircuit
from rnngen.gateware.engine.state import peeking
from rnngen.gateware.remote import RemoteVector
from rnngen.gateware.sequencer import Sequencer
from rnngen.gateware.tails import TailSignals


def forwarded_h(
    circuit: EngineCircuit, sequencer: Sequencer, tail: TailSignals, arrives: Signal
) -> Signal | None:
    """h of an unrolled engine, kept where its way ends, as the array takes it; None: it is read from a memory.

    Args:
        arrives: The step's h is at the end of its way.
    """
    if tail.ahead is None:
        return None
    m, plan, product = circuit.m, circuit.plan, circuit.product
    m.d.sync += tail.output.eq(tail.ahead)
    first = Signal(name="first_issue")
    m.d.sync += first.eq(sequencer.issue & sequencer.step_first)
    begins = circuit.memories.begins["h_0"]
    begin = circuit.beginning("h_0", sequencer.h_word) if begins else Const(0, len(tail.ahead))
    kept = Signal(len(tail.ahead), name="h_kept")
    operand = Signal(plan.h_columns * product.operand_width, name="operand_h")
    m.submodules.kept = Instance(
        "rnn_kept_vector",
        p_COLUMNS=plan.h_columns,
        p_WIDTH=product.h.width,
        p_SHIFT=product.shift_h,
        p_OUT_WIDTH=product.operand_width,
        i_clk=ClockSignal(),
        i_take=arrives,
        i_h=tail.ahead,
        i_start=first,
        i_h_start=begin,
        o_kept=kept,
        o_operand=operand,
    )
    circuit.shown.append(kept)
    return operand


def h_word(circuit: EngineCircuit, sequencer: Sequencer, first_step: Value, forwarded: bool) -> tuple[Value, Value]:
    """The word of h that is read, and whether zeros take its place: not where a sequence's own beginning does.

    Args:
        first_step: Zeros take the place of what is in the memory.
        forwarded: h is multiplied from the end of its way.
    """
    plan = circuit.plan
    if circuit.others and not plan.shape.gives_h:
        return _of_others(circuit, sequencer), first_step
    if not plan.shape.hidden or forwarded:
        return Const(0, circuit.product.h.width * plan.h_columns), first_step
    stored = _stored(circuit, sequencer)
    word = _of_others(circuit, sequencer, stored) if circuit.others else stored
    circuit.shown.append(word)
    if circuit.memories.begins["h_0"]:
        return Mux(first_step, circuit.beginning("h_0", sequencer.h_word), word), Const(0, 1)
    return word, first_step


def _stored(circuit: EngineCircuit, sequencer: Sequencer) -> Value:
    """h is written by lanes of the element-wise path and read beside x."""
    m, plan, context, ports = circuit.m, circuit.plan, circuit.context, circuit.ports
    m.submodules.hidden = hidden = VectorMemory(
        circuit.product.h.width, context.h_lanes, plan.h_columns, context.h_size, 2, context.h_aligned, context.streams,
        context.streams > 1,
    )  # fmt: skip
    address = peeking(circuit, sequencer.peek_base + ports.peek.word, sequencer.h_address)
    m.d.comb += [hidden.write.eq(ports.feedback), hidden.address.eq(address)]
    return hidden.data


def _of_others(circuit: EngineCircuit, sequencer: Sequencer, own: Value | None = None) -> Value:
    """The word of h that is read: of this device, or of another one, whose words are waited for."""
    m, plan, width = circuit.m, circuit.plan, circuit.product.h.width
    words = plan.device_h_words
    ready: Value = Const(1, 1)
    word = Const(0, width * plan.h_columns) if own is None else own
    for number, name in enumerate(circuit.others, start=own is not None):
        remote = RemoteVector(plan, width, circuit.context.remote_lanes)
        m.submodules[name] = remote
        here, late = Signal(name=f"reads_{name}"), Signal(name=f"read_{name}")
        place = sequencer.h_word - number * words
        m.d.comb += [
            here.eq(sequencer.from_h & (sequencer.h_word >= number * words)
                    & (sequencer.h_word < (number + 1) * words)),
            remote.beat.eq(getattr(circuit.ports, name)),
            remote.begin.eq(circuit.ports.go),
            remote.word.eq(place),
            remote.address.eq(sequencer.h_address - number * words),
        ]  # fmt: skip
        m.d.sync += late.eq(here)
        ready = ready & (~here | remote.there)
        word = Mux(late, remote.data, word)
    m.d.comb += sequencer.ready.eq(ready)
    return word
