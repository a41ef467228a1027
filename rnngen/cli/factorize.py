"""The command ``rnngen factorize``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rnngen.flow.factorize import FactorizeReport, factorize

SUMMARY = "replace a trained LSTM by an F-LSTM of a given rank"
EXAMPLE = "rnngen factorize model.safetensors --rank 32 -o factorised.safetensors"
WRITES = "OUT.safetensors, a state dict"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's grammar."""
    parser.add_argument("model", metavar="MODEL", type=Path, help="state dict (.safetensors, .pt, .pth)")
    parser.add_argument("--rank", metavar="R", type=int, required=True, help="inner size, of every layer of the LSTM")
    parser.add_argument("-o", dest="output", metavar="OUT.safetensors", type=Path, required=True, help="file to write")
    parser.add_argument("--select", metavar="NAME", help="the LSTM inside a larger model")


def run(arguments: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """Plain data, and lines for people."""
    result = factorize(arguments.model, arguments.rank, arguments.output, arguments.select)
    return result.to_dict(), lines(result)


def lines(result: FactorizeReport) -> list[str]:
    """A line a layer, and warnings."""
    said = []
    for name, report in result.layers:
        share = report.macs_after / report.macs_before
        said.append(
            f"{name}: rank {report.rank} of {report.largest_rank}, relative error {report.relative_error:.3g}, "
            f"energy kept {report.energy_kept:.2%}, multiply-accumulates a step {report.macs_before:,} -> "
            f"{report.macs_after:,} ({share:.1%})."
        )
    said += [report.warning for _, report in result.layers if report.warning]
    return [*said, f"Output: {result.output} ({result.dtype})"]
