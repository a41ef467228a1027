"""Factorising: the best approximation of a rank, its figures against PyTorch's own SVD, and what is refused."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from rnngen.errors import ModelError
from rnngen.ir.layers import RecurrentLayer
from rnngen.ir.network import Network
from rnngen.ir.reference import run_layers
from rnngen.passes.factorise import compare, factorise

torch.set_num_threads(1)


def lstm(inputs=5, hidden=4, seed=0):
    rng = np.random.default_rng(seed)
    shapes = ((4 * hidden, inputs), (4 * hidden, hidden), (4 * hidden,), (4 * hidden,))
    return RecurrentLayer("enc", "lstm", *(rng.uniform(-0.5, 0.5, shape) for shape in shapes))


def matrix_of(layer):
    return np.hstack([layer.weight_ih, layer.weight_hh])


def product_of(factorised):
    return factorised.weight_out @ np.hstack([factorised.weight_in, factorised.weight_rec])


@pytest.mark.parametrize("inputs, hidden", [(5, 4), (20, 2), (1, 1), (3, 8)])
def test_full_rank_loses_nothing(inputs, hidden):
    layer = lstm(inputs, hidden)
    factorised, report = factorise(layer, min(4 * hidden, inputs + hidden))
    assert np.abs(product_of(factorised) - matrix_of(layer)).max() < 1e-14
    assert report.relative_error < 1e-14
    assert report.energy_kept == 1.0
    x = np.random.default_rng(1).uniform(-1, 1, (2, 9, inputs))
    expected, found = (run_layers(Network("net", (one,)), x)[0] for one in (layer, factorised))
    assert np.abs(expected - found).max() < 1e-12


@pytest.mark.parametrize("rank", range(1, 10))
def test_error_is_that_of_the_dropped_singular_values(rank):
    layer = lstm()
    factorised, report = factorise(layer, rank)
    singular = torch.linalg.svdvals(torch.from_numpy(matrix_of(layer))).numpy()
    energy = np.square(singular)
    assert abs(report.relative_error - np.sqrt(energy[rank:].sum() / energy.sum())) < 1e-12
    assert abs(report.energy_kept - energy[:rank].sum() / energy.sum()) < 1e-12
    assert np.linalg.matrix_rank(product_of(factorised)) == rank
    assert (factorised.rank, report.rank, report.largest_rank) == (rank, rank, 9)


def test_both_factors_share_the_singular_values():
    layer = lstm(12, 10)
    factorised, _ = factorise(layer, 4)
    singular = torch.linalg.svdvals(torch.from_numpy(matrix_of(layer))).numpy()[:4]
    inner = np.hstack([factorised.weight_in, factorised.weight_rec])
    assert np.abs(inner @ inner.T - np.diag(singular)).max() < 1e-12
    assert np.abs(factorised.weight_out.T @ factorised.weight_out - np.diag(singular)).max() < 1e-12


def test_the_figures_by_hand():
    """I = H = 1; W = [[3, 0], [0, 4], [0, 0], [0, 0]]: rank 1 keeps the 4 of (3, 4), 16 of 25 parts."""
    weight = np.array([[3.0, 0.0], [0.0, 4.0], [0.0, 0.0], [0.0, 0.0]])
    biases = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.5, 0.25, 0.0, -1.0])
    factorised, report = factorise(RecurrentLayer("enc", "lstm", weight[:, :1], weight[:, 1:], *biases), 1)
    assert abs(report.relative_error - 0.6) < 1e-15
    assert abs(report.energy_kept - 0.64) < 1e-15
    assert (report.macs_before, report.macs_after, report.warning) == (8, 6, "")
    assert np.abs(np.abs(factorised.weight_out[:, 0]) - [0, 2, 0, 0]).max() < 1e-15
    assert factorised.weight_in.tolist() == [[0.0]]
    assert abs(abs(factorised.weight_rec[0, 0]) - 2.0) < 1e-15
    assert factorised.bias.tolist() == [1.5, 2.25, 3.0, 3.0]
    assert factorised.name == "enc"


def test_zeros_lose_nothing():
    layer = lstm()
    zeros = replace(layer, weight_ih=0 * layer.weight_ih, weight_hh=0 * layer.weight_hh)
    factorised, report = factorise(zeros, 2)
    assert (report.relative_error, report.energy_kept) == (0.0, 1.0)
    assert not product_of(factorised).any()


def test_figures_are_of_the_factors_given():
    layer = lstm()
    factorised, report = factorise(layer, 3)
    halved = replace(factorised, weight_out=factorised.weight_out / 2)
    expected = np.linalg.norm(matrix_of(layer) - product_of(factorised) / 2) / np.linalg.norm(matrix_of(layer))
    assert abs(compare(layer, halved).relative_error - expected) < 1e-15
    assert compare(layer, factorised) == report


@pytest.mark.parametrize(
    "inputs, hidden, saving",
    [(5, 4, 5), (1, 1, 1), (4, 4, 5), (12, 4, 7)],
    # 144 / 25 = 5.76; 8 / 6 = 1.33; 128 / 24 = 5.33; 256 / 32 = 8 exactly, so 7
)
def test_warning_where_nothing_is_saved(inputs, hidden, saving):
    layer, sides = lstm(inputs, hidden), 4 * hidden + inputs + hidden
    assert factorise(layer, saving)[1].warning == ""
    report = factorise(layer, saving + 1)[1]
    assert report.warning == (
        f"Rank {saving + 1} saves nothing in layer 'enc': {(saving + 1) * sides} multiply-accumulates a step and not "
        f"{4 * hidden * (inputs + hidden)}; a rank of at most {saving} saves some."
    )


def refused(sentence, layer, rank):
    with pytest.raises(ModelError, match=f"^{re.escape(sentence)}$"):
        factorise(layer, rank)


@pytest.mark.parametrize("inputs, hidden, rank, largest", [(5, 4, 0, 9), (5, 4, 10, 9), (5, 4, -1, 9), (20, 2, 9, 8)])
def test_refused_ranks(inputs, hidden, rank, largest):
    refused(
        f"The rank of layer 'enc' must be within 1..{largest} (the smaller of 4 x hidden size and input size + "
        f"hidden size), not {rank}.",
        lstm(inputs, hidden),
        rank,
    )


def test_refused_layers():
    layer, rng = lstm(), np.random.default_rng(0)
    gru = RecurrentLayer("enc", "gru", layer.weight_ih[:12], layer.weight_hh[:12], np.zeros(12), np.zeros(12))
    projected = replace(layer, weight_hh=layer.weight_hh[:, :2], weight_hr=rng.normal(size=(2, 4)))
    for other, reason in (
        (gru, "its cell is 'gru'"),
        (projected, "it has a projection"),
        (replace(layer, reverse=True), "it runs from the end to the start"),
        (replace(layer, h_0=np.ones(4)), "it begins with a state of its own"),
        (replace(layer, c_0=np.ones(4)), "it begins with a state of its own"),
    ):
        refused(
            f"Layer 'enc' cannot be factorised because {reason}; "
            f"the forward LSTM without projection that begins at zero can be.",
            other,
            2,
        )
