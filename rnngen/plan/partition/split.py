"""One layer over several devices by its rows, with a link from each device to each other one.

Every device takes the same input, computes as many of the layer's units, and gives these to the host and to all other
devices.  All have one clock and do the same in the same cycles, so one of them stands for all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import gcd

from rnngen.config.system import Host
from rnngen.ir.quantised import QuantisedNetwork
from rnngen.passes.slices import sliced
from rnngen.plan.branch import BranchPlan
from rnngen.plan.engine import EnginePlan, least_elements
from rnngen.plan.layer import LayerShape, ceil_div
from rnngen.plan.link import MOST_PAYLOAD
from rnngen.plan.memory import total_memory_bits
from rnngen.plan.network import BlockPlan, NetworkPlan
from rnngen.plan.partition.advice import linked
from rnngen.plan.partition.cuts import block_cuts
from rnngen.plan.partition.hops import Carried, Crossing, Hop, hop
from rnngen.plan.partition.inner import read_orders, row_engines
from rnngen.plan.partition.parts import PartPlan, Parts
from rnngen.plan.partition.result import Partition
from rnngen.plan.ports import port_words
from rnngen.plan.schedule import Schedule, run_steps

_NOT_LINKED = "equal links, as wide as a value, must join each of its devices, which are alike, to each other one"

_SETTLING = 6
"""Steps until a device that waits for the others does so in each of them alike, at most."""


class Exchange:
    """When the words of the other devices' h are there, step by step: ``rows.Others``."""

    def __init__(self, plan: NetworkPlan, found: Hop) -> None:
        engine = plan.blocks[0].first
        beats, self._beats_a_word = engine.shape.units // plan.remote_words, engine.columns // plan.remote_words
        self._words, self._hop = engine.own_h_words, found
        self._crossing = Crossing(found, beats)

    def __call__(self, beats: Sequence[int]) -> list[int]:
        """From output beats to the cycles from which on column words can be read, each behind its last beat in."""
        hop = self._hop
        first = ceil_div(self.carry(beats).there, hop.receiver)
        first += hop.frame.own_flag_word
        return [first + (word + 1) * self._beats_a_word for word in range(self._words)]

    def carry(self, beats: Sequence[int]) -> Carried:
        """The next step on a link, from its output beats."""
        return self._crossing.carry([at * self._hop.sender for at in beats])


@dataclass(frozen=True, eq=False)
class RowSplit(Partition):
    """A layer's rows over devices: ``parts`` are alike, in the order of their units, ``hops`` from each to each.

    The devices' plans do not know of the exchange; interval and latency here do.
    """

    def run(self, lengths: Sequence[int]) -> Schedule:
        """The schedule of every device."""
        plan = self.parts[0].plan
        ends = [step == length - 1 for length in lengths for step in range(length)]
        return run_steps(plan, ends, [0] * len(ends), others=Exchange(plan, self.hops[0]))

    @cached_property
    def interval_ticks(self) -> int:
        """Of all devices, which wait for each other; or of the links."""
        outputs = self.run([2 * _SETTLING]).outputs
        cycles = max(after[-1] - before[-1] for before, after in zip(outputs[_SETTLING:], outputs[_SETTLING + 1 :]))
        return max(cycles * self._cycle, *(found.interval for found in self.hops))

    @property
    def _cycle(self) -> int:
        return self.system.cycle_ticks(self.parts[0].device.name)

    @cached_property
    def hop_ticks(self) -> tuple[int, ...]:
        """From a lone step's last output beat of a device to the first word of it that another one can multiply."""
        outputs = self.parts[0].outputs
        first = Exchange(self.parts[0].plan, self.hops[0])(outputs)[0] - outputs[-1]
        return (first * self._cycle,) * len(self.hops)

    @cached_property
    def latency_ticks(self) -> int:
        """From a lone step's last input beat to its last output beat: nothing is exchanged before."""
        return self.parts[0].outputs[-1] * self._cycle

    @property
    def binds(self) -> str:
        """What has the longest interval, in words."""
        part = self.parts[0]
        if part.interval * self._cycle == self.interval_ticks:
            return f"all devices with {part.interval} cycles"
        if self.hops[0].interval == self.interval_ticks:
            return f"the links with frames of {self.hops[0].words} words"
        return "the exchange of h between the devices"


