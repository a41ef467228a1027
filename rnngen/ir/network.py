"""The network between import and planning: layers with float64 parameters.

Frozen, framework-free and in PyTorch's conventions: LSTM gates in the order
i, f, g, o along the rows; both bias vectors kept apart (GRU needs them so).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnngen.errors import ModelError

FloatArray = npt.NDArray[np.float64]

GATES = {"lstm": ("i", "f", "g", "o")}
"""Gate names of each supported cell, in the row order of its weights."""


@dataclass(frozen=True, eq=False)
class RecurrentLayer:
    """One unidirectional recurrent layer.

    Attributes:
        name: Where the layer sits in the model, for instance ``encoder.lstm.l0``.
        cell: ``"lstm"``.
        weight_ih: (gates * H, I).  weight_hh: (gates * H, H).
        bias_ih, bias_hh: (gates * H,); zeros where the model has none.
    """

    name: str
    cell: str
    weight_ih: FloatArray
    weight_hh: FloatArray
    bias_ih: FloatArray
    bias_hh: FloatArray

    def __post_init__(self) -> None:
        if self.cell not in GATES:
            raise ModelError(
                f"Layer '{self.name}': cell must be one of {', '.join(sorted(GATES))}, not '{self.cell}'."
            )
        rows = len(GATES[self.cell]) * self.hidden_size
        if self.weight_ih.ndim != 2 or self.weight_ih.shape[0] != rows:
            raise ModelError(
                f"Layer '{self.name}': weight_ih must have {rows} rows "
                f"({len(GATES[self.cell])} gates x hidden size {self.hidden_size}), not shape {self.weight_ih.shape}."
            )
        if self.weight_hh.shape != (rows, self.hidden_size):
            raise ModelError(
                f"Layer '{self.name}': weight_hh must have shape {(rows, self.hidden_size)}, "
                f"not {self.weight_hh.shape}."
            )
        for label, bias in (("bias_ih", self.bias_ih), ("bias_hh", self.bias_hh)):
            if bias.shape != (rows,):
                raise ModelError(f"Layer '{self.name}': {label} must have shape ({rows},), not {bias.shape}.")

    @property
    def gates(self) -> tuple[str, ...]:
        """Gate names in row order."""
        return GATES[self.cell]

    @property
    def input_size(self) -> int:
        """I: words of one input step."""
        return int(self.weight_ih.shape[1])

    @property
    def hidden_size(self) -> int:
        """H: hidden units."""
        return int(self.weight_hh.shape[1])

    @property
    def output_size(self) -> int:
        """Words of one output step (H)."""
        return self.hidden_size

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one step."""
        return int(self.weight_ih.size + self.weight_hh.size)


@dataclass(frozen=True, eq=False)
class LinearLayer:
    """``y = weight x + bias``; weight (O, I), bias (O,)."""

    name: str
    weight: FloatArray
    bias: FloatArray

    def __post_init__(self) -> None:
        if self.weight.ndim != 2:
            raise ModelError(f"Layer '{self.name}': weight must be a matrix, not of shape {self.weight.shape}.")
        if self.bias.shape != (self.weight.shape[0],):
            raise ModelError(
                f"Layer '{self.name}': bias must have shape ({self.weight.shape[0]},), not {self.bias.shape}."
            )

    @property
    def input_size(self) -> int:
        """Words of one input step."""
        return int(self.weight.shape[1])

    @property
    def output_size(self) -> int:
        """Words of one output step."""
        return int(self.weight.shape[0])

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one step."""
        return int(self.weight.size)


Layer = RecurrentLayer | LinearLayer


@dataclass(frozen=True, eq=False)
class Network:
    """A chain of layers; each consumes the whole output sequence of the one before.

    Attributes:
        name: Legal Verilog identifier derived from the model.
        layers: Recurrent layers, optionally followed by one Linear head.
        source: What the model was read from, for the report (no absolute path).
    """

    name: str
    layers: tuple[Layer, ...]
    source: str = ""

    def __post_init__(self) -> None:
        if not self.layers:
            raise ModelError(f"Network '{self.name}' must have at least one layer.")
        for before, after in zip(self.layers, self.layers[1:]):
            if before.output_size != after.input_size:
                raise ModelError(
                    f"Layer '{after.name}' takes {after.input_size} inputs but '{before.name}' "
                    f"before it gives {before.output_size}."
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
    def macs(self) -> int:
        """Multiply-accumulates of one step over all layers."""
        return sum(layer.macs for layer in self.layers)


def parameters(layer: Layer) -> dict[str, FloatArray]:
    """The arrays of a layer by field name."""
    names = (
        ("weight_ih", "weight_hh", "bias_ih", "bias_hh") if isinstance(layer, RecurrentLayer) else ("weight", "bias")
    )
    return {name: getattr(layer, name) for name in names}
