"""What parts of a cut take, in ticks: what is planned exactly, and everything else at least."""

from __future__ import annotations

from rnngen.config.system import Device
from rnngen.plan.layer import ceil_div
from rnngen.plan.partition.parts import PartPlan, Parts, giving, taking
from rnngen.plan.partition.routes import Path, Routes
from rnngen.plan.partition.ways import Place


class Figures:
    """Step intervals and latencies of the parts of a network."""

    def __init__(self, parts: Parts, routes: Routes) -> None:
        self._parts, self._routes = parts, routes
        self._system, self._devices = parts.system, parts.system.devices
        self._blocks = len(parts.network.blocks)
        self._rests: dict[tuple[int, int], tuple[int, int]] = {}

    def plan(self, place: Place) -> PartPlan | None:
        """The plan of a place, where it is known."""
        found = self._parts.known(self._devices[place.device], place.blocks)
        return found if isinstance(found, PartPlan) else None

    def least(self, place: Place) -> tuple[int, int]:
        """Interval and latency of a place that is not planned, at least."""
        device = self._devices[place.device]
        cycle = self._system.cycle_ticks(device.name)
        interval = self._parts.least_interval(device, place.blocks) * cycle
        return interval, interval + self._parts.least_ways(device, place.blocks) * cycle

    def rest(self, used: int, done: int) -> tuple[int, int]:
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

    def through(self, place: Place, path: Path | None) -> tuple[int, int] | None:
        """Ticks of a part's step interval, the links behind it included, and from the first word delivered, or the
        host's last input beat, to the same behind the part; None if its memory has no room for ports like these.

        Args:
            path: To where; None: to the host, to the last output beat, as of a way to the host's device.
        """
        part = self.plan(place)
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
