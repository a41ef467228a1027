"""rnngen serve-sim: a simulated accelerator at a pseudo-terminal."""

from __future__ import annotations

import argparse
import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from rnngen.emit.design import read_design
from rnngen.emit.folder import is_system
from rnngen.errors import DesignError, ToolError
from rnngen.flow.serve import ServedSimulation

EXAMPLE = "rnngen serve-sim design --link /tmp/accelerator"
WRITES = "DIR/simulation: the simulator and its sources"
SUMMARY = "simulate a design behind the serial protocol of the boards, at a pseudo-terminal"
_TICK_SECONDS = 0.2
_SPEED_SECONDS = 10.0
_LAST_SECONDS = 0.6
"""Until what was simulated last has been counted: the simulation tells its speed five times a second."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("--link", metavar="PATH", type=Path, help="a symbolic link to the port, of a name that stays")


def run(arguments: argparse.Namespace, say: Callable[[str], None]) -> tuple[dict[str, Any], list[str]]:
    """Serves until it is interrupted; the port is the first line of output."""
    if is_system(arguments.design):
        raise DesignError(f"'{arguments.design}' is a system of devices; serve-sim serves one design.")
    design = read_design(arguments.design)
    clock = design.document["clock_hz_target"]
    before = signal.signal(signal.SIGTERM, _interrupt)
    with ServedSimulation(design, arguments.link, say) as served:
        figures = {"port": served.port, "link": None if arguments.link is None else str(arguments.link)}
        print(json.dumps(figures) if arguments.json else f"Port: {served.port}", flush=True)
        say(f"open it with rnngen.host.open_device('{arguments.design}', 'serial:{served.port}'); Ctrl-C ends it")
        try:
            _watch(served, clock, say)
        except KeyboardInterrupt:
            time.sleep(_LAST_SECONDS)
        finally:
            signal.signal(signal.SIGTERM, before)
        cycles, seconds = served.speed
        if not served.running:
            raise ToolError("The simulation ended by itself; simulate the design to see why.")
    told = {"cycles": cycles, "seconds": round(seconds, 3), "slowdown": _slowdown(cycles, seconds, clock)}
    return figures | told, [_speed_line(cycles, seconds, clock)]


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _watch(served: ServedSimulation, clock: int, say: Callable[[str], None]) -> None:
    """Tells how fast it is, now and then while it works."""
    told_cycles, told_at = 0, time.monotonic()
    while served.running:
        time.sleep(_TICK_SECONDS)
        if time.monotonic() - told_at > _SPEED_SECONDS:
            cycles, seconds = served.speed
            if cycles != told_cycles:
                say(_speed_line(cycles, seconds, clock))
            told_cycles, told_at = cycles, time.monotonic()


def _slowdown(cycles: int, seconds: float, clock: int) -> float | None:
    return round(seconds * clock / cycles, 1) if cycles else None


def _speed_line(cycles: int, seconds: float, clock: int) -> str:
    if not cycles or not seconds:
        return "No cycle was simulated yet."
    return (
        f"{cycles:,} cycles in {seconds:.1f} s: {cycles / seconds:,.0f} a second, {seconds * clock / cycles:,.0f} "
        f"times slower than {clock / 1e6:g} MHz (measured, waiting for the host apart)."
    )
