"""Which registers stand right beside a memory or a product, so that hard blocks can take them in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

_CLOCKED = ("$dff", "$dffe", "$sdff", "$sdffe", "$sdffce", "$adff", "$adffe", "$mem_v2")


class Nets:
    """What drives each net of a module, and how often it is read."""

    def __init__(self, module: Mapping[str, Any]) -> None:
        self._readers: dict[int, list[tuple[Mapping[str, Any], str]]] = defaultdict(list)
        self._drivers: dict[int, Mapping[str, Any]] = {}
        for port in module["ports"].values():
            if port["direction"] == "output":
                for bit in _nets(port["bits"]):
                    self._readers[bit].append(({"type": ""}, ""))
        for cell in module["cells"].values():
            for name, bits in cell["connections"].items():
                for bit in _nets(bits):
                    if cell.get("port_directions", {}).get(name, "input") == "input":  # unknown of the device's own
                        self._readers[bit].append((cell, name))
                    else:
                        self._drivers[bit] = cell

    def behind(self, bits: Iterable[Any]) -> int:
        """Bits of a port that go to registers and nowhere else; 0 unless all that are read do."""
        found = 0
        for bit in _nets(bits):
            readers = self._readers[bit]
            if not readers:
                continue
            cell, port = readers[0]
            if len(readers) > 1 or cell["type"] != "$dff" or port != "D":
                return 0
            found += 1
        return found

    def chained(self, bits: Iterable[Any]) -> int:
        """Bits of registers that a port's bits go to, and of those behind these."""
        found: set[int] = set()
        waiting = _nets(bits)
        while waiting:
            bit = waiting.pop()
            for cell, port in self._readers[bit]:
                if cell["type"] == "$dff" and port == "D":
                    pins = cell["connections"]
                    after = {held for data, held in zip(pins["D"], pins["Q"]) if data == bit} - found
                    found |= after
                    waiting += after
        return len(found)

    def fed(self, bits: Iterable[Any]) -> int:
        """Bits of a port that come from plain registers; 0 unless all do."""
        drivers = {bit: self._drivers.get(bit) for bit in _nets(bits)}
        plain = all(cell is not None and cell["type"] == "$dff" for cell in drivers.values())
        return len(drivers) if plain else 0

    def rows(self) -> int:
        """Bits of registers that stand between two others, and go nowhere else."""
        found = 0
        for bit, cell in self._drivers.items():
            if cell["type"] == "$dff" and self.behind([bit]):
                pins = cell["connections"]
                ahead = self._drivers.get(pins["D"][pins["Q"].index(bit)])
                found += ahead is not None and ahead["type"] == "$dff"
        return found

    def before(self, bits: Iterable[Any]) -> int:
        """Bits of a port that come from registers which only copy others; 0 unless all do."""
        found = set()
        for bit in _nets(bits):
            register = self._drivers.get(bit)
            if register is None or register["type"] != "$dff":
                return 0
            data = register["connections"]["D"][register["connections"]["Q"].index(bit)]
            ahead = self._drivers.get(data)
            if ahead is None or ahead["type"] not in _CLOCKED:
                return 0
            found.add(bit)
        return len(found)


def _nets(bits: Iterable[Any]) -> list[int]:
    return [bit for bit in bits if isinstance(bit, int)]
