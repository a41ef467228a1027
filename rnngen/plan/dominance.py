"""What is worth keeping of partial choices that cost several things at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")


def undominated(items: Iterable[Item], costs: Callable[[Item], tuple[int, ...]]) -> list[Item]:
    """The items that no other one beats or equals in all its costs; of equal ones the first, ascending by costs."""
    kept: list[Item] = []
    front: list[tuple[int, ...]] = []
    for cost, item in sorted(((costs(item), item) for item in items), key=lambda pair: pair[0]):
        if not any(all(ours <= theirs for ours, theirs in zip(other, cost)) for other in front):
            kept.append(item)
            front.append(cost)
    return kept
