"""Two of the three proofs of a network: emulator against float, circuit against emulator."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnngen.arith.format import FloatArray
from rnngen.emit.design import write_design
from rnngen.emulate.network import Emulation, run_values
from rnngen.flow.accuracy import ErrorFigures, error_figures
from rnngen.flow.generate import DEFAULT_CLOCK_HZ
from rnngen.flow.simulate import Progress, simulate
from rnngen.frontend import run_reference
from rnngen.ir.layers import (
    ActivationLayer,
    ArgmaxLayer,
    FactorisedLayer,
    LastStepLayer,
    Layer,
    ParallelLayer,
    RecurrentLayer,
)
from rnngen.ir.network import Network
from rnngen.ir.quantised import QuantisedNetwork
from rnngen.plan.search import Budget, plan_for_budget
from rnngen.plan.shapes import block_shapes

LARGEST_ERROR, MEAN_ERROR = 2e-4, 5e-5
"""Emulator against float with 16-bit weights and activations, for words within [-1, 1]."""
JUDGED_BITS = 16
DEFAULT_MULTIPLIERS = 256
STALL = 0.3
"""Probability of a pause, in each cycle and on each port, of the run with pauses."""
_TOP = "checked"


@dataclass(frozen=True)
class LayerErrors:
    """Emulator against float behind a block; ``name`` is that of the last layer in it."""

    name: str
    errors: ErrorFigures


@dataclass(frozen=True)
class Choices:
    """Numbers of an argmax that differ from the float network's.

    Attributes:
        wrong: Those whose words the float network has further apart than the errors of both allow.
        close: Those whose words are as close as that.
    """

    wrong: int
    close: int


@dataclass(frozen=True)
class EmulatorCheck:
    """Emulator against float.

    Attributes:
        layers: In network order; the last one is the output.
        scale: The bounds are ``LARGEST_ERROR`` and ``MEAN_ERROR``, times this.
        judged: Whether the bounds are for this network; else errors are only reported.
        choices: Of an argmax, in place of the bounds.
        saturations: Inside the accelerator.
    """

    layers: tuple[LayerErrors, ...]
    scale: float
    judged: bool
    choices: Choices | None
    saturations: int

    @property
    def output(self) -> ErrorFigures:
        """Of the output."""
        return self.layers[-1].errors

    @property
    def holds(self) -> bool:
        """Whether what is judged holds."""
        if not self.judged:
            return True
        if self.choices is not None:
            return self.choices.wrong == 0
        return self.output.max_abs <= LARGEST_ERROR * self.scale and self.output.mean_abs <= MEAN_ERROR * self.scale


@dataclass(frozen=True)
class CircuitCheck:
    """Circuit against emulator, in Verilator.

    Attributes:
        multipliers: Of the plan.  interval: Planned step interval in cycles.
        bits, cycles: Whether every output came with the right bits, and in the right cycle.
        paused_bits: Whether the bits are right with random pauses on both ports.
        sentence: The first difference; empty if there is none.
    """

    multipliers: int
    interval: int
    bits: bool
    cycles: bool
    paused_bits: bool
    sentence: str = ""

    @property
    def holds(self) -> bool:
        """All of it."""
        return self.bits and self.cycles and self.paused_bits


def random_input(network: Network, sequences: int, steps: int, seed: int = 0) -> FloatArray:
    """Uniform random numbers within [-1, 1], or symbols."""
    random = np.random.default_rng(seed)
    shape = (sequences, steps, network.input_size)
    if network.symbols:
        return random.integers(0, network.symbols, shape).astype(np.float64)
    return random.uniform(-1.0, 1.0, shape)


def relative_difference(values: FloatArray, expected: FloatArray) -> float:
    """Largest difference, relative to the largest expected word (at least 1); infinity for another shape."""
    if values.shape != expected.shape:
        return float("inf")
    return float(np.max(np.abs(values - expected))) / max(1.0, float(np.max(np.abs(expected))))


def compare_emulator(
    network: Network, quantised: QuantisedNetwork, x: FloatArray, scaled: bool = False
) -> EmulatorCheck:
    """Emulator against the float network.

    The bounds are for 16-bit weights and activations and for words within [-1, 1].  Of other networks errors are
    only reported, or, with ``scaled``, judged by the bounds times the largest word of the float network's output
    (at least 1).

    Args:
        network: Folded.  quantised: The same.
    """
    emulation = run_values(quantised, x, keep_blocks=True)
    outputs = run_reference(network, x).layers
    figures = tuple(
        LayerErrors(
            network.layers[block.source].name,
            error_figures(quantised.block_format(block).to_float(values), outputs[block.source]),
        )
        for block, values in zip(quantised.blocks, emulation.blocks)
    )
    chosen = isinstance(network.layers[-1], ArgmaxLayer)
    judged_layer = len(network.layers) - 1 - chosen
    words = outputs[judged_layer]
    bounded = _is_bounded(network.layers, judged_layer)
    scale = max(1.0, float(np.max(np.abs(words)))) if scaled and not bounded else 1.0
    sixteen = quantised.weight_bits == quantised.activation_bits == JUDGED_BITS
    choices = _choices(emulation, outputs[-1], words, 2.0 * LARGEST_ERROR * scale) if chosen else None
    return EmulatorCheck(figures, scale, sixteen and (bounded or scaled), choices, emulation.total_saturations)


def _choices(emulation: Emulation, expected: FloatArray, words: FloatArray, apart: float) -> Choices:
    differ = emulation.output != expected.astype(np.int64)
    chosen = np.take_along_axis(words, emulation.output, axis=2)
    margin = words.max(axis=2, keepdims=True) - chosen
    return Choices(int(np.count_nonzero(differ & (margin > apart))), int(np.count_nonzero(differ & (margin <= apart))))


def _is_bounded(layers: tuple[Layer, ...], index: int) -> bool:
    """Whether all words that the layer gives lie within [-1, 1], whatever the input."""
    layer = layers[index]
    if isinstance(layer, LastStepLayer):
        return _is_bounded(layers, index - 1)
    if isinstance(layer, ActivationLayer):
        limits = layer.function == "hardtanh" and layer.low >= -1.0 and layer.high <= 1.0
        bounded = layer.function in ("sigmoid", "tanh", "hardsigmoid") or limits
        return bounded or (layer.function in ("relu", "hardtanh") and index > 0 and _is_bounded(layers, index - 1))
    if isinstance(layer, ParallelLayer):
        return all(_has_bounded_state(branch) for branch in layer.branches)
    if isinstance(layer, RecurrentLayer):
        return _has_bounded_state(layer)
    return isinstance(layer, FactorisedLayer)


def _has_bounded_state(layer: RecurrentLayer) -> bool:
    start = 0.0 if layer.h_0 is None else float(np.max(np.abs(layer.h_0)))
    return layer.cell != "rnn_relu" and layer.weight_hr is None and start <= 1.0


def check_circuit(
    network: Network,
    quantised: QuantisedNetwork,
    x: FloatArray,
    multipliers: int | None = None,
    progress: Progress = lambda line: None,
) -> CircuitCheck:
    """Plans, generates into a temporary folder, and simulates with and without pauses.

    Raises:
        PlanError: if the network needs more multipliers.
        ToolError: if Verilator, a compiler or make is missing or fails.
    """
    shapes = block_shapes(quantised)
    least = sum(layer.gates for shape in shapes for layer in shape.layers)
    plan = plan_for_budget(shapes, Budget(multipliers or max(DEFAULT_MULTIPLIERS, 2 * least)), capacity=x.shape[1])
    with tempfile.TemporaryDirectory(prefix="rnngen-") as folder:
        design = write_design(
            Path(folder) / "design",
            network,
            quantised,
            plan,
            top=_TOP,
            clock_hz=DEFAULT_CLOCK_HZ,
            board=None,
            loadable=False,
            calibration="the input of the check",
        )
        steady = simulate(design, x, progress=progress).comparison
        paused = simulate(design, x, stall=STALL, progress=progress).comparison
    cycles = steady.cycle_exact or (steady.cycle_mismatches == 0 and not steady.missing_beats)
    sentence = next((said.sentence for said in (steady, paused) if said.sentence), "") or ""
    return CircuitCheck(
        plan.multipliers, plan.interval, steady.bit_exact, cycles and steady.cycles_compared, paused.bit_exact, sentence
    )
