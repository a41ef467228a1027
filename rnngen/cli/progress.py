"""Progress of a command, on standard error: a line when something begins, and the seconds while it goes on.

A terminal shows the seconds behind the latest line; a file or a pipe gets whole lines alone, so that logs stay short.
"""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType

QUIET_SECONDS = 2.0
"""Silence after which a terminal is told that work goes on."""

_EVERY_SECONDS = 1.0
_CLEAR = "\r\x1b[K"


class Progress:
    """Says lines, and between them the seconds that the latest one takes.

    A context: seconds are shown inside of it only.
    """

    def __init__(self) -> None:
        self._lock, self._over = threading.Lock(), threading.Event()
        self._thread: threading.Thread | None = None
        self._line, self._shown = "working", False
        self._began = self._since = time.monotonic()

    def say(self, line: str) -> None:
        """A line, at once."""
        with self._lock:
            self._wipe()
            self._line, self._since = line, time.monotonic()
            print(f"rnngen: {line}", file=sys.stderr, flush=True)

    def doing(self, line: str) -> None:
        """What is done now, for whoever waits: a line where the command has taken longer than ``QUIET_SECONDS``."""
        if time.monotonic() - self._began > QUIET_SECONDS:
            self.say(line)
        else:
            self._line, self._since = line, time.monotonic()

    def __enter__(self) -> Progress:
        self._began = self._since = time.monotonic()
        if sys.stderr.isatty():
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        with self._lock:
            self._wipe()

    def _watch(self) -> None:
        while not self._over.wait(_EVERY_SECONDS):
            with self._lock:
                seconds = time.monotonic() - self._since
                if seconds >= QUIET_SECONDS:
                    self._wipe()
                    print(f"rnngen: {self._line} ({seconds:.0f} s)", end="", file=sys.stderr, flush=True)
                    self._shown = True

    def _wipe(self) -> None:
        """Takes the seconds away again."""
        if self._shown:
            print(_CLEAR, end="", file=sys.stderr, flush=True)
            self._shown = False
