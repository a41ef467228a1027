"""How a user writes what stands behind a recurrent stack: ``NAME[:eps=VALUE][:FUNCTION...]``.

``fc1:relu`` is the Linear layer fc1 and a ReLU, ``fc2:argmax`` the number of its largest output, ``bn:eps=1e-3`` a
batch norm whose eps is not PyTorch's default, ``fc:hardtanh=0,6`` a hard tanh with limits of its own, and ``:relu``
a function alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from rnngen.errors import ModelError
from rnngen.ir.layers import ACTIVATIONS, ActivationLayer, ArgmaxLayer

FUNCTIONS = (*ACTIVATIONS, "argmax")


@dataclass(frozen=True)
class Function:
    """A function of ``FUNCTIONS``; low and high are hardtanh's limits."""

    name: str
    low: float = -1.0
    high: float = 1.0

    def layer(self, before: str, size: int) -> ActivationLayer | ArgmaxLayer:
        """The layer behind the layer ``before``, which gives ``size`` words."""
        name = f"{before}.{self.name}"
        if self.name == "argmax":
            return ArgmaxLayer(name, size)
        return ActivationLayer(name, self.name, size, self.low, self.high)


@dataclass(frozen=True)
class HeadItem:
    """One item of the head.

    Attributes:
        text: As the user wrote it.
        name: Name of the layer; empty for functions alone.
        eps: Of a batch norm; None if not said.
        functions: In their order.
    """

    text: str
    name: str
    eps: float | None
    functions: tuple[Function, ...]


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _eps(item: str, text: str) -> float:
    value = _number(text)
    if value is None or value < 0:
        raise ModelError(f"Head '{item}': eps must be a number of at least 0, not '{text}'.")
    return value


def _function(item: str, text: str) -> Function:
    name, equals, limits = text.partition("=")
    if name not in FUNCTIONS:
        raise ModelError(
            f"Head '{item}' asks for '{text}', which is none of {', '.join(FUNCTIONS)}; "
            f"write NAME[:eps=VALUE][:FUNCTION], for instance 'fc:relu'."
        )
    if not equals:
        return Function(name)
    if name != "hardtanh":
        raise ModelError(f"Head '{item}': only hardtanh has limits, not '{name}'.")
    low, high = (_number(part) for part in [*limits.split(","), "", ""][:2])
    if low is None or high is None or limits.count(",") != 1 or not low < high:
        raise ModelError(f"Head '{item}': hardtanh's limits must be LOW,HIGH with LOW below HIGH, not '{limits}'.")
    return Function(name, low, high)


def parse_head(item: str) -> HeadItem:
    """The item that a text says.

    Raises:
        ModelError: if it is not written as the head of this file says.
    """
    name, *steps = item.split(":")
    if not name and not steps:
        raise ModelError("Head '' names nothing; write the name of a layer ('.' for the top of the model).")
    eps = _eps(item, steps.pop(0).removeprefix("eps=")) if steps and steps[0].startswith("eps=") else None
    if eps is not None and not name:
        raise ModelError(f"Head '{item}': eps needs the name of a batch norm before it.")
    return HeadItem(item, name, eps, tuple(_function(item, step) for step in steps))
