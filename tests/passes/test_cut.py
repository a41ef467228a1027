"""Parts of a network, one behind the other, compute the whole: ``==``."""

from __future__ import annotations

import re
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnngen.emulate.network import run_values
from rnngen.errors import ModelError
from rnngen.ir.network import Network
from rnngen.ir.quantised import QuantisedNetwork
from rnngen.ir.reference import run_network
from rnngen.passes.cut import Part, cut, join
from rnngen.passes.quantise import quantise
from tests.random_networks import Description, make_input, make_network, random_description

CHAINS: tuple[Description, ...] = (
    (("lstm", 5), ("gru", 4), ("linear", 3), ("argmax",)),
    (("embedding", 7, 4), ("gru", 6), ("relu",), ("bidirectional lstm", 3), ("linear", 4), ("tanh",)),
    (("projected", 6, 3), ("bidirectional projected", 5, 2), ("rnn_tanh", 4), ("last",), ("linear", 2)),
    (("factorised", 4, 2), ("grouped", 3, 2), ("rnn_relu", 5), ("hardtanh", -0.5, 0.7), ("linear", 6), ("sigmoid",)),
    (("bidirectional gru", 4), ("final",), ("linear", 5), ("relu",), ("lstm", 3), ("hardsigmoid",), ("argmax",)),
    (("reversed lstm", 4), ("linear", 3), ("last",), ("gru", 2)),
)


def whole_of(description: Description, seed: int = 1) -> tuple[Network, QuantisedNetwork, np.ndarray]:
    network = make_network(seed, 6, description)
    x = make_input(network, seed + 1, 3, 5)
    return network, quantise(network, 7, 12, x), x


def cut_at(network: Network, quantised: QuantisedNetwork, places: list[int]) -> list[Part]:
    ends = [0, *places, len(quantised.blocks)]
    ranges = [range(first, last) for first, last in zip(ends, ends[1:])]
    return cut(network, quantised, ranges, [f"part{number}" for number in range(len(ranges))])


def run_parts(parts: list[Part], x: np.ndarray) -> np.ndarray:
    """Integers of the last part; each gets real values that its input format holds exactly."""
    for part in parts:
        result = run_values(part.quantised, x).output
        x = result * 2.0**-part.quantised.output_format.fraction
    return result


@pytest.mark.parametrize("description", CHAINS)
def test_parts_compute_the_whole_wherever_it_is_cut(description: Description) -> None:
    network, quantised, x = whole_of(description)
    expected = run_values(quantised, x).output
    count = len(quantised.blocks)
    for chosen in range(1 << (count - 1)):
        places = [place for place in range(1, count) if chosen >> (place - 1) & 1]
        parts = cut_at(network, quantised, places)
        assert np.array_equal(run_parts(parts, x), expected)
        assert sum(part.quantised.macs for part in parts) == quantised.macs
        assert [layer.name for part in parts for layer in part.network.layers] == [
            layer.name for layer in network.layers
        ]
        gives = [part.network.layers[block.source].name for part in parts for block in part.quantised.blocks]
        assert gives == [network.layers[block.source].name for block in quantised.blocks]


@pytest.mark.parametrize("description", CHAINS)
def test_float_layers_of_the_parts_compute_the_whole(description: Description) -> None:
    network, quantised, x = whole_of(description)
    expected = run_network(network, x).layers[-1]
    for part in cut_at(network, quantised, list(range(1, len(quantised.blocks)))):
        assert part.network.input_size == part.quantised.input_size
        assert part.network.output_size == part.quantised.output_size
        x = run_network(part.network, x).layers[-1]
    assert np.array_equal(x, expected)


@given(st.integers(0, 10_000))
def test_any_network_anywhere(seed: int) -> None:
    random = Random(seed)
    network, quantised, x = whole_of(random_description(random, 6, 4), seed)
    places = sorted(random.sample(range(1, len(quantised.blocks)), random.randrange(len(quantised.blocks))))
    parts = cut_at(network, quantised, places)
    assert np.array_equal(run_parts(parts, x), run_values(quantised, x).output)


@pytest.mark.parametrize("description", CHAINS)
def test_joined_again_they_are_the_whole(description: Description) -> None:
    network, quantised, _ = whole_of(description)
    said = Network(network.name, network.layers, "model", ("scales",), ("smooths",))
    back = join(cut_at(said, quantised, list(range(1, len(quantised.blocks)))), network.name)
    assert (back.quantised.layers, back.quantised.blocks) == (quantised.layers, quantised.blocks)
    assert (back.quantised.name, back.quantised.weight_bits) == (quantised.name, quantised.weight_bits)
    assert back.network.layers == network.layers
    assert (back.network.host_before, back.network.host_after) == (("scales",), ("smooths",))


def test_what_the_host_does_is_said_at_the_ends() -> None:
    network, quantised, _ = whole_of(CHAINS[0])
    said = Network(network.name, network.layers, "model", ("scales",), ("smooths",), True)
    first, middle, last = (part.network for part in cut_at(said, quantised, [1, 2]))
    assert (first.host_before, first.host_after, first.name) == (("scales",), (), "part0")
    assert (middle.host_before, middle.host_after, middle.caller_state) == ((), (), True)
    assert (last.host_before, last.host_after, last.source) == ((), ("smooths",), "model")


@pytest.mark.parametrize(
    ("ranges", "said"),
    [
        ([range(1), range(2, 3)], "0..0, 2..2"),
        ([range(2), range(1, 3)], "0..1, 1..2"),
        ([range(3), range(3, 3)], "0..2, 3..2"),
        ([], "none"),
    ],
)
def test_parts_take_every_block_once(ranges: list[range], said: str) -> None:
    network, quantised, _ = whole_of(CHAINS[0])
    with pytest.raises(ModelError, match=re.escape(f"Parts must take the blocks 0..2 in order, each part at least one "
                                                   f"and each block once, not {said}.")):  # fmt: skip
        cut(network, quantised, ranges, ["a"] * len(ranges))
