"""What people meet first: help with examples, a shell's completion, colours and progress on a terminal."""

from __future__ import annotations

import argparse
import io
import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rnngen.cli import arguments, main, style
from rnngen.cli.completion import SHELLS
from rnngen.cli.progress import Progress


def commands() -> dict[str, argparse.ArgumentParser]:
    parser = arguments.make_parser()
    (found,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return dict(found.choices)


@pytest.mark.parametrize("name", commands())
def test_every_command_has_an_example_that_it_takes(name: str) -> None:
    epilog = commands()[name].epilog or ""
    writes, _, example = epilog.partition("\n\nexample:\n")
    assert len(writes) > len("writes: nothin")
    words = shlex.split(example.partition(">")[0])
    assert words[:2] == ["rnngen", name]
    assert arguments.make_parser().parse_args(words[1:]).command == name


@pytest.mark.parametrize("name", commands())
def test_every_option_is_explained(name: str) -> None:
    assert [action.dest for action in commands()[name]._actions if not action.help] == []


def test_help_fits_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    for parser in (arguments.make_parser(), *commands().values()):
        end = parser.format_help().partition("\n\nwrites: ")[2]
        assert [line for line in end.splitlines() if len(line) > 60 and " " in line.strip()] == []


def complete(script: Path, words: list[str], folder: Path) -> list[str]:
    """What bash offers for the last word."""
    line = shlex.join(words)
    ask = (
        f"source {shlex.quote(str(script))}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; "
        f"COMP_LINE={shlex.quote(line)}; COMP_POINT={len(line)}; "
        "handler=$(complete -p rnngen | sed -E 's/.*-F ([^ ]+) .*/\\1/'); "
        f"$handler rnngen {shlex.quote(words[-1])} {shlex.quote(words[-2])}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    done = subprocess.run(["bash", "--norc", "-c", ask], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return [word.strip() for word in done.stdout.split("\n") if word.strip()]


def test_bash_completes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("shtab")
    assert main(["completion", "bash"]) == 0
    script = tmp_path / "rnngen.bash"
    script.write_text(capsys.readouterr().out)
    (tmp_path / "model.onnx").touch()
    (tmp_path / "design").mkdir()
    for words, expected in (
        (["rnngen", "synth"], {"synthesize"}),
        (["rnngen", "generate", "--acti"], {"--activation-bits"}),
        (["rnngen", "generate", "model.onnx", "--pipeline", "sh"], {"short", "shortest"}),
        (["rnngen", "generate", "--board", "ulx3s"], {"ulx3s-85f"}),
        (["rnngen", "simulate", "--waves", ""], {"vcd", "fst"}),
        (["rnngen", "inspect", "mod"], {"model.onnx"}),
        (["rnngen", "report", "des"], {"design"}),
        (["rnngen", "completion", ""], set(SHELLS)),
    ):
        assert expected <= set(complete(script, words, tmp_path)), words


@pytest.mark.parametrize("shell", SHELLS[1:])
def test_other_shells_know_all_commands(shell: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Their own parser reads the script where the shell is here."""
    pytest.importorskip("shtab")
    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    assert [name for name in commands() if not re.search(rf"\b{name}\b", text)] == []
    if shutil.which(shell):
        (tmp_path / "script").write_text(text)
        subprocess.run([shell, "-n", tmp_path / "script"], check=True)


def test_without_shtab_the_command_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 2
    assert "pip install shtab" in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colours_are_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    line = "import = float  largest difference 1e-07  holds"
    assert style.verdicts(line, io.StringIO()) == line
    painted = style.verdicts(line, Terminal())
    assert painted == line.replace("holds", "\x1b[32mholds\x1b[0m")
    assert style.alarm("rnngen:", Terminal()) == "\x1b[1;31mrnngen:\x1b[0m"
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        monkeypatch.setenv(name, value)
        assert style.verdicts(line, Terminal()) == line
        monkeypatch.setenv("TERM", "xterm")


def test_piped_output_has_no_colours_and_no_seconds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert "\r" not in err


def test_silence_is_told_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that takes long grows a count of seconds, which the next line takes away."""
    from rnngen.cli import progress

    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.05)
    monkeypatch.setattr(progress, "_EVERY_SECONDS", 0.02)
    monkeypatch.setattr(sys, "stderr", Terminal())
    with Progress() as shown:
        shown.doing("planning")
        time.sleep(0.3)
        shown.say("done")
    text = sys.stderr.getvalue()
    assert text.startswith("rnngen: planning (0 s)")
    assert text.split("\x1b[K")[-1].startswith("rnngen: done\n")


def test_what_takes_long_is_told_in_a_log_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from rnngen.cli import progress

    with Progress() as shown:
        shown.doing("at once")
        monkeypatch.setattr(progress, "QUIET_SECONDS", 0.0)
        time.sleep(0.01)
        shown.doing("later")
    assert capsys.readouterr().err == "rnngen: later\n"


def test_a_real_terminal_has_a_red_error(tmp_path: Path) -> None:
    """In a pseudo-terminal, as a person has it."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    environment.pop("NO_COLOR", None)
    done = subprocess.run(
        [sys.executable, "-m", "rnngen", "report", str(tmp_path)], stderr=follower, env=environment, check=False
    )
    os.close(follower)
    assert done.returncode == 2
    assert os.read(leader, 4096).startswith(b"\x1b[1;31mrnngen:\x1b[0m ")
