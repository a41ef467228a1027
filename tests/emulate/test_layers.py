"""The emulator bit for bit against a model in exact fractions, for every kind of layer and every chain of them."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import example, given, reject, settings
from hypothesis import strategies as st

from rnngen.arith.format import Format
from rnngen.emulate.network import run_values
from rnngen.errors import FormatError
from rnngen.ir.layers import ActivationLayer, ArgmaxLayer, LinearLayer
from rnngen.ir.network import Network
from rnngen.ir.quantised import (
    Block,
    Branch,
    GruFormats,
    LinearFormats,
    LstmFormats,
    ProductFormats,
    QuantisedArgmax,
    QuantisedLayer,
    QuantisedMap,
    QuantisedNetwork,
)
from rnngen.ir.reference import run_layers
from rnngen.passes.quantise import quantise
from tests.emulate.model import assert_equal
from tests.random_networks import ACTIVATIONS, RECURRENT, Description, Item, descriptions, make_input, make_network

SCALES = (0.05, 0.5, 3.0, 12.0)


def item(kind: str, *sizes: int) -> Item:
    two = kind.endswith("projected") or kind in ("factorised", "grouped")
    return (kind, *sizes[: 1 + two])


@given(
    st.integers(0, 10**6), st.integers(2, 18), st.integers(4, 18), st.integers(1, 3), descriptions(3),
    st.sampled_from(SCALES), st.booleans(),
)  # fmt: skip
@settings(max_examples=150)
@example(1, 18, 18, 3, (("bidirectional gru", 2), ("final",), ("tanh",), ("hardsigmoid",), ("argmax",)), 3.0, False)
@example(2, 2, 4, 3, (("grouped", 2, 3), ("sigmoid",), ("reversed projected", 3, 2), ("linear", 2)), 12.0, True)
@example(3, 2, 18, 1, (("embedding", 5, 2), ("factorised", 3, 1), ("last",), ("linear", 1), ("tanh",)), 0.05, False)
@example(4, 18, 4, 2, (("linear", 3), ("hardtanh", -0.25, 0.125), ("relu",), ("rnn_relu", 3)), 3.0, True)
def test_every_bit_and_every_count(
    seed: int, weight_bits: int, activation_bits: int, inputs: int, description: Description, scale: float,
    calibrated: bool,
) -> None:  # fmt: skip
    network = make_network(seed, inputs, description, scale)
    calm = make_input(network, seed + 1, 2, 3, 0.2) if calibrated else None
    x = make_input(network, seed + 2, 2, 3, 1.5)
    try:
        quantised = quantise(network, weight_bits, activation_bits, calm)
    except FormatError as refusal:
        two_points = "its branches have outputs of the formats"  # of two directions with projections
        too_far = "too far for a tanh input of"  # behind a ReLU without bound, of the fewest bits
        assert two_points in str(refusal) or (too_far in str(refusal) and activation_bits < 8)
        reject()
    assert_equal(quantised, x)


@pytest.mark.parametrize("symbols", [False, True])
@pytest.mark.parametrize("kind", RECURRENT)
def test_every_recurrent_layer_alone(kind: str, symbols: bool) -> None:
    """At the narrowest and the widest words, calibrated and proved, each step counting."""
    embedding = (("embedding", 4, 4),) if symbols else ()
    network = make_network(7, 4, (*embedding, item(kind, 3, 2)), 3.0)
    x = make_input(network, 8, 2, 4, 1.5)
    for bits, calibration in product(((2, 4), (8, 16), (18, 18)), (None, make_input(network, 9, 1, 3, 0.3))):
        got, _ = assert_equal(quantise(network, *bits, calibration), x)
    assert len({step.tobytes() for sequence in got.output for step in sequence}) > 2


@pytest.mark.parametrize("function", ACTIVATIONS)
@pytest.mark.parametrize("front", [("linear", 3), ("lstm", 3), ("linear", 3, "relu")])
def test_every_function_behind_a_linear_layer_and_behind_a_block(function: str, front: tuple[object, ...]) -> None:
    """Behind a Linear layer it is part of the layer, behind all else a map."""
    chain = ((front[:2], (front[2],)) if len(front) > 2 else (front,)) + ((function,),)
    network = make_network(3, 2, chain, 6.0)
    x = make_input(network, 4, 2, 5, 1.5)
    for calibration in (None, make_input(network, 5, 1, 3, 0.3)):
        quantised = quantise(network, 8, 12, calibration)
        assert isinstance(quantised.blocks[-1].post[-1] if quantised.blocks[-1].post else None, QuantisedMap) == (
            front != ("linear", 3)
        )
        got, _ = assert_equal(quantised, x)
        assert len(np.unique(got.output)) > 2


# Saturation


POINTS = {LstmFormats: ("c", "h"), GruFormats: ("inner", "state", "h"), LinearFormats: ("y",)}


def shorter(fmt: Format) -> Format:
    """Four integer bits fewer."""
    return Format(fmt.width - 4, fmt.fraction)


def squeezed(layer: QuantisedLayer) -> QuantisedLayer:
    """The layer with fewer integer bits at its own named points; h as it is multiplied goes with them."""
    formats = layer.formats
    product = replace(formats.product, h=shorter(formats.product.h)) if formats.product.hidden_size else formats.product
    points = {point: shorter(getattr(formats, point)) for point in POINTS[type(formats)]}
    return replace(layer, formats=replace(formats, product=product, **points))


@pytest.mark.parametrize(
    "kind, points",
    [
        ("lstm", {"preactivation", "c", "tanh_input", "h"}),
        ("reversed lstm", {"preactivation", "c", "tanh_input", "h"}),
        ("gru", {"preactivation", "inner", "c", "h"}),
        ("rnn_tanh", {"y"}),
        ("rnn_relu", {"y"}),
    ],
)
def test_every_point_of_a_recurrent_layer_saturates(kind: str, points: set[str]) -> None:
    """Large weights reach the ends of the pre-activation; the other points lack integer bits."""
    network = make_network(5, 3, ((kind, 3),), 40.0)
    x = make_input(network, 7, 3, 6, 1.5)
    quantised = quantise(network, 8, 12, x)
    layer = quantised.layers[0] if kind == "rnn_tanh" else squeezed(quantised.layers[0])
    _, model = assert_equal(replace(quantised, layers=(layer,)), x)
    assert {point for (index, point), count in model.counts.items() if count and index == 0} == points


@pytest.mark.parametrize(
    "kind, points",
    [
        ("projected", {(0, "preactivation"), (0, "tanh_input"), (0, "c"), (1, "y")}),
        ("factorised", {(0, "y"), (1, "preactivation"), (1, "tanh_input"), (1, "c")}),
        ("grouped", {(0, "preactivation"), (1, "preactivation"), (2, "tanh_input"), (2, "c"), (3, "y")}),
    ],
)
def test_both_stages_saturate(kind: str, points: set[tuple[int, str]]) -> None:
    network = make_network(5, 3, ((kind, 3, 2),), 40.0)
    x = make_input(network, 7, 4, 16)
    quantised = quantise(network, 8, 12, x)
    dense = next(layer.formats.y for layer in quantised.layers if isinstance(layer.formats, LinearFormats))

    def short(layer: QuantisedLayer) -> QuantisedLayer:
        """With a shorter c or y; who reads y takes it as it is."""
        formats, point = layer.formats, "y" if isinstance(layer.formats, LinearFormats) else "c"
        found = {name: getattr(formats.product, name) for name in ("x", "h")}
        taken = {name: shorter(fmt) for name, fmt in found.items() if fmt == dense}
        own = {point: shorter(getattr(formats, point))}
        return replace(layer, formats=replace(formats, product=replace(formats.product, **taken), **own))

    _, model = assert_equal(replace(quantised, layers=tuple(short(layer) for layer in quantised.layers)), x)
    assert points <= {point for point, count in model.counts.items() if count}


@pytest.mark.parametrize("function", ["none", "relu", "sigmoid", "tanh"])
def test_a_linear_layer_saturates(function: str) -> None:
    """The format's limit counts, a ReLU's own does not: it is no narrowing."""
    chain: list[Item] = [("linear", 4)] if function == "none" else [("linear", 4), (function,)]
    network = make_network(5, 3, tuple(chain), 40.0)
    x = make_input(network, 6, 2, 4)
    quantised = quantise(network, 8, 12, x)
    layer = quantised.layers[0] if function in ("sigmoid", "tanh") else squeezed(quantised.layers[0])
    _, model = assert_equal(replace(quantised, layers=(layer,)), x)
    assert model.counts[(0, "y")] > 0


@pytest.mark.parametrize("function", ["relu", "sigmoid", "tanh"])
def test_a_map_saturates(function: str) -> None:
    network = make_network(5, 3, (("linear", 4), ("relu",), (function,)), 20.0)
    x = make_input(network, 6, 2, 4)
    quantised = quantise(network, 8, 12, x)
    (block,) = quantised.blocks
    (passed,) = block.post
    assert isinstance(passed, QuantisedMap)
    formats = passed.formats
    if function == "relu":
        formats = replace(formats, y=shorter(formats.y))
    else:
        assert formats.preactivation is not None
        formats = replace(formats, preactivation=Format(8, formats.preactivation.fraction))
    passed = replace(passed, formats=formats)
    _, model = assert_equal(replace(quantised, blocks=(replace(block, post=(passed,)),)), x)
    assert model.counts[(1, "y")] > 0


@pytest.mark.parametrize("function", ["hardsigmoid", "hardtanh"])
@pytest.mark.parametrize("front", [(), (("linear", 4), ("relu",))])
def test_what_a_function_cuts_off_is_no_saturation(function: str, front: Description) -> None:
    chain = (*front, (function,)) if front else (("linear", 4), (function,))
    network = make_network(5, 3, chain, 8.0)
    x = make_input(network, 6, 2, 8)
    got, model = assert_equal(quantise(network, 8, 12), x)
    one = round(1 / quantise(network, 8, 12).output_format.step)
    assert (got.output.max(), np.count_nonzero(got.output == one) > 1) == (one, True)
    assert len(np.unique(got.output)) > 2
    assert sum(model.counts.values()) == 0


def test_inputs_saturate() -> None:
    network = make_network(5, 3, (("gru", 2),))
    got, _ = assert_equal(quantise(network, 8, 12, make_input(network, 6, 1, 2, 0.1)), make_input(network, 7, 2, 3))
    assert 0 < got.input_saturations < 18


def chain_of(formats: LinearFormats, post: tuple[QuantisedMap | QuantisedArgmax, ...]) -> QuantisedNetwork:
    """An identity of three words and what follows."""
    weight = np.eye(3, dtype=np.int64)
    layer = QuantisedLayer("id", weight, None, np.zeros(3, dtype=np.int64), formats)
    return QuantisedNetwork("n", (layer,), (Block((Branch(((0,),)),), post=post),), 2, 8)


IDENTITY = LinearFormats(
    ProductFormats(3, 0, Format(8, 4), Format(2, 0), Format(8, 4), Format(2, 0), Format(2, 4)), Format(8, 4)
)


def test_argmax_is_the_first_of_equals() -> None:
    network = chain_of(IDENTITY, (QuantisedArgmax("a", 3),))
    x = np.array([[[1, 1, 1], [0, 1, 1], [-1, -2, -1], [-3, -2, -1], [0, 2, 1]]]) / 16
    got, _ = assert_equal(network, x)
    assert got.output[0, :, 0].tolist() == [0, 1, 0, 2, 1]


def test_map_by_hand() -> None:
    """relu(3 / 2 * x) to halves: x in sixteenths, so (3 * 2 * n + 16) >> 5, at most 3."""
    product = ProductFormats(1, 0, Format(8, 4), Format(3, 1), Format(8, 4), Format(3, 1), Format(6, 5))
    relu = QuantisedMap("r", 3, 3, 8, LinearFormats(product, Format(3, 1), low=0))
    got, model = assert_equal(chain_of(IDENTITY, (relu,)), np.array([[[5, 6, 32], [-32, 16, -1]]]) / 16)
    # 3/2 * 5/16 = 0.469: 1 half; 3/2 * 6/16 = 0.5625: 1; 3/2 * 2 = 3: 6, limited to 3; 3/2: 3; below 0: 0.
    assert got.output.tolist() == [[[1, 1, 3], [0, 3, 0]]]
    assert model.counts[(1, "y")] == 1
    assert got.saturations == ({}, {"y": 1})


# Against the float network


@given(st.integers(0, 10**6), st.integers(1, 3), descriptions(5), st.booleans())
@settings(max_examples=60)
def test_close_to_the_float_network(seed: int, inputs: int, description: Description, calibrated: bool) -> None:
    """At the widest words whole chains stay near the float network: the integers are the network's."""
    network = make_network(seed, inputs, description, 1.0)
    if isinstance(network.layers[-1], ArgmaxLayer):
        network = Network("n", network.layers[:-1])
    x = make_input(network, seed + 1, 2, 6)
    quantised = quantise(network, 18, 18, x if calibrated else None)
    got = run_values(quantised, x, keep_blocks=True)
    wanted = run_layers(network, x)
    for block, values in zip(quantised.blocks, got.blocks, strict=True):
        error = np.abs(quantised.block_format(block).to_float(values) - wanted[block.source])
        assert error.max() < 2e-3 * (1 + np.abs(wanted[block.source]).max())
    assert np.array_equal(got.output, got.blocks[-1])
    assert got.total_saturations == 0


