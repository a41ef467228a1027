"""``rnngen count``: a design's resources on its own board and on others, before synthesis."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from rnngen.cli.main import main
from rnngen.flow import GenerateOptions, generate


def test_a_design_on_its_board_and_on_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    folder, options = str(tmp_path / "design"), GenerateOptions(board="ulx3s-85f", multipliers=4)
    design = generate(torch.nn.RNN(4, 8, batch_first=True), Path(folder), options)
    assert main(["count", folder, "--json"]) == 0
    counted = json.loads(capsys.readouterr().out)
    assert counted == design.document["resources"] | {"fits": True}
    assert counted["available"] == {"luts": 83640, "ffs": 83640, "dsps": 140, "block_rams": 208}  # of the board file
    assert main(["count", folder, "--board", "orangecrab-25f"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[0] == "LUTs"
    assert lines[-2].startswith("The core alone; LUTs and registers may be up to ")
    assert lines[-1] == "It fits."
    assert main(["count", folder, "--board", "arty-a7-35"]) == 2
    assert "has multipliers of the ECP5 and 'arty-a7-35' is a board of xc7" in capsys.readouterr().err


def test_a_design_for_no_board_needs_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generate(torch.nn.RNN(2, 2, batch_first=True), tmp_path / "design", GenerateOptions(multipliers=2))
    assert main(["count", str(tmp_path / "design")]) == 2
    assert "was made for no board: name the one to count it for, --board BOARD." in capsys.readouterr().err
