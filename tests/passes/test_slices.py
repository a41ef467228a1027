"""Rows of a layer over devices: what each multiplies, and the layer that they are together."""

from __future__ import annotations

import numpy as np
import pytest

from bench.cycle_law import Case, layer_of
from rnngen.ir.network import Network
from rnngen.passes.quantise import quantise
from rnngen.passes.slices import row_slice, sliced, unsliced


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn_tanh"])
@pytest.mark.parametrize("count", [2, 3, 6])
def test_slices_give_the_sums_of_the_layer(kind: str, count: int) -> None:
    """By exact integer products: the rows of a unit on its device, with h in the device's order, are the layer's."""
    (layer,) = quantise(Network("net", (layer_of(Case(kind, 5, 12, 0)),)), 8, 16).layers
    assert layer.weight_h is not None
    random = np.random.default_rng(1)
    x, h = random.integers(-99, 99, 5), random.integers(-99, 99, 12)
    whole = (layer.weight_x @ x + layer.weight_h @ h).reshape(-1, 12)
    units = 12 // count
    for number in range(count):
        part = row_slice(layer, number, count)
        assert part.weight_h is not None
        in_order = np.concatenate([h[number * units :], h[: number * units]])  # own units first, then those behind them
        sums = (part.weight_x @ x + part.weight_h @ in_order).reshape(-1, units)
        assert np.array_equal(sums, whole[:, number * units : (number + 1) * units])
        assert part.output_size == units


def test_slices_join_to_the_layer() -> None:
    network = quantise(Network("net", (layer_of(Case("gru", 7, 8, 0)),)), 8, 16)
    joined = unsliced([sliced(network, number, 4) for number in range(4)])
    for name in ("weight_x", "weight_h", "bias"):
        assert np.array_equal(getattr(joined.layers[0], name), getattr(network.layers[0], name))
