"""Weights in external memory, planned and simulated: ``python -m bench.external``.

The interval is the larger one of the port's beats of a step and of what the circuit takes without waiting for weights.
It is measured between output handshakes, in a memory of exactly the stated latency; every output's cycle is compared.
At batch 1 every weight of a step is read once, so the port binds wherever it brings fewer bits a cycle than the
multipliers use.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.cycle_law import Case, layer_of
from bench.table import print_table
from rnngen.emit.design import write_design
from rnngen.flow import simulate
from rnngen.ir.network import Network
from rnngen.passes.quantise import quantise
from rnngen.plan.external import MemoryPort
from rnngen.plan.search import Budget, plan_for_budget
from rnngen.plan.shapes import block_shapes


@dataclass(frozen=True)
class Row:
    """A layer (inputs, units), its multipliers, and the port to its weights of 8 bits."""

    kind: str
    size: tuple[int, int]
    multipliers: int
    port: MemoryPort
    steps: int = 6


ROWS = (
    Row("lstm", (256, 256), 32, MemoryPort(512, 40, 16)),
    Row("lstm", (256, 256), 64, MemoryPort(512, 40, 16)),
    Row("lstm", (256, 256), 256, MemoryPort(512, 40, 16)),
    Row("lstm", (256, 256), 256, MemoryPort(128, 40, 16), steps=3),
    Row("gru", (128, 128), 96, MemoryPort(512, 100, 8)),
    Row("lstm", (20, 20), 80, MemoryPort(64, 200, 16), steps=12),
)


def figures_of(row: Row) -> dict[str, Any]:
    """A row as figures."""
    network = Network("net", (layer_of(Case(row.kind, *row.size, 0)),))
    quantised = quantise(network, 8, 16)
    started = time.monotonic()
    plan = plan_for_budget(block_shapes(quantised), Budget(row.multipliers))
    plan = plan.with_memory(row.port, [layer.formats.product.weight_width for layer in quantised.layers])
    x = np.random.default_rng(0).uniform(-1.0, 1.0, (1, row.steps, row.size[0]))
    with tempfile.TemporaryDirectory() as folder:
        design = write_design(Path(folder) / "d", network, quantised, plan, top="net", clock_hz=10**8, board=None)
        generated = time.monotonic() - started
        exact = simulate(design, x)
        stalled = simulate(design, x[:, :2], stall=0.3)
    external = design.document["external_weights"]
    return {
        "layer": f"{row.kind} {row.size[0]}/{row.size[1]}",
        "multipliers": plan.multipliers,
        "port_bits": row.port.data_bits,
        "latency": row.port.latency,
        "memory_cycles": plan.memory_cycles,
        "multiplier_cycles": plan.unheld_interval,
        "binds": external["binds"],
        "interval": plan.interval,
        "measured_interval": exact.figures["step_interval_cycles"],
        "cycle_exact": exact.comparison.cycle_exact,
        "bit_exact_stalled": stalled.comparison.bit_exact,
        "buffer_bits": sum(engine["buffer_bits"] for engine in external["engines"]),
        "generate_seconds": round(generated, 1),
        "build_seconds": exact.figures["build_seconds"],
    }


def main() -> int:
    """Prints the table, then everything as JSON; 1 if a circuit is not as planned."""
    parser = argparse.ArgumentParser(prog="bench.external")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    options = parser.parse_args()
    made = []
    for row in ROWS:
        print(f"external: {row.kind} {row.size}, {row.multipliers} multipliers", file=sys.stderr, flush=True)
        made.append(figures_of(row))
    print_table(made)
    if options.json:
        options.json.write_text(json.dumps(made, indent=2) + "\n")
    print(json.dumps({"external": made}))
    sound = (f["cycle_exact"] and f["bit_exact_stalled"] and f["measured_interval"] == f["interval"] for f in made)
    return 0 if all(sound) else 1


if __name__ == "__main__":
    sys.exit(main())
