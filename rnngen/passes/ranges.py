"""Ranges of every quantity: measured on real input, or proved from the weights.

Without input, the network's input is taken to lie in [-1, 1] and h in (-1, 1);
ranges of c and of Linear outputs follow from the weights by interval arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnngen.ir.inputs import check_array
from rnngen.ir.network import FloatArray, LinearLayer, Network, RecurrentLayer
from rnngen.ir.reference import run_recurrent

CELL_RANGE_LIMIT = 7.99
"""Without calibration c is held to [-8, 8): tanh is flat there, and proved bounds beyond it are very loose."""


@dataclass(frozen=True)
class LayerRanges:
    """Largest magnitudes: of the layer's input, cell state (0 for Linear) and output."""

    x: float
    c: float
    y: float


def measure(network: Network, x: FloatArray) -> list[LayerRanges]:
    """Ranges of every layer over the float network's run on x (sequences, steps, features)."""
    x = check_array(x, network.input_size, "The calibration input")
    ranges = []
    for layer in network.layers:
        largest_x, largest_c = float(np.abs(x).max()), 0.0
        if isinstance(layer, LinearLayer):
            x = x @ layer.weight.T + layer.bias
        else:
            assert isinstance(layer, RecurrentLayer)
            run = run_recurrent(layer, x)
            x, cells = run.output, run.states
            largest_c = float(np.abs(cells).max())
        ranges.append(LayerRanges(largest_x, largest_c, float(np.abs(x).max())))
    return ranges


def _cell_bound(layer: RecurrentLayer, x_bound: float) -> float:
    """|c| <= i_max * g_max / (1 - f_max), from |x| <= x_bound and |h| <= 1."""
    bias = layer.bias_ih + layer.bias_hh
    reach = x_bound * np.abs(layer.weight_ih).sum(axis=1) + np.abs(layer.weight_hh).sum(axis=1)
    z_max = bias + reach
    i_max, f_max, _, _ = np.split(1.0 / (1.0 + np.exp(-np.clip(z_max, -60, 36))), 4)
    g_max = np.tanh(np.split(np.abs(bias) + reach, 4)[2])
    with np.errstate(divide="ignore"):
        return float(np.max(i_max * g_max / (1.0 - f_max)))


def prove(network: Network) -> list[LayerRanges]:
    """Ranges of every layer from its weights, with the network's input in [-1, 1]."""
    ranges = []
    x_bound = 1.0
    for layer in network.layers:
        if isinstance(layer, LinearLayer):
            y_bound = float(np.max(x_bound * np.abs(layer.weight).sum(axis=1) + np.abs(layer.bias)))
            ranges.append(LayerRanges(x_bound, 0.0, y_bound))
        else:
            assert isinstance(layer, RecurrentLayer)
            y_bound = 1.0
            ranges.append(LayerRanges(x_bound, min(_cell_bound(layer, x_bound), CELL_RANGE_LIMIT), y_bound))
        x_bound = y_bound
    return ranges
