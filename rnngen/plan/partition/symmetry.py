"""Devices that could change places without a difference."""

from __future__ import annotations

from dataclasses import replace

from rnngen.config.system import System


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


def alike(system: System, uses: int) -> list[list[int]]:
    """By device those before it with which it could change places; one that must be used is like no other.

    Args:
        uses: Devices, as bits, that must be used.
    """
    free = [number for number in range(len(system.devices)) if not uses >> number & 1]
    found: list[list[int]] = [[] for _ in system.devices]
    for one in free:
        found[one] = [other for other in free if other < one and is_interchangeable(system, other, one)]
    return found
