"""All layers of a network: which are pruned, at which ratio, and what is refused by name."""

from __future__ import annotations

import re

import numpy as np
import pytest

from rnngen.errors import ModelError
from rnngen.ir.layers import FactorisedLayer, LinearLayer, ParallelLayer, RecurrentLayer
from rnngen.ir.network import Network
from rnngen.ir.trained import TrainedLayer
from rnngen.passes.prune_layers import (
    FitOptions,
    PruneOptions,
    fit_matrices,
    network_matrices,
    prune_matrices,
    prune_network,
)

RNG = np.random.default_rng(0)
GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1}


def layer(name, cell="lstm", inputs=8, hidden=8, outputs=None, reverse=False):
    rows, fed = GATES[cell] * hidden, outputs or hidden
    hr = None if outputs is None else RNG.normal(size=(outputs, hidden))
    weights = RNG.normal(size=(rows, inputs)), RNG.normal(size=(rows, fed))
    return RecurrentLayer(name, cell, *weights, np.zeros(rows), np.zeros(rows), hr, reverse)


def linear(name, inputs, outputs):
    return LinearLayer(name, RNG.normal(size=(outputs, inputs)), np.zeros(outputs))


def densities(network):
    """Share of non-zeros of every matrix, by name."""
    found, _ = network_matrices(network, [one.name for one in network.layers if isinstance(one, LinearLayer)])
    return {one.name: np.count_nonzero(one.weights) / one.weights.size for one in found}


def refused(sentence, function, *arguments):
    with pytest.raises(ModelError, match=f"^{re.escape(sentence)}$"):
        function(*arguments)


@pytest.mark.parametrize("cell", GATES)
def test_a_ratio_each_for_x_and_h(cell):
    network = Network("net", (layer("a", cell), linear("head", 8, 2)))
    pruned, parts = prune_network(network, PruneOptions(4, 0.5, "0"))
    assert densities(pruned) == {"a.weight_ih": 0.5, "a.weight_hh": 1.0, "head.weight": 1.0}
    assert [(part.matrix.name, part.mask.kept, part.mask.gates) for part in parts] == [
        ("a.weight_ih", 1, GATES[cell]),
        ("a.weight_hh", 2, GATES[cell]),
    ]
    assert np.array_equal(parts[0].weights, pruned.layers[0].weight_ih)
    assert np.array_equal(pruned.layers[0].bias_ih, network.layers[0].bias_ih)
    kept = pruned.layers[0].weight_ih != 0
    assert np.array_equal(pruned.layers[0].weight_ih[kept], network.layers[0].weight_ih[kept])


def test_linear_layers_that_are_named():
    network = Network("net", (layer("a"), linear("one", 8, 6), linear("two", 6, 2)))
    pruned, _ = prune_network(network, PruneOptions(2, 0.5, 0.75, linear=("one",)))
    assert densities(pruned) == {"a.weight_ih": 0.5, "a.weight_hh": 0.25, "one.weight": 0.5, "two.weight": 1.0}
    sentence = "Layer 'three' is no Linear layer of network 'net'; there are: 'one', 'two'."
    refused(sentence, prune_network, network, PruneOptions(2, 0.5, linear=("three",)))


def test_projection_is_no_recurrent_matrix():
    pruned, parts = prune_network(Network("net", (layer("a", outputs=4),)), PruneOptions(2, 0.75, 0.5))
    assert densities(pruned) == {"a.weight_ih": 0.25, "a.weight_hh": 0.5, "a.weight_hr": 0.25}
    assert [part.mask.gates for part in parts] == [4, 4, 1]


@pytest.mark.parametrize(
    "dense, left",
    [
        (("b",), {"b.weight_ih", "b.weight_hh", "b_r.weight_ih", "b_r.weight_hh"}),
        (("b_r",), {"b_r.weight_ih", "b_r.weight_hh"}),
        (("b_r.weight_hh", "a.weight_ih"), {"b_r.weight_hh", "a.weight_ih"}),
        (("a", "b_r"), {"a.weight_ih", "a.weight_hh", "b_r.weight_ih", "b_r.weight_hh"}),
    ],
)
def test_left_dense(dense, left):
    both = ParallelLayer("b", (layer("b.f"), layer("b_r", reverse=True)))
    network = Network("net", (layer("a"), both))
    pruned, parts = prune_network(network, PruneOptions(4, 0.5, dense=dense))
    left = {name.replace("b.weight", "b.f.weight") for name in left}
    assert {name for name, density in densities(pruned).items() if density == 1} == left
    assert {part.matrix.name for part in parts if part.mask is None} == left
    assert all(part.stored == part.matrix.weights.size for part in parts if part.mask is None)


