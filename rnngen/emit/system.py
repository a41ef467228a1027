"""A system of several devices: a design folder for each of them, and what joins them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

from rnngen.config.system import System
from rnngen.emit.design import Design, read_design
from rnngen.emit.folder import GENERATOR, SYSTEM_FILE, fresh_folder, json_bytes, read_system_document
from rnngen.emit.system_document import (
    advice_dict,
    device_dict,
    link_dicts,
    other_dict,
    partition_dict,
    parts_of,
    paths_dict,
    read_described,
    read_partition,
    rings_of,
    system_dict,
)
from rnngen.errors import DesignError
from rnngen.ir.network import Network
from rnngen.ir.quantised import Delta, QuantisedNetwork
from rnngen.passes.apart import join_halves
from rnngen.passes.cut import Part, join, of_shares
from rnngen.plan.partition import Advice, Other, Partition, PartPlan
from rnngen.plan.partition.rings import reading_order

WriteDesign = Callable[[Path, PartPlan, str], Design]


@dataclass(frozen=True, eq=False)
class SystemDesign:
    """A system of designs, and where it lies.

    Attributes:
        folder: DIR; DIR/NAME is the design folder of device NAME.  document: system.json as plain data.
        partition: Which device computes what.  designs: Of the devices in use, in the order of the data.
    """

    folder: Path
    document: dict[str, Any]
    partition: Partition
    designs: tuple[Design, ...]

    @property
    def system(self) -> System:
        """All devices and links."""
        return self.partition.whole

    @cached_property
    def _whole(self) -> Part:
        parts = _pieces(self.document, {design.folder.name: design for design in self.designs})
        return join_halves(parts, str(self.document["network"]))

    @property
    def network(self) -> Network:
        """The whole float network."""
        return self._whole.network

    @property
    def quantised(self) -> QuantisedNetwork:
        """The integers of the whole network, which the devices compute together."""
        return _with_deltas(self._whole.quantised, self.partition)

    @property
    def state_access(self) -> bool:
        """Whether states can be given and read at run time, on the device that has the layer."""
        return all(design.state_access for design in self.designs)

    @property
    def giver(self) -> Design:
        """The design of a device that gives results of the last part."""
        return self.designs[self.partition.giver]

    @property
    def names(self) -> tuple[str, ...]:
        """Devices in use, in the order of the data."""
        return self.partition.names


@dataclass(frozen=True, eq=False)
class Choice:
    """How a network is cut, and what else there was.

    Attributes:
        network: Name of the whole network.  goal: What was made shortest first.
        others: Cuts that lost.  inner: Cuts inside the layer that binds, as planned.
        weighed_all: Whether all ways over devices that only give on were weighed.
        delta: By how much h must change to cross between devices that share a layer; None: all of it crosses.
    """

    network: str
    goal: str
    partition: Partition
    others: tuple[Other, ...] = ()
    inner: tuple[Advice, ...] = ()
    weighed_all: bool = True
    delta: Fraction | None = None


def _with_deltas(network: QuantisedNetwork, partition: Partition) -> QuantisedNetwork:
    """The network as devices compute it that send each other what changed; such cuts have no block in two."""
    blocks = list(network.blocks)
    for part in partition.parts:
        if part.delta is not None:
            blocks[part.blocks.start] = replace(blocks[part.blocks.start], delta=Delta(len(part.names), part.delta))
    return replace(network, blocks=tuple(blocks))


def write_system(folder: Path, choice: Choice, write: WriteDesign, last: Container[str] = ()) -> SystemDesign:
    """Writes the design of each device and system.json, in one step.

    Args:
        write: Writes the design of a part on a device of this name into a folder.
        last: Devices whose designs need those of others.

    Raises:
        DesignError: if the folder is not rnngen's or cannot be written; nothing is left behind then.
    """
    partition = choice.partition
    with fresh_folder(folder) as fresh:
        pairs = [(part, name) for part in partition.parts for name in part.names]
        pairs.sort(key=lambda pair: pair[1] in last)
        written = {name: write(fresh / name, part, name) for part, name in pairs}
        designs = tuple(replace(written[name], folder=folder / name) for name in partition.names)
        document = _document(choice, designs)
        (fresh / SYSTEM_FILE).write_bytes(json_bytes(document))
    return SystemDesign(folder, document, partition, designs)


def _document(choice: Choice, designs: Sequence[Design]) -> dict[str, Any]:
    partition = choice.partition
    system, used = partition.whole, set(partition.names)
    places = [(index, name) for index, part in enumerate(partition.parts) for name in part.names]
    devices = [
        device_dict(partition, *place)
        | {"layers": [layer.name for layer in design.quantised.layers], "top": design.top}
        | {key: design.document[key] for key in ("digest", "resources") if key in design.document}
        for place, design in zip(places, designs)
    ]
    digests = "".join(design.document["digest"] for design in designs)
    return {
        "generator": GENERATOR,
        "network": choice.network,
        "goal": choice.goal,
        "ticks_hz": system.ticks_hz,
        **partition_dict(partition),
        **({} if choice.delta is None else {"delta": str(choice.delta)}),
        "host": {"input": list(partition.parts[0].names), "output": list(partition.outputs)},
        **_ports(partition, designs),
        "devices": devices,
        "links": link_dicts(partition),
        **paths_dict(partition),
        **({} if choice.weighed_all else {"weighed_all": False}),
        "unused": [device.name for device in system.devices if device.name not in used],
        "others": [other_dict(other) for other in choice.others],
        "inner_cuts": [advice_dict(advice) for advice in choice.inner],
        "system": system_dict(system),
        "digest": hashlib.sha256(digests.encode()).hexdigest(),
    }


def _pieces(document: dict[str, Any], designs: Mapping[str, Design]) -> list[Part]:
    """What each part computes, from the designs of all devices."""
    parts = []
    for names, ring in zip(parts_of(document), rings_of(document)):
        shares = [Part(designs[name].network, designs[name].quantised) for name in names]
        parts.append(of_shares(shares, reading_order(len(names), ring)))
    return parts


def _ports(partition: Partition, designs: Sequence[Design]) -> dict[str, Any]:
    """The host's ports, where one device takes steps and one gives results, as in design.json."""
    if partition.parts[0].members or len(partition.parts[-1].givers) > 1:
        return {}
    first, last = designs[0].document["ports"], designs[partition.giver].document["ports"]
    return {"ports": {"s_axis": first["s_axis"], "m_axis": last["m_axis"]}}


def read_system(folder: Path) -> SystemDesign:
    """Reads a system back and checks that its designs are those that were generated.

    Raises:
        DesignError: if a file is missing, changed or damaged.
    """
    document = read_system_document(folder)
    path = folder / SYSTEM_FILE
    try:
        system = read_described(document["system"])
        names = [(str(item["name"]), item["digest"]) for item in document["devices"]]
        designs = {name: read_design(folder / name) for name, _ in names}
        for name, digest in names:
            if designs[name].document["digest"] != digest:
                raise DesignError(
                    f"'{folder / name}' is not the design that '{path}' names; partition the model again."
                )
        network = join(_pieces(document, designs), str(document["network"])).quantised
        partition = read_partition(system, network, designs, document)
    except (KeyError, TypeError, ValueError) as error:
        raise DesignError(f"'{path}' lacks or garbles {error}; partition the model again.") from error
    return SystemDesign(folder, document, partition, tuple(designs[name] for name, _ in names))
