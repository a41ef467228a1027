"""The boards of a system and the cables between them, as one module to simulate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Elaboratable, Instance, Module, Signal

from rnngen.gateware.board_link import pad_widths
from rnngen.gateware.board_ulx3s import board_top_name
from rnngen.gateware.verilog import to_verilog


@dataclass(frozen=True)
class Cable:
    """What joins two boards, pin for pin.

    Attributes:
        ends: Board and name of its link, at either end.  data: Pins of a word, each way.
    """

    ends: tuple[tuple[int, str], tuple[int, str]]
    data: int


class BoardsTop(Elaboratable):
    """The tops of boards, all from ``clk25``, pressed together by ``reset``; the serial ports are those at the ends.

    ``uart_rx`` is what the board receives that takes steps, ``uart_tx`` what the one sends that gives results
    (``host``).
    """

    def __init__(self, modules: Sequence[str], cables: Sequence[Cable], clock_port: str, host: tuple[int, int]) -> None:
        self._modules, self._cables, self._host = modules, cables, host
        self._clock_port = clock_port
        self.clock, self.reset = Signal(name=clock_port), Signal(name="reset")
        self.uart_rx, self.uart_tx = Signal(name="uart_rx"), Signal(name="uart_tx")

    @property
    def ports(self) -> list[Signal]:
        """Top-level ports in order."""
        return [self.clock, self.reset, self.uart_rx, self.uart_tx]

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        boards: list[dict[str, Any]] = [
            {f"i_{self._clock_port}": self.clock, "i_reset": self.reset, "i_uart_rx": 1} for _ in self._modules
        ]
        boards[self._host[0]]["i_uart_rx"] = self.uart_rx
        boards[self._host[1]]["o_uart_tx"] = self.uart_tx
        for number, cable in enumerate(self._cables):
            for source, target in (cable.ends, cable.ends[::-1]):
                for wire, width in pad_widths(cable.data).items():
                    pin = Signal(width, name=f"cable_{number}_{source[0]}_{wire}")
                    boards[source[0]][f"o_{source[1]}_send_{wire}"] = pin
                    boards[target[0]][f"i_{target[1]}_take_{wire}"] = pin
        for index, (module, connections) in enumerate(zip(self._modules, boards)):
            m.submodules[f"board_{index}"] = Instance(module, **connections)
        return m


def boards_verilog(designs: Sequence[Mapping[str, Any]], name: str, clock_port: str) -> str:
    """Verilog of the boards of a system, without their tops.

    Args:
        designs: design.json of each device, with its links over pins (``device``), in the order of the data.
    """
    places = {design["device"]["name"]: index for index, design in enumerate(designs)}
    cables = [
        Cable(((index, link["name"]), (places[link["to"]], _back(designs[places[link["to"]]], design))), _data(link))
        for index, design in enumerate(designs)
        for link in design["device"]["links"]
        if index < places[link["to"]]
    ]
    hosts = [design["device"]["host"] for design in designs]
    first = min(index for index, host in enumerate(hosts) if host["input"])
    last = max(index for index, host in enumerate(hosts) if host["output"])
    top = BoardsTop([board_top_name(dict(design)) for design in designs], cables, clock_port, (first, last))
    return to_verilog(top, name, top.ports)


def _data(link: Mapping[str, Any]) -> int:
    return int(link["pins"]["data"])


def _back(design: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """The name of the link from a device to another one."""
    return next(link["name"] for link in design["device"]["links"] if link["to"] == other["device"]["name"])
