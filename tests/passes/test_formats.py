"""Formats chosen for known ranges, and the sentence of every refusal."""

from __future__ import annotations

import re

import numpy as np
import pytest

from rnngen.arith.format import Format
from rnngen.errors import DataError, FormatError
from rnngen.ir.network import LinearLayer, Network, RecurrentLayer
from rnngen.passes.formats import best_weight_format, covering
from rnngen.passes.quantise import quantise
from rnngen.passes.ranges import measure, prove


def lstm(inputs: int, hidden: int, scale: float = 0.25, bias: float = 0.0) -> RecurrentLayer:
    """Every weight ``scale`` and every bias half ``bias``."""
    full = np.full
    return RecurrentLayer(
        "l", "lstm", full((4 * hidden, inputs), scale), full((4 * hidden, hidden), scale),
        full(4 * hidden, bias), full(4 * hidden, bias),
    )  # fmt: skip


@pytest.mark.parametrize(
    "width, largest, fraction",
    [
        (8, 1.0, 6),  # 128 does not fit 7 fraction bits
        (8, 127 / 128, 7),
        (8, 127.4 / 128, 7),  # rounds to 127
        (8, 127.5 / 128, 6),  # rounds to 128
        (16, 0.3, 16),
        (16, 0.5, 15),  # 2**15 would not fit
        (4, 100.0, -4),  # 100 / 16 rounds to 6, 100 / 8 to 13
        (8, 2.0**-10, 16),
        (16, 0.0, 15),
    ],
)
def test_covering(width: int, largest: float, fraction: int) -> None:
    assert covering(width, largest) == Format(width, fraction)


def test_weights_take_the_point_with_the_smallest_squared_error() -> None:
    operand = Format(16, 15)
    # One weight of 1 alone: the covering point, 6, is exact.
    assert best_weight_format(8, np.array([1.0]), operand) == Format(8, 6)
    # One weight of 1 among many of 3/128: 7 bits clip it by 2**-7, 6 bits put each of the others 2**-7 off.
    values = np.array([1.0] + [3 / 128] * 100)
    assert best_weight_format(8, values, operand) == Format(8, 7)
    # Two clips weigh more than one such neighbour.
    assert best_weight_format(8, np.array([1.0, 1.0, 3 / 128]), operand) == Format(8, 6)


def test_tiny_weights_keep_the_accumulator_at_40_fraction_bits() -> None:
    assert best_weight_format(8, np.array([1e-12]), Format(16, 15)) == Format(8, 25)


def test_hand_case_without_calibration() -> None:
    quantised = quantise(Network("n", (lstm(2, 3),)), 8, 16)
    formats = quantised.layers[0].formats
    assert (quantised.weight_bits, quantised.activation_bits) == (8, 16)
    assert formats.product.x == Format(16, 14)  # [-1, 1] needs a sign and one integer bit
    assert formats.product.weight_x == formats.product.weight_h == Format(8, 8)  # 1/4 = 64 / 256
    assert np.all(quantised.layers[0].weight_x == 64)
    assert formats.preactivation == Format(18, 14)  # [-8, 8)
    assert formats.h == Format(16, 15)
    assert formats.gate_fraction == 16
    # z <= 2/4 + 3/4: c < sigmoid(1.25) * tanh(1.25) / (1 - sigmoid(1.25)) = e**1.25 * 0.8483 = 2.96, so 2 integer bits.
    assert prove(Network("n", (lstm(2, 3),)))[0].c == pytest.approx(np.exp(1.25) * np.tanh(1.25))
    assert formats.c == Format(18, 14)  # 15 would cover it, the tanh input has 14
    # Products: 8 + 14 and 8 + 15 fraction bits; x moves one place up.
    assert (formats.product.fraction, formats.product.shift_x, formats.product.shift_h) == (23, 1, 0)
    assert formats.slot_shift("g") == 9
    assert [formats.slot_shift(gate) for gate in "ifo"] == [10, 10, 10]


def test_proved_cell_range_is_limited() -> None:
    assert prove(Network("n", (lstm(8, 8, 3.0),)))[0].c == 7.99


def test_measured_ranges() -> None:
    """One step: c = sigmoid(z) * tanh(z) with z = 2 * 0.25 * 3, and the head sees h = sigmoid(z) * tanh(c)."""
    network = Network("n", (lstm(2, 3), LinearLayer("head", np.full((1, 3), 2.0), np.array([-10.0]))))
    ranges = measure(network, np.full((1, 1, 2), 3.0))
    gate = 1 / (1 + np.exp(-1.5))
    cell = gate * np.tanh(1.5)
    h = gate * np.tanh(cell)
    assert (ranges[0].x, ranges[0].c, ranges[0].y) == pytest.approx((3.0, cell, h))
    assert (ranges[1].x, ranges[1].c, ranges[1].y) == pytest.approx((h, 0.0, abs(6 * h - 10)))


def test_head_input_is_the_lstm_output() -> None:
    quantised = quantise(Network("n", (lstm(2, 3), LinearLayer("head", np.full((1, 3), 2.0), np.zeros(1)))), 8, 16)
    head = quantised.layers[1].formats
    assert head.product.x == quantised.layers[0].formats.h == Format(16, 15)
    assert head.product.weight_x == Format(8, 5)  # 2 = 64 / 32
    assert head.y == Format(16, 12)  # |y| <= 6
    assert head.slot_shift("y") == 5 + 15 - 12


