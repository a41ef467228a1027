"""Float layers: everything a network can be made of, frozen and free of any framework.

Conventions are PyTorch's: LSTM gates in the order i, f, g, o along the rows, GRU gates r, z, n; both bias
vectors kept apart (a GRU's b_hn stands inside the product with r).  A layer maps sequences to sequences,
(steps, input size) to (steps, output size); ``LastStepLayer`` leaves one step of each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnngen.arith.points import GATES
from rnngen.errors import ModelError

FloatArray = npt.NDArray[np.float64]

ACTIVATIONS = ("relu", "sigmoid", "tanh", "hardsigmoid", "hardtanh")
"""Element-wise functions; hardtanh has limits, the others have none."""


def _check_vector(layer: str, label: str, array: FloatArray, size: int) -> None:
    if array.shape != (size,):
        raise ModelError(f"Layer '{layer}': {label} must have shape ({size},), not {array.shape}.")


def _check_matrix(layer: str, label: str, array: FloatArray, shape: tuple[int, int]) -> None:
    if array.shape != shape:
        raise ModelError(f"Layer '{layer}': {label} must have shape {shape}, not {array.shape}.")


@dataclass(frozen=True, eq=False)
class RecurrentLayer:
    """One recurrent layer of one direction.

    Attributes:
        name: Where the layer sits in the model, for instance ``encoder.lstm.l0``.
        cell: A key of ``GATES``.
        weight_ih: (gates * H, I).  weight_hh: (gates * H, P or H).
        bias_ih, bias_hh: (gates * H,); zeros where the model has none.
        weight_hr: (P, H), an LSTM's projection; None without one.
        reverse: Runs from a sequence's end to its start; each output stands at its input's step.
        h_0, c_0: (P or H,) and (H,), a state that the model itself begins with; None: zeros.
    """

    name: str
    cell: str
    weight_ih: FloatArray
    weight_hh: FloatArray
    bias_ih: FloatArray
    bias_hh: FloatArray
    weight_hr: FloatArray | None = None
    reverse: bool = False
    h_0: FloatArray | None = None
    c_0: FloatArray | None = None

    def __post_init__(self) -> None:
        if self.cell not in GATES:
            raise ModelError(
                f"Layer '{self.name}': cell must be one of {', '.join(sorted(GATES))}, not '{self.cell}'."
            )
        hidden = self.hidden_size
        rows = len(self.gates) * hidden
        if self.weight_ih.ndim != 2 or hidden < 1 or self.weight_ih.shape[0] != rows:
            raise ModelError(
                f"Layer '{self.name}': weight_ih must have {rows} rows "
                f"({len(self.gates)} gates x hidden size {hidden}), not shape {self.weight_ih.shape}."
            )
        if self.weight_hr is not None:
            if self.cell != "lstm":
                raise ModelError(f"Layer '{self.name}': only an LSTM can have a projection, not '{self.cell}'.")
            _check_matrix(self.name, "weight_hr", self.weight_hr, (self.output_size, hidden))
        _check_matrix(self.name, "weight_hh", self.weight_hh, (rows, self.output_size))
        _check_vector(self.name, "bias_ih", self.bias_ih, rows)
        _check_vector(self.name, "bias_hh", self.bias_hh, rows)
        if self.h_0 is not None:
            _check_vector(self.name, "h_0", self.h_0, self.output_size)
        if self.c_0 is not None:
            if self.cell != "lstm":
                raise ModelError(f"Layer '{self.name}': only an LSTM has a cell state c_0, not '{self.cell}'.")
            _check_vector(self.name, "c_0", self.c_0, hidden)

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
        return int(self.weight_hh.shape[1] if self.weight_hr is None else self.weight_hr.shape[-1])

    @property
    def output_size(self) -> int:
        """Words of one output step: P with a projection, else H."""
        return int(self.weight_hh.shape[1] if self.weight_hr is None else self.weight_hr.shape[0])

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one step."""
        projection = 0 if self.weight_hr is None else int(self.weight_hr.size)
        return int(self.weight_ih.size + self.weight_hh.size) + projection


