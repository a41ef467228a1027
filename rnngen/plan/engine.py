"""The plan of one engine: lanes, schedule of a step, memories; everything counted, nothing estimated."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rnngen.arith.format import IntArray
from rnngen.errors import PlanError
from rnngen.plan.timing import DEFAULT_PIPELINE, OPERAND_CYCLES, TAILS, Pipeline


def ceil_div(a: int, b: int) -> int:
    """a / b rounded up."""
    return -(-a // b)


@dataclass(frozen=True)
class LayerShape:
    """What a plan needs to know of a layer.

    Attributes:
        kind: A key of ``TAILS``.
        gates: Rows of the matrix for one output unit.
        inputs: Words of x that are multiplied.  units: H (outputs of a Linear layer).
        hidden: Words of h that are multiplied (0: none).
        symbols: V where x is a symbol that a table is read at, and nothing of x is multiplied; else 0.
        alone: Whether h is the engine's own result, and not that of a second stage.
        x_offset, h_offset: First words of x and h that are read, where the vectors are longer.
        padding: Words of x that are there for the sake of a layout and have no weight.
    """

    name: str
    kind: str
    gates: int
    inputs: int
    units: int
    hidden: int
    symbols: int = 0
    alone: bool = True
    x_offset: int = 0
    h_offset: int = 0
    padding: int = 0

    @property
    def macs(self) -> int:
        """Multiply-accumulates of a step."""
        return self.gates * self.units * (self.inputs - self.padding + self.hidden)


@dataclass(frozen=True)
class EnginePlan:
    """A dense engine: gates x rows x columns multipliers that sweep the matrix tile by tile.

    Attributes:
        shape: The layer.
        rows, columns: R and C.
        elements: E, units that the element-wise path takes a cycle.
        pipeline: Depth of the multiplier array.
        input_slots: Steps that the engine's input buffer holds.
    """

    shape: LayerShape
    rows: int
    columns: int
    elements: int
    pipeline: Pipeline = DEFAULT_PIPELINE
    input_slots: int = 2

    def __post_init__(self) -> None:
        limit = max(self.shape.inputs, self.shape.hidden)
        for label, value, largest in (
            ("row", self.rows, self.shape.units),
            ("column", self.columns, limit),
            ("element-wise", self.elements, self.rows),
        ):
            if not 1 <= value <= largest:
                raise PlanError(
                    f"Layer '{self.shape.name}': {label} lanes must be within 1..{largest}, not {value}."
                )
        for what, offset in (("x", self.shape.x_offset), ("h", self.shape.h_offset)):
            if offset % self.columns:
                raise PlanError(
                    f"Layer '{self.shape.name}': column lanes must divide the slice of {what} that begins at {offset}, "
                    f"not be {self.columns}."
                )

    @property
    def multipliers(self) -> int:
        """M: products a cycle."""
        return self.shape.gates * self.rows * self.columns

    @property
    def tiles(self) -> int:
        """Tiles of R units in a step; the last one may be partly empty."""
        return ceil_div(self.shape.units, self.rows)

    @property
    def x_words(self) -> int:
        """Column words of the x-part of a sweep."""
        return ceil_div(self.shape.inputs, self.columns)

    @property
    def h_words(self) -> int:
        """Column words of the h-part of a sweep."""
        return ceil_div(self.shape.hidden, self.columns)

    @property
    def sweep(self) -> int:
        """Column words of a tile."""
        return self.x_words + self.h_words

    @property
    def groups(self) -> int:
        """Groups of E units in a full tile."""
        return ceil_div(self.rows, self.elements)

    @property
    def last_groups(self) -> int:
        """Groups of E units in the last tile."""
        return ceil_div(self.shape.units - (self.tiles - 1) * self.rows, self.elements)

    @property
    def group_count(self) -> int:
        """Groups of E units in a step: words of the bias and state memories."""
        return (self.tiles - 1) * self.groups + self.last_groups

    @property
    def spacing(self) -> int:
        """Cycles between the first issues of two tiles; more than the sweep only if E is too small for R."""
        return max(self.sweep, self.groups)

    @property
    def words(self) -> int:
        """Weight memory words: one for every issue of a step."""
        return self.tiles * self.sweep

    @property
    def sum_cycles(self) -> int:
        """Issue of a tile's last word to its first group's sums."""
        return OPERAND_CYCLES + self.pipeline.array_cycles(self.columns)

    @property
    def result_cycles(self) -> int:
        """Issue of a tile's last word to the write of its first group's output words."""
        return self.sum_cycles + TAILS[self.shape.kind].output

    @property
    def recurrence_latency(self) -> int:
        """L: issue of a tile's last word to the first issue that may read its first group's h."""
        return self.result_cycles + 1

    def write_cycle(self, unit: int) -> int:
        """Cycle, counted from the step's first issue, in which the unit's output word is written."""
        tile, row = divmod(unit, self.rows)
        return tile * self.spacing + self.sweep - 1 + self.result_cycles + row // self.elements

    def group_cycle(self, group: int) -> int:
        """Cycle, counted from the step's first issue, in which a group's output words are written."""
        tile, place = divmod(group, self.groups)
        return tile * self.spacing + self.sweep - 1 + self.result_cycles + place

    @property
    def unhidden_interval(self) -> int:
        """The least interval that the recurrence alone allows: each h word is written before the next step reads it."""
        if not self.shape.hidden or not self.shape.alone:
            return 1
        return max(self.write_cycle(unit) + 1 - self.x_words - word for word, unit in self.binding_h_words())

    def binding_h_words(self) -> list[tuple[int, int]]:
        """The h words that can bind, each with the last word of h in it.

        E <= C, so words become ready no faster than they are read and only the last two can.
        """
        words = range(max(0, self.h_words - 2), self.h_words)
        shape = self.shape
        return [(word, shape.h_offset + min((word + 1) * self.columns, shape.hidden) - 1) for word in words]

    @property
    def interval(self) -> int:
        """P: cycles between the starts of two steps of this engine."""
        return max(self.tiles * self.spacing, self.unhidden_interval, self._tail_interval)

    @property
    def _tail_interval(self) -> int:
        """A step's state must be written before the next step reads it."""
        timing = TAILS[self.shape.kind]
        if timing.state_read is None or timing.state_write is None:
            return 1
        return timing.state_write - (timing.state_read - 1) + 1

    @property
    def release_cycle(self) -> int:
        """Cycle, from the first issue, of the step's last read of its input slot."""
        return (self.tiles - 1) * self.spacing + (self.sweep if self.shape.symbols else self.x_words) - 1

    @property
    def first_write_cycle(self) -> int:
        """Cycle, from the first issue, in which the step's first output words are written."""
        return self.write_cycle(0)

    @property
    def last_write_cycle(self) -> int:
        """Cycle, from the first issue, in which the step's last output words are written."""
        return self.write_cycle(self.shape.units - 1)

    def is_hidden(self) -> bool:
        """Whether the recurrence latency costs nothing."""
        return self.unhidden_interval <= self.tiles * self.spacing

    def with_slots(self, slots: int) -> EnginePlan:
        """The same engine with another depth of input buffer."""
        return replace(self, input_slots=slots)


