"""Lattice's map reports (.mrp) and timing reports (.twr), of Diamond and of Radiant."""

from __future__ import annotations

import re

from rnngen.build.result import Clock, Routed
from rnngen.build.vendor.figures import Report, mega, routed

_OF = r"\s*(\d+) out of\s+(\d+)"


def lattice_version(report: Report) -> str:
    """Such as 3.13.0.56.2."""
    return report.found(r"(?:Diamond|Radiant)[^\n(]*\(\d\d-bit\) ([\d.]+)", "the tool's version").group(1)


def read_diamond(mapped: Report, timing: Report, target_hz: int) -> Routed:
    """The figures of a routed ECP5.  A multiplier of 18 bits takes two MULT sites."""
    sites = mapped.pair(rf"^\s*Number of Used DSP MULT Sites:{_OF}", "how many MULT sites are used")
    amounts = {
        "luts": mapped.pair(rf"^\s*Number of LUT4s:{_OF}", "how many LUTs are used"),
        "ffs": mapped.pair(rf"^\s*PFU registers:{_OF}", "how many registers are used"),
        "dsps": (-(-sites[0] // 2), sites[1] // 2),
        "block_rams": mapped.pair(rf"^\s*Number of block RAMs:{_OF}", "how many block RAMs are used"),
    }
    errors = []
    for kind in ("Setup", "Hold"):
        what = f"how many {kind.lower()} errors there are"
        summary = timing.between(rf"^Timing summary \({kind}\):", r"^Constraints cover", what)
        errors.append(summary.number(r"^Timing errors:\s*(\d+)", what) > 0)
    clocks = [
        Clock(name, mega(reached), mega(target))
        for name, target, reached in re.findall(
            r'^Preference: FREQUENCY (?:NET|PORT) "([^"]+)" ([\d.]+) MHz ;(?:(?!^Preference:).)*?'
            r"^(?:Report|Warning):\s*([\d.]+)MHz is the maximum frequency for this preference",
            timing.text,
            re.MULTILINE | re.DOTALL,
        )
    ]
    return routed(timing, amounts, clocks, target_hz, errors)


def read_radiant(mapped: Report, timing: Report, target_hz: int) -> Routed:
    """The figures of a routed iCE40 UltraPlus."""
    amounts = {
        "luts": mapped.pair(rf"^\s*Number of LUT4s:{_OF}", "how many LUTs are used"),
        "ffs": mapped.pair(rf"^\s*Number of slice registers:{_OF}", "how many registers are used"),
        "dsps": mapped.pair(rf"^\s*Number of DSPs:{_OF}", "how many DSPs are used"),
        "block_rams": mapped.pair(rf"^\s*Number of EBRs:{_OF}", "how many block RAMs are used"),
    }
    errors = []
    for kind in ("Setup", "Hold"):
        counts = re.findall(rf"^\s*{kind} at [^\n]*Timing Errors:\s*(\d+) endpoints", timing.text, re.MULTILINE)
        if not counts:
            raise timing.lacks(f"how many {kind.lower()} errors there are")
        errors += [int(count) > 0 for count in counts]
    reached: dict[str, tuple[int, int]] = {}
    for name, target, actual in re.findall(
        r"^\s*From (\S+)\s*\|\s*Target \|\s*[\d.]+ ns \|\s*([\d.]+) MHz\s*\n\s*\| Actual \(all paths\) \|"
        r"\s*[\d.]+ ns \|\s*([\d.]+) MHz",
        timing.text,
        re.MULTILINE,
    ):
        reached[name] = min((mega(actual), mega(target)), reached.get(name, (mega(actual), mega(target))))
    clocks = [Clock(name, actual, target) for name, (actual, target) in reached.items()]
    return routed(timing, amounts, clocks, target_hz, errors)