@dataclass(frozen=True, eq=False)
class FactorisedLayer:
    """An LSTM whose map of x and h is a product of two: F-LSTM, Kuchaiev & Ginsburg 2017, section 2.2.

    z = weight_out (weight_in x + weight_rec h) + bias; the gates as in an LSTM.

    Attributes:
        weight_in: (r, I).  weight_rec: (r, H).  weight_out: (4 * H, r), gates i, f, g, o.  bias: (4 * H,).
    """

    name: str
    weight_in: FloatArray
    weight_rec: FloatArray
    weight_out: FloatArray
    bias: FloatArray

    def __post_init__(self) -> None:
        rank, hidden = self.rank, self.output_size
        if self.weight_in.ndim != 2 or rank < 1:
            raise ModelError(f"Layer '{self.name}': weight_in must be a matrix, not of shape {self.weight_in.shape}.")
        _check_matrix(self.name, "weight_rec", self.weight_rec, (rank, hidden))
        _check_matrix(self.name, "weight_out", self.weight_out, (4 * hidden, rank))
        _check_vector(self.name, "bias", self.bias, 4 * hidden)

    @property
    def rank(self) -> int:
        """r: inner size."""
        return int(self.weight_in.shape[0])

    @property
    def input_size(self) -> int:
        """I: words of one input step."""
        return int(self.weight_in.shape[1])

    @property
    def output_size(self) -> int:
        """H: hidden units, words of one output step."""
        return int(self.weight_rec.shape[-1])

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one step."""
        return int(self.weight_in.size + self.weight_rec.size + self.weight_out.size)


@dataclass(frozen=True, eq=False)
class GroupedLayer:
    """k LSTMs side by side and a projection that mixes them: G-LSTM, Kuchaiev & Ginsburg 2017, section 2.3.

    Group j takes the j-th of k equal slices of x and of h and gives m_j = o * tanh(c); h = projection [m_1 .. m_k].

    Attributes:
        groups: LSTMs of one size: input I / k, hidden H / k; their weight_hh is (4 * H / k, P / k).
        projection: (P, H), no bias.
    """

    name: str
    groups: tuple[GroupCell, ...]
    projection: FloatArray

    def __post_init__(self) -> None:
        if not self.groups:
            raise ModelError(f"Layer '{self.name}': there must be at least one group.")
        first, count = self.groups[0], len(self.groups)
        for group in self.groups[1:]:
            if (group.input_size, group.hidden_size, group.state_size) != (
                first.input_size,
                first.hidden_size,
                first.state_size,
            ):
                raise ModelError(f"Layer '{self.name}': all groups must have the same sizes, unlike '{group.name}'.")
        _check_matrix(
            self.name, "projection", self.projection, (count * first.state_size, count * first.hidden_size)
        )

    @property
    def input_size(self) -> int:
        """I: words of one input step."""
        return len(self.groups) * self.groups[0].input_size

    @property
    def output_size(self) -> int:
        """P: words of one output step."""
        return int(self.projection.shape[0])

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one step."""
        return sum(group.macs for group in self.groups) + int(self.projection.size)


@dataclass(frozen=True, eq=False)
class GroupCell:
    """One group of a ``GroupedLayer``: weight_ih (4 * H, I), weight_hh (4 * H, P), bias (4 * H,), all of the group."""

    name: str
    weight_ih: FloatArray
    weight_hh: FloatArray
    bias: FloatArray

    def __post_init__(self) -> None:
        rows = 4 * self.hidden_size
        if self.weight_ih.ndim != 2 or self.weight_hh.ndim != 2 or self.weight_ih.shape[0] != rows or rows == 0:
            raise ModelError(
                f"Layer '{self.name}': weight_ih must have 4 rows a hidden unit, not shape {self.weight_ih.shape}."
            )
        _check_matrix(self.name, "weight_hh", self.weight_hh, (rows, self.state_size))
        _check_vector(self.name, "bias", self.bias, rows)

    @property
    def input_size(self) -> int:
        """Inputs of the group."""
        return int(self.weight_ih.shape[1])

    @property
    def hidden_size(self) -> int:
        """Hidden units of the group."""
        return int(self.weight_ih.shape[0]) // 4

    @property
    def state_size(self) -> int:
        """Words of h that the group reads."""
        return int(self.weight_hh.shape[1])

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one step."""
        return int(self.weight_ih.size + self.weight_hh.size)


@dataclass(frozen=True, eq=False)
class ParallelLayer:
    """Recurrent layers that read the same input; outputs side by side.  A bidirectional layer is two of them."""

    name: str
    branches: tuple[RecurrentLayer, ...]

    def __post_init__(self) -> None:
        if len(self.branches) < 2:
            raise ModelError(f"Layer '{self.name}': there must be at least two branches, not {len(self.branches)}.")
        sizes = {branch.input_size for branch in self.branches}
        if len(sizes) != 1:
            raise ModelError(f"Layer '{self.name}': all branches must take as many inputs, not {sorted(sizes)}.")

    @property
    def input_size(self) -> int:
        """Words of one input step."""
        return self.branches[0].input_size

    @property
    def output_size(self) -> int:
        """Words of one output step."""
        return sum(branch.output_size for branch in self.branches)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one step."""
        return sum(branch.macs for branch in self.branches)


@dataclass(frozen=True, eq=False)
class LinearLayer:
    """``y = weight x + bias``; weight (O, I), bias (O,)."""

    name: str
    weight: FloatArray
    bias: FloatArray

    def __post_init__(self) -> None:
        if self.weight.ndim != 2:
            raise ModelError(f"Layer '{self.name}': weight must be a matrix, not of shape {self.weight.shape}.")
        _check_vector(self.name, "bias", self.bias, self.weight.shape[0])

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


