"""What the files around a core are written from."""

from __future__ import annotations

from dataclasses import dataclass

from rnngen.emit.ports import Ports

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
