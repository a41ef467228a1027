"""What synthesis, placement and routing found, as typed data and as synthesis.json."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class PathStep:
    """One piece of a critical path: ``kind`` is clk-to-q, logic, routing or setup; ``net`` where it is routing."""

    kind: str
    delay_ns: float
    source: str
    target: str
    net: str | None


@dataclass(frozen=True)
class CriticalPath:
    """The slowest path inside one clock: cells at both ends, total delay, and its steps."""

    source: str
    target: str
    delay_ns: float
    logic_ns: float
    routing_ns: float
    steps: tuple[PathStep, ...]


@dataclass(frozen=True)
class Clock:
    """A clock net: the highest clock that its paths take, and the one that was asked for."""

    name: str
    fmax_hz: int
    target_hz: int


@dataclass(frozen=True)
class Routed:
    """Figures of one placed and routed seed, from nextpnr's report."""

    fmax_hz: int
    clock_met: bool
    used: dict[str, int]
    available: dict[str, int]
    critical_path: CriticalPath | None
    clocks: tuple[Clock, ...]


@dataclass(frozen=True)
class SynthesisResult:
    """The content of DIR/synthesis.json.

    Attributes:
        fmax_hz: the highest clock of the slowest clock net.  clock_met: whether every clock reached its target.
        clocks: each clock net that clocks paths: that of the board's PLL, and those that come from other boards.
        bitstream: path relative to DIR; None when the clock was missed.
        seconds: the whole run.  stages: seconds of each tool, the successful seed's for nextpnr.
        luts: of an iCE40 logic cells, which hold a LUT and a flip-flop.
        measured: true, as every figure comes from a placed and routed design.
        seed: None where the tool takes none.  seeds_tried: in order, the last or the best one being ``seed``.
            routed_again: whether the router took wires of it up again, as no seed had met the clock.  available: the
            device's totals.
    """

    tool: str
    tool_version: str
    device: str
    fmax_hz: int
    clock_met: bool
    clock_target_hz: int
    clocks: tuple[Clock, ...]
    luts: int
    ffs: int
    dsps: int
    block_rams: int
    bitstream: str | None
    seconds: float
    measured: bool
    seed: int | None
    seeds_tried: tuple[int, ...]
    routed_again: bool
    critical_path: CriticalPath | None
    stages: dict[str, float]
    available: dict[str, int]
    single_port_rams: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As plain data, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Counted:
    """Where the resources of a family are counted.

    Attributes:
        cells: By resource (luts, ffs, dsps, block_rams, single_port_rams), cells of nextpnr's report.
        halves: Those of which two lie in the place of another one of the same resource.
        netlist_ffs: Cells of the netlist that are flip-flops, where nextpnr counts what holds a LUT and one of them.
    """

    cells: Mapping[str, Sequence[str]]
    halves: Sequence[str] = ()
    netlist_ffs: Sequence[str] = ()

    def used(self, utilisation: Mapping[str, Any], netlist: Mapping[str, int]) -> dict[str, int]:
        """By resource, from nextpnr's report and the netlist's cells by type."""
        found = {
            name: sum(-(-int(utilisation.get(cell, {}).get("used", 0)) // self._in_one(cell)) for cell in cells)
            for name, cells in self.cells.items()
        }
        return found | ({"ffs": sum(netlist.get(cell, 0) for cell in self.netlist_ffs)} if self.netlist_ffs else {})

    def available(self, utilisation: Mapping[str, Any]) -> dict[str, int]:
        """By resource, what the device has."""
        found = {
            name: max(int(utilisation.get(cell, {}).get("available", 0)) // self._in_one(cell) for cell in cells)
            for name, cells in self.cells.items()
        }
        return found | ({"ffs": found["luts"]} if self.netlist_ffs else {})

    def _in_one(self, cell: str) -> int:
        return 2 if cell in self.halves else 1


def read_report(report: Mapping[str, Any], counted: Counted, netlist: Mapping[str, int]) -> Routed:
    """The figures in nextpnr's ``--report`` document; ``netlist``: cells by type."""
    clocks = report["fmax"].values()
    utilisation = report["utilization"]
    return Routed(
        fmax_hz=min((round(clock["achieved"] * 1e6) for clock in clocks), default=0),
        clock_met=all(clock["achieved"] >= clock["constraint"] for clock in clocks),
        used=counted.used(utilisation, netlist),
        available=counted.available(utilisation),
        critical_path=_critical_path(report["critical_paths"]),
        clocks=tuple(
            Clock(_net(name), round(clock["achieved"] * 1e6), round(clock["constraint"] * 1e6))
            for name, clock in report["fmax"].items()
        ),
    )


_UTILISATION = re.compile(r"^Info:\s+(\S+):\s*(\d+)/\s*(\d+)\s+\d+%$")


def read_utilisation(log: str) -> dict[str, dict[str, int]]:
    """The table "Device utilisation" of nextpnr's log, as its report has it."""
    _, _, table = log.partition("Device utilisation:")
    rows = (_UTILISATION.match(line) for line in table.splitlines())
    return {row[1]: {"used": int(row[2]), "available": int(row[3])} for row in rows if row is not None}


def _net(name: str) -> str:
    """A clock net's name without what nextpnr puts around it."""
    for ending in ("_$glb_clk", "$SB_IO_IN", "$TRELLIS_IO_IN"):
        name = name.removesuffix(ending)
    return name.removeprefix("$glbnet$")


def _critical_path(paths: list[Mapping[str, Any]]) -> CriticalPath | None:
    """The slowest path that starts and ends at the same clock."""
    inside = [path["path"] for path in paths if path["from"] == path["to"] and path["path"]]
    if not inside:
        return None
    steps = max((tuple(map(_step, path)) for path in inside), key=lambda steps: sum(step.delay_ns for step in steps))
    routing = sum(step.delay_ns for step in steps if step.kind == "routing")
    total = sum(step.delay_ns for step in steps)
    return CriticalPath(
        steps[0].source, steps[-1].target, round(total, 3), round(total - routing, 3), round(routing, 3), steps
    )


def _step(step: Mapping[str, Any]) -> PathStep:
    ends = [f"{step[end]['cell']}.{step[end]['port']}" for end in ("from", "to")]
    return PathStep(str(step["type"]), float(step["delay"]), ends[0], ends[1], step.get("net"))
