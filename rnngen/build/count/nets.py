"""Which registers stand right beside a memory or a product, so that hard blocks can take them in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

Cell = Mapping[str, Any]

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

    def used(self, bits: Iterable[Any]) -> int:
        """How many of these bits anything reads."""
        return sum(bool(self._readers[bit]) for bit in _nets(bits))

    def kept(self, bits: Iterable[Any], kinds: Sequence[str]) -> set[int]:
        """Bits of registers of some kinds that alone read a port's bits; none unless all that are read are read so."""
        found = set()
        for bit in _nets(bits):
            readers = self._readers[bit]
            if not readers:
                continue
            cell, port = readers[0]
            if len(readers) > 1 or cell["type"] not in kinds or port != "D":
                return set()
            found.add(_output(cell, bit))
        return found

    def only_reader(self, bits: Iterable[Any], kinds: Sequence[str]) -> Cell | None:
        """The cell of some kinds that alone reads all of these bits that are read."""
        cells = {id(cell): cell for bit in _nets(bits) for cell, _ in self._readers[bit]}
        alone = next(iter(cells.values())) if len(cells) == 1 else None
        return alone if alone is not None and alone["type"] in kinds else None

    def held_by(self, bits: Iterable[Any], kinds: Sequence[str]) -> set[int]:
        """A port's bits, if all of them come from registers of some kinds; else none."""
        found = set(_nets(bits))
        drivers = [self._drivers.get(bit) for bit in found]
        return found if all(cell is not None and cell["type"] in kinds for cell in drivers) else set()

    def data_of(self, bits: Iterable[int]) -> list[Any]:
        """What registers of these bits are fed with."""
        return [_input(self._drivers[bit], bit) for bit in bits]

    def read_by(self, bit: int, cells: Container[int], held: Container[int]) -> bool:
        """Whether nothing reads a bit but some cells (by ``id``), or registers that give other bits."""
        return all(
            id(cell) in cells or (port == "D" and cell["type"] in _CLOCKED and _output(cell, bit) in held)
            for cell, port in self._readers[bit]
        )

    def followers(self, kinds: Sequence[str]) -> dict[int, int]:
        """Bits of registers by the bit of the register that hands each on, alone, enabled as the register itself."""
        found = {}
        for bit, cell in self._drivers.items():
            if cell["type"] not in kinds or len(self._readers[bit]) != 1:
                continue
            reader, port = self._readers[bit][0]
            alike = reader["type"] == cell["type"] and reader["connections"].get("EN") == cell["connections"].get("EN")
            if port == "D" and alike:
                found[bit] = _output(reader, bit)
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


def _output(register: Cell, data: int) -> int:
    """The bit that gives this one a cycle later."""
    pins = register["connections"]
    return int(pins["Q"][pins["D"].index(data)])


def _input(register: Cell, output: int) -> Any:
    pins = register["connections"]
    return pins["D"][pins["Q"].index(output)]


def _nets(bits: Iterable[Any]) -> list[int]:
    return [bit for bit in bits if isinstance(bit, int)]
