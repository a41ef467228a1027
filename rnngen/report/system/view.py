"""What the report draws of a system, and how its times are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from rnngen.plan.partition.timeline import SystemTimes
from rnngen.report.numbers import NOT_GIVEN, Json, lookup, microseconds, number, records, whole


@dataclass(frozen=True, eq=False)
class SystemView:
    """A system and what was measured of it.

    Attributes:
        document: system.json.  simulation: simulation.json, or None.
        blocks: Names of the network's blocks.
        stages: By device, the names of what multiplies there, as in ``DeviceTimes.multiplies``.
        times: Of a run's first steps.  end: Ticks [0, end) are drawn.
        reports: By device, where its own report is from this one; empty: nowhere.
    """

    document: Json
    simulation: Json | None
    blocks: Sequence[str]
    stages: Sequence[Sequence[str]]
    times: SystemTimes
    end: int
    reports: Sequence[str] = ()

    @property
    def devices(self) -> list[Json]:
        """Those in use."""
        return records(self.document, "devices")

    @property
    def links(self) -> list[Json]:
        """Those in use."""
        return records(self.document, "links")

    @cached_property
    def parts(self) -> list[list[int]]:
        """Devices that share a part of the network, by part."""
        found: dict[object, list[int]] = {}
        for index, device in enumerate(self.devices):
            found.setdefault(lookup(device, "part"), []).append(index)
        return list(found.values())

    @property
    def shares_all(self) -> bool:
        """Whether all devices share one layer, and there is nothing else."""
        return len(self.parts) == 1 and len(self.devices) > 1

    @property
    def is_chain(self) -> bool:
        """Whether no devices share a layer."""
        return len(self.parts) == len(self.devices)

    @property
    def paths(self) -> list[list[str]]:
        """Devices on the way from each part to the next one, and to the host's, where not all ways are one link."""
        return [[str(name) for name in path] for path in lookup(self.document, "paths") or ()]

    @property
    def back(self) -> list[str]:
        """The way of the results to the host's device; empty: the last part's devices give them to the host."""
        return self.paths[-1] if len(self.paths) == len(self.parts) else []

    def link(self, source: str, target: str) -> Json:
        """A link in use."""
        return next(link for link in self.links if (lookup(link, "from"), lookup(link, "to")) == (source, target))

    def inside(self, part: int) -> list[Json]:
        """The links between devices that share a part, in a ring those that carry most; these are alike."""
        names = {lookup(self.devices[index], "name") for index in self.parts[part]}
        found = [link for link in self.links if {lookup(link, "from"), lookup(link, "to")} <= names]
        return [link for link in found if self.frames(link) == self.frames(found[0])]

    def ring(self, part: int) -> str | None:
        """How links go round the devices that share a part: both ways or one way; None where there is no ring."""
        found = lookup(self.devices[self.parts[part][0]], "ring")
        return None if found is None else str(found)

    def joins(self, part: int) -> bool:
        """Whether the first one of the devices that share a part adds what the others give."""
        return lookup(self.devices[self.parts[part][0]], "inputs") is not None

    def frames(self, link: Json) -> int:
        """Frames of a step on a link."""
        return int(number(link, "frames_a_step") or 1)

    def between(self, part: int) -> Json:
        """A link from the devices of a part to those of the next one, which are alike."""
        names = [{lookup(self.devices[index], "name") for index in self.parts[part + way]} for way in (0, 1)]
        return next(link for link in self.links if all(lookup(link, end) in names[way]
                                                       for way, end in enumerate(("from", "to"))))  # fmt: skip

    @cached_property
    def ticks_hz(self) -> float:
        """Ticks a second."""
        return number(self.document, "ticks_hz") or 1.0

    @cached_property
    def clock_hz(self) -> float | None:
        """Of all devices in use; None where clocks differ."""
        clocks = {number(device, "clock_hz") for device in self.devices}
        return clocks.pop() if len(clocks) == 1 else None

    def time(self, ticks: float | None) -> str:
        """Ticks as time."""
        return NOT_GIVEN if ticks is None else microseconds(ticks, self.ticks_hz) or NOT_GIVEN

    def cycles(self, ticks: float | None) -> str | None:
        """Ticks as cycles; None where clocks differ."""
        if ticks is None or self.clock_hz is None:
            return None
        return f"{whole(ticks * self.clock_hz / self.ticks_hz)} cycles"

    def both(self, ticks: float | None) -> str:
        """Ticks as cycles and time."""
        return ", ".join(part for part in (self.cycles(ticks), self.time(ticks)) if part)

    def budget(self, device: Json) -> Json:
        """What the system's description says of a device in use."""
        described = records(lookup(self.document, "system"), "devices")
        return next((item for item in described if lookup(item, "name") == lookup(device, "name")), {})

    def title(self, device: Json) -> str:
        """The name of a device, or of a further core of one."""
        name, on = lookup(device, "name"), lookup(device, "on")
        return str(name) if on is None else f"{name}, on {on}"

    def computes(self, index: int) -> str:
        """What a device computes, in words."""
        device = self.devices[index]
        layers = ", ".join(str(layer) for layer in lookup(device, "layers") or ())
        for what, said in (("outputs", "units"), ("inputs", "inputs")):
            found = lookup(device, what)
            if found is not None:
                return f"{said} {found[0]}–{found[1]} of {layers}"
        return layers
