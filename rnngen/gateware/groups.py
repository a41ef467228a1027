"""Groups of E units behind the multiplier array: what travels beside their sums, and what gathers those."""

from __future__ import annotations

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Mux, Signal, Value
from amaranth.lib import data

from rnngen.gateware.buffers import StepBuffer, address_width, fit_address
from rnngen.gateware.sequencer import Sequencer
from rnngen.gateware.tails import TailSignals
from rnngen.ir.quantised import QuantisedLayer
from rnngen.plan.engine import EnginePlan

_PARTIAL_AHEAD = 2
"""Address of a partial sum to the sums that it is added to (``rnn_partial_sums``)."""


def group_ahead(plan: EnginePlan) -> int:
    """Cycles by which a group is known before its sums."""
    return plan.bias_ahead


def group_layout(streams: int, turns: int) -> data.StructLayout:
    """What travels beside a group of E units through the element-wise path."""
    flags = dict.fromkeys(("valid", "first", "tile_end", "step_end", "sequence_last", "fresh", "kept"), 1)
    return data.StructLayout({**flags, "stream": range(streams), "turn": range(turns)})


def group_head(
    m: Module, plan: EnginePlan, streams: int, sequencer: Sequencer, buffer: StepBuffer
) -> tuple[Signal, Value]:
    """The group, of any pass, whose sums will be at the array's output in ``group_ahead`` cycles.

    With it the first word of the step's symbol in the bias memory (0 where x is no symbol).
    """
    ends = (sequencer.last, sequencer.step_first, sequencer.last_tile, sequencer.step_last)
    passes = (sequencer.first_pass, ~sequencer.last_pass)
    tile = Signal(len(ends) + len(passes) + len(sequencer.step_stream) + len(sequencer.turn))
    m.d.comb += tile.eq(Cat(*ends, *passes, sequencer.step_stream, sequencer.turn))
    delay = plan.array_cycles - group_ahead(plan)
    for _ in range(delay):
        later = Signal.like(tile)
        m.d.sync += later.eq(tile)
        tile = later
    head = Signal(group_layout(streams, plan.partial_turns), name="group_head")
    flags, flags_now = Signal(len(tile) - 1), Signal(len(tile) - 1)
    left = Signal(range(plan.groups + 1))
    left_now = Signal.like(left)
    starts = tile[0]
    m.d.comb += [
        flags_now.eq(Mux(starts, tile[1:], flags)),
        left_now.eq(Mux(starts, Mux(tile[2], plan.last_groups, plan.groups), left)),
        head.valid.eq(left_now != 0),
        head.first.eq(flags_now[0]),
        head.tile_end.eq(left_now == 1),
        head.step_end.eq((left_now == 1) & flags_now[1]),
        head.sequence_last.eq(flags_now[2]),
        head.fresh.eq(flags_now[3]),
        head.kept.eq(flags_now[4]),
        Cat(head.stream, head.turn).eq(flags_now[5:]),
    ]
    m.d.sync += [flags.eq(flags_now), left.eq(left_now - head.valid)]
    return head, _symbol_base(m, plan, buffer, delay, starts)


def turn_sums(layer: QuantisedLayer, plan: EnginePlan) -> tuple[Signal, Signal]:
    """The sums of a group in one turn; no part of x beside them."""
    width = layer.formats.product.accumulator_width
    return Signal(plan.elements * plan.gates_at_once * width, name="turn_sums"), Signal(0)


def gather(
    m: Module, layer: QuantisedLayer, plan: EnginePlan, sums: Signal, head: Signal, symbol: Value, tail: TailSignals
) -> tuple[Signal, Value]:
    """Gathers the sums of a tile's turns; returns the head of the groups that are complete, and its symbol."""
    width = layer.formats.product.accumulator_width
    here = line(m, head, "turn_group", group_ahead(plan) + 1)[-1]
    place = Signal(range(max(2, plan.groups)))
    with m.If(here.valid):
        m.d.sync += place.eq(Mux(here.tile_end, 0, place + 1))
    m.submodules.gate_sums = Instance(
        "rnn_gate_sums",
        p_LANES=plan.elements,
        p_GATES=plan.gates_at_once,
        p_TURNS=plan.partial_turns,
        p_TURN_WIDTH=len(here.turn),
        p_ACC_WIDTH=width,
        p_DEPTH=plan.groups,
        p_ADDRESS_WIDTH=address_width(plan.groups),
        p_SPLIT=int(plan.halved),
        i_clk=ClockSignal(),
        i_group=sums,
        i_turn=here.turn,
        i_write=here.valid,
        i_address=fit_address(m, place, plan.groups),
        o_sums=tail.sums,
        o_sums_x=tail.sums_x if plan.halved else Signal(width, name="no_gathered_x"),
    )
    whole = Signal.like(head, name="whole_head")
    m.d.comb += [whole.eq(head), whole.valid.eq(head.valid & (head.turn == plan.partial_turns - 1))]
    if not plan.gather_cycles:
        return whole, symbol
    later, later_symbol = Signal.like(head, name="gathered_head"), Signal(len(symbol), name="gathered_symbol")
    m.d.sync += [later.eq(whole), later_symbol.eq(symbol)]
    return later, later_symbol


