"""Runs rows: import against PyTorch, emulator against float, circuit against emulator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.conformance.modules import make
from rnngen.errors import FormatError, ModelError, PlanError
from rnngen.flow.check import FLOAT_LIMIT
from rnngen.flow.proof import CircuitCheck, EmulatorCheck, check_circuit, compare_emulator, relative_difference
from rnngen.frontend import load
from rnngen.ir.reference import run_layers
from rnngen.passes.fold import fold
from rnngen.passes.quantise import quantise
from rnngen.plan.shapes import block_shapes

BITS = 16
MULTIPLIERS = 48
"""Of the circuits, or twice the fewest that a network needs."""


@dataclass(frozen=True)
class Outcome:
    """What became of a row.

    Attributes:
        refused: The reason; empty if it is converted.
        difference: Imported network against PyTorch, both float64, relative to the largest word (at least 1).
    """

    refused: str = ""
    difference: float = 0.0
    emulator: EmulatorCheck | None = None
    circuit: CircuitCheck | None = None

    @property
    def holds(self) -> bool:
        """Whether nothing that was compared differs."""
        parts = (self.emulator, self.circuit)
        return self.difference <= FLOAT_LIMIT and all(part is None or part.holds for part in parts)


def run(choice: Mapping[str, str], circuit: bool) -> Outcome:
    """Imports the live module of a row and compares.

    Args:
        circuit: Whether to simulate.
    """
    case = make(choice)
    try:
        network = load(case.module, example=case.example)
        folded = fold(network)
        quantised = quantise(folded, BITS, BITS, case.x)
    except (ModelError, FormatError, PlanError) as error:
        return Outcome(str(error))
    outputs = [case.host(run_layers(made, case.x)[-1]) for made in (network, folded)]
    difference = max(relative_difference(output, case.expected) for output in outputs)
    emulator = compare_emulator(folded, quantised, case.x, scaled=True)
    if not circuit:
        return Outcome("", difference, emulator)
    least = sum(layer.gates for shape in block_shapes(quantised) for layer in shape.layers)
    return Outcome("", difference, emulator, check_circuit(folded, quantised, case.x, max(MULTIPLIERS, 2 * least)))
