"""The state of each group of units, and what the control port sees of it."""

from __future__ import annotations

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Mux, Signal, Value

from rnngen.gateware.buffers import address_width, fit_address, times
from rnngen.gateware.engine.circuit import EngineCircuit
from rnngen.gateware.groups import group_ahead, group_counter
from rnngen.gateware.registers import WORD_BITS
from rnngen.gateware.tails import TailSignals
from rnngen.plan.memory import state_width
from rnngen.plan.timing import STATE_AHEAD


def read_state(circuit: EngineCircuit, tail: TailSignals, groups: list[Signal]) -> None:
    """Builds the memory of the state, where there is one, read in time."""
    m, plan, timing = circuit.m, circuit.plan, circuit.plan.tail
    count, ahead = plan.group_count, group_ahead(plan)
    if timing.state_read is None or timing.state_write is None:
        return
    state = Signal.like(tail.state, name="old_state")
    # A register stands behind this memory, too, and one behind the choice: the state goes straight into a product.
    wanted, written = timing.state_read + ahead, groups[timing.state_write + ahead]
    read, kept = groups[wanted - STATE_AHEAD], Signal.like(state, name="state_word", reset_less=True)
    place = group_counter(m, read, count)
    depth = count * circuit.context.streams
    begin = _begin(circuit, state, place)
    m.d.sync += [kept.eq(state), tail.state.eq(Mux(groups[wanted - 1].first, begin, kept))]
    circuit.shown.append(state)
    peek = circuit.ports.peek
    read_address = peeking(circuit, times(peek.stream, count) + peek.word, times(read.stream, count) + place)
    write_address = times(written.stream, count) + group_counter(m, written, count)
    m.submodules.state = Instance(
        "rnn_state_memory",
        p_WIDTH=plan.elements * state_width(circuit.layer),
        p_DEPTH=depth,
        p_ADDRESS_WIDTH=address_width(depth),
        i_clk=ClockSignal(),
        i_read_address=fit_address(m, read_address, depth),
        o_read_data=state,
        i_write_enable=written.valid,
        i_write_address=fit_address(m, write_address, depth),
        i_write_data=tail.state_new,
    )


def _begin(circuit: EngineCircuit, state: Signal, place: Value) -> Value:
    """The state that a sequence begins with, two cycles behind its place."""
    if not circuit.memories.begins["state_0"]:
        return Const(0, len(state))
    begin = Signal.like(state, name="state_0_kept", reset_less=True)
    circuit.m.d.sync += begin.eq(circuit.beginning("state_0", place))
    return begin


def peeking(circuit: EngineCircuit, address: Value, own: Value) -> Value:
    """An address, while nothing is computed that of what is asked for."""
    return Mux(circuit.ports.peek.now, address, own) if circuit.memories.shows_state else own


def show_state(circuit: EngineCircuit) -> None:
    """Builds the choice of the part of the state that is asked for."""
    if not circuit.memories.shows_state:
        return
    m, peek = circuit.m, circuit.ports.peek
    part = Signal.like(peek.part)
    m.d.sync += part.eq(peek.part)
    first, *second = circuit.shown  # h, where it is multiplied, before the state
    chosen = Mux(peek.state, second[0], first) if second else first
    padded = Cat(chosen, Const(0, -len(chosen) % WORD_BITS))
    m.d.comb += circuit.ports.peeked.eq(padded.word_select(part, WORD_BITS))
