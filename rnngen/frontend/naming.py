"""Which parameter names mean a recurrent layer."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_ROOTS = {"weight": "weight", "w": "weight", "bias": "bias", "b": "bias"}
"""First word of a parameter's name: PyTorch's spelling and the short one."""

_PARAMETER = re.compile(r"(weight|w|bias|b)_(ih|hh|hr)(?:_l(\d+)(_reverse)?)?(_orig|_mask|_g|_v|_raw)?")
_PARAMETRISED = re.compile(r"(.*?)\.?parametrizations\.((?:weight|w|bias|b)_(?:ih|hh|hr)\w*)\.\w+")


@dataclass(frozen=True)
class Slot:
    """The place of a parameter in its stack; ``role`` is for instance ``weight_ih``."""

    layer: int
    reverse: bool
    role: str


@dataclass
class Stack:
    """The recurrent parameters under one prefix.

    Attributes:
        prefix: Where they sit; empty at the top of the model.
        names: Full parameter name by slot.
        layered: Whether the names carry layer numbers (nn.LSTM) or not (nn.LSTMCell).
        doubled: Pairs of full names that claim the same slot.
        disguised: Full names that hold a parameter in another form (weight norm, pruning).
    """

    prefix: str
    names: dict[Slot, str] = field(default_factory=dict)
    layered: bool = False
    doubled: list[tuple[str, str]] = field(default_factory=list)
    disguised: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """How the user selects it: the prefix, ``.`` at the top of the model."""
        return display(self.prefix)

    @property
    def layers(self) -> list[int]:
        """The layer numbers present, ascending."""
        return sorted({slot.layer for slot in self.names})

    def layer_name(self, layer: int) -> str:
        """``prefix.l0`` for numbered layers, the prefix for a cell."""
        number = f"l{layer}" if self.layered or not self.prefix else ""
        return ".".join(part for part in (self.prefix, number) if part)

    def add(self, slot: Slot, name: str, layered: bool) -> None:
        """Enter one parameter."""
        if slot in self.names:
            self.doubled.append((self.names[slot], name))
            return
        self.names[slot] = name
        self.layered = self.layered or layered


def display(prefix: str) -> str:
    """A prefix as the user writes it: ``.`` for the top of the model."""
    return prefix or "."


def canonical(name: str) -> str:
    """The prefix that a user's ``--select`` or ``--head`` means."""
    return name.rstrip(".")


def find_stacks(names: Iterable[str]) -> dict[str, Stack]:
    """Recurrent stacks by prefix, from the parameter names of a model, in their order."""
    stacks: dict[str, Stack] = {}
    for name in names:
        parametrised = _PARAMETRISED.fullmatch(name)
        if parametrised and _PARAMETER.fullmatch(parametrised[2]):
            stacks.setdefault(parametrised[1], Stack(parametrised[1])).disguised.append(name)
            continue
        prefix, _, leaf = name.rpartition(".")
        match = _PARAMETER.fullmatch(leaf)
        if match is None:
            continue
        root, half, layer, reverse, disguise = match.groups()
        stack = stacks.setdefault(prefix, Stack(prefix))
        if disguise:
            stack.disguised.append(name)
        else:
            stack.add(Slot(int(layer or 0), bool(reverse), f"{_ROOTS[root]}_{half}"), name, layer is not None)
    return stacks
