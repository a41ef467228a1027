"""Figures in the text of vendors' reports: what is not there is refused by name, and nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rnngen.build.result import Clock, Routed
from rnngen.errors import ToolError

RESOURCES = ("luts", "ffs", "dsps", "block_rams")


@dataclass(frozen=True)
class Report:
    """The text of a report, and its name for people."""

    name: str
    text: str

    @classmethod
    def read(cls, folder: Path, path: str) -> Report:
        """A file that the tool should have written.

        Raises:
            ToolError: if it has not.
        """
        try:
            return cls(path, (folder / path).read_text(encoding="utf-8", errors="replace"))
        except OSError as error:
            raise ToolError(
                f"The tool ended without an error, but wrote no report '{path}' ({error.strerror}); see its log."
            ) from error

    def lacks(self, what: str) -> ToolError:
        """The error to raise."""
        return ToolError(f"The report '{self.name}' does not say {what}; this version of the tool writes another form.")

    def found(self, pattern: str, what: str, flags: int = re.MULTILINE) -> re.Match[str]:
        """The first place of a pattern."""
        match = re.search(pattern, self.text, flags)
        if match is None:
            raise self.lacks(what)
        return match

    def number(self, pattern: str, what: str) -> int:
        """A whole number, with or without commas, that is a pattern's group."""
        return whole(self.found(pattern, what).group(1))

    def pair(self, pattern: str, what: str) -> tuple[int, int]:
        """Used, and available."""
        match = self.found(pattern, what)
        return whole(match.group(1)), whole(match.group(2))

    def between(self, start: str, end: str, what: str) -> Report:
        """The part from a pattern to the next one of another, or to the end."""
        begun = self.found(start, what)
        ended = re.compile(end, re.MULTILINE).search(self.text, begun.end())
        return Report(self.name, self.text[begun.end() : ended.start() if ended else len(self.text)])


def whole(text: str) -> int:
    """1,234 as a number."""
    return int(text.replace(",", ""))


def mega(text: str) -> int:
    """A number of MHz in Hz."""
    return round(float(text) * 1e6)


def routed(
    report: Report,
    amounts: Mapping[str, tuple[int, int]],
    clocks: Sequence[Clock],
    target_hz: int,
    errors: Iterable[bool],
) -> Routed:
    """The figures of a routed design.

    Args:
        report: Where the clocks come from.
        amounts: Used and available of each of ``RESOURCES``.
        clocks: All that clock paths.
        target_hz: What the design was made for; a report without such a clock is of something else.
        errors: Whether there are timing errors of a kind.
    """
    if not any(abs(clock.target_hz - target_hz) <= target_hz / 1000 for clock in clocks):
        there = ", ".join(f"{clock.name} of {clock.target_hz / 1e6:g}" for clock in clocks) or "none"
        raise ToolError(
            f"The report '{report.name}' has no clock of {target_hz / 1e6:g} MHz with paths, which the design was made "
            f"for; it has {there} MHz."
        )
    return Routed(
        fmax_hz=min(clock.fmax_hz for clock in clocks),
        clock_met=not any(errors) and all(clock.fmax_hz >= clock.target_hz * 0.999 for clock in clocks),
        used={name: amounts[name][0] for name in RESOURCES},
        available={name: amounts[name][1] for name in RESOURCES},
        critical_path=None,
        clocks=tuple(clocks),
    )
