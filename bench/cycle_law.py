"""The cycle law of every kind of recurrent layer, measured in Verilator: ``python -m bench.cycle_law``.

An engine of R x C lanes a gate has tiles x words issues a step:

    ceil(H / R) * (ceil(I / C) + ceil(H / C))         LSTM, GRU, plain RNN; each direction of two has its own
    ceil(H / R) * (ceil(I / C) + ceil(P / C))         gates of a projected LSTM; projection: ceil(P / R) * ceil(H / C)
    ceil(r / R) * (ceil(I / C) + ceil(H / C))         inner map of a factorised one; gates: ceil(H / R) * ceil(r / C)
    ceil(H/k / R) * (ceil(I/k / C) + ceil(P/k / C))   a group of a grouped one; projection: ceil(P / R) * ceil(H / C)

The step interval is the issues of the engine that has most, and what of the recurrence latency they do not cover.
Sums are kept between passes where that covers more (``rnngen.plan.order``); it changes no issue.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.table import print_table
from rnngen.emit.design import Design, write_design
from rnngen.flow import simulate
from rnngen.flow.simulate import SimulationReport
from rnngen.ir.layers import FactorisedLayer, GroupCell, GroupedLayer, Layer, ParallelLayer, RecurrentLayer
from rnngen.ir.network import Network
from rnngen.passes.quantise import quantise
from rnngen.plan.branch import BranchPlan
from rnngen.plan.engine import EnginePlan
from rnngen.plan.search import Budget, plan_for_budget
from rnngen.plan.shapes import block_shapes

F64 = npt.NDArray[np.float64]

GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}
SEQUENCES, STEPS = 5, 8
"""Of every run; the last sequences and steps are measured."""


@dataclass(frozen=True)
class Case:
    """A layer and its budget.

    Attributes:
        kind: A cell, ``bidirectional``, ``projected``, ``factorised`` or ``grouped``.
        inputs, hidden: I and H.  inner: P of a projected or grouped layer, r of a factorised one.
        groups: k.
    """

    kind: str
    inputs: int
    hidden: int
    multipliers: int
    inner: int = 0
    groups: int = 2

    @property
    def name(self) -> str:
        """The layer and its sizes."""
        extra = {"factorised": f" r={self.inner}", "projected": f" P={self.inner}"}.get(self.kind, "")
        extra = f" P={self.inner} k={self.groups}" if self.kind == "grouped" else extra
        return f"{self.kind} I={self.inputs} H={self.hidden}{extra}"


HIDDEN = (
    Case("lstm", 64, 128, 256),
    Case("gru", 64, 128, 192),
    Case("rnn_tanh", 64, 128, 64),
    Case("bidirectional", 32, 64, 128),
    Case("lstm", 96, 24, 256),
    Case("gru", 96, 24, 192),
    Case("projected", 128, 64, 144, inner=32),
    Case("projected", 128, 256, 128, inner=128),
    Case("projected", 512, 1024, 128, inner=256),
    Case("grouped", 256, 32, 144, inner=16),
    Case("grouped", 128, 256, 128, inner=128),
)
"""Layers whose recurrence latency is hidden."""

CASES = (
    *HIDDEN,
    Case("factorised", 256, 256, 128, inner=128),
    Case("projected", 64, 128, 144, inner=64),
    Case("factorised", 64, 128, 80, inner=32),
    Case("grouped", 64, 128, 144, inner=64),
    Case("lstm", 6, 20, 240),
    Case("gru", 6, 20, 180),
    Case("rnn_tanh", 6, 20, 60),
    Case("bidirectional", 6, 20, 240),
    Case("projected", 6, 20, 240, inner=8),
    Case("factorised", 6, 20, 120, inner=8),
    Case("grouped", 8, 16, 160, inner=8),
)
"""Layers whose recurrence latency is hidden, then layers whose is not, or not wholly.

