"""What simulations of several devices have in common: their files in one folder, and the bench's top."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from rnngen.emit.design import Design
from rnngen.emit.devices import device_name
from rnngen.gateware.system.bench_top import BenchShape, bench_verilog

VISIBLE = ("aclk*", "aresetn", "s_axis*", "m_axis*", "up", "failed_*", "hold_*", "line_*", "back_*")
"""Signals of the bench's top that a bench uses."""

TRAINING_CYCLES = 20_000
"""In which all links have come up, of the slowest device."""


def gathered(designs: Sequence[Design], folder: Path) -> Path:
    """All sources and images of designs in ``folder/rtl``, which is new: images are named after the core that reads
    them.

    Raises:
        OSError: if the folder cannot be written.
    """
    rtl = folder / "rtl"
    rtl.mkdir(parents=True)
    for design in designs:
        for file in (design.folder / "rtl").iterdir():
            shutil.copy(file, rtl / file.name)
    return rtl


def bench_files(designs: Sequence[Design], shape: BenchShape, bench: str, folder: Path) -> list[Path]:
    """Gathers designs with a bench's top; returns what is to be compiled, below ``folder/rtl``.

    Args:
        bench: Name of the module.
    """
    rtl = gathered(designs, folder)
    (rtl / f"{bench}.v").write_text(bench_verilog(shape, bench), encoding="ascii")
    leaves = [source.name for source in designs[0].sources[:-1]]
    tops = [f"{module}.v" for design in designs for module in (design.top, device_name(design.top))]
    chips = [f"{chip.module}.v" for chip in shape.chips]
    return [Path(file) for file in (*leaves, *tops, *chips, f"{bench}.v")]
