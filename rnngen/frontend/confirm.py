"""The layers found in a live module, run beside the module itself: the last word on whether it was understood."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from rnngen.errors import ModelError
from rnngen.frontend.chain import Chain
from rnngen.frontend.layout import ordered_pieces
from rnngen.frontend.program import Program
from rnngen.frontend.traced import UNIT, Atom, Steps, Value
from rnngen.frontend.tracing import Tracer
from rnngen.ir.layers import FloatArray
from rnngen.ir.network import Network
from rnngen.ir.reference import NetworkRun, State, recurrent_layers, run_network

if TYPE_CHECKING:
    import torch


class Followed(Protocol):
    """What is asked of how a module was followed.

    Attributes:
        tracer: By whom.
        program: The program.
        input, output: The first input and output of forward.
        finals: Its outputs that are final states, by their number.
    """

    tracer: Tracer
    program: Program
    input: Steps
    output: Value
    finals: dict[int, Steps]


def _arrange(value: Steps, tracer: Tracer, x: FloatArray) -> FloatArray:
    """The model's input as (sequences, steps, features)."""
    order: dict[str, list[int]] = {"sequences": [], "steps": [], "features": []}
    for number, axis in enumerate(value.axes):
        role = tracer.role_of(axis[0].label) if axis else None
        order[role or "sequences"].append(number)
    moved = x.transpose([*order["sequences"], *order["steps"], *order["features"]])
    sizes = [int(np.prod([x.shape[axis] for axis in axes], dtype=np.int64)) for axes in order.values()]
    return moved.reshape(sizes)


def _restore(value: Steps, tracer: Tracer, y: FloatArray) -> FloatArray:
    """The network's output (sequences, steps, words) in the order of the model's output, as one vector."""
    places = {"sequences": 0, "steps": 1, "features": 2}
    there = [places[_role(atom, tracer)] for axis in value.axes for atom in axis]
    return y.transpose(list(dict.fromkeys([*there, 0, 1, 2]))).ravel()


def _role(atom: Atom, tracer: Tracer) -> str:
    return (tracer.role_of(atom.label) or "sequences") if atom.label.startswith("axis") else "features"


def _array(tensor: torch.Tensor) -> FloatArray:
    return np.asarray(tensor.detach().cpu().double().numpy())


def arrays(values: Any) -> list[FloatArray | None]:
    """The tensors of what forward takes or gives, in the order of an exported program; None for what is none."""
    import torch
    from torch.utils import _pytree

    leaves = _pytree.tree_leaves(values)
    return [_array(leaf) if isinstance(leaf, torch.Tensor) else None for leaf in leaves]


def _states(chain: Chain, followed: Followed, inputs: Sequence[FloatArray | None]) -> dict[str, State]:
    """The states among the inputs, by layer."""
    by_name = dict(zip(followed.program.inputs, inputs))
    states: dict[str, State] = {}
    for layer in recurrent_layers(Network("confirm", chain.layers)):
        found = []
        for name, entry in followed.tracer.given.get(layer.name, ()):
            array = by_name[name]
            assert array is not None
            found.append(np.atleast_2d(array if entry < 0 else array[entry]))
        if found:
            states[layer.name] = (found[0], found[1] if len(found) > 1 else None)
    return states


def _final(value: Steps, states: Mapping[str, State]) -> FloatArray | None:
    """A final state in the order of the model's output, as one vector; None where its axes are in another order."""
    assert value.stack is not None
    pieces = ordered_pieces(value)
    *outer, last = value.axes
    stacked = [number for number, axis in enumerate(outer) if any(atom.stacked for atom in axis)]
    if any(number > 0 for number in stacked) or [atom.label for atom in last] != [UNIT]:
        return None
    found = [states[value.stack.layers[piece.layer][piece.branch].name][int(piece.cell)] for piece in pieces]
    return np.concatenate([np.ravel(array) for array in found if array is not None])


def confirm(
    chain: Chain, followed: Followed, module: torch.nn.Module, example: tuple[Any, ...], tolerance: float
) -> None:
    """Compare the chain with the module on its example and on a longer one; nothing where the host has a part.

    Args:
        chain, followed: What was found of the module.
        module, example: The module and its inputs.
        tolerance: Largest difference of the two outputs, relative to the largest word (at least 1).

    Raises:
        ModelError: if they differ.
    """
    value, start = followed.output, followed.input
    if chain.host_before or chain.host_after or not isinstance(value, Steps):
        return
    steps = [i for i, axis in enumerate(start.axes) if axis and followed.tracer.role_of(axis[0].label) == "steps"]
    for number, inputs in enumerate((example, *([_longer(example, steps[0])] if steps else []))):
        try:
            expected = arrays(module(*inputs))
        except Exception:
            if number == 0:
                raise
            return
        _compare(chain, followed, arrays(inputs), expected, tolerance)


def _longer(example: tuple[Any, ...], axis: int) -> tuple[Any, ...]:
    """The same input with two more steps, its own first ones again."""
    import torch

    first = example[0]
    more = first.narrow(axis, 0, min(2, first.shape[axis]))
    return (torch.cat([first, more], dim=axis), *example[1:])


def distance(
    chain: Chain, followed: Followed, inputs: Sequence[FloatArray | None], expected: Sequence[FloatArray | None]
) -> float:
    """Largest difference between the chain and the model, relative to the model's largest word (at least 1).

    Args:
        chain, followed: What was found of the model; the host has no part.
        inputs, expected: All that the model takes and gives (``arrays``), in the model's own order of axes.  Compared
            are the first output and the final states.

    Returns:
        The difference; infinity where the chain gives another number of words.
    """
    assert isinstance(followed.output, Steps)
    run = _run(chain, followed, inputs)
    pairs = [(_restore(followed.output, followed.tracer, run.layers[-1]), expected[0])]
    for number, value in followed.finals.items():
        got = _final(value, run.states)
        if got is not None:
            pairs.append((got, expected[number]))
    return max(_apart(got, wanted) for got, wanted in pairs)


def _run(chain: Chain, followed: Followed, inputs: Sequence[FloatArray | None]) -> NetworkRun:
    assert inputs[0] is not None
    x = _arrange(followed.input, followed.tracer, inputs[0])
    return run_network(Network("confirm", chain.layers), x, _states(chain, followed, inputs))


def _apart(got: FloatArray, expected: FloatArray | None) -> float:
    if expected is None or got.size != expected.size:
        return math.inf
    scale = max(1.0, float(np.max(np.abs(expected), initial=0.0)))
    return float(np.max(np.abs(got - expected.ravel()), initial=0.0)) / scale


def _compare(
    chain: Chain,
    followed: Followed,
    inputs: Sequence[FloatArray | None],
    expected: Sequence[FloatArray | None],
    tolerance: float,
) -> None:
    difference = distance(chain, followed, inputs, expected)
    if difference <= tolerance:
        return
    assert inputs[0] is not None
    assert expected[0] is not None
    if math.isinf(difference):
        words = _run(chain, followed, inputs).layers[-1].size
        found = f"has {words} words where the module gives {expected[0].size}"
    else:
        found = f"differs by {difference:.3g}"
    raise ModelError(
        f"{chain.title}: what was followed of its forward {found} on an input of shape {inputs[0].shape}; "
        f"its forward must do the same in every call and for every length, so keep no state in the module, and take "
        f"the last step as y[:, -1], not by a fixed number."
    )
