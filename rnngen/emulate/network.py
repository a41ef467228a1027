"""The software model of an accelerator: the value of every output and the cycle at which it appears."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np

from rnngen.arith.format import FloatArray, IntArray
from rnngen.emulate.layers import DenseEmulator, LayerEmulator, Saturations, Trace, column, make_emulator, run_map
from rnngen.errors import PlanError
from rnngen.ir.quantised import Block, Branch, Delta, QuantisedMap, QuantisedNetwork, with_states
from rnngen.passes.slices import row_slice
from rnngen.plan.network import NetworkPlan
from rnngen.plan.schedule import run_schedule

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Emulation:
    """Result of a run.

    Attributes:
        output: Integers (sequences, steps, output size); one step where the network gives one a sequence.
        blocks: Integers of every block's output, where asked for; else empty.
        saturations: By layer and point, how many narrowings saturated; behind the layers those of each block's post.
        input_saturations: Input values outside the input format.
        states: By layer, what each sequence leaves behind: ``h``, the whole one that the layer multiplies, and
            ``state``, where it has them, (sequences, words).
        traces: By layer, every named point's integers (steps, units, sequences), where asked for.
    """

    output: IntArray
    blocks: tuple[IntArray, ...]
    saturations: tuple[dict[str, int], ...]
    input_saturations: int
    states: tuple[dict[str, IntArray], ...]
    traces: tuple[dict[str, IntArray], ...]

    @property
    def total_saturations(self) -> int:
        """All saturations inside the accelerator."""
        return sum(sum(counts.values()) for counts in self.saturations)


class _BranchEmulator:
    """One direction: one or two stages of engines, the last one's result being the first one's h."""

    def __init__(self, network: QuantisedNetwork, branch: Branch) -> None:
        self._branch = branch
        self._layers = network.layers
        self._engines: dict[int, LayerEmulator] = {k: make_emulator(network.layers[k]) for k in branch.indices}
        self.output_size = network.layers[branch.last].output_size

    def begin(self, sequences: int) -> None:
        """Clears all state."""
        begins = self._layers[self._branch.stages[0][0]].h_0
        self._h = np.zeros((self.output_size, sequences)) + column(begins)
        for engine in self._engines.values():
            engine.begin(sequences)

    def step(self, x: FloatArray, saturations: Sequence[Saturations], traces: Sequence[Trace | None]) -> FloatArray:
        """h (words, sequences) of x; a view that the next step overwrites."""
        values = x
        for stage in self._branch.stages:
            values = self._stage(stage, values, saturations, traces)
        self._h = values
        return values

    def states(self) -> dict[int, dict[str, IntArray]]:
        """What is left behind, by layer."""
        found: dict[int, dict[str, IntArray]] = {}
        for index, engine in self._engines.items():
            left = {"h": self._h} if self._layers[index].weight_h is not None else {}
            if not isinstance(engine, DenseEmulator):
                left["state"] = engine.state
            found[index] = {what: values.T.astype(np.int64) for what, values in left.items()}
        return found

    def _stage(
        self, stage: Sequence[int], x: FloatArray, saturations: Sequence[Saturations], traces: Sequence[Trace | None]
    ) -> FloatArray:
        results = []
        for index in stage:
            layer, product = self._layers[index], self._layers[index].formats.product
            whole = layer.symbols or layer.apart
            own_x = x if whole else x[layer.x_offset : layer.x_offset + product.input_size]
            own_h = self._h[layer.h_offset : layer.h_offset + product.hidden_size]
            results.append(self._engines[index].step(own_x, own_h, saturations[index], traces[index]))
        return results[0] if len(results) == 1 else np.concatenate(results)


class _DeltaEmulator:
    """A recurrent layer by rows on several devices, each of which has its own h and of the others' what they sent."""

    def __init__(self, network: QuantisedNetwork, branch: Branch, delta: Delta) -> None:
        (self._index,) = branch.indices
        layer, order = network.layers[self._index], range(delta.devices)
        self._engines = [make_emulator(row_slice(layer, number, order)) for number in order]
        self._devices, self._threshold = delta.devices, delta.threshold
        self.output_size = layer.output_size

    def begin(self, sequences: int) -> None:
        """Clears all state."""
        self._h, self._sent = (np.zeros((self.output_size, sequences)) for _ in range(2))
        for engine in self._engines:
            engine.begin(sequences)

    def step(self, x: FloatArray, saturations: Sequence[Saturations], traces: Sequence[Trace | None]) -> FloatArray:
        """h (words, sequences) of x."""
        changed = np.abs(self._h - self._sent) > self._threshold
        self._sent = np.where(changed, self._h, self._sent)
        own, sent = (np.split(values, self._devices) for values in (self._h, self._sent))
        results, parts = [], [Trace() for _ in self._engines]
        for number, engine in enumerate(self._engines):
            others = [sent[(number + distance) % self._devices] for distance in range(1, self._devices)]
            known = np.concatenate([own[number], *others])
            results.append(engine.step(x, known, saturations[self._index], parts[number]).copy())
        trace = traces[self._index]
        if trace is not None:
            for point in parts[0].points:
                trace.add(point, np.concatenate([part.points[point][0] for part in parts]))
        self._h = np.concatenate(results)
        return self._h

    def states(self) -> dict[int, dict[str, IntArray]]:
        """What is left behind, by layer."""
        left = {"h": self._h}
        states = [engine.state for engine in self._engines if not isinstance(engine, DenseEmulator)]
        if states:
            left["state"] = np.concatenate(states)
        return {self._index: {what: values.T.astype(np.int64) for what, values in left.items()}}


