"""Plans of neighbouring blocks on one device, and what they take at least; each is made once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from rnngen.config.system import Device, System
from rnngen.errors import PlanError
from rnngen.ir.quantised import QuantisedNetwork
from rnngen.passes.cut import part_of
from rnngen.plan.binding import binds
from rnngen.plan.branch import BranchPlan
from rnngen.plan.dsp import DSPS, Dsp
from rnngen.plan.engine import EnginePlan
from rnngen.plan.frames import StepFrame, fitted
from rnngen.plan.layer import LayerShape, ceil_div
from rnngen.plan.memory import total_memory_bits
from rnngen.plan.network import NetworkPlan
from rnngen.plan.schedule import run_schedule
from rnngen.plan.search import DEFAULT_CAPACITY, Budget, plan_with_folding
from rnngen.plan.shapes import BlockShape, block_shapes
from rnngen.plan.timing import OPERAND_CYCLES, PIPELINES, Pipeline, pipeline_for, tail_timing

Progress = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class PartPlan:
    """The plan of neighbouring blocks on a device.

    Attributes:
        blocks: Indices in the whole network.
        memory_bits: Of all its memories.
    """

    device: Device
    blocks: range
    plan: NetworkPlan
    memory_bits: int

    @cached_property
    def _lone(self) -> tuple[int, tuple[int, ...]]:
        """Of a lone step: cycle of the last beat in, and of each beat out."""
        times = run_schedule(self.plan, [1])
        return times.inputs[0][-1], times.outputs[0]

    @cached_property
    def outputs(self) -> tuple[int, ...]:
        """Cycles from the last input beat of a lone step to each of its output beats."""
        last, outputs = self._lone
        return tuple(cycle - last for cycle in outputs)

    @property
    def inputs(self) -> int:
        """Beats of an input step."""
        return self.plan.input_beats

    @property
    def interval(self) -> int:
        """Step interval in cycles of the device."""
        return self.plan.interval

    @property
    def binds(self) -> str:
        """What keeps the interval from that of the device's multipliers; empty where little does."""
        return binds(self.plan, self.device.multipliers)


@dataclass(frozen=True)
class Refusal:
    """Why a device cannot take blocks."""

    device: str
    blocks: range
    reason: str


@dataclass(frozen=True)
class _Resources:
    """What the plan of a part depends on beside its shapes."""

    budget: Budget
    dsp: Dsp | None
    pipeline: Pipeline


