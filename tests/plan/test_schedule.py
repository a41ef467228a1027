"""The cycle model of a whole accelerator obeys what the memories allow, and reaches the promised interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rnngen.emulate.network import run_cycles
from rnngen.plan.branch import BranchPlan
from rnngen.plan.engine import EnginePlan
from rnngen.plan.layer import LayerShape
from rnngen.plan.network import BlockPlan, NetworkPlan
from rnngen.plan.schedule import Schedule, latency, run_schedule
from rnngen.plan.search import Budget, plan_for_budget
from rnngen.plan.shapes import BlockShape, alone


def lstm(inputs: int, units: int, name: str = "l") -> LayerShape:
    return LayerShape(name, "lstm", 4, inputs, units, units)


def head(inputs: int, units: int) -> LayerShape:
    return LayerShape("head", "linear", 1, inputs, units, 0)


def blocks(*shapes: LayerShape) -> tuple[BlockShape, ...]:
    return tuple(alone(shape) for shape in shapes)


@dataclass
class Step:
    input: tuple[int, ...]
    issue: tuple[int, ...]
    output: tuple[int, ...]


def steps_of(schedule: Schedule) -> list[Step]:
    return [Step(*parts) for parts in zip(schedule.inputs, zip(*schedule.issues), schedule.outputs, strict=True)]


def test_hand_case() -> None:
    """LSTM(2, 2) on 4 x 1 x 1 lanes: 2 tiles of 4 words; results 27 cycles behind a tile's last word."""
    plan = NetworkPlan((BlockPlan((BranchPlan(((EnginePlan(lstm(2, 2), 1, 1, 1),),)),)),), 1, 1)
    # Interval: unit 1 is written in cycle 7 + 2 + 4 + 0 + 1 + 20 = 34 and read as word 3 of the next step.
    assert plan.interval == 34 + 1 - 3
    times = run_schedule(plan, [2])
    # Beats in cycles 0 and 1, start seen in 2, first issue in 3; outputs 2 cycles behind the writes of 3 + 30, 3 + 34.
    assert times.inputs[0] == (0, 1)
    assert times.issues == ((3, 3 + 32),)
    assert times.outputs == ((3 + 30 + 2, 3 + 34 + 2), (35 + 32, 39 + 32))
    assert latency(plan) == (34, 38)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 30), st.integers(1, 9), st.integers(9, 900))
@settings(max_examples=30)
def test_nothing_is_read_before_it_is_written_nor_written_over_before_it_is_read(
    inputs: int, units: int, second: int, outputs: int, budget: int
) -> None:
    plan = plan_for_budget(blocks(lstm(inputs, units), lstm(units, second, "m"), head(second, outputs)), Budget(budget))
    steps = 40
    times = steps_of(run_schedule(plan, [steps]))
    for t, now in enumerate(times):
        assert list(now.input) == list(range(now.input[0], now.input[0] + len(now.input)))
        assert len(now.input) == math.ceil(inputs / plan.input_words)
        # A step written in cycle n starts its reader in n + 1, whose first issue is a cycle later.
        assert now.issue[0] >= now.input[-1] + 2
        for before, engine, after in zip(now.issue, plan.engines, now.issue[1:]):
            assert after >= before + engine.last_write_cycle + 2
        for beat, cycle in enumerate(now.output):
            unit = min((beat + 1) * plan.output_words, outputs) - 1
            assert cycle > now.issue[-1] + plan.engines[-1].write_cycle(unit)
        assert list(now.output) == sorted(set(now.output))
        for index, engine in enumerate(plan.engines):
            if t:
                assert now.issue[index] - times[t - 1].issue[index] >= engine.interval
            # The slot of step t is that of step t - slots: its first write comes after the last read of the old step.
            if t >= engine.input_slots:
                last_read = times[t - engine.input_slots].issue[index] + engine.release_cycle
                before = index - 1
                writer = now.input[0] if index == 0 else now.issue[before] + plan.engines[before].first_write_cycle
                assert writer > last_read
        if t >= plan.output_slots:
            assert now.issue[-1] + plan.engines[-1].first_write_cycle > times[t - plan.output_slots].output[-1]
    ends = [now.output[-1] for now in times]
    assert all(b - a == plan.interval for a, b in zip(ends[steps // 2 :], ends[steps // 2 + 1 :]))


def test_run_cycles_is_the_schedule() -> None:
    plan = plan_for_budget(blocks(lstm(5, 7), head(7, 3)), Budget(40))
    cycles = run_cycles(plan, [6])
    times = steps_of(run_schedule(plan, [6]))
    assert np.array_equal(cycles.input, [now.input for now in times])
    assert np.array_equal(np.transpose(cycles.issues), [now.issue for now in times])
    assert np.array_equal(cycles.output, [now.output for now in times])
