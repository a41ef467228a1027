"""Vivado's report_utilization and report_timing_summary (UG906)."""

from __future__ import annotations

import re
from dataclasses import replace

from rnngen.build.result import Clock, CriticalPath, Routed
from rnngen.build.vendor.figures import Report, mega, routed


def vivado_version(report: Report) -> str:
    """Such as v.2023.2."""
    return report.found(r"^\| Tool Version\s*:\s*Vivado (v\.\S+)", "the tool's version").group(1)


def read_vivado(utilisation: Report, timing: Report, target_hz: int) -> Routed:
    """The figures of a routed design.  Block RAMs are counted in halves of 18 Kbit, as a RAMB36 is two of them."""
    utilisation.found(r"^\| Design State\s*:\s*Routed", "that the design is routed")
    tiles, halves = _row(utilisation, "RAMB36/FIFO", "RAMB36"), _row(utilisation, "RAMB18", "RAMB18")
    amounts = {
        "luts": _row(utilisation, "(?:Slice|CLB) LUTs", "LUTs"),
        "ffs": _row(utilisation, "(?:Slice|CLB) Registers", "registers"),
        "dsps": _row(utilisation, "DSPs", "DSPs"),
        "block_rams": (2 * tiles[0] + halves[0], halves[1]),
    }
    # Setup, hold and pulse width: those of the whole design, so paths between clocks count, too.
    slacks = timing.found(
        r"^\| Design Timing Summary\n.*?\n\s+WNS\(ns\).*?\n[ -]+\n\s*(.*?)\n", "the slacks of the design",
        re.MULTILINE | re.DOTALL,
    ).group(1).split()  # fmt: skip
    if len(slacks) != 12 or not all(re.fullmatch(r"-?\d+\.\d+", slacks[index]) for index in (0, 4, 8)):
        raise timing.lacks("the slacks of setup, hold and pulse width of the design")
    errors = [float(slacks[index]) < 0 for index in (0, 4, 8)]
    found = routed(timing, amounts, _clocks(timing), target_hz, errors)
    return replace(found, clock_met=not any(errors), critical_path=_critical_path(timing))


def _row(report: Report, name: str, what: str) -> tuple[int, int]:
    """Used and available of a row, found under the heads of its table."""
    heads: list[str] = []
    for line in report.text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if cells[0] == "Site Type":
            heads = cells
        elif heads and re.fullmatch(rf"{name}\*?", cells[0]) and len(cells) == len(heads):
            used, available = (cells[heads.index(head)] for head in ("Used", "Available"))
            if used.isdigit() and available.isdigit():
                return int(used), int(available)
    raise report.lacks(f"how many {what} are used and available")


def _clocks(timing: Report) -> list[Clock]:
    """Every clock with paths of its own: what is left of its period."""
    periods = {}
    summary = timing.between(r"^\| Clock Summary\n", r"^\| Intra Clock Table", "its clocks")
    for name, period, target in re.findall(r"^ *(\S+) +\{[^}]+\} +([\d.]+) +([\d.]+) *$", summary.text, re.MULTILINE):
        periods[name] = float(period), mega(target)
    inside = timing.between(r"^\| Intra Clock Table\n", r"^\| Inter Clock Table", "the slacks of its clocks")
    clocks = []
    for line in inside.text.splitlines():
        words = line.split()
        if len(words) == 13 and words[0] in periods:
            period, target_hz = periods[words[0]]
            clocks.append(Clock(words[0], round(1e9 / (period - float(words[1]))), target_hz))
    return clocks


def _critical_path(timing: Report) -> CriticalPath | None:
    """The worst setup path, where paths were reported."""
    path = re.search(
        r"^Max Delay Paths\n-+\nSlack[^\n]*\n\s*Source:\s+(\S+).*?\n\s*Destination:\s+(\S+).*?"
        r"\n\s*Data Path Delay:\s+([\d.]+)ns\s+\(logic ([\d.]+)ns[^\n]*?route ([\d.]+)ns",
        timing.text,
        re.MULTILINE | re.DOTALL,
    )
    if path is None:
        return None
    return CriticalPath(path[1], path[2], float(path[3]), float(path[4]), float(path[5]), ())
