"""Moving, splitting and joining the axes of a traced tensor; no layer changes its values here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rnngen.frontend.traced import Atom, Axis, Piece, Pieces, Size, Steps, axis_size, single_piece_step


class Unsupported(Exception):
    """An operation that mixes steps, sequences or features; the text says how."""


def position(axis: int, rank: int) -> int:
    """A non-negative number of an axis."""
    if not -rank <= axis < rank:
        raise Unsupported(f"it names axis {axis} of a tensor with {rank} axes")
    return axis % rank


def permute(value: Steps, order: Sequence[int]) -> Steps:
    """Axes in another order."""
    rank = len(value.axes)
    places = [position(place, rank) for place in order]
    if sorted(places) != list(range(rank)):
        raise Unsupported(f"it orders {rank} axes as {list(order)}")
    return value.with_axes(tuple(value.axes[place] for place in places))


def _is_one(axis: Axis) -> bool:
    return axis_size(axis) == 1


def squeeze(value: Steps, places: Sequence[int] | None) -> Steps:
    """Without the named axes of length 1 (others are kept, as PyTorch does); None: without all of length 1."""
    rank = len(value.axes)
    chosen = set(range(rank)) if places is None else {position(place, rank) for place in places}
    gone = [i for i in chosen if _is_one(value.axes[i])]
    for label in [atom.label for i in gone for atom in value.axes[i] if atom.stacked]:
        value = choose_pieces(value, label, 0)
    return value.with_axes(tuple(axis for i, axis in enumerate(value.axes) if i not in gone))


def unsqueeze(value: Steps, place: int) -> Steps:
    """With a new axis of length 1."""
    at = position(place, len(value.axes) + 1)
    return value.with_axes((*value.axes[:at], (), *value.axes[at:]))


def split_atom(value: Steps, label: str, inner: int, fresh: str) -> Steps:
    """A stacked atom cut in two: the outer keeps the label, the inner has ``inner`` entries and is called ``fresh``."""
    if value.pieces is None:
        raise Unsupported("it cuts an axis in two")
    at = value.labels.index(label)
    shape = value.pieces.shape
    outer = shape[at] // inner
    pieces = value.pieces.reshape(*shape[:at], outer, inner, *shape[at + 1 :])
    labels = (*value.labels[: at + 1], fresh, *value.labels[at + 1 :])
    axes = tuple(
        tuple(
            new
            for atom in axis
            for new in ((Atom(label, outer), Atom(fresh, inner)) if atom.label == label else (atom,))
        )
        for axis in value.axes
    )
    return replace(value, pieces=pieces, labels=labels, axes=axes)


class _Quotient:
    """What is left of a length while atoms are taken from it: a number times symbols."""

    def __init__(self, size: Size) -> None:
        self.number = size if isinstance(size, int) else 1
        self.symbols = Counter([size] if isinstance(size, str) else [])

    @property
    def done(self) -> bool:
        return self.number == 1 and not self.symbols.total()

    def take(self, size: Size) -> bool:
        """Divide by a length; false if it does not divide."""
        if isinstance(size, str):
            if not self.symbols[size]:
                return False
            self.symbols[size] -= 1
            return True
        if self.number % size:
            return False
        self.number //= size
        return True


def _resolve(value: Steps, shape: Sequence[Size]) -> list[_Quotient]:
    """The lengths asked for, with 0 (the same length) and -1 (the rest) replaced."""
    rest = _Quotient(1)
    for axis in value.axes:
        for atom in axis:
            if isinstance(atom.size, int):
                rest.number *= atom.size
            else:
                rest.symbols[atom.size] += 1
    wanted: list[_Quotient | None] = []
    for number, size in enumerate(shape):
        if size == 0:
            wanted.append(_Quotient(1))
            for atom in value.axes[number] if number < len(value.axes) else ():
                _multiply(wanted[-1], atom.size)
        else:
            wanted.append(None if size == -1 else _Quotient(size))
    for part in wanted:
        if part is None:
            continue
        if rest.number % part.number or part.symbols - rest.symbols:
            raise Unsupported(f"it reshapes to {list(shape)}")
        rest.number //= part.number
        rest.symbols -= part.symbols
    if None not in wanted and not rest.done:
        raise Unsupported(f"it reshapes to {list(shape)}")
    return [rest if part is None else part for part in wanted]


def _multiply(part: _Quotient | None, size: Size) -> None:
    if part is not None and isinstance(size, int):
        part.number *= size
    elif part is not None and isinstance(size, str):
        part.symbols[size] += 1


def reshape(value: Steps, shape: Sequence[Size]) -> Steps:
    """Axes merged and split where the new shape does no more than that.

    Args:
        value: The tensor.
        shape: New lengths; -1 for the rest, 0 for the length of the axis at the same place.

    Raises:
        Unsupported: if an axis of the new shape holds a part of an old axis.
    """
    wanted = _resolve(value, shape)
    axes: list[Axis] = []
    todo = [atom for axis in value.axes for atom in axis]
    for part in wanted:
        taken: list[Atom] = []
        if part.done and todo and todo[0].size == 1:
            axes.append((todo.pop(0),))
            continue
        while not part.done:
            if not todo:
                raise Unsupported(f"it reshapes to {list(shape)}")
            atom = todo.pop(0)
            if part.take(atom.size):
                taken += [atom] if atom.size != 1 or atom.stacked else []
            elif atom.stacked and isinstance(atom.size, int) and not part.symbols.total():
                if atom.size % part.number:
                    raise Unsupported(f"it reshapes to {list(shape)}")
                inner = atom.size // part.number
                fresh = f"stack{max(int(label[5:]) for label in value.labels) + 1}"
                value = split_atom(value, atom.label, inner, fresh)
                taken.append(Atom(atom.label, part.number))
                todo.insert(0, Atom(fresh, inner))
                part.number = 1
            else:
                raise Unsupported(f"it reshapes to {list(shape)}, which mixes steps, sequences or features")
        axes.append(tuple(taken))
    if any(atom.size != 1 for atom in todo):
        raise Unsupported(f"it reshapes to {list(shape)}")
    for atom in todo:
        value = choose_pieces(value, atom.label, 0) if atom.stacked else value
    return value.with_axes(tuple(axes))


def choose_pieces(value: Steps, label: str, chosen: slice | int) -> Steps:
    """Some of the layers or directions that an atom counts; an int leaves one and no atom."""
    if value.pieces is None:
        raise Unsupported("it takes a part of an axis")
    at = value.labels.index(label)
    index: list[slice | int] = [slice(None)] * value.pieces.ndim
    index[at] = chosen
    pieces = value.pieces[tuple(index)]
    if isinstance(chosen, int):
        array = np.empty((), dtype=object)
        if not isinstance(pieces, np.ndarray):
            array[()] = pieces
            pieces = array
        labels = value.labels[:at] + value.labels[at + 1 :]
        axes = tuple(tuple(atom for atom in axis if atom.label != label) for axis in value.axes)
        return replace(value, pieces=pieces, labels=labels, axes=axes)
    new = Atom(label, pieces.shape[at])
    axes = tuple(tuple(new if atom.label == label else atom for atom in axis) for axis in value.axes)
    return replace(value, pieces=pieces, axes=axes)


def stacked_atoms(value: Steps) -> list[Atom]:
    """The atoms that count pieces, in the order of the axes."""
    return [atom for axis in value.axes for atom in axis if atom.stacked]


def ordered_pieces(value: Steps) -> list[Piece]:
    """The pieces in the order in which the axes count them."""
    if value.pieces is None:
        return []
    order = [value.labels.index(atom.label) for atom in stacked_atoms(value)]
    return list(value.pieces.transpose(order).ravel())


def _fill(pieces: Sequence[Piece], shape: tuple[int, ...]) -> Pieces:
    array = np.empty(len(pieces), dtype=object)
    array[:] = pieces
    return array.reshape(shape)


def with_pieces(value: Steps, pieces: Sequence[Piece]) -> Steps:
    """The same axes, with as many other pieces in the order of the axes."""
    atoms = stacked_atoms(value)
    sizes = tuple(atom.size for atom in atoms if isinstance(atom.size, int))
    return replace(value, pieces=_fill(pieces, sizes), labels=tuple(atom.label for atom in atoms))


def take_step(value: Steps, step: str, keep: int | None) -> Steps:
    """One step of a sequence, of a tensor straight behind a recurrent module.

    Args:
        value: A tensor with pieces.
        step: ``last`` or ``first``.
        keep: Axis to leave with length 1; the axis must be gone from ``value.axes`` already where None.
    """
    pieces = ordered_pieces(value)
    if value.stack is None or any(piece.step != "all" for piece in pieces):
        raise Unsupported("it takes a step of what is one step already")
    branches = [value.stack.layers[piece.layer][piece.branch] for piece in pieces]
    if step == "first" and not any(single_piece_step(branch, "first") for branch in branches):
        raise Unsupported("it takes the first step")
    value = with_pieces(value, [replace(piece, step=step) for piece in pieces])
    if keep is not None:
        value = value.with_axes(tuple(() if i == keep else axis for i, axis in enumerate(value.axes)))
    return replace(value, whole_steps=False)


def join(values: Sequence[Steps], axis: int) -> Steps:
    """Pieces of one recurrent module side by side along an axis that counts pieces.

    Raises:
        Unsupported: if the tensors are anything else.
    """
    first = values[0]
    rank = len(first.axes)
    at = position(axis, rank)
    if first.stack is None or any(value.stack is not first.stack for value in values):
        raise Unsupported("it joins tensors that are not of one recurrent layer")
    tails = {tuple(atom for atom in value.axes[at] if not atom.stacked) for value in values if len(value.axes) == rank}
    others = {tuple(a for i, a in enumerate(value.axes) if i != at) for value in values}
    if len(tails) != 1 or len(others) != 1 or any(atom.stacked for a in next(iter(others)) for atom in a):
        raise Unsupported("it joins tensors of different axes")
    tail = next(iter(tails))
    if tail not in ((), (Atom("unit", first.size),)):
        raise Unsupported("it joins tensors along steps or sequences")
    pieces = [piece for value in values for piece in ordered_pieces(value)]
    axes = tuple((Atom("stack0", len(pieces)), *tail) if i == at else a for i, a in enumerate(first.axes))
    return replace(
        first,
        axes=axes,
        pieces=_fill(pieces, (len(pieces),)),
        labels=("stack0",),
        whole_steps=all(value.whole_steps for value in values),
    )
