"""Parts of a layer over devices: what each multiplies, and the layer that they are together."""

from __future__ import annotations

import numpy as np
import pytest

from bench.cycle_law import Case, layer_of
from rnngen.emulate.layers import Saturations, make_emulator, run_map
from rnngen.ir.layers import ActivationLayer, LinearLayer
from rnngen.ir.network import Network
from rnngen.ir.quantised import QuantisedMap, QuantisedNetwork
from rnngen.passes.quantise import quantise
from rnngen.passes.slices import projection_slice, row_slice, sliced, unsliced


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
        part = row_slice(layer, number, range(count))
        assert part.weight_h is not None
        in_order = np.concatenate([h[number * units :], h[: number * units]])  # own units first, then those behind them
        sums = (part.weight_x @ x + part.weight_h @ in_order).reshape(-1, units)
        assert np.array_equal(sums, whole[:, number * units : (number + 1) * units])
        assert part.output_size == units


def test_slices_join_to_the_layer() -> None:
    network = quantise(Network("net", (layer_of(Case("gru", 7, 8, 0)),)), 8, 16)
    joined = unsliced([sliced(network, number, range(4)) for number in range(4)], range(4))
    for name in ("weight_x", "weight_h", "bias"):
        assert np.array_equal(getattr(joined.layers[0], name), getattr(network.layers[0], name))


def grouped(groups: int) -> QuantisedNetwork:
    return quantise(Network("net", (layer_of(Case("grouped", 3 * groups, 4 * groups, 0, 2 * groups, groups)),)), 8, 16)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_a_projection_multiplies_its_own_group_first(count: int) -> None:
    """By exact integer products: the others' results are read as h, those of the device behind first."""
    layer = grouped(count).layers[-1]
    given = np.random.default_rng(2).integers(-99, 99, (count, 4))
    whole = layer.weight_x @ given.ravel()
    for number in range(count):
        part = projection_slice(layer, number, range(count))
        assert part.weight_h is not None
        others = [given[(number + ahead) % count] for ahead in range(1, count)]
        sums = part.weight_x @ given[number] + part.weight_h @ np.concatenate(others)
        assert np.array_equal(sums, whole[2 * number : 2 * number + 2])
        assert part.formats.product.accumulator_width == layer.formats.product.accumulator_width
        assert (part.formats.product.shift_x, part.formats.product.shift_h) == (0, 0)


def test_groups_join_to_the_layer() -> None:
    network = grouped(3)
    parts = [sliced(network, number, range(3)) for number in range(3)]
    assert [part.input_size for part in parts] == [9, 9, 9]
    assert [part.layers[0].x_offset for part in parts] == [0, 3, 6]
    joined = unsliced(parts, range(3))
    assert joined.blocks == network.blocks
    for one, other in zip(joined.layers, network.layers, strict=True):
        assert (one.name, one.formats, one.x_offset, one.h_offset) == (
            other.name, other.formats, other.x_offset, other.h_offset,
        )  # fmt: skip
        assert np.array_equal(one.weight_x, other.weight_x)
        assert np.array_equal(one.bias, other.bias)
        assert (one.weight_h is None) == (other.weight_h is None)
        assert one.weight_h is None or np.array_equal(one.weight_h, other.weight_h)


def test_a_linear_layer_by_its_outputs() -> None:
    network = quantise(Network("net", (LinearLayer("l", np.arange(24.0).reshape(6, 4) / 24, np.arange(6.0)),)), 8, 16)
    parts = [sliced(network, number, range(3)) for number in range(3)]
    x = np.array([3, -5, 7, 11])
    sums = np.concatenate([part.layers[0].weight_x @ x for part in parts])
    assert np.array_equal(sums, network.layers[0].weight_x @ x)
    assert np.array_equal(unsliced(parts, range(3)).layers[0].weight_x, network.layers[0].weight_x)


@pytest.mark.parametrize("order", [(0, 3, 1, 2), (0, 1, 3, 2)])
def test_any_order_of_the_others(order: tuple[int, ...]) -> None:
    """By exact integer products, with h laid out device by device as they are said to come; and back to the layer."""
    network = quantise(Network("net", (layer_of(Case("gru", 5, 8, 0)),)), 8, 16)
    (layer,), h = network.layers, np.random.default_rng(3).integers(-99, 99, (4, 2))
    assert layer.weight_h is not None
    whole = (layer.weight_h @ h.ravel()).reshape(3, 4, 2)
    for number in range(4):
        part = row_slice(layer, number, order)
        assert part.weight_h is not None
        mine = np.concatenate([h[(number + distance) % 4] for distance in order])
        assert np.array_equal((part.weight_h @ mine).reshape(3, 2), whole[:, number])
    joined = unsliced([sliced(network, number, order) for number in range(4)], order)
    assert np.array_equal(joined.layers[0].weight_h, layer.weight_h)
    groups = grouped(4)
    again = unsliced([sliced(groups, number, order) for number in range(4)], order)
    assert np.array_equal(again.layers[-1].weight_x, groups.layers[-1].weight_x)


@pytest.mark.parametrize("function", ["none", "relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("count", [2, 3, 6])
def test_a_linear_layer_by_its_inputs(function: str, count: int) -> None:
    """By exact integers: the function of the sums of all devices is the layer, and no sum is wider than is said."""
    random = np.random.default_rng(4)
    linear = LinearLayer("l", random.normal(0, 0.4, (7, 12)), random.normal(0, 0.3, 7))
    layers = (linear,) if function == "none" else (linear, ActivationLayer("f", function, 7))
    network = quantise(Network("net", layers), 8, 16)
    parts = [sliced(network, number, range(count), by_inputs=True) for number in range(count)]
    product = network.layers[0].formats.product
    ends = random.choice([product.x.minimum, product.x.maximum], (500, 12))
    inputs = np.vstack([ends, random.integers(product.x.minimum, product.x.maximum, (500, 12), endpoint=True)])
    slices = np.split(inputs, count, axis=1)
    sums = [each @ part.layers[0].weight_x.T + part.layers[0].bias for each, part in zip(slices, parts)]
    (format_,) = {part.layers[0].output_format for part in parts}
    for held in (*sums, sum(sums)):
        assert held.min() >= format_.minimum
        assert held.max() <= format_.maximum
    (post,) = parts[0].blocks[0].post
    assert isinstance(post, QuantisedMap)
    counted = Saturations()
    found = run_map(post, sum(sums).T.astype(float), counted)
    emulator = make_emulator(network.layers[0])
    emulator.begin(len(inputs))
    assert np.array_equal(found, emulator.step(inputs.T.astype(float), None, counted))
    assert all(part.blocks[0].post == () for part in parts[1:])


def test_inputs_join_to_the_layer() -> None:
    linear = LinearLayer("l", np.arange(24.0).reshape(3, 8) / 24, np.arange(3.0))
    network = quantise(Network("net", (linear, ActivationLayer("f", "tanh", 3))), 8, 16)
    parts = [sliced(network, number, range(4), by_inputs=True) for number in range(4)]
    assert [part.input_size for part in parts] == [8, 8, 8, 8]
    assert [part.layers[0].x_offset for part in parts] == [0, 2, 4, 6]
    joined = unsliced(parts, range(4))
    assert joined.blocks == network.blocks
    (one,), (other,) = joined.layers, network.layers
    assert (one.name, one.formats, one.x_offset) == (other.name, other.formats, other.x_offset)
    assert np.array_equal(one.weight_x, other.weight_x)
    assert np.array_equal(one.bias, other.bias)
