"""Plans of neighbouring blocks on one device, and what they take at least; each is made once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

from rnngen.config.system import Device, Link, System
from rnngen.errors import PlanError
from rnngen.ir.quantised import QuantisedNetwork
from rnngen.passes.cut import part_of
from rnngen.passes.slices import sliced
from rnngen.plan.binding import binds
from rnngen.plan.branch import BranchPlan
from rnngen.plan.dsp import DSPS, Dsp
from rnngen.plan.engine import EnginePlan
from rnngen.plan.frames import DeltaFrame, StepFrame, fitted
from rnngen.plan.layer import LayerShape, ceil_div
from rnngen.plan.memory import total_memory_bits
from rnngen.plan.network import NetworkPlan
from rnngen.plan.partition.hops import Carried, Crossing, Hop, Route, hop
from rnngen.plan.partition.rings import Ring, reading_order
from rnngen.plan.schedule import Schedule, run_schedule, run_steps
from rnngen.plan.search import DEFAULT_CAPACITY, Budget, plan_with_folding
from rnngen.plan.shapes import BlockShape, block_shapes
from rnngen.plan.timing import OPERAND_CYCLES, PIPELINES, Pipeline, pipeline_for, tail_timing

Progress = Callable[[str], None]

Alike = tuple[int, int, Device, Link | None, Ring | None, bool]
"""What the plan of devices that share a block depends on (``SharedBlock.alike``)."""

_SETTLING = 6
"""Steps until a device that waits for others does so in each of them alike, at most."""


class Exchange:
    """When the words of the other devices are there, step by step: ``rows.Others``."""

    def __init__(self, plan: NetworkPlan, found: Hop) -> None:
        engine, frame = plan.sharing, found.frame
        beats, self._beats_a_word = engine.device_h // plan.remote_words, engine.columns // plan.remote_words
        self._delta = frame if isinstance(frame, DeltaFrame) else None
        self._words, self._hop, self._parts = engine.device_h_words, found, beats // frame.beats
        others = reading_order(engine.shape.shares, found.ring)[1:]
        self._hops = [1 if found.ring is None else found.ring.hops(distance) for distance in others]
        self._lanes, taking = plan.remote_words, beats + frame.own_flag_word
        if self._delta is not None:
            taking = self._delta.shown_behind(beats, self._lanes) + 1
        self._crossing = Crossing(found, taking)

    def __call__(self, beats: Sequence[int]) -> list[int]:
        """From output beats to the cycles from which on column words can be read, each behind its last beat in."""
        hop, frames = self._hop, self.carry(beats)
        firsts = [ceil_div(frames[hops - 1].there, hop.receiver) for hops in self._hops]
        behind = [self._behind((word + 1) * self._beats_a_word) for word in range(self._words)]
        return [first + cycles for first in firsts for cycles in behind]

    def _behind(self, beats: int) -> int:
        """Cycles from a frame's first word delivered until so many beats of the core have been taken."""
        if self._delta is not None:
            return self._delta.shown_behind(beats - 1, self._lanes) + 1
        return self._hop.frame.own_flag_word + beats

    def carry(self, beats: Sequence[int]) -> tuple[Carried, ...]:
        """The next step on a link, from its output beats: the sender's own frame, then those that it sends on.

        Of values that changed it is all of them, at the latest.
        """
        if self._delta is not None:
            first = beats[-1] + self._delta.sent_behind
            return (self._crossing.send([(first + word) * self._hop.sender for word in range(self._delta.words)]),)
        frames = [self._crossing.carry([at * self._hop.sender for at in beats])]
        while len(frames) < self._hop.frames:
            # All devices do the same in the same cycles: what this one sent is what came to it.
            frames.append(self._crossing.send([frames[-1].there + at * self._hop.receiver for at in self.shown]))
        return tuple(frames)

    @property
    def shown(self) -> list[int]:
        """Cycles from a frame's first word delivered to each of its words, which goes on as soon as it is shown.

        The core takes a word in so many beats; where the flag has a word of its own, each one when the next is there.
        """
        behind = self._hop.frame.own_flag_word
        return [max(0, word - behind) * self._parts + (behind and word > 0) for word in range(self._hop.frame.words)]


