"""What hls4ml 1.3.0 does on the benchmark's networks: error against PyTorch, steps a second, seconds to build.

Its C simulation (``compile()``) needs only g++.  Runs in an environment of its own
(``bench/requirements-hls4ml.txt``); imports nothing of rnngen.  Networks and inputs by a shared
seed: ``torch.manual_seed(s); nn.LSTM(I, H, batch_first=True)``, ``numpy.random.default_rng(s)`` uniform in [-1, 1].

Each (network, precision) runs in a process of its own under a time limit; what fails is
reported under its name and reason, never left out.

    python bench/hls4ml_baseline.py [--networks 6x20,16x128] [--limit 600] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

DEFAULT_NETWORKS = "6x20,16x128,64x256,64x1024"
SEQUENCES = {20: 200, 128: 50, 256: 10, 1024: 2}
"""Sequences by hidden size: large networks take seconds a step in the C simulation."""


@dataclass(frozen=True)
class Precision:
    """One hls4ml configuration.

    Attributes:
        default: Type of everything not named.
        types: Types of the LSTM layer by hls4ml's names; empty keeps the default.
        table_size: Entries of the activation tables (hls4ml's default: 1024).
    """

    default: str
    types: dict[str, str]
    table_size: int = 1024


def _tuned(weight: str) -> Precision:
    """16-bit states below 4, rounded; weights below 1/2 at full use of their width; 16 times the table.

    hls4ml 1.3.0 compiles an LSTM only when input, result and accumulator have one type.
    """
    state = "ap_fixed<16,3,AP_RND,AP_SAT>"
    return Precision(
        default=state,
        types={
            "result": state,
            "accum": state,
            "weight": weight,
            "recurrent_weight": weight,
            "bias": "ap_fixed<16,0,AP_RND,AP_SAT>",
            "recurrent_bias": "ap_fixed<16,0,AP_RND,AP_SAT>",
            "table": "ap_fixed<18,2,AP_RND,AP_SAT>",
        },
        table_size=16384,
    )


PRECISIONS = {
    "default": Precision(default="ap_fixed<16,6>", types={}),
    "tuned16": _tuned("ap_fixed<16,0,AP_RND,AP_SAT>"),
    "tuned8": _tuned("ap_fixed<8,0,AP_RND,AP_SAT>"),
}


def _return_whole_sequences() -> None:
    """Let hls4ml's PyTorch front end return every step, as its LSTM layer can; it offers the last one only."""
    from hls4ml.converters.pytorch_to_hls import layer_handlers

    parse = layer_handlers["LSTM"]

    def parse_sequence(*arguments: Any) -> tuple[dict[str, Any], list[Any]]:
        layer, shape = parse(*arguments)
        layer["return_sequences"] = True
        return layer, [shape[0], layer["n_timesteps"], layer["n_out"]]

    layer_handlers["LSTM"] = parse_sequence


def measure(inputs: int, hidden: int, precision: Precision, io_type: str, steps: int, seed: int) -> dict[str, Any]:
    """Convert, build and run one network; errors are over every step of every sequence."""
    import hls4ml
    import numpy as np
    import torch

    class Whole(torch.nn.Module):
        """The LSTM without its final state."""

        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(seed)
            self.lstm = torch.nn.LSTM(inputs, hidden, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            output: torch.Tensor = self.lstm(x)[0]
            return output

    sequences = SEQUENCES.get(hidden, 10)
    model = Whole().eval()
    x = np.random.default_rng(seed).uniform(-1, 1, (sequences, steps, inputs))
    with torch.no_grad():
        expected = model.double()(torch.from_numpy(x)).numpy()
    model = model.float()

    _return_whole_sequences()
    config = hls4ml.utils.config_from_pytorch_model(
        model,
        (steps, inputs),
        granularity="name",
        backend="Vivado",
        default_precision=precision.default,
        channels_last_conversion="off",
    )
    layer = config["LayerName"]["lstm"]
    if precision.types:
        layer["Precision"] = dict(precision.types)
        config["Model"]["Precision"] = {"default": precision.default}
        config["LayerName"]["x"]["Precision"] = {"result": precision.default}
        layer["TableSize"] = precision.table_size
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        converted = hls4ml.converters.convert_from_pytorch_model(
            model, hls_config=config, output_dir=folder, backend="Vivado", io_type=io_type, project_name="lstm"
        )
        converted.compile()
        build = time.perf_counter() - start
        x32 = np.ascontiguousarray(x, dtype=np.float32)
        converted.predict(x32[:1])  # fills the activation tables
        start = time.perf_counter()
        got = np.asarray(converted.predict(x32)).reshape(expected.shape)
        seconds = time.perf_counter() - start
    error = np.abs(got - expected)
    return {
        "max_abs_error": float(error.max()),
        "mean_abs_error": float(error.mean()),
        "build_seconds": round(build, 2),
        "steps_per_second": round(sequences * steps / seconds, 1),
        "sequences": sequences,
    }


@dataclass(frozen=True)
class Job:
    """One row of the table."""

    network: str
    precision: str
    io_type: str
    steps: int
    seed: int


def run_job(job: Job) -> None:
    """Measure in this process; the result is the last line of standard output."""
    inputs, hidden = (int(part) for part in job.network.split("x"))
    result = measure(inputs, hidden, PRECISIONS[job.precision], job.io_type, job.steps, job.seed)
    print("\n" + json.dumps(result), flush=True)


def run_limited(job: Job, limit: float) -> dict[str, Any]:
    """Measure in a process of its own, its compiler included in the time limit."""
    row: dict[str, Any] = asdict(job)
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).resolve()), "--job", json.dumps(row)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return row | {"failed": f"not done in {limit:g} s"}
    lines = [line for line in output.splitlines() if line.strip()] or [""]
    if process.returncode < 0:
        return row | {"failed": f"ended by {signal.Signals(-process.returncode).name}"}
    if process.returncode != 0:
        return row | {"failed": f"exit {process.returncode}: {lines[-1].strip()}"}
    measured: dict[str, Any] = json.loads(lines[-1])
    return row | measured


