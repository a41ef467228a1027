"""Visits all states of two small link ends and their lines (link_states.v), with the program of states.cc."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from rnngen.config.link import HeaderShape, LinkShape
from tests.formal.prove import HERE, core_text, tools

TINY = LinkShape(
    word_bits=32, longest=1, replay_words=2, buffer_words=2, window=1, keep_alive=2, patience=1, timeout=12,
    silence=200, give_up=200, fifo_words=4, header=HeaderShape(sequence=1, length=1, index=2, session=2, check=0),
)  # fmt: skip
WATCHES = ("silent", "stuck")
"""Counters that end a session when nothing comes for long.  They stay 0: no end ever gives up."""
CIRCUIT = """
read_verilog line.v
read_verilog -formal link_states.v
read_verilog link_core.v
chparam {settings} link_states
prep -flatten -top link_states
async2sync
chformal -lower
memory_map
setundef -undriven -zero -init
opt -full
techmap
opt -full
dffunmap
opt_clean
aigmap
opt_clean
write_aiger -zinit -B -map states.map states.aig
"""


@dataclass(frozen=True)
class Visited:
    """What was found.

    Attributes:
        states: That can be reached.  cycles: After how many the last of them is reached first.
        rest: From each of them all that was given has been taken after so many cycles without damage, at most.
    """

    states: int
    cycles: int
    rest: int


def visited(
    work: Path, shape: LinkShape, inputs: str, limit: int = 10**8, still: tuple[str, ...] = ()
) -> Visited | str:
    """All states of a link that begins trained, or what is wrong: ``"bad .."``, ``"stuck"``, ``"limit .."``.

    Args:
        inputs: Of link_states.v: ``NAME:BITS``, anything in every cycle, or ``NAME=VALUE``; others are 0.
        limit: Of states.
        still: Other registers that stay 0, of both ends.
    """
    for name in ("line.v", "link_states.v"):
        (work / name).write_text((HERE / name).read_text())
    (work / "link_core.v").write_text(core_text(shape, trained=True))
    settings = f"-set WIDTH {max(16, shape.header.bits)} -set LONGEST {shape.longest}"
    (work / "states.ys").write_text(CIRCUIT.format(settings=settings))
    environment = tools(work)
    subprocess.run(["yosys", "-q", "states.ys"], cwd=work, env=environment, check=True, capture_output=True)
    subprocess.run(["g++", "-O2", "-o", "states", HERE / "states.cc"], cwd=work, check=True)
    found = set(re.findall(r" (\S+)$", (work / "states.map").read_text(), re.MULTILINE))
    zeros = [name for name in found if name.split(".")[-1] in (*WATCHES, *still)]
    assert len(zeros) == 2 * len((*WATCHES, *still)), f"both ends have them: {zeros}"
    command = ["./states", "states.aig", "states.map", str(limit), *inputs.split()]
    done = subprocess.run(
        [*command, *(f"~{name}" for name in zeros)], cwd=work, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    counted = re.fullmatch(r"states (\d+) cycles (\d+) rest (\d+)\n", done.stdout)
    return Visited(*map(int, counted.groups())) if counted else done.stdout.strip()