@pytest.mark.parametrize("kind", RECURRENT)
def test_tables_of_symbols_are_the_networks(kind: str) -> None:
    """Each engine reads its own part of the table's rows."""
    network = make_network(2, 1, (("embedding", 5, 4), item(kind, 3, 2)))
    x = make_input(network, 3, 3, 6)
    quantised = quantise(network, 18, 18, x)
    error = np.abs(quantised.output_format.to_float(run_values(quantised, x).output) - run_layers(network, x)[-1])
    assert error.max() < 1e-3


def test_argmax_of_a_network() -> None:
    network = make_network(11, 4, (("gru", 6), ("linear", 9), ("argmax",)), 6.0)
    x = make_input(network, 12, 4, 8)
    got = run_values(quantise(network, 16, 16, x), x)
    assert np.array_equal(got.output, run_layers(network, x)[-1])
    assert len(np.unique(got.output)) > 2


def test_a_fused_function_counts_as_its_layers_block() -> None:
    network = Network(
        "n",
        (
            LinearLayer("fc", np.eye(2), np.zeros(2)),
            ActivationLayer("relu", "relu", 2),
            ActivationLayer("tanh", "tanh", 2),
        ),
    )
    quantised = quantise(network, 8, 16)
    assert [block.source for block in quantised.blocks] == [2]
    assert (len(quantised.layers), len(quantised.blocks[0].post)) == (1, 1)
