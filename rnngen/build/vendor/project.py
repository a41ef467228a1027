"""What a project of a vendor's tool is made of, and the folder that holds it: complete, and legal wherever it lies.

Everything is in one folder without folders inside.  Where a tool looks for a memory image that ``$readmemh`` names is
not the same in any two of them (beside the source, in the folder of the project, in that where synthesis runs): so the
images lie beside the sources, the tool is started there, and a script copies them to where else synthesis may run.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnngen.config import Board
from rnngen.config.board_data import Pin
from rnngen.emit.folder import GENERATOR, FileEntry, check_files, entry, json_bytes, read_document
from rnngen.errors import DesignError
from rnngen.gateware.board_top import board_top_name, board_verilog, inside

PROJECT_FILE = "project.json"
BOARD_FILE = "board.v"
SCRIPT = "build.tcl"

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")


@dataclass(frozen=True)
class Parts:
    """What scripts and constraints are made from.

    Attributes:
        name: Stem of the tool's files.
        top: The top's module: the board's, or the core itself where the host is a processing system.
        board, design: The board; design.json as plain data.
        clock_hz: Of the core.
        texts, images: Verilog files in an order in which they can be read, and memory images, by their names.
        pins: Of the top, links' included.
        clocks: (port, Hz) of each clock that comes in.
    """

    name: str
    top: str
    board: Board
    design: dict[str, Any]
    clock_hz: int
    texts: Mapping[str, str]
    images: Mapping[str, bytes]
    pins: tuple[Pin, ...]
    clocks: tuple[tuple[str, int], ...]

    @property
    def slow_inputs(self) -> tuple[str, ...]:
        """Ports that are taken through synchronisers: no path from them has a time."""
        board = self.board
        return tuple(port for port in ((board.reset.port if board.reset else ""), board.host.rx) if port)

    @property
    def slow_outputs(self) -> tuple[str, ...]:
        """Ports that nobody samples with a clock."""
        board = self.board
        ports = (board.host.tx, board.leds.port if board.leds else "", *(port for port, _ in board.fixed))
        return tuple(port for port in ports if port)

    @property
    def bits(self) -> list[tuple[str, str, Pin]]:
        """Name in constraints, pin of the package, and the port, of each bit of the top."""
        return [(bit, site, pin) for pin in self.pins for bit, site in pin.bits]


@dataclass(frozen=True)
class Project:
    """A project as files, by their names in its folder, and what it is of."""

    flow: str
    parts: Parts
    files: Mapping[str, bytes]

    def document(self, command: str) -> dict[str, Any]:
        """PROJECT_FILE: what the folder is, and how it is run."""
        return {
            "generator": GENERATOR,
            "flow": self.flow,
            "board": self.parts.board.name,
            "part": self.parts.board.part,
            "top": self.parts.top,
            "clock_hz": self.parts.clock_hz,
            "command": command,
            "files": [vars(entry(name, content)) for name, content in sorted(self.files.items())],
        }


def read_parts(design_dir: Path, board: Board) -> Parts:
    """The parts of a design for its board.

    Raises:
        DesignError: if the folder is no sound design, a device of a system with a link over no pins, or a name in it is
            none that every tool takes.
        PlanError: if the board's clock cannot be made.
    """
    design = read_document(design_dir)
    check_files(design_dir, [FileEntry(item["path"], item["sha256"], item.get("bytes", 0)) for item in design["files"]])
    rtl = [Path(item["path"]) for item in design["files"] if Path(item["path"]).parent.name == "rtl"]
    for path in rtl:
        if not _PLAIN.fullmatch(path.name):
            raise DesignError(f"Not every vendor's tool takes the file name '{path.name}'; generate the design again.")
    texts = {path.name: (design_dir / path).read_text(encoding="utf-8") for path in rtl if path.suffix == ".v"}
    images = {path.name: (design_dir / path).read_bytes() for path in rtl if path.suffix == ".hex"}
    around, hertz = inside(design), design["clock_hz_target"]
    links = around.links or ()
    if board.host.kind != "uart":
        return Parts(design["top"], around.module, board, design, hertz, _reached(texts, around.module), images, (), ())
    top = board_top_name(design)
    return Parts(
        name=design["top"],
        top=top,
        board=board,
        design=design,
        clock_hz=hertz,
        texts=_reached({**texts, BOARD_FILE: board_verilog(design, board)}, top),
        images=images,
        pins=(*board.pins, *(pin for link in links for pin in link.pins(board))),
        clocks=((board.clock.port, board.clock.input_hz), *((link.take_clock, link.clock_hz) for link in links)),
    )


def write_project(folder: Path, project: Project, command: str) -> None:
    """Writes the folder whole or not at all; an older project there goes.

    Raises:
        DesignError: if the folder is not rnngen's, or cannot be written.
    """
    if folder.exists() and not _is_ours(folder):
        raise DesignError(f"'{folder}' was not made by rnngen; move it away, nothing was overwritten.")
    try:
        fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            for name, content in project.files.items():
                (fresh / name).write_bytes(content)
            (fresh / PROJECT_FILE).write_bytes(json_bytes(project.document(command)))
            fresh.chmod(0o755)
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(fresh, folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        raise DesignError(f"'{folder}' cannot be written: {error.strerror}.") from error


def _is_ours(folder: Path) -> bool:
    try:
        document = json.loads((folder / PROJECT_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and document.get("generator") == GENERATOR


def words(items: Iterable[str]) -> str:
    """Names as a list over lines, as Tcl's braces hold it."""
    return "".join(f"    {item}\n" for item in items)


def clock_lines(parts: Parts) -> list[str]:
    """SDC of the clocks that come in."""
    period = {port: f"{1e9 / hertz:.3f}" for port, hertz in parts.clocks}
    return [f"create_clock -name {port} -period {ns} [get_ports {{{port}}}]" for port, ns in period.items()]


def untimed_lines(parts: Parts) -> list[str]:
    """SDC of the paths from and to pins that have no time."""
    vectors = {pin.port for pin in parts.pins if pin.is_vector}
    lines = []
    for option, ports in (("from", parts.slow_inputs), ("to", parts.slow_outputs)):
        named = " ".join(f"{port}[*]" if port in vectors else port for port in ports)
        lines.append(f"set_false_path -{option} [get_ports {{{named}}}]")
    return lines


def headline(parts: Parts, comment: str = "#") -> str:
    """The first line of a file."""
    return f"{comment} {parts.name} for {parts.board.description}, made by rnngen."


def _reached(texts: Mapping[str, str], top: str) -> dict[str, str]:
    """The files whose modules a top may use, in order: tools need not read models that are for simulation alone."""
    words_of = {name: set(re.findall(r"[A-Za-z_]\w*", text)) for name, text in texts.items()}
    defined = re.compile(r"^\s*module\s+(\w+)", re.MULTILINE)
    modules = {module: name for name, text in texts.items() for module in defined.findall(text)}
    if top not in modules:
        raise DesignError(f"No file of the design has its top, the module '{top}'; generate it again.")
    found, waiting = set(), [modules[top]]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [modules[module] for module in words_of[name] & modules.keys()]
    return {name: text for name, text in texts.items() if name in found}
