"""Devices with several cores: what stands around all of them, and what else their folders hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rnngen.emit.devices import device_name, system_lines
from rnngen.gateware.system.chip import ChipShape, chip_verilog, outer_name
from rnngen.gateware.system.device import DeviceShape
from rnngen.gateware.system.packing import Beats
from rnngen.plan.partition import Partition


def chip_name(core: str) -> str:
    """Name of the module around all cores of a device, from that of its own core."""
    return f"{core}_chip"


def cores_of(partition: Partition) -> dict[str, tuple[str, ...]]:
    """The cores of each device with several in use, its own first, by that one, whose folder has all of them.

    Where its own is not in use the first one of the others is.
    """
    system = partition.whole
    on: dict[str, list[str]] = {}
    for name in partition.names:
        on.setdefault(system.chip(name), []).append(name)
    several = (sorted(names, key=lambda name: name != device) for device, names in on.items() if len(names) > 1)
    return {names[0]: tuple(names) for names in several}


def chip_files(
    partition: Partition, shapes: Sequence[DeviceShape], tops: Sequence[str], device: str, folder: Path
) -> dict[str, str]:
    """The top of a device with several cores, and all files of its further ones, which lie beside its own folder.

    Args:
        tops: Names of the modules of all cores of the system.
        folder: Of the system.
    """
    shape = _chip_shape(partition, shapes, tops, cores_of(partition)[device])
    name = chip_name(tops[partition.names.index(device)])
    found = {f"{name}.v": chip_verilog(shape, name)}
    for core in cores_of(partition)[device][1:]:
        for file in sorted((folder / core / "rtl").iterdir()):
            found[file.name] = file.read_text(encoding="utf-8")
    return found


def _chip_shape(
    partition: Partition, shapes: Sequence[DeviceShape], tops: Sequence[str], cores: Sequence[str]
) -> ChipShape:
    places = [partition.names.index(core) for core in cores]
    inside = tuple(
        ((places.index(line.left), line.left_link), (places.index(line.right), line.right_link))
        for line in system_lines(partition)
        if line.inside and line.left in places
    )
    found = tuple(shapes[place] for place in places)
    return ChipShape(found, tuple(device_name(tops[place]) for place in places), inside)


def chip_descriptions(
    partition: Partition, shapes: Sequence[DeviceShape], devices: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, Any], ...]:
    """The devices in design.json (``devices.device_descriptions``), those with several cores as one with all of them.

    Of a further core it says which device it is on.
    """
    found = [dict(device) for device in devices]
    names = partition.names
    for device, cores in cores_of(partition).items():
        places = [names.index(core) for core in cores]
        own, hosts = found[places[0]], [dict(devices[place]["host"]) for place in places]
        host: dict[str, Any] = {side: any(each[side] for each in hosts) for side in ("input", "output")}
        for place, each in zip(places, hosts):
            if each["input"]:
                host["steps"] = _port(shapes[place].takes.port, shapes[place].beats)
            if each["output"]:
                host["results"] = each.get("results") or _port(shapes[place].gives.port, _beats(partition, place))
        links = [
            link | {"name": outer_name(number, str(link["name"]))}
            for number, place in enumerate(places)
            for link in found[place]["links"]
            if link["to"] not in cores
        ]
        own |= {"top": chip_name(own["top"].removesuffix(device_name(""))), "host": host, "links": links}
        own["cores"] = list(cores)
        for place in places[1:]:
            found[place]["on"] = device
    return tuple(found)


def _port(port: Beats, beats: int) -> dict[str, int]:
    return {"tdata_bits": port.lane * port.words, "beats_per_step": beats}


def _beats(partition: Partition, place: int) -> int:
    """Beats of a step's results of a device."""
    return next(part for part in partition.parts if partition.names[place] in part.names).plan.output_beats
