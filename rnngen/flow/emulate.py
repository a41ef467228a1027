"""The software model on a design."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from rnngen.arith.format import FloatArray
from rnngen.emit.design import Design, read_design
from rnngen.emit.folder import is_system
from rnngen.emit.system import SystemDesign, read_system
from rnngen.emulate.network import Emulation, Progress, run_lengths
from rnngen.errors import DesignError
from rnngen.flow.accuracy import ErrorFigures, error_figures, finite_or_none
from rnngen.flow.arrays import read_array
from rnngen.flow.lengths import reference_of, without_padding
from rnngen.flow.states import decode_states, encode_states, read_states
from rnngen.flow.stimulus import check_takes_x
from rnngen.ir.inputs import check_input, check_lengths
from rnngen.ir.quantised import with_states
from rnngen.ir.reference import State, States, check_states


@dataclass(frozen=True, eq=False)
class EmulationReport:
    """What the accelerator will give.

    Attributes:
        output: Real values (sequences, steps, output size), exactly the circuit's.
        emulation: Integers, saturations.
        error: Against the float network.  judge: What computed that.
        states: What each recurrent layer was left with, h_n and c_n, as real values.
    """

    output: FloatArray
    emulation: Emulation
    error: ErrorFigures
    judge: str
    states: dict[str, State]

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
    design: Design | SystemDesign | Path | str,
    x: npt.ArrayLike | Path | str,
    progress: Progress | None = None,
    states: States | Path | str | None = None,
    lengths: Sequence[int] | None = None,
) -> EmulationReport:
    """Runs x (sequences, steps, features) through the software model of a design.

    Args:
        design, x, progress: The design, or a system of designs as one network, its input, and what is told of each
            step.
        states: What the sequences begin with, by recurrent layer, or an .npz file of them
            (``rnngen.flow.states.read_states``); None: the model's own state, or zeros.
        lengths: Steps of each sequence of x, where they differ; what lies behind a sequence's end is ignored, and
            the output there is 0.

    Raises:
        DesignError: if the folder holds no sound design, or one whose states cannot be given.
        DataError: if x or a state is not what it should be, or the design takes no x.
    """
    design = _read(design) if isinstance(design, Path | str) else design
    if isinstance(design, Design):
        check_takes_x(design)
    if isinstance(x, str | Path):
        values = read_array(Path(x), design.network, "Input")
    else:
        values = check_input(x, design.network, "The input")
    quantised, given = design.quantised, _states(design, states, len(values))
    if given:
        quantised = with_states(quantised, encode_states(design.network, quantised, given))
    own = check_lengths(lengths, values)
    emulation = run_lengths(quantised, values, own, progress)
    output = design.quantised.output_format.to_float(emulation.output)
    reference = reference_of(design.network, values, own, given)
    one_step = design.quantised.one_step
    error = error_figures(*(without_padding(y, own, one_step) for y in (output, reference.output)))
    left = decode_states(design.network, quantised, dict(enumerate(emulation.states)))
    return EmulationReport(output, emulation, error, reference.judge, left)


def _read(folder: Path | str) -> Design | SystemDesign:
    """What a folder holds."""
    return read_system(Path(folder)) if is_system(Path(folder)) else read_design(Path(folder))


def _states(design: Design | SystemDesign, states: States | Path | str | None, sequences: int) -> States:
    if states is None:
        return {}
    if not design.state_access:
        raise DesignError(
            "The design has no access to its states, so none can be given; generate it again with --state."
        )
    if isinstance(states, str | Path):
        return read_states(Path(states), design.network, sequences)
    check_states(design.network, states, sequences)
    return states
