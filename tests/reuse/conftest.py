"""Designs whose files for reuse are looked at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rnngen.emit.design import Design, write_design
from rnngen.ir.network import LinearLayer, Network, RecurrentLayer
from rnngen.passes.quantise import quantise
from rnngen.plan.search import plan_for_lanes
from rnngen.plan.shapes import block_shapes


def make_design(folder: Path, top: str = "tiny") -> Design:
    """LSTM(3, 5) with a Linear(5, 2) behind it."""
    random = np.random.default_rng(1)
    lstm = RecurrentLayer(
        "l0", "lstm", *(random.normal(0, 0.5, shape) for shape in ((20, 3), (20, 5), (20,), (20,)))
    )  # fmt: skip
    network = Network("net", (lstm, LinearLayer("head", random.normal(0, 1, (2, 5)), np.ones(2))))
    quantised = quantise(network, 8, 16)
    plan = plan_for_lanes(block_shapes(quantised), 4, 2, 3)
    return write_design(folder, network, quantised, plan, top=top, clock_hz=80_000_000, board=None)


@pytest.fixture(scope="session")
def design(tmp_path_factory: pytest.TempPathFactory) -> Design:
    """One for all tests, which leave it as it is."""
    return make_design(tmp_path_factory.mktemp("reuse") / "a design")
