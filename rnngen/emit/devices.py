"""The tops of a system's devices, and the system as one module to simulate."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product

from rnngen.gateware.system.bench_top import BenchShape, Line
from rnngen.gateware.system.device import DeviceEnd, DeviceShape, LinkEnd, PeerEnd
from rnngen.gateware.system.packing import Beats
from rnngen.gateware.top import word_lane_bits
from rnngen.ir.quantised import QuantisedNetwork
from rnngen.plan.partition import Partition, PartPlan
from rnngen.plan.partition.schedule import pace
from rnngen.plan.partition.shapes import link_shape


def device_name(core: str) -> str:
    """Name of the module around a core."""
    return f"{core}_device"


def device_shapes(
    partition: Partition, networks: Sequence[QuantisedNetwork], cores: Sequence[str]
) -> tuple[DeviceShape, ...]:
    """The devices of a cut, in the order of the data; of a layer's rows, in the order of its units.

    Args:
        networks: Of each part.  cores: Names of the modules that compute them.
    """
    let_in = pace(partition)
    shapes: list[DeviceShape] = []
    for index, part in enumerate(partition.parts):
        for _ in part.names:
            place = len(shapes)
            takes, gives = _ports(part, networks[place])
            ends = DeviceEnd(takes, _links_in(partition, index)), DeviceEnd(gives, _links_out(partition, index))
            shapes.append(DeviceShape(cores[place], *ends, part.plan.input_beats, let_in, _peers(part, gives)))
    return tuple(shapes)


def _links_in(partition: Partition, index: int) -> tuple[LinkEnd, ...]:
    """From each device of the part before; none: the host is there."""
    if index == 0:
        return ()
    return (_link_end(partition, index - 1),) * len(partition.parts[index - 1].names)


def _links_out(partition: Partition, index: int) -> tuple[LinkEnd, ...]:
    """To each device of the part behind; none: the host is there."""
    if index + 1 == len(partition.parts):
        return ()
    return (_link_end(partition, index),) * len(partition.parts[index + 1].names)


def _link_end(partition: Partition, hop: int) -> LinkEnd:
    found = partition.hops[hop]
    return LinkEnd(link_shape(found, partition.parts[hop]), found.frame)


def _peers(part: PartPlan, gives: Beats) -> tuple[PeerEnd, ...]:
    """The other devices that share a part."""
    if part.exchange is None:
        return ()
    link = LinkEnd(link_shape(part.exchange, part), part.exchange.frame)
    return (PeerEnd(Beats(part.plan.remote_words, gives.lane), link),) * (len(part.names) - 1)


def _ports(part: PartPlan, network: QuantisedNetwork) -> tuple[Beats, Beats]:
    """A core's two stream ports."""
    widths = (network.input_format.width, network.output_format.width)
    words = (part.plan.input_words, part.plan.output_words)
    takes, gives = (Beats(count, word_lane_bits(width)) for count, width in zip(words, widths))
    return takes, gives


def bench_shape(partition: Partition, networks: Sequence[QuantisedNetwork], cores: Sequence[str]) -> BenchShape:
    """The system in simulation: one clock for all where all clocks are equal."""
    shapes = device_shapes(partition, networks, cores)
    modules = tuple(map(device_name, cores))
    places = {name: number for number, name in enumerate(partition.names)}
    groups = [tuple(places[name] for name in part.names) for part in partition.parts]
    lines: list[Line] = []
    for hop, senders, receivers in zip(partition.hops, groups, groups[1:]):
        for (left, sender), (right, receiver) in product(enumerate(senders), enumerate(receivers)):
            prefixes = shapes[sender].out_name(right), shapes[receiver].in_name(left)
            lines.append(Line(sender, prefixes[0], receiver, prefixes[1], hop.wire.latency_cycles))
    for part, members in zip(partition.parts, groups):
        if part.exchange is not None:
            lines += _peer_lines(members, part.exchange.wire.latency_cycles)
    return BenchShape(shapes, modules, tuple(lines), groups[0], groups[-1], partition.is_exact)


def _peer_lines(members: Sequence[int], latency: int) -> list[Line]:
    """Between each two devices that share a part, which count their peers from themselves on."""
    count = len(members)
    return [
        Line(members[one], f"peer{other - one}", members[other], f"peer{count + one - other}", latency)
        for one, other in combinations(range(count), 2)
    ]
