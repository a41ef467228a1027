"""What keeps the step interval of a plan from its bound, the products of a step over the multipliers."""

from __future__ import annotations

from rnngen.plan.engine import EnginePlan
from rnngen.plan.layer import ceil_div
from rnngen.plan.network import BlockPlan, NetworkPlan, SharedArray

NEAR = 0.03
"""A plan so near to the bound is bound by the multipliers."""

Losses = dict[str, float]
"""Cycles of the interval by what costs them."""


def best_interval(plan: NetworkPlan, multipliers: int) -> int:
    """No schedule of so many multipliers has a shorter interval."""
    return ceil_div(plan.streams * plan.macs, multipliers)


def binds(plan: NetworkPlan, multipliers: int | None = None) -> str:
    """What costs most of the cycles above the bound; empty where the interval is within 3 % of it.

    Args:
        multipliers: Of the budget; None: those that the plan has.
    """
    given = multipliers or plan.multipliers
    if plan.interval <= (1 + NEAR) * best_interval(plan, given):
        return ""
    losses = _of_array(plan, plan.shared) if plan.shared else _of_blocks(plan)
    unused = f"no lanes of up to {given} multipliers are faster than those of {plan.multipliers}"
    losses[unused] = plan.bound - plan.streams * plan.macs / given
    return max(losses, key=lambda cause: losses[cause])


def _of_array(plan: NetworkPlan, shared: SharedArray) -> Losses:
    """Of engines that share an array."""
    issues = sum(engine.issue_cycles for engine in plan.engines)
    worst = max(plan.engines, key=lambda engine: engine.issue_cycles - engine.shape.macs / shared.multipliers)
    waiting = max(plan.engines, key=lambda engine: engine.interval)
    stored = any(block.out_beats == shared.frame for block in plan.blocks)
    lanes = f"the array's {shared.rows} x {shared.columns} lanes"
    return {
        _of_lanes(worst, lanes): issues - plan.bound,
        _leaving() if stored else _recurrence(waiting): shared.frame - issues,
        _ports(): plan.interval - shared.frame,
    }


def _of_blocks(plan: NetworkPlan) -> Losses:
    """Of the slowest block, each engine of which has its own array."""
    block: BlockPlan = max(plan.blocks, key=lambda block: block.interval)
    branch = max(block.branches, key=lambda branch: branch.interval)
    engine = max(branch.engines, key=lambda engine: engine.issue_cycles)
    alone = plan.streams * engine.shape.macs / engine.multipliers
    lanes = f"{engine.gates_at_once} x {engine.rows} x {engine.columns} lanes"
    return {
        f"multipliers that are not parted as the products of the layers (slowest: '{engine.shape.name}')": (
            alone - plan.bound
        ),
        _of_lanes(engine, lanes): branch.work - alone,
        _recurrence(branch.first): branch.interval - branch.work,
        _leaving(): block.interval - branch.interval,
        _ports(): plan.interval - block.interval,
    }


def _ports() -> str:
    return "beats of the ports"


def _leaving() -> str:
    return "words that leave a stored sequence"


def _recurrence(engine: EnginePlan) -> str:
    return f"recurrence latency of layer '{engine.shape.name}'"


def _of_lanes(engine: EnginePlan, lanes: str) -> str:
    if engine.spacing > engine.last_words:
        return f"element-wise path of layer '{engine.shape.name}'"
    return f"{lanes}, into which the weights of layer '{engine.shape.name}' do not divide"
