"""Random networks over the whole range of options: circuit = emulator in every bit, every cycle and every counter.

Each example builds a simulator, so a plain run takes a few; ``make regress`` takes many (RNNGEN_CIRCUITS).
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from rnngen.emit.design import read_design, write_design
from rnngen.errors import PlanError
from rnngen.flow import simulate
from rnngen.ir.quantised import QuantisedNetwork
from rnngen.passes.quantise import quantise
from rnngen.plan.network import NetworkPlan
from rnngen.plan.search import Budget, plan_for_budget, plan_for_lanes
from rnngen.plan.shapes import BlockShape, block_shapes
from tests.random_networks import descriptions, make_input, make_network

PARTS = 4
EXAMPLES = int(os.environ.get("RNNGEN_CIRCUITS", "8")) // PARTS
FIRST = int(os.environ.get("RNNGEN_FIRST", "0"))
"""Another start gives other networks."""


@st.composite
def options(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "inputs": draw(st.integers(1, 24)),
        "layers": draw(descriptions(st.integers(1, 24))),
        "weight_bits": draw(st.integers(2, 18)),
        "activation_bits": draw(st.integers(4, 18)),
        "scale": draw(st.sampled_from([0.5, 2.0, 12.0])),
        "amplitude": draw(st.sampled_from([0.2, 1.0, 3.0])),
        "calibrated": draw(st.booleans()),
        "loadable": draw(st.booleans()),
        "multiplier": draw(st.sampled_from(["generic", "ecp5"])),
        "sequences": draw(st.integers(1, 4)),
        "steps": draw(st.integers(1, 6)),
        "capacity": draw(st.integers(0, 3)),  # more than the steps of a sequence
        "seed": draw(st.integers(0, 2**16)),
        "lanes": draw(st.one_of(st.none(), st.tuples(st.integers(1, 24), st.integers(1, 24)))),
        "budget": draw(st.integers(0, 300)),
    }


def gated(shapes: tuple[BlockShape, ...]) -> int | None:
    """Gates of all recurrent blocks, where they are as many in each."""
    gates = {max(layer.gates for layer in shape.layers) for shape in shapes if any(s.hidden for s in shape.layers)}
    return gates.pop() if len(gates) == 1 else None


def plan_of(quantised: QuantisedNetwork, chosen: dict[str, Any]) -> NetworkPlan:
    """By lanes where they are legal, else by a budget."""
    shapes = block_shapes(quantised)
    capacity = chosen["steps"] + chosen["capacity"]
    gates = gated(shapes)
    if chosen["lanes"] is not None and gates is not None:
        main = [layer for shape in shapes for layer in shape.layers if layer.hidden or layer.gates > 1]
        rows, columns = chosen["lanes"]
        rows = min([rows, *(layer.units for layer in main)])
        columns = min([columns, *(max(layer.inputs, layer.hidden) for layer in main)])
        try:
            return plan_for_lanes(shapes, gates, rows, columns, capacity=capacity)
        except PlanError as error:  # of two stages not every pair of lanes fits together
            hypothesis.event(str(error).partition(":")[2])
    least = sum(layer.gates for shape in shapes for layer in shape.layers)
    return plan_for_budget(shapes, Budget(least + chosen["budget"]), capacity=capacity)


def check(folder: Path, chosen: dict[str, Any]) -> None:
    net = make_network(chosen["seed"], chosen["inputs"], chosen["layers"], chosen["scale"])
    x = make_input(net, chosen["seed"] + 1, chosen["sequences"], chosen["steps"], chosen["amplitude"])
    quantised = quantise(net, chosen["weight_bits"], chosen["activation_bits"], x if chosen["calibrated"] else None)
    plan = plan_of(quantised, chosen)
    write_design(
        folder / "design", net, quantised, plan, top="net", clock_hz=10**8, board=None,
        multiplier=chosen["multiplier"], loadable=chosen["loadable"], calibration="",
    )  # fmt: skip
    design = read_design(folder / "design")
    assert design.plan == plan
    result = simulate(design, x)
    assert result.comparison.cycle_exact, result.comparison.sentence
    if not plan.capacity and not quantised.one_step and chosen["sequences"] * chosen["steps"] > 2:
        assert result.figures["step_interval_cycles"] <= plan.interval
    assert simulate(design, x, stall=0.4).comparison.bit_exact


@pytest.mark.verilator
@pytest.mark.parametrize("part", range(PARTS))
def test_circuit_equals_emulator(part: int) -> None:
    @hypothesis.seed(FIRST + part)
    @hypothesis.settings(max_examples=EXAMPLES, derandomize=False, deadline=None, database=None)
    @hypothesis.given(options())
    def run(chosen: dict[str, Any]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            check(Path(folder), chosen)

    run()
