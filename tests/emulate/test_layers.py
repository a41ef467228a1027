"""The emulator bit for bit against a model in exact fractions, for every kind of layer and every chain of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rnngen.passes.quantise import quantise
from tests.emulate.model import assert_equal
from tests.random_networks import ACTIVATIONS, RECURRENT, Description, descriptions, make_input, make_network

SCALES = (0.05, 0.5, 3.0, 12.0)


@given(
    st.integers(0, 10**6), st.integers(2, 18), st.integers(4, 18), st.integers(1, 3),
    descriptions(st.integers(1, 3)), st.sampled_from(SCALES), st.booleans(),
)  # fmt: skip
@settings(max_examples=150)
def test_every_bit_and_every_count(
    seed: int, weight_bits: int, activation_bits: int, inputs: int, description: Description, scale: float,
    calibrated: bool,
) -> None:  # fmt: skip
    network = make_network(seed, inputs, description, scale)
    calm = make_input(network, seed + 1, 2, 3, 0.2) if calibrated else None
    x = make_input(network, seed + 2, 2, 3, 1.5)
    assert_equal(quantise(network, weight_bits, activation_bits, calm), x)
