"""Waveforms of a simulation with a view for GTKWave and one for Surfer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rnngen.emit.design import Design
from rnngen.emit.stages import INSTANCE, view_of
from rnngen.errors import DataError
from rnngen.verify.compile import WAVE_FORMATS, check_fst_headers
from rnngen.verify.simulator import RunOptions
from rnngen.verify.view import write_views

WAVES_FOLDER = "simulation"
"""In a design's folder."""


def wave_file(folder: Path, waves: str | None) -> Path | None:
    """Where waveforms of a format go; None: none are wanted.

    Raises:
        DataError: if there is no such format.  ToolError: if what FST is written with is not here.
    """
    if waves is None:
        return None
    if waves not in WAVE_FORMATS:
        raise DataError(f"Waveforms must be {' or '.join(WAVE_FORMATS)}, not {waves}.")
    if waves == "fst":
        check_fst_headers()  # before anything is written
    return folder.resolve() / WAVES_FOLDER / f"waves.{waves}"


def with_stages(
    cores: Sequence[tuple[str, Design]], options: RunOptions
) -> tuple[RunOptions, list[Path]]:
    """Options that trace the stages of cores alone, and the source that holds them.  Writes that and the views.

    A run without waveforms has neither.

    Args:
        cores: Of each one its place in the simulation, the top first, and its design.

    Raises:
        OSError: if the folder cannot be written.
    """
    if options.waves is None:
        return options, []
    options.waves.parent.mkdir(exist_ok=True)
    views = [(place, view_of(design)) for place, design in cores]
    source = options.waves.with_name("stages.sv")
    source.write_text("\n".join(view.verilog() for _, view in views), encoding="ascii")
    write_views(options.waves, views)
    scopes = tuple(f"{place}.{INSTANCE}" for place, _ in views)
    return replace(options, compile=replace(options.compile, traced=scopes)), [source]
