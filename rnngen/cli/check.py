"""The command ``rnngen check``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rnngen.cli.text import table
from rnngen.flow.check import DEFAULT_STEPS, FLOAT_LIMIT, CheckOptions, CheckReport, check
from rnngen.flow.proof import DEFAULT_MULTIPLIERS, LARGEST_ERROR, MEAN_ERROR, CircuitCheck, EmulatorCheck
from rnngen.frontend import ImportOptions

SUMMARY = "prove a model: import against framework, emulator against float, circuit against emulator"
EXAMPLE = "rnngen check model.pt2"
WRITES = "nothing"
HOLDS, DIFFERENT, REFUSED = 0, 1, 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's grammar, behind MODEL and the import options."""
    parser.add_argument("--input", metavar="X.npy", type=Path, help="default: uniform random numbers in [-1, 1]")
    parser.add_argument("--steps", metavar="N", type=int, help=f"steps of a sequence (default: {DEFAULT_STEPS})")
    parser.add_argument("--sequences", metavar="N", type=int, default=3, help="random sequences (default: %(default)s)")
    parser.add_argument(
        "--multipliers", metavar="N", type=int, help=f"of the circuit (default: about {DEFAULT_MULTIPLIERS})"
    )
    parser.add_argument("--no-circuit", action="store_true", help="leave the simulation out")


def run(
    arguments: argparse.Namespace, imports: ImportOptions, progress: Callable[[str], None]
) -> tuple[dict[str, Any], list[str], int]:
    """Plain data, lines for people, and the exit status."""
    options = CheckOptions(
        imports=imports,
        x=arguments.input,
        steps=arguments.steps,
        sequences=arguments.sequences,
        multipliers=arguments.multipliers,
        circuit=not arguments.no_circuit,
    )
    result = check(arguments.model, options, progress)
    status = HOLDS if result.holds else REFUSED if result.refused else DIFFERENT
    return result.to_dict(), lines(result), status


def lines(result: CheckReport) -> list[str]:
    """A table: what was compared, what came of it, and whether it holds."""
    if result.refused:
        return table([("model", "result"), (result.source, f"refused: {result.refused}")])
    rows = [("proof", "figures", "verdict")]
    if result.imported is not None:
        figure = f"largest difference {result.imported.difference:.3g} (limit {FLOAT_LIMIT:g})"
        rows.append(("import = float", figure, _verdict(result.imported.holds)))
    if result.emulator is not None:
        rows += _emulator_rows(result.emulator)
    rows += _circuit_rows(result.circuit)
    said = [f"{result.source}: converted, {result.sequences} x {result.steps} steps.", *table(rows)]
    if result.imported is not None:
        said.append(f"Judge of the import: {result.imported.judge}.")
    if result.circuit is not None and result.circuit.sentence:
        said.append(result.circuit.sentence)
    return said


def _verdict(holds: bool) -> str:
    return "holds" if holds else "DIFFERS"


def _emulator_rows(check: EmulatorCheck) -> list[tuple[str, str, str]]:
    rows = []
    for layer in check.layers:
        errors = layer.errors
        figures = f"max {errors.max_abs:.3g}, mean {errors.mean_abs:.3g}, SQNR {errors.sqnr_db:.1f} dB"
        rows.append((f"emulator ~ float: {layer.name}", figures, "reported"))
    if check.choices is not None:
        figures = f"{check.choices.wrong} wrong choices, {check.choices.close} between words that are too close"
        rows[-1] = (rows[-1][0], figures, _verdict(check.holds) if check.judged else "reported")
    elif check.judged:
        bounds = f" (bounds {LARGEST_ERROR * check.scale:.2g}, {MEAN_ERROR * check.scale:.2g})"
        rows[-1] = (rows[-1][0], rows[-1][1] + bounds, _verdict(check.holds))
    return rows


def _circuit_rows(check: CircuitCheck | None) -> list[tuple[str, str, str]]:
    if check is None:
        return [("circuit = emulator", "not simulated", "-")]
    return [
        ("circuit = emulator: bits", f"{check.multipliers} multipliers", _verdict(check.bits)),
        ("circuit = emulator: cycles", f"step interval {check.interval}", _verdict(check.cycles)),
        ("circuit = emulator: bits, with pauses", "", _verdict(check.paused_bits)),
    ]
