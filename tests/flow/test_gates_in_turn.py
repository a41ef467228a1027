"""Gates in turn: circuits of fewer multipliers than gates, bit and cycle exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from rnngen.emit.design import Design, read_design, write_design
from rnngen.errors import PlanError
from rnngen.flow import simulate
from rnngen.passes.quantise import quantise
from rnngen.plan.branch import BranchPlan
from rnngen.plan.engine import EnginePlan
from rnngen.plan.network import BlockPlan, NetworkPlan
from rnngen.plan.schedule import with_buffers
from rnngen.plan.search import Budget, plan_for_budget, plan_for_lanes
from rnngen.plan.shapes import block_shapes
from tests.random_networks import Description, make_input, make_network


@dataclass(frozen=True)
class Lanes:
    """Of one engine."""

    turns: int
    rows: int
    columns: int
    elements: int
    passes: tuple[int, ...] = ()
    x_lanes: int = 0


def design_of(
    folder: Path, inputs: int, description: Description, choice: Sequence[Lanes] | int, streams: int = 1
) -> Design:
    """A network with given lanes of each engine, or planned for a budget."""
    network = make_network(7, inputs, description)
    quantised = quantise(network, 8, 16)
    shapes = block_shapes(quantised, streams)
    if isinstance(choice, int):
        plan = plan_for_budget(shapes, Budget(choice))
    else:
        blocks = []
        for shape, lanes in zip(shapes, choice, strict=True):
            engine = EnginePlan(
                shape.layers[0], lanes.rows, lanes.columns, lanes.elements, passes=lanes.passes, x_lanes=lanes.x_lanes,
                turns=lanes.turns,
            )  # fmt: skip
            blocks.append(BlockPlan((BranchPlan(((engine,),)),)))
        plan = with_buffers(blocks, 1, blocks[-1].elements)
    made = write_design(folder, network, quantised, plan, top="net", clock_hz=10**8, board=None)
    assert read_design(folder).plan == plan
    return made


def check(design: Design, sequences: int = 3) -> NetworkPlan:
    x = make_input(design.network, 3, sequences, 5)
    result = simulate(design, x)
    assert result.comparison.cycle_exact, result.comparison.sentence
    assert result.figures["step_interval_cycles"] == design.plan.interval
    assert simulate(design, x, stall=0.3).comparison.bit_exact
    return design.plan


CASES = {
    "LSTM, GRU and LSTM, one multiplier a row": (
        3,
        (("lstm", 5), ("gru", 4), ("lstm", 3)),
        (Lanes(4, 1, 1, 1), Lanes(3, 3, 2, 2), Lanes(4, 2, 2, 2)),
    ),
    "sums in memories, GRU whose x-part is short, passes": (
        2,
        (("gru", 5), ("lstm", 6), ("lstm", 5), ("lstm", 4)),
        (Lanes(3, 4, 1, 1), Lanes(2, 4, 2, 2, (3, 3)), Lanes(4, 4, 4, 2, (2, 2)), Lanes(2, 4, 3, 1, (), 2)),
    ),
    "symbols": (1, (("embedding", 5, 3), ("gru", 6), ("lstm", 4)), (Lanes(3, 3, 2, 1), Lanes(4, 3, 2, 1))),
    "symbols of an LSTM": (1, (("embedding", 5, 3), ("lstm", 7)), (Lanes(2, 3, 3, 1),)),
}


@pytest.mark.verilator
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_circuit_equals_emulator(case: tuple[int, Description, Sequence[Lanes]], tmp_path: Path) -> None:
    check(design_of(tmp_path / "d", *case))


@pytest.mark.verilator
def test_an_lstm_runs_on_a_single_multiplier(tmp_path: Path) -> None:
    plan = check(design_of(tmp_path / "d", 6, (("lstm", 20),), 1))
    assert (plan.multipliers, plan.macs) == (1, 4 * 20 * 26)
    assert plan.interval == plan.bound == 2080


@pytest.mark.verilator
def test_streams_hide_what_a_gru_on_a_single_multiplier_waits_for(tmp_path: Path) -> None:
    plan = check(design_of(tmp_path / "d", 2, (("gru", 3),), 1, streams=2), sequences=4)
    assert plan.interval == 2 * plan.macs == 2 * 3 * 3 * 5


def test_given_lanes_take_gates_in_turn() -> None:
    shapes = block_shapes(quantise(make_network(1, 6, (("lstm", 8), ("linear", 2))), 8, 16))
    plan = plan_for_lanes(shapes, 1, 2, 2)
    assert (plan.engines[0].turns, plan.engines[0].multipliers) == (4, 4)
    assert plan.interval == plan.engines[0].interval
    with pytest.raises(PlanError, match=r"^Layer 'l0' computes 4 or 2 or 1 of its 4 gates at once, so the gate lanes "):
        plan_for_lanes(shapes, 3, 2, 2)
