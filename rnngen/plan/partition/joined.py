"""Parts to a partition."""

from __future__ import annotations

from collections.abc import Sequence

from rnngen.plan.partition.hops import Route
from rnngen.plan.partition.parts import PartPlan, Parts
from rnngen.plan.partition.result import Partition


def joined(
    parts: Parts, plans: Sequence[PartPlan], routes: Sequence[Route], back: Route | None = None
) -> Partition:
    """Parts with their ports fitted to the links between them."""
    frames = [None, *(route.frame for route in routes), None if back is None else back.frame]
    fitted = (parts.between(plan, frames[index], frames[index + 1]) for index, plan in enumerate(plans))
    return Partition(parts.system, tuple(fitted), tuple(routes), parts.whole, back=back)
