"""A block that several devices share: how it is cut over them, and the fastest plan of each of them.

Every device takes the same input, computes as many of the block's outputs, and gives them to what is behind.  Of a
layer that is cut by rows it gives them to all others, too; of a grouped one (G-LSTM) it gives these what its group of
gates gives, which the projection mixes.  Of a Linear layer that is cut by inputs each computes sums of all outputs, and
the first device adds those of the others to its own and alone gives results.  All have one clock and do the same in the
same cycles, so one stands for all: the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from math import floor, gcd

from rnngen.config.system import Device, Link, System
from rnngen.errors import PlanError
from rnngen.plan.branch import BranchPlan
from rnngen.plan.elements import least_elements
from rnngen.plan.engine import EnginePlan
from rnngen.plan.frames import DeltaFrame, StepFrame, even_values
from rnngen.plan.layer import ceil_div
from rnngen.plan.link import MOST_PAYLOAD
from rnngen.plan.network import BlockPlan, Join, NetworkPlan
from rnngen.plan.partition.cuts import INPUTS, SHARED, Cut, block_cuts
from rnngen.plan.partition.hops import Hop, hop
from rnngen.plan.partition.inner import group_branches, read_orders, row_engines, slice_engines
from rnngen.plan.partition.parts import Alike, Exchange, PartPlan, Parts, Refusal, Sums
from rnngen.plan.partition.rings import Ring
from rnngen.plan.ports import port_words
from rnngen.plan.schedule import handed_beats, run_steps
from rnngen.plan.search import Budget, plan_for_budget
from rnngen.plan.shapes import alone
from rnngen.plan.timing import DEFAULT_PIPELINE, GO_TO_ISSUE_CYCLES, HANDOVER_CYCLES, JOIN_CYCLES, tail_timing

NOT_LINKED = (
    "equal links, as wide as a value, must join each of its devices, which are alike, to each other one, or all of "
    "them in a ring"
)
NOT_TO_ONE = "equal links, as wide as a sum, must lead from all but one of its devices, which are alike, to that one"

_WIDEST_BEAT = 128
"""Bits of a beat of h, where links take what changed of it."""


@dataclass(frozen=True)
class Group:
    """Devices that share a block.

    Attributes:
        block: Its index.  members: Names of the devices, in the order of the outputs that they give.
        ring: The links that they use for what they exchange; None: those from each to each other one.
        by_inputs: Each multiplies some of the inputs; their sums go to the first one.
    """

    block: int
    members: tuple[str, ...]
    ring: Ring | None = None
    by_inputs: bool = False

    @property
    def name(self) -> str:
        """Of the device that stands for them."""
        return "_and_".join(self.members)

    @property
    def givers(self) -> tuple[str, ...]:
        """The members that give results."""
        return self.members[:1] if self.by_inputs else self.members

    @property
    def blocks(self) -> range:
        """The block alone."""
        return range(self.block, self.block + 1)

    def wire(self, system: System) -> Link | None:
        """One of the links between them, which are alike: of a ring one of those that always are there."""
        first, second = self.members[:2]
        to_first = self.ring is not None or self.by_inputs
        return system.wire(second, first) if to_first else system.wire(first, second)

    def stands_in(self, system: System) -> Device:
        """The device in their place."""
        first, count = system.device(self.members[0]), len(self.members)
        return replace(first, name=self.name, multipliers=first.multipliers * count, memory_bits=None, board=None)


class SharedBlock:
    """A block that a group shares; ``of``: the parts of the system as it is.

    Raises:
        ValueError: saying why the group cannot share the block.
    """

    def __init__(self, of: Parts, group: Group) -> None:
        self.group, self._of = group, of
        self._cut = _own_cut(of, group)
        self.exchange = self._exchanged()

    @property
    def kind(self) -> str:
        """Of the cut (``cuts.CUTS``)."""
        return self._cut.kind

    @property
    def _threshold(self) -> int | None:
        """How much a word of h may differ, in its last place, from what the others know of it."""
        if self._of.delta is None:
            return None
        network = self._of.network
        layer = network.layers[network.blocks[self.group.block].branches[0].last]
        return floor(self._of.delta * Fraction(2) ** layer.output_format.fraction)

    @property
    def _function(self) -> str:
        """Kind of the layer's function."""
        network = self._of.network
        return network.layers[network.blocks[self.group.block].branches[0].last].formats.kind

    @property
    def row_exchange(self) -> Hop | None:
        """Between devices that are given the same words as what is behind them; else None."""
        return self.exchange if self.kind == "rows" else None

    def hop(self, system: System, wire: Link) -> Hop:
        """The part of a step that each of the devices gives, on a link to what is behind."""
        end, count = self.group.block, len(self.group.givers)
        values, bits = self._of.values(end), self._of.value_bits(end)
        rows = self.row_exchange
        if self.group.by_inputs:
            assert self.exchange is not None, "sums go to the first device"
            return hop(system, wire, values, bits, most=self.exchange.frame.values_a_word)
        most = even_values(values // count, bits, wire.word_bits) if rows is None else rows.frame.values_a_word
        return hop(system, wire, values, bits, count, most)

    def part(self, plan: NetworkPlan, memory_bits: int) -> PartPlan:
        """The part that the group shares, by the plan of its first device."""
        device, members = self.group.stands_in(self._of.system), self.group.members
        threshold = self._threshold
        return PartPlan(device, self.group.blocks, plan, memory_bits, members, self.exchange, self.kind, threshold)

    @property
    def alike(self) -> Alike:
        """Equal for groups whose devices have the same plans: other devices of the same kind share the block."""
        member = replace(self._of.system.device(self.group.members[0]), name="one")
        wire = None if self.exchange is None else replace(self.exchange.wire, source="one", target="other", pins=None)
        return self.group.block, len(self.group.members), member, wire, self.group.ring, self.group.by_inputs

    @cached_property
    def fastest(self) -> PartPlan | Refusal:
        """The fastest plan of the devices, of equal ones that of the fewest issues.

        Where only what changed crosses links it is the one that is fastest when nothing does.
        """
        known = self._of.shared_plans
        if self.alike not in known:
            known[self.alike] = self._fastest()
        found = known[self.alike]
        if isinstance(found, Refusal):
            return replace(found, device=self.group.name)
        return self.part(found.plan, found.memory_bits)

    def _fastest(self) -> PartPlan | Refusal:
        best: PartPlan | None = None
        member = self._of.system.device(self.group.members[0])
        for plan in self._device_plans(member):
            least = plan.blocks[0].branches[0].work
            if best is not None and least >= best.least_interval:
                break  # what comes has no fewer issues
            if best is not None and plan.interval >= best.least_interval:
                continue
            bits = self._of.memory_bits(self.group.blocks, plan, len(self.group.members))
            if member.memory_bits is not None and bits > member.memory_bits:
                continue
            made = self.part(plan, bits)
            if best is None or made.least_interval < best.least_interval:
                best = made
        said = f"no lanes of {member.multipliers} multipliers fit a device and its memory"
        return best or Refusal(self.group.name, self.group.blocks, said)

    def _exchanged(self) -> Hop | None:
        """What each device gives to each other one."""
        exchange, system = self._cut.exchange, self._of.system
        if self.group.by_inputs:
            return self._given_sums()
        if exchange.pattern != "all":
            if self._of.delta is not None:
                raise ValueError(f"layers that are cut by {self.kind} exchange nothing in every step")
            if self.group.ring is not None:
                raise ValueError(f"layers that are cut by {self.kind} exchange nothing around a ring")
            return None
        wire = self.group.wire(system)
        bits, units = exchange.value_bits, exchange.values
        if wire is None or wire.word_bits < bits:
            raise ValueError(NOT_LINKED)
        found = hop(system, wire, units, bits, 1, even_values(units, bits, wire.word_bits))
        if self._of.delta is not None:
            found = replace(found, frame=self._changes(found.frame))
        if found.frame.words > MOST_PAYLOAD:
            raise ValueError(f"a step of {units:,} units is longer than the longest frame, of {MOST_PAYLOAD:,} words")
        return replace(found, ring=self.group.ring)

    def _changes(self, frame: StepFrame) -> DeltaFrame:
        """What each device gives to each other one where only words of h that changed are given.

        Links then need not take what the core gives as fast as it does; but what is behind, and takes the same, must.
        """
        if self.kind != "rows" or self.group.ring is not None:
            raise ValueError("what has changed is given by devices of a layer by rows that direct links join")
        alone = self.group.block + 1 == len(self._of.network.blocks) and self._of.system.host.output is None
        beats = range(frame.values_a_word, _WIDEST_BEAT // frame.width + 1, frame.values_a_word)
        beat = max((values for values in beats if alone and frame.values % values == 0), default=0)
        return DeltaFrame(frame.values, frame.width, frame.word_bits, frame.most, beat)

    def _given_sums(self) -> Hop:
        """What each other device gives to the first one."""
        exchange, system = self._cut.exchange, self._of.system
        wire = self.group.wire(system)
        if wire is None or wire.word_bits < exchange.value_bits:
            raise ValueError(NOT_TO_ONE)
        found = hop(system, wire, exchange.values, exchange.value_bits)
        if found.frame.words > MOST_PAYLOAD:
            said = f"a step of {exchange.values:,} sums is longer than the longest frame, of {MOST_PAYLOAD:,} words"
            raise ValueError(said)
        return found

    def _device_plans(self, member: Device) -> Iterator[NetworkPlan]:
        """Plans of a device, those of the fewest issues first."""
        stages, pipeline = self._cut.shares[0].stages, self._of.pipeline(member)
        if self.group.by_inputs:
            for engine in slice_engines(stages[0], member.multipliers, pipeline):
                yield self._input_plan(engine)
        elif self.exchange is None:
            with suppress(PlanError):
                yield plan_for_budget([alone(stages[0])], Budget(member.multipliers), pipeline)
        elif stages[1:]:
            for branch in group_branches(stages[0], stages[1], member.multipliers, pipeline):
                yield self._group_plan(branch, self.exchange)
        else:
            for engine in row_engines(stages[0], member.multipliers, pipeline):
                for ordered in read_orders(engine):
                    yield self._row_plan(ordered, self.exchange.frame.port_values)

    def _row_plan(self, engine: EnginePlan, words: int) -> NetworkPlan:
        """An engine with ports as wide as a word of the links."""
        engine = least_elements(engine, engine.rows)
        block = BlockPlan((BranchPlan(((engine,),)),))
        return NetworkPlan((block,), port_words(block, block.interval), words, remote_words=gcd(words, engine.columns))

    def _input_plan(self, engine: EnginePlan) -> NetworkPlan:
        """Of the first device, which holds its sums until those of the others are there."""
        assert self.exchange is not None, "sums go to the first device"
        engine = least_elements(engine, engine.rows)
        count, words = len(self.group.members), self.exchange.frame.values_a_word
        block = BlockPlan((BranchPlan(((engine,),)),), inputs=count * engine.shape.inputs)
        join = Join(count - 1, words, 2, JOIN_CYCLES + tail_timing(self._function, DEFAULT_PIPELINE).output)
        plan = NetworkPlan((block,), port_words(block, block.interval), words, join=join)
        fastest = max(plan.interval, ceil_div(self.exchange.interval, self.exchange.sender))
        return held_until_joined(plan, self.exchange, fastest)

    def _group_plan(self, branch: BranchPlan, exchange: Hop) -> NetworkPlan:
        """Gates of a group and a part of the projection, which begins so late that it never waits for a sound link."""
        words, inputs = exchange.frame.values_a_word, sum(share.stages[0].inputs for share in self._cut.shares)
        block = BlockPlan((branch,), inputs=inputs)
        remote = gcd(words, branch.last.columns)
        plan = NetworkPlan((block,), 1, 1, remote_words=remote, handed_words=words)
        there = Exchange(plan, exchange)(handed_beats(plan))
        begins = max(at - int(branch.last.first_read(place)) for place, at in zip(branch.last.others_h, there))
        block = replace(block, branches=(replace(branch, exchange=begins),)).with_slots(2)
        outputs = port_words(replace(block, inputs=branch.units), block.interval)
        return replace(plan, blocks=(block,), input_words=port_words(block, block.interval), output_words=outputs)


def held_until_joined(plan: NetworkPlan, exchange: Hop, interval: int) -> NetworkPlan:
    """With as many steps of sums, and of results, as are held at once where they are so many cycles apart."""
    join = plan.join
    assert join is not None, "sums of other devices are added"
    times = run_steps(plan, [True], [0], others=Sums(plan, exchange))
    start, taken = times.issues[0][0] - GO_TO_ISSUE_CYCLES, times.joined[0]
    held = taken[-1] + HANDOVER_CYCLES - start
    behind = times.outputs[0][-1] + HANDOVER_CYCLES - taken[0]
    slots = [max(2, ceil_div(cycles, interval)) for cycles in (held, behind)]
    return replace(plan, join=replace(join, slots=slots[0]), output_slots=slots[1])


def member_plan(plan: NetworkPlan, number: int) -> NetworkPlan:
    """The plan of a device of a group, which may read a slice of its own of x, by that of the first one.

    Of those that give sums to the first one, all the others.
    """
    if not plan.handed_words and plan.join is None:
        return plan
    (block,) = plan.blocks
    (branch,) = block.branches
    first = branch.first
    own = replace(first, shape=replace(first.shape, x_offset=number * first.shape.inputs))
    stages = ((own,), *branch.stages[1:])
    plan = replace(plan, blocks=(replace(block, branches=(replace(branch, stages=stages),)),))
    if plan.join is None or number == 0:
        return plan
    return replace(plan, output_words=plan.join.words, output_slots=2, join=None)


def _own_cut(parts: Parts, group: Group) -> Cut:
    """How a block is cut: by its inputs, or in the one other way of its kind of layer that there are circuits for.

    Raises:
        ValueError: saying why it cannot be cut so.
    """
    network, own, count = parts.network, parts.network.blocks[group.block], len(group.members)
    layers = [network.layers[index] for index in own.branches[0].indices]
    layer = layers[-1]
    if own.post or any(each.h_0 is not None or each.state_0 is not None for each in layers):
        raise ValueError(f"layer '{layer.name}' begins with a state of its own, or something follows it on its way")
    cuts = (cut for cut in block_cuts(network, group.block, count) if cut.kind in SHARED)
    cut = next((cut for cut in cuts if (cut.kind == INPUTS) == group.by_inputs), None)
    if cut is None and group.by_inputs:
        raise ValueError(f"layer '{layer.name}' is no Linear layer whose inputs are cut into {count} equal parts")
    if cut is None:
        raise ValueError(f"layer '{layer.name}' of {layer.output_size} units is not cut into {count} equal parts")
    return cut