class Sums:
    """When beats of sums of the other devices are there, all at the same time: ``rows.Others``."""

    def __init__(self, plan: NetworkPlan, found: Hop) -> None:
        self._hop, self._crossing = found, Crossing(found, found.frame.words)

    def __call__(self, beats: Sequence[int]) -> list[int]:
        """From output beats to the cycles from which on those of the others can be taken."""
        hop, (frame,) = self._hop, self.carry(beats)
        first = ceil_div(frame.there, hop.receiver) + hop.frame.own_flag_word
        return list(range(first, first + hop.frame.beats))

    def carry(self, beats: Sequence[int]) -> tuple[Carried, ...]:
        """The next step on a link, from its output beats."""
        return (self._crossing.carry([at * self._hop.sender for at in beats]),)


@dataclass(frozen=True, eq=False)
class PartPlan:
    """The plan of neighbouring blocks on a device, or of one that several share, which do the same in step.

    Attributes:
        blocks: Indices in the whole network.
        memory_bits: Of all its memories.
        members: Names of the devices, in the order of what they give, where there are several; ``device`` then stands
            for all of them.
        exchange: What each of them gives to each other one in a step, or to the first one (``joins``).
        cut: How they share it (``cuts.CUTS``); empty: one device has it whole.
        delta: They give each other only those words of h that differ by more than this, in the last place, from what
            they gave last, so the interval is the longest there is; None: all words.
    """

    device: Device
    blocks: range
    plan: NetworkPlan
    memory_bits: int
    members: tuple[str, ...] = ()
    exchange: Hop | None = None
    cut: str = ""
    delta: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The devices."""
        return self.members or (self.device.name,)

    @property
    def joins(self) -> bool:
        """Whether the first device adds the sums of the others to its own, and alone gives results."""
        return self.plan.join is not None

    @property
    def givers(self) -> tuple[str, ...]:
        """The devices that give results."""
        return self.names[:1] if self.joins else self.names

    @property
    def ring(self) -> Ring | None:
        """The ring that the devices exchange around; None: each with each other one, or nothing."""
        return None if self.exchange is None else self.exchange.ring

    @property
    def order(self) -> tuple[int, ...]:
        """The devices by their distance around from each of them on, as it multiplies what they give."""
        return reading_order(len(self.names), self.ring)

    def run(self, ends: Sequence[bool], arrivals: Sequence[int] = (), pace: int = 0) -> Schedule:
        """Times of steps (``run_steps``), with what the devices exchange."""
        streams, others = [0] * len(ends), self.others()
        return run_steps(self.plan, ends, streams, arrivals, pace, *([] if others is None else [others]))

    def others(self) -> Exchange | Sums | None:
        """When what the other devices give is there, from the first step on; None: they give nothing."""
        if self.exchange is None:
            return None
        return (Sums if self.joins else Exchange)(self.plan, self.exchange)

    @cached_property
    def _lone(self) -> tuple[int, tuple[int, ...]]:
        """Of a lone step: cycle of the last beat in, and of each beat out."""
        times = self.run([True]) if self.joins else run_schedule(self.plan, [1])
        return times.inputs[0][-1], times.outputs[0]

    @cached_property
    def outputs(self) -> tuple[int, ...]:
        """Cycles from the last input beat of a lone step to each of its output beats."""
        last, outputs = self._lone
        return tuple(cycle - last for cycle in outputs)

    @cached_property
    def exchange_cycles(self) -> int:
        """Cycles from the first to the last word of a frame that others are given, or that is sent on to them."""
        assert self.exchange is not None, "it is given to other devices"
        beats = run_schedule(self.plan, [1]).exchanged[0]
        sent_on = 0 if self.ring is None else Exchange(self.plan, self.exchange).shown[-1]
        return max(beats[-1] - beats[0], sent_on)

    @property
    def inputs(self) -> int:
        """Beats of an input step."""
        return self.plan.input_beats

    @property
    def interval(self) -> int:
        """Step interval in cycles of the device."""
        return self.plan.interval if self.exchange is None or self.joins else self._settled

    @property
    def least_interval(self) -> int:
        """The same where nothing has changed that devices wait for."""
        return self.interval if self.delta is None else self.plan.interval

    @cached_property
    def _settled(self) -> int:
        """The same where devices wait for each other."""
        outputs = self.run([False] * (2 * _SETTLING)).outputs
        return max(after[-1] - before[-1] for before, after in zip(outputs[_SETTLING:], outputs[_SETTLING + 1 :]))

    @property
    def binds(self) -> str:
        """What keeps the interval from that of the device's multipliers; empty where little does."""
        if self.interval > self.plan.interval:
            return "the exchange between the devices"
        return binds(self.plan, self.device.multipliers // len(self.names))


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

    Args:
        delta: Devices that share a layer by its rows give each other only those words of h that changed by more.

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
        delta: Fraction | None = None,
    ) -> None:
        self.network, self.system, self.delta = network, system, delta
        self.capacity, self.fold, self.progress = capacity, fold, progress
        self._resources = {device.name: _resources(device) for device in system.devices}
        self._shapes = {dsp: block_shapes(network, dsp=dsp) for dsp in {r.dsp for r in self._resources.values()}}
        self._weights = [_weight_bits(network, index) for index in range(len(network.blocks))]
        self._plans: dict[tuple[tuple[BlockShape, ...], _Resources], NetworkPlan | str] = {}
        self._parts: dict[tuple[str, int, int], PartPlan | Refusal] = {}
        self.shared_plans: dict[Alike, PartPlan | Refusal] = {}
        self._fitted: dict[tuple[str, range, StepFrame | None, StepFrame | None], PartPlan] = {}

    def share_plans(self, other: Parts) -> None:
        """Plans that another one makes are known here, too, and the other way round."""
        self._plans = other._plans

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
        resources, shapes = self._resources[device.name], self.shapes(device, blocks)
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
        resources, shapes = self._resources[device.name], self.shapes(device, blocks)
        last = (shape.branches[0][-1][0].kind for shape in shapes)
        depth = OPERAND_CYCLES + resources.pipeline.product_stages
        return sum(depth + tail_timing(kind, resources.pipeline).output for kind in last)

    def shapes(self, device: Device, blocks: range) -> tuple[BlockShape, ...]:
        """What a device with these blocks computes."""
        return self._shapes[self.dsp(device)][blocks.start : blocks.stop]

    def part(self, blocks: range) -> QuantisedNetwork:
        """The same in integers."""
        return part_of(self.network, blocks)

    def dsp(self, device: Device) -> Dsp | None:
        """The device's DSP block, where it is known."""
        return self._resources[device.name].dsp

    def pipeline(self, device: Device) -> Pipeline:
        """The depth of the device's datapath."""
        return self._resources[device.name].pipeline

    @property
    def whole(self) -> System:
        """The system as it is described."""
        return self.system

    def hop(self, wire: Link, end: int) -> Hop:
        """The results of the blocks before ``end`` on a link."""
        return hop(self.system, wire, self.values(end - 1), self.value_bits(end - 1))

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
        bits = self.memory_bits(blocks, plan)
        if device.memory_bits is not None and bits > device.memory_bits:
            said = f"its memory has {device.memory_bits:,} bits and the plan needs {bits:,}"
            return Refusal(device.name, blocks, said)
        return PartPlan(device, blocks, plan, bits)

    def between(self, part: PartPlan, takes: StepFrame | None, gives: StepFrame | None) -> PartPlan:
        """The part with ports as wide as the words of the links on both sides; None: the host is there."""
        key = (part.device.name, part.blocks, takes, gives)
        if key not in self._fitted:
            plan = fitted(part.plan, takes, gives)
            bits = self.memory_bits(part.blocks, plan, len(part.names))
            self._fitted[key] = replace(part, plan=plan, memory_bits=bits)
        return self._fitted[key]

    def memory_bits(self, blocks: range, plan: NetworkPlan, devices: int = 1) -> int:
        """Of a device with blocks, or with its rows of a block."""
        network, joins = self.part(blocks), plan.join is not None
        return total_memory_bits(sliced(network, 0, range(devices), joins) if devices > 1 else network, plan)

    def _planned(self, device: Device, blocks: range) -> NetworkPlan | str:
        """The plan; layers that are alike but for their names have the same one."""
        resources, shapes = self._resources[device.name], self.shapes(device, blocks)
        key = tuple(shape.unnamed for shape in shapes), resources
        if key not in self._plans:
            if self.progress is not None:
                self.progress(f"planning blocks {blocks.start}..{blocks.stop - 1} on device '{device.name}'")
            try:
                self._plans[key] = plan_with_folding(
                    shapes, resources.budget, resources.pipeline, self.capacity, self.fold
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


def giving(found: Route, sender: PartPlan) -> int:
    """Ticks from a lone step's last output beat to its first word delivered."""
    last = sender.outputs[-1] * found.sender
    return found.delivered([[at * found.sender for at in sender.outputs]])[0] - last


def taking(found: Route, beats: int) -> int:
    """Ticks from a step's first word delivered to its last beat, of so many.

    A flag that is a word of its own comes behind the last beat, which waits for it, and so do all before it.
    """
    return (found.frame.own_flag_word + beats - 1) * found.receiver
