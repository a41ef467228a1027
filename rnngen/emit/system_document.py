"""A system as plain data, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from fractions import Fraction
from itertools import permutations, product
from typing import Any

from rnngen.config.pins import LinkPins, PinsEnd
from rnngen.config.system import Device, Host, Link, System
from rnngen.emit.design import Design
from rnngen.ir.quantised import QuantisedLayer, QuantisedNetwork
from rnngen.plan.memory import total_memory_bits
from rnngen.plan.partition import Advice, Group, GroupParts, Hop, Loser, Other, Partition, PartPlan, Parts, SharedBlock
from rnngen.plan.partition.cuts import CORES, X_AND_H
from rnngen.plan.partition.rings import Ring
from rnngen.plan.partition.routes import named_route


def system_dict(system: System) -> dict[str, Any]:
    """Devices, links and host; the inverse of ``read_described``."""
    return {
        "devices": [asdict(device) for device in system.devices],
        "links": [asdict(link) | {"rate": str(link.rate)} for link in system.links],
        "host": asdict(system.host),
    }


def read_described(data: Mapping[str, Any]) -> System:
    """The system of plain data."""
    links = tuple(_read_link(item) for item in data["links"])
    return System(tuple(Device(**item) for item in data["devices"]), links, Host(**data["host"]))


def _read_link(item: Mapping[str, Any]) -> Link:
    pins = item["pins"]
    if pins is not None:
        pins = LinkPins(pins["data"], PinsEnd(**pins["source"]), PinsEnd(**pins["target"]))
    return Link(**{**item, "rate": Fraction(item["rate"]), "pins": pins})


def partition_dict(partition: Partition) -> dict[str, Any]:
    """The figures of a cut; times in ticks, of which there are ``ticks_hz`` a second, and in seconds."""
    latency = (partition.first_latency_ticks, partition.latency_ticks)
    interval = partition.seconds(partition.interval_ticks)
    return {
        "cut": _cut(partition),
        "step_interval_ticks": partition.interval_ticks,
        "step_interval_seconds": float(interval),
        "steps_per_second": float(1 / interval),
        "latency_first_output_ticks": latency[0],
        "latency_last_output_ticks": latency[1],
        "latency_last_output_seconds": float(partition.seconds(latency[1])),
        "latency_is": "exact" if partition.is_exact else "bound",
        "multipliers": sum(part.plan.multipliers * len(part.names) for part in partition.parts),
        "binds": partition.binds,
    }


def delta_of(document: Mapping[str, Any]) -> Fraction | None:
    """By how much h must change to cross between devices that share a layer by its rows; None: all of it crosses."""
    return Fraction(document["delta"]) if "delta" in document else None


def _cut(partition: Partition) -> str:
    if any(partition.system.device(part.device.name).on for part in partition.parts):
        return CORES
    return next((part.cut for part in partition.parts if part.cut), "layers")


def device_dict(partition: Partition, index: int, name: str) -> dict[str, Any]:
    """The figures of a device in use, which has a part or shares it with others."""
    part, ticks = partition.parts[index], partition.device_ticks[index]
    return {
        "name": name,
        "part": index,
        "blocks": [part.blocks.start, part.blocks[-1]],
        **({"ring": _WAYS[part.ring.both]} if part.ring else {}),
        **({} if part.delta is None else {"delta": part.delta}),
        **_outputs(part, name),
        **({"on": on} if (on := partition.whole.device(name).on) else {}),
        "clock_hz": part.device.clock_hz,
        "step_interval_cycles": part.interval,
        "latency_first_output_cycles": part.outputs[0],
        "latency_last_output_cycles": part.outputs[-1],
        "load": float(Fraction(ticks, partition.interval_ticks)),
        "multipliers": part.plan.multipliers,
        "memory_bits": part.memory_bits,
        **({"binds": part.binds} if part.binds else {}),
    }


def _outputs(part: PartPlan, name: str) -> dict[str, Any]:
    """Of a layer that devices share, the outputs that this one gives, or the inputs that it multiplies."""
    if not part.members:
        return {}
    if part.joins:
        inputs = part.plan.blocks[-1].first.shape.inputs
        first = part.members.index(name) * inputs
        return {"inputs": [first, first + inputs - 1]}
    units = part.plan.blocks[-1].units
    first = part.members.index(name) * units
    return {"outputs": [first, first + units - 1]}


_WAYS = {True: "both ways", False: "one way"}
"""In which links go round the devices that share a part."""


def link_dicts(partition: Partition) -> list[dict[str, Any]]:
    """The links in use: those between two parts, way by way, then those inside parts."""
    found: list[dict[str, Any]] = []
    for number, route in enumerate(partition.routes):
        ticks = partition.back_ticks if route is partition.back else partition.hop_ticks[number]
        if len(route.hops) > 1 or route is partition.back:
            found += [_link_dict(partition, hop, hop.wire.ends) | {"hop_ticks": ticks} for hop in route.hops]
            continue
        for ends in product(partition.parts[number].givers, partition.parts[number + 1].names):
            found.append(_link_dict(partition, route.hops[0], ends) | {"hop_ticks": ticks})
    for part in partition.parts:
        if part.exchange is not None:
            found += [_link_dict(partition, part.exchange, *link) for link in links_inside(part)]
    return found


def paths_dict(partition: Partition) -> dict[str, Any]:
    """Devices on the way from each part to the next one, and then to the host's, where not all ways are one link."""
    return {} if partition.is_direct else {"paths": [list(route.names) for route in partition.routes]}