def partial_sums(
    m: Module, layer: QuantisedLayer, plan: EnginePlan, sums: Signal, head: Signal, added: Signal, added_x: Signal
) -> Signal:
    """Adds up the sums of all passes; returns the head of the groups that are complete."""
    width = layer.formats.product.accumulator_width
    split, depth = layer.kind == "gru", plan.group_count * plan.turns
    sums_out, kept_out = added, added_x if split else Signal(width, name="no_kept_x")
    if split and plan.shape.spaced:  # what is kept of gate n is its h-part, and the x-part leaves as it comes
        sums_out, kept_out = Signal.like(added, name="last_sums"), Signal.like(added_x, name="kept_sums")
        rows = [sums_out.word_select(row, width) for row in range(plan.elements * 3)]
        kept = [kept_out.word_select(lane, width) for lane in range(plan.elements)]
        m.d.comb += added.eq(Cat((rows[3 * k], rows[3 * k + 1], kept[k]) for k in range(plan.elements)))
        m.d.comb += added_x.eq(Cat(rows[2::3]))
    coming = line(m, head, "pass_group", group_ahead(plan) + 1)
    reads, here = coming[-1 - _PARTIAL_AHEAD], coming[-1]
    address = group_counter(m, reads, depth)
    m.submodules.partial_sums = Instance(
        "rnn_partial_sums",
        p_ROWS=plan.elements * plan.gates_at_once,
        p_ACC_WIDTH=width,
        p_DEPTH=depth,
        p_ADDRESS_WIDTH=address_width(depth),
        p_SPLIT=int(split),
        i_clk=ClockSignal(),
        i_group=sums,
        i_address=fit_address(m, address, depth),
        i_fresh=reads.fresh,
        i_write=here.valid & here.kept,
        o_sums=sums_out,
        o_sums_x=kept_out,
    )
    complete = Signal.like(head, name="complete_head")
    m.d.sync += [complete.eq(head), complete.valid.eq(head.valid & ~head.kept)]
    return complete


def _symbol_base(m: Module, plan: EnginePlan, buffer: StepBuffer, delay: int, starts: Value) -> Value:
    """First bias word of the symbol of the tile that starts, held until the next one does."""
    if not plan.shape.symbols:
        return Const(0, 1)
    # The buffer shows a step's symbol one cycle behind each of its issues.
    symbol = Signal(range(max(2, plan.shape.symbols)))
    line: Value = buffer.data[: len(symbol)]
    for number in range(delay - 1):
        later = Signal.like(symbol, name=f"symbol_{number}")
        m.d.sync += later.eq(line)
        line = later
    base = Signal(range(max(2, plan.shape.symbols * plan.group_count)))
    base_now = Signal.like(base)
    m.d.comb += base_now.eq(Mux(starts, line * plan.group_count, base))
    m.d.sync += base.eq(base_now)
    return base_now


def line(m: Module, head: Signal, name: str, length: int) -> list[Signal]:
    """``head``, and it 1, 2, .. length - 1 cycles later."""
    line = [head]
    for number in range(1, length):
        later = Signal.like(head, name=f"{name}_{number}")
        m.d.sync += later.eq(line[-1])
        line.append(later)
    return line


def group_counter(m: Module, group: Signal, count: int) -> Signal:
    """Index of the group that is at this place, 0 .. count - 1."""
    index = Signal(range(max(2, count)))
    with m.If(group.valid):
        m.d.sync += index.eq(Mux(index == count - 1, 0, index + 1))
    return index
