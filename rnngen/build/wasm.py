"""Tools that are WebAssembly in Python packages: each compiles itself to machine code when it first runs."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from rnngen.build.process import run_tool
from rnngen.build.tools import console_script, package_version
from rnngen.errors import ToolError

_LIMIT_S = 900.0


def wasm_script(script: str, package: str, progress: Callable[[str], None] = lambda line: None) -> Path:
    """A command of a package (``console_script``), compiled before if it compiles itself; that takes up to a minute.

    Two that compile themselves at once write one file, while others that found it may run from it, and these die of
    it.  So one of them does, and the others wait.

    Raises:
        ToolError: with the command that installs the package, or because the cache cannot be written.
    """
    path = console_script(script, package)
    if not package.startswith("yowasp-"):
        return path
    folder = _cache()
    done = folder / f"rnngen-{script}-{package_version(package)}"
    if not done.is_file():
        try:
            _compile_once(path, done, progress)
        except OSError as error:
            raise ToolError(
                f"'{folder}', where {script} keeps what it compiles, cannot be written: {error.strerror}; set "
                f"YOWASP_CACHE_DIR to a folder that can."
            ) from error
    return path


def _compile_once(path: Path, done: Path, progress: Callable[[str], None]) -> None:
    done.parent.mkdir(parents=True, exist_ok=True)
    with (done.parent / f"{done.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.is_file():
            _compile(path, progress)
            done.touch()


def _compile(path: Path, progress: Callable[[str], None]) -> None:
    with tempfile.TemporaryDirectory(prefix=".rnngen-tool-") as name:
        # Some packers know no such option: they are compiled before they say so.
        with contextlib.suppress(ToolError):
            run_tool([path, "--version"], Path(name), Path(name) / "log", f"preparing {path.name}", _LIMIT_S, progress)


def _cache() -> Path:
    """Where the packages' own runtime keeps what it compiled, so that our marks go when that goes."""
    if given := os.environ.get("YOWASP_CACHE_DIR"):
        return Path(given)
    from platformdirs import user_cache_dir  # the runtime's own dependency

    return Path(user_cache_dir("YoWASP", appauthor=False))