@dataclass(frozen=True, eq=False)
class EmbeddingLayer:
    """A table look-up, first in its network: the input is one symbol a step, 0 .. V - 1; table (V, D)."""

    name: str
    table: FloatArray

    def __post_init__(self) -> None:
        if self.table.ndim != 2 or 0 in self.table.shape:
            raise ModelError(f"Layer '{self.name}': table must be a matrix, not of shape {self.table.shape}.")

    @property
    def symbols(self) -> int:
        """V: how many symbols there are."""
        return int(self.table.shape[0])

    @property
    def input_size(self) -> int:
        """Words of one input step: the symbol."""
        return 1

    @property
    def output_size(self) -> int:
        """D: words of one output step."""
        return int(self.table.shape[1])

    macs = 0


@dataclass(frozen=True, eq=False)
class AffineLayer:
    """``y = scale * x + shift``, element by element: a batch norm at inference, or input scaling.  Both (size,)."""

    name: str
    scale: FloatArray
    shift: FloatArray

    def __post_init__(self) -> None:
        _check_vector(self.name, "scale", self.scale, self.scale.size)
        _check_vector(self.name, "shift", self.shift, self.scale.size)

    @property
    def input_size(self) -> int:
        """Words of one input step."""
        return int(self.scale.size)

    @property
    def output_size(self) -> int:
        """Words of one output step."""
        return self.input_size

    macs = 0


class _SameSize:
    """As many words out as in, and nothing multiplied with a matrix."""

    size: int

    @property
    def input_size(self) -> int:
        """Words of one input step."""
        return self.size

    @property
    def output_size(self) -> int:
        """Words of one output step."""
        return self.size

    macs = 0


@dataclass(frozen=True)
class ActivationLayer(_SameSize):
    """A function of ``ACTIVATIONS`` of each of ``size`` words; low and high are hardtanh's limits."""

    name: str
    function: str
    size: int
    low: float = -1.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if self.function not in ACTIVATIONS:
            raise ModelError(
                f"Layer '{self.name}': function must be one of {', '.join(ACTIVATIONS)}, not '{self.function}'."
            )
        if not self.low < self.high:
            raise ModelError(f"Layer '{self.name}': low must be below high, not {self.low} and {self.high}.")


@dataclass(frozen=True)
class LastStepLayer(_SameSize):
    """Of each sequence one step of ``size`` words.

    Attributes:
        final: False: the last step's output (``y[-1]``).  True: what each direction computed last (``h_n``): of a
            reversed branch, its output at the first step.  The two differ only behind a reversed layer, and there
            this layer must stand directly behind it.
    """

    name: str
    size: int
    final: bool = False


@dataclass(frozen=True)
class ArgmaxLayer:
    """The number of the largest of ``size`` words (the first of equals), the last layer of its network."""

    name: str
    size: int

    @property
    def input_size(self) -> int:
        """Words of one input step."""
        return self.size

    @property
    def output_size(self) -> int:
        """Words of one output step."""
        return 1

    macs = 0


Layer = (
    RecurrentLayer
    | FactorisedLayer
    | GroupedLayer
    | ParallelLayer
    | LinearLayer
    | EmbeddingLayer
    | AffineLayer
    | ActivationLayer
    | LastStepLayer
    | ArgmaxLayer
)

_ARRAYS: dict[type, tuple[str, ...]] = {
    RecurrentLayer: ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr", "h_0", "c_0"),
    GroupCell: ("weight_ih", "weight_hh", "bias"),
    FactorisedLayer: ("weight_in", "weight_rec", "weight_out", "bias"),
    GroupedLayer: ("projection",),
    LinearLayer: ("weight", "bias"),
    EmbeddingLayer: ("table",),
    AffineLayer: ("scale", "shift"),
}


def parts(layer: Layer) -> tuple[RecurrentLayer | GroupCell, ...]:
    """The layers inside a layer: a parallel layer's branches, a grouped layer's groups."""
    if isinstance(layer, ParallelLayer):
        return layer.branches
    return layer.groups if isinstance(layer, GroupedLayer) else ()


def parameters(layer: Layer | GroupCell) -> dict[str, FloatArray]:
    """The arrays of a layer by field name; those of its parts as ``NUMBER.FIELD``."""
    fields = _ARRAYS.get(type(layer), ())
    own = {name: getattr(layer, name) for name in fields if getattr(layer, name) is not None}
    inner: Iterator[tuple[int, RecurrentLayer | GroupCell]] = (
        enumerate(parts(layer)) if not isinstance(layer, GroupCell) else iter(())
    )
    return own | {f"{index}.{name}": array for index, part in inner for name, array in parameters(part).items()}
