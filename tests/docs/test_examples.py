"""The pages' examples: blocks behind a mark are run in a folder of their own, and what they print is compared.

Marks are HTML comments in the line above a block: ``<!-- run -->``; ``<!-- run: heavy -->``, which only regressions
run; ``<!-- prints -->`` above the lines that the block before prints, among others.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

from rnngen.cli import main

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^<!-- (run|run: heavy|prints) -->\n```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"^<!-- (?:run|prints).*$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block behind a mark: ``sh``, ``python`` or ``text``."""

    mark: str
    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    return [Block(*found) for found in _BLOCK.findall(page.read_text(encoding="utf-8"))]


PAGES = {page.stem: page for page in sorted((ROOT / "docs").glob("*.md")) if blocks(page)}


def commands(text: str) -> list[list[str]]:
    """Command lines without comments; a line that ends with a backslash goes on."""
    return [shlex.split(line, comments=True) for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def run(page: Path, heavy: bool, capsys: pytest.CaptureFixture[str]) -> int:
    """Runs a page's blocks one after the other; returns how many."""
    names: dict[str, object] = {"__name__": "__page__"}
    ran, printed, left_out = 0, "", False
    for block in blocks(page):
        if block.mark == "prints":
            if not left_out:
                missing = [line for line in block.text.splitlines() if line not in printed.splitlines()]
                assert missing == [], f"{page.name} shows what is not printed:\n{printed}"
            continue
        left_out = block.mark == "run: heavy" and not heavy
        if left_out:
            continue
        ran += 1
        capsys.readouterr()
        if block.language == "python":
            exec(compile(block.text, f"{page.name}, block {ran}", "exec"), names)
        else:
            assert block.language == "sh"
            for program, *arguments in commands(block.text):
                assert program == "rnngen", f"{page.name}: a block of commands runs rnngen, not {program}"
                assert main(arguments) == 0, f"{page.name}: {shlex.join(arguments)}"
        printed = capsys.readouterr().out
    return ran


@pytest.mark.parametrize("name", PAGES)
def test_quick_examples(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    assert run(PAGES[name], False, capsys) > 0


@pytest.mark.verilator
@pytest.mark.parametrize("name", [name for name in PAGES if any("heavy" in b.mark for b in blocks(PAGES[name]))])
def test_all_examples(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(PAGES[name], True, capsys) > 0


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.stem)
def test_every_mark_is_understood(page: Path) -> None:
    assert len(_MARK.findall(page.read_text(encoding="utf-8"))) == len(blocks(page))


def test_commands_that_are_shown_alone_are_taken() -> None:
    """Blocks of commands that are not run are at least commands of today's grammar."""
    from rnngen.cli.arguments import make_parser

    parser, refused = make_parser(), []
    for page in sorted((ROOT / "docs").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        for block in re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            for words in commands(block):
                if words[:1] != ["rnngen"] or {"|", ">", "--help"} & set(words):
                    continue
                try:
                    parser.parse_args(words[1:])
                except SystemExit:
                    refused.append(f"{page.name}: {shlex.join(words)}")
    assert refused == []
