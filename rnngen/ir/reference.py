"""The float64 network in NumPy: PyTorch's equations, for use where torch is not installed.

Held equal to PyTorch within 1e-12 by the tests; PyTorch stays the judge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

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


def _run_cell(layer: RecurrentLayer, x: FloatArray) -> RecurrentRun:
    """Steps in the order given."""
    sequences, steps, _ = x.shape
    h = _start(layer.h_0, sequences, layer.output_size)
    c = _start(layer.c_0, sequences, layer.hidden_size)
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


def _run_factorised(layer: FactorisedLayer, x: FloatArray) -> RecurrentRun:
    sequences, steps, _ = x.shape
    h = np.zeros((sequences, layer.output_size))
    c = np.zeros_like(h)
    output, states = (np.empty((sequences, steps, layer.output_size)) for _ in range(2))
    inner = np.empty((sequences, steps, layer.rank))
    for t in range(steps):
        v = x[:, t] @ layer.weight_in.T + h @ layer.weight_rec.T
        h, c = _lstm_update(v @ layer.weight_out.T + layer.bias, c)
        output[:, t], states[:, t], inner[:, t] = h, c, v
    return RecurrentRun(output, states, inner)


def _run_grouped(layer: GroupedLayer, x: FloatArray) -> RecurrentRun:
    sequences, steps, _ = x.shape
    count, hidden = len(layer.groups), layer.projection.shape[1]
    h = np.zeros((sequences, layer.output_size))
    cells = [np.zeros((sequences, group.hidden_size)) for group in layer.groups]
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


def run_recurrent(layer: RecurrentLayer | FactorisedLayer | GroupedLayer, x: FloatArray) -> RecurrentRun:
    """All that a recurrent layer computes of x (sequences, steps, I); a reversed one from the end to the start."""
    if isinstance(layer, FactorisedLayer):
        return _run_factorised(layer, x)
    if isinstance(layer, GroupedLayer):
        return _run_grouped(layer, x)
    if not layer.reverse:
        return _run_cell(layer, x)
    run = _run_cell(layer, x[:, ::-1])
    inner = None if run.inner is None else run.inner[:, ::-1]
    return RecurrentRun(run.output[:, ::-1], run.states[:, ::-1], inner)


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
    if isinstance(layer, ParallelLayer):
        return np.concatenate([run_recurrent(branch, x).output for branch in layer.branches], axis=2)
    return run_recurrent(layer, x).output


def run_layers(network: Network, x: FloatArray) -> list[FloatArray]:
    """Output of every layer, each (sequences, steps, output size), of x (sequences, steps, features).

    Behind a ``LastStepLayer`` there is one step.
    """
    outputs: list[FloatArray] = []
    before: Layer | None = None
    for layer in network.layers:
        x = run_layer(layer, x, before)
        outputs.append(x)
        before = layer
    return outputs
