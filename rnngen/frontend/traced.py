"""What a graph reader knows of each tensor of a model: which layers made it, and what each of its axes is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from rnngen.ir.layers import (
    FactorisedLayer,
    FloatArray,
    GroupedLayer,
    LastStepLayer,
    Layer,
    ParallelLayer,
    RecurrentLayer,
)

RECURRENT = (RecurrentLayer, ParallelLayer, FactorisedLayer, GroupedLayer)
"""Kinds of layers that have a state."""

Size: TypeAlias = "int | str"
"""Length of an axis: a number, or a symbol such as ``"N"`` for one that is known only at run time."""

UNIT = "unit"
"""Label of the atom that counts a layer's outputs."""


@dataclass(frozen=True)
class Atom:
    """What an axis counts.

    Attributes:
        label: ``unit``: outputs of a layer (of one direction, where directions are apart); ``stack0`` ...: layers
            and directions of a recurrent module; ``axis0`` ...: an axis of the model's input.
        size: Its length.
    """

    label: str
    size: Size

    @property
    def stacked(self) -> bool:
        """Whether it counts layers or directions."""
        return self.label.startswith("stack")


Axis: TypeAlias = tuple[Atom, ...]
"""An axis is its atoms, the slowest first, merged in this order; none: an axis of length 1."""


@dataclass(frozen=True)
class Pending:
    """A layer whose size is known only when all is read: an element-wise one at the model's input."""

    name: str
    build: Callable[[int], Layer]


Stage: TypeAlias = "Layer | Pending"


@dataclass(frozen=True)
class Piece:
    """One direction of one layer of a recurrent module.

    Attributes:
        layer, branch: Their numbers in ``Stack.layers``.
        step: ``all``, ``last`` (y[-1]), ``first`` (y[0]) or ``final`` (h_n).
        cell: Whether it is the cell state c and not h.
    """

    layer: int
    branch: int
    step: str
    cell: bool = False


Direction: TypeAlias = "RecurrentLayer | FactorisedLayer | GroupedLayer"
"""One direction of a recurrent layer; those of rnngen.nn have one only."""


@dataclass(frozen=True, eq=False)
class Stack:
    """A recurrent module: its layers, each a tuple of directions."""

    name: str
    layers: tuple[tuple[Direction, ...], ...]

    def whole(self, number: int) -> Layer:
        """Layer ``number`` with all its directions."""
        branches = self.layers[number]
        return side_by_side(self.layer_name(number), branches)

    def layer_name(self, number: int) -> str:
        """What messages and reports call a layer with all its directions."""
        return self.layers[number][0].name


def side_by_side(name: str, branches: tuple[Direction, ...]) -> Layer:
    """Directions as one layer."""
    if len(branches) == 1:
        return branches[0]
    return ParallelLayer(name, tuple(branch for branch in branches if isinstance(branch, RecurrentLayer)))


Pieces: TypeAlias = npt.NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class Steps:
    """A tensor that the accelerator computes: layers applied to its input.

    Attributes:
        axes: What each axis counts.
        stages: The layers so far, without those of ``stack``.
        size: Words of a step (of one piece, where ``stack`` is given); 0 while unknown.
        stack: The recurrent module that gave the tensor, if nothing but a choice of pieces stands behind it.
        pieces: Of ``stack``; one dimension for each label of ``labels``.
        labels: Labels of the stacked atoms that count the pieces.
        host_before: What the host computes before the accelerator's input.
        whole_steps: Whether there is still one value for each step of a sequence.
    """

    axes: tuple[Axis, ...]
    stages: tuple[Stage, ...]
    size: int
    stack: Stack | None = None
    pieces: Pieces | None = None
    labels: tuple[str, ...] = ()
    host_before: tuple[str, ...] = ()
    whole_steps: bool = True

    @property
    def recurrent(self) -> bool:
        """Whether a recurrent layer is among the layers."""
        return self.stack is not None or any(isinstance(stage, RECURRENT) for stage in self.stages)

    @property
    def shape(self) -> tuple[Size | None, ...]:
        """Length of each axis; None where it is a product with a symbol."""
        return tuple(axis_size(axis) for axis in self.axes)

    def with_axes(self, axes: tuple[Axis, ...]) -> Steps:
        """The same tensor with other axes."""
        return replace(self, axes=axes)


@dataclass(frozen=True, eq=False)
class Host:
    """A tensor that the host computes.

    Attributes:
        base: What the accelerator gave for it; None before the accelerator.
        done: One sentence for each operation since.
        keeps_order: Whether along the features the largest value is still where it was in ``base`` (softmax).
        shape: Lengths of the axes, None if unknown.
    """

    base: Steps | None
    done: tuple[str, ...]
    keeps_order: bool = False
    shape: tuple[Size, ...] | None = None


@dataclass(frozen=True, eq=False)
class Constant:
    """A tensor that the model brings with it."""

    array: FloatArray
    name: str = ""


Value: TypeAlias = "Steps | Host | Constant"


def axis_size(axis: Axis) -> Size | None:
    """Length of an axis; None where it is a product with a symbol."""
    if len(axis) == 1:
        return axis[0].size
    product = 1
    for atom in axis:
        if isinstance(atom.size, str):
            return None
        product *= atom.size
    return product


def single_piece_step(branch: Direction, step: str) -> set[bool]:
    """Which values of ``LastStepLayer.final`` give this step of this direction; empty if none does."""
    if isinstance(branch, RecurrentLayer) and branch.reverse:
        return {"last": {False}, "first": {True}, "final": {True}}[step]
    return {"last": {False, True}, "first": set[bool](), "final": {False, True}}[step]


def last_step(name: str, size: int, final: bool = False) -> LastStepLayer:
    """The layer that leaves one step."""
    return LastStepLayer(f"{name}.final" if final else f"{name}.last", size, final)
