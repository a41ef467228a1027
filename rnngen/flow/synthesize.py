"""Place and route of a design for its board."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rnngen.build import SynthesisResult
from rnngen.build import synthesize as build
from rnngen.emit.design import Design, read_design


def synthesize(design: Design | Path | str, progress: Callable[[str], None] = lambda line: None) -> SynthesisResult:
    """Builds the bitstream and writes DIR/synthesis.json.

    Raises:
        DesignError: if the folder holds no sound design, or the design is for no board.
        ToolError: if a tool is missing or fails.
    """
    folder = design.folder if isinstance(design, Design) else Path(design)
    return build(read_design(folder).folder, progress)
