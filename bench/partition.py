"""Networks cut over several devices: ``python -m bench.partition``.

A figure is a cycle count of a plan (``planned``), or of all devices and links in one simulation (``measured``; bits and
cycles are then compared with emulator and plan).  Rows:

* stacks of as many equal layers as devices, beside the same stack on one of the devices: the step interval, and what a
  hop adds to the latency;
* one LSTM cut by rows, or between x and h, and one G-LSTM by its groups, over devices that are all linked, or in a
  ring;
* other cuts inside a layer (planned: they cannot be generated);
* layers that are no neighbours on one device, beside neighbours only;
* one LSTM by rows of which only the changes of h cross narrow links, beside all of h: an input that moves, and one that
  stays (both exact);
* systems of unlike devices or layers: as many layers to each device, in the devices' order, beside the planner's cut.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.cycle_law import Case, layer_of
from bench.table import print_table
from rnngen.arith.format import FloatArray
from rnngen.config.system import Device, Host, Link, System, chain, ring
from rnngen.flow import PartitionOptions, partition, simulate_system
from rnngen.flow.simulate_system import SystemReport
from rnngen.ir.layers import Layer, LinearLayer
from rnngen.ir.network import Network
from rnngen.ir.quantised import QuantisedNetwork
from rnngen.nn import GroupedLSTM
from rnngen.passes.quantise import quantise
from rnngen.plan.partition import Partition, Parts, Refusal, best_partition, naive_partition
from rnngen.plan.partition.cuts import block_cuts
from rnngen.plan.partition.exchange import direct_wires, ring_wires
from rnngen.plan.partition.inner import plan_cut
from rnngen.plan.search import Budget, plan_for_budget
from rnngen.plan.shapes import block_shapes
from rnngen.plan.timing import PIPELINES

MHZ = 1_000_000
LINK = Link("x", "y", 64, 16)
Sizes = tuple[tuple[str, int], ...]


def device(name: str, multipliers: int, mhz: int = 100, memory_bits: int | None = None) -> Device:
    """A device of the pipeline that the ECP5 was routed with."""
    return Device(name, mhz * MHZ, multipliers, memory_bits=memory_bits, pipeline="balanced")


def network_of(inputs: int, sizes: Sizes) -> QuantisedNetwork:
    """A chain of layers (kind, units) with random weights."""
    layers: list[Layer] = []
    for kind, units in sizes:
        if kind == "linear":
            weight = np.random.default_rng(units).normal(0.0, inputs**-0.5, (units, inputs))
            layers.append(LinearLayer(f"l{len(layers)}", weight, np.zeros(units)))
        else:
            layers.append(layer_of(Case(kind, inputs, units, 0)))
        inputs = layers[-1].output_size
    return quantise(Network("net", tuple(layers)), 8, 16)


@dataclass(frozen=True)
class Stack:
    """Equal LSTMs on as many devices."""

    layers: int
    units: int
    multipliers: int


STACKS = (Stack(4, 256, 1024), Stack(2, 128, 128), Stack(4, 128, 128), Stack(8, 128, 128))


@dataclass(frozen=True)
class Unlike:
    """A network on a system in which layers or devices differ."""

    name: str
    inputs: int
    sizes: Sizes
    system: System


def _slow_link() -> System:
    """A ring whose devices are joined by one fast and three slow links."""
    devices = [device(name, 256) for name in "abc"]
    slow = ring(devices, Link("x", "y", 16, 16, Fraction(1, 16)))
    fast = tuple(Link("b", "c", 64, 16) if link.ends == ("b", "c") else link for link in slow.links)
    return System(slow.devices, fast)


UNLIKE = (
    Unlike(
        "6 x LSTM-128, small device first", 128, (("lstm", 128),) * 6,
        chain([device("a", 128), device("b", 256), device("c", 512)], LINK, Host("a", "c")),
    ),
    Unlike(
        "6 x LSTM-128, clocks of 50, 100, 133 MHz", 128, (("lstm", 128),) * 6,
        chain([device("a", 256, 50), device("b", 256, 100), device("c", 256, 133)], LINK, Host("a", "c")),
    ),
    Unlike(
        "LSTM 4 x 64, 2 x 256, head, 3 equal devices", 64,
        (("lstm", 64),) * 4 + (("lstm", 256),) * 2 + (("linear", 40),),
        chain([device(name, 512) for name in "abc"], LINK, Host("a", "c")),
    ),
    Unlike(
        "LSTM 64, 64, 256, 256, memories unlike", 64,
        (("lstm", 64), ("lstm", 64), ("lstm", 256), ("lstm", 256)),
        chain(
            [device("a", 512, 100, 16_000_000), device("b", 256, 125, 7_000_000), device("c", 256, 125, 18_000_000)],
            LINK,
        ),
    ),
    Unlike("LSTM 128 x 6, ring of slow links", 128, (("lstm", 128),) * 6, _slow_link()),
)  # fmt: skip


@dataclass(frozen=True)
class Shared:
    """A layer of as many inputs as units, over devices that are all linked or in a ring.

    Attributes:
        cut: As for ``--cut``.  ring: How links go round: ``"both ways"`` or ``"one way"``; empty: no ring.
    """

    cut: str
    units: int
    devices: int
    multipliers: int
    ring: str = ""

    @property
    def name(self) -> str:
        """Of the layer, and how it is cut."""
        layer = f"G-LSTM-{self.units}, {self.devices} groups" if self.cut == "groups" else f"LSTM-{self.units}"
        return f"{layer}, by {self.cut}"

    @property
    def model(self) -> torch.nn.Module:
        """With random weights; a G-LSTM has as many groups as devices."""
        if self.cut != "groups":
            return lstm(self.units)
        torch.manual_seed(0)
        return GroupedLSTM(self.units, self.units, self.units, self.devices, batch_first=True)

    @property
    def network(self) -> QuantisedNetwork:
        """Of the same sizes, for plans."""
        if self.cut != "groups":
            return network_of(self.units, (("lstm", self.units),))
        case = Case("grouped", self.units, self.units, 0, self.units, self.devices)
        return quantise(Network("net", (layer_of(case),)), 8, 16)


SHARED = (
    Shared("rows", 1024, 2, 1024), Shared("rows", 1024, 4, 1024), Shared("groups", 1024, 4, 1024),
    Shared("rows", 1024, 4, 1024, "both ways"), Shared("rows", 1024, 4, 1024, "one way"),
    Shared("rows", 128, 2, 64), Shared("rows", 128, 4, 64), Shared("groups", 256, 2, 128), Shared("x/h", 256, 2, 256),
)  # fmt: skip
INNER_LATENCY = 32


def linked(names: Sequence[str], ring: str) -> tuple[Link, ...]:
    """From each device to each other one, or round a ring."""
    pairs = zip(names, [*names[1:], names[0]]) if ring else combinations(names, 2)
    return tuple(Link(*ends, 64, INNER_LATENCY, both=ring != "one way") for ends in pairs)


def lstm(units: int, layers: int = 1) -> torch.nn.Module:
    """With random weights."""
    torch.manual_seed(0)
    return torch.nn.LSTM(units, units, num_layers=layers, batch_first=True)


@dataclass(frozen=True)
class Run:
    """A system that was generated and simulated."""

    partition: Partition
    report: SystemReport

    @property
    def interval(self) -> float | None:
        """Step interval, measured."""
        return self.report.comparison.measured.step_interval_cycles

    @property
    def hop(self) -> float:
        """Cycles that a hop adds to the latency of a lone step, measured, beside those of the devices as planned."""
        latency = self.report.comparison.measured.latency_last_output_cycles
        assert latency is not None, "every step came out"
        own = sum(part.outputs[-1] for part in self.partition.parts)
        return (latency - own) / len(self.partition.hops)


def simulated(
    model: torch.nn.Module, system: System, cut: str, steps: int, x: FloatArray | None = None,
    delta: float | None = None,
) -> Run:  # fmt: skip
    """The system in Verilator, with random steps or those of x.

    Raises:
        AssertionError: if a bit or a cycle differs; of a system with changes only, if a bit does, or a step is late.
    """
    with tempfile.TemporaryDirectory() as folder:
        design = partition(model, system, Path(folder) / "d", PartitionOptions(cut=cut, delta=delta))
        report = simulate_system(design, x, steps=steps if x is None else None)
        comparison = report.comparison
        exact = comparison.cycle_exact if delta is None else comparison.bit_exact and comparison.within_bounds
        assert exact, comparison.sentence
        return Run(design.partition, report)


def stack_rows() -> Iterator[dict[str, Any]]:
    """Stacks on as many devices, and on one."""
    for stack in STACKS:
        devices = [device(f"d{number}", stack.multipliers) for number in range(stack.layers)]
        network = network_of(stack.units, (("lstm", stack.units),) * stack.layers)
        one = best_partition(Parts(network, chain(devices[:1], LINK))).best
        run = simulated(lstm(stack.units, stack.layers), chain(devices, LINK), "layers", 6)
        cut, hop = run.partition, run.partition.hops[0]
        yield {
            "stack": f"{stack.layers} x LSTM-{stack.units}",
            "multipliers": f"{stack.layers} x {stack.multipliers}",
            "devices": len(cut.parts),
            "interval, planned": cut.interval_ticks,
            "measured": run.interval,
            "on one device, planned": one.interval_ticks,
            "times shorter": round(one.interval_ticks / cut.interval_ticks, 3),
            "a hop adds, planned": max(cut.hop_ticks),
            "measured hop": run.hop,
            "link + frame": LINK.latency_cycles + hop.words,
        }


def shared_rows() -> Iterator[dict[str, Any]]:
    """One layer over several devices, and on one."""
    for row in SHARED:
        devices = tuple(device(f"d{number}", row.multipliers) for number in range(row.devices))
        links = linked([one.name for one in devices], row.ring)
        one = best_partition(Parts(row.network, System(devices[:1]))).best
        run = simulated(row.model, System(devices, links), row.cut, 5)
        yield {
            "layer": row.name,
            "devices": len(run.partition.names),
            "links": f"ring, {row.ring}" if row.ring else "direct",
            "multipliers each": row.multipliers,
            "interval, planned": run.partition.interval_ticks,
            "measured": run.interval,
            "on one device, planned": one.interval_ticks,
            "times shorter": round(one.interval_ticks / run.partition.interval_ticks, 3),
            "binds": run.partition.binds,
        }


@dataclass(frozen=True)
class Inner:
    """A layer cut over devices in a ring, with as many multipliers on each."""

    case: Case
    kind: str
    devices: int


INNER = (Inner(Case("lstm", 1024, 1024, 1024), "x/h", 2),)


def inner_rows() -> Iterator[dict[str, Any]]:
    """One layer over several devices, and on one."""
    for row in INNER:
        network = quantise(Network("net", (layer_of(row.case),)), 8, 16)
        multipliers, pipeline = row.case.multipliers, PIPELINES["balanced"]
        one = plan_for_budget(block_shapes(network), Budget(multipliers), pipeline).interval
        cut = next(cut for cut in block_cuts(network, 0, row.devices) if cut.kind == row.kind)
        wirings = (ring_wires(row.devices, 64, INNER_LATENCY, True), direct_wires(row.devices, 64, INNER_LATENCY))
        ring_plan, direct_plan = (plan_cut(cut, wires, multipliers, pipeline) for wires in wirings)
        yield {
            "layer": row.case.name,
            "cut": row.kind,
            "devices": row.devices,
            "multipliers each": multipliers,
            "interval, planned": ring_plan.interval,
            "direct links, planned": direct_plan.interval,
            "on one device, planned": one,
            "times shorter": round(one / min(ring_plan.interval, direct_plan.interval), 3),
            "link words": ring_plan.link_words,
            "binds": ring_plan.binds,
        }


class Waist(torch.nn.Module):
    """LSTMs with random weights, the one in the middle larger than the others."""

    def __init__(self, small: int, large: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        sizes = ((small, small), (small, large), (large, small))
        self.layers = torch.nn.ModuleList(torch.nn.LSTM(*size, batch_first=True) for size in sizes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """All three, one behind the other."""
        for layer in self.layers:
            x = layer(x)[0]
        return x


CORES = ((8, 24, 32, 64), (24, 64, 32, 64))
"""Units of the outer layers and of the inner one, multipliers of the first device and of the second."""


def core_rows() -> Iterator[dict[str, Any]]:
    """The first and the last layer on one device, beside neighbours only."""
    for small, large, few, many in CORES:
        system = chain([device("a", few), device("b", many)], LINK)
        one, other = (simulated(Waist(small, large), system, cut, 6) for cut in ("layers", "cores"))
        yield {
            "LSTMs": f"{small}, {large}, {small}",
            "multipliers": f"{few}, {many}",
            "neighbours, planned": one.partition.interval_ticks,
            "measured": one.interval,
            "cores, planned": other.partition.interval_ticks,
            "cores, measured": other.interval,
            "times shorter": round(one.partition.interval_ticks / other.partition.interval_ticks, 3),
        }


def change_rows() -> Iterator[dict[str, Any]]:
    """All of h over links of 16 bits, and what changed of it."""
    random = np.random.default_rng(1)
    torch.manual_seed(0)
    model = torch.nn.LSTM(4, 64, batch_first=True)
    system = System((device("a", 1024), device("b", 1024)), (Link("a", "b", 16, 6),))
    inputs = {"moves": random.uniform(-1.0, 1.0, (1, 120, 4))}
    inputs["stays"] = np.repeat(inputs["moves"][:, :1], 120, axis=1)
    for name, x in inputs.items():
        whole, changed = (simulated(model, system, "rows", 0, x, delta) for delta in (None, 0.0))
        assert np.array_equal(whole.report.output, changed.report.output), "a limit of 0 changes no bit"
        assert whole.interval is not None
        assert changed.interval is not None
        yield {
            "layer": "LSTM 4/64, by rows over 2",
            "input": name,
            "all of h, measured": whole.interval,
            "changes, measured": changed.interval,
            "at most, planned": changed.partition.interval_ticks,
            "times shorter": round(whole.interval / changed.interval, 3),
        }


def unlike_rows() -> Iterator[dict[str, Any]]:
    """The planner beside as many layers to each device."""
    for row in UNLIKE:
        started = time.monotonic()
        parts = Parts(network_of(row.inputs, row.sizes), row.system)
        best = best_partition(parts).best
        seconds = time.monotonic() - started
        naive = naive_partition(parts, row.system.devices)
        assert isinstance(naive, Refusal) or best.interval_ticks <= naive.interval_ticks, "the planner is never slower"
        times = round(naive.interval_ticks / best.interval_ticks, 2) if isinstance(naive, Partition) else "-"
        yield {
            "system": row.name,
            "naive us, planned": _microseconds(naive) if isinstance(naive, Partition) else "does not fit",
            "planner us, planned": _microseconds(best),
            "times shorter": times,
            "layers": ", ".join(f"{part.device.name} {len(part.blocks)}" for part in best.parts),
            "search s": round(seconds, 1),
        }


def _microseconds(cut: Partition) -> float:
    return round(1e6 * float(cut.seconds(cut.interval_ticks)), 3)


def main() -> int:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    arguments = parser.parse_args()
    makers = {
        "stacks": stack_rows, "shared": shared_rows, "inner": inner_rows, "cores": core_rows, "changes": change_rows,
        "unlike": unlike_rows,
    }  # fmt: skip
    tables: dict[str, list[dict[str, Any]]] = {}
    for name, rows_of in makers.items():
        tables[name] = []
        for row in rows_of():
            print(".", end="", file=sys.stderr, flush=True)
            tables[name].append(row)
    print(file=sys.stderr)
    if arguments.json:
        print(json.dumps(tables, indent=2))
        return 0
    for rows in tables.values():
        print_table(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
