"""Accuracy, emulator speed, generation cost and simulation of rnngen, as JSON and a table: ``python -m bench``.

The networks and inputs are those of ``hls4ml_baseline.py``, which ``--hls4ml-python`` runs after.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.table import print_table
from rnngen.emulate.network import run_values
from rnngen.flow import GenerateOptions, generate, simulate
from rnngen.frontend import load, run_reference
from rnngen.passes.quantise import quantise

NETWORKS = ((6, 20, 1000), (16, 128, 100), (64, 256, 100), (64, 1024, 100))
"""I, H and sequences of the emulator's run."""
STEPS = 20
ACCURACY_SEQUENCES = 8
REPEATS = 5


def network_of(inputs: int, hidden: int, seed: int) -> torch.nn.LSTM:
    """PyTorch's default initial weights."""
    torch.manual_seed(seed)
    return torch.nn.LSTM(inputs, hidden, batch_first=True)


def accuracy_and_speed(inputs: int, hidden: int, sequences: int, bits: int) -> dict[str, Any]:
    """Errors over 8 sequences; steps a second over many, the median of five runs."""
    network = load(network_of(inputs, hidden, 0))
    x = np.random.default_rng(0).uniform(-1, 1, (sequences, STEPS, inputs))
    quantised = quantise(network, bits, 16)
    few = x[:ACCURACY_SEQUENCES]
    values = quantised.output_format.to_float(run_values(quantised, few).output)
    error = np.abs(values - run_reference(network, few).output)
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        run_values(quantised, x)
        seconds.append(time.perf_counter() - started)
    return {
        "network": f"LSTM({inputs},{hidden})",
        "weight_bits": bits,
        "max_abs_error": float(error.max()),
        "mean_abs_error": float(error.mean()),
        "steps_per_second": round(sequences * STEPS / float(np.median(seconds))),
    }


def generation(inputs: int, hidden: int, multipliers: int) -> dict[str, Any]:
    """Seconds, memory and Verilog size of a design."""
    model = network_of(inputs, hidden, 0)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        design = generate(model, Path(folder) / "design", GenerateOptions(multipliers=multipliers))
        seconds = time.perf_counter() - started
        size = (design.folder / "rtl" / f"{design.top}.v").stat().st_size
    return {
        "network": f"LSTM({inputs},{hidden})",
        "multipliers": design.document["multipliers"],
        "step_interval_cycles": design.document["step_interval_cycles"],
        "generate_seconds": round(seconds, 2),
        "top_verilog_bytes": size,
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def simulation(inputs: int, hidden: int, multipliers: int, steps: int) -> list[dict[str, Any]]:
    """Two checkpoints of one shape: the second one's simulator comes from the cache."""
    rows = []
    for checkpoint in range(2):
        x = np.random.default_rng(checkpoint).uniform(-1, 1, (1, steps, inputs))
        options = GenerateOptions(multipliers=multipliers, name="core")
        with tempfile.TemporaryDirectory() as folder:
            design = generate(network_of(inputs, hidden, checkpoint), Path(folder) / "design", options)
            figures = simulate(design, x).figures
        rows.append(
            {
                "network": f"LSTM({inputs},{hidden})",
                "checkpoint": checkpoint + 1,
                "multipliers": design.document["multipliers"],
                "cycle_exact": figures["cycle_exact"],
                "step_interval_cycles": figures["step_interval_cycles"],
                "bound_cycles": design.document["bound_cycles"],
                "utilisation": figures["multiplier_utilisation"],
                "simulator_reused": figures["build_from_cache"],
                "build_seconds": figures["build_seconds"],
                "simulate_seconds": figures["simulate_seconds"],
                "cycles_per_second": figures["cycles_per_second"],
            }
        )
    return rows


def hls4ml(python: Path) -> list[dict[str, Any]]:
    """The same networks in hls4ml's C simulation, from its own interpreter."""
    script = Path(__file__).with_name("hls4ml_baseline.py")
    run = subprocess.run([str(python), str(script)], stdout=subprocess.PIPE, text=True, check=True)
    rows: list[dict[str, Any]] = json.loads(run.stdout)["rows"]
    return rows


def beside(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """rnngen's emulator and hls4ml's C simulation, tuned to as many bits, on the same networks."""
    mine = {(row["network"], row["weight_bits"]): row for row in ours}
    rows = []
    for row in theirs:
        bits = {"tuned16": 16, "tuned8": 8}.get(row["precision"])
        own = mine.get((f"LSTM({row['network'].replace('x', ',')})", bits))
        if own is None:
            continue
        other = {key: row.get(key, "failed") for key in ("max_abs_error", "mean_abs_error", "steps_per_second")}
        rows.append(
            {
                "network": own["network"],
                "bits": bits,
                **{f"{key} rnngen": own[key] for key in other},
                **{f"{key} hls4ml": value for key, value in other.items()},
                "build_seconds hls4ml": row.get("build_seconds", row.get("failed")),
            }
        )
    return rows


def main() -> int:
    """Prints the tables, then everything as JSON."""
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("--hls4ml-python", type=Path, help="interpreter of the venv that has hls4ml")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    options = parser.parse_args()
    torch.set_num_threads(1)
    emulator = [accuracy_and_speed(*network, bits) for network in NETWORKS for bits in (16, 8)]
    print_table(emulator)
    generated = [generation(16, 128, 256), generation(1024, 1024, 1024), generation(1024, 1024, 4096)]
    print_table(generated)
    with tempfile.TemporaryDirectory() as cache:  # an empty one, so that the first build is a build
        os.environ["RNNGEN_CACHE"] = cache
        simulated = simulation(64, 256, 256, 8) + simulation(1024, 1024, 4096, 3)
    print_table(simulated)
    figures = {"emulator": emulator, "generation": generated, "simulation": simulated}
    if options.hls4ml_python:
        figures["hls4ml"] = hls4ml(options.hls4ml_python)
        print_table(beside(emulator, figures["hls4ml"]))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
