"""Layers and networks check themselves; a wrong one cannot be made."""

import dataclasses

import numpy as np
import pytest

from rnngen.errors import ModelError
from rnngen.ir.network import LinearLayer, Network, RecurrentLayer, parameters


def lstm(inputs=3, hidden=2, name="lstm", **changes):
    arrays = {
        "weight_ih": np.zeros((4 * hidden, inputs)),
        "weight_hh": np.zeros((4 * hidden, hidden)),
        "bias_ih": np.zeros(4 * hidden),
        "bias_hh": np.zeros(4 * hidden),
    }
    return RecurrentLayer(**{"name": name, "cell": "lstm", **arrays, **changes})


def linear(inputs=2, outputs=5, **changes):
    return LinearLayer(**{"name": "fc", "weight": np.zeros((outputs, inputs)), "bias": np.zeros(outputs), **changes})


def test_sizes_of_a_recurrent_layer():
    layer = lstm(3, 2)
    assert layer.gates == ("i", "f", "g", "o")
    assert (layer.input_size, layer.hidden_size, layer.output_size, layer.macs) == (3, 2, 2, 4 * 2 * (3 + 2))
    assert list(parameters(layer)) == ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]


def test_sizes_of_a_linear_layer():
    layer = linear(2, 5)
    assert (layer.input_size, layer.output_size, layer.macs) == (2, 5, 10)
    assert list(parameters(layer)) == ["weight", "bias"]


def test_sizes_of_a_network():
    network = Network("net", (lstm(3, 4), lstm(4, 2), linear(2, 5)))
    assert (network.input_size, network.output_size) == (3, 5)
    assert network.macs == 4 * 4 * 7 + 4 * 2 * 6 + 10


def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        lstm().name = "other"


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"cell": "mgu"}, r"^Layer 'lstm': cell must be one of gru, lstm, rnn_relu, rnn_tanh, not 'mgu'\.$"),
        (
            {"weight_ih": np.zeros((6, 3))},
            r"^Layer 'lstm': weight_ih must have 8 rows \(4 gates x hidden size 2\), not shape \(6, 3\)\.$",
        ),
        ({"weight_ih": np.zeros(8)}, r"^Layer 'lstm': weight_ih must have 8 rows .*, not shape \(8,\)\.$"),
        ({"weight_hh": np.zeros((4, 2))}, r"^Layer 'lstm': weight_hh must have shape \(8, 2\), not \(4, 2\)\.$"),
        ({"bias_ih": np.zeros(2)}, r"^Layer 'lstm': bias_ih must have shape \(8,\), not \(2,\)\.$"),
        ({"bias_hh": np.zeros((8, 1))}, r"^Layer 'lstm': bias_hh must have shape \(8,\), not \(8, 1\)\.$"),
    ],
)
def test_wrong_recurrent_layer(changes, message):
    with pytest.raises(ModelError, match=message):
        lstm(**changes)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"weight": np.zeros(5)}, r"^Layer 'fc': weight must be a matrix, not of shape \(5,\)\.$"),
        ({"bias": np.zeros(2)}, r"^Layer 'fc': bias must have shape \(5,\), not \(2,\)\.$"),
    ],
)
def test_wrong_linear_layer(changes, message):
    with pytest.raises(ModelError, match=message):
        linear(**changes)


def test_network_without_layers():
    with pytest.raises(ModelError, match=r"^Network 'net' must have at least one layer\.$"):
        Network("net", ())


def test_layers_that_do_not_fit():
    with pytest.raises(ModelError, match=r"^Layer 'fc' takes 3 inputs but 'lstm' before it gives 2\.$"):
        Network("net", (lstm(3, 2), linear(3)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_finite(value):
    weight = np.zeros((8, 2))
    weight[7, 1] = value
    message = rf"^Layer 'lstm': weight_hh holds {value} at \[7, 1\]; all parameters must be finite\.$"
    with pytest.raises(ModelError, match=message):
        Network("net", (lstm(weight_hh=weight),))
