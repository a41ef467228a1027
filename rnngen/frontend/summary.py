"""What ``rnngen inspect`` tells about a model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnngen.ir.layers import (
    ActivationLayer,
    AffineLayer,
    ArgmaxLayer,
    EmbeddingLayer,
    FactorisedLayer,
    GroupedLayer,
    LastStepLayer,
    Layer,
    LinearLayer,
    ParallelLayer,
    RecurrentLayer,
)

Shapes = tuple[tuple[str, tuple[int, ...]], ...]

_NOT_RECURRENT = ("linear", "matrix", "embedding", "batchnorm")


@dataclass(frozen=True)
class LayerSummary:
    """Something with parameters that was found in a state dict or live module.

    Attributes:
        name: The prefix to give to ``--select``, ``--head`` or ``--embedding``; ``.`` is the top of the model.
        kind: ``lstm``, ``gru``, ``rnn``, ``factorised``, ``grouped``, ``unknown cell``, ``linear``, ``embedding``,
            ``batchnorm``, or ``matrix`` (a weight without bias in a file: a Linear layer or an embedding, the file
            does not tell).
        input_size, output_size: Words of a step; 0 where the shapes do not tell.
        dtype: Type of the parameters, as PyTorch calls it.
        bias, layers, bidirectional, proj_size: The options, as nn.LSTM calls them.
        shapes: Each parameter's full name and shape.
        supported: Whether ``load`` takes it with the options given.
        reason: One sentence why not; empty if it does.
    """

    name: str
    kind: str
    input_size: int
    output_size: int
    dtype: str
    bias: bool
    layers: int
    bidirectional: bool
    proj_size: int
    shapes: Shapes
    supported: bool
    reason: str

    @property
    def recurrent(self) -> bool:
        """Whether it can be selected; else it can stand around what is."""
        return self.kind not in _NOT_RECURRENT

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        options: dict[str, object] = {"bias": self.bias}
        if self.recurrent:
            options |= {"layers": self.layers, "bidirectional": self.bidirectional, "proj_size": self.proj_size}
        return {
            "name": self.name,
            "kind": self.kind,
            "input_size": self.input_size,
            "output_size": self.output_size,
            "dtype": self.dtype,
            "options": options,
            "shapes": {name: list(shape) for name, shape in self.shapes},
            "supported": self.supported,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class ChainLayer:
    """One layer of the accelerator.

    Attributes:
        name, input_size, output_size, macs: As the layer's own.
        kind: The cell of a recurrent layer, else ``parallel``, ``factorised``, ``grouped``, ``linear``,
            ``embedding``, ``affine``, ``last step``, ``final state``, ``argmax`` or the activation.
        options: What else there is to it, by name, in words or numbers.
    """

    name: str
    kind: str
    input_size: int
    output_size: int
    macs: int
    options: tuple[tuple[str, str | int | float | bool], ...]

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        return {
            "name": self.name,
            "kind": self.kind,
            "input_size": self.input_size,
            "output_size": self.output_size,
            "macs": self.macs,
            "options": dict(self.options),
        }


Options = dict[str, str | int | float | bool]


def _recurrent_options(layer: RecurrentLayer) -> Options:
    options: Options = {"hidden_size": layer.hidden_size}
    if layer.weight_hr is not None:
        options["proj_size"] = layer.output_size
    options["bias"] = bool(np.any(layer.bias_ih) or np.any(layer.bias_hh))
    if layer.reverse:
        options["direction"] = "backward"
    if layer.h_0 is not None or layer.c_0 is not None:
        options["initial_state"] = "given"
    return options


def _kind_and_options(layer: Layer) -> tuple[str, Options]:
    if isinstance(layer, RecurrentLayer):
        return layer.cell, _recurrent_options(layer)
    if isinstance(layer, ParallelLayer):
        cells = ", ".join(dict.fromkeys(branch.cell for branch in layer.branches))
        two = [branch.reverse for branch in layer.branches] == [False, True]
        directions = "forward, backward" if two else ", ".join(
            "backward" if branch.reverse else "forward" for branch in layer.branches
        )  # fmt: skip
        return cells, {**_recurrent_options(layer.branches[0]), "directions": directions}
    if isinstance(layer, FactorisedLayer):
        return "factorised", {"rank": layer.rank, "bias": bool(np.any(layer.bias))}
    if isinstance(layer, GroupedLayer):
        return "grouped", {"groups": len(layer.groups), "hidden_size": int(layer.projection.shape[1])}
    if isinstance(layer, LinearLayer):
        return "linear", {"bias": bool(np.any(layer.bias))}
    if isinstance(layer, EmbeddingLayer):
        return "embedding", {"symbols": layer.symbols}
    if isinstance(layer, LastStepLayer):
        return "final state" if layer.final else "last step", {}
    if isinstance(layer, ActivationLayer):
        limits: Options = {"low": layer.low, "high": layer.high} if layer.function == "hardtanh" else {}
        return layer.function, limits
    assert isinstance(layer, AffineLayer | ArgmaxLayer)
    return "affine" if isinstance(layer, AffineLayer) else "argmax", {}


def describe(layer: Layer) -> ChainLayer:
    """A layer of the network in words and numbers."""
    kind, options = _kind_and_options(layer)
    return ChainLayer(layer.name, kind, layer.input_size, layer.output_size, layer.macs, tuple(options.items()))


@dataclass(frozen=True)
class ModelSummary:
    """All that was found in a model, and what ``load`` makes of it.

    Attributes:
        name: Name the network would get, a Verilog identifier.
        source: File name, or the class of a live module.
        format: ``safetensors``, ``torch``, ``module``, ``pt2``, ``onnx``, ``keras`` or ``npz``.
        layers: What has parameters in a state dict or live module: what is recurrent, then what can stand around
            it, each in the order of the model; empty for the other formats.
        selected: Name of the recurrent stack that ``load`` would take; empty if the user has to choose, or if the
            model's own forward decides.
        head: Names of the head's layers.
        other: Full names of the parameters that belong to none of ``layers``.
        chain: The accelerator's layers, first to last; empty if the model is refused.
        host_before, host_after: What the model does before and behind them, one sentence each thing.
        notes: What was dropped because it changes nothing at inference.
        reason: One sentence why ``load`` refuses the model with the options given; empty if it does not.
    """

    name: str
    source: str
    format: str
    layers: tuple[LayerSummary, ...]
    selected: str
    head: tuple[str, ...]
    other: tuple[str, ...]
    chain: tuple[ChainLayer, ...]
    host_before: tuple[str, ...]
    host_after: tuple[str, ...]
    notes: tuple[str, ...]
    reason: str

    @property
    def supported(self) -> bool:
        """Whether ``load`` takes the model with the options given."""
        return not self.reason

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        return {
            "name": self.name,
            "source": self.source,
            "format": self.format,
            "supported": self.supported,
            "reason": self.reason,
            "host_before": list(self.host_before),
            "chain": [layer.to_dict() for layer in self.chain],
            "host_after": list(self.host_after),
            "notes": list(self.notes),
            "layers": [layer.to_dict() for layer in self.layers],
            "selected": self.selected,
            "head": list(self.head),
            "other": list(self.other),
        }