def table(rows: list[dict[str, Any]]) -> str:
    """The rows for reading."""
    head = f"{'network':>10} {'precision':>9} {'max error':>10} {'mean error':>10} {'steps/s':>9} {'build s':>8}"
    lines = [head]
    for row in rows:
        start = f"{row['network']:>10} {row['precision']:>9} "
        if "failed" in row:
            lines.append(start + row["failed"])
            continue
        errors = f"{row['max_abs_error']:>10.2e} {row['mean_abs_error']:>10.2e} "
        lines.append(start + errors + f"{row['steps_per_second']:>9.0f} {row['build_seconds']:>8.1f}")
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    """Parsed command line."""
    parser = argparse.ArgumentParser(description="hls4ml's C simulation on the benchmark's networks.")
    parser.add_argument("--networks", default=DEFAULT_NETWORKS, help="INPUTSxHIDDEN, separated by commas")
    parser.add_argument("--precisions", default=",".join(PRECISIONS), help=f"of {', '.join(PRECISIONS)}")
    parser.add_argument("--io-type", default="io_parallel", choices=("io_parallel", "io_stream"))
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=600.0, help="seconds a row")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    """Run every row; the table goes to standard error, JSON to standard output."""
    options = arguments()
    if options.job:
        run_job(Job(**json.loads(options.job)))
        return 0
    # The C simulation keeps a layer's products on the stack: 64x1024 overflows the usual 8 MiB.
    hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
    resource.setrlimit(resource.RLIMIT_STACK, (hard, hard))
    rows = []
    for network in options.networks.split(","):
        for precision in options.precisions.split(","):
            job = Job(network, precision, options.io_type, options.steps, options.seed)
            print(f"hls4ml: {network} {precision} ...", file=sys.stderr, flush=True)
            rows.append(run_limited(job, options.limit))
    text = json.dumps({"tool": "hls4ml", "version": "1.3.0", "rows": rows}, indent=2)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")
    print(text)
    print(table(rows), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
