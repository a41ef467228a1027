"""The float64 network in NumPy: PyTorch's equations, for use where torch is not installed.

Held equal to PyTorch within 1e-12 by the tests; PyTorch stays the judge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from rnngen.errors import DataError
from rnngen.ir.layers import (
    ActivationLayer,
    AffineLayer,
    ArgmaxLayer,
    EmbeddingLayer,
    FactorisedLayer,
    FloatArray,
    GroupedLayer,
    LastStepLayer,
    Layer,
    LinearLayer,
    ParallelLayer,
    RecurrentLayer,
)
from rnngen.ir.network import Network

State: TypeAlias = "tuple[FloatArray, FloatArray | None]"
"""h (sequences, output size) and, of an LSTM of any form, c (sequences, hidden size); else None."""

States: TypeAlias = Mapping[str, State]
"""States by the names of recurrent layers; a parallel layer's branches each by its own."""

Recurrent: TypeAlias = "RecurrentLayer | FactorisedLayer | GroupedLayer"
"""One layer of one direction that has a state."""


def recurrent_layers(network: Network) -> tuple[Recurrent, ...]:
    """Every layer that has a state, in order; branches in place of parallel layers."""
    found: list[Recurrent] = []
    for layer in network.layers:
        if isinstance(layer, ParallelLayer):
            found += layer.branches
        elif isinstance(layer, RecurrentLayer | FactorisedLayer | GroupedLayer):
            found.append(layer)
    return tuple(found)


def cell_size(layer: Recurrent) -> int:
    """Words of the cell state c; 0 where there is none.  A grouped layer's is that of its groups side by side."""
    if isinstance(layer, GroupedLayer):
        return int(layer.projection.shape[1])
    if isinstance(layer, FactorisedLayer):
        return layer.output_size
    return layer.hidden_size if layer.cell == "lstm" else 0


def check_states(network: Network, states: States, sequences: int) -> None:
    """Whether given states are those of layers of the network.

    Raises:
        DataError: if a name is no recurrent layer's, or a state is missing, has another shape or is not finite.
    """
    layers = {layer.name: layer for layer in recurrent_layers(network)}
    for name, (h, c) in states.items():
        if name not in layers:
            raise DataError(f"The network has no recurrent layer '{name}' to give a state; it has {', '.join(layers)}.")
        wanted = cell_size(layers[name])
        _check_state(name, "h", h, (sequences, layers[name].output_size))
        if c is None and wanted:
            raise DataError(f"Layer '{name}' is an LSTM, which begins with h and c, but no c is given; give both.")
        if c is not None and not wanted:
            raise DataError(f"Layer '{name}' has no cell state, but a c is given; leave it out.")
        if c is not None:
            _check_state(name, "c", c, (sequences, wanted))


def _check_state(name: str, what: str, array: FloatArray, shape: tuple[int, int]) -> None:
    if array.shape != shape:
        raise DataError(
            f"The state {what} of layer '{name}' must have the shape {shape} (sequences, words), not {array.shape}."
        )
    if not np.all(np.isfinite(array)):
        raise DataError(f"The state {what} of layer '{name}' holds values that are not finite; give numbers.")


def sigmoid(z: FloatArray) -> FloatArray:
    """1 / (1 + exp(-z)), without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * z))


def activate(layer: ActivationLayer, x: FloatArray) -> FloatArray:
    """The layer's function of every element."""
    functions: dict[str, Callable[[FloatArray], FloatArray]] = {
        "relu": lambda v: np.maximum(v, 0.0),
        "sigmoid": sigmoid,
        "tanh": np.tanh,
        "hardsigmoid": lambda v: np.clip(v / 6.0 + 0.5, 0.0, 1.0),
        "hardtanh": lambda v: np.clip(v, layer.low, layer.high),
    }
    return functions[layer.function](x)


@dataclass(frozen=True, eq=False)
class RecurrentRun:
    """What a recurrent layer computed.

    Attributes:
        output: (sequences, steps, output size).
        states: Largest magnitudes count here: c of an LSTM, (sequences, steps, H); else ``output``.
        inner: Values between two products: m = o * tanh(c) of a projected or grouped layer, v of a factorised one;
            of a GRU the larger magnitude of gate n's parts, W_in x + b_in and W_hn h + b_hn; else None.
    """

    output: FloatArray
    states: FloatArray
    inner: FloatArray | None = None


