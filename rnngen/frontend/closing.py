"""From a traced tensor to layers: which directions and which step of a recurrent module it is."""

from __future__ import annotations

from dataclasses import replace

from rnngen.frontend.layout import Unsupported, ordered_pieces
from rnngen.frontend.traced import (
    UNIT,
    Atom,
    Axis,
    Piece,
    Stack,
    Stage,
    Steps,
    axis_size,
    last_step,
    side_by_side,
    single_piece_step,
)
from rnngen.ir.layers import Layer


def _check_states(pieces: list[Piece]) -> None:
    if any(piece.cell for piece in pieces):
        raise Unsupported(
            "gives out the cell state c_n, which the accelerator keeps inside; only h_n and the output can be taken"
        )
    layers = {piece.layer for piece in pieces}
    if len(layers) > 1:
        raise Unsupported(
            f"gives out the states of {len(layers)} layers together; take those of one, for instance h_n[-1]"
        )
    branches = [piece.branch for piece in pieces]
    if len(set(branches)) < len(branches):
        raise Unsupported("gives out the same direction twice; take each once")
    if len({piece.step == "all" for piece in pieces}) > 1:
        raise Unsupported("gives out whole sequences and single steps together; take one of them")


def _final(stack: Stack, pieces: list[Piece]) -> bool:
    """What ``LastStepLayer.final`` must be to give these steps."""
    possible = {False, True}
    for piece in pieces:
        possible &= single_piece_step(stack.layers[piece.layer][piece.branch], piece.step)
    if not possible:
        steps = ", ".join(f"{piece.step} of direction {piece.branch}" for piece in pieces)
        raise Unsupported(
            f"gives out a choice of steps that no layer has ({steps}); take y[-1] or h_n for all directions"
        )
    return min(possible)


def stack_layers(stack: Stack, pieces: list[Piece]) -> tuple[Layer, ...]:
    """The layers that give these pieces, side by side in their order.

    Raises:
        Unsupported: if none do; the text reads behind the name of the layer.
    """
    _check_states(pieces)
    number = pieces[0].layer
    branches = tuple(stack.layers[number][piece.branch] for piece in pieces)
    name = stack.layer_name(number)
    last = side_by_side(name, branches)
    layers = (*(stack.whole(index) for index in range(number)), last)
    if pieces[0].step == "all":
        return layers
    return (*layers, last_step(name, last.output_size, _final(stack, pieces)))


def output_stages(value: Steps) -> tuple[Stage, ...]:
    """All stages of a value, those of its recurrent module too.

    Raises:
        Unsupported: as ``stack_layers``.
    """
    if value.stack is None:
        return value.stages
    return (*value.stages, *stack_layers(value.stack, ordered_pieces(value)))


def _in_order(value: Steps, axis: Axis) -> bool:
    """Whether an axis counts all features, directions slower than units."""
    outside = [atom for other in value.axes if other is not axis for atom in other]
    if any(atom.label == UNIT and atom.size != 1 for atom in outside):
        return False
    if any(atom.stacked and atom.size != 1 for atom in outside):
        return False
    return all(atom.stacked for atom in axis[:-1]) and bool(axis)


def is_features(value: Steps, at: int) -> bool:
    """Whether an axis is the one of the features of a value that has layers."""
    axis = value.axes[at]
    return any(atom.stacked or atom.label == UNIT for atom in axis) and _in_order(value, axis)


def close(value: Steps, at: int) -> Steps:
    """The value with axis ``at`` as its features, and no more a choice of pieces.

    Raises:
        Unsupported: if this axis does not count all features.
    """
    axis = value.axes[at]
    if value.size == 0:  # the model's input, of which nothing has said yet what its features are
        size = axis_size(axis)
        if not isinstance(size, int):
            raise Unsupported("the number of features of its input is not fixed")
        return _closed(value, at, value.stages, size)
    if not (is_features(value, at) or (not axis and value.size == 1 and value.stack is None)):
        raise Unsupported(f"axis {at} of its input is not that of the features")
    stages = output_stages(value)
    last = stages[-1] if stages else None
    size = value.size if value.stack is None else int(getattr(last, "output_size", 0))
    return _closed(value, at, stages, size)


def _closed(value: Steps, at: int, stages: tuple[Stage, ...], size: int) -> Steps:
    axes = tuple((Atom(UNIT, size),) if i == at else _plain(axis) for i, axis in enumerate(value.axes))
    return replace(value, axes=axes, stages=stages, size=size, stack=None, pieces=None, labels=())


def _plain(axis: Axis) -> Axis:
    return tuple(atom for atom in axis if not atom.stacked and atom.label != UNIT)