def links_inside(part: PartPlan) -> list[tuple[tuple[str, str], int]]:
    """The links between devices that share a part: their ends, and the frames of a step on them.

    Of a ring first those that carry most.
    """
    if part.joins:
        return [((name, part.names[0]), 1) for name in part.names[1:]]
    if part.ring is None:
        return [(ends, 1) for ends in permutations(part.names, 2)]
    behind = part.names[1:] + part.names[:1]
    ahead = [(ends, part.ring.ahead) for ends in zip(behind, part.names)]
    return ahead + [(ends, part.ring.back) for ends in zip(part.names, behind) if part.ring.back]


def _link_dict(partition: Partition, found: Hop, ends: tuple[str, str], frames: int = 1) -> dict[str, Any]:
    """The figures of a link in use, of each of its frames, and of all of a step."""
    return {
        "from": ends[0],
        "to": ends[1],
        "word_bits": found.wire.word_bits,
        "latency_cycles": found.wire.latency_cycles,
        "values": found.frame.values,
        "value_bits": found.frame.width,
        "payload_words": found.frame.words,
        "frame_words": found.words,
        **({"frames_a_step": frames} if found.ring else {}),
        "interval_ticks": found.busy(frames),
        "latency_ticks": found.latency,
        "load": float(partition.load(found, frames)),
    }


def other_dict(other: Other) -> dict[str, Any]:
    """A cut that lost, or why there is none."""
    if isinstance(other, Loser):
        return {"devices": other.devices, "refused": other.reason}
    parts = [
        {"device": " and ".join(part.names), "blocks": [part.blocks.start, part.blocks[-1]]} for part in other.parts
    ]
    return {"devices": len(other.names), "parts": parts} | partition_dict(other)


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


def parts_of(document: Mapping[str, Any]) -> list[list[str]]:
    """Names of the devices of each part."""
    found: list[list[str]] = []
    for item in document["devices"]:
        if item["part"] == len(found):
            found.append([])
        found[item["part"]].append(str(item["name"]))
    return found


def rings_of(document: Mapping[str, Any]) -> list[Ring | None]:
    """By part, the ring that its devices exchange around."""
    parts, ways = parts_of(document), {str(item["name"]): item.get("ring") for item in document["devices"]}
    return [None if ways[names[0]] is None else Ring(len(names), ways[names[0]] == _WAYS[True]) for names in parts]


def read_partition(
    system: System, network: QuantisedNetwork, designs: Mapping[str, Design], document: Mapping[str, Any]
) -> Partition:
    """The cut of a system that was read, from the whole network and the designs of its devices."""
    names = parts_of(document)
    blocks = {item["part"]: range(item["blocks"][0], item["blocks"][1] + 1) for item in document["devices"]}
    whole, rings = Parts(network, system, delta=delta_of(document)), rings_of(document)
    made = {
        index: SharedBlock(whole, Group(blocks[index].start, tuple(each), rings[index], _joins(designs[each[0]])))
        for index, each in enumerate(names)
        if each[1:]
    }
    parts = GroupParts(whole, list(made.values())) if made else whole
    plans = [
        _part(parts, made.get(index), each, blocks[index], designs[each[0]]) for index, each in enumerate(names)
    ]
    devices = [plan.device.name for plan in plans]
    paths = document.get("paths") or zip(devices, devices[1:])
    routes = [named_route(parts, tuple(path), plan.blocks.stop) for path, plan in zip(paths, plans)]
    back = routes.pop() if len(routes) == len(plans) else None
    return Partition(parts.system, tuple(plans), tuple(routes), system, back=back)


def _joins(design: Design) -> bool:
    """Whether it adds the sums of other devices to its own."""
    return design.plan.join is not None


def _part(
    parts: Parts, shared: SharedBlock | None, names: Sequence[str], blocks: range, design: Design
) -> PartPlan:
    bits = total_memory_bits(design.quantised, design.plan)
    if shared is not None:
        return shared.part(design.plan, bits)
    halves = any(layer.apart for layer in (design.quantised.layers[0], *_following(parts, blocks)))
    return PartPlan(parts.system.device(names[0]), blocks, design.plan, bits, cut=X_AND_H if halves else "")


def _following(parts: Parts, blocks: range) -> tuple[QuantisedLayer, ...]:
    """Layers of the block behind some."""
    behind = range(blocks.stop, min(blocks.stop + 1, len(parts.network.blocks)))
    return parts.part(behind).layers if behind else ()
