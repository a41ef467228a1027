"""What cannot be quantised is refused with a whole sentence."""

from __future__ import annotations

import re

import numpy as np
import pytest

from rnngen.errors import DataError, FormatError, ModelError
from rnngen.ir.layers import (
    ActivationLayer,
    AffineLayer,
    ArgmaxLayer,
    EmbeddingLayer,
    LastStepLayer,
    Layer,
    LinearLayer,
    ParallelLayer,
    RecurrentLayer,
)
from rnngen.ir.network import Network
from rnngen.passes.quantise import quantise

TABLE = EmbeddingLayer("emb", np.ones((5, 2)))
LINEAR = LinearLayer("fc", np.ones((2, 2)), np.zeros(2))
LAST = LastStepLayer("last", 2)


def rnn(cell: str, hidden: int = 2, reverse: bool = False, scale: float = 0.25, projection: int = 0) -> RecurrentLayer:
    rows, size = {"lstm": 4, "gru": 3}.get(cell, 1) * hidden, projection or hidden
    weights = (np.full(shape, scale) for shape in ((rows, 2), (rows, size), (rows,), (rows,)))
    return RecurrentLayer(cell, cell, *weights, np.ones((size, hidden)) if projection else None, reverse)


def alike(what: str) -> str:
    return (
        f"Layer 'both': its branches must be alike in cell, hidden size and output size, not {what}; give each an "
        f"accelerator of its own."
    )


CASES: list[tuple[tuple[Layer, ...], str]] = [
    (
        (LINEAR, AffineLayer("norm", np.ones(2), np.ones(2)), LINEAR),
        "Layer 'norm' scales and shifts with no layer to do it in; fold it into a neighbour or leave it to the host.",
    ),
    (
        (ActivationLayer("act", "tanh", 2), LINEAR),
        "Layer 'act' (tanh) stands before everything that is computed; leave it to the host.",
    ),
    (
        (TABLE, ActivationLayer("act", "hardtanh", 2), rnn("gru")),
        "Layer 'act' (hardtanh) stands before everything that is computed; leave it to the host.",
    ),
    (
        (ArgmaxLayer("best", 2),),
        "Layer 'best' (argmax) stands before everything that is computed; leave it to the host.",
    ),
    (
        (LAST, LINEAR),
        "Layer 'last' takes one step of each sequence before everything that is computed; leave it to the host.",
    ),
    (
        (TABLE, LAST, rnn("lstm")),
        "Layer 'last' takes one step of each sequence before everything that is computed; leave it to the host.",
    ),
    (
        (rnn("lstm"), LastStepLayer("first", 2, final=True), LINEAR, LAST),
        "Layer 'last' takes one step of each sequence behind another choice of one step; leave it to the host.",
    ),
    (
        (TABLE, LINEAR),
        "Layer 'fc' is a Linear layer behind an embedding, whose table it changes: fold it there.",
    ),
    ((TABLE,), "Network 'n' holds nothing to compute but a table; it needs no accelerator."),
    (
        (ParallelLayer("both", (rnn("gru"), rnn("gru", 3, reverse=True))),),
        alike("gru 2/2 and gru 3/3"),
    ),
    (
        (ParallelLayer("both", (rnn("lstm"), rnn("lstm"), rnn("gru", reverse=True))),),
        alike("lstm 2/2 and gru 2/2"),
    ),
    (
        (ParallelLayer("both", (rnn("lstm", 2), rnn("lstm", 3, projection=2))),),
        alike("lstm 2/2 and lstm 3/2"),
    ),
]


@pytest.mark.parametrize("layers, sentence", CASES)
@pytest.mark.parametrize("calibrated", [False, True])
def test_layers_out_of_place(layers: tuple[Layer, ...], sentence: str, calibrated: bool) -> None:
    network = Network("n", layers)
    with pytest.raises(ModelError, match=f"^{re.escape(sentence)}$"):
        quantise(network, 8, 16, np.zeros((1, 2, network.input_size)) if calibrated else None)


def test_a_relu_needs_calibration() -> None:
    sentence = (
        "Layer 'rnn_relu' is a plain RNN with ReLU whose output has no bound that its weights prove (rows of "
        "|weight_hh| sum to 2, the limit is 1); give real input to calibrate with."
    )
    network = Network("n", (rnn("rnn_relu", scale=1.0),))
    with pytest.raises(ModelError, match=f"^{re.escape(sentence)}$"):
        quantise(network)
    assert quantise(network, 8, 16, np.ones((1, 2, 2))).layers[0].kind == "linear"


def relu(name: str, weight_x: object, recurrence: float, reverse: bool = False) -> RecurrentLayer:
    weights = np.asarray(weight_x, dtype=np.float64), np.full((2, 2), recurrence)
    return RecurrentLayer(name, "rnn_relu", *weights, np.zeros(2), np.zeros(2), reverse=reverse)


def test_branches_of_unlike_precision() -> None:
    """Weights of 64 in 2 bits have -6 fraction bits, x of 1e-3 in 18 bits has 26: sums of 20, where h could have 25."""
    branches = (relu("a", np.ones((2, 2)), 1e-3), relu("b", [[64, -64], [64, -64]], 1e-3, reverse=True))
    network = Network("n", (ParallelLayer("both", branches),))
    x = np.full((1, 1, 2), 1e-3)
    sentence = (
        "Layer 'both': its branches have outputs of the formats ['s18.20', 's18.25']; use more weight bits."
    )
    with pytest.raises(FormatError, match=f"^{re.escape(sentence)}$"):
        quantise(network, 2, 18, x)
    assert len(quantise(network, 8, 16, x).layers) == 2


def test_recurrent_weights_far_above_the_outputs() -> None:
    """Outputs of 1e-6 beside weights of 100: the sum keeps fewer fraction bits than a fine h needs."""
    network = Network("n", (relu("a", np.full((2, 2), 1e-6), 100.0),))
    x = np.full((1, 1, 2), 1e-6)
    sentence = (
        "Layer 'a' has recurrent weights so large that no format serves both its output and its h; use more weight "
        "bits or fewer activation bits."
    )
    with pytest.raises(FormatError, match=f"^{re.escape(sentence)}$"):
        quantise(network, 4, 16, x)
    for weight_bits, activation_bits in ((8, 12), (4, 8)):
        (layer,) = quantise(network, weight_bits, activation_bits, x).layers
        assert layer.output_format == layer.formats.product.h


@pytest.mark.parametrize("symbol, shown", [(5.0, "5"), (-1.0, "-1"), (0.5, "0.5")])
def test_symbols_out_of_range(symbol: float, shown: str) -> None:
    network = Network("n", (TABLE, rnn("gru")))
    x = np.zeros((2, 3, 1))
    x[1, 2, 0] = symbol
    sentence = f"The calibration input must hold symbols, integers within 0..4, not {shown} at [1, 2, 0]."
    with pytest.raises(DataError, match=f"^{re.escape(sentence)}$"):
        quantise(network, calibration=x)
