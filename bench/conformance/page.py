"""CONFORMANCE.md: the table of all rows, and reading it back."""

from __future__ import annotations

from collections.abc import Mapping

from bench.conformance.modules import SEQUENCES, STEPS
from bench.conformance.suite import BITS, Outcome
from rnngen.flow.check import FLOAT_LIMIT
from rnngen.flow.proof import LARGEST_ERROR, MEAN_ERROR, STALL

ROUNDING = 1e-15
"""Differences in float64 that are not told apart."""

_HEAD = f"""# Conformance

Every option of PyTorch's recurrent networks, alone on an LSTM, and every pair of options that goes together. Made by
`make conformance`; `rnngen check MODEL` does the same for a model of yours. Each row is a live module of PyTorch with
its own initial parameters (but no bias in front of an argmax, where else one number wins at every step), imported
with `rnngen.frontend.load`, and {SEQUENCES} sequences of {STEPS} random steps. A row's name says what is not default.

* **import**: the imported network in float64 (`rnngen.ir.reference.run_layers`), before and after folding, against
  the module's own forward in float64: largest difference, relative to the largest word (at least 1).
  Limit {FLOAT_LIMIT:g}; what is below {ROUNDING:g} is the order of sums, which is another one on other machines.
* **largest, mean**: the emulator, with {BITS}-bit weights and {BITS}-bit activations, against the float network.
  Limits {LARGEST_ERROR:g} and {MEAN_ERROR:g}, for words within [-1, 1]. Where the output is not bound to that (a Linear
  layer, a plain RNN with ReLU, a projection), the limits are times the largest word of the float network's output, if
  that is above 1: column **times**. Of an argmax no number may differ, but for words closer than twice the limit.
* **bits, cycles, pauses**: the circuit in Verilator against the emulator: every output word `==`, every output in its
  promised cycle `==`, and every word `==` with random pauses (probability {STALL:g} a cycle) on both ports.
"""


def page(outcomes: Mapping[str, Outcome]) -> str:
    """The page; no times, paths or names of machines."""
    converted = {title: outcome for title, outcome in outcomes.items() if not outcome.refused}
    refused = {title: outcome for title, outcome in outcomes.items() if outcome.refused}
    failed = sum(not outcome.holds for outcome in converted.values())
    lines = [
        _HEAD,
        f"## Converted: {len(converted)} rows, {len(converted) - failed} hold",
        "",
        "| row | import | largest | mean | times | bits | cycles | pauses |",
        "|---|---|---|---|---|---|---|---|",
        *(_converted(title, outcome) for title, outcome in converted.items()),
        "",
        f"## Refused: {len(refused)} rows",
        "",
        "| row | reason |",
        "|---|---|",
        *(f"| {title} | {outcome.refused.replace('|', chr(92) + '|')} |" for title, outcome in refused.items()),
    ]
    return "\n".join(lines) + "\n"


def _equal(holds: bool) -> str:
    return "=" if holds else "**differ**"


def _difference(value: float) -> str:
    return f"< {ROUNDING:g}" if value < ROUNDING else f"{value:.1e}"


def _converted(title: str, outcome: Outcome) -> str:
    assert outcome.emulator is not None
    assert outcome.circuit is not None
    emulator, circuit = outcome.emulator, outcome.circuit
    if emulator.choices is None:
        errors = [f"{emulator.output.max_abs:.1e}", f"{emulator.output.mean_abs:.1e}", f"{emulator.scale:.2f}"]
    else:
        errors = [f"{emulator.choices.wrong} wrong", f"{emulator.choices.close} close", "-"]
    exact = [_equal(part) for part in (circuit.bits, circuit.cycles, circuit.paused_bits)]
    name = title if outcome.holds else f"**{title}**"
    return "| " + " | ".join([name, _difference(outcome.difference), *errors, *exact]) + " |"


def read_rows(text: str) -> dict[str, bool]:
    """Of a page: every row's title, and whether it is converted."""
    found: dict[str, bool] = {}
    converted = True
    for line in text.splitlines():
        converted = converted and not line.startswith("## Refused")
        cells = line.split(" | ")
        if line.startswith("| ") and not line.startswith("| row"):
            found[cells[0].removeprefix("| ").strip("*")] = converted
    return found
