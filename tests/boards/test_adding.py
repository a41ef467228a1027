"""docs/adding-a-board.md is right: the board on that page works as it says, and it names every key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from torch import nn

from rnngen.cli import main
from rnngen.config import load_board
from rnngen.config.board import BOARDS_VARIABLE, FAMILIES, board_of
from rnngen.config.board_file import HOSTS, PROCESSORS, SOURCES
from rnngen.emit.folder import read_document
from rnngen.flow import GenerateOptions, generate
from rnngen.flow.board_page import boards_page
from rnngen.gateware.board_top import board_constraints, board_verilog

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "adding-a-board.md").read_text(encoding="utf-8")


def saved(folder: Path) -> Path:
    """The page's board, as its reader saves it."""
    (text,) = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    path = folder / "my-board.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_board_of_the_page_needs_no_code(tmp_path: Path) -> None:
    """Given as a file, it becomes a design that keeps it, and a top with its pins."""
    path = saved(tmp_path)
    design = generate(nn.LSTM(3, 4), tmp_path / "d", GenerateOptions(board=str(path)))
    path.unlink()
    document = read_document(tmp_path / "d")
    board = board_of(document["board"])
    assert document["clock_hz_target"] == 50_000_000
    assert design.plan.multipliers <= 20
    verilog, constraints = board_verilog(document, board), board_constraints(board)
    ports = re.search(r"module \w+_board\((.*?)\);", verilog)
    assert ports is not None
    assert sorted(ports[1].split(", ")) == ["button", "clk", "flash_hold", "led", "uart_rx", "uart_tx"]
    assert "assign flash_hold = 1'h1;" in verilog
    assert 'LOCATE COMP "led[1]" SITE "A4";' in constraints
    assert 'IOBUF PORT "uart_rx" IO_TYPE=LVCMOS33 PULLMODE=UP;' in constraints
    assert 'FREQUENCY PORT "clk" 25 MHZ;' in constraints


def test_a_folder_of_boards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(tmp_path)
    monkeypatch.setenv(BOARDS_VARIABLE, str(tmp_path))
    assert main(["boards"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("my-board "))
    device = ["my-board", "LFE5U-25F-6CABGA256", "20", "1,008 Kibit", "24,288"]
    assert re.split(r"  +", line) == [*device, "50 MHz", "serial, 1 Mbaud", "open", "not run"]
    assert load_board("my-board").description == "My board, Lattice ECP5 LFE5U-25F"


def test_the_page_names_all_there_is() -> None:
    keys = Path(DOCS.parent / "rnngen" / "config" / "board_file.py").read_text(encoding="utf-8")
    for known in re.findall(r"\.known\(([^*)]*)\)", keys):
        for key in re.findall(r'"(\w+)"', known):
            assert f"`{key}`" in PAGE, key
    for value in (*FAMILIES, *SOURCES, *HOSTS, *PROCESSORS, *(flow for flows in FAMILIES.values() for flow in flows)):
        assert f"`{value}`" in PAGE, value


def test_the_table_is_that_of_the_records() -> None:
    assert (DOCS / "boards.md").read_text(encoding="utf-8") == boards_page(), "run: python -m bench.boards --table"
