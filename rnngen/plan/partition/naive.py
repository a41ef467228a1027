"""The cut that anyone would make by hand."""

from __future__ import annotations

from collections.abc import Sequence

from rnngen.config.system import Device
from rnngen.errors import PlanError
from rnngen.plan.partition.hops import Route
from rnngen.plan.partition.joined import joined
from rnngen.plan.partition.parts import Parts, Refusal
from rnngen.plan.partition.result import Partition


def naive_partition(parts: Parts, order: Sequence[Device]) -> Partition | Refusal:
    """Equal numbers of blocks to devices in a given order, as far as they go: what a planner is held against.

    Raises:
        PlanError: if no link joins two neighbours.
    """
    blocks, count = len(parts.network.blocks), min(len(order), len(parts.network.blocks))
    ends = [blocks * number // count for number in range(count + 1)]
    plans = []
    for device, start, stop in zip(order, ends, ends[1:]):
        plan = parts.plan(device, range(start, stop))
        if isinstance(plan, Refusal):
            return plan
        plans.append(plan)
    routes = []
    for sender, receiver in zip(plans, plans[1:]):
        wire = parts.system.wire(sender.device.name, receiver.device.name)
        if wire is None:
            raise PlanError(f"No link leads from '{sender.device.name}' to '{receiver.device.name}'.")
        routes.append(Route((parts.hop(wire, sender.blocks.stop),)))
    return joined(parts, plans, routes)
