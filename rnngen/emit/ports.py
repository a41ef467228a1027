"""The ports of an emitted module, read off its Verilog, so that what wraps it has the same ones."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from rnngen.errors import DesignError

CLOCK, RESET, INTERRUPT = "aclk", "aresetn", "irq"

Kind = Literal["axis", "axil", "axi"]

_DECLARATION = re.compile(r"^ {2}(input|output) (?:\[(\d+):0\] )?(\w+) ;?", re.MULTILINE)
_AXI_SIGNAL = re.compile(r"(aw|ar|w|r|b)\w+")


@dataclass(frozen=True)
class Port:
    """A port of a module; ``width`` in bits."""

    name: str
    direction: Literal["input", "output"]
    width: int

    @property
    def is_input(self) -> bool:
        """Whether the module reads it."""
        return self.direction == "input"

    @property
    def verilog_range(self) -> str:
        """``"[15:0] "``, or nothing for a single bit."""
        return f"[{self.width - 1}:0] " if self.width > 1 else ""


@dataclass(frozen=True)
class Bus:
    """Ports that belong together: ``s_axis`` with ``s_axis_tdata`` and so on.

    Attributes:
        kind: AXI4-Stream, AXI4-Lite or AXI4.
        master: Whether the module gives (of a stream), or asks (of a memory-mapped bus).
        signals: The ports by what follows the name of the bus, such as ``tdata``.
    """

    name: str
    kind: Kind
    master: bool
    signals: dict[str, Port]


@dataclass(frozen=True)
class Ports:
    """All ports of a module, sorted.

    Attributes:
        all: In the order of the names' groups: clock and reset first, then the buses, then the rest.
        buses: Those that are AXI.
        others: What is neither clock, reset, nor of a bus, such as an interrupt.
    """

    all: tuple[Port, ...]
    buses: tuple[Bus, ...]
    others: tuple[Port, ...]

    def bus(self, name: str) -> Bus | None:
        """The bus of this name, None where there is none."""
        return next((bus for bus in self.buses if bus.name == name), None)


def module_ports(verilog: str, module: str) -> Ports:
    """The ports of a module in the Verilog that Amaranth writes.

    Raises:
        DesignError: if the module, its clock or its reset is not there.
    """
    start = verilog.find(f"\nmodule {module}(")
    end = verilog.find("\nendmodule", start)
    if start < 0 or end < 0:
        raise DesignError(f"The Verilog has no module '{module}'; generate the design again.")
    found = _DECLARATION.findall(verilog[start:end].replace(";", " ;"))
    ports = {name: Port(name, direction, int(high or 0) + 1) for direction, high, name in found}
    for name in (CLOCK, RESET):
        if name not in ports:
            raise DesignError(f"Module '{module}' has no port '{name}'; generate the design again.")
    return _sorted(ports)


def _sorted(ports: dict[str, Port]) -> Ports:
    groups: dict[str, dict[str, Port]] = {}
    others: list[Port] = []
    for name, port in ports.items():
        bus, signal = _split(name)
        if bus:
            groups.setdefault(bus, {})[signal] = port
        elif name not in (CLOCK, RESET):
            others.append(port)
    buses = tuple(Bus(name, _kind(name), name.startswith("m_"), _ordered(groups[name])) for name in _names(groups))
    inside = [port for bus in buses for port in bus.signals.values()]
    return Ports((ports[CLOCK], ports[RESET], *inside, *others), buses, tuple(others))


def _split(name: str) -> tuple[str, str]:
    """Bus and signal of a port's name; no bus where it belongs to none."""
    match = re.fullmatch(r"([sm]_(?:axis(?:_\w+)?|axil|axi))_([a-z]+)", name)
    return (match[1], match[2]) if match else ("", name)


def _kind(bus: str) -> Kind:
    word = bus.split("_")[1]
    return "axil" if word == "axil" else "axi" if word == "axi" else "axis"


_ORDER = ("s_axis", "m_axis", "s_axil", "m_axi")
_SIGNALS = ("tdata", "tid", "tlast", "tvalid", "tready")
_CHANNELS = ("aw", "w", "b", "ar", "r")


def _names(groups: dict[str, dict[str, Port]]) -> list[str]:
    """The usual buses first, what only some cores have behind them."""
    return sorted(groups, key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name))


def _ordered(signals: dict[str, Port]) -> dict[str, Port]:
    """A stream's signals in a fixed order; of a memory-mapped bus channel by channel."""

    def place(name: str) -> tuple[int, str]:
        if name in _SIGNALS:
            return _SIGNALS.index(name), name
        match = _AXI_SIGNAL.fullmatch(name)
        return (_CHANNELS.index(match[1]) if match else len(_CHANNELS)), name

    return {name: signals[name] for name in sorted(signals, key=place)}
