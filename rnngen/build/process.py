"""Runs an outside tool under a time limit, with a line of progress now and then, and nothing left running."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rnngen.errors import ToolError

_PROGRESS_EVERY_S = 10.0
_POLL_S = 0.1
_GRACE_S = 3.0


def run_tool(
    command: Sequence[str | Path], cwd: Path, log: Path, label: str, limit_s: float, progress: Callable[[str], None]
) -> float | None:
    """Run ``command``, its output into ``log``.

    Returns:
        The seconds it took, or None when the limit passed and it was ended.

    Raises:
        ToolError: if it could not be started, or ended with an error; the last error line is quoted.
    """
    started = time.monotonic()
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                [str(part) for part in command],
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise ToolError(f"{label} could not be started: {error}.") from error
        try:
            finished = _wait(process, started, label, limit_s, progress)
        finally:
            _end(process)
    if not finished:
        return None
    if process.returncode != 0:
        raise ToolError(f"{label} failed with status {process.returncode}: {last_error(log)}.")
    return time.monotonic() - started


def last_error(log: Path) -> str:
    """The last line of a log that is an error, else that speaks of one, or its last line."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    begun = [line for line in errors if line.lower().startswith("error")]
    return (begun or errors or lines or ["no output"])[-1].removesuffix(".")


def _wait(
    process: subprocess.Popen[bytes], started: float, label: str, limit_s: float, progress: Callable[[str], None]
) -> bool:
    """Whether the process ended by itself within the limit."""
    reported = started
    while process.poll() is None:
        now = time.monotonic()
        if now - started > limit_s:
            return False
        if now - reported >= _PROGRESS_EVERY_S:
            reported = now
            progress(f"{label}: {now - started:.0f} s")
        time.sleep(_POLL_S)
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and what it started (its own session), gently first."""
    for kind in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        try:
            os.killpg(process.pid, kind)
            process.wait(timeout=_GRACE_S)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
