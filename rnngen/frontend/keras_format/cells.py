"""Keras' recurrent layers in PyTorch's terms: gates in another order, kernels transposed, one bias or two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnngen.errors import ModelError
from rnngen.frontend.keras_format.settings import LayerConfig
from rnngen.frontend.keras_format.weights import Shape, Weights
from rnngen.ir.layers import FloatArray, RecurrentLayer


@dataclass(frozen=True)
class Cell:
    """A class of recurrent layers: which blocks of Keras' columns give PyTorch's gates, first to last."""

    cell: str
    order: tuple[int, ...]


CELLS = {
    "LSTM": Cell("lstm", (0, 1, 2, 3)),  # i f c o
    "GRU": Cell("gru", (1, 0, 2)),  # z r h
    "SimpleRNN": Cell("rnn_tanh", (0,)),
}


def rows(array: FloatArray, order: tuple[int, ...]) -> FloatArray:
    """Blocks of the last axis in another order, and that axis first: (I, G * H) to (G * H, I)."""
    blocks = np.split(array, len(order), axis=-1)
    return np.ascontiguousarray(np.concatenate([blocks[number] for number in order], axis=-1).T)


def _cell_name(config: LayerConfig) -> str:
    """The cell with its activations checked."""
    if config.kind not in CELLS:
        raise ModelError(
            f"Layer '{config.name}' is a {config.kind}, which is not supported as a recurrent layer; "
            f"{', '.join(CELLS)} are."
        )
    activation = config.function("activation", "tanh")
    if config.kind == "SimpleRNN":
        if activation not in ("tanh", "relu"):
            raise ModelError(
                f"Layer '{config.name}' (SimpleRNN) has the activation {activation}, which is not supported; "
                f"tanh and relu are."
            )
        return f"rnn_{activation}"
    recurrent = config.function("recurrent_activation", "sigmoid")
    for label, found, supported in (
        ("activation", activation, "tanh"),
        ("recurrent activation", recurrent, "sigmoid"),
    ):
        if found != supported:
            raise ModelError(
                f"Layer '{config.name}' ({config.kind}) has the {label} {found}, which is not supported; "
                f"{supported} is."
            )
    if config.kind == "GRU" and not config.flag("reset_after", True):
        raise ModelError(
            f"Layer '{config.name}' (GRU) has reset_after=False, which is another network (r multiplies h before the "
            f"product, not after) and is not supported; train it with reset_after=True."
        )
    return CELLS[config.kind].cell


def read_cell(config: LayerConfig, weights: Weights, name: str, reverse: bool) -> RecurrentLayer:
    """One direction of a recurrent layer.

    Raises:
        ModelError: if it has an option that is not supported, or its arrays do not fit.
    """
    cell = _cell_name(config)
    config.precision()
    order, hidden = CELLS[config.kind].order, config.count("units")
    size = len(order) * hidden
    labels = ["kernel", "recurrent kernel"]
    shapes: list[Shape] = [(None, size), (hidden, size)]
    if config.flag("use_bias", True):
        labels.append("bias")
        shapes.append((2, size) if cell == "gru" else (size,))
    arrays = weights.read(config.name, f"{config.group}/cell", tuple(labels), tuple(shapes))
    biases = arrays[2] if len(arrays) == 3 else np.zeros(size)
    if biases.ndim == 1:  # one bias, which both of PyTorch's add up to
        biases = np.stack([biases, np.zeros(size)])
    bias_ih, bias_hh = (rows(bias, order) for bias in biases)
    return RecurrentLayer(name, cell, rows(arrays[0], order), rows(arrays[1], order), bias_ih, bias_hh, reverse=reverse)
