"""Place and route of a design for its board, by the open tools or by a vendor's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rnngen.build import SynthesisResult
from rnngen.build import synthesize as build
from rnngen.build.vendor import VENDOR_FLOWS, DryRun, synthesize_with_vendor
from rnngen.build.vendor import dry_run as run_dry
from rnngen.build.vendor.run import design_board
from rnngen.emit.design import Design, read_design
from rnngen.errors import PlanError

OPEN = "open"
FLOWS = (OPEN, *VENDOR_FLOWS)
"""Names of flows: Yosys and nextpnr, and the vendors' tools."""


def synthesize(
    design: Design | Path | str, progress: Callable[[str], None] = lambda line: None, flow: str | None = None
) -> SynthesisResult:
    """Builds the bitstream and writes DIR/synthesis.json; with a vendor's tool also its project, DIR/FLOW.

    Args:
        design: The design or its folder.
        progress: Takes lines for people.
        flow: One of ``FLOWS``; None: the first one that the board has.

    Raises:
        DesignError: if the folder holds no sound design, or the design is for no board.
        PlanError: if the board is not built with this flow.
        ToolError: if a tool is missing or fails; a vendor's project is written all the same.
    """
    folder = _folder(design)
    chosen = _flow(folder, flow)
    return build(folder, progress) if chosen == OPEN else synthesize_with_vendor(folder, chosen, progress)


def dry_run(
    design: Design | Path | str, progress: Callable[[str], None] = lambda line: None, flow: str | None = None
) -> DryRun:
    """Writes a vendor's project, DIR/FLOW, and runs its script to its end with stand-ins for the vendor's commands.

    Raises:
        DesignError: if the folder holds no sound design, or the design is for no board.
        PlanError: if the board is not built with this flow, or the flow is the open one.
        ToolError: if there is no Tcl interpreter, or the script does what the tool is documented to refuse.
    """
    folder = _folder(design)
    chosen = _flow(folder, flow)
    if chosen == OPEN:
        raise PlanError("A dry run is of a vendor's script; the open flow runs here as it is: leave --dry-run out.")
    return run_dry(folder, chosen, progress)


def _folder(design: Design | Path | str) -> Path:
    return read_design(design.folder if isinstance(design, Design) else Path(design)).folder


def _flow(folder: Path, flow: str | None) -> str:
    if flow is not None and flow not in FLOWS:
        raise PlanError(f"Flow must be one of {', '.join(FLOWS)}, not {flow}.")
    board = design_board(folder)
    if flow is not None and flow not in board.flows:
        raise PlanError(f"Board '{board.name}' is built with {' or '.join(board.flows)}, not {flow}.")
    return flow or board.flows[0]
