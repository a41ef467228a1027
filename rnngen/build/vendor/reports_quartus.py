"""Quartus' NAME.fit.summary, NAME.fit.rpt, NAME.sta.summary and NAME.sta.rpt."""

from __future__ import annotations

import re

from rnngen.build.result import Clock, Routed
from rnngen.build.vendor.figures import Report, mega, routed

_OF = r"\s*([\d,]+) / ([\d,]+) \("


def quartus_version(summary: Report) -> str:
    """Such as 22.1std.0."""
    return summary.found(r"^Quartus Prime Version : (\S+)", "the tool's version").group(1)


def read_quartus(
    fit_summary: Report, fit: Report, sta_summary: Report, sta: Report, target_hz: int
) -> Routed:
    """The figures of a routed design.

    LUTs of Cyclone V are combinational ALUTs, two of which an ALM has; its DSP blocks are whole ones.  Multipliers of
    MAX 10 are those of 18 bits, two elements of 9 bits each.
    """
    fit_summary.found(r"^Fitter Status : Successful", "that the design is routed")
    slacks = [float(slack) for slack in re.findall(r"^Slack\s*: (-?[\d.]+)", sta_summary.text, re.MULTILINE)]
    if not re.search(r"^Type\s*: .*Setup '", sta_summary.text, re.MULTILINE) or not slacks:
        raise sta_summary.lacks("the slack of any clock")
    amounts = _cyclone(fit_summary, fit) if "ALMs" in fit_summary.text else _max10(fit_summary, fit)
    return routed(sta, amounts, _clocks(sta), target_hz, [slack < 0 for slack in slacks])


def _cyclone(summary: Report, fit: Report) -> dict[str, tuple[int, int]]:
    modules = summary.pair(rf"^Logic utilization \(in ALMs\) :{_OF}", "how many ALMs there are")[1]
    aluts = fit.number(r"^; Combinational ALUT usage for logic\s*;\s*([\d,]+)\s*;", "how many ALUTs are used")
    registers = summary.number(r"^Total registers : ([\d,]+)", "how many registers are used")
    return {
        "luts": (aluts, 2 * modules),
        "ffs": (registers, 4 * modules),
        "dsps": summary.pair(rf"^Total DSP Blocks :{_OF}", "how many DSP blocks are used"),
        "block_rams": summary.pair(rf"^Total RAM Blocks :{_OF}", "how many RAM blocks are used"),
    }


def _max10(summary: Report, fit: Report) -> dict[str, tuple[int, int]]:
    nines = summary.pair(
        rf"^Embedded Multiplier 9-bit elements :{_OF}", "how many elements of multipliers are used"
    )
    return {
        "luts": summary.pair(rf"^\s*Total combinational functions :{_OF}", "how many LUTs are used"),
        "ffs": summary.pair(rf"^\s*Dedicated logic registers :{_OF}", "how many registers are used"),
        "dsps": (-(-nines[0] // 2), nines[1] // 2),
        "block_rams": fit.pair(rf"^; M9Ks\s*;{_OF}", "how many M9K blocks are used"),
    }


def _clocks(sta: Report) -> list[Clock]:
    """Every clock that has paths: the least of what any corner says."""
    targets = {}
    table = sta.between(r"^; Clocks\s*;$", r"\n\n", "its clocks")
    row = re.compile(r"^; (\S+)\s*; (?:Base|Generated)\s*; [\d.]+\s*; ([\d.]+) MHz", re.MULTILINE)
    for name, mhz in row.findall(table.text):
        targets[name] = mega(mhz)
    reached: dict[str, int] = {}
    for block in re.findall(r"^; Slow [^;]*Fmax Summary\s*;$(.*?)\n\n", sta.text, re.MULTILINE | re.DOTALL):
        for mhz, name in re.findall(r"^; ([\d.]+) MHz\s*; [\d.]+ MHz\s*; (\S+)", block, re.MULTILINE):
            reached[name] = min(mega(mhz), reached.get(name, mega(mhz)))
    if not reached:
        raise sta.lacks("the highest clock of any corner")
    unknown = [name for name in reached if name not in targets]
    if unknown:
        raise sta.lacks(f"the frequency that was asked of clock '{unknown[0]}'")
    return [Clock(name, hertz, targets[name]) for name, hertz in reached.items()]
