"""A system as one module to simulate."""

from __future__ import annotations

from collections.abc import Sequence

from rnngen.emit.chips import chip_name, cores_of
from rnngen.emit.devices import device_name, device_shapes, system_lines
from rnngen.emit.wiring import Wiring
from rnngen.gateware.system.bench_top import BenchShape, Chip
from rnngen.ir.quantised import QuantisedNetwork
from rnngen.plan.partition import Partition


def bench_shape(partition: Partition, networks: Sequence[QuantisedNetwork], cores: Sequence[str]) -> BenchShape:
    """The system in simulation: one clock for all where all clocks are equal.

    Args:
        networks: Of each device.  cores: Names of the modules that compute them.
    """
    wiring, names = Wiring(partition), partition.names
    chips = tuple(
        Chip(chip_name(cores[names.index(device)]), tuple(map(names.index, found)))
        for device, found in cores_of(partition).items()
    )
    return BenchShape(
        devices=device_shapes(partition, networks, cores),
        modules=tuple(map(device_name, cores)),
        lines=system_lines(partition),
        inputs=wiring.groups[0],
        outputs=wiring.outputs,
        one_clock=partition.one_clock,
        chips=chips,
    )
