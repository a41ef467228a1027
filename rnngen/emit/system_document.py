"""A system as plain data, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from fractions import Fraction
from typing import Any

from rnngen.config.system import Device, Host, Link, System
from rnngen.emit.design import Design
from rnngen.plan.memory import total_memory_bits
from rnngen.plan.partition import Advice, Hop, Loser, Other, Partition, PartPlan, RowSplit
from rnngen.plan.partition.hops import hop


def system_dict(system: System) -> dict[str, Any]:
    """Devices, links and host; the inverse of ``read_described``."""
    return {
        "devices": [asdict(device) for device in system.devices],
        "links": [asdict(link) | {"rate": str(link.rate)} for link in system.links],
        "host": asdict(system.host),
    }


def read_described(data: Mapping[str, Any]) -> System:
    """The system of plain data."""
    links = tuple(Link(**(item | {"rate": Fraction(item["rate"])})) for item in data["links"])
    return System(tuple(Device(**item) for item in data["devices"]), links, Host(**data["host"]))


def partition_dict(partition: Partition) -> dict[str, Any]:
    """The figures of a cut; times in ticks, of which there are ``ticks_hz`` a second, and in seconds."""
    latency = (partition.first_latency_ticks, partition.latency_ticks)
    interval = partition.seconds(partition.interval_ticks)
    return {
        "cut": "rows" if isinstance(partition, RowSplit) else "layers",
        "step_interval_ticks": partition.interval_ticks,
        "step_interval_seconds": float(interval),
        "steps_per_second": float(1 / interval),
        "latency_first_output_ticks": latency[0],
        "latency_last_output_ticks": latency[1],
        "latency_last_output_seconds": float(partition.seconds(latency[1])),
        "latency_is": "exact" if partition.is_exact else "bound",
        "multipliers": sum(part.plan.multipliers for part in partition.parts),
        "binds": partition.binds,
    }


def device_dict(partition: Partition, index: int) -> dict[str, Any]:
    """The figures of a device in use."""
    part, ticks = partition.parts[index], partition.device_ticks[index]
    return {
        "name": part.device.name,
        "blocks": [part.blocks.start, part.blocks[-1]],
        "clock_hz": part.device.clock_hz,
        "step_interval_cycles": part.interval,
        "latency_first_output_cycles": part.outputs[0],
        "latency_last_output_cycles": part.outputs[-1],
        "load": float(Fraction(ticks, partition.interval_ticks)),
        "multipliers": part.plan.multipliers,
        "memory_bits": part.memory_bits,
        **({"binds": part.binds} if part.binds else {}),
    }


def link_dict(partition: Partition, index: int) -> dict[str, Any]:
    """The figures of a link in use."""
    found = partition.hops[index]
    return {
        "from": found.wire.source,
        "to": found.wire.target,
        "word_bits": found.wire.word_bits,
        "latency_cycles": found.wire.latency_cycles,
        "values": found.frame.values,
        "value_bits": found.frame.width,
        "even": found.frame.even,
        "payload_words": found.frame.words,
        "frame_words": found.words,
        "interval_ticks": found.interval,
        "latency_ticks": found.latency,
        "hop_ticks": partition.hop_ticks[index],
        "load": float(partition.load(found)),
    }


def other_dict(other: Other) -> dict[str, Any]:
    """A cut that lost, or why there is none."""
    if isinstance(other, Loser):
        return {"devices": other.devices, "refused": other.reason}
    parts = [{"device": part.device.name, "blocks": [part.blocks.start, part.blocks[-1]]} for part in other.parts]
    return {"devices": len(other.parts), "parts": parts} | partition_dict(other)


def advice_dict(advice: Advice) -> dict[str, Any]:
    """A cut inside a layer, as planned."""
    plan, exchange = advice.plan, advice.plan.cut.exchange
    return {
        "layer": advice.layer,
        "kind": plan.cut.kind,
        "devices": list(advice.devices),
        "step_interval_cycles": plan.interval,
        "whole_layer_interval_cycles": advice.whole,
        "multipliers": plan.multipliers,
        "exchange": exchange.what,
        "exchange_values": exchange.values,
        "exchange_value_bits": exchange.value_bits,
        "links": "direct" if plan.wires.direct else "ring",
        "link_words": plan.link_words,
        "binds": plan.binds,
        "generated": plan.cut.is_generated,
    }


def read_partition(system: System, designs: Mapping[str, Design], document: Mapping[str, Any]) -> Partition:
    """The cut of a system that was read, from the designs of its devices."""
    parts, hops = [], []
    for item in document["devices"]:
        design, (first, last) = designs[item["name"]], item["blocks"]
        parts.append(_part(system.device(item["name"]), range(first, last + 1), design))
    for item in document["links"]:
        hops.append(_hop(system, item))
    made = RowSplit if document["cut"] == "rows" else Partition
    return made(system, tuple(parts), tuple(hops))


def _part(device: Device, blocks: range, design: Design) -> PartPlan:
    return PartPlan(device, blocks, design.plan, total_memory_bits(design.quantised, design.plan))


def _hop(system: System, item: Mapping[str, Any]) -> Hop:
    wire = system.wire(item["from"], item["to"])
    assert wire is not None, "a cut goes over links of its system"
    return hop(system, wire, item["values"], item["value_bits"], item["even"])
