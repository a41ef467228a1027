"""Devices of different clocks in one simulation: the bits of one device, and no output later than planned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from rnngen.cli.main import main
from rnngen.config.system import Device, Host, Link, System, chain
from rnngen.emit.system import SystemDesign
from rnngen.errors import DataError
from rnngen.flow import partition, simulate_system
from rnngen.flow.simulate_system import SystemReport
from rnngen.plan.partition.schedule import run_system

pytestmark = pytest.mark.verilator

KHZ, MHZ = 10**3, 10**6
STEPS = 9


def clocked(clocks: tuple[int, ...], multipliers: tuple[int, ...] | None = None, word_bits: int = 64) -> System:
    """Devices in a row, in this order."""
    budgets = multipliers or (40,) * len(clocks)
    devices = [Device(f"d{k}", clock, budget) for k, (clock, budget) in enumerate(zip(clocks, budgets))]
    return chain(devices, Link("x", "y", word_bits, 16), Host("d0", f"d{len(clocks) - 1}"))


def made(system: System, folder: Path) -> SystemDesign:
    """A layer of 8 units for each device."""
    torch.manual_seed(1)
    model = torch.nn.LSTM(8, 8, num_layers=len(system.devices), batch_first=True)
    design = partition(model, system, folder)
    assert len(design.designs) == len(system.devices)
    return design


def check(design: SystemDesign, report: SystemReport) -> None:
    """Right bits, and every beat by its planned tick: counted here from the record, not by the code under test."""
    comparison = report.comparison
    assert comparison.bit_exact, comparison.sentence
    assert comparison.within_bounds, comparison.sentence
    assert not comparison.cycles_compared
    assert (report.figures["cycle_exact"], report.figures["within_bounds"]) == (None, True)
    system = design.system
    hz = [system.device(name).clock_hz for name in design.names]
    planned = np.array(report.schedule.outputs).ravel() / system.ticks_hz
    begin = 1 / hz[0]  # the first input goes in one cycle behind cycle 0
    # The last device's cycle n is at most n of its cycles behind cycle 0 of the first one.
    at_least = (report.run.out_cycle - 1) / hz[-1]
    assert np.all(at_least < planned + begin)
    assert np.all(report.run.out_tick / system.ticks_hz <= report.run.out_cycle / hz[-1] + 1e-15)
    assert np.all(report.run.out_tick / system.ticks_hz > at_least)


CLOCKS = [
    (100 * MHZ, 90 * MHZ),
    (90 * MHZ, 100 * MHZ),
    (133 * MHZ, 50 * MHZ),
    (100 * MHZ, 100_010 * KHZ),
    (50 * MHZ, 100 * MHZ, 133 * MHZ),
    (133 * MHZ, 50 * MHZ, 133 * MHZ),
]


@pytest.mark.parametrize("clocks", CLOCKS, ids=lambda clocks: "-".join(f"{clock / MHZ:g}" for clock in clocks))
def test_any_ratio(clocks: tuple[int, ...], tmp_path: Path) -> None:
    design = made(clocked(clocks), tmp_path / "d")
    report = simulate_system(design, steps=STEPS)
    check(design, report)
    cycle = design.system.cycle_ticks(design.names[-1])
    assert report.times.step_interval is not None
    # The last output of the run comes in a cycle of its own, so a mean of n intervals may be off by a cycle / n.
    assert report.times.step_interval <= design.partition.interval_ticks + cycle / (STEPS - 1)
    assert report.times.latency_last_output is not None
    lone = run_system(design.partition, [1])
    fed = lone.parts[0].inputs[0][-1] * design.system.cycle_ticks("d0")
    assert report.times.latency_last_output <= lone.outputs[0][-1] - fed


def test_any_phase(tmp_path: Path) -> None:
    """Ten cycles of one clock are nine of the other one, and cycle 0 moves with the end of the devices' reset."""
    design = made(clocked((100 * MHZ, 90 * MHZ)), tmp_path / "d")
    planned = np.array(run_system(design.partition, [3, 3]).outputs).ravel() + design.system.cycle_ticks("d0")
    phases = set()
    for cycles in range(1, 11):
        holds = {f"hold_{device}": [(0, 1), (cycles, 0)] for device in (0, 1)}
        report = simulate_system(design, steps=3, start_faults=holds)
        assert report.comparison.bit_exact, report.comparison.sentence
        assert np.all(report.run.out_tick <= planned)
        phases.add(int(report.run.out_tick[0]) % design.system.cycle_ticks("d1"))
    assert len(phases) > 5


def test_a_slower_device_behind_holds_the_first_one_back(tmp_path: Path) -> None:
    """The first one may let a step in every 22 of its cycles, 308 ticks, and the second one needs 320.

    The steps between them are held back by the links' credits, and the interval stays the second one's.
    """
    design = made(clocked((10 * MHZ, 28 * MHZ), (40, 8), 16), tmp_path / "d")
    assert [part.interval for part in design.partition.parts] == [22, 64]
    assert design.partition.interval_ticks == 320 == 64 * design.system.cycle_ticks("d1")
    report = simulate_system(design, steps=600)
    check(design, report)
    assert report.times.step_interval == 320
    taken = report.run.in_cycle[:: design.designs[0].plan.input_beats]
    assert np.diff(taken)[:300].max() == 22
    assert np.diff(taken)[-300:].mean() == pytest.approx(320 / 14, abs=0.1)


def test_the_command_says_what_was_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(clocked((100 * MHZ, 90 * MHZ)), tmp_path / "d")
    assert main(["simulate", str(tmp_path / "d"), "--steps", "9"]) == 0
    said = capsys.readouterr().out
    assert (
        "2 devices = emulator in every bit, and no output came later than planned (clocks or links differ: the "
        "plan is a bound): 18 steps."
    ) in said
    assert "Step interval 0.3111 us; the first step takes 1.3" in said  # 28 cycles at 90 MHz
    assert main(["simulate", str(tmp_path / "d"), "--steps", "9", "--stall", "0.3"]) == 0
    assert "2 devices = emulator in every bit (cycles not compared): 18 steps." in capsys.readouterr().out


def test_clocks_without_a_common_time_step(tmp_path: Path) -> None:
    design = made(clocked((99_999_989, 100_000_007, 99_999_971)), tmp_path / "d")
    with pytest.raises(DataError, match=r"^The clocks of a run must have a common time step, of which .* 1 kHz\.$"):
        simulate_system(design)