def _lstm_update(z: FloatArray, c: FloatArray) -> tuple[FloatArray, FloatArray]:
    """m = o * tanh(c') and c' from pre-activations (sequences, 4 * H)."""
    i, f, g, o = np.split(z, 4, axis=1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def _start(state: FloatArray | None, sequences: int, size: int) -> FloatArray:
    return np.zeros((sequences, size)) if state is None else np.broadcast_to(state, (sequences, size)).copy()


_Begin: TypeAlias = "tuple[FloatArray | None, FloatArray | None]"


def _run_cell(layer: RecurrentLayer, x: FloatArray, state: _Begin) -> RecurrentRun:
    """Steps in the order given."""
    sequences, steps, _ = x.shape
    h, c = _start(state[0], sequences, layer.output_size), _start(state[1], sequences, layer.hidden_size)
    output = np.empty((sequences, steps, layer.output_size))
    states = np.empty((sequences, steps, layer.hidden_size))
    has_inner = layer.cell == "gru" or layer.weight_hr is not None
    inner = np.empty((sequences, steps, layer.hidden_size)) if has_inner else None
    from_x = x @ layer.weight_ih.T + layer.bias_ih
    for t in range(steps):
        from_h = h @ layer.weight_hh.T + layer.bias_hh
        if layer.cell == "lstm":
            h, c = _lstm_update(from_x[:, t] + from_h, c)
            if layer.weight_hr is not None and inner is not None:
                inner[:, t] = h
                h = h @ layer.weight_hr.T
        elif layer.cell == "gru":
            r_x, z_x, n_x = np.split(from_x[:, t], 3, axis=1)
            r_h, z_h, n_h = np.split(from_h, 3, axis=1)
            n = np.tanh(n_x + sigmoid(r_x + r_h) * n_h)
            z = sigmoid(z_x + z_h)
            h = (1.0 - z) * n + z * h
            if inner is not None:
                inner[:, t] = np.maximum(np.abs(n_x), np.abs(n_h))
        elif layer.cell == "rnn_tanh":
            h = np.tanh(from_x[:, t] + from_h)
        else:
            h = np.maximum(from_x[:, t] + from_h, 0.0)
        output[:, t] = h
        states[:, t] = c if layer.cell == "lstm" else h
    return RecurrentRun(output, states, inner)


def _run_factorised(layer: FactorisedLayer, x: FloatArray, state: _Begin) -> RecurrentRun:
    sequences, steps, _ = x.shape
    h, c = (_start(array, sequences, layer.output_size) for array in state)
    output, states = (np.empty((sequences, steps, layer.output_size)) for _ in range(2))
    inner = np.empty((sequences, steps, layer.rank))
    for t in range(steps):
        v = x[:, t] @ layer.weight_in.T + h @ layer.weight_rec.T
        h, c = _lstm_update(v @ layer.weight_out.T + layer.bias, c)
        output[:, t], states[:, t], inner[:, t] = h, c, v
    return RecurrentRun(output, states, inner)


def _run_grouped(layer: GroupedLayer, x: FloatArray, state: _Begin) -> RecurrentRun:
    sequences, steps, _ = x.shape
    count, hidden = len(layer.groups), layer.projection.shape[1]
    h = _start(state[0], sequences, layer.output_size)
    cells = np.split(_start(state[1], sequences, hidden), count, axis=1)
    output = np.empty((sequences, steps, layer.output_size))
    states, inner = (np.empty((sequences, steps, hidden)) for _ in range(2))
    for t in range(steps):
        slices = zip(np.split(x[:, t], count, axis=1), np.split(h, count, axis=1))
        made = []
        for index, (group, (part_x, part_h)) in enumerate(zip(layer.groups, slices)):
            z = part_x @ group.weight_ih.T + part_h @ group.weight_hh.T + group.bias
            m, cells[index] = _lstm_update(z, cells[index])
            made.append(m)
        inner[:, t] = np.concatenate(made, axis=1)
        h = inner[:, t] @ layer.projection.T
        output[:, t], states[:, t] = h, np.concatenate(cells, axis=1)
    return RecurrentRun(output, states, inner)


def run_recurrent(layer: Recurrent, x: FloatArray, state: State | None = None) -> RecurrentRun:
    """All that a recurrent layer computes of x (sequences, steps, I); a reversed one from the end to the start.

    ``state`` is what it begins with (a reversed one: at the end); None: the layer's own, or zeros.
    """
    if isinstance(layer, FactorisedLayer):
        return _run_factorised(layer, x, state or (None, None))
    if isinstance(layer, GroupedLayer):
        return _run_grouped(layer, x, state or (None, None))
    begin: _Begin = state or (layer.h_0, layer.c_0)
    if not layer.reverse:
        return _run_cell(layer, x, begin)
    run = _run_cell(layer, x[:, ::-1], begin)
    inner = None if run.inner is None else run.inner[:, ::-1]
    return RecurrentRun(run.output[:, ::-1], run.states[:, ::-1], inner)


def _final_state(layer: Recurrent, run: RecurrentRun) -> State:
    """h_n and c_n: what the layer computed last."""
    at = 0 if isinstance(layer, RecurrentLayer) and layer.reverse else -1
    return run.output[:, at].copy(), run.states[:, at].copy() if cell_size(layer) else None


def final_step(layer: Layer, output: FloatArray) -> FloatArray:
    """What each direction of a layer computed last, (sequences, 1, output size), from its whole output."""
    if isinstance(layer, ParallelLayer):
        ends = np.cumsum([branch.output_size for branch in layer.branches])[:-1]
        pieces = zip(layer.branches, np.split(output, ends, axis=2))
        return np.concatenate([final_step(branch, piece) for branch, piece in pieces], axis=2)
    reverse = isinstance(layer, RecurrentLayer) and layer.reverse
    return output[:, :1] if reverse else output[:, -1:]


def run_layer(layer: Layer, x: FloatArray, before: Layer | None = None) -> FloatArray:
    """Output of one layer of x (sequences, steps, input size); ``before`` is the layer that gave x."""
    if isinstance(layer, LinearLayer):
        return x @ layer.weight.T + layer.bias
    if isinstance(layer, EmbeddingLayer):
        rows: FloatArray = layer.table[x[:, :, 0].astype(np.int64)]
        return rows
    if isinstance(layer, AffineLayer):
        return layer.scale * x + layer.shift
    if isinstance(layer, ActivationLayer):
        return activate(layer, x)
    if isinstance(layer, ArgmaxLayer):
        numbers: FloatArray = np.argmax(x, axis=2, keepdims=True).astype(np.float64)
        return numbers
    if isinstance(layer, LastStepLayer):
        return final_step(before, x) if layer.final and before is not None else x[:, -1:]
    return _run_stateful(layer, x, {}, {})


def _run_stateful(
    layer: Recurrent | ParallelLayer, x: FloatArray, states: States, finals: dict[str, State]
) -> FloatArray:
    """Output of a layer with states; the final ones go to ``finals``."""
    outputs = []
    for branch in layer.branches if isinstance(layer, ParallelLayer) else (layer,):
        run = run_recurrent(branch, x, states.get(branch.name))
        finals[branch.name] = _final_state(branch, run)
        outputs.append(run.output)
    return outputs[0] if len(outputs) == 1 else np.concatenate(outputs, axis=2)


@dataclass(frozen=True, eq=False)
class NetworkRun:
    """What a network computed.

    Attributes:
        layers: Output of every layer, each (sequences, steps, output size); behind a ``LastStepLayer`` one step.
        states: What each recurrent layer was left with, h_n and c_n; of a reversed one behind the first step.
    """

    layers: list[FloatArray]
    states: dict[str, State]


def run_network(network: Network, x: FloatArray, states: States | None = None) -> NetworkRun:
    """Outputs and final states of x (sequences, steps, features).

    Args:
        network: The network.
        x: Its input.
        states: What each sequence begins with, by layer; layers that are not named begin with their own state.

    Raises:
        DataError: as ``check_states``.
    """
    given = states or {}
    check_states(network, given, len(x))
    outputs: list[FloatArray] = []
    finals: dict[str, State] = {}
    before: Layer | None = None
    for layer in network.layers:
        if isinstance(layer, RecurrentLayer | FactorisedLayer | GroupedLayer | ParallelLayer):
            x = _run_stateful(layer, x, given, finals)
        else:
            x = run_layer(layer, x, before)
        outputs.append(x)
        before = layer
    return NetworkRun(outputs, finals)


def run_layers(network: Network, x: FloatArray, states: States | None = None) -> list[FloatArray]:
    """Output of every layer, each (sequences, steps, output size); arguments and errors as ``run_network``.

    Behind a ``LastStepLayer`` there is one step.
    """
    return run_network(network, x, states).layers
