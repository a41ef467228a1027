"""Where the three folders outside the package are: in a source checkout beside it, in a wheel inside it."""

from __future__ import annotations

from pathlib import Path

from rnngen.errors import DesignError

_PACKAGE = Path(__file__).resolve().parent


def _outer(name: str) -> Path:
    for candidate in (_PACKAGE / "_data" / name, _PACKAGE.parent / name):
        if candidate.is_dir():
            return candidate
    raise DesignError(f"rnngen's own folder '{name}' is missing; install rnngen again.")


def templates_dir() -> Path:
    """Verilog leaves."""
    return _outer("hdl_templates")


def benches_dir() -> Path:
    """cocotb benches and agents."""
    return _outer("sim")


def boards_dir() -> Path:
    """Board files."""
    return _outer("boards")
