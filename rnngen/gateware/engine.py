"""A dense engine: sequencer, memories, multiplier array and element-wise path of one layer."""

from __future__ import annotations

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rnngen.gateware.buffers import StepBuffer, VectorMemory, address_width, write_layout
from rnngen.gateware.loader import LoadableMemory, load_layout
from rnngen.gateware.sequencer import Sequencer
from rnngen.gateware.tails import TailSignals, bias_width, make_tail, state_width
from rnngen.ir.quantised import QuantisedLayer
from rnngen.plan.engine import EnginePlan, is_aligned
from rnngen.plan.memory import group_count
from rnngen.plan.timing import NARROW_CYCLES, OPERAND_CYCLES, TAILS

SATURATION_COUNTER_BITS = 32
AHEAD = 2
"""Cycles by which a group is known before its sums: the bias memory's address, and a register behind the memory."""


def image_names(index: int) -> dict[str, str]:
    """Memory image files of engine ``index``, by what they hold."""
    return {what: f"engine{index}_{what}.hex" for what in ("weights", "bias", "table")}


def weight_word_width(layer: QuantisedLayer, plan: EnginePlan) -> int:
    """Bits of one weight memory word."""
    return plan.multipliers * layer.formats.product.weight_width


def bias_word_width(layer: QuantisedLayer, plan: EnginePlan) -> int:
    """Bits of one bias memory word: all gates of E units."""
    return plan.elements * plan.shape.gates * bias_width(layer)


LOADABLE = ("weights", "biases")
"""Buses of ``bus_widths`` that come from memories which can be loaded."""


def bus_widths(layer: QuantisedLayer, plan: EnginePlan) -> dict[str, int]:
    """Bits of an engine's widest buses, by what they carry in one cycle."""
    product = layer.formats.product
    return {
        "weights": weight_word_width(layer, plan),
        "biases": bias_word_width(layer, plan),
        "sums": plan.elements * plan.shape.gates * product.accumulator_width,
        "operands": plan.columns * product.operand_width,
    }


def parameter_memories(index: int, layer: QuantisedLayer, plan: EnginePlan) -> dict[str, LoadableMemory]:
    """The memories of engine ``index`` that hold its parameters, by what they hold."""
    return {
        "weights": LoadableMemory(index, 0, weight_word_width(layer, plan), plan.words),
        "bias": LoadableMemory(index, 1, bias_word_width(layer, plan), group_count(plan)),
    }


_GROUP = data.StructLayout({"valid": 1, "first": 1, "tile_end": 1, "step_end": 1, "sequence_last": 1})
"""What travels beside a group of E units through the element-wise path."""


