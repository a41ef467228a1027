"""How many units the element-wise path takes a cycle, and which ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rnngen.arith.format import IntArray
from rnngen.plan.engine import EnginePlan
from rnngen.plan.lanes import is_aligned
from rnngen.plan.layer import LayerShape


def least_elements(plan: EnginePlan, limit: int, soon: bool = False) -> EnginePlan:
    """The engine with the fewest element-wise lanes (at most ``limit``) that reach the best interval of its lanes.

    ``soon``: and the least latency, too.

    Among equals, a number that divides columns and rows is preferred: the vector memories then need no rotation.
    """
    most = max(1, min(plan.rows, plan.h_columns if plan.shape.hidden else plan.rows, limit))
    *smaller, largest = element_choices(plan.shape, plan.rows, plan.fewest_elements, most)
    best = replace(plan, elements=largest)
    candidates = [best]
    for elements in smaller:
        fewer = replace(plan, elements=elements)
        late = soon and fewer.last_write_cycle > best.last_write_cycle
        if fewer.interval == best.interval and not late:
            candidates.append(fewer)
            if is_aligned(fewer):
                break
    fewest = min(found.elements for found in candidates)
    near = [found for found in candidates if found.elements <= 2 * fewest and is_aligned(found)]
    return min(near or candidates, key=lambda found: found.elements)


def element_choices(shape: LayerShape, rows: int, fewest: int, most: int) -> Sequence[int]:
    """Element-wise lanes that are legal, from the fewest to the most, ascending; one at least.

    Where x is multiplied apart those that divide the row lanes, or any where there is one tile.
    """
    if not shape.apart or rows == shape.units:
        return range(min(fewest, most), most + 1)
    legal = [elements for elements in range(1, most + 1) if rows % elements == 0]
    return [elements for elements in legal if elements >= fewest] or legal[-1:]


def unit_order(plan: EnginePlan) -> IntArray:
    """Unit of every (group, lane) of a step; -1 where a lane is empty."""
    order = np.full((plan.group_count, plan.elements), -1, dtype=np.int64)
    for unit in range(plan.shape.units):
        tile, row = divmod(unit, plan.rows)
        order[tile * plan.groups + row // plan.elements, row % plan.elements] = unit
    return order
