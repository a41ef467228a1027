"""Recurrent stacks: which cell they are, whether they are supported, and their layers.

What is supported is said by the tables CELLS and OPTIONS alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from rnngen.errors import ModelError
from rnngen.frontend.naming import Slot, Stack
from rnngen.frontend.tensors import Checkpoint, Tensor
from rnngen.ir.network import FloatArray, RecurrentLayer

SUPPORTED = "the unidirectional LSTM without projection"


@dataclass(frozen=True)
class Cell:
    """A kind of cell: its name, rows of its weights per hidden unit, and what to do if it is not supported."""

    kind: str
    title: str
    gates: int
    advice: str = ""


CELLS = (
    Cell("lstm", "LSTM", 4),
    Cell("gru", "GRU", 3, "select an LSTM, or train the model with nn.LSTM in its place"),
    Cell("rnn", "plain RNN", 1, "select an LSTM, or train the model with nn.LSTM in its place"),
)
"""Cells that are recognised; those with an advice are refused."""


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


@dataclass(frozen=True)
class Option:
    """An option that is refused when ``present``, with how the user can avoid it."""

    title: str
    present: Callable[[Facts], bool]
    advice: str


OPTIONS = (
    Option("is bidirectional", lambda facts: facts.bidirectional, "train it with bidirectional=False"),
    Option("has a projection", lambda facts: facts.proj_size > 0, "train it with proj_size=0"),
)
"""Options that are recognised and refused."""


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
    expected = list(range(len(stack.layers)))
    if stack.layers != expected:
        missing = next(number for number in expected if number not in stack.layers)
        raise ModelError(
            f"Layer '{stack.name}' has the layer numbers {stack.layers} but no layer {missing}; "
            f"layers must be numbered from 0 without a gap, so save the complete state dict."
        )


def _check_halves(stack: Stack) -> None:
    for layer, reverse in sorted({(slot.layer, slot.reverse) for slot in stack.names}):
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


def _check_biases_alike(stack: Stack) -> None:
    with_bias = {slot.layer for slot in stack.names if slot.role == "bias_ih"}
    without = [layer for layer in stack.layers if layer not in with_bias]
    if with_bias and without:
        raise ModelError(
            f"Layer '{stack.name}' has biases in layer {min(with_bias)} but none in layer {without[0]}; "
            f"all layers must have them or none, so save the complete state dict."
        )


def _check_shapes(stack: Stack, tensors: Mapping[Slot, Tensor], facts: Facts) -> Cell:
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
            f"{facts.hidden_size} the rows must be {known}; {SUPPORTED} is supported."
        )
    return facts.cell


def _check_supported(stack: Stack, cell: Cell, facts: Facts, declared: str | None) -> None:
    if cell.advice:
        raise ModelError(
            f"Layer '{stack.name}' is a {cell.title}, which is not supported; {SUPPORTED} is, so {cell.advice}."
        )
    for option in OPTIONS:
        if option.present(facts):
            raise ModelError(
                f"Layer '{stack.name}' {option.title}, which is not supported; {SUPPORTED} is, so {option.advice}."
            )
    if declared not in (None, "other", cell.kind):
        raise ModelError(
            f"Layer '{stack.name}' has the parameters of {cell.title} cells but its module is of the kind "
            f"'{declared}'; {SUPPORTED} is supported, so use nn.LSTM."
        )


def _layer(stack: Stack, tensors: Mapping[Slot, Tensor], number: int, kind: str) -> RecurrentLayer:
    weight_ih, weight_hh = (tensors[Slot(number, False, role)].read() for role in ("weight_ih", "weight_hh"))

    def bias(role: str) -> FloatArray:
        tensor = tensors.get(Slot(number, False, role))
        return np.zeros(weight_hh.shape[0]) if tensor is None else tensor.read()

    return RecurrentLayer(stack.layer_name(number), kind, weight_ih, weight_hh, bias("bias_ih"), bias("bias_hh"))


def build_recurrent(stack: Stack, checkpoint: Checkpoint) -> tuple[RecurrentLayer, ...]:
    """The layers of a stack with float64 parameters, first layer first.

    Raises:
        ModelError: with the reason why the stack is not supported or not sound.
    """
    _check_names(stack)
    _check_halves(stack)
    _check_biases_alike(stack)
    tensors = tensors_of(stack, checkpoint)
    for tensor in tensors.values():
        tensor.check_dtype()
    facts = read_facts(stack, checkpoint)
    cell = _check_shapes(stack, tensors, facts)
    _check_supported(stack, cell, facts, checkpoint.declared.get(stack.prefix))
    return tuple(_layer(stack, tensors, number, cell.kind) for number in stack.layers)
