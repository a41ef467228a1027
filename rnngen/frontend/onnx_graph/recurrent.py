"""LSTM, GRU and RNN nodes of ONNX as layers of the network: gate orders, biases, and what is refused.

ONNX keeps the gates of an LSTM as i, o, f, c and those of a GRU as z, r, h; W is (directions, gates * H, I), R is
(directions, gates * H, H), B is (directions, 2 * gates * H), the biases of W before those of R.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnngen.errors import ModelError
from rnngen.frontend.onnx_graph.file import Array
from rnngen.ir.layers import FloatArray, RecurrentLayer

CELLS = ("LSTM", "GRU", "RNN")
"""The recurrent operations of ONNX."""

INPUTS = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")
"""The inputs of these operations in their order; a GRU and an RNN end before initial_c."""

_ORDERS = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}
"""Which of ONNX's gates is each gate of ours."""

_DEFAULTS = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("Tanh",)}

_DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}


def read_layers(
    operation: str,
    name: str,
    label: str,
    attributes: Mapping[str, Any],
    inputs: Mapping[str, Array | None],
) -> tuple[RecurrentLayer, ...]:
    """The directions of a recurrent node, forward first.

    Args:
        operation: A member of ``CELLS``.
        name: Of the layer.
        label: How messages call the node.
        attributes: By name.
        inputs: Constant W, R, B, P, initial_h and initial_c, by name; None or missing: not given.  A batch axis of
            1 in a state stands for any batch.

    Raises:
        ModelError: if the node computes something else than PyTorch's LSTM, GRU or RNN.
    """
    reverses = _DIRECTIONS.get(attributes.get("direction", "forward"))
    if reverses is None:
        raise ModelError(
            f"{label} must have the direction {', '.join(_DIRECTIONS)}, not '{attributes['direction']}'."
        )
    cells = _cells(operation, label, attributes, len(reverses))
    _refuse_attributes(operation, label, attributes)
    _refuse_peepholes(label, inputs.get("P"))
    gates = len(_ORDERS[operation])
    w, r = (_weights(label, key, inputs.get(key)) for key in ("W", "R"))
    hidden = int(attributes.get("hidden_size", r.shape[2]))
    _check_shape(label, "W", w, (len(reverses), gates * hidden, w.shape[2]))
    _check_shape(label, "R", r, (len(reverses), gates * hidden, hidden))
    b = inputs.get("B")
    b = np.zeros((len(reverses), 2 * gates * hidden)) if b is None else b
    _check_shape(label, "B", b, (len(reverses), 2 * gates * hidden))
    states = [_state(label, key, inputs.get(key), attributes, len(reverses), hidden) for key in INPUTS[5:7]]
    order = _rows(operation, hidden)
    return tuple(
        RecurrentLayer(
            name=name + (".reverse" if reverse else ""),
            cell=cells[number],
            weight_ih=w[number][order],
            weight_hh=r[number][order],
            bias_ih=b[number][: gates * hidden][order],
            bias_hh=b[number][gates * hidden :][order],
            reverse=reverse,
            h_0=_chosen(states[0], number),
            c_0=_chosen(states[1], number),
        )
        for number, reverse in enumerate(reverses)
    )


def _rows(operation: str, hidden: int) -> Array:
    """Which of ONNX's rows is each row of ours."""
    return np.concatenate([np.arange(gate * hidden, (gate + 1) * hidden) for gate in _ORDERS[operation]])


def _chosen(state: FloatArray | None, number: int) -> FloatArray | None:
    return None if state is None else state[number]


def _cells(operation: str, label: str, attributes: Mapping[str, Any], directions: int) -> tuple[str, ...]:
    """Our name of each direction's cell, after its functions."""
    default = _DEFAULTS[operation]
    given = [str(function) for function in attributes.get("activations", [])] or list(default * directions)
    per = len(default)
    legal = [("tanh",), ("relu",)] if operation == "RNN" else [tuple(function.lower() for function in default)]
    lower = [tuple(function.lower() for function in given[at : at + per]) for at in range(0, len(given), per)]
    if len(lower) != directions or any(functions not in legal for functions in lower):
        supported = "Tanh or Relu" if operation == "RNN" else ", ".join(default)
        raise ModelError(
            f"{label} must have the activations {supported} in each direction, not {', '.join(given)}; "
            f"train the model with them."
        )
    return tuple(f"rnn_{functions[0]}" if operation == "RNN" else operation.lower() for functions in lower)


def _refuse_attributes(operation: str, label: str, attributes: Mapping[str, Any]) -> None:
    for key in ("activation_alpha", "activation_beta"):
        if attributes.get(key):
            raise ModelError(f"{label} gives {key}, which Sigmoid, Tanh and Relu do not have; export it without.")
    if "clip" in attributes:
        raise ModelError(
            f"{label} clips the inputs of its activations at {attributes['clip']:g}, which is not supported; "
            f"train and export the model without clip."
        )
    if attributes.get("input_forget", 0):
        raise ModelError(
            f"{label} couples the input and forget gates (input_forget=1), which is not supported; "
            f"only LSTMs with both gates are."
        )
    if attributes.get("layout", 0) not in (0, 1):
        raise ModelError(f"{label} must have layout 0 or 1, not {attributes['layout']}.")
    if operation == "GRU" and not attributes.get("linear_before_reset", 0):
        raise ModelError(
            f"{label} multiplies h by the reset gate before the product with R (linear_before_reset=0), which is "
            f"another network than PyTorch's; only linear_before_reset=1 is supported, so train the model in that form."
        )


def _refuse_peepholes(label: str, peepholes: Array | None) -> None:
    if peepholes is not None and np.any(peepholes):
        raise ModelError(
            f"{label} has peephole weights P that are not zero, which are not supported; "
            f"train and export the model without peepholes."
        )


def _weights(label: str, key: str, array: Array | None) -> Array:
    if array is None or array.ndim != 3 or 0 in array.shape:
        shape = "nothing" if array is None else f"the shape {array.shape}"
        raise ModelError(f"{label}: {key} must have the shape (directions, gates * hidden size, inputs), not {shape}.")
    return array


def _check_shape(label: str, key: str, array: Array, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ModelError(f"{label}: {key} must have the shape {shape}, not {array.shape}.")


def _state(
    label: str, key: str, array: Array | None, attributes: Mapping[str, Any], directions: int, hidden: int
) -> FloatArray | None:
    """(directions, H) of a constant state; None if it is zero or not given."""
    if array is None:
        return None
    state = np.swapaxes(array, 0, 1) if attributes.get("layout", 0) and array.ndim == 3 else array
    if state.ndim != 3 or state.shape[0] != directions or state.shape[1] < 1 or state.shape[2] != hidden:
        raise ModelError(
            f"{label}: {key} must have {directions} directions of {hidden} units, not the shape {array.shape}; "
            f"torch.onnx.export(dynamo=True) writes such a file for proj_size, so give the state dict instead."
        )
    if not np.any(state):
        return None
    if np.any(state != state[:, :1]):
        raise ModelError(
            f"{label}: {key} must be the same for every sequence of the batch; export the model with a batch of 1."
        )
    return np.asarray(state[:, 0], dtype=np.float64)
