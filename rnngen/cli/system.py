"""``rnngen simulate`` on a system of designs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from rnngen.cli.text import wave_lines
from rnngen.errors import DataError, VerificationError
from rnngen.flow import simulate_system

_SINGLE = ("lengths", "gap", "memory", "output")
"""Options of one device's simulation."""

_CYCLES = "step_interval_cycles", "latency_last_output_cycles"
_TICKS = "step_interval_ticks", "latency_last_output_ticks"
MICRO = 1e6


def run(arguments: argparse.Namespace, say: Callable[[str], None]) -> tuple[dict[str, Any], list[str]]:
    """Simulates all devices together.

    Raises:
        DataError: if an option is given that a system does not have.  VerificationError: if circuit and emulator
            disagree.
    """
    for name in _SINGLE:
        if getattr(arguments, name):
            raise DataError(
                f"--{name} is for the simulation of one device; leave it out, or give the folder of one of the "
                f"system's designs."
            )
    result = simulate_system(
        arguments.design, arguments.input, steps=arguments.steps, stall=arguments.stall, apart=arguments.apart,
        waves=arguments.waves, progress=say,
    )  # fmt: skip
    comparison = result.comparison
    if not (comparison.within_bounds if comparison.times_compared else comparison.bit_exact):
        raise VerificationError(comparison.sentence or "The circuit and the emulator disagree.")
    return result.figures, lines(result.figures)


def lines(figures: dict[str, Any]) -> list[str]:
    """Figures of a system's simulation."""
    if figures["cycle_exact"]:
        how = "in every bit and every cycle"
    elif figures["within_bounds"]:
        how = "in every bit, and no output came later than planned (clocks or links differ: the plan is a bound)"
    else:
        how = "in every bit (cycles not compared)"
    return [
        f"{len(figures['devices'])} devices = emulator {how}: {figures['steps']} steps.",
        *([] if figures["step_interval_ticks"] is None else [_times(figures)]),
        f"{figures['cycles_per_second']:,} cycles a second.",
        *wave_lines(figures),
    ]


def _times(figures: dict[str, Any]) -> str:
    """In cycles where those of both ends are alike, else in time."""
    if figures["latency_last_output_cycles"] is not None:
        interval, latency = (f"{figures[name]} cycles" for name in _CYCLES)
    else:
        interval, latency = (f"{figures[name] / figures['ticks_hz'] * MICRO:.4g} us" for name in _TICKS)
    return (
        f"Step interval {interval}; the first step takes {latency} from its last input word to its last output word "
        f"(measured)."
    )
