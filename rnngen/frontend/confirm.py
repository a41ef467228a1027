"""The layers found in a live module, run beside the module itself: the last word on whether it was understood."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from rnngen.errors import ModelError
from rnngen.frontend.chain import Chain
from rnngen.frontend.traced import Atom, Steps, Value
from rnngen.frontend.tracing import Tracer
from rnngen.ir.layers import FloatArray
from rnngen.ir.network import Network
from rnngen.ir.reference import run_layers

if TYPE_CHECKING:
    import torch


class Followed(Protocol):
    """What is asked of how a module was followed: by whom, and the first input and output of forward."""

    tracer: Tracer
    input: Steps
    output: Value


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


def first_tensor(output: Any) -> FloatArray:
    """The first tensor of what forward gave, as an array."""
    while isinstance(output, (tuple, list, dict)):
        output = next(iter(output.values())) if isinstance(output, dict) else output[0]
    return np.asarray(output.detach().cpu().double().numpy())


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
            expected = first_tensor(module(*inputs))
        except Exception:
            if number == 0:
                raise
            return
        _compare(chain, followed, inputs[0], expected, tolerance)


def _longer(example: tuple[Any, ...], axis: int) -> tuple[Any, ...]:
    """The same input with two more steps, its own first ones again."""
    import torch

    first = example[0]
    more = first.narrow(axis, 0, min(2, first.shape[axis]))
    return (torch.cat([first, more], dim=axis), *example[1:])


def distance(chain: Chain, followed: Followed, x: FloatArray, expected: FloatArray) -> float:
    """Largest difference between the chain and the model, relative to the model's largest word (at least 1).

    Args:
        chain, followed: What was found of the model; the host has no part.
        x, expected: The model's first input and first output, in the model's own order of axes.

    Returns:
        The difference; infinity where the chain gives another number of words.
    """
    assert isinstance(followed.output, Steps)
    y = run_layers(Network("confirm", chain.layers), _arrange(followed.input, followed.tracer, x))[-1]
    got = _restore(followed.output, followed.tracer, y)
    if got.size != expected.size:
        return math.inf
    scale = max(1.0, float(np.max(np.abs(expected), initial=0.0)))
    return float(np.max(np.abs(got - expected.ravel()), initial=0.0)) / scale


def _compare(chain: Chain, followed: Followed, tensor: Any, expected: FloatArray, tolerance: float) -> None:
    x = np.asarray(tensor.detach().cpu().double().numpy())
    difference = distance(chain, followed, x, expected)
    if difference <= tolerance:
        return
    if math.isinf(difference):
        words = run_layers(Network("confirm", chain.layers), _arrange(followed.input, followed.tracer, x))[-1].size
        found = f"has {words} words where the module gives {expected.size}"
    else:
        found = f"differs by {difference:.3g}"
    raise ModelError(
        f"{chain.title}: what was followed of its forward {found} on an input of shape {tuple(x.shape)}; "
        f"its forward must do the same in every call and for every length, so keep no state in the module, and take "
        f"the last step as y[:, -1], not by a fixed number."
    )
