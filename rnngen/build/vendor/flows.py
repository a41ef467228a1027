"""The vendors' tools: how each is found and run, what its project is made of, and where its reports are."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rnngen.build.result import Routed
from rnngen.build.vendor.figures import Report
from rnngen.build.vendor.gowin import gowin_files
from rnngen.build.vendor.lattice import IMPLEMENTATION, diamond_files, radiant_files
from rnngen.build.vendor.project import SCRIPT, Parts
from rnngen.build.vendor.quartus import OUTPUT, quartus_files
from rnngen.build.vendor.reports_gowin import gowin_version, read_gowin
from rnngen.build.vendor.reports_lattice import lattice_version, read_diamond, read_radiant
from rnngen.build.vendor.reports_quartus import quartus_version, read_quartus
from rnngen.build.vendor.reports_vivado import read_vivado, vivado_version
from rnngen.build.vendor.vivado import vivado_files

Figures = tuple[Routed, str]
"""What a tool reports, and its version."""


@dataclass(frozen=True)
class VendorFlow:
    """A vendor's tool.

    Attributes:
        name: For ``--flow``, and of the project's folder.  tool: For people.
        program: What runs a script, and its ``arguments``.
        homes: Environment variables that the tool's own set-up gives, each with where the program is below it.
        install: What to get, where it is missing.
        files: Scripts and constraints of a project, by name.
        read: The figures in the reports of a folder, of a design of this name and clock.
        bitstream: Where it is, with ``{name}``.
    """

    name: str
    tool: str
    program: str
    arguments: tuple[str, ...]
    homes: tuple[tuple[str, str], ...]
    install: str
    files: Callable[[Parts], dict[str, str]]
    read: Callable[[Path, str, int], Figures]
    bitstream: str

    @property
    def command(self) -> str:
        """What a user types in the project's folder."""
        return " ".join((self.program, *self.arguments))

    def find(self) -> Path | None:
        """The program: on PATH, or below what an environment variable names; None: it is not here."""
        found = shutil.which(self.program)
        if found is not None:
            return Path(found)
        for variable, below in self.homes:
            home = os.environ.get(variable)
            found = shutil.which(self.program, path=str(Path(home) / below)) if home else None
            if found is not None:
                return Path(found)
        return None


def _vivado(folder: Path, name: str, target_hz: int) -> Figures:
    utilisation, timing = Report.read(folder, "utilisation.rpt"), Report.read(folder, "timing.rpt")
    return read_vivado(utilisation, timing, target_hz), vivado_version(utilisation)


def _quartus(folder: Path, name: str, target_hz: int) -> Figures:
    endings = ("fit.summary", "fit.rpt", "sta.summary", "sta.rpt")
    reports = [Report.read(folder, f"{OUTPUT}/{name}.{ending}") for ending in endings]
    return read_quartus(reports[0], reports[1], reports[2], reports[3], target_hz), quartus_version(reports[0])


def _gowin(folder: Path, name: str, target_hz: int) -> Figures:
    resources, timing = (Report.read(folder, f"impl/pnr/{name}.{ending}") for ending in ("rpt.txt", "tr"))
    return read_gowin(resources, timing, target_hz), gowin_version(timing)


def _diamond(folder: Path, name: str, target_hz: int) -> Figures:
    mapped, timing = _lattice(folder, name)
    return read_diamond(mapped, timing, target_hz), lattice_version(mapped)


def _radiant(folder: Path, name: str, target_hz: int) -> Figures:
    mapped, timing = _lattice(folder, name)
    return read_radiant(mapped, timing, target_hz), lattice_version(mapped)


def _lattice(folder: Path, name: str) -> tuple[Report, Report]:
    stem = f"{IMPLEMENTATION}/{name}_{IMPLEMENTATION}"
    return Report.read(folder, f"{stem}.mrp"), Report.read(folder, f"{stem}.twr")


VENDOR_FLOWS: Mapping[str, VendorFlow] = {
    flow.name: flow
    for flow in (
        VendorFlow(
            "vivado", "Vivado", "vivado", ("-mode", "batch", "-nojournal", "-source", SCRIPT),
            (("XILINX_VIVADO", "bin"),),
            "AMD Vivado 2020.2 or newer (the free edition has these devices but that of the KCU105)",
            vivado_files, _vivado, "{name}.bit",
        ),
        VendorFlow(
            "quartus", "Quartus", "quartus_sh", ("-t", SCRIPT),
            (("QUARTUS_ROOTDIR", "bin"), ("QUARTUS_ROOTDIR", "bin64")),
            "Quartus Prime Lite 18.1 or newer, with Cyclone V and MAX 10",
            quartus_files, _quartus, f"{OUTPUT}/{{name}}.sof",
        ),
        VendorFlow(
            "gowin", "Gowin EDA", "gw_sh", (SCRIPT,),
            (("GOWIN_HOME", "IDE/bin"), ("GOWIN_HOME", "bin")),
            "Gowin EDA 1.9.9 or newer (the Education edition has these devices)",
            gowin_files, _gowin, "impl/pnr/{name}.fs",
        ),
        VendorFlow(
            "diamond", "Lattice Diamond", "diamondc", (SCRIPT,),
            (("FOUNDRY", "../bin/lin64"), ("FOUNDRY", "../bin/nt64")),
            "Lattice Diamond 3.11 or newer",
            diamond_files, _diamond, f"{IMPLEMENTATION}/{{name}}_{IMPLEMENTATION}.bit",
        ),
        VendorFlow(
            "radiant", "Lattice Radiant", "radiantc", (SCRIPT,),
            (("FOUNDRY", "../bin/lin64"), ("FOUNDRY", "../bin/nt64")),
            "Lattice Radiant 2.0 or newer",
            radiant_files, _radiant, f"{IMPLEMENTATION}/{{name}}_{IMPLEMENTATION}.bin",
        ),
    )
}  # fmt: skip
"""By name."""
