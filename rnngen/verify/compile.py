"""Compiles a Verilog design into a simulator once, and finds it again by its content.

The key of a simulator is a digest of its Verilog sources, the versions of the
tools and the options; memory images are read at run time and are no part of it.
A simulator is built in a folder of its own and moved into the cache in one
step, so that builds may run at the same time.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cocotb_tools.config

from rnngen.errors import ToolError
from rnngen.verify.tools import Tools, cache_folder, find_tools

# Amaranth's Verilog is clean with these waived; hand-written leaves need none.
_WAIVED = ("DECLFILENAME", "UNUSEDSIGNAL", "WIDTHEXPAND", "PROCASSINIT", "CASEINCOMPLETE")
# The C++ compiler takes most of a build: loops stay loops, and its headers are read once.  Builds take a third of the
# processor time and less; 128 multipliers simulate as fast as with -O2 and unrolled loops, 1,024 a tenth to a third
# slower.
_QUICK_BUILD = ("--unroll-count", "4", "--output-split", "0")
# Large designs are built with a precompiled header; the package leaves the flag that includes it empty.
_MAKE_VARIABLES = ("CFG_CXXFLAGS_PCH_I=-include",)
_ERROR_LINES = 12
_PLAIN_PATH = re.compile(r"[\w./+@,-]+", re.ASCII)

WAVE_FORMATS = ("vcd", "fst")
"""Of waveforms, the default first: any machine can write a VCD, and an FST is a tenth as large."""

_FST_HEADERS = ("zlib.h", "lz4.h")
_TOP_LEVELS = 2
"""Of the hierarchy, down to the signals of the top."""

THOROUGH, QUICK = "-O1", "-O0"
"""Optimisation by the C++ compiler."""

_QUICK_WORK = 10_000_000
"""Cycles, each counted as 400 and one more for each multiplier, below which the compiler's two seconds and more for
THOROUGH are not won back: without it a cycle takes 40 microseconds longer, and 0.1 more for each multiplier."""


@dataclass(frozen=True)
class CompileOptions:
    """What goes into a simulator beside its sources.

    ``visible``: patterns of the top's signals the bench uses (signals it cannot name stay optimised).
    ``probes``: pattern of the signals that are readable in every module.
    ``waves``: format of waveforms, one of ``WAVE_FORMATS``; "": built without tracing.
    ``traced``: scopes that waveforms show alone, such as ``top.core.stages``; (): the top's own signals.
    ``parameters``: Verilog parameters of the top.
    """

    visible: tuple[str, ...] = ("aclk", "aresetn", "s_ax*", "m_ax*")
    probes: str = "probe_*"
    waves: str = ""
    traced: tuple[str, ...] = ()
    parameters: tuple[tuple[str, int], ...] = ()
    optimisation: str = THOROUGH


@dataclass(frozen=True)
class Simulator:
    """A compiled simulator: its program, and what it took to get it."""

    program: Path
    top: str
    build_seconds: float
    cache_hit: bool


def optimisation_for(cycles: int, multipliers: int) -> str:
    """What a run of so many cycles is worth."""
    return QUICK if cycles * (400 + multipliers) < _QUICK_WORK else THOROUGH


def compile_simulator(top: str, sources: Sequence[Path], options: CompileOptions) -> Simulator:
    """Return the simulator of ``top``, compiling it if the cache has none; a thorough one serves quick runs, too.

    Raises:
        ToolError: a tool or a source is missing, or Verilator or the compiler refuses the design.
    """
    started = time.monotonic()
    tools = find_tools()
    thorough, own = (
        cache_folder() / "simulators" / _digest(top, sources, one, tools)
        for one in (replace(options, optimisation=THOROUGH), options)
    )
    folder = thorough if (thorough / top).is_file() else own
    program = folder / top
    hit = program.is_file()
    if not hit:
        if options.waves == "fst":
            check_fst_headers()
        _build(top, sources, options, tools, folder)
    return Simulator(program, top, time.monotonic() - started, hit)


def check_fst_headers() -> None:
    """Stop where the C++ compiler has not what Verilator's FST writer is built from.

    Raises:
        ToolError: naming the packages.
    """
    source = "".join(f"#include <{header}>\n" for header in _FST_HEADERS)
    command = ["c++", "-fsyntax-only", "-x", "c++", "-"]
    done = subprocess.run(command, input=source, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolError(
            f"FST waveforms need the headers {' and '.join(_FST_HEADERS)}, which are not both here: install them "
            f"(Debian and Ubuntu: apt-get install zlib1g-dev liblz4-dev), or take VCD, which needs nothing."
        )


def _digest(top: str, sources: Sequence[Path], options: CompileOptions, tools: Tools) -> str:
    digest = hashlib.sha256(repr((top, options, tools.versions, cocotb_tools.config.libs_dir)).encode())
    for source in sources:
        try:
            content = source.read_bytes()
        except OSError as error:
            raise ToolError(f"The Verilog source {source} cannot be read: {error.strerror}.") from None
        digest.update(f"\0{source.name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:40]


def _build(top: str, sources: Sequence[Path], options: CompileOptions, tools: Tools, folder: Path) -> None:
    """Build beside ``folder`` and move the result there; whoever comes second drops its copy."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix="build-", dir=folder.parent))
    except OSError as error:
        raise ToolError(
            f"The simulator cache {folder.parent} cannot be written ({error.strerror}): "
            "set RNNGEN_CACHE to another folder."
        ) from None
    try:
        (work / "visible.vlt").write_text(_visibility(top, options), encoding="ascii")
        environment = _environment(tools, work)
        _run(_verilator_command(top, _for_make(sources, work), options, tools), work, environment, "Verilator")
        make = [str(tools.make), f"-j{os.cpu_count() or 1}", "-f", "Vtop.mk", *_MAKE_VARIABLES]
        _run(make, work, environment, "The C++ build")
        finished = work / "finished"
        finished.mkdir()
        shutil.move(work / top, finished / top)
        record = {"top": top, "sources": [source.name for source in sources], "versions": dict(tools.versions)}
        (finished / "simulator.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        try:
            finished.rename(folder)
        except OSError:
            if not (folder / top).is_file():
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _visibility(top: str, options: CompileOptions) -> str:
    """Verilator control file: these signals, and no others, can be reached from Python."""
    lines = ["`verilator_config"]
    lines += [f"lint_off -rule {rule}" for rule in _WAIVED]
    lines += [f'public_flat_rw -module "{top}" -var "{pattern}"' for pattern in options.visible]
    lines.append(f'public_flat_rd -module "*" -var "{options.probes}"')
    if options.traced:
        lines += ['tracing_off -scope "*"', *(f'tracing_on -scope "{scope}*"' for scope in options.traced)]
    return "\n".join(lines) + "\n"


def _verilator_command(top: str, sources: Sequence[Path], options: CompileOptions, tools: Tools) -> list[str]:
    libraries = cocotb_tools.config.libs_dir
    main = cocotb_tools.config.share_dir / "lib" / "verilator" / "verilator.cpp"
    return [
        *(str(tools.verilator), "--cc", "--exe", "--vpi", "-Mdir", ".", "--prefix", "Vtop", "-o", top),
        *("--top-module", top, "--timescale", "1ns/1ps", "-Wno-fatal"),
        *_QUICK_BUILD,
        *("-CFLAGS", options.optimisation),
        *("-LDFLAGS", f"-Wl,-rpath,{libraries} -L{libraries} -lcocotbvpi_verilator"),
        *_tracing(options),
        *(f"-G{name}={value}" for name, value in options.parameters),
        *("visible.vlt", str(main)),
        *(str(source) for source in sources),
    ]


def _for_make(sources: Sequence[Path], work: Path) -> list[Path]:
    """The sources by paths that make can read: where one has a space, a link to it in the work folder."""
    found = []
    for index, source in enumerate(sources):
        path = source.resolve()
        if not _PLAIN_PATH.fullmatch(str(path)):
            link = Path(f"source_{index}{path.suffix}")
            (work / link).symlink_to(path)
            path = link
        found.append(path)
    return found


def _tracing(options: CompileOptions) -> tuple[str, ...]:
    """What of the hierarchy a waveform shows is written into the control file where scopes are named."""
    if not options.waves:
        return ()
    depth = () if options.traced else ("--trace-depth", str(_TOP_LEVELS))
    return (f"--trace-{options.waves}", *depth)


def _environment(tools: Tools, work: Path) -> dict[str, str]:
    environment = dict(os.environ)
    environment.pop("VERILATOR_ROOT", None)
    environment.pop("MAKELEVEL", None)
    environment["PATH"] = os.pathsep.join(
        [str(tools.verilator.parent), str(Path(sys.executable).parent), environment.get("PATH", "")]
    )
    if tools.ccache is not None:
        environment["OBJCACHE"] = str(tools.ccache)
        environment.setdefault("CCACHE_DIR", str(cache_folder() / "ccache"))
        environment["CCACHE_BASEDIR"] = str(work)
        environment["CCACHE_NOHASHDIR"] = "1"
        environment["CCACHE_SLOPPINESS"] = "pch_defines,time_macros,include_file_mtime,include_file_ctime"
    return environment


def _run(command: list[str], work: Path, environment: dict[str, str], what: str) -> None:
    done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        output = (done.stdout + done.stderr).splitlines()
        errors = [line for line in output if "rror" in line] or output
        raise ToolError(f"{what} failed (exit status {done.returncode}): " + "\n".join(errors[:_ERROR_LINES]))
