"""A layer of the network: its engines, what starts them, and what their results pass."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rnngen.gateware.array import ArrayShape
from rnngen.gateware.buffers import write_layout
from rnngen.gateware.context import CoreOptions, EngineContext
from rnngen.gateware.engine.engine import Engine
from rnngen.gateware.loader import LoadableMemory
from rnngen.gateware.merge import MergeBuffer
from rnngen.gateware.peek import PEEK
from rnngen.gateware.post import ArgmaxStage, MapStage
from rnngen.gateware.starter import SequenceStarter, SpacedStarter, StartDelay, StepStarter
from rnngen.gateware.tails import SATURATION_COUNTER_BITS
from rnngen.ir.quantised import Block, Branch, QuantisedMap, QuantisedNetwork
from rnngen.plan.branch import BranchPlan
from rnngen.plan.external import WeightStream
from rnngen.plan.lanes import is_aligned
from rnngen.plan.network import BlockPlan


def map_image_name(block: int, number: int, prefix: str = "") -> str:
    """Memory image of the table of a map behind a block."""
    return f"{prefix}block{block}_map{number}_table.hex"


class BlockCore(wiring.Component):
    """One block of the network.

    Ports:
        write: Input words, as they come from the port or the block before.
        full: The input buffer has no free slot; the writer must not begin a step.
        released: Room for a step (of a stored block: a sequence) gets free at the input in this cycle.
        overlong: A sequence of more steps than can be stored is dropped from here to its end.
        space: The reader of the results has room.  reserve, reserve_last: A step takes room; a sequence's last step.
        result: Output words.  busy: A step is inside.
        turn: Where engines share an array: a step may start.
        handed, handed_space: What the first stage gives, where other devices get it, and room for one more step of it.
        saturations: Sum over the engines and maps.  clear: Sets it to 0.
        restart: By stream, its next step is the first one of a sequence.
        image, switched: Of the memories with two images, the one in use; it has changed (one cycle).
        peek: As for an engine.

    Args:
        weights: By engine of the network, how its weights come, where they are in external memory.
        remote_lanes: Words of a beat of another device's h.
    """

    def __init__(
        self, network: QuantisedNetwork, index: int, plan: BlockPlan, lanes: int, aligned: bool, streams: int,
        options: CoreOptions, array: ArrayShape | None = None, weights: Sequence[WeightStream] = (),
        remote_lanes: int = 0,
    ) -> None:  # fmt: skip
        self._weights, self._remote_lanes = tuple(weights), remote_lanes
        self._network, self._index, self._plan = network, index, plan
        self._streams, self._options, self._array = streams, options, array
        self._block: Block = network.blocks[index]
        self._lanes, self._aligned = lanes, aligned
        first = network.layers[self._block.branches[0].stages[0][0]]
        self._engines: dict[int, Engine] = {}
        last = network.layers[self._block.branches[0].last]
        word = last.output_format if self._block.joins else network.block_format(self._block)
        super().__init__(
            {
                "write": In(write_layout(first.formats.product.x.width, lanes, streams)),
                "full": Out(1),
                "released": Out(1),
                "overlong": Out(1),
                "space": In(1),
                "reserve": Out(1),
                "reserve_last": Out(1),
                "result": Out(write_layout(word.width, plan.elements, streams)),
                "busy": Out(1),
                "saturations": Out(SATURATION_COUNTER_BITS),
                "clear": In(1),
                "restart": In(streams),
                "image": In(1),
                "switched": In(1),
                "peek": In(PEEK),
                **({"turn": In(1)} if array else {}),
                **self._handed_ports(),
            }
        )
        self._make_engines()

    @property
    def _hands_on(self) -> bool:
        """Whether other devices take what the first stage gives, and the second one may wait for theirs."""
        branch = self._plan.branches[0]
        return len(branch.stages) > 1 and branch.last.shape.others > 0

    def _handed_ports(self) -> dict[str, wiring.Member]:
        if not self._hands_on:
            return {}
        word = self._network.layers[self._block.branches[0].stages[0][0]].output_format
        return {"handed": Out(write_layout(word.width, self._plan.first.elements, 1)), "handed_space": In(1)}

    def loads(self) -> list[tuple[LoadableMemory, Value]]:
        """Each memory that can be loaded, and its write port."""
        return [entry for engine in self._engines.values() for entry in engine.loads()]

    def peeked(self) -> dict[int, Value]:
        """By engine that shows its state, the part of it that ``peek`` chose."""
        return {index: engine.peeked for index, engine in self._engines.items() if engine.shows_state}

    @property
    def engines(self) -> list[Engine]:
        """The engines in their order."""
        return list(self._engines.values())

    def external_engines(self) -> dict[int, Engine]:
        """By their numbers, the engines whose weights are in external memory."""
        return self._engines if self._weights else {}

    def _make_engines(self) -> None:
        for branch, plan in zip(self._block.branches, self._plan.branches):
            for number, (stage, planned) in enumerate(zip(branch.stages, plan.stages)):
                for index, engine in zip(stage, planned):
                    context = self._context(branch, plan, number, index)
                    self._engines[index] = Engine(self._network.layers[index], engine, context)

    def _context(self, branch: Branch, plan: BranchPlan, stage: int, index: int) -> EngineContext:
        last, handed = plan.last, plan.handover_lanes
        return EngineContext(
            index=index,
            x_size=plan.last.shape.inputs if stage else self._plan.port_size,
            h_size=last.shape.units,
            x_lanes=handed if stage else self._lanes,
            h_lanes=last.elements,
            x_aligned=(len(plan.stages[0]) > 1 or is_aligned(plan.first)) if stage else self._aligned,
            h_aligned=is_aligned(last),
            options=self._options,
            streams=self._streams,
            capacity=0 if stage else self._plan.capacity,
            reverse=branch.reverse and not stage,
            array=self._array,
            weights=self._weights[index] if self._weights else None,
            remote_lanes=self._remote_lanes,
            follows=self._hands_on and not stage,
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        self._ahead = Signal()
        for index, engine in self._engines.items():
            m.submodules[f"engine{index}"] = engine
            m.d.comb += [engine.clear.eq(self.clear), engine.restart.eq(self.restart), engine.peek.eq(self.peek)]
            m.d.comb += [engine.image.eq(self.image), engine.switched.eq(self.switched)]
        write = self._stored_input(m) if self._plan.stored else self._step_input(m)
        results = [self._branch(m, branch, plan) for branch, plan in zip(self._block.branches, self._plan.branches)]
        for branch in self._block.branches:
            for index in branch.stages[0]:
                m.d.comb += self._engines[index].write.eq(write)
        result = self._merged(m, results) if self._plan.stored else self._chosen(m, results[0])
        counters = self._post(m, result)
        counters += [engine.saturations for engine in self._engines.values()]
        m.d.comb += self.saturations.eq(total(m, counters))
        return m

    def _first(self, branch: int = 0) -> Engine:
        """An engine that reads the input of a branch."""
        return self._engines[self._block.branches[branch].stages[0][0]]

    @property
    def _latest(self) -> int:
        """The branch that is the last to read and to write."""
        delays = [branch.delay for branch in self._plan.branches]
        return delays.index(max(delays))

    def _step_input(self, m: Module) -> Value:
        """Steps start as they come."""
        first = self._first()
        branch, selects = self._plan.branches[0], self._block.select != "every"
        starter: StepStarter | SpacedStarter
        if branch.first.shape.spaced:
            starter = SpacedStarter(branch.first.x_to_h, branch.first.h_to_x, selects)
            m.d.comb += [starter.stale.eq(first.stale), first.go_h.eq(starter.go_h), self._ahead.eq(starter.ahead)]
        else:
            in_turn = self._array is not None
            waiting = self._engines[self._block.branches[0].last]
            starter = StepStarter(
                branch.interval, branch.initiation_interval, self._streams, selects, in_turn, waiting.may_wait
            )
            m.d.comb += starter.turn.eq(self.turn) if in_turn else []
            m.d.comb += starter.held.eq(waiting.held) if waiting.may_wait else []
        m.submodules.starter = starter
        m.d.comb += [
            starter.stream.eq(first.waiting_stream),
            starter.available.eq(first.available),
            starter.sequence_last.eq(first.waiting_last),
            starter.space.eq(self.space & self.handed_space if self._hands_on else self.space),
            self.full.eq(first.full),
            self.released.eq(first.released),
            self.reserve.eq(starter.reserve),
            self.reserve_last.eq(starter.reserve & starter.go_last),
        ]
        self._go, self._go_last, self._stream = starter.go, starter.go_last, first.waiting_stream
        return self.write

    def _stored_input(self, m: Module) -> Value:
        """Steps start when their whole sequence is there; one that is too long is dropped."""
        plan = self._plan
        interval = max(branch.interval for branch in plan.branches)
        in_turn = self._array is not None
        m.submodules.starter = starter = SequenceStarter(interval, plan.capacity, in_turn)
        m.d.comb += starter.turn.eq(self.turn) if in_turn else []
        released_last = self._first(self._latest).released_last
        dropping = Signal()
        kept = Signal.like(self.write)
        ends = self.write.enable & self.write.last
        m.d.comb += [
            kept.eq(self.write),
            kept.enable.eq(self.write.enable & ~dropping),
            starter.written.eq(kept.enable & kept.last),
            starter.written_last.eq(kept.sequence_last),
            starter.rewind.eq(starter.overlong),
            starter.released.eq(released_last),
            self.full.eq(starter.full),
            self.overlong.eq(starter.overlong),
            self.released.eq(released_last | (dropping & ends & self.write.sequence_last)),
        ]
        with m.If(starter.overlong):
            m.d.sync += dropping.eq(1)
        with m.Elif(ends & self.write.sequence_last):
            m.d.sync += dropping.eq(0)
        for branch in self._block.branches:
            for index in branch.stages[0]:
                m.d.comb += self._engines[index].rewind.eq(starter.overlong)
        self._go, self._go_last, self._stream = starter.go, starter.go_last, Const(0, range(1))
        return kept

    def _branch(self, m: Module, branch: Branch, plan: BranchPlan) -> Value:
        """Starts and wires a branch's engines; returns its results."""
        stages = [[self._engines[index] for index in stage] for stage in branch.stages]
        go, go_last, stream = self._go, self._go_last, self._stream
        if plan.delay:
            wait = StartDelay(plan.delay, plan.interval, self._streams)
            m.submodules[f"turn{branch.stages[0][0]}"] = wait
            m.d.comb += [wait.go.eq(go), wait.go_last.eq(go_last), wait.stream.eq(stream)]
            go, go_last, stream = wait.late, wait.late_last, wait.late_stream
        for engine in stages[0]:
            m.d.comb += [engine.go.eq(go), engine.sequence_last.eq(go_last), engine.stream.eq(stream)]
        last = stages[-1][-1]
        if len(stages) > 1:
            delay = StartDelay(plan.offset, plan.initiation_interval, self._streams, self._hands_on)
            m.submodules[f"delay{branch.stages[0][0]}"] = delay
            if self._hands_on:
                m.d.comb += [delay.held.eq(last.held), stages[0][0].hold.eq(last.held)]
                m.d.comb += self.handed.eq(stages[0][0].result)
            m.d.comb += [
                delay.go.eq(go),
                delay.go_last.eq(go_last),
                delay.stream.eq(stream),
                last.go.eq(delay.late),
                last.sequence_last.eq(delay.late_last),
                last.stream.eq(delay.late_stream),
                last.write.eq(_side_by_side(stages[0])),
            ]
        for engine in stages[0]:
            if hasattr(engine, "feedback"):
                m.d.comb += engine.feedback.eq(last.result)
        return last.result

    def _chosen(self, m: Module, result: Value) -> Value:
        """The steps that go on."""
        inside = Signal(16)
        written = self.write.enable & self.write.last
        m.d.sync += inside.eq(inside + written - (result.enable & result.last))
        m.d.comb += self.busy.eq((inside != 0) | self._ahead if self._plan.first.shape.spaced else inside != 0)
        if self._block.select == "every":
            return result
        chosen = Signal.like(result)
        m.d.comb += [chosen.eq(result), chosen.enable.eq(result.enable & result.sequence_last)]
        return chosen

    def _merged(self, m: Module, results: Sequence[Value]) -> Value:
        """The branches' results side by side, in the order of the steps."""
        plan, starter = self._plan, m.submodules.starter
        last = plan.branches[0].last
        width = self._network.layers[self._block.branches[0].last].output_format.width
        m.submodules.merge = merge = MergeBuffer(
            width, last.shape.units, last.elements, is_aligned(last), [b.reverse for b in self._block.branches],
            plan.lanes, plan.capacity, self._block.select, self._latest,
        )  # fmt: skip
        for number, result in enumerate(results):
            m.d.comb += [
                getattr(merge, f"write_{number}").eq(result),
                getattr(merge, f"slot_{number}").eq(self._first(number).slot),
            ]
        m.d.comb += [
            merge.go.eq(starter.go),
            merge.go_first.eq(starter.go_first),
            merge.go_last.eq(starter.go_last),
            merge.space.eq(self.space),
            starter.sent.eq(merge.sent),
            self.reserve.eq(merge.reserve),
            self.reserve_last.eq(merge.reserve_last),
        ]
        inside = Signal(range(6))
        m.d.sync += inside.eq(inside + (starter.written & starter.written_last) - merge.sent)
        m.d.comb += self.busy.eq(inside != 0)
        return merge.result

    def _post(self, m: Module, result: Value) -> list[Signal]:
        """What the words pass; returns the counters of saturations."""
        counters = []
        lanes = self._plan.lanes or self._plan.branches[0].last.elements
        word = self._network.layers[self._block.branches[0].last].output_format
        for number, post in enumerate(() if self._block.joins else self._block.post):
            if isinstance(post, QuantisedMap):
                stage = MapStage(post, lanes, map_image_name(self._index, number, self._options.images), self._streams)
                m.d.comb += stage.clear.eq(self.clear)
                counters.append(stage.saturations)
            else:
                stage = ArgmaxStage(post.size, word.width, lanes, post.output_format.width, self._streams)
            m.submodules[f"post{number}"] = stage
            m.d.comb += stage.write.eq(result)
            result, word = stage.result, post.output_format
        m.d.comb += self.result.eq(result)
        return counters


def _side_by_side(engines: Sequence[Engine]) -> Value:
    """One write of the results of engines that write at the same time; empty lanes are written, too."""
    if len(engines) == 1:
        return engines[0].result
    results = [engine.result for engine in engines]
    lanes = len(engines) * engines[0].elements
    first = results[0]
    count = Const(lanes, range(lanes + 1))
    head = Cat(first.enable, count, first.last, first.sequence_last, first.stream)
    return Cat(head, *(result.data for result in results))


def total(m: Module, counters: Sequence[Signal]) -> Value:
    """Sum of counters, one adder a cycle; sticks at its largest value."""
    result: Value = counters[0]
    for index, counter in enumerate(counters[1:], 1):
        wide, held = Signal(SATURATION_COUNTER_BITS + 1), Signal(SATURATION_COUNTER_BITS, name=f"saturations_{index}")
        m.d.comb += wide.eq(result + counter)
        m.d.sync += held.eq(Mux(wide[-1], ~0, wide))
        result = held
    return result
