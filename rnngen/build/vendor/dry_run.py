"""A vendor's script run to its end without the vendor: in a real Tcl interpreter, its commands replaced by stand-ins.

The stand-ins (sim/tcl) know the commands and options that are used, their order, and that every file and every port is
there.  They synthesise nothing; that the script would run in the vendor's tool is likely then, and not shown.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnngen.build.vendor.project import SCRIPT
from rnngen.build.vendor.run import Written, write_vendor_project
from rnngen.errors import ToolError
from rnngen.resources import benches_dir

_LIMIT_S = 300.0
# tkinter's interpreter has no exit; the stand-ins leave their status in a variable then.
_TKINTER = """
import sys, tkinter
tcl = tkinter.Tcl()
tcl.call("set", "argv", tuple(sys.argv[2:]))
tcl.call("source", sys.argv[1])
sys.exit(int(tcl.getvar("dry::status")))
"""


@dataclass(frozen=True)
class DryRun:
    """A script that ran to its end.

    Attributes:
        flow, board, part, script: What it was of.
        calls: Each command with its words, in order.
    """

    flow: str
    board: str
    part: str
    script: str
    calls: tuple[tuple[str, ...], ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "flow": self.flow,
            "board": self.board,
            "part": self.part,
            "script": self.script,
            "dry_run": True,
            "calls": len(self.calls),
        }


def tcl_interpreter() -> list[str]:
    """The command that runs a Tcl file.

    Raises:
        ToolError: if there is neither tclsh nor tkinter.
    """
    tclsh = shutil.which("tclsh") or shutil.which("tclsh8.6")
    if tclsh is not None:
        return [tclsh]
    if importlib.util.find_spec("_tkinter") is not None:
        return [sys.executable, "-c", _TKINTER]
    raise ToolError("A dry run needs a Tcl interpreter: install it with 'apt-get install tcl', or Python with tkinter.")


def dry_run(design_dir: Path, flow_name: str, progress: Callable[[str], None]) -> DryRun:
    """Writes DIR/FLOW, as ``synthesize`` does, and runs its script with stand-ins in a copy of it.

    Raises:
        DesignError, PlanError: see ``rnngen.build.vendor.run.write_vendor_project``.
        ToolError: if there is no Tcl interpreter, or the script does what the tool is documented to refuse.
    """
    interpreter = tcl_interpreter()
    written = write_vendor_project(design_dir, flow_name, progress)
    calls = run_stand_ins(written, interpreter)
    board = written.project.parts.board
    return DryRun(flow_name, board.name, board.part, str(written.folder / SCRIPT), calls)


def run_stand_ins(written: Written, interpreter: list[str]) -> tuple[tuple[str, ...], ...]:
    """Runs the script of a project in a copy of its folder.

    Raises:
        ToolError: with what the stand-ins refuse, and the line.
    """
    with tempfile.TemporaryDirectory(prefix="rnngen-dry-") as place:
        copy = Path(place) / "project"
        shutil.copytree(written.folder, copy)
        return run_script(written.flow.name, copy / SCRIPT, interpreter, named=written.folder / SCRIPT)


def run_script(
    stand_ins: str, script: Path, interpreter: list[str], arguments: tuple[str, ...] = (), named: Path | None = None
) -> tuple[tuple[str, ...], ...]:
    """Runs a script where it lies, with the stand-ins of this name; each call with its words.

    Args:
        arguments: Of the script.  named: What an error calls it; None: by its path.

    Raises:
        ToolError: with what the stand-ins refuse, and the line.
    """
    with tempfile.TemporaryDirectory(prefix="rnngen-dry-") as place:
        record, runner = Path(place) / "record", benches_dir() / "tcl" / "dry.tcl"
        command = [*interpreter, str(runner), stand_ins, str(script), str(record), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
        if done.returncode != 0:
            said = (done.stderr.strip().splitlines() or ["no output"])[0].removeprefix("Error: ")
            raise ToolError(f"The dry run of '{named or script}' stopped: {said}.")
        return tuple(tuple(json.loads(line)) for line in record.read_text(encoding="utf-8").splitlines())
