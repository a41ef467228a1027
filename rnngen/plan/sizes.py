"""Numbers of lanes worth a look: those with fewer would take as many cycles."""

from __future__ import annotations

from rnngen.plan.layer import LayerShape, ceil_div


def distinct_divisions(size: int) -> list[int]:
    """The smallest n for every value of ceil(size / n), ascending."""
    smallest: dict[int, int] = {}
    for n in range(1, size + 1):
        smallest.setdefault(ceil_div(size, n), n)
    return sorted(smallest.values())


def row_divisions(shape: LayerShape) -> list[int]:
    """The fewest rows for every number of tiles, of those that are legal, ascending."""
    banked = shape.banked
    if banked is None:
        return distinct_divisions(shape.units)
    fewest: dict[int, int] = {}
    for rows in range(1, shape.units + 1):
        if banked.allows(rows):
            fewest.setdefault(ceil_div(shape.units, rows), rows)
    return sorted(fewest.values())


def column_choices(shape: LayerShape) -> list[int]:
    """Column counts worth a look: the smallest for each pair of x and h word counts."""
    if shape.banked:
        return [shape.banked.banks]
    largest = max(shape.inputs, shape.hidden)
    smallest: dict[tuple[int, int], int] = {}
    for n in range(1, largest + 1):
        smallest.setdefault((ceil_div(shape.inputs, n), ceil_div(shape.hidden, n)), n)
    return sorted(smallest.values())
