"""What the report draws besides the JSON files of a design: a trace and the errors against float.

All cycles count from the first cycle of the drawn step; all errors are absolute.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rnngen.errors import DesignError
from rnngen.ir.sparse import BankedMask


@dataclass(frozen=True)
class Span:
    """Cycles [start, end) in which a stage works on what ``label`` names."""

    start: int
    end: int
    label: str = ""

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise DesignError(f"A span must end after its start, cycle {self.start}, not in cycle {self.end}.")


@dataclass(frozen=True)
class Lane:
    """One pipeline stage of one engine: a row of the timeline.

    Attributes:
        name: The stage, for instance ``issue x part``.
        engine: The layer it belongs to; lanes of one engine stand together.
        planned: What the plan says.
        simulated: What the circuit did; None if it was not simulated.
    """

    name: str
    engine: str
    planned: tuple[Span, ...]
    simulated: tuple[Span, ...] | None = None

    @property
    def differing(self) -> frozenset[tuple[int, int]]:
        """Cycles (start, end) of spans that only one of plan and simulation has; empty if not simulated."""
        if self.simulated is None:
            return frozenset()
        planned = {(span.start, span.end) for span in self.planned}
        return frozenset(planned ^ {(span.start, span.end) for span in self.simulated})


@dataclass(frozen=True, eq=False)
class TraceView:
    """The schedule of one step in steady state, as planned and as simulated.

    Attributes:
        lanes: Rows of the timeline in drawing order.
        start, end: Drawn cycles [start, end).
        planned_busy: Multipliers busy in each drawn cycle, from the plan.
        simulated_busy: Likewise from the simulation; None if it was not run.
        interval: The step interval, marked in the timeline; None leaves the mark out.
    """

    lanes: tuple[Lane, ...]
    start: int
    end: int
    planned_busy: Sequence[int]
    simulated_busy: Sequence[int] | None = None
    interval: int | None = None

    def __post_init__(self) -> None:
        cycles = self.end - self.start
        if cycles < 1:
            raise DesignError(f"A trace must hold at least one cycle, not {cycles}.")
        for label, busy in (("planned_busy", self.planned_busy), ("simulated_busy", self.simulated_busy)):
            if busy is not None and len(busy) != cycles:
                raise DesignError(f"A trace of {cycles} cycles must have as many values of {label}, not {len(busy)}.")


@dataclass(frozen=True)
class LayerError:
    """Error of one layer's output against the float network.

    Attributes:
        sqnr_db: Signal to quantisation noise; infinity where every value is equal.
    """

    name: str
    max_abs: float
    mean_abs: float
    sqnr_db: float


@dataclass(frozen=True, eq=False)
class ErrorView:
    """Error against the float network by layer and over time.

    Attributes:
        layers: In the order of the network.
        step_max, step_mean: Of the network's output by step, over all sequences and words.
        sequences: How many sequences were compared.
        reference: The judge, for instance ``PyTorch, float64``.
    """

    layers: tuple[LayerError, ...]
    step_max: Sequence[float]
    step_mean: Sequence[float]
    sequences: int
    reference: str

    def __post_init__(self) -> None:
        if len(self.step_max) != len(self.step_mean):
            raise DesignError(
                f"An error view must have as many means as maxima a step, not {len(self.step_mean)} "
                f"and {len(self.step_max)}."
            )


@dataclass(frozen=True, eq=False)
class MaskView:
    """Which weights of a sparse matrix are kept.

    Attributes:
        layer, matrix: Whose, and which: ``W_ih`` or ``W_hh``, of a Linear layer ``W``.
        banked: Its banks.
    """

    layer: str
    matrix: str
    banked: BankedMask

    @property
    def name(self) -> str:
        """Layer and matrix."""
        return f"{self.layer} {self.matrix}"

    @property
    def sparsity(self) -> float:
        """Share of zeros."""
        return 1.0 - self.banked.nonzeros / self.banked.mask.size
