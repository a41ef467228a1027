"""What the files around a core are written from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rnngen.emit.ports import Ports, module_ports

RTL = "rtl"
"""Folder of the sources and of the memory images, below the design folder."""


@dataclass(frozen=True)
class Core:
    """A core that others put into a design of theirs.

    Attributes:
        top: Name of its module.
        ports: Of the module.
        verilog: Names of its sources, leaves first.  images: Names of what these read with ``$readmemh``.
        clock_hz: The clock that it is meant for.
        multiplier: "generic", or the family whose primitives its multipliers are.
        registers: Byte offset of each register of its control port, by name.
        version: Of rnngen.
    """

    top: str
    ports: Ports
    verilog: tuple[str, ...]
    images: tuple[str, ...]
    clock_hz: int
    multiplier: str
    registers: dict[str, int]
    version: str

    @property
    def portable(self) -> bool:
        """Whether every vendor's tool can build it: none of its leaves is a primitive of one family."""
        return self.multiplier == "generic"

    @property
    def title(self) -> str:
        """What it is, in words."""
        return f"Recurrent network {self.top}"


def core_of(document: Mapping[str, Any], top: str, sources: Iterable[str], images: Iterable[str]) -> Core:
    """The core of a design as what others put into a larger one.

    Args:
        document: design.json.  top: Verilog of the top.  sources, images: Names of the files that it is made of.

    Raises:
        DesignError: if the Verilog has no such core.
    """
    return Core(
        top=document["top"],
        ports=module_ports(top, document["top"]),
        verilog=tuple(sources),
        images=tuple(images),
        clock_hz=document["clock_hz_target"],
        multiplier=document["multiplier"],
        registers={name: register["offset"] for name, register in document["registers"].items()},
        version=document["tools"]["rnngen"],
    )
