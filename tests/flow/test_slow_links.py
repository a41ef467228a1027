"""Links with a rate or a clock of their own: the bits of one device, and no output later than planned."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from rnngen.config.system import Device, Host, Link, chain
from rnngen.emit.system import SystemDesign
from rnngen.errors import DataError
from rnngen.flow import partition, simulate_system
from tests.flow.test_clocks import check

pytestmark = pytest.mark.verilator

MHZ = 10**6
STEPS = 9


def made(folder: Path, link: Link, clocks: tuple[int, ...] = (100, 100)) -> SystemDesign:
    """A layer of 8 units for each device."""
    devices = [Device(f"d{k}", clock * MHZ, 40) for k, clock in enumerate(clocks)]
    torch.manual_seed(1)
    model = torch.nn.LSTM(8, 8, num_layers=len(clocks), batch_first=True)
    return partition(model, chain(devices, link, Host("d0", f"d{len(clocks) - 1}")), folder)


@pytest.mark.parametrize(("word_bits", "rate"), [(64, Fraction(1, 2)), (32, Fraction(3, 10)), (64, Fraction(1, 16))])
def test_any_rate(word_bits: int, rate: Fraction, tmp_path: Path) -> None:
    """8 values of 16 bits, the flag, header and check are 5 words of 64 bits, or 8 of 32."""
    design = made(tmp_path / "d", Link("x", "y", word_bits, 16, rate))
    assert design.document["latency_is"] == "bound"
    report = simulate_system(design, steps=STEPS)
    check(design, report)
    (hop,) = design.partition.hops
    words = {64: 5, 32: 8}[word_bits] / rate * design.system.cycle_ticks("d0")
    assert hop.interval == words
    assert report.times.step_interval == design.partition.interval_ticks >= words


def test_a_slower_clock(tmp_path: Path) -> None:
    design = made(tmp_path / "d", Link("x", "y", 64, 16, clock_hz=62_500_000))
    report = simulate_system(design, steps=STEPS)
    check(design, report)
    assert report.times.step_interval is not None
    assert report.times.step_interval <= design.partition.interval_ticks + design.system.cycle_ticks("d1") / (STEPS - 1)


@pytest.mark.parametrize("link", [Link("x", "y", 32, 16, Fraction(3, 10)), Link("x", "y", 64, 16, clock_hz=62_500_000)])
def test_apart(link: Link, tmp_path: Path) -> None:
    """Each device in a process of its own: the same ticks, with errors, too."""
    design = made(tmp_path / "d", link)
    for faults in ({}, {"line_0_bit_errors": [(60, 2**32 // 300), (200, 0)]}):
        one, apart = (simulate_system(design, steps=4, faults=faults, apart=apart) for apart in (False, True))
        for name in ("in_cycle", "out_beats", "out_tick", "out_cycle"):
            assert np.array_equal(getattr(one.run, name), getattr(apart.run, name)), name
        assert one.run.cycles == apart.run.cycles


def test_a_latency_of_few_cycles_of_a_slow_clock(tmp_path: Path) -> None:
    design = made(tmp_path / "d", Link("x", "y", 64, 16, clock_hz=10 * MHZ))
    with pytest.raises(DataError, match=r"^A link in simulation has a latency of at least 2 cycles of its own, not 1"):
        simulate_system(design, steps=2)
