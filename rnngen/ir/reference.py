"""The float64 network in NumPy: PyTorch's equations, for use where torch is not installed.

Held equal to PyTorch within 1e-12 by the tests; PyTorch stays the judge.
"""

from __future__ import annotations

import numpy as np

from rnngen.ir.network import FloatArray, LinearLayer, Network, RecurrentLayer


def _sigmoid(z: FloatArray) -> FloatArray:
    return 0.5 * (1.0 + np.tanh(0.5 * z))


def run_lstm(layer: RecurrentLayer, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Hidden states and cell states, each (sequences, steps, H), of x (sequences, steps, I)."""
    sequences, steps, _ = x.shape
    h = np.zeros((sequences, layer.hidden_size))
    c = np.zeros_like(h)
    hidden = np.empty((sequences, steps, layer.hidden_size))
    cells = np.empty_like(hidden)
    from_x = x @ layer.weight_ih.T + (layer.bias_ih + layer.bias_hh)
    for t in range(steps):
        i, f, g, o = np.split(from_x[:, t] + h @ layer.weight_hh.T, 4, axis=1)
        c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
        h = _sigmoid(o) * np.tanh(c)
        hidden[:, t], cells[:, t] = h, c
    return hidden, cells


def run_layers(network: Network, x: FloatArray) -> list[FloatArray]:
    """Output of every layer, each (sequences, steps, output size), of x (sequences, steps, features)."""
    outputs = []
    for layer in network.layers:
        x = x @ layer.weight.T + layer.bias if isinstance(layer, LinearLayer) else run_lstm(layer, x)[0]
        outputs.append(x)
    return outputs