def best_row_split(parts: Parts, goal: str) -> RowSplit | str:
    """The best cut of a network of one layer by its rows, over any number of devices, or why there is none."""
    if parts.system.host != Host():
        return "the host gives every step to all devices of the layer, and the system says where it is"
    refused = _NOT_LINKED
    found: list[RowSplit] = []
    for count in range(2, len(parts.system.devices) + 1):
        names = linked(parts.system, count)
        made = refused if names is None else row_split(parts, names)
        if isinstance(made, RowSplit):
            found.append(made)
        elif names is not None:
            refused = made
    return min(found, key=lambda each: each.key(goal)) if found else refused


def row_split(parts: Parts, names: Sequence[str]) -> RowSplit | str:
    """The fastest plan of a network of one layer over devices, or why there is none."""
    system, network = parts.system, parts.network
    if len(network.blocks) != 1 or network.blocks[0].post or network.layers[0].h_0 is not None:
        return "only a network of one recurrent layer that begins with zeros is cut by rows"
    cut = next((cut for cut in block_cuts(network, 0, len(names)) if cut.kind == "rows"), None)
    if cut is None:
        return f"a layer of {network.output_size} units is not cut into {len(names)} equal parts"
    devices = [system.device(name) for name in names]
    first = devices[0]
    if any(replace(device, name=first.name, board=first.board) != first for device in devices):
        return "the devices of a layer must be alike"
    hops = _hops(parts, names, cut.exchange.values)
    if hops is None:
        return _NOT_LINKED
    best: RowSplit | None = None
    for plan in _plans(parts, cut.shares[0].stages[0], hops[0], names[0]):
        if best is not None and plan.interval * hops[0].sender > best.interval_ticks:
            break  # what comes has no fewer issues
        made = _made(parts, names, plan, hops)
        memory = first.memory_bits
        if memory is not None and made.parts[0].memory_bits > memory:
            continue
        if best is None or made.interval_ticks < best.interval_ticks:
            best = made
        if best.interval_ticks == plan.blocks[0].first.issue_cycles * hops[0].sender:
            break
    return best if best is not None else f"no lanes of {first.multipliers} multipliers and its memory fit"


def _hops(parts: Parts, names: Sequence[str], values: int) -> tuple[Hop, ...] | None:
    """From each device to each other one; None where they are not alike, or take no step."""
    system, bits = parts.system, parts.value_bits(0)
    found = []
    for source in names:
        for target in names:
            wire = system.wire(source, target)
            if source != target and (wire is None or wire.word_bits < bits):
                return None
            if wire is not None and source != target:
                found.append(hop(system, wire, values, bits, even=True))
    one = found[0]
    alike = all(
        (each.frame, each.word, each.wire.latency_cycles) == (one.frame, one.word, one.wire.latency_cycles)
        for each in found
    )
    return tuple(found) if alike and one.frame.words <= MOST_PAYLOAD else None


def _plans(parts: Parts, shape: LayerShape, found: Hop, name: str) -> Iterator[NetworkPlan]:
    """Plans of a device, those of the fewest issues first."""
    device = parts.system.device(name)
    for engine in row_engines(shape, device.multipliers, parts.pipeline(device)):
        for ordered in read_orders(engine):
            yield _device_plan(ordered, found)


def _device_plan(engine: EnginePlan, found: Hop) -> NetworkPlan:
    """An engine with ports as wide as a word of the links."""
    engine = least_elements(engine, engine.rows)
    block = BlockPlan((BranchPlan(((engine,),)),))
    words = found.frame.values_a_word
    inputs = port_words(block, block.interval)
    return NetworkPlan((block,), inputs, words, remote_words=gcd(words, engine.columns))


def _made(parts: Parts, names: Sequence[str], plan: NetworkPlan, hops: tuple[Hop, ...]) -> RowSplit:
    network: QuantisedNetwork = sliced(parts.network, 0, len(names))
    bits = total_memory_bits(network, plan)
    made = tuple(PartPlan(parts.system.device(name), range(1), plan, bits) for name in names)
    return RowSplit(parts.system, made, hops)
