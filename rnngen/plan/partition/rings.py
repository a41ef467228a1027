"""Devices in a ring, which compute a layer together: whose frame comes how far, and in which order they come."""

from __future__ import annotations

from dataclasses import dataclass

from rnngen.plan.layer import ceil_div


@dataclass(frozen=True)
class Ring:
    """How what each device gives goes round: a frame a step, which its neighbours send on to theirs.

    From the device behind it (place i + 1 beside place i) each one takes what the next ``ahead`` devices give; where
    links go both ways, from the one in front (place i - 1) what ``back`` devices give there.  A link so carries its
    sender's own frame first, then those that come to the sender, the nearest first, as they come.

    Attributes:
        devices: 3 or more.  both: Links go both ways round; else each device sends to the one in front of it.
    """

    devices: int
    both: bool

    @property
    def ahead(self) -> int:
        """Frames of a step that a device takes from the one behind it: the hops of the one that comes the furthest."""
        return ceil_div(self.devices - 1, 2) if self.both else self.devices - 1

    @property
    def back(self) -> int:
        """Frames of a step that it takes from the one in front of it."""
        return self.devices - 1 - self.ahead

    @property
    def order(self) -> tuple[int, ...]:
        """The other devices, by their distance around from a device on, in the order in which their frames come.

        Of two that come at the same time the one behind is first.
        """
        ahead = [(hops, 0, hops) for hops in range(1, self.ahead + 1)]
        back = [(hops, 1, self.devices - hops) for hops in range(1, self.back + 1)]
        return tuple(distance for _, _, distance in sorted(ahead + back))

    def hops(self, distance: int) -> int:
        """Links that the frame of the device at a distance crosses."""
        return distance if distance <= self.ahead else self.devices - distance


def reading_order(devices: int, ring: Ring | None) -> tuple[int, ...]:
    """The devices by their distance around, in the order in which one reads what they give: itself, then the others.

    Args:
        ring: None: each of them is linked to each other one, and all frames come at the same time.
    """
    return (0, *(range(1, devices) if ring is None else ring.order))
