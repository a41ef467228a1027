"""From a design folder to a vendor's project, and with the vendor's tool to a bitstream."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rnngen.build.process import run_tool
from rnngen.build.publish import SYNTHESIS_FOLDER, publish
from rnngen.build.result import SynthesisResult
from rnngen.build.vendor.flows import VENDOR_FLOWS, VendorFlow
from rnngen.build.vendor.project import Project, read_parts, write_project
from rnngen.config import Board
from rnngen.config.board import board_of
from rnngen.emit.folder import read_document
from rnngen.errors import DesignError, PlanError, ToolError

TIME_LIMIT_S = 6 * 3600.0


@dataclass(frozen=True)
class Written:
    """A project that was written: its folder, what runs it, and what it is made of."""

    folder: Path
    flow: VendorFlow
    project: Project


def write_vendor_project(design_dir: Path, flow_name: str, progress: Callable[[str], None]) -> Written:
    """Writes DIR/FLOW, a project of the vendor's tool for the design's board; an older one there goes.

    Raises:
        DesignError: the folder is no sound design, was made for no board, or something else is at DIR/FLOW.
        PlanError: the board is not built with this tool, or its clock cannot be made.
    """
    design_dir = design_dir.resolve()
    board = design_board(design_dir)
    if flow_name not in board.flows:
        raise PlanError(f"Board '{board.name}' is built with {' or '.join(board.flows)}, not {flow_name}.")
    flow = VENDOR_FLOWS[flow_name]
    parts = read_parts(design_dir, board)
    files = {name: text.encode() for name, text in (*parts.texts.items(), *flow.files(parts).items())}
    project = Project(flow.name, parts, {**files, **parts.images})
    folder = design_dir / flow.name
    write_project(folder, project, flow.command)
    progress(f"{flow.name}: wrote '{folder}', {len(project.files)} files for {board.part}")
    return Written(folder, flow, project)


def design_board(design_dir: Path) -> Board:
    """The board that a design was made for.

    Raises:
        DesignError: if there is no design, or it was made for none.
    """
    design = read_document(design_dir)
    if design["board"] is None:
        raise DesignError(f"'{design_dir}' was made for no board: generate it again with --board.")
    return board_of(design["board"])


def synthesize_with_vendor(
    design_dir: Path, flow_name: str, progress: Callable[[str], None], time_limit_s: float = TIME_LIMIT_S
) -> SynthesisResult:
    """Writes the project, runs the vendor's tool, and reads its reports into DIR/synthesis.json.

    The project is there whatever comes of the tool.  A failed run leaves what an earlier one wrote, and its log in the
    project.

    Raises:
        DesignError, PlanError: see ``write_vendor_project``.
        ToolError: the tool is not here, failed, took too long, or its reports lack a figure.
    """
    started = time.monotonic()
    written = write_vendor_project(design_dir, flow_name, progress)
    flow, parts = written.flow, written.project.parts
    program = flow.find()
    if program is None:
        variables = " or ".join(dict.fromkeys(variable for variable, _ in flow.homes))
        raise ToolError(
            f"{flow.tool} is not on this machine ('{flow.program}' is not on PATH, nor below {variables}): install "
            f"{flow.install}, or take '{written.folder}' to a machine that has it and run '{flow.command}' there."
        )
    work = Path(tempfile.mkdtemp(prefix=".synthesis-", dir=written.folder.parent))
    try:
        shutil.copytree(written.folder, work, dirs_exist_ok=True)
        took = _run(program, written, work, time_limit_s, progress)
        routed, version = flow.read(work, parts.name, parts.clock_hz)
        bitstream = flow.bitstream.format(name=parts.name)
        if not routed.clock_met:
            (work / bitstream).unlink(missing_ok=True)
        elif not (work / bitstream).is_file():
            raise ToolError(f"{flow.tool} ended without an error, but wrote no bitstream '{bitstream}'; see its log.")
        board = parts.board
        result = SynthesisResult(
            tool=flow.tool,
            tool_version=version,
            device=f"{board.part}-{board.speed_grade}{board.package}" if board.package else board.part,
            fmax_hz=routed.fmax_hz,
            clock_met=routed.clock_met,
            clock_target_hz=parts.clock_hz,
            clocks=routed.clocks,
            **routed.used,
            bitstream=f"{SYNTHESIS_FOLDER}/{bitstream}" if routed.clock_met else None,
            seconds=round(time.monotonic() - started, 1),
            measured=True,
            seed=None,
            seeds_tried=(),
            routed_again=False,
            critical_path=routed.critical_path,
            stages={flow.name: round(took, 1)},
            available=routed.available,
        )
        publish(work, written.folder.parent, result)
    except ToolError:
        _keep_log(work, written)
        raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    progress(f"synthesize: {result.fmax_hz / 1e6:.1f} MHz, clock {'met' if result.clock_met else 'missed'}")
    return result


def _run(program: Path, written: Written, work: Path, limit_s: float, progress: Callable[[str], None]) -> float:
    """Runs the script in a copy of the project; the seconds it took."""
    flow = written.flow
    progress(f"{flow.name}: running {flow.tool}")
    seconds = run_tool([program, *flow.arguments], work, work / _log_name(flow), flow.tool, limit_s, progress)
    if seconds is None:
        raise ToolError(f"{flow.tool} had not finished after {limit_s / 3600:g} hours: use fewer lanes.")
    return seconds


def _log_name(flow: VendorFlow) -> str:
    return f"{flow.name}.out"


def _keep_log(work: Path, written: Written) -> None:
    log = work / _log_name(written.flow)
    if log.is_file():
        shutil.copyfile(log, written.folder / log.name)
