"""The boards of a system and the cables between them, as one module to simulate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Elaboratable, Instance, Module, Signal

from rnngen.config import Board
from rnngen.gateware.board_link import pad_widths
from rnngen.gateware.board_top import board_top_name
from rnngen.gateware.verilog import to_verilog

CLOCK = "clock"
"""Port of the clock that all boards have in a simulation."""


@dataclass(frozen=True)
class Cable:
    """What joins two boards, pin for pin.

    Attributes:
        ends: Board and name of its link, at either end.  data: Pins of a word, each way.
    """

    ends: tuple[tuple[int, str], tuple[int, str]]
    data: int


class BoardsTop(Elaboratable):
    """The tops of boards, all from ``clock``, pressed together by ``reset``; the serial ports are those at the ends.

    ``uart_rx`` is what the board receives that takes steps, ``uart_tx`` what the one sends that gives results
    (``host``).

    Args:
        tops: Module and board of each.
    """

    def __init__(self, tops: Sequence[tuple[str, Board]], cables: Sequence[Cable], host: tuple[int, int]) -> None:
        self._tops, self._cables, self._host = tops, cables, host
        self.clock, self.reset = Signal(name=CLOCK), Signal(name="reset")
        self.uart_rx, self.uart_tx = Signal(name="uart_rx"), Signal(name="uart_tx")

    @property
    def ports(self) -> list[Signal]:
        """Top-level ports in order."""
        return [self.clock, self.reset, self.uart_rx, self.uart_tx]

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        boards = [self._inputs(board) for _, board in self._tops]
        first, last = self._host
        boards[first][f"i_{self._tops[first][1].host.rx}"] = self.uart_rx
        boards[last][f"o_{self._tops[last][1].host.tx}"] = self.uart_tx
        for number, cable in enumerate(self._cables):
            for source, target in (cable.ends, cable.ends[::-1]):
                for wire, width in pad_widths(cable.data).items():
                    pin = Signal(width, name=f"cable_{number}_{source[0]}_{wire}")
                    boards[source[0]][f"o_{source[1]}_send_{wire}"] = pin
                    boards[target[0]][f"i_{target[1]}_take_{wire}"] = pin
        for index, (module, connections) in enumerate(zip((module for module, _ in self._tops), boards)):
            m.submodules[f"board_{index}"] = Instance(module, **connections)
        return m

    def _inputs(self, board: Board) -> dict[str, Any]:
        """What every board has: the clock, its button, and a serial line at rest."""
        inputs: dict[str, Any] = {f"i_{board.clock.port}": self.clock, f"i_{board.host.rx}": 1}
        if board.reset is not None:
            inputs[f"i_{board.reset.port}"] = self.reset if board.reset.active_high else ~self.reset
        return inputs


def board_verilog_alone(design: dict[str, Any], board: Board, name: str) -> str:
    """Verilog of a single board with no cable, without its top: its button is not pressed, whatever its level."""
    top = BoardsTop([(board_top_name(design), board)], (), (0, 0))
    return to_verilog(top, name, top.ports)


def boards_verilog(designs: Sequence[Mapping[str, Any]], boards: Sequence[Board], name: str) -> str:
    """Verilog of the boards of a system, without their tops.

    Args:
        designs: design.json of each device, with its links over pins (``device``), in the order of the data.
        boards: That of each.
        name: Of the module.
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
    tops = [(board_top_name(dict(design)), board) for design, board in zip(designs, boards)]
    top = BoardsTop(tops, cables, (first, last))
    return to_verilog(top, name, top.ports)


def _data(link: Mapping[str, Any]) -> int:
    return int(link["pins"]["data"])


def _back(design: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """The name of the link from a device to another one."""
    return next(link["name"] for link in design["device"]["links"] if link["to"] == other["device"]["name"])
