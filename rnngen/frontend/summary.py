"""What ``rnngen inspect`` tells about a model."""

from __future__ import annotations

from dataclasses import dataclass

Shapes = tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True)
class LayerSummary:
    """One recurrent stack or Linear layer found in a model.

    Attributes:
        name: The prefix to give to ``--select`` or ``--head``; ``.`` is the top of the model.
        kind: ``lstm``, ``gru``, ``rnn``, ``unknown cell``, ``linear``, or ``matrix`` (a weight
            without bias in a file: a Linear layer or an Embedding, the file does not tell).
        input_size, output_size: Words of a step; 0 where the shapes do not tell.
        dtype: Type of the parameters, as PyTorch calls it.
        bias, layers, bidirectional, proj_size: The options, as nn.LSTM calls them.
        shapes: Each parameter's full name and shape.
        supported: Whether ``load`` takes it.
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
        """Whether it can be selected (a recurrent stack) or can be a head (a Linear layer)."""
        return self.kind not in ("linear", "matrix")

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
class ModelSummary:
    """All that was found in a model.

    Attributes:
        name: Name the network would get, a Verilog identifier.
        source: File name, or the class of a live module.
        format: ``safetensors``, ``torch`` or ``module``.
        layers: Recurrent stacks, then Linear layers, each in the order of the model.
        selected: Name of the recurrent stack that ``load`` would take; empty if the user has to choose.
        head: Name of the chosen head; empty without one.
        other: Full names of the parameters that belong to none of ``layers``.
    """

    name: str
    source: str
    format: str
    layers: tuple[LayerSummary, ...]
    selected: str
    head: str
    other: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        return {
            "name": self.name,
            "source": self.source,
            "format": self.format,
            "layers": [layer.to_dict() for layer in self.layers],
            "selected": self.selected,
            "head": self.head,
            "other": list(self.other),
        }
