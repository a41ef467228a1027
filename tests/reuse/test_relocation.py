"""A design folder names nothing outside of itself, and works wherever it is moved to."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rnngen.cli import main
from rnngen.emit.design import Design, read_design
from tests.reuse.conftest import make_design


def test_no_file_names_a_path_of_this_machine(design: Design) -> None:
    for path in design.folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        for found in (str(design.folder), str(Path.home()), "/tmp/"):
            assert found.encode() not in content, (path, found)
    lists = [(design.folder / "tiny.f").read_text(), (design.folder / "tiny.core").read_text()]
    assert not any(".." in text for text in lists)


def test_the_file_list_is_complete(design: Design) -> None:
    names = (design.folder / "tiny.f").read_text().split()
    assert names == [f"rtl/{name}" for name in design.document["verilog"]]
    assert all((design.folder / name).is_file() for name in names)


@pytest.mark.verilator
def test_simulation_where_it_was_moved_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command, from another folder, with a path relative to that; the first place is gone."""
    made = make_design(tmp_path / "made", "tiny")
    shutil.move(made.folder, tmp_path / "moved here")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    read_design(Path("../moved here"))
    assert main(["simulate", "../moved here", "--steps", "3"]) == 0
    assert main(["report", "../moved here"]) == 0
