"""The tops of a system's devices, and the system as one module to simulate."""

from __future__ import annotations

from collections.abc import Sequence

from rnngen.gateware.system.bench_top import BenchShape, Line
from rnngen.gateware.system.device import DeviceEnd, DeviceShape, PeerEnd
from rnngen.gateware.system.packing import Beats
from rnngen.gateware.top import word_lane_bits
from rnngen.ir.quantised import QuantisedNetwork
from rnngen.plan.partition import Partition, PartPlan, RowSplit
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
    if isinstance(partition, RowSplit):
        return tuple(_row_shape(partition, network, core) for network, core in zip(networks, cores))
    links = [(link_shape(hop, part), hop.frame) for hop, part in zip(partition.hops, partition.parts)]
    joins = [None, *links, None]
    let_in = pace(partition)
    shapes = []
    for index, (part, network, core) in enumerate(zip(partition.parts, networks, cores)):
        takes, gives = _ports(part, network)
        ends = DeviceEnd(takes, joins[index]), DeviceEnd(gives, joins[index + 1])
        shapes.append(DeviceShape(core, *ends, part.plan.input_beats, let_in))
    return tuple(shapes)


def _ports(part: PartPlan, network: QuantisedNetwork) -> tuple[Beats, Beats]:
    """A core's two stream ports."""
    widths = (network.input_format.width, network.output_format.width)
    words = (part.plan.input_words, part.plan.output_words)
    takes, gives = (Beats(count, word_lane_bits(width)) for count, width in zip(words, widths))
    return takes, gives


def _row_shape(split: RowSplit, network: QuantisedNetwork, core: str) -> DeviceShape:
    """One of the devices of a layer, which are alike: the host gives each of them every step."""
    part, found = split.parts[0], split.hops[0]
    takes, gives = _ports(part, network)
    remote = Beats(part.plan.remote_words, gives.lane)
    peer = PeerEnd(remote, link_shape(found, part), found.frame)
    peers = (peer,) * (len(split.parts) - 1)
    return DeviceShape(core, DeviceEnd(takes, None), DeviceEnd(gives, None), part.plan.input_beats, 1, peers)


def bench_shape(partition: Partition, networks: Sequence[QuantisedNetwork], cores: Sequence[str]) -> BenchShape:
    """The system in simulation: one clock for all where all clocks are equal."""
    shapes = device_shapes(partition, networks, cores)
    modules = tuple(map(device_name, cores))
    count = len(shapes)
    if isinstance(partition, RowSplit):
        latency = partition.hops[0].wire.latency_cycles
        lines = tuple(
            Line(one, f"peer{other - one}", other, f"peer{count + one - other}", latency)
            for one in range(count)
            for other in range(one + 1, count)
        )
        return BenchShape(shapes, modules, lines, tuple(range(count)), tuple(range(count)))
    lines = tuple(
        Line(index, "out", index + 1, "in", hop.wire.latency_cycles) for index, hop in enumerate(partition.hops)
    )
    return BenchShape(shapes, modules, lines, (0,), (count - 1,), partition.is_exact)
