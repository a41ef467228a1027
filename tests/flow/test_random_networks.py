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

from rnngen.emit.design import write_design
from rnngen.flow import simulate
from rnngen.ir.network import LinearLayer, Network, RecurrentLayer
from rnngen.passes.quantise import quantise
from rnngen.plan.search import Budget, plan_for_budget, plan_for_lanes
from rnngen.plan.shapes import block_shapes

PARTS = 4
EXAMPLES = int(os.environ.get("RNNGEN_CIRCUITS", "8")) // PARTS


def network(random: np.random.Generator, sizes: list[int], head: int, scale: float) -> Network:
    layers: list[RecurrentLayer | LinearLayer] = []
    for index, (inputs, hidden) in enumerate(zip(sizes, sizes[1:])):
        bound, rows = scale / np.sqrt(hidden), 4 * hidden
        shapes = [(rows, inputs), (rows, hidden), (rows,), (rows,)]
        layers.append(RecurrentLayer(f"l{index}", "lstm", *(random.uniform(-bound, bound, shape) for shape in shapes)))
    if head:
        layers.append(LinearLayer("head", random.normal(size=(head, sizes[-1])), random.normal(size=head)))
    return Network("net", tuple(layers))


@st.composite
def options(draw: st.DrawFn) -> dict[str, Any]:
    sizes = draw(st.lists(st.integers(1, 24), min_size=2, max_size=4))
    head = draw(st.sampled_from([0, 0, 1, 5, 10]))
    chosen: dict[str, Any] = {
        "sizes": sizes,
        "head": head,
        "weight_bits": draw(st.integers(2, 18)),
        "activation_bits": draw(st.integers(4, 18)),
        "scale": draw(st.sampled_from([0.3, 1.0, 6.0])),
        "amplitude": draw(st.sampled_from([0.2, 1.0, 3.0])),
        "calibrated": draw(st.booleans()),
        "loadable": draw(st.booleans()),
        "multiplier": draw(st.sampled_from(["generic", "ecp5"])),
        "sequences": draw(st.integers(1, 3)),
        "steps": draw(st.integers(1, 6)),
        "seed": draw(st.integers(0, 2**16)),
    }
    if draw(st.booleans()):
        chosen["lanes"] = (4, draw(st.integers(1, min(sizes[1:]))), draw(st.integers(1, min(sizes[1:]))))
    else:
        chosen["budget"] = 4 * len(sizes) + draw(st.integers(0, 300))
    return chosen


def check(folder: Path, chosen: dict[str, Any]) -> None:
    random = np.random.default_rng(chosen["seed"])
    net = network(random, chosen["sizes"], chosen["head"], chosen["scale"])
    shape = (chosen["sequences"], chosen["steps"], chosen["sizes"][0])
    x = random.uniform(-chosen["amplitude"], chosen["amplitude"], shape)
    quantised = quantise(net, chosen["weight_bits"], chosen["activation_bits"], x if chosen["calibrated"] else None)
    shapes = block_shapes(quantised)
    if "lanes" in chosen:
        plan = plan_for_lanes(shapes, *chosen["lanes"])
    else:
        plan = plan_for_budget(shapes, Budget(chosen["budget"]))
    design = write_design(
        folder / "design", net, quantised, plan, top="net", clock_hz=10**8, board=None,
        multiplier=chosen["multiplier"], loadable=chosen["loadable"], calibration="",
    )  # fmt: skip
    result = simulate(design, x)
    assert result.comparison.cycle_exact, result.comparison.sentence
    if chosen["sequences"] * chosen["steps"] > 2:
        assert result.figures["step_interval_cycles"] <= plan.interval
    paused = simulate(design, x, stall=0.4)
    assert paused.comparison.bit_exact, paused.comparison.sentence


@pytest.mark.verilator
@pytest.mark.parametrize("part", range(PARTS))
def test_circuit_equals_emulator(part: int) -> None:
    @hypothesis.seed(part)
    @hypothesis.settings(max_examples=EXAMPLES, derandomize=False, deadline=None, database=None)
    @hypothesis.given(options())
    def run(chosen: dict[str, Any]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            check(Path(folder), chosen)

    run()
