"""The recurrent operations of exported programs: weights in PyTorch's order to layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnngen.frontend.operation import Operation
from rnngen.frontend.tracing import Constant, Steps, Value
from rnngen.ir.layers import FloatArray, RecurrentLayer

CELLS = {"lstm": "lstm", "gru": "gru", "rnn_tanh": "rnn_tanh", "rnn_relu": "rnn_relu"}
"""Cell of each operation on whole sequences."""

STEPS = {f"{operation}_cell": cell for operation, cell in CELLS.items()}
"""Cell of each operation on one step."""

PACKED = (
    "runs on packed sequences; leave pack_padded_sequence out of forward, because the accelerator ends each sequence "
    "by itself."
)
"""Why a packed sequence is refused; stands behind the name of the layer."""


@dataclass(frozen=True)
class State:
    """An input of the model behind the first: a state that the caller keeps.

    Attributes:
        name: The input's.
        lone: It is the state of one layer and has no axis that counts them; forward puts one before it.
    """

    name: str
    lone: bool = False


def _arrays(op: Operation, values: Sequence[Any]) -> list[FloatArray]:
    if not all(isinstance(value, Constant) for value in values):
        raise op.tracer.refuse(
            op.where,
            f"({op.name}) takes weights from the model's input and not from its parameters; "
            f"only fixed weights are supported.",
        )
    return [np.asarray(value.array, dtype=np.float64) for value in values]


def _start(op: Operation, value: Any, label: str) -> FloatArray:
    """A constant initial state, (layers * directions, size), the same for all sequences."""
    if not isinstance(value, Constant):
        raise op.tracer.refuse(
            op.where,
            f"computes its initial state {label} from the model's input; "
            f"a state that is zero, a parameter or an input of forward by itself is supported.",
        )
    array = np.asarray(value.array, dtype=np.float64)
    if array.ndim == 2:
        return array
    if np.any(array != array[:, :1]):
        raise op.tracer.refuse(
            op.where,
            f"has an initial state {label} that differs from sequence to sequence; it must be the same for all.",
        )
    return array[:, 0]


def _starts(op: Operation) -> list[FloatArray]:
    """The constant initial states h_0 and c_0; none where the caller gives them."""
    states = _listed(op.get("hx"))
    given = [state for state in states if isinstance(state, State)]
    if not given:
        return [_start(op, state, label) for state, label in zip(states, ("h_0", "c_0"))]
    if len(given) < len(states):
        raise op.tracer.refuse(
            op.where,
            f"takes one of h_0 and c_0 from the model's input '{given[0].name}' and the other one not; "
            f"take both from inputs.",
        )
    _check_apart(op, states)
    return []


def _check_apart(op: Operation, states: list[Any]) -> None:
    if len(set(states)) < len(states):
        raise op.tracer.refuse(op.where, "takes the same input as h and as c; each needs an input of its own.")


def _groups(op: Operation, parameters: list[FloatArray], directions: int) -> list[list[FloatArray]]:
    count = int(op.get("num_layers")) * directions
    each = len(parameters) // max(count, 1)
    if each * count != len(parameters) or not 2 <= each <= 5:
        raise op.tracer.refuse(op.where, f"has {len(parameters)} parameters for {count} directions; save it again.")
    return [parameters[number * each : (number + 1) * each] for number in range(count)]


def _layer(
    name: str, cell: str, group: list[FloatArray], biased: bool, reverse: bool, states: list[FloatArray]
) -> RecurrentLayer:
    zeros = np.zeros(group[0].shape[0])
    projection = group[-1] if len(group) == (5 if biased else 3) else None
    starts = [state if np.any(state) else None for state in states] + [None, None]
    return RecurrentLayer(
        name=name,
        cell=cell,
        weight_ih=group[0],
        weight_hh=group[1],
        bias_ih=group[2] if biased else zeros,
        bias_hh=group[3] if biased else zeros,
        weight_hr=projection,
        reverse=reverse,
        h_0=starts[0],
        c_0=starts[1],
    )


def sequence(op: Operation) -> tuple[Value, ...]:
    """lstm.input, gru.input, rnn_tanh.input, rnn_relu.input: y, h_n (and c_n)."""
    if "batch_sizes" in op.arguments:
        raise op.tracer.refuse(op.where, PACKED)
    dropout = float(op.get("dropout", 0.0))
    if dropout and op.get("train", False):
        raise op.tracer.refuse(op.where, "has a dropout in training mode; export the model in eval mode.")
    if dropout and int(op.get("num_layers")) > 1:
        op.tracer.note(f"'{op.where}' has a dropout between its layers, which does nothing at inference.")
    directions = 2 if op.get("bidirectional", False) else 1
    starts = _starts(op)
    groups = _groups(op, _arrays(op, op.get("params")), directions)
    cell, biased = CELLS[op.name], bool(op.get("has_biases"))
    layers = [
        [
            _layer(
                f"{op.where}.l{number}" + "_reverse" * reverse,
                cell,
                groups[number * directions + reverse],
                biased,
                bool(reverse),
                [state[number * directions + reverse] for state in starts],
            )
            for reverse in range(directions)
        ]
        for number in range(len(groups) // directions)
    ]
    if not starts:
        given = _listed(op.get("hx"))
        for number, layer in enumerate(layer for branches in layers for layer in branches):
            op.tracer.given[layer.name] = tuple((state.name, -1 if state.lone else number) for state in given)
    time_axis = 1 if op.get("batch_first", False) and len(op.source) == 3 else 0
    return op.tracer.recurrent(op.where, op.first, layers, time_axis)


def _listed(states: Any) -> list[Any]:
    return states if isinstance(states, list) else [states]


def step(op: Operation) -> tuple[Value | State, ...]:
    """lstm_cell, gru_cell, rnn_tanh_cell, rnn_relu_cell whose states are the model's inputs: h (and c)."""
    states = _listed(op.get("hx"))
    if not all(isinstance(state, State) for state in states):
        raise op.tracer.refuse(
            op.where,
            f"({op.name}) is a cell whose state does not come from an input of forward (a loop over the steps is "
            f"unrolled by torch.export); use nn.LSTM, nn.GRU or nn.RNN with the same weights, or pass the state in "
            f"and out.",
        )
    _check_apart(op, states)
    names = ("w_ih", "w_hh", "b_ih", "b_hh")
    group = _arrays(op, [op.get(name) for name in names if op.get(name) is not None])
    layer = _layer(op.where, STEPS[op.name], group, len(group) == 4, False, [])
    h = op.tracer.step(op.where, op.first, layer)
    return (h, State(f"{op.where}.c")) if len(states) == 2 and isinstance(h, Steps) else (h,)
