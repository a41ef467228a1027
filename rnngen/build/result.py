"""What synthesis, placement and routing found, as typed data and as synthesis.json."""

from __future__ import annotations

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

    def to_dict(self) -> dict[str, Any]:
        """As plain data, ready for JSON."""
        return asdict(self)


def read_report(report: Mapping[str, Any], cells: Mapping[str, Sequence[str]]) -> Routed:
    """The figures in nextpnr's ``--report`` document; ``cells`` says which of its cells are luts, ffs, and so on."""
    clocks = report["fmax"].values()
    utilisation = report["utilization"]
    return Routed(
        fmax_hz=min((round(clock["achieved"] * 1e6) for clock in clocks), default=0),
        clock_met=all(clock["achieved"] >= clock["constraint"] for clock in clocks),
        used=_added(utilisation, "used", cells),
        available=_added(utilisation, "available", cells),
        critical_path=_critical_path(report["critical_paths"]),
        clocks=tuple(
            Clock(_net(name), round(clock["achieved"] * 1e6), round(clock["constraint"] * 1e6))
            for name, clock in report["fmax"].items()
        ),
    )


def _added(utilisation: Mapping[str, Any], key: str, cells: Mapping[str, Sequence[str]]) -> dict[str, int]:
    return {
        name: sum(int(utilisation.get(cell, {}).get(key, 0)) for cell in of_it) for name, of_it in cells.items()
    }


def _net(name: str) -> str:
    """A clock net's name without what nextpnr puts around it."""
    return name.removeprefix("$glbnet$").removesuffix("$TRELLIS_IO_IN")


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
