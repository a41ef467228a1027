"""The command ``rnngen prune``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rnngen.cli.text import table
from rnngen.errors import ModelError, PlanError
from rnngen.flow.prune import PrunedLayer, PruneReport, fit, prune
from rnngen.passes.prune_layers import FitOptions, PruneOptions

SUMMARY = "prune a trained network to banks of equal numbers of non-zeros, or recognise them"
EXAMPLE = "rnngen prune model.safetensors -o sparse.safetensors --sparsity 87.5% --banks 16"
WRITES = "OUT.safetensors, a state dict with exact zeros; with --fit nothing"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's grammar."""
    parser.add_argument("model", metavar="MODEL", type=Path, help="state dict (.safetensors, .pt, .pth)")
    parser.add_argument("-o", dest="output", metavar="OUT.safetensors", type=Path, help="file to write")
    parser.add_argument(
        "--sparsity", metavar="S", help="share of zeros, such as 0.875, 7/8 or 87.5%%, in W_ih and all others"
    )
    parser.add_argument("--sparsity-recurrent", metavar="S", help="that in W_hh, if it is another one")
    parser.add_argument("--banks", metavar="B", type=int, help="banks of a row: multipliers of a row unit")
    parser.add_argument(
        "--share-rows", metavar="N", type=int, default=1,
        help="neighbouring rows that keep the same columns (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--dense", metavar="LAYER", nargs="+", action="extend", default=[],
        help="modules, layers or parameters that are left as they are, such as lstm.l0 or lstm.weight_ih_l0",
    )  # fmt: skip
    parser.add_argument(
        "--linear", metavar="NAME", nargs="+", action="extend", default=[], help="Linear layers to prune, too"
    )
    parser.add_argument("--select", metavar="NAME", help="one recurrent layer of a larger model (default: all)")
    parser.add_argument(
        "--fit", action="store_true", help="the model is sparse already: say which banks it has (write nothing)"
    )
    parser.add_argument("--pad", action="store_true", help="with --fit: add zeros where banks hold unequal numbers")
    parser.add_argument(
        "--weight-bits", metavar="N", type=int, default=8, help="of values, for the sizes shown (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """Plain data, and lines for people."""
    result = _fit(arguments) if arguments.fit else _prune(arguments)
    return result.to_dict(), lines(result)


def _prune(arguments: argparse.Namespace) -> PruneReport:
    required = {"-o": arguments.output, "--sparsity": arguments.sparsity, "--banks": arguments.banks}
    for option, value in required.items():
        if value is None:
            raise ModelError(f"Pruning needs {option}; give it, or --fit for a model that is sparse already.")
    if arguments.pad:
        raise ModelError("--pad is for --fit, where banks hold unequal numbers of non-zeros; leave it out.")
    options = PruneOptions(
        banks=arguments.banks,
        sparsity=arguments.sparsity,
        sparsity_recurrent=arguments.sparsity_recurrent,
        shared_rows=arguments.share_rows,
        dense=tuple(arguments.dense),
        linear=tuple(arguments.linear),
    )
    return prune(arguments.model, arguments.output, options, arguments.select, arguments.weight_bits)


def fit_options(arguments: argparse.Namespace) -> FitOptions:
    """How a sparse model's zeros lie in banks."""
    return FitOptions(
        banks=arguments.banks,
        shared_rows=arguments.share_rows,
        pad=arguments.pad,
        dense=tuple(arguments.dense),
        linear=tuple(arguments.linear),
    )


def given_banks(arguments: argparse.Namespace) -> FitOptions | None:
    """The same of a command whose ``--banks`` says that the model is sparse; None where it is not given."""
    options = fit_options(arguments)
    if arguments.banks is None and options != FitOptions():
        raise PlanError("--pad, --share-rows, --linear and --dense say how zeros lie in banks: give --banks with them.")
    return None if arguments.banks is None else options


def _fit(arguments: argparse.Namespace) -> PruneReport:
    unused = {
        "-o": arguments.output,
        "--sparsity": arguments.sparsity,
        "--sparsity-recurrent": arguments.sparsity_recurrent,
    }
    for option, value in unused.items():
        if value is not None:
            raise ModelError(f"{option} is for pruning, but --fit only says which banks there are; leave one out.")
    return fit(arguments.model, fit_options(arguments), arguments.select, arguments.weight_bits)


def _kept(layer: PrunedLayer) -> str:
    return ", ".join(f"{name} {'dense' if kept is None else kept}" for name, kept in layer.kept.items())


def _row(layer: PrunedLayer, kept: str, index_bits: str) -> list[str]:
    return [
        layer.name,
        kept,
        f"{layer.nonzeros:,} of {layer.weights:,} ({layer.nonzeros / layer.weights:.2%})",
        f"{layer.energy_kept:.2%}",
        index_bits,
        f"{layer.memory_bits:,} of {layer.dense_memory_bits:,} ({layer.memory_bits / layer.dense_memory_bits:.2%})",
    ]


def lines(result: PruneReport) -> list[str]:
    """A table of a line a layer, and notes."""
    rows = [["layer", "non-zeros a bank", "non-zeros", "energy kept", "index bits", "memory bits"]]
    for layer in result.layers:
        bits = ", ".join(str(bits) for bits in layer.index_bits.values())
        rows.append(_row(layer, _kept(layer), bits))
    if len(result.layers) > 1:
        rows.append(_row(result.whole, "", ""))
    shared = f", {result.shared_rows} rows with one index set" if result.shared_rows > 1 else ""
    banks = f"{result.banks} bank{'s' * (result.banks != 1)}"
    said = [f"{banks}{shared}; memory: values of {result.weight_bits} bits and indices.", *table(rows)]
    written = [] if result.output is None else [f"Output: {result.output}"]
    return [*said, *result.notes, *written]