class Parts:
    """Plans of parts of a network on the devices of a system.

    Raises:
        PlanError: if a device's DSP block or pipeline has an unknown name, or no pipeline reaches its clock.
    """

    def __init__(
        self,
        network: QuantisedNetwork,
        system: System,
        capacity: int = DEFAULT_CAPACITY,
        fold: bool | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.network, self.system = network, system
        self._capacity, self._fold, self._progress = capacity, fold, progress
        self._resources = {device.name: _resources(device) for device in system.devices}
        self._shapes = {dsp: block_shapes(network, dsp=dsp) for dsp in {r.dsp for r in self._resources.values()}}
        self._weights = [_weight_bits(network, index) for index in range(len(network.blocks))]
        self._plans: dict[tuple[tuple[BlockShape, ...], _Resources], NetworkPlan | str] = {}
        self._parts: dict[tuple[str, int, int], PartPlan | Refusal] = {}
        self._fitted: dict[tuple[str, range, StepFrame | None, StepFrame | None], PartPlan] = {}

    def known(self, device: Device, blocks: range) -> PartPlan | Refusal | None:
        """The plan or why there is none, where that was found already or is seen without planning."""
        key = (device.name, blocks.start, blocks.stop)
        if key not in self._parts and device.memory_bits is not None:
            least = sum(self._weights[index] for index in blocks)
            if least > device.memory_bits:
                said = f"its memory has {device.memory_bits:,} bits and the weights alone need {least:,}"
                self._parts[key] = Refusal(device.name, blocks, said)
        return self._parts.get(key)

    def plan(self, device: Device, blocks: range) -> PartPlan | Refusal:
        """The plan of blocks on a device, or why there is none."""
        found = self.known(device, blocks)
        if found is None:
            found = self._made(device, blocks)
            self._parts[device.name, blocks.start, blocks.stop] = found
        return found

    def least_interval(self, device: Device, blocks: range) -> int:
        """No plan of the blocks on the device has a shorter interval."""
        resources = self._resources[device.name]
        shapes = self._shapes[resources.dsp][blocks.start : blocks.stop]
        layers = [layer for shape in shapes for layer in shape.layers]
        pairs = 2 if resources.budget.dsps is not None and any(layer.pair_width for layer in layers) else 1
        return ceil_div(sum(layer.macs for layer in layers), pairs * resources.budget.multipliers)

    def products(self, blocks: range) -> int:
        """Products of a step."""
        return sum(self.network.layers[i].macs for index in blocks for i in self._layers(index))

    def most_products(self, device: Device) -> int:
        """Products that a device gives in a cycle, at most."""
        resources = self._resources[device.name]
        pairs = resources.budget.dsps is not None and resources.dsp is not None
        return (2 if pairs else 1) * resources.budget.multipliers

    def _layers(self, block: int) -> tuple[int, ...]:
        """Indices of a block's layers."""
        return tuple(index for branch in self.network.blocks[block].branches for index in branch.indices)

    def least_ways(self, device: Device, blocks: range) -> int:
        """Cycles that a lone step takes at least beside its issues: each block's way from product to output."""
        resources = self._resources[device.name]
        shapes = self._shapes[resources.dsp][blocks.start : blocks.stop]
        last = (shape.branches[0][-1][0].kind for shape in shapes)
        depth = OPERAND_CYCLES + resources.pipeline.product_stages
        return sum(depth + tail_timing(kind, resources.pipeline).output for kind in last)

    def dsp(self, device: Device) -> Dsp | None:
        """The device's DSP block, where it is known."""
        return self._resources[device.name].dsp

    def pipeline(self, device: Device) -> Pipeline:
        """The depth of the device's datapath."""
        return self._resources[device.name].pipeline

    def value_bits(self, block: int) -> int:
        """Width of a word that a block gives."""
        return self.network.block_format(self.network.blocks[block]).width

    def values(self, block: int) -> int:
        """Words of a step that a block gives."""
        return self.network.block_size(self.network.blocks[block])

    def _made(self, device: Device, blocks: range) -> PartPlan | Refusal:
        plan = self._planned(device, blocks)
        if isinstance(plan, str):
            return Refusal(device.name, blocks, plan)
        bits = total_memory_bits(part_of(self.network, blocks), plan)
        if device.memory_bits is not None and bits > device.memory_bits:
            said = f"its memory has {device.memory_bits:,} bits and the plan needs {bits:,}"
            return Refusal(device.name, blocks, said)
        return PartPlan(device, blocks, plan, bits)

    def between(self, part: PartPlan, takes: StepFrame | None, gives: StepFrame | None) -> PartPlan:
        """The part with ports as wide as the words of the links on both sides; None: the host is there."""
        key = (part.device.name, part.blocks, takes, gives)
        if key not in self._fitted:
            plan = fitted(part.plan, takes, gives)
            bits = total_memory_bits(part_of(self.network, part.blocks), plan)
            self._fitted[key] = replace(part, plan=plan, memory_bits=bits)
        return self._fitted[key]

    def _planned(self, device: Device, blocks: range) -> NetworkPlan | str:
        """The plan; layers that are alike but for their names have the same one."""
        resources = self._resources[device.name]
        shapes = self._shapes[resources.dsp][blocks.start : blocks.stop]
        key = tuple(shape.unnamed for shape in shapes), resources
        if key not in self._plans:
            if self._progress is not None:
                self._progress(f"planning blocks {blocks.start}..{blocks.stop - 1} on device '{device.name}'")
            try:
                self._plans[key] = plan_with_folding(
                    shapes, resources.budget, resources.pipeline, self._capacity, self._fold
                )
            except PlanError as error:
                self._plans[key] = str(error)
        plan = self._plans[key]
        return plan if isinstance(plan, str) else _named(plan, shapes)


def _resources(device: Device) -> _Resources:
    for what, name, known in (("dsp", device.dsp, list(DSPS)), ("pipeline", device.pipeline, list(PIPELINES))):
        if name is not None and name not in known:
            raise PlanError(f"Device '{device.name}': {what} must be one of {', '.join(known)}, not '{name}'.")
    dsp = None if device.dsp is None else DSPS[device.dsp]
    try:
        pipeline = pipeline_for(device.clock_hz) if device.pipeline is None else PIPELINES[device.pipeline]
    except PlanError as error:
        raise PlanError(f"Device '{device.name}': {error}") from error
    return _Resources(Budget(device.multipliers, device.dsps), dsp, pipeline)


def _weight_bits(network: QuantisedNetwork, block: int) -> int:
    """Bits of a block's weights: no plan stores fewer."""
    layers = [network.layers[index] for branch in network.blocks[block].branches for index in branch.indices]
    return sum(layer.macs * layer.formats.product.weight_width for layer in layers)


def _named(plan: NetworkPlan, shapes: Sequence[BlockShape]) -> NetworkPlan:
    """The plan with the names of other layers that are alike."""
    blocks = []
    for block, shape in zip(plan.blocks, shapes):
        branches = tuple(_named_branch(branch, stages) for branch, stages in zip(block.branches, shape.branches))
        blocks.append(replace(block, branches=branches))
    return replace(plan, blocks=tuple(blocks))


def _named_branch(branch: BranchPlan, stages: Sequence[Sequence[LayerShape]]) -> BranchPlan:
    def named(engine: EnginePlan, name: str) -> EnginePlan:
        return replace(engine, shape=replace(engine.shape, name=name))

    made = (tuple(named(engine, layer.name) for engine, layer in zip(*pair)) for pair in zip(branch.stages, stages))
    return replace(branch, stages=tuple(made))
