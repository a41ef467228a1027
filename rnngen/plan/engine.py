"""The plan of one engine: lanes, schedule of a step, memories; everything counted, nothing estimated."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rnngen.errors import PlanError
from rnngen.plan.timing import DEFAULT_PIPELINE, OPERAND_CYCLES, TAILS, Pipeline


def ceil_div(a: int, b: int) -> int:
    """a / b rounded up."""
    return -(-a // b)


@dataclass(frozen=True)
class LayerShape:
    """What a plan needs to know of a layer.

    Attributes:
        kind: ``"lstm"`` or ``"linear"``, a key of ``TAILS``.
        gates: Rows of the matrix for one output unit.
        inputs: I.  units: H (outputs of a Linear layer).
        recurrent: Whether h is an operand of the product.
    """

    name: str
    kind: str
    gates: int
    inputs: int
    units: int
    recurrent: bool

    @property
    def macs(self) -> int:
        """Multiply-accumulates of a step."""
        return self.gates * self.units * (self.inputs + (self.units if self.recurrent else 0))


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
        limit = max(self.shape.inputs, self.shape.units if self.shape.recurrent else 0)
        for label, value, largest in (
            ("row", self.rows, self.shape.units),
            ("column", self.columns, limit),
            ("element-wise", self.elements, self.rows),
        ):
            if not 1 <= value <= largest:
                raise PlanError(
                    f"Layer '{self.shape.name}': {label} lanes must be within 1..{largest}, not {value}."
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
        return ceil_div(self.shape.units, self.columns) if self.shape.recurrent else 0

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

    @property
    def unhidden_interval(self) -> int:
        """The least interval that the recurrence alone allows: each h word is written before the next step reads it.

        E <= C, so words become ready no faster than they are read and only the last two can bind.
        """
        if not self.shape.recurrent:
            return 1
        words = range(max(0, self.h_words - 2), self.h_words)
        last_units = ((word, min((word + 1) * self.columns, self.shape.units) - 1) for word in words)
        return max(self.write_cycle(unit) + 1 - self.x_words - word for word, unit in last_units)

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
        return (self.tiles - 1) * self.spacing + self.x_words - 1

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
    largest = max(1, min(rows, columns if shape.recurrent else rows, limit))
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
