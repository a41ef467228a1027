"""serve-sim: host software against the Verilated accelerator at a pseudo-terminal, whatever happens to the line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from rnngen.emit.design import Design
from rnngen.errors import DataError, DesignError, ToolError
from rnngen.flow import GenerateOptions, emulate, generate
from rnngen.flow.serve import ServedSimulation
from rnngen.host import RunningSequence, open_device

pytestmark = pytest.mark.verilator

X = np.random.default_rng(0).uniform(-1, 1, (3, 6, 5))
torch.set_num_threads(1)


def design_of(folder: Path, seed: int) -> Design:
    torch.manual_seed(seed)
    options = GenerateOptions(lanes=(4, 3, 2), loadable=True, calibrate=X, name="net")
    return generate(nn.LSTM(5, 7, batch_first=True), folder, options)


def receive_for_ever(sequence: RunningSequence) -> None:
    while True:
        sequence.receive()


@pytest.fixture(scope="module")
def design(tmp_path_factory: pytest.TempPathFactory) -> Design:
    return design_of(tmp_path_factory.mktemp("serve") / "design", 1)


@pytest.fixture(scope="module")
def served(design: Design) -> Iterator[ServedSimulation]:
    with ServedSimulation(design, design.folder.parent / "port") as served:
        yield served


def test_whatever_happens_to_the_line(design: Design, served: ServedSimulation, tmp_path: Path) -> None:
    """Steps, rubbish, a client that leaves in the middle of a step, a port that is unplugged; and on it goes."""
    expected = emulate(design, X).output
    link = design.folder.parent / "port"
    with open_device(design.folder, f"serial:{link}", timeout=120) as device:
        assert np.array_equal(device.run(X), expected)
        assert device.counters().steps_out == 18
        os.write(os.open(served.port, os.O_RDWR), bytes(range(256)))
        device.recover()
        assert np.array_equal(device.run(X[:1]), expected[:1])
        device._transport.write(b"\xa0\x00\x01")  # half a step, and the client is gone
    with open_device(design.folder, f"serial:{link}", timeout=120) as device:
        assert np.array_equal(np.stack(list(device.stream(X[1]))), expected[1])
        with device.sequence() as sequence:
            sequence.send(X[0, 0])
            sequence.send(X[0, 1])
            device._transport.write(b"\xa0")
            served.unplug()
            with pytest.raises(ToolError, match=r"The serial port .* is gone .*: plug the board in and open it again"):
                receive_for_ever(sequence)
            assert not link.exists()
            sequence._due = sequence._steps = 0
    served.plug()
    with open_device(design.folder, f"serial:{link}", timeout=120) as device:
        assert np.array_equal(device.run([X[2], X[0, :2]])[1], expected[0, :2])


def test_other_parameters_stay_behind_a_restart(design: Design, served: ServedSimulation, tmp_path: Path) -> None:
    other = design_of(tmp_path / "other", 2)
    with open_device(design, f"serial:{served.port}", timeout=120) as device:
        device.load(other)
        assert np.array_equal(device.run(X), emulate(other, X).output)
        device.link.restart()
        device.recover()
        assert np.array_equal(device.run(X[:1]), emulate(other, X[:1]).output)
        assert device.errors() == ()
        device.load(design)
        assert np.array_equal(device.run(X[:1]), emulate(design, X[:1]).output)


def test_another_design_is_refused_by_name(design: Design, served: ServedSimulation) -> None:
    other = design_of(design.folder.parent / "other", 3)
    with pytest.raises(DesignError, match=r"The device holds that of '.*/design', not 'net' \(digest [0-9a-f]{32}\)"):
        open_device(other, f"serial:{served.port}", timeout=120)


def test_a_file_in_the_way_of_the_link(design: Design, tmp_path: Path) -> None:
    (tmp_path / "port").write_text("mine")
    with pytest.raises(DataError, match=r"exists and is no symbolic link; give --link another path\.$"):
        ServedSimulation(design, tmp_path / "port")


def test_the_command(design: Design, tmp_path: Path) -> None:
    """The port is its first line; a signal ends it (background jobs ignore SIGINT), and it says its speed."""
    command = [sys.executable, "-m", "rnngen.cli", "serve-sim", str(design.folder), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        with open_device(design, f"serial:{port}", timeout=120) as device:
            assert np.array_equal(device.run(X), emulate(design, X).output)
        process.send_signal(signal.SIGTERM)
        try:
            said, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    figures = json.loads(said)
    assert process.returncode == 0
    assert figures["cycles"] > 1000
    assert figures["slowdown"] > 1
