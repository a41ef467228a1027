"""Each device of a system in a process of its own: what one simulation of all of them records, to the bit and cycle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rnngen.cli.main import main
from rnngen.config.system import Device, Link, chain
from rnngen.emit.system import SystemDesign
from rnngen.errors import DataError, ToolError
from rnngen.flow import simulate_apart
from rnngen.flow.partition import PartitionOptions, partition
from rnngen.flow.simulate_system import Faults, SystemReport, simulate_system
from rnngen.verify.apart import ApartResult, Process, run_apart
from rnngen.verify.course import Course
from rnngen.verify.simulator import Progress
from tests.flow.test_clocks import clocked, made
from tests.flow.test_rows import mesh


def stack(layers: int) -> torch.nn.Module:
    torch.manual_seed(6)
    return torch.nn.LSTM(8, 8, num_layers=layers, batch_first=True)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> SystemDesign:
    """One layer behind the other."""
    folder = tmp_path_factory.mktemp("pair") / "d"
    return partition(stack(2), mesh(2, 32), folder, PartitionOptions(cut="layers"))


def assert_same(design: SystemDesign, steps: int, **disturbed: Faults) -> tuple[SystemReport, SystemReport]:
    """All that is recorded, in one process and in several."""
    one = simulate_system(design, steps=steps, **disturbed)
    apart = simulate_system(design, steps=steps, apart=True, **disturbed)
    for name in ("in_cycle", "out_beats", "out_last", "out_tid", "out_cycle", "out_tick"):
        assert np.array_equal(getattr(one.run, name), getattr(apart.run, name)), name
    for name in ("cycles", "complete", "watched", "same_clock"):
        assert getattr(one.run, name) == getattr(apart.run, name), name
    return one, apart


def assert_alike(design: SystemDesign) -> None:
    _, apart = assert_same(design, 7)
    assert apart.comparison.cycle_exact, apart.comparison.sentence
    assert apart.failed == (None,) * len(design.names)


def test_layers_one_behind_the_other(pair: SystemDesign) -> None:
    assert_alike(pair)


def test_devices_that_exchange_h_in_every_step(tmp_path: Path) -> None:
    """Both take the host's steps, and both give results to it."""
    assert_alike(partition(stack(1), mesh(2, 16, 16, 3), tmp_path / "d", PartitionOptions(cut="rows")))


def test_several_devices_before_one(tmp_path: Path) -> None:
    """Two devices share the first layer, and only the third one gives results."""
    design = partition(stack(2), mesh(3, 16, 32, 20), tmp_path / "d", PartitionOptions(cut="rows"))
    assert sorted(len(part.names) for part in design.partition.parts) == [1, 2]
    assert_alike(design)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> SystemDesign:
    """One layer on two devices: both take the host's steps, and both give results to it."""
    return partition(stack(1), mesh(2, 16, 16, 9), tmp_path_factory.mktemp("rows") / "d", PartitionOptions(cut="rows"))


ERRORS: Faults = {
    "line_0_bit_errors": 2**32 // 1000, "back_0_bit_errors": 2**32 // 700, "line_0_start_errors": 2**32 // 300,
    "back_0_bursts": 2**32 // 50, "back_0_burst_words": 7,
}  # fmt: skip
"""From the first word on."""

