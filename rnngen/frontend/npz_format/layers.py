"""From the entries of a mapping to layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from rnngen.arith.points import GATES
from rnngen.errors import ModelError
from rnngen.frontend.npz_format.arrays import NpzArrays
from rnngen.frontend.npz_format.mapping import Entry
from rnngen.ir.layers import (
    ACTIVATIONS,
    ActivationLayer,
    AffineLayer,
    ArgmaxLayer,
    EmbeddingLayer,
    FloatArray,
    LastStepLayer,
    Layer,
    LinearLayer,
    ParallelLayer,
    RecurrentLayer,
)

_ALIASES = {"lstm": ("c", "g"), "gru": ("h", "n")}
"""A letter that others use for a gate, and PyTorch's."""


def build_layers(entries: Sequence[Entry], arrays: NpzArrays) -> tuple[Layer, ...]:
    """The layers of a mapping, first to last.

    Raises:
        ModelError: if an array is missing or does not fit.
    """
    layers: list[Layer] = []
    for entry in entries:
        before = layers[-1] if layers else None
        layers.append(_BUILDERS[entry.kind](entry, arrays, before))
    return tuple(layers)


def _read(entry: Entry, arrays: NpzArrays) -> dict[str, FloatArray]:
    """The arrays of a layer by role; all that are missing are told at once."""
    missing = [f"{role} '{name}'" for role, name in entry.arrays.items() if name not in arrays.names]
    if len(missing) > 1:
        raise ModelError(
            f"Layer '{entry.name}': the file holds none of the arrays {', '.join(missing)}; it has "
            f"{', '.join(arrays.names) or 'none'}."
        )
    return {role: arrays.read(entry.name, role, name) for role, name in entry.arrays.items()}


def _order(entry: Entry) -> tuple[int, ...]:
    """Of each of PyTorch's gates, which block of the arrays it is."""
    gates = "".join(GATES[entry.kind])
    given = str(entry.settings.get("order", gates))
    alias, letter = _ALIASES.get(entry.kind, ("", ""))
    letters = given.replace(alias, letter) if alias else given
    if sorted(letters) != sorted(gates):
        raise ModelError(
            f"Layer '{entry.name}': order must hold each of the gates {', '.join(gates)} once ('{alias}' stands for "
            f"'{letter}' too), for instance '{gates}', not '{given}'."
        )
    return tuple(letters.index(gate) for gate in gates)


def _matrix(entry: Entry, role: str, array: FloatArray) -> FloatArray:
    """A weight as PyTorch keeps it, rows first."""
    if array.ndim != 2 or 0 in array.shape:
        raise ModelError(f"Layer '{entry.name}': {role} must be a matrix, not of shape {array.shape}.")
    return np.ascontiguousarray(array.T) if entry.settings.get("transposed", False) else array


def _reorder(entry: Entry, role: str, array: FloatArray, order: tuple[int, ...]) -> FloatArray:
    """Blocks of the first axis in PyTorch's order."""
    if len(array) % len(order):
        raise ModelError(
            f"Layer '{entry.name}': {role} must have a multiple of {len(order)} rows, one block a gate, "
            f"not {len(array)}; if it has them as columns, say transposed = true."
        )
    blocks = np.split(array, len(order))
    return np.concatenate([blocks[block] for block in order])


def _biases(entry: Entry, read: dict[str, FloatArray], rows: int) -> tuple[FloatArray, FloatArray]:
    bias = read.get("bias")
    if bias is None:
        zeros = np.zeros(rows)
        return read.get("bias_ih", zeros), read.get("bias_hh", zeros)
    if "bias_ih" in read or "bias_hh" in read:
        raise ModelError(f"Layer '{entry.name}' has bias beside bias_ih or bias_hh; give the one or the other two.")
    if bias.shape == (2, rows):
        return bias[0], bias[1]
    if entry.kind == "gru":
        raise ModelError(
            f"Layer '{entry.name}': bias of a GRU must have shape (2, {rows}), since bias_hh stands inside the product "
            f"with r, not {bias.shape}; give bias_ih and bias_hh, or leave out the one that is zero."
        )
    return bias, np.zeros(rows)


