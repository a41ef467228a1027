"""How near the dense datapath comes to its limit: ``python -m bench.limits``.

Utilisation is the products of a step (of each stream) over multipliers x step interval, at batch 1.  Every row is
planned; rows of few enough multipliers are generated and simulated, too, and the interval is then measured between
output handshakes.

The limit of a latency, to the last output word, is for layers that begin when all of their input is there: the issues
of each layer's step, of a spaced one those of x alone, and the way of the last results through its registers.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.cycle_law import Case, layer_of
from bench.table import print_table
from rnngen.emit.design import write_design
from rnngen.flow import simulate
from rnngen.ir.layers import LastStepLayer, LinearLayer
from rnngen.ir.network import Network
from rnngen.passes.quantise import quantise
from rnngen.plan.binding import best_interval, binds
from rnngen.plan.layer import LayerShape
from rnngen.plan.network import NetworkPlan
from rnngen.plan.schedule import run_schedule, spaced_latency
from rnngen.plan.search import Budget, plan_for_budget, plan_with_folding
from rnngen.plan.shapes import BlockShape, alone, block_shapes
from rnngen.plan.timing import GO_TO_ISSUE_CYCLES, HANDOVER_CYCLES, OUTPUT_CYCLES, PIPELINES

GATES = {"lstm": 4, "gru": 3}
LARGEST_SIMULATED = 6144
"""Multipliers of the largest circuit that is built, unless the command line says."""


@dataclass(frozen=True)
class Goal:
    """A network, its budget, and the utilisation to reach.

    Attributes:
        layers: How many of the same size, one behind the other.
        goal: Utilisation; 0: the step interval or the latency itself is of interest.
        spaced: The h-part of a step is computed before its x comes.
    """

    kind: str
    inputs: int
    hidden: int
    multipliers: int
    goal: float
    layers: int = 1
    streams: int = 1
    pipeline: str = "deep"
    spaced: bool = False

    @property
    def name(self) -> str:
        """The network."""
        many = f"{self.layers} x " if self.layers > 1 else ""
        return f"{many}{self.kind} {self.inputs}/{self.hidden}"


GOALS = (
    Goal("lstm", 1024, 1024, 1024, 1.0),
    Goal("lstm", 1024, 1024, 4096, 1.0),
    Goal("lstm", 1024, 1024, 96256, 0.95),
    Goal("lstm", 256, 256, 96000, 0.25, pipeline="short"),
    Goal("lstm", 512, 512, 96000, 0.65, pipeline="short"),
    Goal("lstm", 1536, 1536, 96000, 0.97),
    Goal("lstm", 2048, 2048, 96000, 0.98),
    Goal("gru", 1024, 1024, 96000, 0.90),
    Goal("gru", 2048, 2048, 96000, 0.97),
    Goal("gru", 2816, 2816, 96000, 0.98),
    Goal("lstm", 128, 128, 256, 0.99),
    Goal("lstm", 128, 128, 1024, 0.95),
    Goal("lstm", 960, 960, 6144, 0.98, layers=3),
    Goal("lstm", 960, 960, 6144, 0.0, layers=3, spaced=True),
    Goal("lstm", 24, 24, 200, 0.0, layers=3),
    Goal("lstm", 24, 24, 200, 0.0, layers=3, spaced=True),
    Goal("lstm", 6, 20, 2080, 0.0),
    Goal("lstm", 6, 20, 2080, 0.0, pipeline="shortest"),
    Goal("lstm", 6, 20, 2080, 0.0, pipeline="least"),
    Goal("lstm", 6, 20, 2080, 0.0, streams=8, pipeline="shortest"),
    Goal("lstm", 6, 20, 2080, 0.95, streams=16, pipeline="shortest"),
)


def shapes_of(goal: Goal) -> list[BlockShape]:
    """Its blocks for the planner: no weights are made."""
    sizes = [goal.inputs] + [goal.hidden] * (goal.layers - 1)
    return [
        alone(
            LayerShape(
                f"l{k}", goal.kind, GATES[goal.kind], size, goal.hidden, goal.hidden, streams=goal.streams,
                spaced=goal.spaced,
            )
        )
        for k, size in enumerate(sizes)
    ]


def measured(goal: Goal, plan: NetworkPlan) -> dict[str, Any]:
    """The plan as a circuit: its interval between output handshakes, and what it took to make and build it."""
    sizes = [goal.inputs] + [goal.hidden] * (goal.layers - 1)
    layers = [replace(layer_of(Case(goal.kind, size, goal.hidden, 0)), name=f"l{k}") for k, size in enumerate(sizes)]
    network = Network("net", tuple(layers))
    quantised = quantise(network, 8, 16)
    made = block_shapes(quantised, goal.streams, goal.spaced)
    assert [shape.unnamed for shape in made] == [shape.unnamed for shape in shapes_of(goal)]
    steps = 4 if goal.streams > 1 or goal.hidden > 512 else 10
    x = np.random.default_rng(0).uniform(-1.0, 1.0, (goal.streams, steps, goal.inputs))
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        design = write_design(Path(folder) / "d", network, quantised, plan, top="net", clock_hz=10**8, board=None)
        generated = time.monotonic() - started
        report = simulate(design, x)
        apart = plan.ahead + plan.interval + spaced_latency(plan)[1]
        sparse = simulate(design, x, gaps=apart)
    return {
        "measured_interval": report.figures["step_interval_cycles"],
        "measured_utilisation": report.figures["multiplier_utilisation"],
        "bit_exact": report.comparison.bit_exact,
        "cycle_exact": report.comparison.cycle_exact and sparse.comparison.cycle_exact,
        "measured_last_output": sparse.comparison.measured.latency_last_output_cycles,
        "generate_seconds": round(generated, 1),
        "build_seconds": report.figures["build_seconds"],
    }


def latency_limit(plan: NetworkPlan) -> int:
    """Cycles from the last input word of a lone step to its last output word, if no cycle were lost between issues."""
    each = [engine.tiles * engine.last_words + engine.last_pass - 1 + engine.result_cycles for engine in plan.engines]
    return sum(cycles + HANDOVER_CYCLES + GO_TO_ISSUE_CYCLES for cycles in each) + OUTPUT_CYCLES


def row(goal: Goal, largest: int) -> dict[str, Any]:
    """A goal as figures."""
    started = time.process_time()
    plan = plan_for_budget(shapes_of(goal), Budget(goal.multipliers), PIPELINES[goal.pipeline])
    seconds = time.process_time() - started
    first, last = spaced_latency(plan)
    limit = latency_limit(plan)
    figures = {
        "network": goal.name,
        "budget": goal.multipliers,
        "streams": goal.streams,
        "pipeline": goal.pipeline,
        "spaced": goal.spaced,
        "multipliers": plan.multipliers,
        "interval": plan.interval,
        "utilisation": plan.utilisation,
        "of_budget": plan.streams * plan.macs / (goal.multipliers * plan.interval),
        "goal": goal.goal,
        "recurrence_latency": plan.engines[0].recurrence_latency,
        "first_output": first,
        "last_output": last,
        "latency_limit": limit,
        "over_limit": last / limit - 1,
        "plan_seconds": round(seconds, 2),
    }
    simulated = plan.multipliers <= largest
    return figures | (measured(goal, plan) if simulated else {})


BUDGETS = (*range(1, 21), 24, 28, 32, 40, 48, 56, 64, 80, 96, 128, 200, 300, 500, 1000, 2000, 5000, 15000)


def layers(inputs: int, *items: tuple[str, int]) -> list[BlockShape]:
    """Layers one behind the other, by kind and size; ``both KIND``: of two directions."""
    blocks = []
    for number, (kind, size) in enumerate(items):
        both, kind = kind.startswith("both "), kind.removeprefix("both ")
        hidden = 0 if kind == "linear" else size
        shape = LayerShape(f"l{number}", kind, GATES.get(kind, 1), inputs, size, hidden)
        blocks.append(BlockShape((((shape,),),) * 2, stored=True) if both else alone(shape))
        inputs = size * (1 + both)
    return blocks


SMALL = {
    "lstm 6/20, linear 1": layers(6, ("lstm", 20), ("linear", 1)),
    "2 x lstm 32": layers(16, ("lstm", 32), ("lstm", 32)),
    "bidirectional gru 16": layers(8, ("both gru", 16)),
    "linear 12, 30, 5": layers(20, ("linear", 12), ("linear", 30), ("linear", 5)),
}


def budget_rows() -> list[dict[str, Any]]:
    """Every budget, from one multiplier to one a weight: how near the interval is to the bound, or what binds."""
    made = []
    for name, shapes in SMALL.items():
        for budget in BUDGETS:
            plan = plan_with_folding(shapes, Budget(budget), capacity=16)
            best = best_interval(plan, budget)
            made.append(
                {
                    "network": name,
                    "budget": budget,
                    "multipliers": plan.multipliers,
                    "shared": plan.shared is not None,
                    "interval": plan.interval,
                    "bound": best,
                    "above_bound": plan.interval / best - 1,
                    "binds": binds(plan, budget),
                }
            )
    return made


def sequence_row(pipeline: str, steps: int = 20) -> dict[str, Any]:
    """LSTM(6, 20), fully parallel, with a dense head behind the last of 20 steps: first input word to the result."""
    rng = np.random.default_rng(0)
    head = LinearLayer("head", rng.uniform(-1, 1, (1, 20)), np.zeros(1))
    network = Network("net", (layer_of(Case("lstm", 6, 20, 0)), LastStepLayer("last", 20), head))
    quantised = quantise(network, 16, 16)
    plan = plan_for_budget(block_shapes(quantised), Budget(2080 + 20), PIPELINES[pipeline])
    times = run_schedule(plan, [steps])
    with tempfile.TemporaryDirectory() as folder:
        design = write_design(Path(folder) / "d", network, quantised, plan, top="net", clock_hz=10**8, board=None)
        report = simulate(design, rng.uniform(-1.0, 1.0, (1, steps, 6)))
    return {
        "network": f"lstm 6/20, {steps} steps, dense head",
        "pipeline": pipeline,
        "interval": plan.interval,
        "sequence_cycles": times.outputs[-1][-1] - times.inputs[0][0] + 1,
        "cycle_exact": report.comparison.cycle_exact,
        "bit_exact": report.comparison.bit_exact,
    }


def main() -> int:
    """Prints the table, then everything as JSON; 1 if a circuit is not as planned."""
    parser = argparse.ArgumentParser(prog="bench.limits")
    parser.add_argument("--simulate-up-to", metavar="M", type=int, default=LARGEST_SIMULATED, help="multipliers")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    options = parser.parse_args()
    made = []
    for goal in GOALS:
        print(f"limits: {goal.name}, {goal.multipliers} multipliers", file=sys.stderr, flush=True)
        made.append(row(goal, options.simulate_up_to))
    columns = list(dict.fromkeys(key for figures in made for key in figures))
    print_table([{key: figures.get(key, "") for key in columns} for figures in made])
    sequences = [sequence_row(pipeline) for pipeline in PIPELINES]
    print_table(sequences)
    if options.json:
        options.json.write_text(json.dumps(made + sequences, indent=2) + "\n")
    budgets = budget_rows()
    print_table(budgets)
    print(json.dumps({"limits": made, "sequences": sequences, "budgets": budgets}))
    if not all(found["bit_exact"] and found["cycle_exact"] for found in sequences):
        return 1
    built = [figures for figures in made if "measured_interval" in figures]
    planned = [("measured_interval", "interval"), ("measured_last_output", "last_output")]
    return 0 if all(f["cycle_exact"] and all(f[got] == f[want] for got, want in planned) for f in built) else 1


if __name__ == "__main__":
    sys.exit(main())
