"""Starts a compiled simulator with a cocotb bench, and judges how it ended."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cocotb_tools.config
import find_libpython
from cocotb_tools.check_results import get_results

from rnngen.errors import ToolError
from rnngen.resources import benches_dir
from rnngen.verify.compile import Simulator

_LOG_LINES = 15
_PROGRESS = "RNNGEN_PROGRESS"
_ERROR = re.compile(r"^\s*\w*(?:Error|Exception)\b")


def bench_environment(top: str, bench: str, work: Path) -> dict[str, str]:
    """Environment of a simulator that loads ``bench`` and leaves ``results.xml`` in ``work``."""
    libpython = find_libpython.find_libpython()
    if libpython is None:
        raise ToolError(
            "Simulation needs the shared library of Python (libpython), which this Python does not have: use a Python "
            "built with --enable-shared (Debian and Ubuntu: apt-get install libpython3-dev)."
        )
    return dict(os.environ) | {
        "COCOTB_TOPLEVEL": top,
        "COCOTB_TEST_MODULES": bench,
        "TOPLEVEL_LANG": "verilog",
        "COCOTB_RESULTS_FILE": str(work / "results.xml"),
        "COCOTB_TRUST_INERTIAL_WRITES": "1",
        "COCOTB_ANSI_OUTPUT": "0",
        "COCOTB_LOG_LEVEL": "WARNING",
        "COCOTB_RANDOM_SEED": "1",
        "GPI_USERS": f"{libpython};{cocotb_tools.config.pygpi_entry_point()}",
        "PYGPI_PYTHON_BIN": sys.executable,
        "PYTHONPATH": os.pathsep.join([str(benches_dir()), *filter(None, sys.path)]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "RNNGEN_BENCH": str(work / "bench.json"),
    }


def command_line(simulator: Simulator, waves: Path | None) -> list[str]:
    """Arguments of the simulator."""
    return [str(simulator.program), *(("--trace", "--trace-file", str(waves)) if waves else ())]


LOADED = "+rnn_loaded"
"""Argument of a simulator whose core alone is simulated: memories that the device has no contents for at configuration
begin with their images, as if they had been loaded (``rnn_weight_spram``)."""


def run_bench(
    simulator: Simulator, bench: str, cwd: Path, work: Path, waves: Path | None, progress: Callable[[str], None]
) -> None:
    """Run to the end, in ``cwd``, handing progress lines on.

    Raises:
        ToolError: the simulator stopped abnormally, no test ran, or the bench failed.
    """
    log: list[str] = []
    with subprocess.Popen(
        [*command_line(simulator, waves), LOADED],
        cwd=cwd,
        env=bench_environment(simulator.top, bench, work),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(_PROGRESS):
                _, cycle, received, expected = line.split()
                progress(f"cycle {cycle}: {received} of {expected} output beats")
            else:
                log.append(line.rstrip())
    check_results(work / "results.xml", log)


def check_results(results: Path, log: list[str]) -> None:
    """Stop unless a test ran and passed."""
    errors = [line.strip() for line in log if _ERROR.search(line)]
    tail = errors[-1] if errors else "\n".join(log[-_LOG_LINES:])
    missing = [line for line in log if "$readmem file not found" in line]
    if missing:
        raise ToolError(f"A memory image is missing: {missing[0]}.")
    if not results.is_file():
        raise ToolError(f"The simulator stopped abnormally; its last words: {tail}")
    tests, failures = get_results(results)
    if tests == 0:
        raise ToolError(f"No bench ran in the simulator; its last words: {tail}")
    if failures:
        raise ToolError(f"The bench failed in the simulator; its last words: {tail}")
