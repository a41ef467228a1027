"""The software model on a design."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from rnngen.arith.format import FloatArray
from rnngen.emit.design import Design, read_design
from rnngen.emulate.network import Emulation, Progress, run_values
from rnngen.flow.accuracy import ErrorFigures, error_figures, finite_or_none
from rnngen.flow.arrays import read_array
from rnngen.frontend import run_reference
from rnngen.ir.inputs import check_input


@dataclass(frozen=True, eq=False)
class EmulationReport:
    """What the accelerator will give.

    Attributes:
        output: Real values (sequences, steps, output size), exactly the circuit's.
        emulation: Integers, saturations.
        error: Against the float network.  judge: What computed that.
    """

    output: FloatArray
    emulation: Emulation
    error: ErrorFigures
    judge: str

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain data."""
        return {
            "shape": list(self.output.shape),
            "saturations": self.emulation.total_saturations,
            "saturations_by_layer": list(self.emulation.saturations),
            "input_saturations": self.emulation.input_saturations,
            "float_reference": self.judge,
            "float_max_abs_error": self.error.max_abs,
            "float_mean_abs_error": self.error.mean_abs,
            "float_sqnr_db": finite_or_none(self.error.sqnr_db),
        }


def emulate(
    design: Design | Path | str, x: npt.ArrayLike | Path | str, progress: Progress | None = None
) -> EmulationReport:
    """Runs x (sequences, steps, features) through the software model of a design.

    Raises:
        DesignError: if the folder holds no sound design.  DataError: if x is not what it should be.
    """
    design = design if isinstance(design, Design) else read_design(Path(design))
    if isinstance(x, str | Path):
        values = read_array(Path(x), design.network, "Input")
    else:
        values = check_input(x, design.network, "The input")
    emulation = run_values(design.quantised, values, progress=progress)
    output = design.quantised.output_format.to_float(emulation.output)
    reference = run_reference(design.network, values)
    return EmulationReport(output, emulation, error_figures(output, reference.output), reference.judge)
