"""Partial cuts of a network, as a search holds them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from rnngen.plan.partition.routes import Path


class Reach(Enum):
    """Which results may go over devices that do not take them: none, those of the last part, or all."""

    NONE = 0
    LAST = 1
    ALL = 2


@dataclass(frozen=True)
class Place:
    """Blocks on a device, and over which links their input came there; none: the host is there."""

    device: int
    blocks: range
    path: Path


@dataclass(frozen=True)
class State:
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
class Way:
    """A partial cut.

    Attributes:
        state: Where its last device is.  places: All devices with their blocks; of the last one, where it has any yet.
        interval, latency: Of what is placed, in ticks; of a last part that is not planned, at least.
        before: The same without blocks on the last device; None where it has none yet.
        known: Whether the figures hold the plan of the last part, and not what it takes at least.
    """

    state: State
    places: tuple[Place, ...]
    interval: int
    latency: int
    before: Way | None = None
    known: bool = False


def is_beaten(kept: list[tuple[int, int]], way: Way) -> bool:
    """Whether another way to the same place has no larger figures; else these are kept."""
    if any(interval <= way.interval and latency <= way.latency for interval, latency in kept):
        return True
    kept.append((way.interval, way.latency))
    return False