def _recurrent(entry: Entry, arrays: NpzArrays, _before: Layer | None) -> RecurrentLayer:
    if entry.settings.get("reset_after") is False:
        raise ModelError(
            f"Layer '{entry.name}' (gru) has reset_after = false, which is another network (r multiplies h before the "
            f"product, not after) and is not supported; train it with the form of PyTorch (Keras: reset_after=True)."
        )
    order, read = _order(entry), _read(entry, arrays)
    for role in ("weight_ih", "weight_hh", "weight_hr"):
        if role in read:
            read[role] = _matrix(entry, role, read[role])
    weight_ih, weight_hh = (_reorder(entry, role, read[role], order) for role in ("weight_ih", "weight_hh"))
    rows = len(weight_hh)
    biases = dict(zip(("bias_ih", "bias_hh"), _biases(entry, read, rows)))
    for role, bias in biases.items():
        if bias.shape != (rows,):
            raise ModelError(f"Layer '{entry.name}': {role} must have shape ({rows},), not {bias.shape}.")
    return RecurrentLayer(
        entry.name,
        entry.kind,
        weight_ih,
        weight_hh,
        bias_ih=_reorder(entry, "bias_ih", biases["bias_ih"], order),
        bias_hh=_reorder(entry, "bias_hh", biases["bias_hh"], order),
        weight_hr=read.get("weight_hr"),
        reverse=bool(entry.settings.get("reverse", False)),
        h_0=read.get("h_0"),
        c_0=read.get("c_0"),
    )


def _bidirectional(entry: Entry, arrays: NpzArrays, before: Layer | None) -> ParallelLayer:
    forward, backward = (_recurrent(part, arrays, before) for part in entry.parts)
    if any("reverse" in part.settings for part in entry.parts):
        raise ModelError(
            f"Layer '{entry.name}' is bidirectional, so that its backward part runs in reverse; leave reverse out."
        )
    return ParallelLayer(entry.name, (forward, replace(backward, reverse=True)))


def _linear(entry: Entry, arrays: NpzArrays, _before: Layer | None) -> LinearLayer:
    read = _read(entry, arrays)
    weight = _matrix(entry, "weight", read["weight"])
    return LinearLayer(entry.name, weight, read.get("bias", np.zeros(len(weight))))


def _embedding(entry: Entry, arrays: NpzArrays, _before: Layer | None) -> EmbeddingLayer:
    return EmbeddingLayer(entry.name, _read(entry, arrays)["table"])


def _affine(entry: Entry, arrays: NpzArrays, _before: Layer | None) -> AffineLayer:
    read = _read(entry, arrays)
    return AffineLayer(entry.name, read["scale"], read["shift"])


def _batch_norm(entry: Entry, arrays: NpzArrays, _before: Layer | None) -> AffineLayer:
    read = _read(entry, arrays)
    size = read["mean"].size
    for role, array in read.items():
        if array.shape != (size,):
            raise ModelError(f"Layer '{entry.name}': {role} must have shape ({size},), not {array.shape}.")
    variance = read["variance"] + float(entry.settings.get("eps", 1e-5))
    if not np.all(variance > 0):
        raise ModelError(f"Layer '{entry.name}': variance + eps must be positive, not {variance.min()}.")
    scale = read.get("weight", np.ones(size)) / np.sqrt(variance)
    return AffineLayer(entry.name, scale, read.get("bias", np.zeros(size)) - read["mean"] * scale)


def _size(entry: Entry, before: Layer | None) -> int:
    if before is None:
        raise ModelError(f"Layer '{entry.name}' ({entry.kind}) must not be the first layer; name one before it.")
    return before.output_size


def _activation(entry: Entry, _arrays: NpzArrays, before: Layer | None) -> ActivationLayer:
    function = entry.settings.get("function")
    if function not in ACTIVATIONS:
        raise ModelError(f"Layer '{entry.name}': function must be one of {', '.join(ACTIVATIONS)}, not {function!r}.")
    limits = {key: float(entry.settings[key]) for key in ("low", "high") if key in entry.settings}
    if limits and function != "hardtanh":
        raise ModelError(f"Layer '{entry.name}': only hardtanh has the limits low and high, not {function}.")
    return ActivationLayer(entry.name, str(function), _size(entry, before), **limits)


def _last(entry: Entry, _arrays: NpzArrays, before: Layer | None) -> LastStepLayer:
    return LastStepLayer(entry.name, _size(entry, before), bool(entry.settings.get("final", False)))


def _argmax(entry: Entry, _arrays: NpzArrays, before: Layer | None) -> ArgmaxLayer:
    return ArgmaxLayer(entry.name, _size(entry, before))


_BUILDERS: dict[str, Callable[[Entry, NpzArrays, Layer | None], Layer]] = {
    **dict.fromkeys(GATES, _recurrent),
    "bidirectional": _bidirectional,
    "linear": _linear,
    "embedding": _embedding,
    "affine": _affine,
    "batch_norm": _batch_norm,
    "activation": _activation,
    "last": _last,
    "argmax": _argmax,
}
