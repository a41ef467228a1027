"""``rnngen simulate`` on a system of designs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from rnngen.errors import DataError, VerificationError
from rnngen.flow import simulate_system

_SINGLE = ("lengths", "stall", "gap", "memory", "waves", "output")
"""Options of one device's simulation."""


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
    result = simulate_system(arguments.design, arguments.input, steps=arguments.steps, progress=say)
    compared = result.comparison.cycles_compared
    if not (result.comparison.cycle_exact if compared else result.comparison.bit_exact):
        raise VerificationError(result.comparison.sentence or "The circuit and the emulator disagree.")
    return result.figures, lines(result.figures)


def lines(figures: dict[str, Any]) -> list[str]:
    """Figures of a system's simulation."""
    cycles = "in every bit and every cycle" if figures["cycle_exact"] else "in every bit (cycles not compared)"
    return [
        f"{len(figures['devices'])} devices = emulator {cycles}: {figures['steps']} steps.",
        f"Step interval {figures['step_interval_cycles']} cycles; the first step takes "
        f"{figures['latency_last_output_cycles']} cycles from its last input word to its last output word (measured).",
        f"{figures['cycles_per_second']:,} cycles a second.",
    ]
