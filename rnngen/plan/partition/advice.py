"""What a cut inside the layer that binds would give, on the devices of a system that are alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

from rnngen.config.system import Device, Link, System
from rnngen.errors import PlanError
from rnngen.plan.partition.cuts import Cut, block_cuts
from rnngen.plan.partition.exchange import Wires, direct_wires, ring_wires
from rnngen.plan.partition.inner import CutPlan, cheaper, plan_cut
from rnngen.plan.partition.parts import PartPlan, Parts
from rnngen.plan.partition.result import Partition

_MOST_DEVICES = 8
"""Devices that one layer is cut over at most."""


@dataclass(frozen=True)
class Advice:
    """A cut inside a layer, as planned.

    Attributes:
        layer: Its name.  devices: That take a part each.
        whole: Step interval in cycles of the layer whole on one of the devices; None where it does not fit.
    """

    layer: str
    devices: tuple[str, ...]
    plan: CutPlan
    whole: int | None


def inner_cuts(parts: Parts, partition: Partition) -> list[Advice]:
    """Cuts inside the layer that binds a cut, over 2 devices, and more; those that make its interval shorter."""
    block = _binding_block(partition)
    if block is None:
        return []
    own = parts.network.blocks[block]
    name = parts.network.layers[own.branches[0].last].name
    found: list[Advice] = []
    for devices, wirings in _groups(parts.system):
        first = parts.system.device(devices[0])
        whole = parts.plan(first, range(block, block + 1))
        interval = whole.interval if isinstance(whole, PartPlan) else None
        for cut in block_cuts(parts.network, block, len(devices)):
            plan = _planned(parts, cut, wirings, first)
            if plan is not None and (interval is None or plan.interval < interval):
                found.append(Advice(name, devices, plan, interval))
    return found


def _binding_block(partition: Partition) -> int | None:
    """The slowest block of the slowest device; None where a link binds."""
    ticks = partition.device_ticks
    if max(ticks) < partition.interval_ticks:
        return None
    part = partition.parts[ticks.index(max(ticks))]
    intervals = [block.interval for block in part.plan.blocks]
    return part.blocks.start + intervals.index(max(intervals))


def _planned(parts: Parts, cut: Cut, wirings: Sequence[Wires], device: Device) -> CutPlan | None:
    """The best plan of a cut; None where nothing fits."""
    if device.memory_bits is not None and _weight_bits(parts, cut) > device.memory_bits:
        return None
    made = []
    for wires in wirings:
        try:
            made.append(plan_cut(cut, wires, device.multipliers, parts.pipeline(device)))
        except PlanError:
            continue
    return cheaper(made) if made else None


def _weight_bits(parts: Parts, cut: Cut) -> int:
    """Of the device that has most: no plan of it stores fewer."""
    layers = [parts.network.layers[i] for i in parts.network.blocks[cut.block].branches[0].indices]
    width = max(layer.formats.product.weight_width for layer in layers)
    return max(sum(stage.macs for stage in share.stages) for share in cut.shares) * width


def _groups(system: System) -> Iterator[tuple[tuple[str, ...], list[Wires]]]:
    """Of each number of devices that are alike the first ones that direct links or a ring of equal links join."""
    every = [device.name for device in system.devices]
    for count in range(2, min(len(every), _MOST_DEVICES) + 1):
        direct = _joined(system, count, every, ring=False)
        names = direct or _joined(system, count, every, ring=True)
        if names is not None:
            yield names, _wirings(system, names, direct is not None)


def linked(system: System, count: int, free: Sequence[str]) -> tuple[str, ...] | None:
    """So many devices that are alike, each with a link to each other one; None if there are none.

    Args:
        free: Of which they are, in the system's order.
    """
    return _joined(system, count, free, ring=False)


def ringed(system: System, count: int, free: Sequence[str]) -> tuple[tuple[str, ...], bool] | None:
    """So many devices that are alike in a ring of equal links, each with a link to the one before it.

    Args:
        free: Of which they are, in the system's order.

    Returns:
        Names in the order of the ring, and whether the links go both ways; None if there is no ring.
    """
    names = _joined(system, count, free, ring=True) if 2 < count <= _MOST_DEVICES else None
    if names is None:
        return None
    both = _both_ways(system, names)
    return names if both else (names[0], *names[:0:-1]), both


def starred(system: System, count: int, free: Sequence[str]) -> list[tuple[str, ...]]:
    """So many devices that are alike with equal links from the others to the first: one choice of each first one.

    Args:
        free: Of which they are.
    """
    found = []
    for first in free:
        group: tuple[str, ...] = (first,)
        for name in free:
            pairs = [(other, first) for other in (*group[1:], name)]
            if len(group) < count and name != first and _alike(system, first, name) and _equal(system, pairs):
                group = (*group, name)
        if len(group) == count:
            found.append(group)
    return found


def _both_ways(system: System, names: Sequence[str]) -> bool:
    """Whether equal links go both ways round a ring."""
    ahead = _around(names)
    return _equal(system, [*ahead, *(pair[::-1] for pair in ahead)]) is not None


def _joined(system: System, count: int, names: Sequence[str], ring: bool) -> tuple[str, ...] | None:
    """The first devices, in the order of a ring, each linked to the next one, or to all others both ways."""
    waiting: list[tuple[str, ...]] = [(name,) for name in reversed(names)]
    while waiting:
        group = waiting.pop()
        if len(group) == count:
            if not ring or _equal(system, _around(group)) is not None:
                return group
            continue
        later = names[names.index(group[0]) + 1 :]  # each ring is walked from its first device on
        for name in reversed(later):
            if name in group or not _alike(system, group[0], name):
                continue
            pairs = [(group[-1], name)] if ring else [pair for one in group for pair in ((one, name), (name, one))]
            known = list(zip(group, group[1:])) if ring else list(permutations(group, 2))
            if (ring or names.index(name) > names.index(group[-1])) and _equal(system, [*known, *pairs]) is not None:
                waiting.append((*group, name))
    return None


def _alike(system: System, one: str, other: str) -> bool:
    return replace(system.device(one), name=other) == system.device(other)


def _around(group: Sequence[str]) -> list[tuple[str, str]]:
    """Each with the next one, and the last with the first."""
    return list(zip(group, (*group[1:], group[0])))


def _wirings(system: System, names: Sequence[str], direct: bool) -> list[Wires]:
    """The ways in which each of these devices reaches all others over equal links of a word a cycle."""
    ahead = _around(names)
    one = _equal(system, ahead)
    assert one is not None, "a ring of equal links joins them"
    found = [ring_wires(len(names), one.word_bits, one.latency_cycles, _both_ways(system, names))]
    return [direct_wires(len(names), one.word_bits, one.latency_cycles), *found] if direct else found


def _equal(system: System, pairs: Sequence[tuple[str, str]]) -> Link | None:
    """The link between devices if there is one between each of these and all are alike, a word a cycle."""
    wires = [system.wire(*pair) for pair in pairs]
    first = wires[0]
    if first is None or system.word_ticks(first) != system.cycle_ticks(first.source):
        return None
    same = all(
        wire is not None and (wire.word_bits, wire.latency_cycles) == (first.word_bits, first.latency_cycles)
        and system.word_ticks(wire) == system.word_ticks(first)
        for wire in wires
    )  # fmt: skip
    return first if same else None