def _emulator(network: QuantisedNetwork, block: Block, branch: Branch) -> _BranchEmulator | _DeltaEmulator:
    if block.delta is None:
        return _BranchEmulator(network, branch)
    return _DeltaEmulator(network, branch, block.delta)


def _run_block(
    network: QuantisedNetwork, block: Block, x: FloatArray, saturations: Sequence[Saturations],
    traces: Sequence[Trace | None], after_step: Callable[[], None], states: dict[int, dict[str, IntArray]],
) -> FloatArray:  # fmt: skip
    """Output (steps, words, sequences) of x, before anything is selected; what is left behind goes to ``states``."""
    steps, _, sequences = x.shape
    pieces = []
    for branch in block.branches:
        emulator = _emulator(network, block, branch)
        emulator.begin(sequences)
        output = np.empty((steps, emulator.output_size, sequences))
        for t in range(steps - 1, -1, -1) if branch.reverse else range(steps):
            output[t] = emulator.step(x[t], saturations, traces)
            after_step()
        pieces.append(output)
        states |= emulator.states()
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=1)


def _select(network: QuantisedNetwork, block: Block, output: FloatArray) -> FloatArray:
    """The steps that go on."""
    if block.select == "every":
        return output
    if block.select == "last":
        return output[-1:]
    ends = np.cumsum([network.layers[branch.last].output_size for branch in block.branches])[:-1]
    pieces = zip(block.branches, np.split(output, ends, axis=1))
    return np.concatenate([piece[:1] if branch.reverse else piece[-1:] for branch, piece in pieces], axis=1)


def _post(block: Block, values: FloatArray, saturations: Saturations) -> FloatArray:
    for post in block.post:
        if isinstance(post, QuantisedMap):
            values = run_map(post, values, saturations)
        else:
            values = np.argmax(values, axis=1, keepdims=True).astype(np.float64)
    return values


def run_values(
    network: QuantisedNetwork,
    x: FloatArray,
    keep_blocks: bool = False,
    keep_traces: bool = False,
    progress: Progress | None = None,
) -> Emulation:
    """Exact output of x (sequences, steps, features), real values that are quantised first.

    Every sequence starts from the network's own state, zeros mostly (``ir.quantised.with_states``).  Time is
    steps * (one matrix product of (4H, I + H + 1) x (I + H + 1, sequences) a layer); many sequences at once are
    fastest.
    """
    integers = np.ascontiguousarray(network.input_format.quantise(x).transpose(1, 2, 0), dtype=np.float64)
    saturations = [Saturations() for _ in network.layers]
    traces = [Trace() if keep_traces else None for _ in network.layers]
    after_step = _counter(x.shape[1] * sum(len(block.branches) for block in network.blocks), progress)
    kept, posts, values = [], [], integers
    states: dict[int, dict[str, IntArray]] = {}
    for block in network.blocks:
        values = _select(network, block, _run_block(network, block, values, saturations, traces, after_step, states))
        posts.append(Saturations())
        values = _post(block, values, posts[-1])
        if keep_blocks:
            kept.append(_outward(values))
    return Emulation(
        _outward(values),
        tuple(kept),
        tuple(dict(sorted(counter.counts.items())) for counter in (*saturations, *posts)),
        network.input_format.count_saturated(x),
        tuple(states[index] for index in range(len(network.layers))),
        tuple(_stacked(traces)),
    )


def run_lengths(
    network: QuantisedNetwork, x: FloatArray, lengths: Sequence[int], progress: Progress | None = None
) -> Emulation:
    """``run_values`` of sequences of different lengths, each of which ends where it ends.

    Args:
        x: (sequences, longest, features); what lies behind a sequence's end is ignored.

    Returns:
        With blocks and without traces; values behind a sequence's end are 0.
    """
    every = np.asarray(lengths)
    if np.all(every == x.shape[1]):
        return run_values(network, x, keep_blocks=True, progress=progress)
    parts = [(np.flatnonzero(every == length), int(length)) for length in np.unique(every)]
    runs = [
        run_values(_beginning_as(network, members), x[members, :length], keep_blocks=True, progress=progress)
        for members, length in parts
    ]
    counted: list[Saturations] = [Saturations() for _ in runs[0].saturations]
    for run in runs:
        for counter, counts in zip(counted, run.saturations):
            for point, count in counts.items():
                counter.add(point, count)
    members = [which for which, _ in parts]
    states = [
        {what: _gathered(members, [run.states[k][what] for run in runs]) for what in runs[0].states[k]}
        for k in range(len(network.layers))
    ]
    return Emulation(
        _gathered(members, [run.output for run in runs]),
        tuple(_gathered(members, [run.blocks[k] for run in runs]) for k in range(len(network.blocks))),
        tuple(dict(sorted(counter.counts.items())) for counter in counted),
        sum(run.input_saturations for run in runs),
        tuple(states),
        (),
    )