def test_refused_names():
    network = Network("net", (layer("a"), layer("b")))
    sentence = "Layer 'c', which is to be left dense, is none of the layers to prune: 'a', 'b'."
    refused(sentence, prune_network, network, PruneOptions(4, 0.5, dense=("a", "c")))
    sentence = "All layers are left dense, so there is nothing to prune; name fewer of them."
    refused(sentence, prune_network, network, PruneOptions(4, 0.5, dense=("a", "b")))


def test_other_recurrent_layers_are_refused_or_left_dense():
    arrays = RNG.normal(size=(3, 8)), RNG.normal(size=(3, 8)), RNG.normal(size=(32, 3)), np.zeros(32)
    network = Network("net", (layer("a"), FactorisedLayer("f", *arrays)))
    sentence = (
        "Layer 'f' is a factorised LSTM, which cannot be pruned; name it as one to be left dense, or select another "
        "one."
    )
    refused(sentence, prune_network, network, PruneOptions(4, 0.5))
    pruned, _ = prune_network(network, PruneOptions(4, 0.5, dense=("f",)))
    assert pruned.layers[1] is network.layers[1]


@pytest.mark.parametrize(
    "options, sentence",
    [
        (
            PruneOptions(4, 0.6),
            "Parameter 'a.weight_ih' cannot have a sparsity of 0.6, which would keep 0.8 non-zeros in each bank (rows "
            "of 8 in 4 banks); the nearest legal one is 0.5 (1 kept).",
        ),
        (
            PruneOptions(4, 0.5, "0.3"),
            "Parameter 'a.weight_hh' cannot have a sparsity of 0.3, which would keep 1.4 non-zeros in each bank (rows "
            "of 8 in 4 banks); the nearest legal ones are 0 (2 kept) and 0.5 (1 kept).",
        ),
        (
            PruneOptions(9, 0.5),
            "Parameter 'a.weight_ih' has rows of 8, so its banks must be within 1..8, not 9; choose another number, or "
            "leave it dense.",
        ),
        (PruneOptions(4, -0.5), "Sparsity must be at least 0 and below 1, such as 0.875, 7/8 or 87.5%, not '-0.5'."),
        (
            PruneOptions(4, 0.5, 1),
            "Sparsity of the recurrent weights must be at least 0 and below 1, such as 0.875, 7/8 or 87.5%, not '1'.",
        ),
        (
            PruneOptions(4, 0.5, shared_rows=0),
            "Parameter 'a.weight_ih' must have at least 1 row with an index set, not 0.",
        ),
    ],
)
def test_refused_options(options, sentence):
    refused(sentence, prune_network, Network("net", (layer("a"),)), options)


def test_trained_integers_are_not_pruned():
    network = Network("net", (layer("a"),), trained={"a": TrainedLayer(None, None, None)})
    sentence = (
        "Layer 'a' was trained as integers, which pruning would not change; prune the model before it is quantised."
    )
    refused(sentence, prune_network, network, PruneOptions(4, 0.5))


def test_recognised_again():
    """W_ih alone would fit 8 banks (all dense), W_hh 4: both have 4."""
    network = Network("net", (layer("a"), layer("b")))
    pruned, parts = prune_network(network, PruneOptions(4, "0", 0.5, shared_rows=2, dense=("b",)))
    matrices, others = network_matrices(pruned)
    found = fit_matrices(matrices, FitOptions(shared_rows=2, dense=("b",)), others)
    assert [one.mask and (one.mask.banks, one.mask.kept) for one in found] == [(4, 2), (4, 1), None, None]
    for expected, one in zip(parts, found):
        assert one.mask is None or np.array_equal(one.mask.mask, expected.mask.mask)
    with pytest.raises(ModelError, match=r"^Parameter 'a.weight_hh' does not fit 8 banks of equal numbers of "):
        fit_matrices(matrices, FitOptions(banks=8), others)
    padded = fit_matrices(matrices, FitOptions(banks=8, pad=True), others)
    assert [one.mask.kept for one in padded] == [1] * 4
    assert [one.zeros for one in padded] == [0, 8 * 4 * 8 - np.count_nonzero(matrices[1].weights), 0, 0]


def test_figures():
    """Rows (3, 4) and (0, 5): of each the larger one: 16 of 25 parts and 25 of 25."""
    matrices, _ = network_matrices(Network("net", (linear("a", 2, 2),)), ["a"])
    matrices[0].weights[:] = [[3, 4], [0, 5]]
    (part,) = prune_matrices(matrices, PruneOptions(1, 0.5))
    assert (part.stored, part.zeros, part.energy, part.index_memory_bits) == (2, 0, (41.0, 50.0), 2)
