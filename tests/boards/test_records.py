"""Records tell of which Verilog they were made."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import boards as bench
from rnngen.config import Board, list_boards, load_board
from rnngen.config.board_record import write_record
from rnngen.emit.design import Design
from tests.vendor.projects import make_design


def stand_in(folder: Path) -> Design:
    """A design of which nothing but its folder is looked at."""
    nothing: Any = None
    return Design(make_design(folder, "pynq-z2"), {}, nothing, nothing, nothing)


@pytest.mark.parametrize("name", list_boards())
def test_a_record_has_a_digest_or_none(name: str) -> None:
    record = load_board(name).record
    assert record is None or re.fullmatch(r"([0-9a-f]{12})?", record.verilog_sha256)


def test_a_digest_is_of_what_is_synthesised(tmp_path: Path) -> None:
    """The core and what it uses without comments, by name; no model for simulation, no image."""
    board = load_board("pynq-z2")
    design = stand_in(tmp_path / "d")
    text = "".join((design.folder / "rtl" / name).read_text() for name in ("adder.v", "loop.v"))
    assert "module adder" in text
    assert bench.verilog_sha256(design, board) == hashlib.sha256(text.encode()).hexdigest()[:12]


def test_stale_records_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One of today's Verilog, one of other, one that does not tell, and a board without a record."""
    own = load_board("pynq-z2")
    assert own.record is not None
    today = bench.verilog_sha256(stand_in(tmp_path / "first"), own)
    found: dict[str, Board] = {"none": replace(own, name="none", file=tmp_path / "none.toml")}
    for name, digest in {"new": today, "old": "0123456789ab", "untold": ""}.items():
        found[name] = replace(own, name=name, file=tmp_path / f"{name}.toml")
        write_record(found[name].file, replace(own.record, verilog_sha256=digest))
    monkeypatch.setattr(bench, "load_board", lambda name: found[name])
    monkeypatch.setattr(bench, "made", lambda board, folder: stand_in(folder / board.name))
    assert bench.stale(["new", "untold", "none"]) == 0
    assert capsys.readouterr().out == "new: as today\nuntold: not told\n"
    assert bench.stale(list(found)) == 1
    assert f"old: made of other Verilog than {today}; run it again\n" in capsys.readouterr().out
