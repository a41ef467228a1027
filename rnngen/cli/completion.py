"""The command ``rnngen completion``: a shell's completion of commands, options, files and names."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rnngen.config.board import list_boards
from rnngen.errors import ToolError
from rnngen.flow.partition import CUTS
from rnngen.plan.dsp import DSPS
from rnngen.plan.partition import GOALS
from rnngen.plan.timing import PIPELINES
from rnngen.verify.simulator import MEMORY_MODELS

SUMMARY = "print the completion script of a shell"
EXAMPLE = "rnngen completion bash > ~/.local/share/bash-completion/completions/rnngen"
WRITES = (
    "nothing; the script goes to standard output. zsh: > ~/.zfunc/_rnngen, with fpath+=~/.zfunc; "
    "fish: > ~/.config/fish/completions/rnngen.fish"
)
SHELLS = ("bash", "zsh", "fish")


def _names() -> Mapping[str, Sequence[str]]:
    """Options whose values have names, and these."""
    return {
        "--board": tuple(list_boards()),
        "--pipeline": tuple(PIPELINES),
        "--dsp": tuple(DSPS),
        "--weights": ("chip", "external"),
        "--goal": GOALS,
        "--cut": CUTS,
        "--memory": MEMORY_MODELS,
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's grammar."""
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=", ".join(SHELLS))


def run(
    arguments: argparse.Namespace, make_parser: Callable[[], argparse.ArgumentParser]
) -> tuple[dict[str, Any], list[str]]:
    """The script as plain data and as lines.

    Raises:
        ToolError: if the package that writes it is not here.
    """
    text = script(make_parser(), arguments.shell)
    return {"shell": arguments.shell, "script": text}, text.splitlines()


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """The completion script of a shell for a parser, to which what completes its arguments is added."""
    try:
        import shtab
    except ImportError:
        raise ToolError("shtab writes completion scripts and is not installed: run 'pip install shtab'.") from None
    names = _names()
    for action in _actions(parser):
        known = [names[option] for option in action.option_strings if option in names]
        if known:
            action.choices = list(known[0])
        elif action.type is Path:
            action.complete = shtab.DIRECTORY if action.metavar == "DIR" else shtab.FILE  # type: ignore[attr-defined]
    text: str = shtab.complete(parser, shell)
    return text


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Of a parser and its commands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
        else:
            yield action
