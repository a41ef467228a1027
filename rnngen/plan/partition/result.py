"""A network cut over devices: who computes what, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from rnngen.config.system import System
from rnngen.plan.partition.hops import Hop, Route
from rnngen.plan.partition.parts import PartPlan, giving, taking

GOALS = ("interval", "latency")


@dataclass(frozen=True, eq=False)
class Partition:
    """Neighbouring blocks to devices, in the order of the network; or a block to several of them.

    Attributes:
        system: With a device in the place of those that share a part.
        parts: Devices in use with their blocks.  hops: The ways between them.
        whole: The system as it is.
        apart: Blocks of the network whose x and h are on different devices; parts count them as two.
        back: The way of the results to the host's device; None: the last part's devices give them to the host.
    """

    system: System
    parts: tuple[PartPlan, ...]
    hops: tuple[Route, ...]
    whole: System
    apart: tuple[int, ...] = ()
    back: Route | None = None

    @cached_property
    def interval_ticks(self) -> int:
        """Of the slowest device or link."""
        return max(*self.device_ticks, *(found.interval for found in self.all_hops), 0)

    @property
    def least_interval_ticks(self) -> int:
        """The interval where nothing waits for what crosses only where it changed, but links have room for all."""
        if all(part.delta is None for part in self.parts):
            return self.interval_ticks
        parts = (part.least_interval * self.system.cycle_ticks(part.device.name) for part in self.parts)
        return max(*parts, *(hop.interval for hop in self.all_hops))

    @property
    def routes(self) -> tuple[Route, ...]:
        """The ways between parts, and the one to the host's device, where there is one."""
        return self.hops if self.back is None else (*self.hops, self.back)

    @property
    def all_hops(self) -> tuple[Hop, ...]:
        """Links between parts, way by way, and inside them."""
        between = (hop for route in self.routes for hop in route.hops)
        return *between, *(part.exchange for part in self.parts if part.exchange is not None)

    @property
    def is_direct(self) -> bool:
        """Whether every way is one link, and results need none to the host."""
        return self.back is None and all(len(route.hops) == 1 for route in self.hops)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Devices that give results to the host."""
        return self.parts[-1].givers if self.back is None else self.back.names[-1:]

    @property
    def giver(self) -> int:
        """Of ``names`` one that gives results of the last part."""
        return self.names.index(self.parts[-1].givers[-1])

    @property
    def names(self) -> tuple[str, ...]:
        """Devices in use, in the order of the data and of the rows."""
        return tuple(name for part in self.parts for name in part.names)

    @property
    def device_ticks(self) -> tuple[int, ...]:
        """Step interval of each part."""
        return tuple(part.interval * self.system.cycle_ticks(part.device.name) for part in self.parts)

    @cached_property
    def hop_ticks(self) -> tuple[int, ...]:
        """From a lone step's last output beat of each part to its last input beat at the next one."""
        return tuple(
            giving(hop, sender) + taking(hop, receiver.inputs)
            for sender, hop, receiver in zip(self.parts, self.hops, self.parts[1:])
        )

    @cached_property
    def back_ticks(self) -> int:
        """From a lone step's last output beat of the last part to the last one that the host is given."""
        return 0 if self.back is None else giving(self.back, self.parts[-1]) + taking(self.back, self.back.frame.beats)

    @cached_property
    def latency_ticks(self) -> int:
        """From a lone step's last input beat to its last output beat."""
        return sum(self.hop_ticks) + self.back_ticks + sum(
            part.outputs[-1] * self.system.cycle_ticks(part.device.name) for part in self.parts
        )

    @property
    def first_latency_ticks(self) -> int:
        """The same to its first output beat."""
        if self.back is not None:
            return self.latency_ticks - (self.back.frame.beats - 1) * self.back.receiver
        last = self.parts[-1]
        spread = last.outputs[-1] - last.outputs[0]
        return self.latency_ticks - spread * self.system.cycle_ticks(last.device.name)

    def seconds(self, ticks: int) -> Fraction:
        """A time in seconds, exactly."""
        return Fraction(ticks, self.system.ticks_hz)

    @property
    def is_exact(self) -> bool:
        """Whether latencies are exact: one clock, and a word a cycle on all links; else they are bounds from above.

        Where only values cross that changed, they are bounds, too, and so is the interval.
        """
        if any(part.delta is not None for part in self.parts):
            return False
        return self.one_clock and all(hop.wire.rate == 1 and hop.own_clock is None for hop in self.all_hops)

    @property
    def one_clock(self) -> bool:
        """Whether all clocks are equal."""
        return len({part.device.clock_hz for part in self.parts}) == 1

    def load(self, hop: Hop, frames: int = 1) -> Fraction:
        """Share of its time that a link is busy with so many frames of results a step."""
        return Fraction(hop.busy(frames), self.interval_ticks)

    def key(self, goal: str) -> tuple[int, int]:
        """What is minimised, the first figure first."""
        figures = (self.interval_ticks, self.latency_ticks)
        return figures if goal == "interval" else figures[::-1]

    @property
    def binds(self) -> str:
        """What has the longest interval, in words."""
        found = max(self._candidates(), key=lambda each: each[0])
        return found[1]

    def _candidates(self) -> Iterator[tuple[int, str]]:
        for part, ticks in zip(self.parts, self.device_ticks):
            reason = f"; there: {part.binds}" if part.binds else ""
            names = " and ".join(f"'{name}'" for name in part.names)
            devices = "devices" if part.members else "device"
            yield ticks, f"{devices} {names} with {part.interval} cycles{reason}"
        for hop in self.all_hops:
            ends = " to ".join(f"'{end}'" for end in hop.wire.ends)
            frames = "frames" if hop.frames == 1 else f"{hop.frames} frames a step"
            yield hop.interval, f"the link from {ends} with {frames} of {hop.words} words"
