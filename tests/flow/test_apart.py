"""Each device of a system in a process of its own: what one simulation of all of them records, to the bit and cycle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rnngen.cli.main import main
from rnngen.config.system import Device, Link, System, chain
from rnngen.emit.system import SystemDesign
from rnngen.errors import DataError, ToolError
from rnngen.flow import simulate_apart
from rnngen.flow.partition import PartitionOptions, partition
from rnngen.flow.simulate_system import simulate_system
from rnngen.verify.apart import Limits, Process, ProcessResult, run_apart
from rnngen.verify.simulator import Progress
from tests.flow.test_rows import mesh


def stack(layers: int) -> torch.nn.Module:
    torch.manual_seed(6)
    return torch.nn.LSTM(8, 8, num_layers=layers, batch_first=True)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> SystemDesign:
    """One layer behind the other."""
    folder = tmp_path_factory.mktemp("pair") / "d"
    return partition(stack(2), mesh(2, 32), folder, PartitionOptions(cut="layers"))


def assert_alike(design: SystemDesign) -> None:
    one, apart = simulate_system(design, steps=7), simulate_system(design, steps=7, apart=True)
    assert apart.comparison.cycle_exact, apart.comparison.sentence
    for name in ("in_cycle", "out_beats", "out_last", "out_cycle"):
        assert np.array_equal(getattr(one.run, name), getattr(apart.run, name)), name
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


def test_the_command(pair: SystemDesign, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", str(pair.folder), "--steps", "7", "--apart"]) == 0
    assert "2 devices = emulator in every bit and every cycle: 14 steps." in capsys.readouterr().out


def test_a_process_that_fails_ends_all(pair: SystemDesign, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its error is told, and nobody waits for it."""

    def wrong(
        processes: Sequence[Process], window: int, limits: Limits, progress: Progress
    ) -> tuple[list[ProcessResult], float]:
        *others, last = processes
        return run_apart([*others, replace(last, watch=("no_such_signal",))], window, limits, progress)

    monkeypatch.setattr(simulate_apart, "run_apart", wrong)
    with pytest.raises(ToolError, match="no_such_signal"):
        simulate_system(pair, steps=2, apart=True)


def test_what_is_refused(pair: SystemDesign, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError, match=r"^Faults and pauses are for a simulation of all devices in one process; "):
        simulate_system(pair, steps=2, apart=True, stall=0.5)
    link = Link("x", "y", 64, 2)
    short = partition(stack(2), chain([Device(name, 10**8, 32) for name in "ab"], link), tmp_path / "short")
    with pytest.raises(DataError, match=r"^Devices that are simulated apart have links of more than 2 cycles, not 2; "):
        simulate_system(short, steps=2, apart=True)
    devices = Device("a", 10**8, 8), Device("b", 125 * 10**6, 8)
    unlike = partition(stack(2), System(devices, (Link("a", "b", 64, 9),)), tmp_path / "unlike")
    with pytest.raises(DataError, match=r"^Devices of different clocks are simulated in one process; leave --apart"):
        simulate_system(unlike, steps=2, apart=True)
    assert main(["simulate", str(pair.designs[0].folder), "--apart"]) == 2
    assert "--apart is for the simulation of a system; leave it out, or give a system's folder." in (
        capsys.readouterr().err
    )
