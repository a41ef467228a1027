"""The three proofs on one model: import against framework, emulator against float, circuit against emulator."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from rnngen.arith.format import FloatArray
from rnngen.errors import DataError, FormatError, ModelError, PlanError
from rnngen.flow.accuracy import finite_or_none
from rnngen.flow.arrays import read_array
from rnngen.flow.proof import (
    JUDGED_BITS,
    LARGEST_ERROR,
    MEAN_ERROR,
    CircuitCheck,
    EmulatorCheck,
    check_circuit,
    compare_emulator,
    random_input,
    relative_difference,
)
from rnngen.flow.simulate import Progress
from rnngen.frontend import ImportOptions, Model, ReferenceRun, load, run_reference
from rnngen.frontend.framework import Judgement, judge
from rnngen.frontend.options import DEFAULT_IMPORT
from rnngen.frontend.source import open_model
from rnngen.ir.inputs import check_input
from rnngen.ir.network import Network
from rnngen.ir.reference import run_layers
from rnngen.passes.fold import fold
from rnngen.passes.quantise import quantise

FLOAT_LIMIT = 1e-12
"""Import against framework, relative to the largest word of the output (at least 1)."""
DEFAULT_STEPS, DEFAULT_SEQUENCES = 12, 3


@dataclass(frozen=True)
class CheckOptions:
    """What to check and how.

    Attributes:
        imports: What the model itself does not say.
        example: Input with which a live module can be called.
        x: Input of the accelerator (sequences, steps, features) or a .npy file; None for uniform random numbers
            within [-1, 1], or random symbols.  Ranges are measured on it.
        steps: Of each sequence, at most.  sequences: How many to make.
        multipliers: Budget; None: 256, or twice the fewest that the network needs.
        weight_bits, activation_bits: The bounds are for 16 and 16.
        circuit: Whether the circuit is simulated.
    """

    imports: ImportOptions = DEFAULT_IMPORT
    example: Any = None
    x: npt.ArrayLike | Path | str | None = None
    steps: int | None = None
    sequences: int = DEFAULT_SEQUENCES
    multipliers: int | None = None
    weight_bits: int = JUDGED_BITS
    activation_bits: int = JUDGED_BITS
    circuit: bool = True


@dataclass(frozen=True)
class FloatCheck:
    """Imported network in float64 (``ir.reference.run_layers``) against ``judge``; ``difference`` is relative."""

    judge: str
    difference: float

    @property
    def holds(self) -> bool:
        """Whether the difference is within ``FLOAT_LIMIT``."""
        return self.difference <= FLOAT_LIMIT


@dataclass(frozen=True)
class CheckReport:
    """What became of a model.

    Attributes:
        source: What the model was read from.
        refused: Why it is not converted; empty if it is.
        sequences, steps: Of the input.
    """

    source: str
    refused: str = ""
    sequences: int = 0
    steps: int = 0
    imported: FloatCheck | None = None
    emulator: EmulatorCheck | None = None
    circuit: CircuitCheck | None = None

    @property
    def holds(self) -> bool:
        """Whether the model is converted and nothing that was compared differs."""
        parts = (self.imported, self.emulator, self.circuit)
        return not self.refused and all(part is None or part.holds for part in parts)

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain data."""
        document: dict[str, Any] = {"source": self.source, "converted": not self.refused, "holds": self.holds}
        if self.refused:
            return document | {"refused": self.refused}
        document |= {"sequences": self.sequences, "steps": self.steps}
        if self.imported is not None:
            document["import"] = {
                "judge": self.imported.judge,
                "difference": finite_or_none(self.imported.difference),
                "limit": FLOAT_LIMIT,
                "holds": self.imported.holds,
            }
        return document | {
            "emulator": None if self.emulator is None else _emulator_dict(self.emulator),
            "circuit": None if self.circuit is None else vars(self.circuit) | {"holds": self.circuit.holds},
        }


def _emulator_dict(check: EmulatorCheck) -> dict[str, Any]:
    return {
        "layers": [
            {
                "name": layer.name,
                "max_abs": layer.errors.max_abs,
                "mean_abs": layer.errors.mean_abs,
                "sqnr_db": finite_or_none(layer.errors.sqnr_db),
            }
            for layer in check.layers
        ],
        "judged": check.judged,
        "bounds": [LARGEST_ERROR * check.scale, MEAN_ERROR * check.scale],
        "choices": None if check.choices is None else vars(check.choices),
        "saturations": check.saturations,
        "holds": check.holds,
    }


DEFAULT_CHECK = CheckOptions()


def check(model: Model, options: CheckOptions = DEFAULT_CHECK, progress: Progress = lambda line: None) -> CheckReport:
    """Imports a model and compares: with its framework, the emulator with float, the circuit with the emulator.

    Raises:
        ModelError: if the model is no file or module that can be opened.  A model that opens and is not supported
            is no error: the report says ``refused``.
        DataError: if the input, steps or sequences are wrong.
        ToolError: if a tool or package that is needed is missing or fails.
    """
    _check_options(options)
    source = open_model(model, options.imports, options.example).name
    try:
        progress("importing")
        network = load(model, options.imports, example=options.example)
        judgement = judge(model, options.imports, options.example)
        folded = fold(network)
    except ModelError as error:
        return CheckReport(source, str(error))
    x = _values(options, network)
    sequences, steps, _ = x.shape
    reference = run_reference(network, x)
    imported = _imported(network, x, reference, judgement)
    try:
        progress(f"emulating {sequences} x {steps} steps")
        quantised = quantise(folded, options.weight_bits, options.activation_bits, x)
        emulator = compare_emulator(folded, quantised, x)
        circuit = check_circuit(folded, quantised, x, options.multipliers, progress) if options.circuit else None
    except (ModelError, FormatError, PlanError) as error:
        return CheckReport(source, str(error))
    return CheckReport(source, "", sequences, steps, imported, emulator, circuit)


def _check_options(options: CheckOptions) -> None:
    given = {"steps": options.steps, "sequences": options.sequences, "multipliers": options.multipliers}
    for name, value in given.items():
        if value is not None and value < 1:
            raise DataError(f"--{name} must be at least 1, not {value}.")


def _values(options: CheckOptions, network: Network) -> FloatArray:
    """The input of a check."""
    if isinstance(options.x, (str, Path)):
        x = read_array(Path(options.x), network, "Input")
    elif options.x is not None:
        x = check_input(options.x, network, "The input")
    else:
        return random_input(network, options.sequences, options.steps or DEFAULT_STEPS)
    return x[:, : options.steps]


def _imported(network: Network, x: FloatArray, reference: ReferenceRun, judgement: Judgement | None) -> FloatCheck:
    """The model's own forward has the last word; else the reference that is built of the imported layers."""
    ours = run_layers(network, x)[-1]
    difference = relative_difference(ours, reference.output)
    if judgement is None:
        return FloatCheck(f"layers of {reference.judge}, with the imported parameters", difference)
    return FloatCheck(judgement.judge, max(difference, judgement.difference))
