"""The search for the best cut: best first over partial cuts (``search`` says how)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from heapq import heappop, heappush
from itertools import count as numbers

from rnngen.errors import PlanError
from rnngen.plan.partition.figures import Figures
from rnngen.plan.partition.joined import joined
from rnngen.plan.partition.parts import Parts, Refusal
from rnngen.plan.partition.refusals import Loser, Refusals
from rnngen.plan.partition.result import Partition
from rnngen.plan.partition.routes import Path, Routes, wires_of
from rnngen.plan.partition.symmetry import alike
from rnngen.plan.partition.ways import Place, Reach, State, Way, is_beaten

_MOST_WAYS = 300_000
"""Partial cuts that a search weighs at most."""
MOST_ROUTED = 10_000
"""The same where results may go over devices between two parts; beyond that only those of the last part do."""


class TooManyWays(PlanError):
    """A search weighed as many partial cuts as it may."""


class BestFirst:
    """A search, which may be asked for several numbers of devices.

    Args:
        uses: Names of devices that every cut must use.

    Attributes:
        most: Devices that a cut may have.
        weighed_all: Whether all ways over other devices could be weighed, so far as they were asked for.
    """

    def __init__(self, parts: Parts, goal: str, uses: Sequence[str] = ()) -> None:
        self._parts, self.goal = parts, goal
        self._system, self._devices = parts.system, parts.system.devices
        self._blocks = len(parts.network.blocks)
        self.most = min(len(self._devices), self._blocks)
        self._routes, self._reach = Routes(parts), Reach.NONE
        self._figures, self._refusals = Figures(parts, self._routes), Refusals(parts)
        self.weighed_all = True
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
        waiting: list[tuple[tuple[int, ...], int, Way]] = []
        order = numbers()
        kept: dict[State, list[tuple[int, int]]] = defaultdict(list)

        def push(way: Way) -> None:
            rank = self._rank(way)
            if below is None or rank < below:
                heappush(waiting, (rank, next(order), way))

        for state in self._starts():
            push(Way(state, (), 0, 0))
        while waiting:
            if next(order) > most:
                raise TooManyWays(
                    f"A search over {len(self._devices)} devices weighs more than {most:,} partial cuts; "
                    f"describe fewer links, a chain or a ring."
                )
            way = heappop(waiting)[2]
            if self._is_whole(way):
                if way.state.used & self._uses == self._uses and self._all_compute(way):
                    return self._partition(way)
            elif way.before is not None or not is_beaten(kept[way.state], way):
                for further in self._further(way, count):
                    push(further)
        return None

    def _is_whole(self, way: Way) -> bool:
        """Whether all blocks are placed and planned."""
        return way.before is not None and way.known and way.places[-1].blocks.stop == self._blocks

    def _further(self, way: Way, count: int | None) -> Iterator[Way]:
        """How a partial cut goes on: blocks on its newest device, their plan, then ways from there."""
        if way.before is None:
            yield from self._placed(way, count)
        elif way.known:
            yield from self._sent(way)
        else:
            planned = self._planned(way.before, way.places[-1])
            if planned is not None:
                yield planned

    def losers(self) -> list[Loser]:
        """Why there is no cut over any number of devices."""
        return [self.loser(count) for count in range(1, self.most + 1)]

    def loser(self, count: int) -> Loser:
        """Why there is no cut over so many devices."""
        return self._refusals.loser(count)

    def _starts(self) -> Iterator[State]:
        host = self._system.host.input
        for number, device in enumerate(self._devices):
            if host in (None, self._system.chip(device.name)) and self._is_next(State(0, number, (), 0), number):
                yield State(1 << number, number, (), 0)

    def _rank(self, way: Way) -> tuple[int, int, int]:
        """What is minimised, with what is to come at least; then devices in use."""
        done = way.places[-1].blocks.stop if way.places else 0
        used = way.state.used if way.before else way.state.used & ~(1 << way.state.device)
        interval, latency = self._figures.rest(used, done)
        figures = max(way.interval, interval), way.latency + latency
        return (*(figures if self.goal == "interval" else figures[::-1]), way.state.used.bit_count())

    def _placed(self, way: Way, count: int | None) -> Iterator[Way]:
        """With blocks on the newest device."""
        state, device = way.state, self._devices[way.state.device]
        output, number = self._system.host.output, way.state.used.bit_count()
        last = self._blocks if count is None else self._blocks - (count - number)
        for end in range(state.done + 1, last + 1):
            is_end = end == self._blocks
            place = Place(state.device, range(state.done, end), state.path)
            if is_end and (count not in (None, number) or not self._ends(place, state)):
                continue
            if not is_end and ((output == device.name and self._reach is Reach.NONE) or count == number):
                continue  # results leave here, or it is the last device
            grown = self._grown(way, place)
            if grown is not None:
                yield grown

    def _planned(self, way: Way, place: Place) -> Way | None:
        """With a part more, which is planned for that; None if the device cannot take it."""
        self._parts.plan(self._devices[place.device], place.blocks)
        return self._grown(way, place)

    def _grown(self, way: Way, place: Place) -> Way | None:
        """With one more part; None if it is known that the device cannot take it."""
        found = self._parts.known(self._devices[place.device], place.blocks)
        if isinstance(found, Refusal):
            self._refusals.note(found, way.state.used.bit_count())
            return None
        figures = self._figures.least(place) if found is None else self._least_through(place, way.state)
        if figures is None:
            return None
        interval, latency = max(way.interval, figures[0]), way.latency + figures[1]
        return Way(way.state, (*way.places, place), interval, latency, way, found is not None)

    def _least_through(self, place: Place, state: State) -> tuple[int, int] | None:
        """The least figures of ``Figures.through`` over whatever may follow; None: nothing may."""
        if place.blocks.stop == self._blocks:
            return self._figures.through(place, self._back(place, state))
        paths = self._onward(place, state)
        ways = [way for path in paths if (way := self._figures.through(place, path)) is not None]
        return (min(interval for interval, _ in ways), min(latency for _, latency in ways)) if ways else None

    def _sent(self, way: Way) -> Iterator[Way]:
        """Over each way to another device."""
        place, before, state = way.places[-1], way.before, way.state
        assert before is not None
        for path in self._onward(place, state):
            target, through = self._routes.target(path), self._figures.through(place, path)
            if through is not None and not state.used >> target & 1 and self._is_next(state, target):
                used = state.used | 1 << target
                after = State(used, target, path, place.blocks.stop, *self._kept(state, path, used))
                yield Way(after, way.places, max(before.interval, through[0]), before.latency + through[1])

    def _onward(self, place: Place, state: State) -> Iterator[Path]:
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

    def _kept(self, state: State, path: Path, used: int) -> tuple[int, int]:
        """Links that are taken, and devices that are passed, behind another way; none where no way may need them."""
        if self._reach is Reach.NONE or self._routes.is_mesh:
            return 0, 0
        return state.taken | wires_of(path), (state.passed | self._routes.between(path)) & ~used

    def _is_next(self, state: State, number: int) -> bool:
        """Of devices that could change places the first one that is free is taken, for the others are as good."""
        met = state.used | state.passed
        return bool(met >> number & 1) or all(met >> other & 1 for other in self._alike[number])

    @cached_property
    def _alike(self) -> list[list[int]]:
        return alike(self._system, self._uses)

    def _all_compute(self, way: Way) -> bool:
        """Whether each device that results pass computes a part, too."""
        back = self._back(way.places[-1], way.state)
        idle = (way.state.passed | (0 if back is None else self._passed(back))) & ~way.state.used
        if idle:
            self._refusals.note_forwarders(way.state.used.bit_count(), idle)
        return not idle

    def _passed(self, path: Path) -> int:
        """Devices that a way passes, the last one included, as it is in use for a part or must be for the host."""
        return self._routes.between(path) | 1 << self._routes.target(path)

    def _back(self, place: Place, state: State) -> Path | None:
        """The way of the last part's results to the host's device; None where they leave."""
        output = self._system.host.output
        if output in (None, self._system.chip(self._devices[place.device].name)):
            return None
        found = self._routes.path(place.device, self._index[str(output)], self._blocks, state.taken)
        assert found is not None, "no part is the last one without a way to the host"
        return found

    def _ends(self, place: Place, state: State) -> bool:
        """Whether results of the last part can come to the host."""
        output = self._system.host.output
        if output in (None, self._system.chip(self._devices[place.device].name)):
            return True
        target = self._index[str(output)]
        return self._reach is not Reach.NONE and (
            self._routes.path(place.device, target, self._blocks, state.taken) is not None
        )

    def _partition(self, way: Way) -> Partition:
        plans, routes = [], []
        for place in way.places:
            plan = self._figures.plan(place)
            assert plan is not None
            plans.append(plan)
            if place.path:
                routes.append(self._routes.route(place.path, place.blocks.start))
        back = self._back(way.places[-1], way.state)
        return joined(self._parts, plans, routes, None if back is None else self._routes.route(back, self._blocks))
