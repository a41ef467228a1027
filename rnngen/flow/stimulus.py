"""What is sent to a circuit in simulation: sequences, their beats, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rnngen.arith.beats import PortFormat, flat_steps, pack, send_order
from rnngen.arith.format import FloatArray, IntArray
from rnngen.emit.design import Design
from rnngen.errors import DataError
from rnngen.flow.arrays import read_array
from rnngen.ir.inputs import check_input, check_lengths
from rnngen.verify.simulator import FIRST_INPUT_CYCLE, Stimulus

DEFAULT_STEPS = 16
SYNTHETIC_SEQUENCES = 2


@dataclass(frozen=True, eq=False)
class GivenInput:
    """Sequences, padded to the longest one, their lengths, and what they are."""

    values: FloatArray
    lengths: tuple[int, ...]
    description: str


def given_input(
    design: Design, x: npt.ArrayLike | Path | str | None, steps: int | None, lengths: Sequence[int] | None,
    description: str,
) -> GivenInput:  # fmt: skip
    """The input and what it is."""
    check_takes_x(design)
    if steps is not None and steps < 1:
        raise DataError(f"--steps must be at least 1, not {steps}.")
    if x is None:
        values, name = _synthetic(design, steps or DEFAULT_STEPS)
    elif isinstance(x, str | Path):
        values, name = read_array(Path(x), design.network, "Input"), Path(x).name
    else:
        values, name = check_input(x, design.network, "The input"), f"array of shape {np.shape(x)}"
    own = check_lengths(lengths, values)
    most = max(own) if steps is None else min(steps, max(own))
    values, own = values[:, :most], tuple(min(length, most) for length in own)
    longest = design.plan.capacity
    if longest and most > longest:
        raise DataError(
            f"The input has sequences of {most} steps and the design stores at most {longest}; "
            f"simulate fewer (--steps) or generate the design with --max-steps {most}."
        )
    return GivenInput(values, own, description or name)


def check_takes_x(design: Design) -> None:
    """Stops at a design whose input is no x of its float network."""
    first = design.quantised.layers[0]
    if first.apart:
        raise DataError(
            f"Design '{design.folder}' takes the sums of the x of layer '{first.name}', which another device "
            f"multiplies; give x to the system that it belongs to."
        )


def _synthetic(design: Design, steps: int) -> tuple[FloatArray, str]:
    random = np.random.default_rng(0)
    if design.plan.capacity:
        steps = min(steps, design.plan.capacity)
    shape = (SYNTHETIC_SEQUENCES, steps, design.quantised.input_size)
    symbols = design.quantised.symbols
    if symbols:
        return random.integers(0, symbols, shape).astype(np.float64), "synthetic: uniform random symbols"
    return random.uniform(-1.0, 1.0, shape), "synthetic: uniform random numbers in [-1, 1]"


def stimulus_of(design: Design, given: GivenInput, arrivals: Sequence[int]) -> Stimulus:
    """The beats of all steps in the order in which they are sent."""
    port, streams = port_of(design, "s_axis"), design.plan.streams
    integers = design.quantised.input_format.quantise(given.values)
    beats, last = pack([words[:length] for words, length in zip(integers, given.lengths)], port)
    sequence, step = send_order(given.lengths, streams)
    order = flat_steps(given.lengths, sequence, step)
    in_order = (order[:, None] * port.beats_per_step + np.arange(port.beats_per_step)).ravel()
    offered = np.array(arrivals, dtype=np.int64).repeat(port.beats_per_step) + FIRST_INPUT_CYCLE
    whose = (sequence % streams).repeat(port.beats_per_step)
    return Stimulus(beats[in_order], last[in_order], whose, offered if arrivals else None)


def sent_lengths(design: Design, given: GivenInput) -> tuple[int, ...]:
    """Output steps of each sequence."""
    return (1,) * len(given.lengths) if design.quantised.one_step else given.lengths


def sent_order(design: Design, given: GivenInput) -> IntArray:
    """Output steps, counted sequence by sequence, in the order in which they come."""
    sequence, step = send_order(given.lengths, design.plan.streams)
    if design.quantised.one_step:
        ended: IntArray = sequence[step == np.asarray(given.lengths)[sequence] - 1]
        return ended
    return flat_steps(given.lengths, sequence, step)


def port_of(design: Design, name: str) -> PortFormat:
    """The stream port of this name."""
    return PortFormat.from_design(design.document["ports"][name])


