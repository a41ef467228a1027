"""Random networks over the whole range of options: circuit = emulator in every bit, every cycle and every counter.

Each example builds a simulator, so a plain run takes a few; ``make regress`` takes many (RNNGEN_CIRCUITS).
"""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from typing import Any

import pytest

from rnngen.emit.design import read_design, write_design
from rnngen.errors import PlanError
from rnngen.flow import simulate
from rnngen.ir.quantised import QuantisedNetwork
from rnngen.passes.quantise import quantise
from rnngen.plan.dsp import DSPS
from rnngen.plan.fold import can_fold
from rnngen.plan.network import NetworkPlan
from rnngen.plan.search import Budget, plan_for_budget, plan_for_lanes, plan_with_folding
from rnngen.plan.shapes import BlockShape, block_shapes
from tests.random_networks import make_input, make_network, random_description

CIRCUITS = int(os.environ.get("RNNGEN_CIRCUITS", "2"))
FIRST = int(os.environ.get("RNNGEN_FIRST", "0"))
"""Number of the first circuit: each number is a network with its options, the same every time."""


def options(number: int) -> dict[str, Any]:
    random = Random(number)
    by_lanes = random.random() < 0.4
    return {
        "inputs": random.randint(1, 24),
        "layers": random_description(random, 24),
        "weight_bits": random.randint(2, 18),
        "activation_bits": random.randint(4, 18),
        "scale": random.choice([0.5, 2.0, 12.0]),
        "amplitude": random.choice([0.2, 1.0, 3.0]),
        "calibrated": random.random() < 0.5,
        "loadable": random.random() < 0.5,
        "multiplier": random.choice(["generic", "ecp5"]),
        "sequences": random.randint(1, 4),
        "steps": random.randint(1, 6),
        "spare_capacity": random.randint(0, 3),  # more than the steps of a sequence
        "seed": number,
        "lanes": (random.randint(1, 24), random.randint(1, 24)) if by_lanes else None,
        "budget": random.randint(0, 300),
        "fold": number % 5 == 4,  # where the layers can share an array
        "spaced": random.random() < 0.3,  # where it is legal
    }


def gated(shapes: tuple[BlockShape, ...]) -> int | None:
    """Gates of all recurrent blocks, where they are as many in each."""
    gates = {max(layer.gates for layer in shape.layers) for shape in shapes if any(s.hidden for s in shape.layers)}
    return gates.pop() if len(gates) == 1 else None


def shapes_of(quantised: QuantisedNetwork, spaced: bool) -> tuple[BlockShape, ...]:
    """Spaced where that is asked for and legal."""
    try:
        return block_shapes(quantised, 1, spaced)
    except PlanError:
        return block_shapes(quantised)


def plan_of(quantised: QuantisedNetwork, chosen: dict[str, Any]) -> NetworkPlan:
    """On a shared array, by lanes where they are legal, else by a budget."""
    shapes = shapes_of(quantised, chosen["spaced"])
    capacity = chosen["steps"] + chosen["spare_capacity"]
    gates = gated(shapes)
    if chosen["fold"] and not can_fold(shapes):
        return plan_with_folding(shapes, Budget(1 + chosen["budget"] % 48), capacity=capacity, fold=True)
    if chosen["lanes"] is not None and gates is not None:
        main = [layer for shape in shapes for layer in shape.layers if layer.hidden or layer.gates > 1]
        rows, columns = chosen["lanes"]
        rows = min([rows, *(layer.units for layer in main)])
        columns = min([columns, *(max(layer.inputs, layer.hidden) for layer in main)])
        try:
            return plan_for_lanes(shapes, gates, rows, columns, capacity=capacity)
        except PlanError:  # of two stages not every pair of lanes fits together
            pass
    least = sum(layer.gates + len(shape.branches[0][0]) - 1 for shape in shapes for layer in shape.layers)
    return plan_for_budget(shapes, Budget(least + chosen["budget"]), capacity=capacity)


def check(folder: Path, chosen: dict[str, Any]) -> None:
    net = make_network(chosen["seed"], chosen["inputs"], chosen["layers"], chosen["scale"])
    x = make_input(net, chosen["seed"] + 1, chosen["sequences"], chosen["steps"], chosen["amplitude"])
    quantised = quantise(net, chosen["weight_bits"], chosen["activation_bits"], x if chosen["calibrated"] else None)
    plan = plan_of(quantised, chosen)
    write_design(
        folder / "design", net, quantised, plan, top="net", clock_hz=10**8, board=None,
        dsp=DSPS.get(chosen["multiplier"]), loadable=chosen["loadable"], calibration="",
    )  # fmt: skip
    design = read_design(folder / "design")
    assert design.plan == plan
    result = simulate(design, x)
    assert result.comparison.cycle_exact, result.comparison.sentence
    if not plan.capacity and not quantised.one_step and chosen["sequences"] * chosen["steps"] > 2:
        assert result.figures["step_interval_cycles"] <= plan.interval
    assert simulate(design, x, stall=0.4).comparison.bit_exact
    if plan.spaced:
        random = Random(chosen["seed"])
        gaps = [random.randint(0, 2 * plan.interval) for _ in range(chosen["sequences"] * chosen["steps"])]
        sparse = simulate(design, x, gaps=gaps)
        assert sparse.comparison.cycle_exact, sparse.comparison.sentence


@pytest.mark.verilator
@pytest.mark.parametrize("number", range(FIRST, FIRST + CIRCUITS))
def test_circuit_equals_emulator(number: int, tmp_path: Path) -> None:
    check(tmp_path, options(number))
