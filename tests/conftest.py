"""What all tests share: markers sorted by what a test needs, and one hypothesis profile."""

from __future__ import annotations

import os

import hypothesis
import pytest

MARKERS = {
    "verilator": "needs Verilator and a C++ compiler (seconds a test)",
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
