"""Which links the results of a device take to another one, over devices between them where no link joins both.

A link takes the frames of one way in each direction, so that no frame has to say which way it is on; the two
directions of a link do not disturb each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from heapq import heappop, heappush

from rnngen.config.system import Link
from rnngen.plan.link import MOST_PAYLOAD
from rnngen.plan.partition.hops import Hop, Route
from rnngen.plan.partition.parts import Parts

Path = tuple[int, ...]
"""Links of a way, one behind the other, as indices of ``System.wires``."""


class Routes:
    """The ways through a system; sets of links and of devices are bits of a number."""

    def __init__(self, parts: Parts) -> None:
        self._parts, self._wires = parts, parts.system.wires
        self._names = [device.name for device in parts.system.devices]
        self._index = {name: number for number, name in enumerate(self._names)}
        self._out: dict[int, list[int]] = defaultdict(list)
        for number, wire in enumerate(self._wires):
            self._out[self._index[wire.source]].append(number)
        self._hops: dict[tuple[int, int], Hop | None] = {}
        self._routes: dict[tuple[Path, int], Route] = {}
        self._found: dict[tuple[int, int, int, int], Path | None] = {}

    def route(self, path: Path, end: int) -> Route:
        """The results of the blocks before ``end`` on their way."""
        if (path, end) not in self._routes:
            hops = (self._parts.hop(self._wires[number], end) for number in path)
            self._routes[path, end] = Route(tuple(hops))
        return self._routes[path, end]

    def target(self, path: Path) -> int:
        """The device that a way leads to."""
        return self._index[self._wires[path[-1]].target]

    def between(self, path: Path) -> int:
        """Devices on a way that only give frames on."""
        return sum(1 << self._index[self._wires[number].source] for number in path[1:])

    def links(self, device: int, end: int) -> Iterator[Path]:
        """Links of a device that the results of the blocks before ``end`` can take."""
        for number in self._out[device]:
            if self._hop(number, end) is not None:
                yield (number,)

    def path(self, source: int, target: int, end: int, taken: int) -> Path | None:
        """The way of results from one device to another, over links that are not taken; None if there is none.

        It is the link that joins both, where there is one; else the way with the least time from a frame's first word
        given to its first word delivered, of words that are given in a row; of equal ones that over the fewest links,
        then over the first devices.
        """
        direct = [path for path in self.links(source, end) if self.target(path) == target and not taken >> path[0] & 1]
        if direct:
            return direct[0]
        key = source, target, end, taken
        if key not in self._found:
            widths = {wire.word_bits for wire in self._wires}
            found = [each for bits in widths if (each := self._shortest(*key, bits)) is not None]
            self._found[key] = min(found)[-1] if found else None
        return self._found[key]

    def _shortest(
        self, source: int, target: int, end: int, taken: int, bits: int
    ) -> tuple[int, int, tuple[int, ...], Path] | None:
        """The best way over links with words of so many bits: its time, links, devices, and itself."""
        waiting: list[tuple[int, int, tuple[int, ...], Path]] = [(0, 0, (source,), ())]
        done = set[int]()
        while waiting:
            time, count, devices, path = heappop(waiting)
            here = devices[-1]
            if here == target:
                return time, count, devices, path
            if here in done:
                continue
            done.add(here)
            for number in self._out[here]:
                hop, onward = self._hop(number, end), self._index[self._wires[number].target]
                if hop is None or taken >> number & 1 or onward in done or hop.wire.word_bits != bits:
                    continue
                heappush(waiting, (time + _crossed(hop), count + 1, (*devices, onward), (*path, number)))
        return None

    def _hop(self, number: int, end: int) -> Hop | None:
        """The results of the blocks before ``end`` on a link; None where its words or frames are too small."""
        if (number, end) not in self._hops:
            wire = self._wires[number]
            found = self._parts.hop(wire, end) if self._parts.value_bits(end - 1) <= wire.word_bits else None
            self._hops[number, end] = None if found is None or found.frame.words > MOST_PAYLOAD else found
        return self._hops[number, end]

    @cached_property
    def is_mesh(self) -> bool:
        """Whether a link that takes all results joins each two devices, so that no way needs another one."""
        blocks, count = range(1, len(self._parts.network.blocks) + 1), len(self._names)
        return all(len({self.target(path) for path in self.links(device, end)}) == count - 1
                   for device in range(count) for end in blocks)  # fmt: skip


def wires_of(path: Path) -> int:
    """Links of a way as bits."""
    return sum(1 << number for number in path)


def _crossed(hop: Hop) -> int:
    """Ticks from a frame's first word given, where all follow in a row, to its first word delivered."""
    return hop.delivered([[index * hop.sender for index in range(hop.frame.beats)]])[0]


def named_route(parts: Parts, names: tuple[str, ...], end: int) -> Route:
    """The way over devices of these names.

    Raises:
        KeyError: naming devices that no link joins.
    """
    hops = []
    for ends in zip(names, names[1:]):
        wire: Link | None = parts.system.wire(*ends)
        if wire is None:
            raise KeyError(f"link from '{ends[0]}' to '{ends[1]}'")
        hops.append(parts.hop(wire, end))
    return Route(tuple(hops))
