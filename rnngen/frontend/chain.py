"""A model whose own forward says what follows what: the layers of the accelerator, and what stays on the host."""

from __future__ import annotations

from dataclasses import dataclass, field

from rnngen.ir.layers import Layer
from rnngen.ir.trained import Trained


@dataclass(frozen=True, eq=False)
class Chain:
    """What a graph reader (torch.export, ONNX, Keras, ...) makes of a model.

    Attributes:
        title: How messages call the model, for instance ``Model 'vad.onnx'``.
        stem: What the name of the network is made from.
        source: File name or class, for the report (no absolute path).
        kind: ``"onnx"``, ``"keras"``, ``"pt2"``, ``"module"`` or ``"npz"``.
        layers: The accelerator's layers, first to last.
        host_before, host_after: What the model does before and behind them, one sentence each thing.
        caller_state: The model takes the state that sequences begin with from its caller, or gives back the one they
            end with.
        trained: Integers of layers that were trained as such.
        notes: What was dropped because it changes nothing at inference, for instance a dropout.
    """

    title: str
    stem: str
    source: str
    kind: str
    layers: tuple[Layer, ...]
    host_before: tuple[str, ...] = ()
    host_after: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    caller_state: bool = False
    trained: Trained = field(default_factory=dict)
