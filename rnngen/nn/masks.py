"""Masks that hold weights at 0 while a user's own loop trains what is left.

    choose = lambda name, weight, sparsity: ...        # True where a weight stays, for instance of rnngen.passes.prune
    pruning = GradualPruning(model, maskable(model), choose, CubicSchedule(final=0.875, updates=50, every=10))
    for batch in batches:
        ...                                            # the usual step, with any optimiser
        optimiser.step()
        pruning.step()
    release_masks(model)                               # plain weights again, with exact zeros

A mask is a parametrisation (``torch.nn.utils.parametrize``): what a module multiplies is the weight with the masked
elements at 0, so neither momentum nor weight decay can move them, and their gradient is 0.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.utils import parametrize

from rnngen.errors import ModelError

ModuleT = TypeVar("ModuleT", bound=torch.nn.Module)
Keep = torch.Tensor | npt.NDArray[np.bool_]
Choose = Callable[[str, torch.Tensor, float], Keep]
"""Which elements stay (bool, the weight's shape), by a weight's name, its value and the sparsity that is due."""


class Mask(torch.nn.Module):
    """The parametrisation: elements where ``keep`` is False are 0, whatever the parameter holds there."""

    keep: torch.Tensor

    def __init__(self, keep: torch.Tensor, order: tuple[str, ...]) -> None:
        super().__init__()
        self.register_buffer("keep", keep)
        self.order = order  # of the module's parameters, which is theirs again behind the release

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """The weight as it is multiplied; 0 and never -0, also where it is not finite."""
        return torch.where(self.keep, weight, torch.zeros_like(weight))

    def right_inverse(self, weight: torch.Tensor) -> torch.Tensor:
        """What the parameter becomes when a weight is assigned."""
        return weight


def maskable(model: torch.nn.Module) -> list[str]:
    """Names of the weights of all recurrent layers, cells and Linear layers of torch.nn, without biases."""
    found = []
    for path, module in model.named_modules():
        start = f"{path}." if path else ""
        if isinstance(module, torch.nn.RNNBase | torch.nn.RNNCellBase):
            names = [name for name in _names(module) if name.startswith("weight_")]
            found += [f"{start}{name}" for name in sorted(names, key=_layer)]
        elif isinstance(module, torch.nn.Linear):
            found.append(f"{start}weight")
    return found


def hold_mask(model: torch.nn.Module, name: str, keep: Keep) -> None:
    """Holds elements of a weight at 0 from now on; a mask that is held already is replaced.

    Args:
        model: The model, which is changed.
        name: Of the weight in the model, for instance ``lstm.weight_hh_l0``.
        keep: True where an element stays; bool, of the weight's shape.

    Raises:
        ModelError: if there is no such weight, or the mask does not match.
    """
    path, _, leaf = name.rpartition(".")
    module = dict(model.named_modules()).get(path)
    if module is None or leaf not in _names(module):
        raise ModelError(f"The model has no parameter '{name}' to mask; its weights are {', '.join(maskable(model))}.")
    weight = getattr(module, leaf)
    mask = torch.as_tensor(keep if isinstance(keep, torch.Tensor) else np.array(keep), device=weight.device)
    if mask.dtype != torch.bool or mask.shape != weight.shape:
        raise ModelError(
            f"The mask of '{name}' must be bool of the shape {tuple(weight.shape)}, not {mask.dtype} of the shape "
            f"{tuple(mask.shape)}."
        )
    held = _mask_of(module, leaf)
    if held is not None:
        held.keep = mask.clone()
        return
    parametrize.register_parametrization(module, leaf, Mask(mask.clone(), tuple(_plain_names(module))))


def masks_of(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The masks that are held, by weight: True where an element stays."""
    found = {}
    for path, module in model.named_modules():
        for leaf in _names(module):
            mask = _mask_of(module, leaf)
            if mask is not None:
                found[f"{path}.{leaf}" if path else leaf] = mask.keep
    return found


def release_masks(model: torch.nn.Module) -> None:
    """Plain weights again, under their ordinary names and in their ordinary order; masked elements are exactly 0.

    The parameters stay the same objects, so an optimiser goes on with them.
    """
    for module in list(model.modules()):
        held = [leaf for leaf in _names(module) if _mask_of(module, leaf) is not None]
        if held:  # a copied module shares its class, whose properties the removal takes away, with the other one
            shared = type(module)
            module.__class__ = type(shared.__name__, shared.__bases__, dict(shared.__dict__))
        for leaf in reversed(held):  # the last one that was held knows the order before it was
            mask = _mask_of(module, leaf)
            assert mask is not None
            parametrize.remove_parametrizations(module, leaf, leave_parametrized=True)
            for name in mask.order:
                if name in module._parameters:
                    module._parameters[name] = module._parameters.pop(name)


def released_copy(model: ModuleT) -> ModuleT:
    """A copy of a model with plain weights; the model keeps its masks.

    ``copy.deepcopy`` alone refuses a masked recurrent layer behind a pass with gradients.
    """
    given: dict[int, object] = {}
    for module in model.modules():
        if isinstance(module, torch.nn.RNNBase):  # it keeps what its masks gave last, with a graph that none can copy
            kept = [weight for weight in module._flat_weights if weight is not None and not weight.is_leaf]
            given |= {id(weight): weight.detach() for weight in kept}
    plain = copy.deepcopy(model, given)
    release_masks(plain)
    return plain


@dataclass(frozen=True)
class CubicSchedule:
    """Sparsity over time: Zhu & Gupta 2017 ("To prune, or not to prune", arXiv 1710.01878), equation 1.

        s_t = s_f + (s_i - s_f) (1 - (t - t_0) / (n dt))^3   for t = t_0, t_0 + dt, .. t_0 + n dt

    Attributes:
        final: s_f, within 0..1.  initial: s_i, at most s_f.
        begin: t_0, the step of the first masks.
        updates: n, how often they become sparser.  every: dt, steps between two of these.

    Raises:
        ModelError: if one of them is out of range.
    """

    final: float
    initial: float = 0.0
    begin: int = 0
    updates: int = 1
    every: int = 1

    def __post_init__(self) -> None:
        if not 0.0 <= self.initial <= self.final <= 1.0:
            raise ModelError(
                f"A schedule's sparsity must rise within 0..1, not from {self.initial:g} to {self.final:g}."
            )
        for label, value, least in (("begin", self.begin, 0), ("updates", self.updates, 1), ("every", self.every, 1)):
            if value < least:
                raise ModelError(f"A schedule's {label} must be at least {least}, not {value}.")

    @property
    def end(self) -> int:
        """The step of the last masks."""
        return self.begin + self.updates * self.every

    def sparsity(self, step: int) -> float:
        """Of the masks that are held behind a step; 0 before the first."""
        if step < self.begin:
            return 0.0
        gone = min((step - self.begin) // self.every, self.updates)
        return self.final + (self.initial - self.final) * (1.0 - gone / self.updates) ** 3

    def due(self, step: int) -> bool:
        """Whether new masks come at a step."""
        return self.begin <= step <= self.end and (step - self.begin) % self.every == 0


class GradualPruning:
    """Masks of a model that become sparser on a schedule; at once if step 0 is due.

    Args:
        model: The model, which is changed.
        names: Weights to mask (``maskable`` lists all).
        choose: Gives each mask; the weight that it sees has the elements at 0 that are masked so far.
        schedule: When, and how sparse.

    Attributes:
        steps: How often ``step`` was called.

    Raises:
        ModelError: as ``hold_mask``.
    """

    def __init__(
        self, model: torch.nn.Module, names: Iterable[str], choose: Choose, schedule: CubicSchedule
    ) -> None:
        self.steps = 0
        self.schedule = schedule
        self._model, self._names, self._choose = model, tuple(names), choose
        self._update()

    @property
    def sparsity(self) -> float:
        """That the masks were chosen for."""
        return self.schedule.sparsity(self.steps)

    def step(self) -> None:
        """To be called behind each step of the optimiser."""
        self.steps += 1
        self._update()

    def _update(self) -> None:
        if not self.schedule.due(self.steps):
            return
        for name in self._names:
            weight = parameter_value(self._model, name).detach().clone()
            hold_mask(self._model, name, self._choose(name, weight, self.sparsity))


def parameter_value(model: torch.nn.Module, name: str) -> torch.Tensor:
    """What a model computes with under a parameter's name, masks applied.

    Raises:
        ModelError: if there is no such parameter.
    """
    path, _, leaf = name.rpartition(".")
    module = dict(model.named_modules()).get(path)
    if module is None or leaf not in _names(module):
        raise ModelError(f"The model has no parameter '{name}'; its weights are {', '.join(maskable(model))}.")
    value: torch.Tensor = getattr(module, leaf)
    return value


def _plain_names(module: torch.nn.Module) -> list[str]:
    """Parameters of a module itself that are not parametrised."""
    return [name for name, value in module.named_parameters(recurse=False) if value is not None]


def _names(module: torch.nn.Module) -> list[str]:
    """Parameters of a module itself, those that are parametrised behind the others."""
    return [*_plain_names(module), *_parametrised(module)]


def _parametrised(module: torch.nn.Module) -> list[str]:
    lists = getattr(module, "parametrizations", None)
    return list(lists) if isinstance(lists, torch.nn.ModuleDict) else []


def _mask_of(module: torch.nn.Module, leaf: str) -> Mask | None:
    lists = getattr(module, "parametrizations", None)
    if not isinstance(lists, torch.nn.ModuleDict) or leaf not in lists:
        return None
    return next((entry for entry in lists[leaf].children() if isinstance(entry, Mask)), None)


def _layer(name: str) -> tuple[str, str]:
    """Sorts a recurrent layer's weights layer by layer, W_ih before W_hh."""
    half, _, layer = name.removeprefix("weight_").partition("_")
    return layer, {"ih": "0", "hh": "1"}.get(half, "2")
