"""The part of the tracer that follows values: their axes, and what stays on the host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from rnngen.errors import ModelError
from rnngen.frontend import layout
from rnngen.frontend.closing import is_features, output_stages
from rnngen.frontend.layout import Unsupported
from rnngen.frontend.traced import Atom, Axis, Constant, Host, Pending, Size, Stage, Steps, Value, axis_size, last_step


class AxisTracer:
    """Follows the axes of one model's tensors; the base of ``tracing.Tracer``, which see."""

    def __init__(self, title: str, stem: str, source: str, kind: str) -> None:
        self.title, self.stem, self.source, self.kind = title, stem, source, kind
        self.notes: list[str] = []
        self.given: dict[str, tuple[tuple[str, int], ...]] = {}
        """By layer whose state the caller gives: for h and c an input and the entry of its first axis (-1: all)."""
        self._roles: dict[str, str] = {}
        self._fresh = 0

    def refuse(self, where: str, sentence: str) -> ModelError:
        """The error for something at a place: ``raise tracer.refuse("encoder", "has ...; use ...")``."""
        return ModelError(f"{self.title}: '{where}' {sentence}")

    def note(self, sentence: str) -> None:
        """Say once what was left out because it changes nothing."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def input(self, shape: Sequence[Size]) -> Steps:
        """The model's input, each axis a number or a symbol; what an axis means is said by the operations."""
        return self._begin(shape, ())

    def _begin(self, shape: Sequence[Size], host_before: tuple[str, ...]) -> Steps:
        axes = tuple((Atom(f"axis{self._fresh + i}", size),) for i, size in enumerate(shape))
        self._fresh += len(axes)
        return Steps(axes, (), 0, host_before=host_before)

    def shaped(self, value: Value, shape: Sequence[Size]) -> Value:
        """The value with its shape, which only a host value does not know by itself."""
        return replace(value, shape=tuple(shape)) if isinstance(value, Host) else value

    # What stays on the host

    def unsupported(self, where: str, operation: str, values: Sequence[Value], reason: str = "") -> Host:
        """An operation that only the host can do.

        Args:
            where: Its place.
            operation: Its name.
            values: What it takes.
            reason: Why the accelerator cannot do it, to stand behind a colon.

        Raises:
            ModelError: if it joins branches behind a recurrent layer, or takes what the accelerator cannot give out.
        """
        traced = [value for value in values if not isinstance(value, Constant)]
        done = f"'{where}' ({operation}) is computed on the host" + (f": {reason}." if reason else ".")
        bases = [self._base(where, value) for value in traced]
        recurrent = [base for base in bases if base is not None and base.recurrent]
        if not recurrent:
            before = [sentence for value in traced for sentence in _before(value)]
            return Host(None, (*dict.fromkeys(before), done))
        if len({id(base) for base in bases}) > 1:
            raise self.refuse(
                where,
                f"({operation}) joins branches of the network; only a chain of layers is supported, "
                f"so use a model whose layers follow one another.",
            )
        behind = [sentence for value in traced if isinstance(value, Host) for sentence in value.done]
        return Host(recurrent[0], (*dict.fromkeys(behind), done))

    def _base(self, where: str, value: Value) -> Steps | None:
        """What the accelerator gives for a value that the host goes on with."""
        if isinstance(value, Steps):
            self._stages(where, value)  # refuses what the accelerator cannot give out
            return value
        return value.base if isinstance(value, Host) else None

    def _stages(self, where: str, value: Steps) -> tuple[Stage, ...]:
        try:
            return output_stages(value)
        except Unsupported as reason:
            name = where if value.stack is None else value.stack.name
            raise self.refuse(name, f"{reason}.") from None

    def _moved(self, where: str, operation: str, value: Value, move: Callable[[Steps], Steps]) -> Value:
        """A change of axes, or the same on the host."""
        if not isinstance(value, Steps):
            return self.unsupported(where, operation, [value])
        try:
            return move(value)
        except Unsupported as reason:
            return self.unsupported(where, operation, [value], str(reason))

    def role(self, where: str, axis: Axis, role: str) -> None:
        """Say what an axis of the input is: ``steps``, ``sequences`` or ``features``.

        Raises:
            ModelError: if another layer says otherwise.
        """
        for atom in axis:
            known = self._roles.setdefault(atom.label, role) if atom.label.startswith("axis") else role
            if known != role:
                raise self.refuse(
                    where, f"takes as {role} an axis that another layer takes as {known}; check batch_first."
                )

    def role_of(self, label: str) -> str | None:
        """What an axis of the input was taken as; None if nothing said."""
        return self._roles.get(label)

    # Axes

    def permute(self, where: str, value: Value, order: Sequence[int]) -> Value:
        """Axes in another order."""
        return self._moved(where, "permute", value, lambda v: layout.permute(v, order))

    def squeeze(self, where: str, value: Value, axes: Sequence[int] | None = None) -> Value:
        """Without axes of length 1: the named ones, or all."""
        return self._moved(where, "squeeze", value, lambda v: layout.squeeze(v, axes))

    def unsqueeze(self, where: str, value: Value, axis: int) -> Value:
        """With a new axis of length 1 at this place of the result."""
        return self._moved(where, "unsqueeze", value, lambda v: layout.unsqueeze(v, axis))

    def reshape(self, where: str, value: Value, shape: Sequence[Size]) -> Value:
        """Another shape: -1 stands for the rest, 0 for the same length, a str for a symbol of ``input``."""
        return self._moved(where, "reshape", value, lambda v: layout.reshape(v, shape))

    def identity(self, value: Value, note: str = "") -> Value:
        """An operation that changes nothing, with the sentence that says so."""
        if note:
            self.note(note)
        return value

    def select(self, where: str, value: Value, axis: int, index: int) -> Value:
        """One entry of an axis, which goes away: a step, a direction, a layer."""
        return self._moved(where, "select", value, lambda v: self._select(v, axis, index))

    def _select(self, value: Steps, axis: int, index: int) -> Steps:
        at = layout.position(axis, len(value.axes))
        chosen = value.axes[at]
        if axis_size(chosen) == 1:
            return layout.squeeze(value, [at])
        if len(chosen) == 1 and chosen[0].stacked:
            count = int(chosen[0].size)
            if not -count <= index < count:
                raise Unsupported(f"it takes entry {index} of {count}")
            return layout.squeeze(layout.choose_pieces(value, chosen[0].label, index % count), [at])
        return layout.squeeze(self._step(value, at, index), [at])

    def slice(self, where: str, value: Value, axis: int, start: int, stop: int, step: int = 1) -> Value:
        """Entries start .. stop - 1 of an axis, which stays; negative numbers count from the end, as in Python."""
        return self._moved(where, "slice", value, lambda v: self._slice(v, axis, start, stop, step))

    def _slice(self, value: Steps, axis: int, start: int, stop: int, step: int) -> Steps:
        at = layout.position(axis, len(value.axes))
        chosen = value.axes[at]
        size = axis_size(chosen)
        if step != 1:
            raise Unsupported(f"it takes every entry number {step}")
        if not isinstance(size, int):
            size = 1 << 62  # only "all" and "the last" can be told
        first, end, _ = slice(start, stop).indices(size)
        if (first, end) == (0, size):
            return value
        if any(atom.stacked for atom in chosen):
            return self._slice_pieces(value, at, first, end)
        if end != first + 1:
            raise Unsupported(f"it takes entries {first} to {end - 1} of axis {at}")
        return self._step(value, at, -1 if end == size else first)

    def _slice_pieces(self, value: Steps, at: int, first: int, end: int) -> Steps:
        stacked = [atom for atom in value.axes[at] if atom.stacked]
        unit = 1
        for atom in value.axes[at]:
            unit *= 1 if atom.stacked else int(atom.size)
        if len(stacked) > 1 or first % unit or end % unit or end <= first:
            raise Unsupported(f"it takes the features {first} to {end - 1}, which are not whole directions")
        return layout.choose_pieces(value, stacked[0].label, slice(first // unit, end // unit))

    def _step(self, value: Steps, at: int, index: int) -> Steps:
        """One step of the sequence, axis ``at``, which is left with length 1."""
        axis = value.axes[at]
        if len(axis) == 1 and self._roles.get(axis[0].label) == "sequences":
            name = value.stages[-1].name if value.stack is None else value.stack.name
            raise self.refuse(
                name,
                f"gives sequences along axis {at}, of which entry {index} is taken as if they were steps; "
                f"check batch_first.",
            )
        if len(axis) != 1 or self._roles.get(axis[0].label) != "steps":
            raise Unsupported(f"it takes entry {index} of axis {at}, which is not that of the steps")
        size = axis_size(axis)
        last = index == -1 or (isinstance(size, int) and index == size - 1)
        if not last and index != 0 and not (isinstance(size, int) and index == -size):
            raise Unsupported(f"it takes step {index}")
        if value.stack is not None:
            return layout.take_step(value, "last" if last else "first", at)
        if not last:
            raise Unsupported("it takes the first step")
        name = value.stages[-1].name if value.stages else "input"
        stage = Pending(f"{name}.last", lambda size: last_step(name, size))
        axes = tuple(() if i == at else other for i, other in enumerate(value.axes))
        return replace(value, axes=axes, stages=(*value.stages, stage), whole_steps=False)

    def cat(self, where: str, values: Sequence[Value], axis: int) -> Value:
        """Tensors side by side along an axis: directions of one recurrent layer."""
        steps = [value for value in values if isinstance(value, Steps)]
        reason = ""
        if len(steps) == len(values):
            if len(steps) == 1:
                return steps[0]
            try:
                return layout.join(steps, axis)
            except Unsupported as error:
                reason = str(error)
        return self.unsupported(where, "cat", values, reason)

    def stack(self, where: str, values: Sequence[Value], axis: int) -> Value:
        """Tensors side by side along a new axis."""
        return self.cat(where, [self.unsqueeze(where, value, axis) for value in values], axis)


def _before(value: Value) -> tuple[str, ...]:
    """What the host does for a value in front of the accelerator."""
    if isinstance(value, Steps):
        return (*value.host_before, *(f"'{stage.name}' is computed on the host." for stage in value.stages))
    return value.done if isinstance(value, Host) else ()


def features_axis(value: Steps, axis: int) -> bool:
    """Whether an axis is that of the features."""
    return is_features(value, layout.position(axis, len(value.axes)))
