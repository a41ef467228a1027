"""Which links join the devices of a cut, and what each device does with what comes over them.

Devices count in the order of the data, and of a layer's rows in the order of its units.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product

from rnngen.config.link import LinkShape
from rnngen.gateware.system.bench_top import Line
from rnngen.gateware.system.device import LinkEnd, numbered
from rnngen.gateware.system.forward import Forward
from rnngen.plan.partition import Partition, Route
from rnngen.plan.partition.shapes import Flow, forwarded, given, link_shape

End = tuple[int, str]
"""A device, and what the names of a link's ports begin with there."""


@dataclass
class Joint:
    """A link in use between two parts, or on the way to the host.

    Attributes:
        left, right: The ends of its first flow.  inside: Whether these are cores of one device.
        flows: In one direction, or both.
    """

    left: End
    right: End
    inside: bool = False
    flows: list[Flow] = field(default_factory=list)

    @property
    def shape(self) -> LinkShape:
        """Of both ends."""
        return link_shape(self.flows)

    @property
    def line(self) -> Line:
        """In simulation."""
        return Line(*self.left, *self.right, self.flows[0].hop.wire.latency_cycles, inside=self.inside)


@dataclass(frozen=True)
class _Crossing:
    """A step of a route on a link: from one end to the other."""

    joint: Joint
    route: int
    source: End
    target: End


class Wiring:
    """The links of a cut, but for those inside a part."""

    def __init__(self, partition: Partition) -> None:
        self._partition = partition
        self._places = {name: number for number, name in enumerate(partition.names)}
        self._vias: Counter[int] = Counter()
        self.joints: list[Joint] = []
        self._crossings: list[list[_Crossing]] = []  # by route from a device to another one
        for number, route in enumerate(partition.routes):
            self._add(number, route)

    @cached_property
    def groups(self) -> list[tuple[int, ...]]:
        """Devices of each part."""
        return [tuple(self._places[name] for name in part.names) for part in self._partition.parts]

    @property
    def outputs(self) -> tuple[int, ...]:
        """Devices that give results to the host."""
        return tuple(self._places[name] for name in self._partition.outputs)

    def takes(self, place: int) -> tuple[LinkEnd, ...]:
        """Links that bring steps to a device's core."""
        last = len(self._partition.hops)
        return tuple(
            self._end(way[-1], way[-1].target)
            for way in self._crossings
            if way[-1].route < last and way[-1].target[0] == place
        )

    def gives(self, place: int) -> tuple[LinkEnd, ...]:
        """Links that take away what a device's core gives."""
        return tuple(self._end(way[0], way[0].source) for way in self._crossings if way[0].source[0] == place)

    def back(self, place: int) -> LinkEnd | None:
        """The link that brings the host's results to its device."""
        last = len(self._partition.hops)
        found = (way[-1] for way in self._crossings if way[-1].route == last and way[-1].target[0] == place)
        return next((self._end(one, one.target) for one in found), None)

    def forwards(self, place: int) -> tuple[Forward, ...]:
        """What a device gives on from a link to another one."""
        return tuple(
            Forward(one.target[1], other.source[1], self._partition.routes[one.route].frame)
            for way in self._crossings
            for one, other in zip(way, way[1:])
            if one.target[0] == place
        )

    def others(self, place: int) -> tuple[tuple[str, LinkShape], ...]:
        """Links of a device for nothing but what it gives on."""
        ends = ((end, joint) for joint in self.joints for end in (joint.left, joint.right))
        return tuple((name, joint.shape) for (at, name), joint in ends if at == place and name.startswith("via"))

    def _end(self, crossing: _Crossing, end: End) -> LinkEnd:
        return LinkEnd(crossing.joint.shape, self._partition.routes[crossing.route].frame, end[1])

    def _add(self, number: int, route: Route) -> None:
        """A route's links, from each device of its part to each one of the next."""
        senders = [self._places[name] for name in self._partition.parts[number].givers]
        is_back = number == len(self._partition.hops)
        receivers = self.outputs if is_back else self.groups[number + 1]
        for (left, sender), (right, receiver) in product(enumerate(senders), enumerate(receivers)):
            first = numbered("out", right, len(receivers))
            last = "back" if is_back else numbered("in", left, len(senders))
            self._crossings.append(self._way(number, (sender, receiver), (first, last)))

    def _way(self, number: int, ends: tuple[int, int], names: tuple[str, str]) -> list[_Crossing]:
        """A route's links from a device to another one; names: at both ends, of links that have none yet."""
        partition, way = self._partition, list[_Crossing]()
        route = partition.routes[number]
        between = [self._places[name] for name in route.names[1:-1]]
        places = [ends[0], *between, ends[1]]
        for index, (hop, pair) in enumerate(zip(route.hops, zip(places, places[1:]))):
            flow = forwarded(hop) if index else given(hop, partition.parts[number])
            joint = self._turned(flow, pair)
            if joint is None:
                here = (names[0] if index == 0 else None, names[1] if index == len(between) else None)
                one, other = ((place, name or self._via(place)) for place, name in zip(pair, here))
                joint = Joint(one, other, partition.system.is_inside(*hop.wire.ends))
                self.joints.append(joint)
            joint.flows.append(flow)
            turned = joint.left[0] != pair[0]
            source, target = (joint.right, joint.left) if turned else (joint.left, joint.right)
            way.append(_Crossing(joint, number, source, target))
        return way

    def _turned(self, flow: Flow, pair: Sequence[int]) -> Joint | None:
        """The link in use that goes the other way, too."""
        if not self._partition.system.is_both(flow.hop.wire):
            return None
        return next((joint for joint in self.joints if (joint.right[0], joint.left[0]) == tuple(pair)), None)

    def _via(self, place: int) -> str:
        """A name for a link that is for nothing but what a device gives on."""
        self._vias[place] += 1
        return f"via{self._vias[place]}"
