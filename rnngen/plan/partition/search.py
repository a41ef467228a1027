"""The best cut of a network into neighbouring blocks on devices, exactly.

Best first: of all partial cuts the one whose figures may still become the smallest goes on.  Plans of parts cost time,
so the newest part of a cut counts with what it takes at least until the cut comes first; then it is planned.  What is
to come counts with products over multipliers of the devices that are left.  As nothing ever counts more than it takes,
the first whole cut that comes first is the best.  Of partial cuts that go on in the same way those are dropped that
another one beats in interval and latency.

First over links that lead straight from one part to the next one, the last part where results leave; then, against
what that found, with ways over devices between them (``routes``), which are many more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from heapq import heappop, heappush
from itertools import count as numbers

from rnngen.config.system import Device, System
from rnngen.errors import PlanError
from rnngen.plan.layer import ceil_div
from rnngen.plan.link import MOST_PAYLOAD
from rnngen.plan.partition.hops import Route
from rnngen.plan.partition.parts import PartPlan, Parts, Refusal, giving, taking
from rnngen.plan.partition.result import Partition
from rnngen.plan.partition.routes import Path, Routes, wires_of

_NO_WAY = (
    f"no links as wide as a value that take a step in a frame of up to {MOST_PAYLOAD:,} words lead over so many "
    "devices from where the input enters to where results leave"
)
_MOST_WAYS = 300_000
"""Partial cuts that a search weighs at most."""
MOST_ROUTED = 10_000
"""The same where results may go over devices between two parts; beyond that only those of the last part do."""


class Reach(Enum):
    """Which results may go over devices that do not take them: none, those of the last part, or all."""

    NONE = 0
    LAST = 1
    ALL = 2


class TooManyWays(PlanError):
    """A search weighed as many partial cuts as it may."""


@dataclass(frozen=True)
class Loser:
    """A number of devices over which nothing was found, and why."""

    devices: int
    reason: str


Other = Partition | Loser


@dataclass(frozen=True, eq=False)
class SearchResult:
    """What a search found.

    Attributes:
        best: The best cut of all.
        others: The best cut over one device, and over one less and one more than the best has, or why there is none.
        weighed_all: Whether all ways over other devices were weighed, or only direct ones and those back to the host.
    """

    best: Partition
    others: tuple[Other, ...]
    weighed_all: bool = True


@dataclass(frozen=True)
class _Place:
    """Blocks on a device, and over which links their input came there; none: the host is there."""

    device: int
    blocks: range
    path: Path


@dataclass(frozen=True)
class _State:
    """Where partial cuts go on.

    Attributes:
        used: Devices in use, as bits.  device: The newest one.  path: The links to it.  done: Blocks before it.
        taken: Links of all ways so far, as bits, where other ways may need them.
        passed: Devices on these ways that are not in use, as bits.
    """

    used: int
    device: int
    path: Path
    done: int
    taken: int = 0
    passed: int = 0


@dataclass(frozen=True)
class _Way:
    """A partial cut.

    Attributes:
        state: Where its last device is.  places: All devices with their blocks; of the last one, where it has any yet.
        interval, latency: Of what is placed, in ticks; of a last part that is not planned, at least.
        before: The same without blocks on the last device; None where it has none yet.
        known: Whether the figures hold the plan of the last part, and not what it takes at least.
    """

    state: _State
    places: tuple[_Place, ...]
    interval: int
    latency: int
    before: _Way | None = None
    known: bool = False


def best_partition(parts: Parts, goal: str = "interval") -> SearchResult:
    """The cut with the least step interval, then the least latency (``goal`` "latency": the other way round).

    Of equal ones the one over fewer devices.

    Raises:
        PlanError: if the network fits no way, saying what is in the way; or there are too many ways to weigh.
    """
    search = _Search(parts, goal)
    best = _best_of_all(search)
    if best is None:
        reasons = "; ".join(f"over {one.devices}: {one.reason}" for one in search.losers())
        raise PlanError(f"The network fits the system on no number of devices ({reasons}).")
    count, weighed_all = len(best.parts), search.weighed_all
    near = sorted({number for number in (1, count - 1, count + 1) if 1 <= number <= search.most and number != count})
    others = tuple(_best_of_all(search, number) or search.loser(number) for number in near)
    return SearchResult(best, others, weighed_all)


def _best_of_all(
    search: _Search, count: int | None = None, below: tuple[int, ...] | None = None
) -> Partition | None:
    """The best cut, over so many devices, whichever way results take, below some figures; None if there is none."""
    direct = search.best(count, below=below)
    if not search.has_ways_over:
        return direct
    if direct is not None:
        below = (*direct.key(search.goal), len(direct.parts))
    for reach in (Reach.ALL, Reach.LAST)[not search.weighed_all :]:
        try:
            return search.best(count, reach, below) or direct
        except TooManyWays:
            search.weighed_all = False
    return direct


def best_with(parts: Parts, devices: Sequence[str], goal: str = "interval") -> Partition | str:
    """The best cut that uses these devices, or why there is none.

    Raises:
        PlanError: if there are too many ways to weigh.
    """
    search = _Search(parts, goal, devices)
    return search.best() or "; ".join(f"over {one.devices}: {one.reason}" for one in search.losers())


def best_below(
    parts: Parts, goal: str, below: tuple[int, int] | None, devices: Sequence[str] = ()
) -> Partition | str:
    """The best cut that uses these devices, of figures (``Partition.key``) below these; or why there is none.

    Raises:
        PlanError: if there are too many ways to weigh.
    """
    search = _Search(parts, goal, devices)
    found = _best_of_all(search, below=below)
    if found is not None:
        return found
    if below is not None:
        return "no such cut is better"
    return "; ".join(f"over {one.devices}: {one.reason}" for one in search.losers())


class _Search:
    def __init__(self, parts: Parts, goal: str, uses: Sequence[str] = ()) -> None:
        self._parts, self.goal = parts, goal
        self._system, self._devices = parts.system, parts.system.devices
        self._blocks = len(parts.network.blocks)
        self.most = min(len(self._devices), self._blocks)
        self._routes, self._reach = Routes(parts), Reach.NONE
        self.weighed_all = True
        self._forwarders: dict[int, int] = {}  # by devices of a cut that was left out, those that would only forward
        self._rests: dict[tuple[int, int], tuple[int, int]] = {}
        self._refused: dict[tuple[int, bool], Refusal] = {}  # by devices so far, and whether it is the last one
        self._index = {device.name: number for number, device in enumerate(self._devices)}
        self._uses = sum(1 << self._index[name] for name in uses)  # devices, as bits, that every cut must use

    @property
    def has_ways_over(self) -> bool:
        """Whether results may have to go over devices that do not take them, or back to the host's."""
        return self._system.host.output is not None or not self._routes.is_mesh

    def best(
        self, count: int | None = None, reach: Reach = Reach.NONE, below: tuple[int, ...] | None = None
    ) -> Partition | None:
        """The best cut, over so many devices; None if there is none.

        Args:
            below: What its figures (``Partition.key``), and with them its devices, must be below.

        Raises:
            TooManyWays: if there are too many to weigh.
        """
        self._reach = reach
        most = MOST_ROUTED if reach is Reach.ALL else _MOST_WAYS
        waiting: list[tuple[tuple[int, ...], int, _Way]] = []
        order = numbers()
        kept: dict[_State, list[tuple[int, int]]] = defaultdict(list)

        def push(way: _Way) -> None:
            rank = self._rank(way)
            if below is None or rank < below:
                heappush(waiting, (rank, next(order), way))

        for state in self._starts():
            push(_Way(state, (), 0, 0))
        while waiting:
            if next(order) > most:
                raise TooManyWays(
                    f"A search over {len(self._devices)} devices weighs more than {most:,} partial cuts; "
                    f"describe fewer links, a chain or a ring."
                )
            way = heappop(waiting)[2]
            if way.before is None:
                if not _is_beaten(kept[way.state], way):
                    for placed in self._placed(way, count):
                        push(placed)
                continue
            if not way.known:
                planned = self._planned(way.before, way.places[-1])
                if planned is not None:
                    push(planned)
            elif way.places[-1].blocks.stop == self._blocks:
                if way.state.used & self._uses == self._uses and self._all_compute(way):
                    return self._partition(way)
            else:
                for sent in self._sent(way):
                    push(sent)
        return None

    def losers(self) -> list[Loser]:
        """Why there is no cut over any number of devices."""
        return [self.loser(count) for count in range(1, self.most + 1)]

    def loser(self, count: int) -> Loser:
        """Why there is no cut over so many devices."""
        keys = [(count, True), *((number, False) for number in range(count - 1, 0, -1))]
        said = next((self._refused[key] for key in keys if key in self._refused), None)
        if said is None and count in self._forwarders:
            return Loser(count, self._only_forwards(self._forwarders[count]))
        if said is None:
            return Loser(count, _NO_WAY)
        names = self._names(said.blocks)
        return Loser(count, f"device '{said.device}' cannot take {names}: {said.reason.rstrip('.')}")

    def _only_forwards(self, devices: int) -> str:
        """Why a cut is left out in which these devices compute nothing."""
        names = [f"'{device.name}'" for number, device in enumerate(self._devices) if devices >> number & 1]
        what = "device" if len(names) == 1 else "devices"
        return f"{what} {' and '.join(names)} would only give on what others compute, which is not offered"

    def _all_compute(self, way: _Way) -> bool:
        """Whether each device that results pass computes a part, too."""
        back = self._back(way.places[-1], way.state)
        idle = (way.state.passed | (0 if back is None else self._passed(back))) & ~way.state.used
        if idle:
            self._forwarders.setdefault(way.state.used.bit_count(), idle)
        return not idle

    def _passed(self, path: Path) -> int:
        """Devices that a way passes, the last one included, as it is in use for a part or must be for the host."""
        return self._routes.between(path) | 1 << self._routes.target(path)

    def _back(self, place: _Place, state: _State) -> Path | None:
        """The way of the last part's results to the host's device; None where they leave."""
        output = self._system.host.output
        if output in (None, self._system.chip(self._devices[place.device].name)):
            return None
        found = self._routes.path(place.device, self._index[str(output)], self._blocks, state.taken)
        assert found is not None, "no part is the last one without a way to the host"
        return found

    def _ends(self, place: _Place, state: _State) -> bool:
        """Whether results of the last part can come to the host."""
        output = self._system.host.output
        if output in (None, self._system.chip(self._devices[place.device].name)):
            return True
        target = self._index[str(output)]
        return self._reach is not Reach.NONE and (
            self._routes.path(place.device, target, self._blocks, state.taken) is not None
        )

    def _names(self, blocks: Sequence[int]) -> str:
        network = self._parts.network
        first, last = (network.layers[network.blocks[index].branches[0].last].name for index in (blocks[0], blocks[-1]))
        return f"'{first}'" if len(blocks) == 1 else f"'{first}' to '{last}'"

    def _plan(self, place: _Place) -> PartPlan | None:
        """The plan of a place, where it is known."""
        found = self._parts.known(self._devices[place.device], place.blocks)
        return found if isinstance(found, PartPlan) else None

    def _starts(self) -> Iterator[_State]:
        host = self._system.host.input
        for number, device in enumerate(self._devices):
            if host in (None, self._system.chip(device.name)) and self._is_next(_State(0, number, (), 0), number):
                yield _State(1 << number, number, (), 0)

    def _rank(self, way: _Way) -> tuple[int, int, int]:
        """What is minimised, with what is to come at least; then devices in use."""
        done = way.places[-1].blocks.stop if way.places else 0
        used = way.state.used if way.before else way.state.used & ~(1 << way.state.device)
        interval, latency = self._rest(used, done)
        figures = max(way.interval, interval), way.latency + latency
        return (*(figures if self.goal == "interval" else figures[::-1]), way.state.used.bit_count())

    def _rest(self, used: int, done: int) -> tuple[int, int]:
        """What the blocks that are left take at least on the devices that are left: interval and latency in ticks."""
        if done == self._blocks:
            return 0, 0
        if (used, done) not in self._rests:
            free = [device for number, device in enumerate(self._devices) if not used >> number & 1]
            blocks = range(done, self._blocks)
            rate = sum(self._parts.most_products(device) * device.clock_hz for device in free)
            interval = ceil_div(self._parts.products(blocks) * self._system.ticks_hz, rate) if rate else 0
            latency = sum(
                min((self._least_latency(device, block) for device in free), default=0) for block in blocks
            )
            self._rests[used, done] = interval, latency
        return self._rests[used, done]

    def _least_latency(self, device: Device, block: int) -> int:
        """Ticks of a block on a device, at least: a cycle less than alone, as those of several are rounded once."""
        blocks = range(block, block + 1)
        least = self._parts.least_interval(device, blocks) - 1 + self._parts.least_ways(device, blocks)
        return least * self._system.cycle_ticks(device.name)

    def _placed(self, way: _Way, count: int | None) -> Iterator[_Way]:
        """With blocks on the newest device."""
        state, device = way.state, self._devices[way.state.device]
        output, number = self._system.host.output, way.state.used.bit_count()
        last = self._blocks if count is None else self._blocks - (count - number)
        for end in range(state.done + 1, last + 1):
            is_end = end == self._blocks
            place = _Place(state.device, range(state.done, end), state.path)
            if is_end and (count not in (None, number) or not self._ends(place, state)):
                continue
            if not is_end and ((output == device.name and self._reach is Reach.NONE) or count == number):
                continue  # results leave here, or it is the last device
            grown = self._grown(way, place)
            if grown is not None:
                yield grown

    def _planned(self, way: _Way, place: _Place) -> _Way | None:
        """With a part more, which is planned for that; None if the device cannot take it."""
        self._parts.plan(self._devices[place.device], place.blocks)
        return self._grown(way, place)

    def _grown(self, way: _Way, place: _Place) -> _Way | None:
        """With one more part; None if it is known that the device cannot take it."""
        device = self._devices[place.device]
        found = self._parts.known(device, place.blocks)
        if isinstance(found, Refusal):
            self._note(found, way.state.used.bit_count())
            return None
        if found is None:
            cycle = self._system.cycle_ticks(device.name)
            interval = self._parts.least_interval(device, place.blocks) * cycle
            latency = interval + self._parts.least_ways(device, place.blocks) * cycle
        else:
            through = self._least_through(place, way.state)
            if through is None:
                return None
            interval, latency = through
        longest = max(way.interval, interval)
        return _Way(way.state, (*way.places, place), longest, way.latency + latency, way, found is not None)

    def _least_through(self, place: _Place, state: _State) -> tuple[int, int] | None:
        """The least interval and the least latency of ``_through`` over whatever may follow; None: nothing may."""
        if place.blocks.stop == self._blocks:
            return self._through(place, self._back(place, state))
        paths = self._onward(place, state)
        ways = [way for path in paths if (way := self._through(place, path)) is not None]
        return (min(interval for interval, _ in ways), min(latency for _, latency in ways)) if ways else None

    def _through(self, place: _Place, path: Path | None) -> tuple[int, int] | None:
        """Ticks of a part's step interval, the links behind it included, and from the first word delivered, or the
        host's last input beat, to the same behind the part; None if its memory has no room for ports like these.

        Args:
            path: To where; None: to the host, to the last output beat, as of a way to the host's device.
        """
        part = self._plan(place)
        assert part is not None
        before = self._routes.route(place.path, place.blocks.start) if place.path else None
        onward = None if path is None else self._routes.route(path, place.blocks.stop)
        frames = (None if one is None else one.frame for one in (before, onward))
        part = self._parts.between(part, *frames)
        if part.device.memory_bits is not None and part.memory_bits > part.device.memory_bits:
            return None
        cycle = self._system.cycle_ticks(part.device.name)
        ticks = part.outputs[-1] * cycle + (0 if before is None else taking(before, part.inputs))
        if onward is None:
            return part.interval * cycle, ticks
        if place.blocks.stop == self._blocks:
            ticks += taking(onward, onward.frame.beats)
        return max(part.interval * cycle, onward.interval), ticks + giving(onward, part)

    def _onward(self, place: _Place, state: _State) -> Iterator[Path]:
        """Ways that take a part's results on."""
        end = place.blocks.stop
        if self._reach is not Reach.ALL:
            yield from self._routes.links(place.device, end)
            return
        for target in range(len(self._devices)):
            if not state.used >> target & 1 and self._is_next(state, target):
                path = self._routes.path(place.device, target, end, state.taken)
                if path is not None:
                    yield path

    def _note(self, refusal: Refusal, count: int) -> None:
        """Keeps the most telling refusal: of the fewest blocks."""
        key = count, refusal.blocks.stop == self._blocks
        told = self._refused.get(key)
        if told is None or len(refusal.blocks) < len(told.blocks):
            self._refused[key] = refusal

    def _sent(self, way: _Way) -> Iterator[_Way]:
        """Over each way to another device."""
        place, before, state = way.places[-1], way.before, way.state
        assert before is not None
        for path in self._onward(place, state):
            target, through = self._routes.target(path), self._through(place, path)
            if through is not None and not state.used >> target & 1 and self._is_next(state, target):
                used = state.used | 1 << target
                after = _State(used, target, path, place.blocks.stop, *self._kept(state, path, used))
                yield _Way(after, way.places, max(before.interval, through[0]), before.latency + through[1])

    def _kept(self, state: _State, path: Path, used: int) -> tuple[int, int]:
        """Links that are taken, and devices that are passed, behind another way; none where no way may need them."""
        if self._reach is Reach.NONE or self._routes.is_mesh:
            return 0, 0
        return state.taken | wires_of(path), (state.passed | self._routes.between(path)) & ~used

    def _is_next(self, state: _State, number: int) -> bool:
        """Of devices that could change places the first one that is free is taken, for the others are as good."""
        met = state.used | state.passed
        return bool(met >> number & 1) or all(met >> other & 1 for other in self._alike[number])

    @cached_property
    def _alike(self) -> list[list[int]]:
        """By device those before it with which it could change places; one that must be used is like no other."""
        free = [number for number in range(len(self._devices)) if not self._uses >> number & 1]
        found: list[list[int]] = [[] for _ in self._devices]
        for one in free:
            found[one] = [other for other in free if other < one and is_interchangeable(self._system, other, one)]
        return found

    def _partition(self, way: _Way) -> Partition:
        plans, routes = [], []
        for place in way.places:
            plan = self._plan(place)
            assert plan is not None
            plans.append(plan)
            if place.path:
                routes.append(self._routes.route(place.path, place.blocks.start))
        back = self._back(way.places[-1], way.state)
        return joined(self._parts, plans, routes, None if back is None else self._routes.route(back, self._blocks))


def _is_beaten(kept: list[tuple[int, int]], way: _Way) -> bool:
    """Whether another way to the same place has no larger figures; else these are kept."""
    if any(interval <= way.interval and latency <= way.latency for interval, latency in kept):
        return True
    kept.append((way.interval, way.latency))
    return False


def is_interchangeable(system: System, one: int, other: int) -> bool:
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
    routes = []
    for sender, receiver in zip(plans, plans[1:]):
        wire = parts.system.wire(sender.device.name, receiver.device.name)
        if wire is None:
            raise PlanError(f"No link leads from '{sender.device.name}' to '{receiver.device.name}'.")
        routes.append(Route((parts.hop(wire, sender.blocks.stop),)))
    return joined(parts, plans, routes)


def joined(
    parts: Parts, plans: Sequence[PartPlan], routes: Sequence[Route], back: Route | None = None
) -> Partition:
    """Parts with their ports fitted to the links between them."""
    frames = [None, *(route.frame for route in routes), None if back is None else back.frame]
    fitted = (parts.between(plan, frames[index], frames[index + 1]) for index, plan in enumerate(plans))
    return Partition(parts.system, tuple(fitted), tuple(routes), parts.whole, back=back)
