"""Devices that share one layer, as one device of a system: what a search weighs beside single ones.

Every device of a group takes the same input, computes as many of the layer's outputs, and gives them to what is behind
the group.  Of a layer that is cut by rows it gives them to all others of the group, too; of a grouped one (G-LSTM) it
gives these what its group of gates gives, which the projection mixes.  All have one clock and do the same in the same
cycles, so one of them stands for all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import gcd

from rnngen.config.system import Device, Link, System
from rnngen.errors import PlanError
from rnngen.plan.branch import BranchPlan
from rnngen.plan.engine import EnginePlan, least_elements
from rnngen.plan.frames import StepFrame, even_values
from rnngen.plan.link import MOST_PAYLOAD
from rnngen.plan.network import BlockPlan, NetworkPlan
from rnngen.plan.partition.advice import linked
from rnngen.plan.partition.cuts import Cut, block_cuts
from rnngen.plan.partition.hops import Hop, hop
from rnngen.plan.partition.inner import group_branches, read_orders, row_engines
from rnngen.plan.partition.parts import Exchange, PartPlan, Parts, Refusal
from rnngen.plan.ports import port_words
from rnngen.plan.schedule import handed_beats
from rnngen.plan.search import Budget, plan_for_budget
from rnngen.plan.shapes import alone

NOT_LINKED = "equal links, as wide as a value, must join each of its devices, which are alike, to each other one"


@dataclass(frozen=True)
class Group:
    """Devices that share a block.

    Attributes:
        block: Its index.  members: Names of the devices, in the order of the outputs that they give.
    """

    block: int
    members: tuple[str, ...]

    @property
    def name(self) -> str:
        """Of the device that stands for them."""
        return "_and_".join(self.members)


def grouped(system: System, group: Group) -> System | None:
    """The system with one device in the place of the group; None where the host is at one of its members."""
    members = set(group.members)
    if members & {system.host.input, system.host.output}:
        return None
    first = system.device(group.members[0])
    one = replace(first, name=group.name, multipliers=first.multipliers * len(members), memory_bits=None, board=None)
    others = [device for device in system.devices if device.name not in members]
    links = [wire for wire in system.wires if not members & set(wire.ends)]
    for device in others:
        for turned in (False, True):
            found = _to_all(system, group, device, turned)
            if found is not None:
                links.append(found)
    reached = _reached(group.name, links)
    kept = [device for device in others if device.name in reached]
    if any(end not in reached for end in (system.host.input, system.host.output) if end is not None):
        return None
    links = [link for link in links if link.source in reached]
    return System((one, *kept), tuple(links), system.host)


def _to_all(system: System, group: Group, device: Device, turned: bool) -> Link | None:
    """A link from a device to the group, or back, that stands for equal ones to all of its members."""
    wires = [system.wire(*(ends[::-1] if turned else ends)) for ends in ((device.name, name) for name in group.members)]
    first = wires[0]
    if first is None:
        return None
    inner = system.wire(*group.members[:2])
    if turned and (inner is None or first.word_bits < inner.word_bits):
        return None  # what a device gives has the words of the links between the group's devices
    one = replace(first, source=group.name if turned else device.name, target=device.name if turned else group.name)
    alike = all(wire is not None and replace(wire, source=one.source, target=one.target) == one for wire in wires)
    return one if alike else None


def _reached(start: str, links: Sequence[Link]) -> set[str]:
    """Devices that hang together with one."""
    found = {start}
    while more := {end for link in links if found & set(link.ends) for end in link.ends} - found:
        found |= more
    return found


class GroupParts(Parts):
    """Plans of parts where one device stands for a group; ``of``: the parts of the system as it is.

    Raises:
        ValueError: saying why the group cannot share the block.
    """

    def __init__(self, of: Parts, group: Group) -> None:
        system = grouped(of.system, group)
        if system is None:
            raise ValueError("the host gives every step to all devices of the layer, and the system says where it is")
        super().__init__(of.network, system, of.capacity, of.fold, of.progress)
        self._of, self._group = of, group
        self._cut = _own_cut(of, group)
        self._exchange = self._exchanged()
        self._made_group: PartPlan | Refusal | None = None

    @property
    def name(self) -> str:
        """Of the device that stands for the group."""
        return self._group.name

    @property
    def kind(self) -> str:
        """Of the cut (``cuts.CUTS``)."""
        return self._cut.kind

    @property
    def whole(self) -> System:
        """The system as it is described."""
        return self._of.system

    def hop(self, wire: Link, end: int) -> Hop:
        """The results of the blocks before ``end`` on a link; of the group the part of each of its devices."""
        if wire.source != self._group.name:
            return super().hop(wire, end)
        values, bits, count = self.values(end - 1), self.value_bits(end - 1), len(self._group.members)
        most = even_values(values // count, bits, wire.word_bits)
        if self._exchange is not None and self.kind == "rows":  # the others are given the same words
            most = self._exchange.frame.values_a_word
        return hop(self.system, wire, values, bits, count, most)

    def known(self, device: Device, blocks: range) -> PartPlan | Refusal | None:
        """The plan or why there is none, where that was found already or is seen without planning."""
        if device.name != self._group.name:
            return super().known(device, blocks)
        if blocks != range(self._group.block, self._group.block + 1):
            return Refusal(device.name, blocks, "its devices share another layer")
        return self._made_group

    def plan(self, device: Device, blocks: range) -> PartPlan | Refusal:
        """The plan of blocks on a device, or why there is none."""
        if device.name != self._group.name:
            return super().plan(device, blocks)
        found = self.known(device, blocks)
        if found is None:
            found = self._made_group = self._fastest(device, blocks)
        return found

    def between(self, part: PartPlan, takes: StepFrame | None, gives: StepFrame | None) -> PartPlan:
        """The part with ports as wide as the words of the links on both sides; None: the host is there."""
        if gives is None and part.exchange is not None and self.kind == "rows":
            gives = part.exchange.frame
        fit = super().between(part, takes, gives)
        memory = self.whole.device(part.names[0]).memory_bits
        return replace(fit, device=replace(fit.device, memory_bits=memory)) if part.members else fit

    def _exchanged(self) -> Hop | None:
        """What each device gives to each other one."""
        exchange = self._cut.exchange
        if exchange.pattern != "all":
            return None
        first, second = self._group.members[:2]
        wire = self.whole.wire(first, second)
        bits, units = exchange.value_bits, exchange.values
        if wire is None or wire.word_bits < bits:
            raise ValueError(NOT_LINKED)
        found = hop(self.whole, wire, units, bits, 1, even_values(units, bits, wire.word_bits))
        if found.frame.words > MOST_PAYLOAD:
            raise ValueError(f"a step of {units:,} units is longer than the longest frame, of {MOST_PAYLOAD:,} words")
        return found

    def shared(self, plan: NetworkPlan, memory_bits: int) -> PartPlan:
        """The part that the group shares, by the plan of its first device."""
        block = self._group.block
        device = self.system.device(self._group.name)
        blocks, members = range(block, block + 1), self._group.members
        return PartPlan(device, blocks, plan, memory_bits, members, self._exchange, self.kind)

    def _fastest(self, device: Device, blocks: range) -> PartPlan | Refusal:
        """The fastest plan of the devices, of equal ones that of the fewest issues."""
        best: PartPlan | None = None
        member = self.whole.device(self._group.members[0])
        for plan in self._device_plans(member):
            least = plan.blocks[0].branches[0].work
            if best is not None and least >= best.interval:
                break  # what comes has no fewer issues
            if best is not None and plan.interval >= best.interval:
                continue
            bits = self._memory_bits(blocks, plan, len(self._group.members))
            if member.memory_bits is not None and bits > member.memory_bits:
                continue
            made = self.shared(plan, bits)
            if best is None or made.interval < best.interval:
                best = made
        said = f"no lanes of {member.multipliers} multipliers fit a device and its memory"
        return best or Refusal(device.name, blocks, said)

    def _device_plans(self, member: Device) -> Iterator[NetworkPlan]:
        """Plans of a device, those of the fewest issues first."""
        stages, pipeline = self._cut.shares[0].stages, self._of.pipeline(member)
        if self._exchange is None:
            with suppress(PlanError):
                yield plan_for_budget([alone(stages[0])], Budget(member.multipliers), pipeline)
        elif stages[1:]:
            for branch in group_branches(stages[0], stages[1], member.multipliers, pipeline):
                yield self._group_plan(branch, self._exchange)
        else:
            for engine in row_engines(stages[0], member.multipliers, pipeline):
                for ordered in read_orders(engine):
                    yield self._row_plan(ordered, self._exchange.frame.values_a_word)

    def _row_plan(self, engine: EnginePlan, words: int) -> NetworkPlan:
        """An engine with ports as wide as a word of the links."""
        engine = least_elements(engine, engine.rows)
        block = BlockPlan((BranchPlan(((engine,),)),))
        return NetworkPlan((block,), port_words(block, block.interval), words, remote_words=gcd(words, engine.columns))

    def _group_plan(self, branch: BranchPlan, exchange: Hop) -> NetworkPlan:
        """Gates of a group and a part of the projection, which begins so late that it never waits for a sound link."""
        words, inputs = exchange.frame.values_a_word, sum(share.stages[0].inputs for share in self._cut.shares)
        block = BlockPlan((branch,), inputs=inputs)
        remote = gcd(words, branch.last.columns)
        plan = NetworkPlan((block,), 1, 1, remote_words=remote, handed_words=words)
        there = Exchange(plan, exchange)([at * exchange.sender for at in handed_beats(plan)])
        begins = max(there[word] - int(branch.last.first_read(place)) for place, word in branch.last.others_h)
        block = replace(block, branches=(replace(branch, exchange=begins),)).with_slots(2)
        outputs = port_words(replace(block, inputs=branch.units), block.interval)
        return replace(plan, blocks=(block,), input_words=port_words(block, block.interval), output_words=outputs)


def member_plan(plan: NetworkPlan, number: int) -> NetworkPlan:
    """The plan of a device of a group, which may read a slice of its own of x, by that of the first one."""
    (block,) = plan.blocks
    if not block.inputs:
        return plan
    (branch,) = block.branches
    first = branch.first
    own = replace(first, shape=replace(first.shape, x_offset=number * first.shape.inputs))
    return replace(plan, blocks=(replace(block, branches=(replace(branch, stages=((own,), branch.stages[1])),)),))


def _own_cut(parts: Parts, group: Group) -> Cut:
    """How a block is cut: in the one way of its kind of layer that there are circuits for.

    Raises:
        ValueError: saying why it cannot be cut so.
    """
    network, own, count = parts.network, parts.network.blocks[group.block], len(group.members)
    layers = [network.layers[index] for index in own.branches[0].indices]
    layer = layers[-1]
    if own.post or any(each.h_0 is not None or each.state_0 is not None for each in layers):
        raise ValueError(f"layer '{layer.name}' begins with a state of its own, or something follows it on its way")
    cut = next((cut for cut in block_cuts(network, group.block, count) if cut.is_generated), None)
    if cut is None:
        raise ValueError(f"layer '{layer.name}' of {layer.output_size} units is not cut into {count} equal parts")
    return cut


def groups_of(parts: Parts, kind: str | None = None) -> Iterator[GroupParts | str]:
    """Every block with every number of devices that could share it, or why they cannot.

    Args:
        kind: How they share it; None: however they can.
    """
    for block in range(len(parts.network.blocks)):
        for count in range(2, len(parts.system.devices) + 1):
            members = linked(parts.system, count)
            try:
                found = NOT_LINKED if members is None else GroupParts(parts, Group(block, members))
            except ValueError as error:
                yield str(error)
                continue
            if isinstance(found, GroupParts) and kind not in (None, found.kind):
                yield f"a layer like that of block {block} is cut by {found.kind}"
            else:
                yield found
