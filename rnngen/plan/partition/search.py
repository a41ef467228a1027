"""The best cut of a network into neighbouring blocks on devices, exactly.

Dynamic programming over (devices in use, the last of them, blocks done), which keeps every pair of interval and latency
that no other one beats.  Plans of parts cost time, so a part that was not planned yet counts with what it takes at
least; where the best cut has such parts they are planned, and the search begins anew.  Once all parts of the best cut
are planned no other cut can be better, as nothing counted more than it takes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from rnngen.config.system import Device, Link, System
from rnngen.errors import PlanError
from rnngen.plan.link import MOST_PAYLOAD
from rnngen.plan.partition.hops import Hop, giving, hop, taking
from rnngen.plan.partition.parts import PartPlan, Parts, Refusal
from rnngen.plan.partition.result import Partition

_MOST_WAYS = 1_000_000
"""Partial cuts that a search weighs at most."""


@dataclass(frozen=True)
class Loser:
    """A number of devices over which nothing was found, and why."""

    devices: int
    reason: str


@dataclass(frozen=True, eq=False)
class SearchResult:
    """What a search found.

    Attributes:
        best: The best cut of all.
        others: The best cut over each other number of devices, or why there is none.
    """

    best: Partition
    others: tuple[Partition | Loser, ...]


@dataclass(frozen=True)
class _Place:
    """Blocks on a device, and how they came there."""

    device: int
    blocks: range
    wire: Link | None


@dataclass(frozen=True)
class _Way:
    """A partial cut: places so far, and a device that takes blocks from ``done`` on."""

    places: tuple[_Place, ...]
    interval: int
    latency: int


@dataclass(frozen=True)
class _State:
    """Where partial cuts go on: devices in use as bits, the newest one, the link to it, and blocks done."""

    used: int
    device: int
    wire: Link | None
    done: int


def best_partition(parts: Parts, goal: str = "interval") -> SearchResult:
    """The cut with the least step interval, then the least latency (``goal`` "latency": the other way round).

    Of equal ones the one over fewer devices.

    Raises:
        PlanError: if the network fits no way, saying what is in the way; or there are too many ways to weigh.
    """
    found = _Search(parts, goal).all_counts()
    cuts = [each for each in found if isinstance(each, Partition)]
    if not cuts:
        reasons = "; ".join(f"over {each.devices}: {each.reason}" for each in found if isinstance(each, Loser))
        raise PlanError(f"The network fits the system on no number of devices ({reasons}).")
    best = min(cuts, key=lambda cut: (*cut.key(goal), len(cut.parts)))
    return SearchResult(best, tuple(each for each in found if each is not best))


class _Search:
    def __init__(self, parts: Parts, goal: str) -> None:
        self._parts, self._goal = parts, goal
        self._system, self._devices = parts.system, parts.system.devices
        self._blocks = len(parts.network.blocks)
        self._most = min(len(self._devices), self._blocks)
        self._hops: dict[tuple[Link, int], Hop] = {}
        self._refused: dict[tuple[int, bool], Refusal] = {}  # by devices so far, and whether it is the last one
        self._out: dict[str, list[tuple[int, Link]]] = defaultdict(list)
        index = {device.name: number for number, device in enumerate(self._devices)}
        for wire in self._system.wires:
            self._out[wire.source].append((index[wire.target], wire))

    def all_counts(self) -> list[Partition | Loser]:
        """The best cut over each number of devices."""
        while True:
            ways = self._best_ways()
            unknown = [place for way in ways.values() for place in way.places if self._plan(place) is None]
            if not unknown:
                break
            for place in unknown:
                self._parts.plan(self._devices[place.device], place.blocks)
        counts = range(1, self._most + 1)
        return [self._partition(ways[count]) if count in ways else self._loser(count) for count in counts]

    def _plan(self, place: _Place) -> PartPlan | None:
        """The plan of a place, where it is known."""
        found = self._parts.known(self._devices[place.device], place.blocks)
        return found if isinstance(found, PartPlan) else None

    def _best_ways(self) -> dict[int, _Way]:
        """By number of devices the best way through, with what parts take at least where they are not planned."""
        best: dict[int, _Way] = {}
        level: dict[_State, list[_Way]] = {state: [_Way((), 0, 0)] for state in self._starts()}
        weighed = 0
        for count in range(1, self._most + 1):
            following: dict[_State, list[_Way]] = defaultdict(list)
            for state, ways in level.items():
                for way in _undominated(ways):
                    weighed += 1
                    for after, grown in self._grown(state, way, count):
                        if after is not None:
                            following[after].append(grown)
                        elif count not in best or self._rank(grown) < self._rank(best[count]):
                            best[count] = grown
            if weighed > _MOST_WAYS:
                raise PlanError(
                    f"A search over {len(self._devices)} devices weighs more than {_MOST_WAYS:,} partial cuts; "
                    f"describe fewer links, a chain or a ring."
                )
            level = following
        return best

    def _starts(self) -> Iterator[_State]:
        host = self._system.host.input
        for number, device in enumerate(self._devices):
            if host in (None, device.name) and self._is_next(0, number):
                yield _State(1 << number, number, None, 0)

    def _rank(self, way: _Way) -> tuple[int, int]:
        return (way.interval, way.latency) if self._goal == "interval" else (way.latency, way.interval)

    def _grown(self, state: _State, way: _Way, count: int) -> Iterator[tuple[_State | None, _Way]]:
        """With blocks on the newest device, and the link on from there; None behind the last block."""
        device = self._devices[state.device]
        output = self._system.host.output
        for end in range(state.done + 1, self._blocks + 1):
            placed = self._placed(state, way, end, count)
            if placed is None:
                continue
            if end == self._blocks:
                if output in (None, device.name):
                    yield None, placed
                continue
            if output == device.name:
                continue  # results leave here, so nothing may follow
            for target, wire in self._out[device.name]:
                fits = self._hop(wire, end).payload <= MOST_PAYLOAD
                if fits and not state.used >> target & 1 and self._is_next(state.used, target):
                    yield self._sent(state, placed, end, target, wire)

    def _placed(self, state: _State, way: _Way, end: int, count: int) -> _Way | None:
        """With blocks on the newest device; None if it cannot take them."""
        device = self._devices[state.device]
        place = _Place(state.device, range(state.done, end), state.wire)
        cycle = self._system.cycle_ticks(device.name)
        found = self._parts.known(device, place.blocks)
        if isinstance(found, Refusal):
            told = self._refused.get((count, end == self._blocks))
            if told is None or len(found.blocks) < len(told.blocks):
                self._refused[count, end == self._blocks] = found
            return None
        if found is None:
            interval, latency = self._parts.least_interval(device, place.blocks) * cycle, 0
        else:
            interval, latency = found.interval * cycle, found.outputs[-1] * cycle
            if state.wire is not None:
                latency += taking(self._system, self._hop(state.wire, state.done), found)
        return _Way((*way.places, place), max(way.interval, interval), way.latency + latency)

    def _sent(self, state: _State, way: _Way, end: int, target: int, wire: Link) -> tuple[_State, _Way]:
        """Over a link to another device."""
        found, plan = self._hop(wire, end), self._plan(way.places[-1])
        latency = found.latency + (0 if plan is None else giving(self._system, plan, found))
        after = _State(state.used | 1 << target, target, wire, end)
        return after, replace(way, interval=max(way.interval, found.interval), latency=way.latency + latency)

    def _hop(self, wire: Link, end: int) -> Hop:
        """The results of the blocks before ``end`` on a link."""
        if (wire, end) not in self._hops:
            values, bits = self._parts.values(end - 1), self._parts.value_bits(end - 1)
            self._hops[wire, end] = hop(self._system, wire, values, bits)
        return self._hops[wire, end]

    def _is_next(self, used: int, number: int) -> bool:
        """Of devices that could change places the first one that is free is taken, for the others are as good."""
        return all(used >> other & 1 for other in self._alike[number])

    @cached_property
    def _alike(self) -> list[list[int]]:
        """By device those before it with which it could change places."""
        devices = range(len(self._devices))
        return [[other for other in range(one) if _interchangeable(self._system, other, one)] for one in devices]

    def _partition(self, way: _Way) -> Partition:
        plans, hops = [], []
        for place in way.places:
            plan = self._plan(place)
            assert plan is not None
            plans.append(plan)
            if place.wire is not None:
                hops.append(self._hop(place.wire, place.blocks.start))
        return Partition(self._system, tuple(plans), tuple(hops))

    def _loser(self, count: int) -> Loser:
        keys = [(count, True), *((number, False) for number in range(count - 1, 0, -1))]
        said = next((self._refused[key] for key in keys if key in self._refused), None)
        if said is None:
            return Loser(count, f"no links that take steps in frames of up to {MOST_PAYLOAD:,} words lead over so many "
                         "devices from where the input enters to where results leave")  # fmt: skip
        names = self._names(said.blocks)
        return Loser(count, f"device '{said.device}' cannot take {names}: {said.reason.rstrip('.')}")

    def _names(self, blocks: Sequence[int]) -> str:
        network = self._parts.network
        first, last = (network.layers[network.blocks[index].branches[0].last].name for index in (blocks[0], blocks[-1]))
        return f"'{first}'" if len(blocks) == 1 else f"'{first}' to '{last}'"


def _undominated(ways: Sequence[_Way]) -> list[_Way]:
    """Ways that no other one beats in interval and latency."""
    kept: list[_Way] = []
    for way in sorted(ways, key=lambda way: (way.interval, way.latency)):
        if not kept or way.latency < kept[-1].latency:
            kept.append(way)
    return kept


def _interchangeable(system: System, one: int, other: int) -> bool:
    """Whether the system stays the same if two devices change places."""
    first, second = system.devices[one], system.devices[other]
    if replace(first, name=second.name) != second:
        return False
    turn = {first.name: second.name, second.name: first.name}
    if any(end in turn for end in (system.host.input, system.host.output)):
        return False
    wires = set(system.wires)
    return {
        replace(wire, source=turn.get(wire.source, wire.source), target=turn.get(wire.target, wire.target))
        for wire in wires
    } == wires


def naive_partition(parts: Parts, order: Sequence[Device]) -> Partition | Refusal:
    """Equal numbers of blocks to devices in a given order, as far as they go: what a planner is held against.

    Raises:
        PlanError: if no link joins two neighbours.
    """
    blocks, count = len(parts.network.blocks), min(len(order), len(parts.network.blocks))
    ends = [blocks * number // count for number in range(count + 1)]
    plans = []
    for device, start, stop in zip(order, ends, ends[1:]):
        plan = parts.plan(device, range(start, stop))
        if isinstance(plan, Refusal):
            return plan
        plans.append(plan)
    hops = []
    for sender, receiver in zip(plans, plans[1:]):
        wire = parts.system.wire(sender.device.name, receiver.device.name)
        if wire is None:
            raise PlanError(f"No link leads from '{sender.device.name}' to '{receiver.device.name}'.")
        end = sender.blocks.stop
        hops.append(hop(parts.system, wire, parts.values(end - 1), parts.value_bits(end - 1)))
    return Partition(parts.system, tuple(plans), tuple(hops))
