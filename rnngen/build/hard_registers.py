"""Registers inside block RAM and DSP blocks of an ECP5, which Yosys does not use.

A word leaves a block RAM 5.6 ns after the clock's edge, and 1.0 ns after it where the register in the block is used; a
product, 3.9 ns behind its operands without one.  So flip-flops beside these blocks move into them, cycle for cycle.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rnngen.build.floorplan import MULTIPLIER_CELL
from rnngen.build.netlist import Netlist, flat_module

BLOCK_RAM_CELL, FLIP_FLOP_CELL = "DP16KD", "TRELLIS_FF"
_WIDEST_PORT = 18
_CLOCKED = (BLOCK_RAM_CELL, FLIP_FLOP_CELL)
_Cell = dict[str, Any]
_Pin = tuple[str, str]


def absorb_registers(netlist: Netlist, block_rams: int = 0) -> int:
    """Moves flip-flops beside block RAM and multipliers into them, in the flat netlist; says how many went.

    ``block_rams``: what the device has.  Words of 36 bits leave through both ports of a block, and which port's mode
    rules their register is written down nowhere: where registers stand behind them they become two words of 18 bits,
    a port of the block for each if it is only read, and else a second block, as long as there are any left.

    Behind a block: those of a port, if each of its bits that is read goes to one flip-flop and nothing else.  In front
    of a multiplier: those of its operands, if each comes straight from another register, so that no logic stands
    before a far way.  Flip-flops take their data in every cycle, have no reset and are 0 at first.
    """
    nets = _Nets.of(flat_module(netlist))
    before = _flip_flops(nets)
    for name in _block_rams(nets):
        _in_halves(nets, name, block_rams - len(_block_rams(nets)))
    for name in _block_rams(nets):
        for port in "AB":
            _behind_block_ram(nets, name, port)
    multipliers = [name for name, cell in nets.cells.items() if _is_bare_multiplier(cell)]
    for name in multipliers:
        _behind_multiplier(nets, name)
    for name in multipliers:
        _before_multiplier(nets, name)
    return before - _flip_flops(nets)


@dataclass(frozen=True)
class _Nets:
    """Cells by name, and by net what reads it (of the design's own outputs the cell has no name) and what drives it."""

    cells: dict[str, _Cell]
    readers: dict[Any, list[_Pin]]
    drivers: dict[Any, str]

    @classmethod
    def of(cls, module: Mapping[str, Any]) -> _Nets:
        """The nets of a flat module."""
        nets = cls(module["cells"], {}, {})
        for name, port in module["ports"].items():
            for bit in port["bits"]:
                nets.readers.setdefault(bit, []).append(("", name))
        for name, cell in nets.cells.items():
            for pin, bits in cell["connections"].items():
                for bit in bits:
                    if cell["port_directions"][pin] == "input":
                        nets.readers.setdefault(bit, []).append((name, pin))
                    else:
                        nets.drivers[bit] = name
        return nets

    def behind(self, block: str, pins: Iterable[str], clock: Any = None) -> dict[str, str]:
        """The flip-flop behind each of the pins that is read; none unless all of them can move into the block."""
        found = {}
        for pin in pins:
            (bit,) = self.cells[block]["connections"][pin]
            reads = self.readers.get(bit, [])
            if not reads:
                continue
            name, to = reads[0]
            if len(reads) > 1 or to not in ("DI", "M") or not _is_plain(self.cells.get(name)):
                return {}
            found[pin] = name
        return found if self._share_a_clock(found, clock) else {}

    def move_behind(self, block: str, registers: Mapping[str, str]) -> None:
        """The block's pins drive what the flip-flops drove."""
        for pin, name in registers.items():
            (bit,) = self.cells[block]["connections"][pin] = self.cells.pop(name)["connections"]["Q"]
            self.drivers[bit] = block

    def before(self, block: str, pins: Iterable[str], clock: Any) -> dict[str, str]:
        """The flip-flop in front of each of the pins that are not 0; none unless all of them can move."""
        found = {}
        for pin in pins:
            (bit,) = self.cells[block]["connections"][pin]
            if bit == "0":
                continue
            name = self.drivers.get(bit, "")
            if not _is_plain(self.cells.get(name)):
                return {}
            ahead = self.cells.get(self.drivers.get(_data(self.cells[name]), ""))
            if ahead is None or ahead["type"] not in _CLOCKED:
                return {}
            found[pin] = name
        return found if self._share_a_clock(found, clock) else {}

    def move_before(self, block: str, registers: Mapping[str, str]) -> None:
        """The block's pins take what the flip-flops took; a flip-flop that drives nothing else goes."""
        for pin, name in registers.items():
            self.cells[block]["connections"][pin] = [_data(self.cells[name])]
        for name in set(registers.values()):
            (bit,) = self.cells[name]["connections"]["Q"]
            if all(reader == block and pin in registers for reader, pin in self.readers[bit]):
                del self.cells[name]

    def _share_a_clock(self, registers: Mapping[str, str], clock: Any) -> bool:
        clocks = {self.cells[name]["connections"]["CLK"][0] for name in registers.values()}
        return clocks == {clock} if clock is not None else len(clocks) == 1


def _is_plain(cell: _Cell | None) -> bool:
    """Whether it is a flip-flop that takes its data at every rising edge and is 0 at first."""
    if cell is None or cell["type"] != FLIP_FLOP_CELL:
        return False
    pins, parameters = cell["connections"], {name: value.strip() for name, value in cell["parameters"].items()}
    steady = parameters["CEMUX"] == "1" and pins["LSR"] == ["0"] and parameters["REGSET"] == "RESET"
    return steady and parameters["CLKMUX"] == "CLK"


def _data(register: _Cell) -> Any:
    """The net that a flip-flop takes."""
    pins = register["connections"]
    return (pins.get("DI") or pins["M"])[0]


def _block_rams(nets: _Nets) -> list[str]:
    return [name for name, cell in nets.cells.items() if cell["type"] == BLOCK_RAM_CELL]


def _flip_flops(nets: _Nets) -> int:
    return sum(cell["type"] == FLIP_FLOP_CELL for cell in nets.cells.values())


def _in_halves(nets: _Nets, name: str, spare: int) -> None:
    """Words of 36 bits with registers behind them become two of 18, with the same contents.

    Word a of 36 bits is at the 18-bit places 2 a (pins A of the data) and 2 a + 1 (pins B); pin 4 of an address tells
    them apart.  As a whole it is read at B's address and written at A's, whose pins 0 to 3 enable its four bytes.
    """
    block = nets.cells[name]
    pins, parameters = block["connections"], block["parameters"]
    if any(int(parameters[f"DATA_WIDTH_{each}"], 2) <= _WIDEST_PORT for each in "AB"):
        return
    enables = {pins[f"ADA{number}"][0] for number in range(4)} - {"0"}  # a byte that is not used has none
    read_only = pins["CEA"] == ["0"] or not enables
    if (spare < 1 and not read_only) or len(enables) > 1 or not nets.behind(name, _data_pins("DO"), pins["CLKB"][0]):
        return
    parameters |= dict.fromkeys(("DATA_WIDTH_A", "DATA_WIDTH_B"), f"{_WIDEST_PORT:032b}")
    if read_only:
        for pin in ("CLK", "CE", "OCE", "RST", "WE", "CS0", "CS1", "CS2", *(f"AD{number}" for number in range(14))):
            pins[_of_port("A", pin)] = pins[_of_port("B", pin)]
        parameters["CLKAMUX"] = parameters["CLKBMUX"].replace("CLKB", "CLKA")
        pins["ADB4"] = ["1"]
        return
    pins |= {"WEA": [next(iter(enables))], "ADA2": ["0"], "ADA3": ["0"]}
    upper = nets.cells[f"{name}.upper"] = copy.deepcopy(block)
    upper["connections"] |= {"ADA4": ["1"], "ADB4": ["1"]}
    for number in range(_WIDEST_PORT):
        upper["connections"][f"DIA{number}"] = pins[f"DIB{number}"]
        nets.drivers[pins[f"DOB{number}"][0]] = f"{name}.upper"
        pins[f"DOB{number}"] = pins[f"DOA{number}"]
    for half in (block, upper):
        half["connections"] |= {pin: ["x"] for pin in _data_pins("DI", "B")}
        for pin in _data_pins("DO", "A"):
            del half["connections"][pin], half["port_directions"][pin]


def _data_pins(kind: str, ports: str = "AB") -> list[str]:
    return [f"{kind}{port}{number}" for port in ports for number in range(_WIDEST_PORT)]


def _of_port(port: str, pin: str) -> str:
    """The pin of a port: CE is CEA, AD5 is ADA5."""
    name = pin.rstrip("0123456789")
    return f"{name}{port}{pin[len(name) :]}"


def _behind_block_ram(nets: _Nets, name: str, port: str) -> None:
    pins, parameters = nets.cells[name]["connections"], nets.cells[name]["parameters"]
    always = pins[f"CE{port}"] == pins[f"OCE{port}"] == ["1"] and pins[f"RST{port}"] == ["0"]
    always = always and all(int(parameters[f"DATA_WIDTH_{each}"], 2) <= _WIDEST_PORT for each in "AB")
    if not always or parameters[f"CLK{port}MUX"] != f"CLK{port}" or parameters[f"REGMODE_{port}"] != "NOREG":
        return
    if registers := nets.behind(name, [pin for pin in pins if pin.startswith(f"DO{port}")], pins[f"CLK{port}"][0]):
        nets.move_behind(name, registers)
        parameters[f"REGMODE_{port}"] = "OUTREG"


def _is_bare_multiplier(cell: _Cell) -> bool:
    """Whether it is one that Yosys made of a product, without a clock."""
    return cell["type"] == MULTIPLIER_CELL and "CLK0" not in cell["connections"]


def _behind_multiplier(nets: _Nets, name: str) -> None:
    block = nets.cells[name]
    if registers := nets.behind(name, _numbered(block, "P")):
        pins = {"CLK0": nets.cells[next(iter(registers.values()))]["connections"]["CLK"], "CE0": ["1"], "RST0": ["0"]}
        nets.move_behind(name, registers)
        block["connections"] |= pins
        block["port_directions"] |= dict.fromkeys(pins, "input")
        used = {"REG_OUTPUT_CLK": "CLK0", "CLK0_DIV": "ENABLED", "GSR": "DISABLED", "RESETMODE": "SYNC"}
        block["parameters"] |= used


def _before_multiplier(nets: _Nets, name: str) -> None:
    """Only where its product has a register, too: nothing is gained by two far ways with the product between them."""
    block = nets.cells[name]
    if "CLK0" not in block["connections"]:
        return
    pins = [*_numbered(block, "A"), *_numbered(block, "B")]
    if registers := nets.before(name, pins, block["connections"]["CLK0"][0]):
        nets.move_before(name, registers)
        block["parameters"] |= {"REG_INPUTA_CLK": "CLK0", "REG_INPUTB_CLK": "CLK0"}


def _numbered(block: _Cell, letter: str) -> list[str]:
    """The pins of an operand or a product."""
    return [pin for pin in block["connections"] if pin[0] == letter and pin[1:].isdigit()]
