"""Devices that share blocks in the search: each group of them as one device beside single ones."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from rnngen.config.system import Device, Link, System
from rnngen.ir.quantised import QuantisedNetwork
from rnngen.plan.frames import StepFrame
from rnngen.plan.layer import ceil_div
from rnngen.plan.partition.advice import linked, ringed, starred
from rnngen.plan.partition.cuts import INPUTS, SHARED
from rnngen.plan.partition.hops import Hop
from rnngen.plan.partition.parts import PartPlan, Parts, Refusal
from rnngen.plan.partition.result import Partition
from rnngen.plan.partition.rings import Ring
from rnngen.plan.partition.shared import NOT_LINKED, NOT_TO_ONE, Group, SharedBlock, held_until_joined


def grouped(system: System, group: Group) -> System | None:
    """The system with one device in the place of the group; None where the host is at one of its members."""
    members = set(group.members)
    if members & {system.host.input, system.host.output}:
        return None
    if not members <= {device.name for device in system.devices}:
        return None  # another group has cut them off
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
    return System((group.stands_in(system), *kept), tuple(links), system.host)


def _to_all(system: System, group: Group, device: Device, turned: bool) -> Link | None:
    """A link from a device to the group, or back, that stands for equal ones to all members, or from all that give."""
    ends = [(name, device.name) for name in group.givers] if turned else [(device.name, name) for name in group.members]
    wires = [system.wire(*pair) for pair in ends]
    first = wires[0]
    if first is None:
        return None
    inner = group.wire(system)
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
    """Plans of parts where devices stand for groups; ``of``: the parts of the system as it is.

    Raises:
        ValueError: saying why there is no such system.
    """

    def __init__(self, of: Parts, shared: Sequence[SharedBlock]) -> None:
        system: System | None = of.system
        for each in shared:
            system = None if system is None else grouped(system, each.group)
        if system is None:
            raise ValueError("the host gives every step to all devices of the layer, and the system says where it is")
        super().__init__(of.network, system, of.capacity, of.fold, of.progress)
        self.share_plans(of)
        self._of = of
        self._shared = {each.group.name: each for each in shared}

    @property
    def names(self) -> tuple[str, ...]:
        """Of the devices that stand for groups."""
        return tuple(self._shared)

    @property
    def least_ticks(self) -> int:
        """No cut with these groups has a shorter step interval."""
        shared, blocks = self._shared.values(), set(range(len(self.network.blocks)))
        fastest = [each.fastest for each in shared]
        own = [part.interval * self.system.cycle_ticks(part.device.name) for part in fastest
               if isinstance(part, PartPlan)]  # fmt: skip
        rest = blocks - {each.group.block for each in shared}
        products = sum(self.products(range(block, block + 1)) for block in rest)
        free = [device for device in self.system.devices if device.name not in self._shared]
        rate = sum(self.most_products(device) * device.clock_hz for device in free)
        return max(*own, ceil_div(products * self.system.ticks_hz, rate) if rate else 0, 0)

    @property
    def whole(self) -> System:
        """The system as it is described."""
        return self._of.system

    def hop(self, wire: Link, end: int) -> Hop:
        """The results of the blocks before ``end`` on a link; of a group the part of each of its devices."""
        shared = self._shared.get(wire.source)
        return super().hop(wire, end) if shared is None else shared.hop(self.system, wire)

    def known(self, device: Device, blocks: range) -> PartPlan | Refusal | None:
        """As for ``Parts``; the plan of a group is made at once, as every cut takes it."""
        shared = self._shared.get(device.name)
        if shared is None:
            return super().known(device, blocks)
        if blocks != shared.group.blocks:
            return Refusal(device.name, blocks, "its devices share another layer")
        return shared.fastest

    def plan(self, device: Device, blocks: range) -> PartPlan | Refusal:
        """The plan of blocks on a device, or why there is none."""
        if device.name not in self._shared:
            return super().plan(device, blocks)
        found = self.known(device, blocks)
        assert found is not None, "a group's plan is always known"
        return found

    def settled(self, found: Partition) -> Partition:
        """A cut with no more room for sums than steps as far apart as the system's need."""
        return replace(found, parts=tuple(self._settled(part, found.interval_ticks) for part in found.parts))

    def _settled(self, part: PartPlan, ticks: int) -> PartPlan:
        if not part.joins or part.exchange is None:
            return part
        plan = held_until_joined(part.plan, part.exchange, ticks // self.system.cycle_ticks(part.device.name))
        return replace(part, plan=plan, memory_bits=self.memory_bits(part.blocks, plan, len(part.names)))

    def between(self, part: PartPlan, takes: StepFrame | None, gives: StepFrame | None) -> PartPlan:
        """The part with ports as wide as the words of the links on both sides; None: the host is there."""
        shared = self._shared.get(part.device.name)
        if shared is None:
            return super().between(part, takes, gives)
        if gives is None and shared.row_exchange is not None:
            gives = shared.row_exchange.frame
        fit = super().between(part, takes, gives)
        memory = self.whole.device(part.names[0]).memory_bits
        return replace(fit, device=replace(fit.device, memory_bits=memory))


def groups_of(parts: Parts, kinds: Collection[str] = SHARED) -> Iterator[GroupParts | str]:
    """Every choice of blocks that devices share, with every number of devices each, or why there is none.

    Those of fewer groups come first.  Of devices that are alike the first ones that are free are taken.

    Args:
        kinds: How they may share them.
    """
    made: dict[Group, SharedBlock | str] = {}
    host = {parts.system.host.input, parts.system.host.output}  # at no member; taken last, so that this is told
    names = tuple(sorted((device.name for device in parts.system.devices), key=host.__contains__))
    by_inputs = _linear_blocks(parts.network) if INPUTS in kinds else frozenset()
    others = set(kinds) - {INPUTS}
    if not (by_inputs or others):
        yield "the network has no Linear layer"
    otherwise = frozenset(range(len(parts.network.blocks)) if others else ())
    ways = _Ways(len(parts.network.blocks), otherwise, by_inputs)
    for groups in sorted(_choices(parts.system, 0, names, ways), key=len):
        found = [_made(parts, group, kinds, made) for group in groups]
        refused = next((each for each in found if isinstance(each, str)), None)
        if refused is not None:
            if len(groups) == 1:
                yield refused
        elif found:
            try:
                yield GroupParts(parts, [each for each in found if isinstance(each, SharedBlock)])
            except ValueError as error:
                yield str(error)


def _linear_blocks(network: QuantisedNetwork) -> frozenset[int]:
    """Blocks of a Linear layer alone, whose inputs may be cut."""
    alone = {index: block.branches[0] for index, block in enumerate(network.blocks) if not block.stored}
    layers = {index: network.layers[branch.last] for index, branch in alone.items() if len(branch.indices) == 1}
    return frozenset(index for index, layer in layers.items() if layer.weight_h is None and not layer.symbols)


@dataclass(frozen=True)
class _Ways:
    """Of so many blocks those that may be cut by inputs, and those that may be cut otherwise."""

    blocks: int
    otherwise: frozenset[int]
    by_inputs: frozenset[int]

    def groups(self, system: System, block: int, count: int, free: Sequence[str]) -> Iterator[Group]:
        """So many free devices each that may share a block; groups of nobody stand for those that are not linked so."""
        if block in self.otherwise:
            yield from _joined(system, block, count, free) or [Group(block, ())]
        if block in self.by_inputs:
            yield from _summed(system, block, count, free) or [Group(block, (), by_inputs=True)]


def _choices(system: System, block: int, free: tuple[str, ...], ways: _Ways) -> Iterator[tuple[Group, ...]]:
    """Groups for the blocks from one on, of devices that are free."""
    if block == ways.blocks:
        yield ()
        return
    yield from _choices(system, block + 1, free, ways)
    for count in range(2, len(free) + 1):
        for group in ways.groups(system, block, count, free):
            left = tuple(name for name in free if name not in group.members)
            for others in _choices(system, block + 1, left, ways) if group.members else ((),):
                yield (group, *others)


def _joined(system: System, block: int, count: int, free: Sequence[str]) -> list[Group]:
    """So many devices with direct links, and in a ring; of equal ones the former are taken.

    Not in a ring of devices that equal links join directly: each frame would come there no earlier, and most later.
    """
    members, around = linked(system, count, free), ringed(system, count, free)
    found = [] if members is None else [Group(block, members)]
    if around is not None:
        ring = Group(block, around[0], Ring(count, around[1]))
        wires = [group.wire(system) for group in (*found, ring)]
        alike = {replace(wire, source="", target="other", pins=None) for wire in wires if wire is not None}
        if members is None or set(members) != set(ring.members) or len(alike) > 1:
            found.append(ring)
    return found


def _summed(system: System, block: int, count: int, free: Sequence[str]) -> list[Group]:
    """So many devices with direct links to one of them, whichever that is."""
    return [Group(block, members, by_inputs=True) for members in starred(system, count, free)]


def _made(
    parts: Parts, group: Group, kinds: Collection[str], made: dict[Group, SharedBlock | str]
) -> SharedBlock | str:
    """The block that a group shares, or why it cannot; each is made once."""
    if group not in made:
        try:
            alone = NOT_TO_ONE if group.by_inputs else NOT_LINKED
            made[group] = SharedBlock(parts, group) if group.members else alone
        except ValueError as error:
            made[group] = str(error)
    found = made[group]
    if isinstance(found, SharedBlock) and found.kind not in kinds:
        return f"a layer like that of block {group.block} is cut by {found.kind}"
    return found
