"""The network between import and planning: a chain of float layers that fit."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from rnngen.arith.points import GATES
from rnngen.errors import ModelError
from rnngen.ir.layers import (
    ActivationLayer,
    AffineLayer,
    ArgmaxLayer,
    EmbeddingLayer,
    FactorisedLayer,
    FloatArray,
    GroupCell,
    GroupedLayer,
    LastStepLayer,
    Layer,
    LinearLayer,
    ParallelLayer,
    RecurrentLayer,
    parameters,
)
from rnngen.ir.trained import Trained

__all__ = [
    "GATES",
    "ActivationLayer",
    "AffineLayer",
    "ArgmaxLayer",
    "EmbeddingLayer",
    "FactorisedLayer",
    "FloatArray",
    "GroupCell",
    "GroupedLayer",
    "LastStepLayer",
    "Layer",
    "LinearLayer",
    "Network",
    "ParallelLayer",
    "RecurrentLayer",
    "parameters",
]


@dataclass(frozen=True, eq=False)
class Network:
    """A chain of layers; each consumes the whole output sequence of the one before.

    Attributes:
        name: Legal Verilog identifier derived from the model.
        layers: At least one; an Embedding only at the start, an Argmax only at the end.
        source: What the model was read from, for the report (no absolute path).
        host_before, host_after: What the model does before and behind these layers and the accelerator does
            not: one sentence each thing.
        caller_state: The caller gives the state that sequences begin with, and takes the one they end with.
        trained: Integers of layers that were trained as such; a design that is read again holds them in its engines
            alone.
    """

    name: str
    layers: tuple[Layer, ...]
    source: str = ""
    host_before: tuple[str, ...] = ()
    host_after: tuple[str, ...] = ()
    caller_state: bool = False
    trained: Trained = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.layers:
            raise ModelError(f"Network '{self.name}' must have at least one layer.")
        for before, after in zip(self.layers, self.layers[1:]):
            if isinstance(after, EmbeddingLayer):
                raise ModelError(
                    f"Layer '{after.name}' is an embedding and must be the first, not behind '{before.name}'."
                )
            if isinstance(before, ArgmaxLayer):
                raise ModelError(f"Layer '{before.name}' is an argmax and must be the last, not before '{after.name}'.")
            if before.output_size != after.input_size:
                raise ModelError(
                    f"Layer '{after.name}' takes {after.input_size} inputs but '{before.name}' "
                    f"before it gives {before.output_size}."
                )
            if isinstance(after, LastStepLayer) and after.final and not _has_final(before):
                raise ModelError(
                    f"Layer '{after.name}' takes final states and must stand directly behind a recurrent layer, "
                    f"not '{before.name}'."
                )
        for layer in self.layers:
            for label, array in parameters(layer).items():
                if not np.all(np.isfinite(array)):
                    where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
                    raise ModelError(
                        f"Layer '{layer.name}': {label} holds {array[where]} at {list(where)}; "
                        f"all parameters must be finite."
                    )

    @property
    def input_size(self) -> int:
        """Words of one input step."""
        return self.layers[0].input_size

    @property
    def output_size(self) -> int:
        """Words of one output step."""
        return self.layers[-1].output_size

    @property
    def symbols(self) -> int:
        """How many symbols the input has, where it is one symbol a step; else 0."""
        first = self.layers[0]
        return first.symbols if isinstance(first, EmbeddingLayer) else 0

    @property
    def one_step(self) -> bool:
        """Whether a sequence gives one output step and not one for each of its own."""
        return any(isinstance(layer, LastStepLayer) for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one step over all layers."""
        return sum(layer.macs for layer in self.layers)


def _has_final(layer: Layer) -> bool:
    return isinstance(layer, RecurrentLayer | ParallelLayer | FactorisedLayer | GroupedLayer)
