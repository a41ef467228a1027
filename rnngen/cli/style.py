"""Colours, where somebody looks at a terminal: the prefix of an error, and words that are a verdict."""

from __future__ import annotations

import os
import re
from typing import TextIO

_RED, _GREEN, _PLAIN = "\x1b[1;31m", "\x1b[32m", "\x1b[0m"

_GOOD = ("holds", "in every bit and every cycle", "clock met")
_BAD = ("DIFFERS", "MISSED", "refused:", "missing:")
_VERDICT = re.compile("|".join(re.escape(word) for word in (*_GOOD, *_BAD)))


def is_coloured(stream: TextIO) -> bool:
    """Whether a stream takes colours: a terminal that can, and NO_COLOR (https://no-color.org) is unset or empty."""
    return stream.isatty() and os.environ.get("TERM", "") != "dumb" and not os.environ.get("NO_COLOR")


def alarm(text: str, stream: TextIO) -> str:
    """The text in the colour of errors."""
    return f"{_RED}{text}{_PLAIN}" if is_coloured(stream) else text


def verdicts(line: str, stream: TextIO) -> str:
    """A line of a result with its verdicts in colour; the characters that are seen stay the same."""
    if not is_coloured(stream):
        return line
    return _VERDICT.sub(lambda found: f"{_GREEN if found[0] in _GOOD else _RED}{found[0]}{_PLAIN}", line)