SOME: Faults = {
    "line_0_bit_errors": [(60, 2**32 // 300), (140, 0)], "back_0_cut": [(90, 1), (120, 0)],
    "line_0_bursts": [(150, 2**32 // 9), (200, 0)], "line_0_burst_words": [(150, 2)],
}  # fmt: skip
"""In time."""


def test_errors_fall_on_the_same_words(pair: SystemDesign) -> None:
    """A word that is spoilt in one process is spoilt in the other, so that every output comes as late."""
    one, apart = assert_same(pair, 12, faults=SOME)
    assert apart.comparison.bit_exact, apart.comparison.sentence
    assert one.run.out_cycle[-1] > one.schedule.parts[-1].outputs[-1][-1] + 50


def test_errors_from_the_start_on(pair: SystemDesign, rows: SystemDesign) -> None:
    """The links train with them, so also the cycle in which the host begins depends on them."""
    for design in (pair, rows):
        _, apart = assert_same(design, 8, faults=ERRORS, start_faults={"line_0_cut": [(30, 1), (333, 0)]})
        assert apart.comparison.bit_exact, apart.comparison.sentence


def test_errors_between_devices_that_share_the_host(rows: SystemDesign) -> None:
    """One of them waits for the other's h, and the host for both."""
    one, apart = assert_same(rows, 8, faults=SOME)
    assert apart.comparison.bit_exact, apart.comparison.sentence
    assert one.run.out_cycle[-1] > one.schedule.parts[-1].outputs[-1][-1] + 50


FAILURES: dict[str, Faults] = {
    "dies": {"line_0_cut": [(150, 1)]},
    "is down": {"back_0_down": [(150, 1)]},
    "is down for a cycle": {"line_0_down": [(150, 1), (151, 0)]},
    "first reset": {"hold_0": [(150, 1), (151, 0)]},
    "second reset": {"hold_1": [(150, 1), (400, 0)]},
    "both reset": {"hold_0": [(150, 1), (170, 0)], "hold_1": [(150, 1), (175, 0)], "line_0_down": [(900, 1)]},
}


@pytest.mark.parametrize("faults", FAILURES.values(), ids=FAILURES)
def test_failures(pair: SystemDesign, rows: SystemDesign, faults: Faults) -> None:
    """What came before, and when each device says that it has failed."""
    for design in (pair, rows):
        _, apart = assert_same(design, 8, faults=faults)
        assert not apart.run.complete


def test_a_link_that_is_dead_from_the_start_on(pair: SystemDesign) -> None:
    """The host begins when the time is over, and nothing comes."""
    _, apart = assert_same(pair, 2, faults={"line_0_cut": 1})
    assert len(apart.run.in_cycle) == len(apart.run.out_beats) == 0


@pytest.mark.parametrize("cycles", [1, 50, 3000])
def test_a_host_that_takes_nothing(pair: SystemDesign, rows: SystemDesign, cycles: int) -> None:
    faults: Faults = {"m_axis_tready": [(150, 0), (150 + cycles, 1), (3300, 0), (3310, 1)]}
    for design in (pair, rows):
        _, apart = assert_same(design, 8, faults=faults)
        assert apart.comparison.bit_exact, apart.comparison.sentence
        assert not np.any((apart.run.out_cycle >= 150) & (apart.run.out_cycle < 150 + cycles))


def test_any_order_of_start(pair: SystemDesign, rows: SystemDesign) -> None:
    for design, device in ((pair, 1), (rows, 0)):
        assert_same(design, 4, start_faults={f"hold_{device}": [(0, 1), (777, 0)]})


CLOCKS = [(100, 90), (133, 50), (50, 100, 133)]


@pytest.mark.parametrize("clocks", CLOCKS, ids=lambda clocks: "-".join(map(str, clocks)))
def test_clocks_that_differ(clocks: tuple[int, ...], tmp_path: Path) -> None:
    """Every output has the tick that it has in one process, with and without faults."""
    design = made(clocked(tuple(clock * 10**6 for clock in clocks)), tmp_path / "d")
    _, apart = assert_same(design, 5)
    assert apart.comparison.within_bounds, apart.comparison.sentence
    held: Faults = {"m_axis_tready": [(150, 0), (171, 1)]}
    start: Faults = {"line_0_bit_errors": [(20, 2**32 // 99), (333, 0)], "hold_1": [(0, 1), (47, 0)]}
    for faults in ({**SOME, **held}, {"back_0_down": [(200, 1), (333, 0)]}):
        assert_same(design, 5, faults=faults, start_faults=start)


def test_the_command(pair: SystemDesign, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", str(pair.folder), "--steps", "7", "--apart"]) == 0
    assert "2 devices = emulator in every bit and every cycle: 14 steps." in capsys.readouterr().out


def test_a_process_that_fails_ends_all(pair: SystemDesign, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its error is told, and nobody waits for it."""

    def wrong(processes: Sequence[Process], course: Course, progress: Progress) -> ApartResult:
        *others, last = processes
        return run_apart([*others, replace(last, watch=("no_such_signal",))], course, progress)

    monkeypatch.setattr(simulate_apart, "run_apart", wrong)
    with pytest.raises(ToolError, match="no_such_signal"):
        simulate_system(pair, steps=2, apart=True)


def test_what_is_refused(pair: SystemDesign, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError, match=r"^Pauses of another maker's client \(--stall\) are for a simulation of all "):
        simulate_system(pair, steps=2, apart=True, stall=0.5)
    link = Link("x", "y", 64, 2)
    short = partition(stack(2), chain([Device(name, 10**8, 32) for name in "ab"], link), tmp_path / "short")
    with pytest.raises(DataError, match=r"^Devices that are simulated apart have links of more than 2 cycles, not 2; "):
        simulate_system(short, steps=2, apart=True)
    assert main(["simulate", str(pair.designs[0].folder), "--apart"]) == 2
    assert "--apart is for the simulation of a system; leave it out, or give a system's folder." in (
        capsys.readouterr().err
    )
