"""What all tests share: markers sorted by what a test needs, and one hypothesis profile."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

MARKERS = {
    "verilator": "needs Verilator and a C++ compiler (seconds a test)",
    "formal": "needs sby and z3 (up to half a minute a test)",
    "synthesis": "needs Yosys or nextpnr (up to minutes a test)",
}

# Simulator builds take seconds, so examples have no deadline; derandomised, so that a run can be repeated.
hypothesis.settings.register_profile(
    "rnngen", deadline=None, derandomize=True, max_examples=50, database=None, print_blob=True
)
# RNNGEN_HYPOTHESIS=search looks for new failures with fresh random examples.
hypothesis.settings.register_profile("search", deadline=None, max_examples=1000)
hypothesis.settings.load_profile(os.environ.get("RNNGEN_HYPOTHESIS", "rnngen"))


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers; unknown ones are errors (--strict-markers)."""
    for name, meaning in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")


HEAVY = tuple(
    line
    for line in (Path(__file__).parent / "heavy.txt").read_text(encoding="utf-8").splitlines()
    if line[:1] not in ("", "#")
)
"""What the identifiers of tests begin with that run in regressions only."""

REGRESSIONS = ("RNNGEN_CIRCUITS", "RNNGEN_LINKS", "RNNGEN_FORMAL")
"""Variables that ``make regress``, ``make links`` and ``make formal`` set."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave heavy tests to regressions, unless they are named one by one."""
    if any("::" in argument for argument in config.invocation_params.args):
        return
    files = {item.nodeid.split("::")[0] for item in items}
    for line in HEAVY:
        if line.split("::")[0] in files and not any(item.nodeid.startswith(line) for item in items):
            raise pytest.UsageError(f"A line of tests/heavy.txt names no test: {line}")
    if not any(name in os.environ for name in REGRESSIONS):
        heavy = [item for item in items if item.nodeid.startswith(HEAVY)]
        items[:] = [item for item in items if not item.nodeid.startswith(HEAVY)]
        config.hook.pytest_deselected(items=heavy)