def least_elements(shape: LayerShape, rows: int, columns: int, limit: int, pipeline: Pipeline) -> EnginePlan:
    """The engine of R x C lanes with the fewest element-wise lanes (at most ``limit``) that reach its best interval.

    Among equals, a number that divides columns and rows is preferred: the vector memories then need no rotation.
    """
    largest = max(1, min(rows, columns if shape.hidden else rows, limit))
    best = EnginePlan(shape, rows, columns, largest, pipeline)
    target = best.interval
    candidates = [best]
    for elements in range(1, largest):
        plan = EnginePlan(shape, rows, columns, elements, pipeline)
        if plan.interval == target:
            candidates.append(plan)
            if is_aligned(plan):
                break
    fewest = min(plan.elements for plan in candidates)
    near = [plan for plan in candidates if plan.elements <= 2 * fewest and is_aligned(plan)]
    return min(near or candidates, key=lambda plan: plan.elements)


def is_aligned(plan: EnginePlan) -> bool:
    """Whether every group of E units starts at a multiple of E: E divides R, or there is one tile."""
    return plan.rows % plan.elements == 0 or plan.tiles == 1


def unit_order(plan: EnginePlan) -> IntArray:
    """Unit of every (group, lane) of a step; -1 where a lane is empty."""
    order = np.full((plan.group_count, plan.elements), -1, dtype=np.int64)
    for unit in range(plan.shape.units):
        tile, row = divmod(unit, plan.rows)
        order[tile * plan.groups + row // plan.elements, row % plan.elements] = unit
    return order
