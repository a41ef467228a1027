"""Runs the whole grid and writes CONFORMANCE.md: ``python -m bench.conformance`` (``make conformance``)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import torch

from bench.conformance.cover import Choice
from bench.conformance.grid import refused_rows, rows
from bench.conformance.page import page
from bench.conformance.suite import Outcome, run

DEFAULT_PAGE = Path(__file__).parents[2] / "CONFORMANCE.md"


def run_all(choices: Sequence[Choice], circuit: bool, jobs: int) -> Iterator[Outcome]:
    """Outcomes in the order of the choices."""
    if jobs == 1:
        yield from (run(choice, circuit) for choice in choices)
        return
    with ProcessPoolExecutor(jobs, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        yield from pool.map(run, choices, [circuit] * len(choices))


def line(title: str, outcome: Outcome) -> str:
    """One row for the terminal."""
    if outcome.refused:
        return f"refused    {title}: {outcome.refused}"
    assert outcome.emulator is not None
    errors = outcome.emulator.output
    said = f"import {outcome.difference:.1e}, emulator {errors.max_abs:.1e} / {errors.mean_abs:.1e}"
    if outcome.circuit is not None:
        circuit = outcome.circuit
        said += f", bits {circuit.bits}, cycles {circuit.cycles}, bits with pauses {circuit.paused_bits}"
    return f"{'holds     ' if outcome.holds else 'DIFFERS   '} {title}: {said}"


def main() -> int:
    """Prints a line a row and writes the page; 1 if a row differs, or is refused or converted against the grid."""
    parser = argparse.ArgumentParser(prog="bench.conformance")
    parser.add_argument("--no-circuit", action="store_true", help="leave the simulations out; writes no page")
    parser.add_argument("--rows", metavar="TEXT", help="only rows whose title holds this text; writes no page")
    parser.add_argument("--jobs", type=int, default=2, help="rows at the same time (default: %(default)s)")
    parser.add_argument("-o", dest="output", type=Path, default=DEFAULT_PAGE, help="default: CONFORMANCE.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    converted = rows()
    chosen = {t: c for t, c in (converted | refused_rows()).items() if not options.rows or options.rows in t}
    outcomes: dict[str, Outcome] = {}
    for title, outcome in zip(chosen, run_all(list(chosen.values()), not options.no_circuit, options.jobs)):
        outcomes[title] = outcome
        print(line(title, outcome), flush=True)
    wrong = [t for t, o in outcomes.items() if not o.holds or bool(o.refused) == (t in converted)]
    print(f"{len(outcomes)} rows, {sum(bool(o.refused) for o in outcomes.values())} refused, {len(wrong)} wrong.")
    if not options.rows and not options.no_circuit:
        options.output.write_text(page(outcomes), encoding="utf-8")
        print(f"Written: {options.output.name}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
