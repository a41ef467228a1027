"""The plan of a whole accelerator: blocks in a row, buffers between them, and the ports at both ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from rnngen.errors import PlanError
from rnngen.plan.branch import BranchPlan
from rnngen.plan.engine import EnginePlan
from rnngen.plan.external import Demand, MemoryPort, WeightStream, weight_streams
from rnngen.plan.lanes import is_aligned
from rnngen.plan.layer import ceil_div


@dataclass(frozen=True)
class BlockPlan:
    """The engines of one layer of the network and what their results pass.

    Attributes:
        branches: More than one, or a reversed one (``stored``): they work side by side on whole stored sequences.
        select: ``"every"``, ``"last"`` or ``"final"``: which steps go on.
        post_cycles: What the words pass behind the engines takes so long.
        post_units: Words behind that, where it gives another number (argmax: 1); else 0.
        capacity: Steps of the longest sequence, where sequences are stored; else 0.
        lanes: Words a cycle that leave a stored block; else 0.
        inputs: Words of an input step where the engines read only a slice of it; else 0.
    """

    branches: tuple[BranchPlan, ...]
    select: str = "every"
    post_cycles: int = 0
    post_units: int = 0
    capacity: int = 0
    lanes: int = 0
    inputs: int = 0

    @property
    def stored(self) -> bool:
        """Whether it works on whole stored sequences."""
        return self.capacity > 0

    @property
    def engines(self) -> tuple[EnginePlan, ...]:
        """All engines, branch by branch."""
        return tuple(engine for branch in self.branches for engine in branch.engines)

    @property
    def interval(self) -> int:
        """Cycles between the starts of two steps of one stream."""
        return max(self.out_beats, *(branch.interval for branch in self.branches))

    @property
    def out_beats(self) -> int:
        """Cycles in which a stored step leaves; 1 where nothing is stored."""
        return sum(ceil_div(branch.units, self.lanes) for branch in self.branches) if self.stored else 1

    @property
    def units(self) -> int:
        """Words of an output step."""
        return self.post_units or sum(branch.units for branch in self.branches)

    @property
    def elements(self) -> int:
        """Words of a write to what follows."""
        if self.post_units:
            return 1
        return self.lanes if self.stored else self.branches[0].last.elements

    @property
    def aligned(self) -> bool:
        """Whether every write to what follows begins at a multiple of its lanes."""
        if self.post_units:
            return True
        if self.stored:
            return all(branch.units % self.lanes == 0 for branch in self.branches)
        return is_aligned(self.branches[0].last)

    @property
    def first(self) -> EnginePlan:
        """An engine that takes the input: all that do are alike in it."""
        return self.branches[0].first

    @property
    def port_size(self) -> int:
        """Words of an input step."""
        stage = self.branches[0].stages[0]
        return self.inputs or (1 if self.first.shape.symbols else sum(engine.shape.port_size for engine in stage))

    @property
    def input_slots(self) -> int:
        """Steps (stored: sequences) that the input buffer holds."""
        return 2 if self.stored else self.first.input_slots

    def with_slots(self, slots: int) -> BlockPlan:
        """The same with another depth of input buffer."""
        return replace(self, branches=tuple(branch.with_slots(slots) for branch in self.branches))


@dataclass(frozen=True)
class SharedArray:
    """One multiplier array for all engines, which take turns in a frame of fixed length.

    In each frame every block may start one step, in its own cycle; while nothing is to be done the frame waits in its
    first cycle.

    Attributes:
        rows, columns: R and C.  elements: Rows of a group that leaves the array in a cycle.
        frame: Cycles of a frame.  starts: By block, the cycle of the frame in which it may start.
    """

    rows: int
    columns: int
    elements: int
    frame: int
    starts: tuple[int, ...]

    @property
    def multipliers(self) -> int:
        """Products a cycle."""
        return self.rows * self.columns


@dataclass(frozen=True)
class Join:
    """How sums of other devices, of the same outputs but of other inputs, are added to those of a device.

    Attributes:
        others: As many devices.  words: Of a beat of sums.
        slots: Steps of its own sums that the device holds until those of the others are there.
        cycles: From the cycle in which a beat of each is taken to that in which its results are written.
    """

    others: int
    words: int
    slots: int
    cycles: int


HANDED_SLOTS = 2
"""Steps that the buffer of what is handed to other devices holds."""


@dataclass(frozen=True)
class NetworkPlan:
    """Blocks with the stream ports at both ends.

    Attributes:
        blocks: In network order.
        input_words: Words of an input beat.  output_words: Words of an output beat.
        output_slots: Steps that the output buffer holds.
        shared: The array that all engines share (folding); None: each has one of its own.
        memory: The port to the weights, where they are in external memory.  weight_bits: By engine, of its weights.
        remote_words: Words of a beat from each other device that computes a part of the layer; 0: none does.
        handed_words: Words of a beat of what the first stage gives to those devices; 0: they get the results.
        join: How the sums of other devices are added to those of the last block; None: there are none.
    """

    blocks: tuple[BlockPlan, ...]
    input_words: int
    output_words: int
    output_slots: int = 2
    shared: SharedArray | None = None
    memory: MemoryPort | None = None
    weight_bits: tuple[int, ...] = ()
    remote_words: int = 0
    handed_words: int = 0
    join: Join | None = None

    @property
    def sharing(self) -> EnginePlan:
        """The engine that multiplies what other devices give, where some do."""
        return self.blocks[0].branches[0].last

    @property
    def shares(self) -> int:
        """Devices that compute a part of the layer each."""
        return self.sharing.shape.shares

    @property
    def streams(self) -> int:
        """Interleaved sequences that keep a state each."""
        return self.blocks[0].first.shape.streams

    @property
    def spaced(self) -> bool:
        """Whether engines compute the h-part of a step before its x comes."""
        return self.ahead > 0

    @property
    def ahead(self) -> int:
        """Cycles that all spaced engines need for the h-part of their first step; 0 where there are none."""
        return max((engine.h_to_x for engine in self.engines if engine.shape.spaced), default=0)

    @property
    def engines(self) -> tuple[EnginePlan, ...]:
        """All engines, in the order of the network's layers."""
        return tuple(engine for block in self.blocks for engine in block.engines)

    @property
    def multipliers(self) -> int:
        """Products a cycle, all engines."""
        return self.shared.multipliers if self.shared else sum(engine.multipliers for engine in self.engines)

    @property
    def array_dsps(self) -> int:
        """DSP blocks of the multiplier arrays."""
        return self.shared.multipliers if self.shared else sum(engine.array_dsps for engine in self.engines)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of a step."""
        return sum(engine.shape.macs for engine in self.engines)

    @property
    def input_beats(self) -> int:
        """Beats of an input step."""
        return ceil_div(self.blocks[0].port_size, self.input_words)

    @property
    def output_beats(self) -> int:
        """Beats of an output step."""
        return ceil_div(self.blocks[-1].units, self.output_words)

    @property
    def output_parts(self) -> int:
        """Beats of a word of the output buffer, which has room for all that is written to it in a cycle."""
        elements = self.blocks[-1].elements if self.join is None else self.join.words
        return ceil_div(elements, self.output_words)

    @property
    def capacity(self) -> int:
        """Steps of the longest sequence; 0 where there is no limit."""
        return max(block.capacity for block in self.blocks)

    @cached_property
    def weights(self) -> tuple[WeightStream, ...]:
        """By engine, where its weights are in external memory and how they come; none where they are on chip."""
        if self.memory is None:
            return ()
        branches = [branch for block in self.blocks for branch in block.branches]
        demands = [
            Demand(engine.words, engine.multipliers * bits, branch.initiation_interval - engine.issue_cycles)
            for branch, engine, bits in zip(branches, self.engines, self.weight_bits, strict=True)
        ]
        return weight_streams(self.memory, demands)

    @property
    def memory_cycles(self) -> int:
        """Beats of a step of each stream: no interval is shorter; 0 where weights are on chip."""
        return self.streams * sum(stream.beats for stream in self.weights)

    @property
    def interval(self) -> int:
        """Step interval of one stream in steady state, all of them busy: what the memory or the rest allows."""
        return max(self.memory_cycles, self.unheld_interval)

    @property
    def unheld_interval(self) -> int:
        """The same where every weight is there when it is needed."""
        outputs = 1 if any(block.select != "every" for block in self.blocks) else self.output_beats
        sums = 1 if self.join is None else ceil_div(self.blocks[-1].units, self.join.words)
        beats = self.streams * max(self.input_beats, outputs, sums)
        frame = self.shared.frame if self.shared else 1
        return max(beats, frame, *(block.interval for block in self.blocks))

    @property
    def utilisation(self) -> float:
        """Products of a step of each stream over those that there is time for."""
        return self.bound / self.interval

    def is_hidden(self) -> bool:
        """Whether no recurrence latency costs anything, so that more streams would not help."""
        return all(branch.is_hidden() for block in self.blocks for branch in block.branches)

    @property
    def bound(self) -> float:
        """No schedule of these multipliers can have a shorter interval."""
        return self.streams * self.macs / self.multipliers

    def with_memory(self, memory: MemoryPort, weight_bits: Sequence[int]) -> NetworkPlan:
        """The same with all weights in external memory.

        Args:
            weight_bits: By engine, of a weight.

        Raises:
            PlanError: for layers of two stages and stored sequences, whose engines work in step, and for spaced ones.
        """
        if self.shared is not None:
            raise PlanError(
                "All engines take turns on one array, in a frame that external weights cannot keep; plan without "
                "folding, or leave --weights external away."
            )
        for block in self.blocks:
            name = block.first.shape.name
            if block.stored:
                raise PlanError(
                    f"Layer '{name}' works on stored sequences, whose directions run in step, and external weights may "
                    f"hold an engine up; leave --weights external away, or the backward layer."
                )
            if any(len(branch.stages) > 1 for branch in block.branches):
                raise PlanError(
                    f"Layer '{name}' has two stages that run in step, and external weights may hold an engine up; "
                    f"leave --weights external away, or take an LSTM without projection."
                )
            if self.shares > 1:
                raise PlanError(
                    f"Layer '{name}' is cut over {self.shares} devices, which run in step; leave "
                    f"--weights external away."
                )
            if block.first.shape.apart:
                raise PlanError(
                    f"Layer '{name}' takes the sums of its x in every step, beside which external weights were not "
                    f"built; leave --weights external away."
                )
            if block.first.shape.spaced:
                raise PlanError(
                    f"Layer '{name}' is spaced, and an h pass that begins again would need weights that are used up; "
                    f"leave --weights external or --spaced away."
                )
        return replace(self, memory=memory, weight_bits=tuple(weight_bits))

    def with_slots(self, index: int, slots: int) -> NetworkPlan:
        """With another depth of the buffer before block ``index``; the last index is the output buffer."""
        if index == len(self.blocks):
            return replace(self, output_slots=slots)
        blocks = list(self.blocks)
        blocks[index] = blocks[index].with_slots(slots)
        return replace(self, blocks=tuple(blocks))

    def slots(self, index: int) -> int:
        """Depth of a buffer."""
        return self.output_slots if index == len(self.blocks) else self.blocks[index].input_slots


def engines_of(blocks: Sequence[BlockPlan]) -> tuple[EnginePlan, ...]:
    """All engines of blocks, in order."""
    return tuple(engine for block in blocks for engine in block.engines)
