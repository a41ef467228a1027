"""Gowin EDA's NAME.rpt.txt and NAME.tr (the timing report as text, which gen_text_timing_rpt asks for; SUG940)."""

from __future__ import annotations

import math
import re

from rnngen.build.result import Clock, Routed
from rnngen.build.vendor.figures import Report, mega, routed


def gowin_version(timing: Report) -> str:
    """Such as V1.9.11.03."""
    return timing.found(r"^<Tool Version>:\s*(\S+)", "the tool's version").group(1)


def read_gowin(resources: Report, timing: Report, target_hz: int) -> Routed:
    """The figures of a routed design.  LUTs are all that logic takes, adders and small memories as well.

    A DSP has two multipliers of 18 bits; it is counted in halves, and multipliers are what is counted here.
    """
    halves = resources.found(r"^\s*DSP\s*\|\s*([\d.]+)/(\d+)", "how many DSPs are used and available")
    amounts = {
        "luts": resources.pair(r"^\s*Logic\s*\|\s*(\d+)/(\d+)", "how many LUTs are used and available"),
        "ffs": resources.pair(r"^\s*Register\s*\|\s*(\d+)/(\d+)", "how many registers are used and available"),
        "dsps": (math.ceil(2 * float(halves[1])), 2 * int(halves[2])),
        "block_rams": resources.pair(r"^\s*BSRAM\s*\|\s*(\d+)/(\d+)", "how many block RAMs are used and available"),
    }
    violated = {kind: rf"^<Numbers of {kind} Violated Endpoints>:\s*(\d+)" for kind in ("Setup", "Hold")}
    errors = [
        timing.number(pattern, f"how many {kind.lower()} errors there are") > 0 for kind, pattern in violated.items()
    ]
    table = timing.between(r"^2\.3 Max Frequency Summary", r"^2\.4 ", "its highest clocks")
    clocks = [
        Clock(name, mega(reached), mega(target))
        for name, target, reached in re.findall(
            r"^\s*\d+\s+(\S+)\s+([\d.]+)\(MHz\)\s+([\d.]+)\(MHz\)", table.text, re.MULTILINE
        )
    ]
    return routed(timing, amounts, clocks, target_hz, errors)
