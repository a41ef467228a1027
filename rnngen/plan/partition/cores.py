"""A device with two cores, so that it can compute layers that are no neighbours.

In the search its second core is a device beside it, with a share of its budgets and a link of registers to the first
one, over which results come and go that the first core's links bring and take.  So the same exact search weighs such
cuts, and links, frames and the cycle model of a system know nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from math import floor

from rnngen.config.system import INSIDE_CYCLES, Device, Link, System
from rnngen.errors import PlanError
from rnngen.plan.partition.apart import GAIN
from rnngen.plan.partition.parts import Parts
from rnngen.plan.partition.result import Partition
from rnngen.plan.partition.search import best_below
from rnngen.plan.partition.symmetry import is_interchangeable

SHARES = 16
"""Of each budget of a device the first core has from 1 to 15 of so many shares, and the second one the others."""
_BUDGETS = ("multipliers", "dsps", "memory_bits", "luts")


def with_two_cores(system: System, name: str, shares: int, word_bits: int) -> System | None:
    """The system where a device has a second core, NAME_2; None where there is too little for both.

    Args:
        shares: Of ``SHARES`` of each budget, for the first core.
        word_bits: Of the link between both.
    """
    device, second = system.device(name), f"{name}_2"
    whole = {budget: value for budget in _BUDGETS if (value := getattr(device, budget)) is not None}
    first = {budget: value * shares // SHARES for budget, value in whole.items()}
    rest = {budget: value - first[budget] for budget, value in whole.items()}
    taken = {other.name.lower() for other in system.devices}
    if min(*first.values(), *rest.values()) < 1 or second.lower() in taken:
        return None
    devices: list[Device] = []
    for each in system.devices:
        devices.append(replace(each, **first) if each is device else each)
        if each is device:
            devices.append(replace(device, name=second, on=name, board=None, **rest))
    return System(tuple(devices), (*system.links, Link(name, second, word_bits, INSIDE_CYCLES)), system.host)


def best_cores(parts: Parts, goal: str, below: tuple[int, int] | None = None) -> Partition | str:
    """The best cut in which a device computes layers that are no neighbours, or why there is none.

    One device has two cores, whichever it is, in whichever shares of its budgets.

    Args:
        below: What its figures (``Partition.key``) must be below.

    Raises:
        PlanError: if there are too many ways to weigh.
    """
    blocks, devices = len(parts.network.blocks), len(parts.system.devices)
    if blocks < 3:
        return f"layers that are no neighbours take three, and the network has {blocks}"
    if devices < 2:
        return "there is one device"
    best, refused = None, "no device has enough for two cores"
    for system, name in _systems(parts.system):
        if parts.progress is not None:
            parts.progress(f"weighing two cores on device '{name}'")
        choice = Parts(parts.network, system, parts.capacity, parts.fold, None)
        choice.share_plans(parts)
        found = best_below(choice, goal, below, (name, f"{name}_2"))
        if isinstance(found, str):
            refused = found
        else:
            best, below = found, found.key(goal)
    return best or refused


def better_cores(parts: Parts, goal: str, beaten: Partition | None) -> Partition | None:
    """The same where it shortens a cut's step interval by as much as ``GAIN``, or there was none so far; else None.

    Args:
        beaten: That cut.
    """
    if beaten is not None and (goal != "interval" or max(beaten.device_ticks) < beaten.interval_ticks):
        return None
    with suppress(PlanError):
        found = best_cores(parts, goal, None if beaten is None else (floor(beaten.interval_ticks * (1 - GAIN)) + 1, 0))
        return None if isinstance(found, str) else found
    return None


def _systems(system: System) -> Iterator[tuple[System, str]]:
    """Each device with two cores, in each way; of devices that could change places one."""
    devices = system.devices
    for number, device in enumerate(devices):
        if device.on is not None or any(other.on == device.name for other in devices):
            continue  # as described
        if any(is_interchangeable(system, other, number) for other in range(number)):
            continue
        widths = sorted({wire.word_bits for wire in system.wires if device.name in wire.ends})
        for bits in widths:
            for shares in range(1, SHARES):
                made = with_two_cores(system, device.name, shares, bits)
                if made is not None:
                    yield made, device.name
