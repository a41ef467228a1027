"""What each of Keras' layers is in the network: layers of the accelerator, work for the host, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from rnngen.errors import ModelError
from rnngen.frontend.keras_format.cells import CELLS, read_cell
from rnngen.frontend.keras_format.settings import LayerConfig
from rnngen.frontend.keras_format.weights import Shape, Weights
from rnngen.ir.layers import (
    ActivationLayer,
    AffineLayer,
    EmbeddingLayer,
    FloatArray,
    LastStepLayer,
    Layer,
    LinearLayer,
    ParallelLayer,
)

_NORMALIZATION_EPSILON = 1e-7
"""keras.config.epsilon(), the least standard deviation that Normalization divides by."""

_ACTIVATIONS: dict[str, tuple[str, float, float]] = {
    "relu": ("relu", 0.0, 0.0),
    "sigmoid": ("sigmoid", 0.0, 0.0),
    "tanh": ("tanh", 0.0, 0.0),
    "hard_sigmoid": ("hardsigmoid", 0.0, 0.0),
    "hard_tanh": ("hardtanh", -1.0, 1.0),
    "relu6": ("hardtanh", 0.0, 6.0),
}
"""Keras' functions in the network's terms; limits for hardtanh.  hard_sigmoid is clip(x / 6 + 1 / 2) in Keras 3."""

_DROPPED = (
    "ActivityRegularization",
    "AlphaDropout",
    "Dropout",
    "GaussianDropout",
    "GaussianNoise",
    "Identity",
    "SpatialDropout1D",
)
"""Layers that do nothing at inference."""


@dataclass
class Reading:
    """What has been read of a model so far.

    Attributes:
        weights: Of the model.
        rank: Dimensions of the sequence, batch included: 3, and 2 behind its last step or before an Embedding.
        size: Words of a step; None where no file entry said so yet.
    """

    weights: Weights
    rank: int
    size: int | None
    layers: list[Layer] = field(default_factory=list)
    host_before: list[str] = field(default_factory=list)
    host_after: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, layer: Layer) -> None:
        """Append a layer of the accelerator."""
        if self.host_after:
            raise ModelError(
                f"Layer '{layer.name}' stands behind something that the host computes ({self.host_after[-1][:-1]}); "
                f"only the end of a model can be on the host, so save the model without it or without what follows."
            )
        self.layers.append(layer)
        self.size = layer.output_size


def convert(config: LayerConfig, reading: Reading) -> None:
    """Read one layer.

    Raises:
        ModelError: if the layer or one of its options is not supported, by name.
    """
    if config.kind in _DROPPED:
        reading.notes.append(f"{config.kind} '{config.name}' does nothing at inference.")
        return
    converter = _CONVERTERS.get(config.kind)
    if converter is None:
        supported = ", ".join(sorted({*_CONVERTERS, *_DROPPED}))
        raise ModelError(
            f"Layer '{config.name}' is a {config.kind}, which is not supported; supported are {supported}, "
            f"so save the part of the model that is made of these and compute the rest on the host."
        )
    config.precision()
    converter(config, reading)


def _recurrent(config: LayerConfig, reading: Reading) -> None:
    _check_sequence(config, reading)
    backwards, sequences = config.flag("go_backwards"), config.flag("return_sequences")
    if backwards and sequences:
        raise ModelError(
            f"Layer '{config.name}' ({config.kind}) has go_backwards=True and return_sequences=True, which gives its "
            f"outputs in reverse order and is not supported; use Bidirectional, or return_sequences=False."
        )
    _note_state(config, reading, one_way=sequences and not backwards)
    _note_dropout(config, reading)
    reading.add(read_cell(config, reading.weights, config.name, backwards))
    if not sequences:
        _last_step(config, reading, final=backwards)


def _bidirectional(config: LayerConfig, reading: Reading) -> None:
    _check_sequence(config, reading)
    forward = config.inner("layer", "forward_layer")
    if isinstance(config.settings.get("backward_layer"), dict):
        backward = config.inner("backward_layer", "backward_layer")
    else:  # made by Keras from the forward layer
        backward = replace(forward, group=f"{config.group}/backward_layer")
        backward = replace(backward, settings={**forward.settings, "go_backwards": True})
    mode = config.settings.get("merge_mode", "concat")
    if mode != "concat":
        raise ModelError(
            f"Layer '{config.name}' (Bidirectional) has merge_mode={mode!r}, which is not supported; 'concat' is."
        )
    if forward.flag("go_backwards") or not backward.flag("go_backwards"):
        raise ModelError(
            f"Layer '{config.name}' (Bidirectional) has a forward layer with go_backwards=True, whose outputs come in "
            f"reverse order, which is not supported; exchange its forward and backward layers."
        )
    sequences = forward.flag("return_sequences")
    if backward.flag("return_sequences") != sequences:
        raise ModelError(f"Layer '{config.name}' (Bidirectional) has two values of return_sequences; they must agree.")
    branches = []
    for part, inner in (("forward", forward), ("backward", backward)):
        _note_state(inner, reading, one_way=False)
        _note_dropout(inner, reading)
        branches.append(read_cell(inner, reading.weights, f"{config.name}.{part}", part == "backward"))
    reading.add(ParallelLayer(config.name, tuple(branches)))
    if not sequences:
        _last_step(config, reading, final=True)


def _check_sequence(config: LayerConfig, reading: Reading) -> None:
    if reading.rank != 3:
        raise ModelError(
            f"Layer '{config.name}' ({config.kind}) must be given sequences (batch, steps, features), not an input of "
            f"{reading.rank} dimensions; use return_sequences=True in the layer before it."
        )
    if config.flag("return_state"):
        reading.notes.append(f"{config.kind} '{config.name}' also returns its state, which the model does not use.")


def _note_state(config: LayerConfig, reading: Reading, one_way: bool) -> None:
    if not config.flag("stateful"):
        return
    if not one_way:
        raise ModelError(
            f"Layer '{config.name}' ({config.kind}) is stateful and does not give its outputs step by step in their "
            f"order, which is not supported; a stateful layer must have return_sequences=True and run forwards."
        )
    reading.notes.append(
        f"{config.kind} '{config.name}' is stateful: it keeps its state from call to call, the accelerator until the "
        f"end of a sequence (TLAST)."
    )


def _note_dropout(config: LayerConfig, reading: Reading) -> None:
    if config.number("dropout", 0.0) or config.number("recurrent_dropout", 0.0):
        reading.notes.append(f"Dropout inside {config.kind} '{config.name}' does nothing at inference.")


def _last_step(config: LayerConfig, reading: Reading, final: bool) -> None:
    reading.add(LastStepLayer(f"{config.name}.last", reading.size or 0, final))
    reading.rank = 2


def _time_distributed(config: LayerConfig, reading: Reading) -> None:
    inner = config.inner("layer", "layer")
    if inner.kind not in ("Dense", "Activation", "ReLU", "Softmax", "Dropout"):
        raise ModelError(
            f"Layer '{config.name}' is a TimeDistributed {inner.kind}, which is not supported; "
            f"TimeDistributed Dense, Activation, ReLU, Softmax and Dropout are."
        )
    if reading.rank != 3:
        raise ModelError(
            f"Layer '{config.name}' (TimeDistributed) must be given sequences (batch, steps, features), not an input "
            f"of {reading.rank} dimensions; use return_sequences=True in the layer before it."
        )
    convert(replace(inner, name=config.name), reading)


def _dense(config: LayerConfig, reading: Reading) -> None:
    units = config.count("units")
    labels, shapes = ("kernel",), ((reading.size, units),)
    arrays = (
        reading.weights.read(config.name, config.group, (*labels, "bias"), (*shapes, (units,)))
        if config.flag("use_bias", True)
        else [*reading.weights.read(config.name, config.group, labels, shapes), np.zeros(units)]
    )
    reading.add(LinearLayer(config.name, np.ascontiguousarray(arrays[0].T), arrays[1]))
    _activation(config, config.function("activation"), reading, f"{config.name}.activation")


def _activation(config: LayerConfig, function: str, reading: Reading, name: str) -> None:
    if function == "linear":
        return
    if function == "softmax":
        reading.host_after.append(
            f"Softmax of '{config.name}' over {'the output' if reading.rank == 2 else 'the outputs of each step'}; "
            f"it does not change which is the largest."
        )
        return
    if function not in _ACTIVATIONS:
        raise ModelError(
            f"Layer '{config.name}' ({config.kind}) has the activation {function}, which is not supported; "
            f"linear, softmax (on the host), {', '.join(_ACTIVATIONS)} are."
        )
    kind, low, high = _ACTIVATIONS[function]
    _apply(config, reading, name, kind, low, high)


def _apply(config: LayerConfig, reading: Reading, name: str, kind: str, low: float, high: float) -> None:
    limits = {"low": low, "high": high} if kind == "hardtanh" else {}
    reading.add(ActivationLayer(name, kind, _known_size(config, reading), **limits))


def _known_size(config: LayerConfig, reading: Reading) -> int:
    if reading.size is None:
        raise ModelError(
            f"Layer '{config.name}' ({config.kind}) has no input size in config.json; "
            f"begin the model with an Input layer that gives the number of features."
        )
    return reading.size


def _relu(config: LayerConfig, reading: Reading) -> None:
    highest = config.settings.get("max_value")
    for key in ("negative_slope", "threshold"):
        if config.number(key, 0.0) != 0.0:
            raise ModelError(
                f"Layer '{config.name}' (ReLU) has {key}={config.number(key, 0.0)}, which is not supported; 0 is."
            )
    if highest is None:
        _apply(config, reading, config.name, "relu", 0.0, 0.0)
    else:
        _apply(config, reading, config.name, "hardtanh", 0.0, config.number("max_value"))


def _softmax(config: LayerConfig, reading: Reading) -> None:
    _check_axis(config, reading, config.settings.get("axis", -1))
    _activation(config, "softmax", reading, config.name)


def _check_axis(config: LayerConfig, reading: Reading, axis: object) -> None:
    """The one axis must be that of the features."""
    one = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    if one not in (-1, reading.rank - 1):
        raise ModelError(
            f"Layer '{config.name}' ({config.kind}) has axis={axis}, which is not supported; "
            f"-1, the axis of the features, is."
        )


def _embedding(config: LayerConfig, reading: Reading) -> None:
    if reading.rank != 2 or reading.layers:
        raise ModelError(
            f"Layer '{config.name}' is an Embedding and must be the first layer, given one symbol a step (batch, "
            f"steps)."
        )
    shape: Shape = (config.count("input_dim"), config.count("output_dim"))
    (table,) = reading.weights.read(config.name, config.group, ("table",), (shape,))
    if config.flag("mask_zero"):
        reading.host_before.append(
            f"Embedding '{config.name}' masks symbol 0: leave the steps with symbol 0 out of a sequence."
        )
    reading.add(EmbeddingLayer(config.name, table))
    reading.rank = 3


def _masking(config: LayerConfig, reading: Reading) -> None:
    if reading.layers:
        raise ModelError(
            f"Layer '{config.name}' is a Masking behind '{reading.layers[-1].name}', which is not supported; as the "
            f"first layer it is, where the host leaves masked steps out."
        )
    reading.host_before.append(
        f"Masking '{config.name}': leave the steps whose values are all {config.number('mask_value', 0.0):g} out of a "
        f"sequence."
    )


def _batch_normalization(config: LayerConfig, reading: Reading) -> None:
    _check_axis(config, reading, config.settings.get("axis", -1))
    labels = [label for label, key in (("gamma", "scale"), ("beta", "center")) if config.flag(key, True)]
    labels += ["moving mean", "moving variance"]
    renorm = ("moving deviation", "renorm mean", "renorm deviation") if config.flag("renorm") else ()  # for training
    shapes: tuple[Shape, ...] = ((reading.size,),) * len(labels)
    arrays = reading.weights.read(config.name, config.group, tuple(labels), shapes, renorm)
    read = dict(zip(labels, arrays))
    mean, variance = read["moving mean"], read["moving variance"] + config.number("epsilon", 1e-3)
    if mean.shape != variance.shape or not np.all(variance > 0):
        raise ModelError(
            f"Layer '{config.name}' (BatchNormalization) must have a positive moving variance for each of its "
            f"{mean.size} features; repair the model or take an earlier one."
        )
    scale = read.get("gamma", np.ones_like(mean)) / np.sqrt(variance)
    reading.add(AffineLayer(config.name, scale, read.get("beta", np.zeros_like(mean)) - mean * scale))


def _normalization(config: LayerConfig, reading: Reading) -> None:
    axis = config.settings.get("axis", -1)
    if axis not in (None, []):
        _check_axis(config, reading, axis)
    size = _known_size(config, reading)
    if config.settings.get("mean") is not None:
        mean, variance = (_given(config, key, size) for key in ("mean", "variance"))
    else:
        shape: Shape = () if axis in (None, []) else (size,)
        mean, variance = (np.broadcast_to(array, (size,)) for array in _adapted(config, reading, shape))
    deviation = np.maximum(np.sqrt(np.maximum(variance, 0.0)), _NORMALIZATION_EPSILON)
    if config.flag("invert"):
        reading.add(AffineLayer(config.name, deviation, mean.copy()))
    else:
        reading.add(AffineLayer(config.name, 1.0 / deviation, -mean / deviation))


def _adapted(config: LayerConfig, reading: Reading, shape: Shape) -> list[FloatArray]:
    """Mean and variance that ``adapt`` found; the third variable counts what it has seen."""
    labels = ("mean", "variance")
    return reading.weights.read(config.name, config.group, labels, (shape, shape), more=("count",))


def _given(config: LayerConfig, key: str, size: int) -> FloatArray:
    """Mean or variance from config.json, rounded to the type that the layer computes in, as Keras does."""
    kinds = {"float16": np.float16, "float64": np.float64}
    try:
        array = np.asarray(config.settings.get(key), dtype=kinds.get(config.precision(), np.float32))
        return np.broadcast_to(array.astype(np.float64), (size,)).copy()
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"Layer '{config.name}' (Normalization) must have one {key} or one for each of its {size} features."
        ) from error


def _rescaling(config: LayerConfig, reading: Reading) -> None:
    size = _known_size(config, reading)
    scale, shift = config.number("scale"), config.number("offset", 0.0)
    reading.add(AffineLayer(config.name, np.full(size, scale), np.full(size, shift)))


def _activation_layer(config: LayerConfig, reading: Reading) -> None:
    _activation(config, config.function("activation"), reading, config.name)


_CONVERTERS: dict[str, Callable[[LayerConfig, Reading], None]] = {
    **dict.fromkeys(CELLS, _recurrent),
    "Activation": _activation_layer,
    "BatchNormalization": _batch_normalization,
    "Bidirectional": _bidirectional,
    "Dense": _dense,
    "Embedding": _embedding,
    "Masking": _masking,
    "Normalization": _normalization,
    "ReLU": _relu,
    "Rescaling": _rescaling,
    "Softmax": _softmax,
    "TimeDistributed": _time_distributed,
}
