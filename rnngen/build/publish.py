"""What a run leaves in the design folder: all of it, or nothing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from rnngen.build.result import SynthesisResult
from rnngen.emit.folder import json_bytes, write_atomically
from rnngen.errors import DesignError

SYNTHESIS_FILE = "synthesis.json"
SYNTHESIS_FOLDER = "synthesis"


def publish(work: Path, design_dir: Path, result: SynthesisResult) -> None:
    """Logs, netlist and bitstream into DIR/synthesis, then the figures; an older result goes first."""
    figures, folder = design_dir / SYNTHESIS_FILE, design_dir / SYNTHESIS_FOLDER
    try:
        figures.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(work, folder)
        folder.chmod(0o755)
    except OSError as error:
        raise DesignError(f"'{folder}' cannot be written: {error.strerror}.") from error
    write_atomically(figures, json_bytes(result.to_dict()))
