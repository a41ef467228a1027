"""Recurrent stacks of a state dict: which cell they are, whether they are sound, and their layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rnngen.errors import ModelError
from rnngen.frontend.naming import Slot, Stack
from rnngen.frontend.tensors import Checkpoint, Tensor
from rnngen.ir.layers import FloatArray, ParallelLayer, RecurrentLayer


@dataclass(frozen=True)
class Cell:
    """A kind of cell: its name, how messages call it, and the rows of its weights per hidden unit."""

    kind: str
    title: str
    gates: int


CELLS = (Cell("lstm", "LSTM", 4), Cell("gru", "GRU", 3), Cell("rnn", "plain RNN", 1))
"""Cells that are recognised, by the rows of weight_hh for each hidden unit."""


@dataclass(frozen=True)
class Facts:
    """What the names and shapes of a stack say. Sizes are 0 where the shapes do not tell."""

    cell: Cell | None
    input_size: int
    hidden_size: int
    layers: int
    bias: bool
    bidirectional: bool
    proj_size: int


def tensors_of(stack: Stack, checkpoint: Checkpoint) -> dict[Slot, Tensor]:
    """The tensors of a stack by slot, layers ascending."""
    order = sorted(stack.names, key=lambda slot: (slot.layer, slot.reverse, slot.role))
    return {slot: checkpoint.tensors[stack.names[slot]] for slot in order}


def _cell(rows: int, hidden: int) -> Cell | None:
    return next((cell for cell in CELLS if hidden > 0 and rows == cell.gates * hidden), None)


def read_facts(stack: Stack, checkpoint: Checkpoint) -> Facts:
    """What a stack is, as far as its names and shapes tell; raises nothing."""
    tensors = tensors_of(stack, checkpoint)

    def shape(role: str) -> tuple[int, ...]:
        first = tensors.get(Slot(stack.layers[0] if tensors else 0, False, role))
        return first.shape if first is not None and len(first.shape) == 2 else (0, 0)

    proj_rows, proj_columns = shape("weight_hr")
    rows, columns = shape("weight_hh")
    hidden = proj_columns or columns
    return Facts(
        cell=_cell(rows, hidden),
        input_size=shape("weight_ih")[1],
        hidden_size=hidden,
        layers=len(stack.layers),
        bias=any(slot.role.startswith("bias") for slot in tensors),
        bidirectional=any(slot.reverse for slot in tensors),
        proj_size=proj_rows,
    )


def _check_names(stack: Stack) -> None:
    for first, second in stack.doubled:
        raise ModelError(
            f"Layer '{stack.name}' has the same parameter twice, as '{first}' and as '{second}'; keep one of them."
        )
    if stack.disguised:
        raise ModelError(
            f"Layer '{stack.name}' has its weights in another form ('{stack.disguised[0]}': weight norm, pruning or "
            f"another parametrisation); remove the parametrisation before saving, which leaves plain weights."
        )
    for slot, name in stack.names.items():
        if slot.role == "bias_hr":
            raise ModelError(
                f"Layer '{stack.name}' has '{name}', but the projection of an LSTM has no bias; "
                f"a projection with a bias is a Linear layer of its own, so save it as one."
            )
    expected = list(range(len(stack.layers)))
    if stack.layers != expected:
        missing = next(number for number in expected if number not in stack.layers)
        raise ModelError(
            f"Layer '{stack.name}' has the layer numbers {stack.layers} but no layer {missing}; "
            f"layers must be numbered from 0 without a gap, so save the complete state dict."
        )


def _check_halves(stack: Stack) -> None:
    for layer, reverse in _directions(stack):
        for root in ("weight", "bias"):
            halves = [stack.names.get(Slot(layer, reverse, f"{root}_{half}")) for half in ("ih", "hh")]
            present = [name for name in halves if name is not None]
            if len(present) == 2 or (root == "bias" and not present):
                continue
            what = f"{root}_hh" if halves[0] else f"{root}_ih"
            having = f"'{present[0]}'" if present else f"parameters of layer {layer}"
            raise ModelError(
                f"Layer '{stack.name}' has {having} but no {what} to go with it; "
                f"both halves are needed, so save the complete state dict."
            )


def _directions(stack: Stack) -> list[tuple[int, bool]]:
    """Each direction of each layer: (layer, reverse)."""
    return sorted({(slot.layer, slot.reverse) for slot in stack.names})


def _check_alike(stack: Stack) -> None:
    """All layers and directions have biases or none, a projection or none, and both directions or one."""
    directions = _directions(stack)
    for role, what in (("bias_ih", "biases"), ("weight_hr", "a projection")):
        having = [place for place in directions if Slot(*place, role) in stack.names]
        lacking = [place for place in directions if place not in having]
        if having and lacking:
            _refuse_unlike(stack, what, _place(*having[0]), _place(*lacking[0]))
    forward, backward = ({layer for layer, back in directions if back is way} for way in (False, True))
    if not forward:
        raise ModelError(f"Layer '{stack.name}' has the reverse direction alone; save the complete state dict.")
    for there, what in ((forward, "a forward direction"), (backward, "a reverse direction")):
        without = [layer for layer in stack.layers if layer not in there]
        if there and without:
            _refuse_unlike(stack, what, _place(min(there)), _place(without[0]))


def _place(layer: int, reverse: bool = False) -> str:
    return f"layer {layer}" + " in reverse" * reverse


def _refuse_unlike(stack: Stack, what: str, having: str, without: str) -> None:
    raise ModelError(
        f"Layer '{stack.name}' has {what} in {having} but none in {without}; "
        f"all layers must have them or none, so save the complete state dict."
    )


def _check_shapes(tensors: Mapping[Slot, Tensor], facts: Facts) -> Cell:
    for slot, tensor in tensors.items():
        dimensions = 1 if slot.role.startswith("bias") else 2
        if len(tensor.shape) != dimensions or 0 in tensor.shape:
            raise ModelError(
                f"Parameter '{tensor.name}' must have {dimensions} dimension{'s' * (dimensions - 1)} of at least 1, "
                f"not the shape {tensor.shape}; save the complete state dict of the layer."
            )
    if facts.cell is None:
        first = tensors[Slot(0, False, "weight_hh")]
        known = ", ".join(f"{cell.gates * facts.hidden_size} ({cell.title})" for cell in CELLS)
        raise ModelError(
            f"Parameter '{first.name}' has the shape {first.shape}, which is no known cell: for a hidden size of "
            f"{facts.hidden_size} the rows must be {known}."
        )
    return facts.cell


def _cell_kind(stack: Stack, cell: Cell, checkpoint: Checkpoint, nonlinearity: str | None) -> str:
    """The cell as a key of ``rnngen.ir.layers.GATES``."""
    declared = checkpoint.declared.get(stack.prefix)
    if declared is not None and declared.kind not in ("other", cell.kind):
        raise ModelError(
            f"Layer '{stack.name}' has the parameters of {cell.title} cells but its module is of the kind "
            f"'{declared.kind}'; its shapes must be those of its module."
        )
    if cell.kind != "rnn":
        if nonlinearity is not None:
            raise ModelError(
                f"--nonlinearity is for plain RNNs, but layer '{stack.name}' is of {cell.title} cells; "
                f"leave the option out."
            )
        return cell.kind
    if declared is not None and declared.nonlinearity:
        if nonlinearity is not None:
            raise ModelError(
                f"--nonlinearity is for state dicts; the module of layer '{stack.name}' says it itself "
                f"({declared.nonlinearity}), so leave the option out."
            )
        return f"rnn_{declared.nonlinearity}"
    if nonlinearity is None:
        raise ModelError(
            f"Layer '{stack.name}' is a plain RNN, whose parameters do not tell its nonlinearity; "
            f"give --nonlinearity tanh or --nonlinearity relu, as it was trained."
        )
    return f"rnn_{nonlinearity}"


def _direction(stack: Stack, tensors: Mapping[Slot, Tensor], number: int, reverse: bool, kind: str) -> RecurrentLayer:
    def read(role: str) -> FloatArray | None:
        tensor = tensors.get(Slot(number, reverse, role))
        return None if tensor is None else tensor.read()

    weight_ih, weight_hh, bias_ih, bias_hh = map(read, ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    assert weight_ih is not None
    assert weight_hh is not None
    zeros = np.zeros(weight_hh.shape[0])
    return RecurrentLayer(
        name=stack.layer_name(number) + "_reverse" * reverse,
        cell=kind,
        weight_ih=weight_ih,
        weight_hh=weight_hh,
        bias_ih=zeros if bias_ih is None else bias_ih,
        bias_hh=zeros if bias_hh is None else bias_hh,
        weight_hr=read("weight_hr"),
        reverse=reverse,
    )


def build_recurrent(
    stack: Stack, checkpoint: Checkpoint, nonlinearity: str | None = None
) -> tuple[RecurrentLayer | ParallelLayer, ...]:
    """The layers of a stack with float64 parameters, first layer first; two directions side by side.

    Args:
        stack: What to build.
        checkpoint: Where its parameters are.
        nonlinearity: ``tanh`` or ``relu`` of a plain RNN; None if the user did not say.

    Raises:
        ModelError: with the reason why the stack is not sound, or what the user has to say about it.
    """
    _check_names(stack)
    _check_halves(stack)
    _check_alike(stack)
    checkpoint.check_plain(stack.prefix)
    tensors = tensors_of(stack, checkpoint)
    for tensor in tensors.values():
        tensor.check_dtype()
    facts = read_facts(stack, checkpoint)
    kind = _cell_kind(stack, _check_shapes(tensors, facts), checkpoint, nonlinearity)

    def layer(number: int) -> RecurrentLayer | ParallelLayer:
        forward = _direction(stack, tensors, number, False, kind)
        if not facts.bidirectional:
            return forward
        return ParallelLayer(forward.name, (forward, _direction(stack, tensors, number, True, kind)))

    return tuple(layer(number) for number in stack.layers)
