"""A layer in two halves, x and h, computes what it does whole: ``==``."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rnngen.emulate.network import run_values
from rnngen.errors import ModelError
from rnngen.ir.network import Network
from rnngen.ir.quantised import QuantisedNetwork, with_states
from rnngen.ir.reference import run_network
from rnngen.passes.apart import cut_apart, halved, join_halves, separable, whole
from rnngen.passes.quantise import quantise
from tests.random_networks import Description, make_input, make_network

CHAINS: tuple[Description, ...] = (
    (("lstm", 5), ("gru", 4), ("linear", 3)),
    (("rnn_tanh", 4), ("last",), ("linear", 2)),
    (("rnn_relu", 5), ("lstm", 6), ("tanh",), ("gru", 7), ("argmax",)),
    (("linear", 3), ("gru", 6), ("relu",), ("bidirectional lstm", 3), ("rnn_tanh", 2)),
)


def made(description: Description, weight_bits: int = 7, activations: int = 12) -> tuple[Network, QuantisedNetwork]:
    network = make_network(1, 6, description)
    return network, quantise(network, weight_bits, activations, make_input(network, 2, 3, 5))


@pytest.mark.parametrize("description", CHAINS)
@pytest.mark.parametrize("widths", [(7, 12), (18, 18), (3, 5)])
def test_halves_compute_the_whole(description: Description, widths: tuple[int, int]) -> None:
    """Sums saturate nowhere, whatever the input: inputs far outside the range that formats were measured on, too."""
    network, quantised = made(description, *widths)
    halves = halved(quantised, separable(quantised))
    assert len(halves.layers) == len(quantised.layers) + len(separable(quantised))
    for x in (make_input(network, 3, 4, 9), 50.0 * make_input(network, 4, 4, 6)):
        expected, found = run_values(quantised, x), run_values(halves, x)
        assert np.array_equal(found.output, expected.output)
        assert found.total_saturations == expected.total_saturations


def test_sums_hold_the_ends_of_their_range() -> None:
    """Of every row the inputs that make its sum the least and the most: one bit fewer would not hold them all."""
    _, quantised = made((("lstm", 5),))
    x_layer = halved(quantised, (0,)).layers[0]
    largest, smallest = quantised.input_format.maximum, quantised.input_format.minimum
    weight = x_layer.weight_x << x_layer.formats.product.shift_x
    bias = x_layer.rounded_bias()[0] << x_layer.formats.product.bias_shift
    ends = [np.where((weight > 0) == up, largest, smallest) for up in (True, False)]
    sums = np.concatenate([(weight * end).sum(axis=1) + bias for end in ends])
    sums_format = x_layer.output_format
    assert sums.min() >= sums_format.minimum
    assert sums.max() <= sums_format.maximum
    assert sums.min() < sums_format.minimum // 2 or sums.max() > sums_format.maximum // 2


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn_tanh"])
def test_a_state_of_its_own(cell: str) -> None:
    network, quantised = made(((cell, 4),))
    layer = quantised.layers[0]
    product = layer.formats.product
    states = {"h": np.arange(4) - product.h.maximum // 2}
    states |= {} if cell == "rnn_tanh" else {"state": np.arange(4) * 100 - 50}
    begun = with_states(quantised, {0: states})
    x = make_input(network, 5, 3, 4)
    assert not np.array_equal(run_values(begun, x).output, run_values(quantised, x).output)
    assert np.array_equal(run_values(halved(begun, (0,)), x).output, run_values(begun, x).output)


@pytest.mark.parametrize("description", CHAINS)
def test_whole_again(description: Description) -> None:
    _, quantised = made(description)
    again = whole(halved(quantised, separable(quantised)))
    assert again.blocks == quantised.blocks
    for layer, expected in zip(again.layers, quantised.layers, strict=True):
        assert (layer.name, layer.formats, layer.apart) == (expected.name, expected.formats, False)
        assert np.array_equal(layer.weight_x, expected.weight_x)
        assert np.array_equal(layer.bias, expected.bias)


@pytest.mark.parametrize("description", CHAINS)
def test_parts_compute_the_whole_wherever_it_is_cut(description: Description) -> None:
    """And are joined to it; where a part has both halves it has them as one layer."""
    network, quantised = made(description)
    halves = halved(quantised, separable(quantised))
    x = make_input(network, 3, 3, 5)
    expected, count = run_values(quantised, x).output, len(halves.blocks)
    for place in range(1, count):
        parts = cut_apart(network, halves, [range(place), range(place, count)], ["left", "right"])
        inside = halves.layers[halves.blocks[place].branches[0].last].apart
        assert [sum(layer.apart for layer in part.quantised.layers) for part in parts] == [0, int(inside)]
        values = x
        for part in parts:
            output = run_values(part.quantised, values).output
            values = output * 2.0**-part.quantised.output_format.fraction
        assert np.array_equal(output, expected)
        joined = join_halves(parts, "joined")
        assert joined.quantised.blocks == quantised.blocks
        assert [layer.name for layer in joined.network.layers] == [layer.name for layer in network.layers]


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn_relu"])
def test_the_float_half_is_the_integers(cell: str) -> None:
    """The Linear layer of x stands for its integers as any float layer does."""
    network, quantised = made(((cell, 4),), 18, 18)
    part = cut_apart(network, halved(quantised, (0,)), [range(1), range(1, 2)], ["x", "h"])[0]
    x = make_input(network, 3, 2, 3)
    found = part.quantised.output_format.to_float(run_values(part.quantised, x).output)
    layer = part.quantised.layers[0]
    units = layer.output_size // len(quantised.layers[0].gates)
    # Integers hold the rounding constants of what follows: half a step of a pre-activation, or of a part of gate n.
    steps = [2.0 ** (quantised.layers[0].formats.slot_shift(slot) - layer.output_format.fraction)
             for slot in quantised.layers[0].formats.sum_slots]  # fmt: skip
    expected = run_network(part.network, x).layers[-1] + np.tile(np.array(steps) / 2, units)
    assert np.abs(found - expected).max() < 1e-3


@pytest.mark.parametrize(
    ("description", "said"),
    [
        ((("bidirectional lstm", 3),), "works on whole stored sequences"),
        ((("projected", 4, 2),), "has two stages (projected, factorised or grouped)"),
        ((("linear", 3),), "multiplies no h"),
        ((("embedding", 7, 4), ("lstm", 3)), "reads a table of 7 symbols, and nothing of x is multiplied"),
    ],
)
def test_what_stays_together(description: Description, said: str) -> None:
    _, quantised = made(description)
    assert separable(quantised) == ()
    with pytest.raises(ModelError) as error:
        halved(quantised, (0,))
    assert str(error.value).startswith("x and h cannot be multiplied apart: layer ")
    assert said in str(error.value)


def test_halves_are_not_halved_again() -> None:
    _, quantised = made((("gru", 3),))
    with pytest.raises(ModelError, match="is multiplied apart already"):
        halved(halved(quantised, (0,)), (1,))


def test_the_bias_of_gate_n_with_h_stays() -> None:
    """And has room where the sums of x are narrower than it."""
    _, quantised = made((("gru", 3),))
    layer = quantised.layers[0]
    units, wide = layer.output_size, layer.formats.product.bias
    n = layer.formats.bias_slots.index("n")
    bias = layer.bias.copy()
    bias[n * units : (n + 1) * units] = wide.maximum - 1 - (1 << layer.formats.slot_shift("n"))
    large = replace(quantised, layers=(replace(layer, bias=bias),))
    x = np.random.default_rng(1).uniform(-1, 1, (2, 4, 6))
    assert np.array_equal(run_values(halved(large, (0,)), x).output, run_values(large, x).output)
    kept = halved(large, (0,)).layers[1].bias.reshape(4, units)
    assert kept[n].any()
    assert not kept[[k for k in range(4) if k != n]].any()
