"""A generated design in each vendor's project: every leaf and image that it needs is there, and the script runs."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from rnngen.config import load_board
from rnngen.config.board import board_entry
from rnngen.flow import GenerateOptions, dry_run, generate

pytestmark = pytest.mark.skipif(
    not (importlib.util.find_spec("_tkinter") or shutil.which("tclsh")),
    reason="needs a Tcl interpreter: tclsh, or Python with tkinter",
)


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without primitives of any family, so that one design serves all boards."""
    torch.manual_seed(1)
    x = np.random.default_rng(0).uniform(-1, 1, (2, 5, 8)).astype(np.float32)
    options = GenerateOptions(calibrate=x, multipliers=4, name="tiny")
    return generate(torch.nn.LSTM(8, 12, batch_first=True), tmp_path_factory.mktemp("g") / "d", options).folder


@pytest.mark.parametrize(
    ("name", "flow"),
    [
        ("arty-a7-100", "vivado"), ("kcu105", "vivado"), ("zcu104", "vivado"), ("de10-nano", "quartus"),
        ("ulx3s-45f", "diamond"),
    ],
)  # fmt: skip
def test_a_generated_design_in_a_project(generated: Path, tmp_path: Path, name: str, flow: str) -> None:
    board, folder = load_board(name), tmp_path / "d"
    shutil.copytree(generated, folder)
    document = json.loads((folder / "design.json").read_text())
    document |= {"board": board_entry(board), "clock_hz_target": board.clock.target_hz}
    (folder / "design.json").write_text(json.dumps(document))
    done = dry_run(folder, flow=flow)
    assert done.calls[-1] == ("end", "0")
    files = {path.name for path in (folder / flow).iterdir()}
    assert {"tiny.v", "rnn_mac_array.v", "digest.hex", "build.tcl"} <= files
    assert "rnn_link_channel.v" not in files  # a model for simulation
    images = {path.name for path in (folder / "rtl").glob("*.hex")}
    assert images <= files


def test_a_block_design_packages_the_core_as_the_design_folder_does(generated: Path, tmp_path: Path) -> None:
    """The same interfaces, registers and name; where files are differs, and models for simulation are left out."""
    board, folder = load_board("zcu104"), tmp_path / "d"
    shutil.copytree(generated, folder)
    document = json.loads((folder / "design.json").read_text()) | {"board": board_entry(board)}
    (folder / "design.json").write_text(json.dumps(document | {"clock_hz_target": board.clock.target_hz}))
    dry_run(folder, flow="vivado")
    own, ours = ((folder / name / "package_ip.tcl").read_text() for name in ("reuse", "vivado"))
    assert ours.partition("set images {")[2] == own.partition("set images {")[2] != ""
