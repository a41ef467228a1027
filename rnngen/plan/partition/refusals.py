"""Why there is no cut over some number of devices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rnngen.plan.link import MOST_PAYLOAD
from rnngen.plan.partition.parts import Parts, Refusal

_NO_WAY = (
    f"no links as wide as a value that take a step in a frame of up to {MOST_PAYLOAD:,} words lead over so many "
    "devices from where the input enters to where results leave"
)


@dataclass(frozen=True)
class Loser:
    """A number of devices over which nothing was found, and why."""

    devices: int
    reason: str


class Refusals:
    """What a search learns of cuts that there are not."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._forwarders: dict[int, int] = {}  # by devices of a cut that was left out, those that would only forward
        self._refused: dict[tuple[int, bool], Refusal] = {}  # by devices so far, and whether it is the last one

    def note(self, refusal: Refusal, count: int) -> None:
        """Keeps the most telling refusal: of the fewest blocks."""
        key = count, refusal.blocks.stop == len(self._parts.network.blocks)
        told = self._refused.get(key)
        if told is None or len(refusal.blocks) < len(told.blocks):
            self._refused[key] = refusal

    def note_forwarders(self, count: int, devices: int) -> None:
        """Keeps devices, as bits, that would compute nothing in a cut over so many."""
        self._forwarders.setdefault(count, devices)

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
        all_devices = enumerate(self._parts.system.devices)
        names = [f"'{device.name}'" for number, device in all_devices if devices >> number & 1]
        what = "device" if len(names) == 1 else "devices"
        return f"{what} {' and '.join(names)} would only give on what others compute, which is not offered"

    def _names(self, blocks: Sequence[int]) -> str:
        network = self._parts.network
        first, last = (network.layers[network.blocks[index].branches[0].last].name for index in (blocks[0], blocks[-1]))
        return f"'{first}'" if len(blocks) == 1 else f"'{first}' to '{last}'"
