"""The tops of a system's devices, and the system as one module to simulate."""

from __future__ import annotations

from collections.abc import Sequence

from rnngen.gateware.system.bench_top import BenchShape
from rnngen.gateware.system.device import DeviceEnd, DeviceShape
from rnngen.gateware.system.packing import Beats
from rnngen.gateware.top import word_lane_bits
from rnngen.ir.quantised import QuantisedNetwork
from rnngen.plan.partition import Partition
from rnngen.plan.partition.schedule import pace
from rnngen.plan.partition.shapes import link_shape


def device_name(core: str) -> str:
    """Name of the module around a core."""
    return f"{core}_device"


def device_shapes(
    partition: Partition, networks: Sequence[QuantisedNetwork], cores: Sequence[str]
) -> tuple[DeviceShape, ...]:
    """The devices of a cut, in the order of the data.

    Args:
        networks: Of each part.  cores: Names of the modules that compute them.
    """
    links = [(link_shape(hop, part), hop.frame) for hop, part in zip(partition.hops, partition.parts)]
    joins = [None, *links, None]
    let_in = pace(partition)
    shapes = []
    for index, (part, network, core) in enumerate(zip(partition.parts, networks, cores)):
        plan = part.plan
        takes = Beats(plan.input_words, word_lane_bits(network.input_format.width))
        gives = Beats(plan.output_words, word_lane_bits(network.output_format.width))
        ends = DeviceEnd(takes, joins[index]), DeviceEnd(gives, joins[index + 1])
        shapes.append(DeviceShape(core, *ends, plan.input_beats, let_in))
    return tuple(shapes)


def bench_shape(partition: Partition, networks: Sequence[QuantisedNetwork], cores: Sequence[str]) -> BenchShape:
    """The system in simulation: one clock for all where all clocks are equal."""
    shapes = device_shapes(partition, networks, cores)
    latencies = tuple(hop.wire.latency_cycles for hop in partition.hops)
    return BenchShape(shapes, tuple(map(device_name, cores)), latencies, partition.is_exact)
