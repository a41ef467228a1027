"""``rnngen boards``: the list, and on which boards a model or a design fits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from rnngen.cli import main
from rnngen.config import list_boards
from rnngen.flow import GenerateOptions, generate

LARGE, MIDDLE = {"ulx3s-85f", "orangecrab-85f", "ecpix5-85f"}, {"ulx3s-45f", "ecpix5-45f"}
SMALL = {"orangecrab-25f"}
ECP5 = LARGE | MIDDLE | SMALL


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["boards", *arguments, "--json"]) == 0
    return {board["name"]: board for board in json.loads(capsys.readouterr().out)["boards"]}


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    """All boards, in text and as data."""
    found = asked(capsys)
    assert list(found) == list_boards()
    assert found["ulx3s-85f"]["budget"]["multipliers"] == 128
    assert found["ulx3s-85f"]["device"] == "LFE5U-85F-6CABGA381"
    assert found["orangecrab-25f"]["host"] == "serial, 1 Mbaud"
    assert main(["boards"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["board", *list_boards()]


def test_on_which_a_model_fits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """2.6 million bits of weights: more than the 45F has (1,990,656 bits), less than the 85F (3,833,856)."""
    torch.manual_seed(0)
    torch.save(nn.LSTM(64, 256).state_dict(), tmp_path / "m.pt")
    found = asked(capsys, str(tmp_path / "m.pt"))
    assert {name for name in ECP5 if found[name]["fit"]["fits"]} == LARGE
    assert set(found) == set(list_boards())
    for name in LARGE:
        fit = found[name]["fit"]
        assert 4 * 256 * (64 + 256) * 8 <= fit["memory_bits"] <= 3_833_856
        assert fit["interval_cycles"] >= 4 * 256 * (64 + 256) / 128
    assert found["ulx3s-45f"]["fit"]["reason"].startswith("It is too small: the memories need 2,")


def test_on_which_a_design_fits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As it is: 48 multipliers, which the smallest board has not."""
    design = generate(nn.LSTM(8, 12), tmp_path / "d", GenerateOptions(board="ulx3s-45f", multipliers=48))
    assert design.plan.multipliers > 28
    found = asked(capsys, str(tmp_path / "d"))
    assert {name for name in ECP5 if found[name]["fit"]["fits"]} == LARGE | MIDDLE
    assert found["orangecrab-25f"]["fit"]["reason"].startswith("DSPs ")
    assert main(["boards", str(tmp_path / "d")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines[1 : lines.index("")]} & ECP5 == LARGE | MIDDLE
    assert any(line.startswith("orangecrab-25f: DSPs ") for line in lines)


def test_what_is_no_model_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["boards", str(tmp_path / "none.pt")]) == 2
    assert "none.pt" in capsys.readouterr().err