Of two stages as many multipliers in each the second waits for the first one's first results and the next step for the
second one's last: a factorised layer always pays for the way through both, since its second stage has no x-part.
"""


def layer_of(case: Case) -> Layer:
    """The layer with random parameters."""
    random = np.random.default_rng(0)

    def uniform(*shape: int) -> F64:
        return np.asarray(random.uniform(-1.0, 1.0, shape) / np.sqrt(shape[-1]))

    def recurrent(name: str, cell: str, state: int, reverse: bool = False) -> RecurrentLayer:
        rows = GATES[cell] * case.hidden
        projection = uniform(state, case.hidden) if state != case.hidden else None
        weights = uniform(rows, case.inputs), uniform(rows, state)
        return RecurrentLayer(name, cell, *weights, uniform(rows), uniform(rows), projection, reverse)

    if case.kind == "bidirectional":
        pair = (recurrent("ahead", "lstm", case.hidden), recurrent("back", "lstm", case.hidden, reverse=True))
        return ParallelLayer("l", pair)
    if case.kind == "projected":
        return recurrent("l", "lstm", case.inner)
    rows = 4 * case.hidden
    if case.kind == "factorised":
        shapes = ((case.inner, case.inputs), (case.inner, case.hidden), (rows, case.inner), (rows,))
        return FactorisedLayer("l", *(uniform(*shape) for shape in shapes))
    if case.kind == "grouped":
        k = case.groups
        part, x, h = rows // k, case.inputs // k, case.inner // k
        groups = tuple(GroupCell(f"g{j}", uniform(part, x), uniform(part, h), uniform(part)) for j in range(k))
        return GroupedLayer("l", groups, uniform(case.inner, case.hidden))
    return recurrent("l", case.kind, case.hidden)


def _ceil(a: int, b: int) -> int:
    return -(-a // b)


def _issues(units: int, inputs: int, state: int, engine: EnginePlan) -> tuple[int, str]:
    """Issues of an engine, of the layer's own sizes and the engine's lanes alone, and how they come about."""
    rows, columns = engine.rows, engine.columns
    words = [f"ceil({size}/{columns})" for size in (inputs, state) if size]
    product = words[0] if len(words) == 1 else f"({' + '.join(words)})"
    return _ceil(units, rows) * (_ceil(inputs, columns) + _ceil(state, columns)), f"ceil({units}/{rows}) * {product}"


def law(case: Case, branch: BranchPlan) -> tuple[int, str]:
    """Issues of the busiest engine of a branch, from the law above, and the formula with its numbers."""
    first = branch.first
    if len(branch.stages) == 1:
        return _issues(case.hidden, case.inputs, case.hidden, first)
    if case.kind == "projected":
        parts = [_issues(case.hidden, case.inputs, case.inner, first), _issues(case.inner, case.hidden, 0, branch.last)]
    elif case.kind == "factorised":
        parts = [_issues(case.inner, case.inputs, case.hidden, first), _issues(case.hidden, case.inner, 0, branch.last)]
    else:
        k = case.groups
        parts = [
            _issues(case.hidden // k, case.inputs // k, case.inner // k, first),
            # The groups' words as they are handed over, with the empty lanes of a last tile.
            _issues(case.inner, branch.last.shape.inputs, 0, branch.last),
        ]
    issues, formula = max(parts)
    return issues, formula


def make_design(case: Case, folder: Path, capacity: int = STEPS) -> Design:
    """The design of a case: 8-bit weights, 16-bit activations."""
    network = Network("law", (layer_of(case),))
    quantised = quantise(network, 8, 16)
    plan = plan_for_budget(block_shapes(quantised), Budget(case.multipliers), capacity=capacity)
    return write_design(
        folder, network, quantised, plan, top="law", clock_hz=10**8, board=None, loadable=False,
        calibration="",
    )  # fmt: skip


def measured_interval(report: SimulationReport, design: Design, sequences: int) -> float:
    """Cycles a step in steady state, between output handshakes.

    Of a block that stores sequences: from the end of the last but one to the end of the last, over the steps; the
    output of all but them comes in a burst.  Else from one step to the next.
    """
    ends = report.run.out_cycle[design.plan.output_beats - 1 :: design.plan.output_beats]
    if not design.plan.capacity:
        distances = np.diff(ends)[len(ends) // 2 :]
        assert np.all(distances == distances[0]), "the run has not settled"
        return float(distances[0])
    steps = len(ends) // sequences
    distances = np.diff(ends[steps - 1 :: steps])
    assert distances[-1] == distances[-2], "the run has not settled"
    return float(distances[-1]) / steps


@dataclass(frozen=True)
class Measurement:
    """A case, planned and measured."""

    design: Design
    report: SimulationReport
    issues: int
    formula: str
    measured: float


def measure(case: Case) -> Measurement:
    """Plans, generates and simulates a case."""
    x = np.random.default_rng(1).uniform(-1.0, 1.0, (SEQUENCES, STEPS, case.inputs))
    with tempfile.TemporaryDirectory() as folder:
        design = make_design(case, Path(folder) / "design")
        report = simulate(design, x)
    issues, formula = law(case, design.plan.blocks[0].branches[0])
    return Measurement(design, report, issues, formula, measured_interval(report, design, SEQUENCES))


def row(case: Case) -> dict[str, Any]:
    """A case as figures."""
    made = measure(case)
    plan, interval = made.design.plan, made.design.plan.blocks[0].interval
    return {
        "layer": case.name,
        "multipliers": plan.multipliers,
        "formula": made.formula,
        "issues": made.issues,
        "uncovered": interval - made.issues,
        "planned_interval": interval,
        "measured_interval": int(made.measured) if made.measured.is_integer() else made.measured,
        "utilisation": plan.macs / (plan.multipliers * made.measured),
        "bit_exact": made.report.comparison.bit_exact,
        "cycle_exact": made.report.comparison.cycle_exact,
    }


def rows() -> Iterator[dict[str, Any]]:
    """One row a case."""
    for case in CASES:
        print(f"law: {case.name}", file=sys.stderr, flush=True)
        yield row(case)


def main() -> int:
    """Prints the table, then everything as JSON; 1 if a measured interval is not the planned one."""
    parser = argparse.ArgumentParser(prog="bench.cycle_law")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    options = parser.parse_args()
    made = list(rows())
    print_table(made)
    if options.json:
        options.json.write_text(json.dumps(made, indent=2) + "\n")
    print(json.dumps({"cycle_law": made}))
    return 0 if all(r["cycle_exact"] and r["planned_interval"] == r["measured_interval"] for r in made) else 1


if __name__ == "__main__":
    sys.exit(main())