def _beginning_as(network: QuantisedNetwork, members: IntArray) -> QuantisedNetwork:
    """The network for some of the sequences, where each begins with a state of its own."""
    own = {
        index: {what: state[members] for what, state in (("h", layer.h_0), ("state", layer.state_0)) if _each(state)}
        for index, layer in enumerate(network.layers)
    }
    return with_states(network, own)


def _each(state: IntArray | None) -> TypeGuard[IntArray]:
    return state is not None and state.ndim == 2


def _gathered(members: Sequence[IntArray], arrays: Sequence[IntArray]) -> IntArray:
    """Arrays of some sequences each as one array of all, with zeros behind the shorter ones."""
    shape = np.max([array.shape for array in arrays], axis=0)
    whole = np.zeros((sum(len(which) for which in members), *shape[1:]), dtype=np.int64)
    for which, array in zip(members, arrays):
        part = np.zeros((len(which), *shape[1:]), dtype=np.int64)
        part[tuple(slice(0, size) for size in array.shape)] = array
        whole[which] = part
    return whole


def _counter(total: int, progress: Progress | None) -> Callable[[], None]:
    """Called behind each step."""
    done = 0

    def after_step() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(min(done, total), total)

    return after_step


def _stacked(traces: Iterable[Trace | None]) -> list[dict[str, IntArray]]:
    return [{name: np.stack(values) for name, values in trace.points.items()} for trace in traces if trace]


def _outward(values: FloatArray) -> IntArray:
    """(steps, words, sequences) float-held integers to (sequences, steps, words)."""
    return np.ascontiguousarray(values.transpose(2, 0, 1)).astype(np.int64)


class StepEmulator:
    """The network one step at a time, for a caller who needs an output before he knows the next input.

    Raises:
        PlanError: if the network works on whole stored sequences (backward layers).
    """

    def __init__(self, network: QuantisedNetwork) -> None:
        if any(block.stored for block in network.blocks):
            raise PlanError(f"Network '{network.name}' works on whole sequences (backward layers), not step by step.")
        self.network = network
        self._branches = [_emulator(network, block, block.branches[0]) for block in network.blocks]

    def begin(self, sequences: int = 1) -> None:
        """Sequences begin, side by side; with a state of their own: ``ir.quantised.with_states``."""
        self.saturations = [Saturations() for _ in (*self.network.layers, *self.network.blocks)]
        for branch in self._branches:
            branch.begin(sequences)

    def step(self, x: IntArray, last: bool = False) -> IntArray | None:
        """Output integers (sequences, output size) of input integers (sequences, input size).

        None where the network gives one output a sequence and this step is not the ``last``.
        """
        layers = len(self.network.layers)
        traces = [None] * layers
        values = np.ascontiguousarray(x.T, dtype=np.float64)
        for index, (block, branch) in enumerate(zip(self.network.blocks, self._branches)):
            values = branch.step(values, self.saturations[:layers], traces)
            if block.select != "every" and not last:
                return None
            values = _post(block, values[None], self.saturations[layers + index])[0]
        return values.T.astype(np.int64)


@dataclass(frozen=True, eq=False)
class Cycles:
    """When everything happens if input is offered as it arrives and output always taken.

    Cycle 0 is the first in which the input port accepts a beat.

    Attributes:
        input: (steps, input beats).  output: (output steps, output beats).
        issues: By engine, the first issue of each of its steps, in its own order; spaced, that of its x pass.
        places: By engine and step, where external weights may hold it, when each cycle of its schedule comes.
    """

    input: IntArray
    issues: tuple[IntArray, ...]
    output: IntArray
    places: tuple[tuple[IntArray, ...], ...] = ()


def run_cycles(plan: NetworkPlan, lengths: Sequence[int], arrivals: Sequence[int] = ()) -> Cycles:
    """Cycle of every input beat, first issue and output beat of sequences of given lengths.

    They come one behind the other; with several streams as many side by side, step by step, as there are streams.

    Args:
        arrivals: Cycle from which on each step is offered, in the order sent; none: all of them from the start.
    """
    times = run_schedule(plan, lengths, arrivals)
    issues = [
        np.array(at, dtype=np.int64) + branch.delay + (branch.offset if number else 0)
        for at, block in zip(times.issues, plan.blocks)
        for branch in block.branches
        for number, stage in enumerate(branch.stages)
        for _ in stage
    ]
    places = tuple(tuple(np.array(step, dtype=np.int64) for step in steps) for steps in times.places)
    inputs, outputs = (np.array(beats, dtype=np.int64) for beats in (times.inputs, times.outputs))
    return Cycles(inputs, tuple(issues), outputs, places)
