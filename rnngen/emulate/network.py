"""The software model of an accelerator: the value of every output and the cycle at which it appears."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rnngen.arith.format import FloatArray, IntArray
from rnngen.emulate.layers import Saturations, Trace, make_emulator
from rnngen.ir.quantised import QuantisedNetwork
from rnngen.plan.network import NetworkPlan, run_schedule

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Emulation:
    """Result of a run.

    Attributes:
        output: Integers (sequences, steps, output size).
        layers: Integers of every layer's output, where asked for; else empty.
        saturations: By layer and point, how many narrowings saturated.
        input_saturations: Input values outside the input format.
        traces: By layer, every named point's integers (steps, units, sequences), where asked for.
    """

    output: IntArray
    layers: tuple[IntArray, ...]
    saturations: tuple[dict[str, int], ...]
    input_saturations: int
    traces: tuple[dict[str, IntArray], ...]

    @property
    def total_saturations(self) -> int:
        """All saturations inside the accelerator."""
        return sum(sum(counts.values()) for counts in self.saturations)


def run_values(
    network: QuantisedNetwork,
    x: FloatArray,
    keep_layers: bool = False,
    keep_traces: bool = False,
    progress: Progress | None = None,
) -> Emulation:
    """Exact output of x (sequences, steps, features), real values that are quantised first.

    Every sequence starts from zero state.  Time is steps * (one matrix product of
    (4H, I + H + 1) x (I + H + 1, sequences) a layer); many sequences at once are fastest.
    """
    sequences, steps, _ = x.shape
    integers = np.ascontiguousarray(network.input_format.quantise(x).transpose(1, 2, 0), dtype=np.float64)
    emulators = [make_emulator(layer) for layer in network.layers]
    saturations = [Saturations() for _ in emulators]
    traces = [Trace() if keep_traces else None for _ in emulators]
    kept = [np.empty((steps, layer.output_size, sequences)) for layer in network.layers] if keep_layers else []
    output = np.empty((steps, network.output_size, sequences))
    for emulator in emulators:
        emulator.begin(sequences)
    for t in range(steps):
        values = integers[t]
        for index, emulator in enumerate(emulators):
            values = emulator.step(values, saturations[index], traces[index])
            if keep_layers:
                kept[index][t] = values
        output[t] = values
        if progress is not None:
            progress(t + 1, steps)
    return Emulation(
        _outward(output),
        tuple(_outward(values) for values in kept),
        tuple(dict(sorted(counter.counts.items())) for counter in saturations),
        network.input_format.count_saturated(x),
        tuple({name: np.stack(values) for name, values in trace.points.items()} for trace in traces if trace),
    )


def _outward(values: FloatArray) -> IntArray:
    """(steps, words, sequences) float-held integers to (sequences, steps, words)."""
    return np.ascontiguousarray(values.transpose(2, 0, 1)).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Cycles:
    """When everything happens if input is always offered and output always taken.

    Cycle 0 is that of the first input beat.

    Attributes:
        input: (steps, input beats).  issue: (steps, engines).  output: (steps, output beats).
    """

    input: IntArray
    issue: IntArray
    output: IntArray


def run_cycles(plan: NetworkPlan, steps: int) -> Cycles:
    """Cycle of every input beat, first issue and output beat of consecutive steps."""
    times = list(run_schedule(plan, steps))
    return Cycles(
        np.array([step.input for step in times], dtype=np.int64),
        np.array([step.issue for step in times], dtype=np.int64),
        np.array([step.output for step in times], dtype=np.int64),
    )
