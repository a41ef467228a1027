"""Words a cycle at the ends of blocks."""

from __future__ import annotations

from rnngen.plan.layer import ceil_div
from rnngen.plan.network import BlockPlan


def port_words(first: BlockPlan, interval: int) -> int:
    """Words of the narrowest input port that brings a step within the interval; those that divide the columns before.

    Args:
        first: The block behind the port.
    """
    columns = first.first.port_columns
    words = next((n for n in range(1, columns + 1) if ceil_div(first.port_size, n) <= interval), columns)
    return next((n for n in range(words, columns + 1) if columns % n == 0), columns)


def stored_lanes(elements: int, units: int, copies: int, interval: int, following: int | None) -> int:
    """Words a cycle that leave a stored block: the fewest, of multiples of what is written, that keep the interval.

    Args:
        elements, units: Of each of its ``copies`` directions.  following: Words that the next block takes in a cycle.
    """
    most = min(units, following or units) // elements
    lanes = range(elements, max(most, 1) * elements + 1, elements)
    return next((n for n in lanes if copies * ceil_div(units, n) <= interval), lanes[-1])