class Engine(wiring.Component):
    """One layer.

    Ports:
        write: Input words, as they come from the port or the engine before.
        full: The input buffer has no free slot.  released: A slot gets free in this cycle.
        space: The reader of the results has room for one more step.  go: A step starts, and will use that room.
        result: Output words.
        saturations: Narrowings that saturated since reset or clear; sticks at its largest value.
        clear: Sets the counter to 0.
        load_weights, load_bias: Writes to the parameter memories, where the engine is ``loadable``.

    Values and cycles are those of ``rnngen.emulate`` and ``rnngen.plan`` to the bit and the cycle.
    """

    def __init__(
        self,
        index: int,
        layer: QuantisedLayer,
        plan: EnginePlan,
        input_lanes: int,
        input_aligned: bool,
        multiplier: str,
        loadable: bool,
    ) -> None:
        self._index, self._layer, self._plan = index, layer, plan
        self._input_lanes, self._input_aligned, self._multiplier = input_lanes, input_aligned, multiplier
        product = layer.formats.product
        self._memories = parameter_memories(index, layer, plan) if loadable else {}
        super().__init__(
            {
                **{f"load_{what}": In(load_layout(memory)) for what, memory in self._memories.items()},
                "write": In(write_layout(product.x.width, input_lanes)),
                "full": Out(1),
                "released": Out(1),
                "space": In(1),
                "go": Out(1),
                "result": Out(write_layout(layer.output_format.width, plan.elements)),
                "saturations": Out(SATURATION_COUNTER_BITS),
                "clear": In(1),
            }
        )

    def loads(self) -> list[tuple[LoadableMemory, Value]]:
        """Each memory that can be loaded, and its write port."""
        return [(memory, getattr(self, f"load_{what}")) for what, memory in self._memories.items()]

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        m.submodules.sequencer = sequencer = Sequencer(self._plan)
        m.submodules.input = buffer = StepBuffer(
            self._layer.formats.product.x.width,
            self._input_lanes,
            self._plan.columns,
            self._plan.shape.inputs,
            self._plan.input_slots,
            self._input_aligned,
        )
        m.d.comb += [
            buffer.write.eq(self.write),
            self.full.eq(buffer.full),
            buffer.take.eq(sequencer.go),
            buffer.release.eq(sequencer.release),
            self.released.eq(sequencer.release),
            sequencer.available.eq(buffer.available),
            sequencer.sequence_last.eq(buffer.sequence_last),
            sequencer.base.eq(buffer.base),
            sequencer.space.eq(self.space),
            self.go.eq(sequencer.go),
            buffer.address.eq(sequencer.x_address),
        ]
        tail_leaf, tail = make_tail(self._layer, self._plan.elements, image_names(self._index)["table"])
        m.submodules.tail = tail_leaf
        self._operand_path(m, sequencer, buffer, tail)
        groups = self._group_pipeline(m, sequencer)
        self._tail_memories(m, tail, groups)
        self._results(m, tail, groups)
        self._count_saturations(m, tail, groups)
        self._probe(m, sequencer, tail, groups)
        return m

    def _operand_path(self, m: Module, sequencer: Sequencer, buffer: StepBuffer, tail: TailSignals) -> None:
        """Column word and weight word to the multiplier array, sums to the element-wise path."""
        plan, product = self._plan, self._layer.formats.product
        operand = Signal(plan.columns * product.operand_width)
        from_x, first_step = Signal(), Signal()
        m.d.sync += [from_x.eq(sequencer.from_x), first_step.eq(sequencer.step_first)]
        h_word: Value = Const(0, product.h.width * plan.columns)
        if plan.shape.recurrent:
            # h is written by lanes of the element-wise path and read beside x.
            m.submodules.hidden = hidden = VectorMemory(
                product.h.width, plan.elements, plan.columns, plan.shape.units, 2, is_aligned(plan)
            )
            m.d.comb += [hidden.write.eq(self.result), hidden.address.eq(sequencer.h_address)]
            h_word = hidden.data
        m.submodules.operand = Instance(
            "rnn_operand",
            p_COLUMNS=plan.columns,
            p_X_WIDTH=product.x.width,
            p_H_WIDTH=product.h.width,
            p_SHIFT_X=product.shift_x,
            p_SHIFT_H=product.shift_h,
            p_OUT_WIDTH=product.operand_width,
            i_clk=ClockSignal(),
            i_from_x=from_x,
            i_first_step=first_step,
            i_x=buffer.data,
            i_h=h_word,
            o_operand=operand,
        )
        width = weight_word_width(self._layer, plan)
        weights = Signal(width)
        address = Signal(range(max(2, plan.words)))
        issue_late, first, last = Signal(), Signal(OPERAND_CYCLES), Signal(OPERAND_CYCLES)
        m.d.sync += [
            issue_late.eq(sequencer.issue),
            first.eq(Cat(sequencer.first, first)),
            last.eq(Cat(sequencer.last, last)),
        ]
        with m.If(issue_late):
            m.d.sync += address.eq(Mux(address == plan.words - 1, 0, address + 1))
        m.submodules.weights = self._parameter_memory("weights", plan.words, address, weights)
        m.submodules.array = Instance(
            "rnn_mac_array",
            p_ROWS=plan.rows * plan.shape.gates,
            p_COLUMNS=plan.columns,
            p_GROUP_ROWS=plan.elements * plan.shape.gates,
            p_WEIGHT_WIDTH=product.weight_width,
            p_VECTOR_WIDTH=product.operand_width,
            p_ACC_WIDTH=product.accumulator_width,
            p_PRODUCT_STAGES=plan.pipeline.product_stages,
            p_TREE_STAGES_EVERY=plan.pipeline.tree_stages_every,
            p_MULTIPLIER=self._multiplier,
            i_clk=ClockSignal(),
            i_first=first[-1],
            i_last=last[-1],
            i_weights=weights,
            i_vector=operand,
            o_group=tail.sums,
        )

    def _parameter_memory(self, what: str, depth: int, address: Value, word: Signal) -> Instance:
        """The memory of ``what``, initialised from its image, and written at run time where that is asked for."""
        ports: dict[str, object] = {
            "p_WIDTH": len(word),
            "p_DEPTH": depth,
            "p_ADDRESS_WIDTH": address_width(depth),
            "p_INIT_FILE": image_names(self._index)[what],
            "i_clk": ClockSignal(),
            "i_address": address,
            "o_data": word,
        }
        if what not in self._memories:
            return Instance("rnn_weight_rom", **ports)
        load = getattr(self, f"load_{what}")
        writes = {"i_write_enable": load.enable, "i_write_address": load.address, "i_write_data": load.data}
        return Instance("rnn_weight_memory", **ports, **writes)

    def _group_pipeline(self, m: Module, sequencer: Sequencer) -> list[Signal]:
        """``groups[k]``: the group whose sums were at the array's output k - AHEAD cycles ago (k < AHEAD: will be)."""
        plan = self._plan
        tile = Signal(4)
        m.d.comb += tile.eq(Cat(sequencer.last, sequencer.step_first, sequencer.last_tile, sequencer.step_last))
        for _ in range(plan.sum_cycles - AHEAD):
            later = Signal(4)
            m.d.sync += later.eq(tile)
            tile = later
        groups = [Signal(_GROUP, name=f"group_{k}") for k in range(TAILS[plan.shape.kind].output + AHEAD + 1)]
        head, flags, flags_now = groups[0], Signal(3), Signal(3)
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
        ]
        m.d.sync += [flags.eq(flags_now), left.eq(left_now - head.valid)]
        for before, after in zip(groups, groups[1:]):
            m.d.sync += after.eq(before)
        return groups

    def _tail_memories(self, m: Module, tail: TailSignals, groups: list[Signal]) -> None:
        """Bias, and the state where there is one, read for each group in time."""
        plan, timing = self._plan, TAILS[self._plan.shape.kind]
        count = group_count(plan)
        # Block RAM is slow, and the bias goes straight into an adder: a register stands between them.
        bias = Signal.like(tail.bias, name="bias_word")
        m.d.sync += tail.bias.eq(bias)
        m.submodules.bias = self._parameter_memory("bias", count, _group_counter(m, groups[0], count), bias)
        if timing.state_read is None or timing.state_write is None:
            return
        state = Signal.like(tail.state, name="old_state")
        # A sequence starts from c = 0.
        m.d.comb += tail.state.eq(Mux(groups[timing.state_read + AHEAD].first, 0, state))
        m.submodules.state = Instance(
            "rnn_state_memory",
            p_WIDTH=plan.elements * state_width(self._layer),
            p_DEPTH=count,
            p_ADDRESS_WIDTH=address_width(count),
            i_clk=ClockSignal(),
            i_read_address=_group_counter(m, groups[timing.state_read + AHEAD - 1], count),
            o_read_data=state,
            i_write_enable=groups[timing.state_write + AHEAD].valid,
            i_write_address=_group_counter(m, groups[timing.state_write + AHEAD], count),
            i_write_data=tail.state_new,
        )

    def _results(self, m: Module, tail: TailSignals, groups: list[Signal]) -> None:
        """The group at the end of the element-wise path as a write."""
        plan, end, result = self._plan, groups[-1], self.result
        in_tile = plan.rows - (plan.groups - 1) * plan.elements
        in_last = plan.shape.units - (plan.tiles - 1) * plan.rows - (plan.last_groups - 1) * plan.elements
        count = Mux(end.step_end, in_last, Mux(end.tile_end, in_tile, plan.elements))
        m.d.comb += [
            result.enable.eq(end.valid),
            result.count.eq(count),
            result.last.eq(end.step_end),
            result.sequence_last.eq(end.sequence_last),
            result.data.eq(tail.output),
        ]

    def _probe(self, m: Module, sequencer: Sequencer, tail: TailSignals, groups: list[Signal]) -> None:
        """Wires that a simulation may look at; nothing in the circuit reads them.

        A ``..._valid`` probe tells that a group passes its point in this cycle.
        """
        timing = TAILS[self._plan.shape.kind]
        points = {"issue": sequencer.issue, "from_x": sequencer.from_x, "sums_valid": groups[AHEAD].valid}
        if timing.state_write is not None:
            points |= {"z_valid": groups[NARROW_CYCLES + AHEAD].valid, "z": tail.preactivation}
            points |= {"c_valid": groups[timing.state_write + AHEAD].valid, "c": tail.state_new}
        points |= {"h_valid": groups[timing.output + AHEAD].valid, "h": tail.output}
        for name, value in points.items():
            probe = Signal(len(value), name=f"probe_{name}")
            m.d.comb += probe.eq(value)

    def _count_saturations(self, m: Module, tail: TailSignals, groups: list[Signal]) -> None:
        """Each point's count is taken in the cycle in which its group passes there."""
        timing = TAILS[self._plan.shape.kind]
        delays = {"preactivation": NARROW_CYCLES, "c": timing.state_write, "h": timing.output, "y": timing.output}
        now = Signal(range(16 * self._plan.elements))
        counts = []
        for point, count in tail.saturated.items():
            delay = delays[point]
            assert delay is not None
            counts.append(Mux(groups[delay + AHEAD].valid, count, 0))
        m.d.sync += now.eq(sum(counts, Const(0)))
        total = Signal(SATURATION_COUNTER_BITS + 1)
        m.d.comb += total.eq(self.saturations + now)
        m.d.sync += self.saturations.eq(Mux(self.clear, 0, Mux(total[-1], ~0, total)))


def _group_counter(m: Module, group: Signal, count: int) -> Signal:
    """Index of the group that is at this place, 0 .. count - 1."""
    index = Signal(range(max(2, count)))
    with m.If(group.valid):
        m.d.sync += index.eq(Mux(index == count - 1, 0, index + 1))
    return index
