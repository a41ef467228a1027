"""The plan of a whole accelerator: engines in a row, buffers between them, and when everything happens.

``run_schedule`` is the cycle model: a recursion over steps that the emulator and the
planner share and that the circuit obeys to the cycle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rnngen.plan.engine import EnginePlan, ceil_div
from rnngen.plan.timing import GO_TO_ISSUE_CYCLES, HANDOVER_CYCLES, OUTPUT_CYCLES

_SETTLING_STEPS = 24


@dataclass(frozen=True)
class NetworkPlan:
    """Engines, one a layer, with the stream ports at both ends.

    Attributes:
        engines: In network order.
        input_words: Words of an input beat.  output_words: Words of an output beat.
        output_slots: Steps that the output buffer holds.
    """

    engines: tuple[EnginePlan, ...]
    input_words: int
    output_words: int
    output_slots: int = 2

    @property
    def multipliers(self) -> int:
        """Products a cycle, all engines."""
        return sum(engine.multipliers for engine in self.engines)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of a step."""
        return sum(engine.shape.macs for engine in self.engines)

    @property
    def input_beats(self) -> int:
        """Beats of an input step."""
        return ceil_div(self.engines[0].shape.inputs, self.input_words)

    @property
    def output_beats(self) -> int:
        """Beats of an output step."""
        return ceil_div(self.engines[-1].shape.units, self.output_words)

    @property
    def steps_inside(self) -> int:
        """Most steps that are inside at once: each holds a slot of some buffer."""
        return sum(engine.input_slots for engine in self.engines) + self.output_slots

    @property
    def interval(self) -> int:
        """Step interval in steady state."""
        return max(self.input_beats, self.output_beats, *(engine.interval for engine in self.engines))

    @property
    def bound(self) -> float:
        """No schedule of these multipliers can have a shorter interval."""
        return self.macs / self.multipliers

    def latency(self) -> tuple[int, int]:
        """Cycles from the last input beat of a lone step to its first and to its last output beat."""
        times = next(run_schedule(self, 1))
        return times.output[0] - times.input[-1], times.output[-1] - times.input[-1]


@dataclass(frozen=True)
class StepTimes:
    """When things happen in one step; cycle 0 is the first cycle in which the input port accepts a beat.

    Attributes:
        input: Cycle of each input beat.  issue: First issue of each engine.  output: Cycle of each output beat.
    """

    input: tuple[int, ...]
    issue: tuple[int, ...]
    output: tuple[int, ...]


def _output_word_writes(plan: NetworkPlan) -> list[int]:
    """Cycle, from the last engine's first issue, in which each output beat's last word is written."""
    units = plan.engines[-1].shape.units
    last_units = [min((beat + 1) * plan.output_words, units) - 1 for beat in range(plan.output_beats)]
    return [plan.engines[-1].write_cycle(unit) for unit in last_units]


def run_schedule(plan: NetworkPlan, steps: int) -> Iterator[StepTimes]:
    """Times of every step when input is always offered and output always taken."""
    engines = plan.engines
    slots = [engine.input_slots for engine in engines] + [plan.output_slots]
    freed: list[list[int]] = [[] for _ in slots]  # cycle in which slot of step t is seen free by its writer
    last_go = [-(10**9)] * len(engines)
    writes = _output_word_writes(plan)
    next_input = next_output = 0
    for step in range(steps):
        free = [history[step - depth] if step >= depth else 0 for history, depth in zip(freed, slots)]
        first = max(next_input, free[0])
        inputs = tuple(range(first, first + plan.input_beats))
        next_input = inputs[-1] + 1
        ready = next_input - 1 + HANDOVER_CYCLES
        issues = []
        for index, engine in enumerate(engines):
            go = max(ready, last_go[index] + engine.interval, free[index + 1])
            last_go[index] = go
            issue = go + GO_TO_ISSUE_CYCLES
            issues.append(issue)
            freed[index].append(issue + engine.release_cycle + HANDOVER_CYCLES)
            ready = issue + engine.last_write_cycle + HANDOVER_CYCLES
        outputs = []
        for write in writes:
            next_output = max(next_output, issues[-1] + write + OUTPUT_CYCLES)
            outputs.append(next_output)
            next_output += 1
        freed[-1].append(outputs[-1] + HANDOVER_CYCLES)
        yield StepTimes(inputs, tuple(issues), tuple(outputs))


def settled_interval(plan: NetworkPlan) -> int:
    """Longest distance between the outputs of two neighbouring steps once the pipeline is full."""
    ends = [times.output[-1] for times in run_schedule(plan, _SETTLING_STEPS + 8 * len(plan.engines))]
    half = len(ends) // 2
    return max(after - before for before, after in zip(ends[half:], ends[half + 1 :]))


def with_buffers(engines: Sequence[EnginePlan], input_words: int, output_words: int) -> NetworkPlan:
    """The plan with the shallowest buffers that let every engine run at the slowest one's interval."""
    plan = NetworkPlan(tuple(engine.with_slots(2) for engine in engines), input_words, output_words)
    for deeper in range(64):
        if settled_interval(plan) <= plan.interval:
            return _trimmed(plan) if deeper else plan
        plan = replace(
            plan,
            engines=tuple(engine.with_slots(engine.input_slots + 1) for engine in plan.engines),
            output_slots=plan.output_slots + 1,
        )
    return plan


def _trimmed(plan: NetworkPlan) -> NetworkPlan:
    """Takes back each buffer's depth as far as the interval allows, from the input on."""
    for index in range(len(plan.engines) + 1):
        while True:
            smaller = _shallower(plan, index)
            if smaller is None or settled_interval(smaller) > plan.interval:
                break
            plan = smaller
    return plan


def _shallower(plan: NetworkPlan, index: int) -> NetworkPlan | None:
    """The plan with one slot less in buffer ``index`` (the last index is the output buffer)."""
    if index == len(plan.engines):
        return replace(plan, output_slots=plan.output_slots - 1) if plan.output_slots > 2 else None
    engine = plan.engines[index]
    if engine.input_slots <= 2:
        return None
    engines = plan.engines[:index] + (engine.with_slots(engine.input_slots - 1),) + plan.engines[index + 1 :]
    return replace(plan, engines=engines)
