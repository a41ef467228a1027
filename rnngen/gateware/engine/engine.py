"""An engine: its ports, and its parts put together."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring

from rnngen.gateware.buffers import StepBuffer, VectorMemory
from rnngen.gateware.context import EngineContext
from rnngen.gateware.engine.banked import banked_path
from rnngen.gateware.engine.biases import read_biases
from rnngen.gateware.engine.circuit import EngineCircuit, EngineMemories
from rnngen.gateware.engine.hidden import forwarded_h
from rnngen.gateware.engine.operands import ArrayWays, operand_path
from rnngen.gateware.engine.ports import engine_ports, may_wait
from rnngen.gateware.engine.results import add_probes, give_results
from rnngen.gateware.engine.state import read_state, show_state
from rnngen.gateware.groups import gather, group_ahead, group_head, line, partial_sums, turn_sums
from rnngen.gateware.loader import LoadableMemory
from rnngen.gateware.sequencer import Sequencer
from rnngen.gateware.tails import TailSignals, count_saturations, make_tail
from rnngen.ir.quantised import QuantisedLayer
from rnngen.plan.engine import EnginePlan
from rnngen.plan.layer import ceil_div


class Engine(wiring.Component):
    """One layer's matrix product and element-wise path.

    Ports:
        write: Input words.  rewind: The sequence that is being written is forgotten.
        available: A complete input step waits (steps as they come).  full: The input buffer has no free slot.
        waiting_last: The waiting step is its sequence's last one.
        slot: Number of the step in the buffer that ``go`` takes (stored sequences).
        go: A step starts.  go_h: The h pass of the next one starts (spaced; ``go`` then starts the x pass).
        stale: What such an h pass reads has changed, so that it must be done again.
        sequence_last: It is the last one of its sequence in this engine's order.
        stream: Whose step it is.  waiting_stream: Whose step waits.
        restart: By stream, its next step is the first one of a sequence.
        image, switched: Of the memories with two images, the one in use; it has changed (one cycle).
        peek: What part of the state is shown.  peeked: That part, one cycle later.
        released: The step's input is read for the last time; released_last: of a sequence's last step.
        feedback: Words of h, where h is multiplied.
        result: Output words.
        saturations: Narrowings that saturated since reset or clear; sticks at its largest value.
        clear: Sets the counter to 0.
        word, group: To and from the shared array, where there is one.
        load_weights, load_places, load_bias: Writes to the parameter memories, where the engine is ``loadable``.
        beat, returned: Weights from external memory, and room for more (``WeightBuffer``).
        h_1, h_2, ..: Words of the h of other devices, each with as many units as this one (``RemoteVector``).
        held: The next word's weights are not there, or its h; nothing may start.
        hold: The engine that takes the results waits, and so does this one (``context.follows``).

    Values and cycles are those of ``rnngen.emulate`` and ``rnngen.plan`` to the bit and the cycle.
    """

    def __init__(self, layer: QuantisedLayer, plan: EnginePlan, context: EngineContext) -> None:
        self._layer, self._plan, self._context = layer, plan, context
        self._memories = EngineMemories(layer, plan, context)
        self.shows_state = self._memories.shows_state
        self.may_wait = may_wait(plan, context)
        self._buffer = StepBuffer(
            layer.formats.product.x.width,
            context.x_lanes,
            plan.port_columns,
            context.x_size,
            2 * context.capacity or plan.input_slots,
            context.x_aligned,
            context.capacity > 0,
            context.reverse,
            context.streams,
            plan.shape.banked is not None and not layer.symbols,
        )
        super().__init__(engine_ports(layer, plan, context, self._buffer, self._memories))

    @property
    def elements(self) -> int:
        """Words of a write of ``result``."""
        return self._plan.elements

    def loads(self) -> list[tuple[LoadableMemory, Value]]:
        """Each memory that can be loaded, and its write port."""
        return [(memory, getattr(self, f"load_{what}")) for what, memory in self._memories.loadable.items()]

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        layer, plan, buffer = self._layer, self._plan, self._buffer
        circuit = EngineCircuit(m, self, layer, plan, self._context, self._memories)
        m.submodules.input = buffer
        m.submodules.sequencer = sequencer = self._sequencer()
        arrives = Signal(name="h_arrives")
        self._connect(m, sequencer)
        if not plan.shape.apart:
            self._release(m, sequencer)
        if plan.shape.spaced:
            self._run_ahead(m, sequencer)
        tail_leaf, tail = make_tail(layer, plan, circuit.image("table"))
        m.submodules.tail = tail_leaf
        head, symbol = self._sums(circuit, sequencer, tail, arrives)
        groups = line(m, head, "group", plan.tail.output + group_ahead(plan) + 1)
        m.d.comb += arrives.eq(groups[-2].valid)
        read_biases(circuit, tail, groups, symbol, buffer)
        read_state(circuit, tail, groups)
        give_results(circuit, tail, groups)
        passing = {delay: groups[delay + group_ahead(plan)].valid for _, delay in tail.saturated.values()}
        count_saturations(m, tail, passing, self.saturations, self.clear)
        add_probes(circuit, sequencer, tail, groups)
        show_state(circuit)
        return m

    def _sequencer(self) -> Sequencer:
        plan, context = self._plan, self._context
        h_size = context.h_size if plan.shape.gives_h else plan.device_h
        return Sequencer(
            plan, self._buffer.depth, ceil_div(h_size, plan.h_columns), context.streams, self.may_wait, context.follows
        )

    def _connect(self, m: Module, sequencer: Sequencer) -> None:
        """Ports to input buffer and sequencer."""
        buffer = self._buffer
        if self.may_wait:
            m.d.comb += self.held.eq(sequencer.held)
        if self._context.follows:
            m.d.comb += sequencer.hold.eq(self.hold)
        m.d.comb += [
            buffer.write.eq(self.write),
            buffer.rewind.eq(self.rewind),
            self.full.eq(buffer.full),
            self.available.eq(buffer.available),
            self.waiting_last.eq(buffer.sequence_last),
            self.waiting_stream.eq(buffer.stream),
            self.slot.eq(buffer.slot),
            buffer.take.eq(self.go),
            buffer.take_last.eq(self.sequence_last),
            buffer.release.eq(self.released),
            sequencer.go.eq(self.go),
            sequencer.sequence_last.eq(self.sequence_last),
            sequencer.stream.eq(self.stream),
            sequencer.restart.eq(self.restart),
            sequencer.peek_stream.eq(self.peek.stream),
            sequencer.base.eq(buffer.base),
        ]

    def _release(self, m: Module, sequencer: Sequencer) -> None:
        """The step's input is free as soon as its last word is read, ``index_cycles`` behind its issue."""
        release, last = Value.cast(sequencer.release), sequencer.release & sequencer.step_last
        for _ in range(self._plan.index_cycles):
            before, (release, last) = (release, last), (Signal(name="release_late"), Signal(name="release_last_late"))
            m.d.sync += [release.eq(before[0]), last.eq(before[1])]
        m.d.comb += [self.released.eq(release), self.released_last.eq(last)]

    def _run_ahead(self, m: Module, sequencer: Sequencer) -> None:
        """The h pass of the next step, and what makes it be done again."""
        memories = self._memories.loadable
        read_ahead = [what for what in ("weights", "places", "h_0") if what in memories]
        # Of two images the one that is written is not read.
        loads = [getattr(self, f"load_{what}").enable for what in read_ahead if memories[what].images == 1]
        stale = Cat(self.restart, self.switched, *loads).any()
        m.d.comb += [sequencer.go_h.eq(self.go_h), self.stale.eq(stale)]

    def _sums(
        self, circuit: EngineCircuit, sequencer: Sequencer, tail: TailSignals, arrives: Signal
    ) -> tuple[Signal, Value]:
        """The array, and what keeps and gathers its sums for the element-wise path.

        Args:
            arrives: The step's h is at the end of its way.

        Returns:
            The group whose sums come, and its symbol's place among the biases.
        """
        m, layer, plan, buffer = circuit.m, self._layer, self._plan, self._buffer
        gathered = (tail.sums, tail.sums_x) if plan.turns == 1 else turn_sums(layer, plan)
        sums = Signal.like(gathered[0], name="array_sums") if plan.keeps_sums else gathered[0]
        h_operand = forwarded_h(circuit, sequencer, tail, arrives)
        ways = ArrayWays(sums, gathered[1], tail.addend if plan.is_unrolled else None)
        if isinstance(buffer.memory, VectorMemory) and not plan.shape.apart:
            m.d.comb += buffer.address.eq(sequencer.x_address)
        if plan.shape.banked:
            banked_path(circuit, sequencer, buffer, ways)
        else:
            operand_path(circuit, sequencer, buffer, ways, h_operand)
        head, symbol = group_head(m, plan, self._context.streams, sequencer, buffer)
        if plan.keeps_sums:
            head = partial_sums(m, layer, plan, sums, head, *gathered)
        if plan.turns > 1:
            head, symbol = gather(m, layer, plan, gathered[0], head, symbol, tail)
        return head, symbol
