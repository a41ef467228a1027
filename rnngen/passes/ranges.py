"""Ranges of every quantity: measured on real input, or proved from the weights.

Without input, the network's input is taken to lie in [-1, 1] and the state of a gated cell to begin within (-1, 1);
all other ranges follow from the weights by interval arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnngen.errors import ModelError
from rnngen.ir.inputs import check_input
from rnngen.ir.layers import (
    ActivationLayer,
    EmbeddingLayer,
    FactorisedLayer,
    GroupedLayer,
    LastStepLayer,
    Layer,
    LinearLayer,
    ParallelLayer,
    RecurrentLayer,
)
from rnngen.ir.network import FloatArray, Network
from rnngen.ir.reference import activate, run_layer, run_recurrent

CELL_RANGE_LIMIT = 7.99
"""Without calibration c is held to [-8, 8): tanh is flat there, and proved bounds beyond it are very loose."""


@dataclass(frozen=True)
class LayerRanges:
    """Largest magnitudes of a layer: of its input x, its output y and, where it has them, the rest.

    Attributes:
        c: Cell state of an LSTM.
        inner: As ``ir.reference.RecurrentRun.inner``.
        branches: Of the branches of a parallel layer.
    """

    x: float
    y: float
    c: float = 0.0
    inner: float = 0.0
    branches: tuple[LayerRanges, ...] = ()


def _largest(values: FloatArray | None) -> float:
    return 0.0 if values is None else float(np.abs(values).max(initial=0.0))


def _measure_recurrent(layer: RecurrentLayer | FactorisedLayer | GroupedLayer, x: FloatArray) -> LayerRanges:
    run = run_recurrent(layer, x)
    starts = (layer.h_0, layer.c_0) if isinstance(layer, RecurrentLayer) else (None, None)
    y, c = (max(_largest(values), _largest(start)) for values, start in zip((run.output, run.states), starts))
    return LayerRanges(_largest(x), y, c, _largest(run.inner))


def measure(network: Network, x: FloatArray) -> list[LayerRanges]:
    """Ranges of every layer over the float network's run on x (sequences, steps, features)."""
    x = check_input(x, network, "The calibration input")
    ranges: list[LayerRanges] = []
    before: Layer | None = None
    for layer in network.layers:
        y = run_layer(layer, x, before)
        if isinstance(layer, RecurrentLayer | FactorisedLayer | GroupedLayer):
            ranges.append(_measure_recurrent(layer, x))
        elif isinstance(layer, ParallelLayer):
            branches = tuple(_measure_recurrent(branch, x) for branch in layer.branches)
            largest = max(branch.y for branch in branches)  # the states that they begin with count, too
            ranges.append(LayerRanges(_largest(x), largest, branches=branches))
        else:
            ranges.append(LayerRanges(_largest(x), _largest(y)))
        x, before = y, layer
    return ranges


def _reach(weight: FloatArray, bound: float) -> FloatArray:
    """Largest magnitude of each row of weight @ v for |v| <= bound."""
    reach: FloatArray = bound * np.abs(weight).sum(axis=1)
    return reach


def _cell_bound(bias: FloatArray, reach: FloatArray) -> float:
    """|c| <= i_max * g_max / (1 - f_max), from the reach of the products."""
    i_max, f_max, _, _ = np.split(1.0 / (1.0 + np.exp(-np.clip(bias + reach, -60, 36))), 4)
    g_max = np.tanh(np.split(np.abs(bias) + reach, 4)[2])
    with np.errstate(divide="ignore"):
        return min(float(np.max(i_max * g_max / (1.0 - f_max))), CELL_RANGE_LIMIT)


def _prove_recurrent(layer: RecurrentLayer, x: float) -> LayerRanges:
    start = _largest(layer.h_0)
    if layer.cell == "rnn_relu":
        return LayerRanges(x, max(_relu_bound(layer, x), start))
    y = max(1.0, start) if layer.weight_hr is None else max(float(_reach(layer.weight_hr, 1.0).max()), start)
    if layer.cell == "rnn_tanh":
        return LayerRanges(x, y)
    from_x, from_h = _reach(layer.weight_ih, x), _reach(layer.weight_hh, y)
    if layer.cell == "gru":
        parts = (np.split(from_x + np.abs(layer.bias_ih), 3)[2], np.split(from_h + np.abs(layer.bias_hh), 3)[2])
        return LayerRanges(x, y, inner=float(np.max(parts)))
    c = max(_cell_bound(layer.bias_ih + layer.bias_hh, from_x + from_h), _largest(layer.c_0))
    return LayerRanges(x, y, c, 1.0)


def _relu_bound(layer: RecurrentLayer, x: float) -> float:
    """h <= relu(W_ih x + b) + |W_hh| h has a bound only where the rows of |W_hh| sum to less than 1."""
    growth = float(_reach(layer.weight_hh, 1.0).max())
    if growth >= 1.0:
        raise ModelError(
            f"Layer '{layer.name}' is a plain RNN with ReLU whose output has no bound that its weights prove (rows of "
            f"|weight_hh| sum to {growth:.3g}, the limit is 1); give real input to calibrate with."
        )
    return float((_reach(layer.weight_ih, x) + np.abs(layer.bias_ih + layer.bias_hh)).max()) / (1.0 - growth)


def _prove(layer: Layer, x: float) -> LayerRanges:
    if isinstance(layer, RecurrentLayer):
        return _prove_recurrent(layer, x)
    if isinstance(layer, ParallelLayer):
        branches = tuple(_prove_recurrent(branch, x) for branch in layer.branches)
        return LayerRanges(x, max(branch.y for branch in branches), branches=branches)
    if isinstance(layer, FactorisedLayer):
        inner = float((_reach(layer.weight_in, x) + _reach(layer.weight_rec, 1.0)).max())
        whole = _reach(layer.weight_out @ layer.weight_in, x) + _reach(layer.weight_out @ layer.weight_rec, 1.0)
        reach = np.minimum(whole, _reach(layer.weight_out, inner))
        return LayerRanges(x, 1.0, _cell_bound(layer.bias, reach), inner)
    if isinstance(layer, GroupedLayer):
        y = float(_reach(layer.projection, 1.0).max())
        cells = [_cell_bound(g.bias, _reach(g.weight_ih, x) + _reach(g.weight_hh, y)) for g in layer.groups]
        return LayerRanges(x, y, max(cells), 1.0)
    if isinstance(layer, LinearLayer):
        return LayerRanges(x, float((_reach(layer.weight, x) + np.abs(layer.bias)).max()))
    if isinstance(layer, EmbeddingLayer):
        return LayerRanges(x, _largest(layer.table))
    if isinstance(layer, ActivationLayer):
        return LayerRanges(x, max(_largest(activate(layer, np.array([end]))) for end in (-x, 0.0, x)))
    return LayerRanges(x, x if isinstance(layer, LastStepLayer) else float(layer.input_size))


def prove(network: Network) -> list[LayerRanges]:
    """Ranges of every layer from its weights, with the network's input in [-1, 1].

    Raises:
        ModelError: for a plain RNN with ReLU whose output the weights do not bound.
    """
    ranges: list[LayerRanges] = []
    x = 1.0
    for layer in network.layers:
        ranges.append(_prove(layer, x))
        x = ranges[-1].y
    return ranges