def test_the_bias_never_saturates() -> None:
    """Biases far larger than the weights keep their value to half a unit of the accumulator."""
    network = Network("n", (lstm(2, 3, 0.01, 50.0),))
    layer = quantise(network, 2, 4).layers[0]
    fmt = layer.formats.product.bias
    assert np.abs(fmt.to_float(layer.bias) - 100.0).max() <= fmt.step / 2
    rounded = layer.rounded_bias()[0]
    assert fmt.minimum <= rounded.min()
    assert rounded.max() <= fmt.maximum


@pytest.mark.parametrize("weight_bits", [2, 3, 8, 17, 18])
@pytest.mark.parametrize("activation_bits", [4, 5, 16, 18])
def test_every_width_has_formats(weight_bits: int, activation_bits: int) -> None:
    """Weights and operands fit an 18-bit multiplier wherever the activations leave room, sums fit 53 bits."""
    generator = np.random.default_rng(weight_bits * 32 + activation_bits)
    for scale_x, scale_h in ((1.0, 1.0), (1e-3, 2.0), (3.0, 1e-4)):
        layer = RecurrentLayer(
            "l", "lstm", generator.normal(0, scale_x, (12, 2)), generator.normal(0, scale_h, (12, 3)),
            np.zeros(12), np.zeros(12),
        )  # fmt: skip
        quantised = quantise(Network("n", (layer,)), weight_bits, activation_bits).layers[0]
        product = quantised.formats.product
        assert product.weight_x.width == product.weight_h.width == weight_bits
        assert product.x.width == product.h.width == activation_bits
        assert product.operand_width <= 18
        assert product.total_width <= 53
        assert np.abs(quantised.weight_x).max() <= 2 ** (weight_bits - 1)


@pytest.mark.parametrize("bits", [1, 19, 0, -4])
def test_weight_bits_out_of_range(bits: int) -> None:
    with pytest.raises(FormatError, match=rf"^Weight bits must be within 2\.\.18, not {bits}\.$"):
        quantise(Network("n", (lstm(2, 3),)), bits, 16)


@pytest.mark.parametrize("bits", [3, 19])
def test_activation_bits_out_of_range(bits: int) -> None:
    with pytest.raises(FormatError, match=rf"^Activation bits must be within 4\.\.18, not {bits}\.$"):
        quantise(Network("n", (lstm(2, 3),)), 8, bits)


NAN = np.zeros((2, 3, 2))
NAN[1, 2, 0] = np.nan
INFINITE = np.zeros((2, 3, 2))
INFINITE[0, 1, 1] = -np.inf


@pytest.mark.parametrize(
    "array, sentence",
    [
        (np.zeros((3, 2)), "shape (sequences, steps, 2) with at least one sequence and step, not (3, 2)."),
        (np.zeros((1, 3, 5)), "shape (sequences, steps, 2) with at least one sequence and step, not (1, 3, 5)."),
        (np.zeros((0, 3, 2)), "shape (sequences, steps, 2) with at least one sequence and step, not (0, 3, 2)."),
        (np.zeros((1, 0, 2)), "shape (sequences, steps, 2) with at least one sequence and step, not (1, 0, 2)."),
        (np.zeros((1, 3, 2), dtype=complex), "must hold real numbers, not 'complex128'."),
        (np.full((1, 3, 2), "a"), "must hold real numbers, not '<U1'."),
        (NAN, "holds nan at [1, 2, 0]; all values must be finite."),
        (INFINITE, "holds -inf at [0, 1, 1]; all values must be finite."),
    ],
)
def test_bad_calibration(array: np.ndarray, sentence: str) -> None:
    with pytest.raises(DataError, match=f"^The calibration input .*{re.escape(sentence)}$"):
        quantise(Network("n", (lstm(2, 3),)), calibration=array)


def gru(scale: float, h_0: float | None = None) -> RecurrentLayer:
    arrays = [np.full(shape, scale) for shape in ((12, 2), (12, 4), (12,), (12,))]
    return RecurrentLayer("g", "gru", *arrays, h_0=None if h_0 is None else np.full(4, h_0))


def test_the_state_of_a_gru_is_finer_than_its_h() -> None:
    formats = quantise(Network("n", (gru(0.25),)), 8, 16).layers[0].formats
    assert (formats.state, formats.h) == (Format(18, 17), Format(16, 15))


def test_parts_of_gate_n_that_reach_too_far() -> None:
    sentence = (
        "The parts of a GRU's gate n reach 2.03e+06, too far for a tanh input of 2 fraction bits; use more activation "
        "bits or scale the input."
    )
    x = np.full((1, 2, 2), 1e6)
    with pytest.raises(FormatError, match=f"^{re.escape(sentence)}$"):
        quantise(Network("n", (gru(1.0),)), 8, 4, x)


def test_a_state_of_a_gru_that_reaches_too_far() -> None:
    sentence = "The h of a GRU reaches 56, too far beside gates within (-1, 1); begin with a smaller state."
    with pytest.raises(FormatError, match=f"^{re.escape(sentence)}$"):
        quantise(Network("n", (gru(0.25, 30.0),)), 8, 4)
