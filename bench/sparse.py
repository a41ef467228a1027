"""Bank-balanced layers beside dense ones of as many multipliers: ``python -m bench.sparse``.

Each row prunes a layer by magnitude, plans the sparse engine and the best dense one within the same multipliers, and
simulates the sparse one; its interval is measured between output handshakes, and every output is compared in value and
cycle.  Utilisation counts products of non-zeros only.

``--route`` places and routes the LSTM of silero-vad (128/128, 8-bit weights) on the LFE5U-85F, dense and pruned to
87.5 %, each with 64 multipliers.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from bench.cycle_law import Case, layer_of
from bench.table import print_table
from examples import silero_features
from rnngen.build.synthesize import synthesize
from rnngen.emit.design import write_design
from rnngen.flow import simulate
from rnngen.frontend import load
from rnngen.ir.network import Network
from rnngen.ir.quantised import QuantisedNetwork
from rnngen.passes.banked import with_masks
from rnngen.passes.prune_layers import PruneOptions, prune_network
from rnngen.passes.quantise import quantise
from rnngen.plan.dsp import DSPS
from rnngen.plan.memory import engine_memory_bits
from rnngen.plan.network import NetworkPlan
from rnngen.plan.search import Budget, plan_for_budget
from rnngen.plan.shapes import block_shapes
from rnngen.plan.timing import PIPELINES


@dataclass(frozen=True)
class Row:
    """A layer (inputs, units), its banks, non-zeros of a bank of W_ih and W_hh, rows that share places, multipliers."""

    kind: str
    size: tuple[int, int]
    banks: int
    kept: tuple[int, int]
    shared: int
    multipliers: int


ROWS = (
    Row("lstm", (153, 1024), 64, (1, 2), 1, 4096),
    Row("lstm", (153, 1024), 64, (1, 2), 8, 4096),
    Row("lstm", (153, 1024), 64, (1, 1), 1, 4096),
    Row("lstm", (153, 1024), 64, (1, 1), 1, 1024),
    Row("lstm", (153, 1024), 16, (1, 8), 1, 1024),
    Row("lstm", (1024, 1024), 64, (2, 2), 1, 4096),
    Row("lstm", (128, 128), 16, (1, 1), 1, 64),
    Row("lstm", (128, 128), 16, (2, 2), 4, 64),
    Row("lstm", (128, 128), 8, (2, 2), 1, 64),
    Row("gru", (128, 128), 16, (1, 1), 2, 48),
)


ROUTED_MULTIPLIERS, ROUTED_CLOCK_HZ = 64, 125_000_000


def sparse_network(row: Row) -> tuple[Network, QuantisedNetwork]:
    """A layer of random weights, pruned, and its integers with the masks."""
    network = Network("net", (layer_of(Case(row.kind, *row.size, 0)),))
    zeros_x, zeros_h = (1 - Fraction(kept * row.banks, size) for kept, size in zip(row.kept, row.size))
    network, pruned = prune_network(network, PruneOptions(row.banks, zeros_x, zeros_h, row.shared))
    return network, with_masks(quantise(network, 8, 16), pruned)


def measured(network: Network, quantised: QuantisedNetwork, plan: NetworkPlan, inputs: int) -> dict[str, Any]:
    """Figures of a simulation."""
    x = np.random.default_rng(0).uniform(-1.0, 1.0, (1, 6, inputs))
    with tempfile.TemporaryDirectory() as folder:
        design = write_design(Path(folder) / "d", network, quantised, plan, top="net", clock_hz=10**8, board=None)
        started = time.monotonic()
        result = simulate(design, x)
    return {
        "measured_interval": result.figures["step_interval_cycles"],
        "measured_utilisation": result.figures["multiplier_utilisation"],
        "cycle_exact": result.comparison.cycle_exact,
        "simulation_s": round(time.monotonic() - started, 1),
    }


def figures_of(row: Row, simulates: bool) -> dict[str, Any]:
    """A row as figures."""
    started = time.monotonic()
    network, quantised = sparse_network(row)
    pipeline = PIPELINES["balanced"]
    plan = plan_for_budget(block_shapes(quantised), Budget(row.multipliers), pipeline)
    (layer,), (engine,) = quantised.layers, plan.engines
    whole = replace(quantised, layers=(replace(layer, mask_x=None, mask_h=None),))
    dense = plan_for_budget(block_shapes(whole), Budget(row.multipliers), pipeline)
    bits, dense_bits = engine_memory_bits(layer, engine), engine_memory_bits(whole.layers[0], dense.engines[0])
    products, elements = layer.macs, whole.layers[0].macs
    return {
        "layer": f"{row.kind} {row.size[0]}/{row.size[1]}",
        "zeros": round(1 - products / elements, 4),
        "rows_x_banks": f"{engine.gates_at_once * engine.rows} x {engine.columns}",
        "kept": f"{row.kept[0]}, {row.kept[1]}",
        "shared_rows": row.shared,
        "interval": plan.interval,
        "bound": -(-products // plan.multipliers),
        "utilisation": round(plan.utilisation, 4),
        "dense_interval": dense.interval,
        "fewer": round(dense.interval / plan.interval, 2),
        "weight_bits": bits["weights"],
        "index_bits": bits["indices"],
        "dense_weight_bits": dense_bits["weights"],
        "planned_s": round(time.monotonic() - started, 1),
        **(measured(network, quantised, plan, row.size[0]) if simulates else {}),
    }


def routed(name: str, network: Network, quantised: QuantisedNetwork, folder: Path) -> dict[str, Any]:
    """Figures of place and route, of the first seed."""
    plan = plan_for_budget(block_shapes(quantised), Budget(ROUTED_MULTIPLIERS), PIPELINES["balanced"])
    design = write_design(
        folder, network, quantised, plan, top="net", clock_hz=ROUTED_CLOCK_HZ, board="ulx3s-85f", dsp=DSPS["ecp5"]
    )
    result = synthesize(design.folder, lambda line: print(f"  {line}", file=sys.stderr, flush=True), seeds=(1,))
    worst = result.critical_path
    return {
        "layer": name,
        "multipliers": plan.multipliers,
        "interval": plan.interval,
        "fmax_mhz": round(result.fmax_hz / 1e6, 1),
        "step_us": round(plan.interval / result.fmax_hz * 1e6, 2),
        "luts": result.luts,
        "ffs": result.ffs,
        "dsps": result.dsps,
        "block_rams": result.block_rams,
        "critical_ns": f"{worst.logic_ns:.1f} logic + {worst.routing_ns:.1f} routing" if worst else "",
        "seconds": result.seconds,
    }


def routed_rows(folder: Path) -> Iterator[dict[str, Any]]:
    """Dense, pruned, and pruned with places that four rows share."""
    network = load(silero_features.model_file())
    yield routed("dense", network, quantise(network, 8, 16), folder / "dense")
    for shared in (1, 4):
        pruned, masks = prune_network(network, PruneOptions(16, Fraction(7, 8), shared_rows=shared))
        quantised = with_masks(quantise(pruned, 8, 16), masks)
        yield routed(f"87.5 % zeros, {shared} rows a set", pruned, quantised, folder / f"sparse{shared}")


def route() -> int:
    """Prints the table of place and route, then JSON."""
    with tempfile.TemporaryDirectory() as folder:
        rows = list(routed_rows(Path(folder)))
    print_table(rows)
    print(json.dumps({"routed": rows}))
    return 0


def main() -> int:
    """Prints the table, then everything as JSON."""
    parser = argparse.ArgumentParser(prog="bench.sparse")
    parser.add_argument("--plan-only", action="store_true", help="nothing is simulated")
    parser.add_argument("--route", action="store_true", help="place and route instead: a quarter of an hour")
    options = parser.parse_args()
    if options.route:
        return route()
    made = []
    for row in ROWS:
        print(f"{row.kind} {row.size[0]}/{row.size[1]}, {row.banks} banks, {row.multipliers} multipliers", flush=True)
        made.append(figures_of(row, not options.plan_only))
    columns = list(dict.fromkeys(key for figures in made for key in figures))
    print_table([{key: figures.get(key, "") for key in columns} for figures in made])
    print(json.dumps({"sparse": made}))
    exact = all(figures.get("cycle_exact", True) for figures in made)
    return 0 if exact else 1


if __name__ == "__main__":
    sys.exit(main())
