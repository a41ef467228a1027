"""Where a live model keeps the parameters of each engine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from rnngen.errors import ModelError
from rnngen.frontend.source import Model
from rnngen.frontend.torch_model import is_module
from rnngen.ir.layers import (
    ActivationLayer,
    EmbeddingLayer,
    FactorisedLayer,
    FloatArray,
    GroupedLayer,
    Layer,
    LinearLayer,
    ParallelLayer,
    RecurrentLayer,
)
from rnngen.ir.network import Network

if TYPE_CHECKING:
    import torch

_NUMBERED = re.compile(r"l\d+(?:_reverse)?")


@dataclass(frozen=True)
class Places:
    """Names of an engine's parameters in a model; fields as in ``rnngen.nn.exact_network.EngineSource``."""

    weight_x: str
    weight_h: str | None = None
    bias: tuple[str, ...] = ()
    part: int | None = None
    table: str = ""


def as_module(model: Model) -> torch.nn.Module:
    """The live module that a model is.

    Raises:
        ModelError: if it is a file.
    """
    if not is_module(model):
        raise ModelError(f"Only a live module can be trained, not '{model}'; load its parameters into one.")
    import torch

    assert isinstance(model, torch.nn.Module)
    return model


def find_places(model: torch.nn.Module, network: Network) -> dict[str, Places]:
    """The parameters of each engine of a network that was made of a model, by the engine's name.

    Raises:
        ModelError: if an engine computes with something else than parameters of the model as they are, or sequences
            begin with a state other than zeros.
    """
    if network.caller_state:
        raise ModelError(
            "The model takes the states that its sequences begin with, but they must begin from zeros to be trained "
            "through the exact arithmetic; give a module whose do."
        )
    if network.trained:
        raise ModelError("The model was trained with integers of its own already; train it on as it is.")
    values = _Values(model)
    found: dict[str, Places] = {}
    table = ""
    for layer, following in zip(network.layers, (*network.layers[1:], None)):
        if isinstance(layer, EmbeddingLayer):
            table = values.table(layer)
        if isinstance(layer, LinearLayer):
            if isinstance(following, ActivationLayer) and following.function == "hardsigmoid":
                raise _refused(layer.name, "takes in the 1/6 of a hard sigmoid")
            found[layer.name] = values.linear(layer)
        for name, places in values.recurrent(layer):
            found[name] = replace(places, table=table if _reads_x(name, layer) else "")
        if found:
            table = ""
    return found


def _reads_x(engine: str, layer: Layer) -> bool:
    """Whether an engine of a recurrent layer multiplies x; the second stage does not."""
    if isinstance(layer, FactorisedLayer):
        return engine != layer.name
    return not engine.endswith(".projection")


def _refused(name: str, why: str) -> ModelError:
    return ModelError(f"Layer '{name}' {why}, so it cannot be trained through the exact arithmetic; train it in float.")


class _Values:
    """Parameters of a model by full name, as modules compute with them."""

    def __init__(self, model: torch.nn.Module) -> None:
        self._model = dict(model.named_parameters())

    def table(self, layer: EmbeddingLayer) -> str:
        return self._checked(layer.name, f"{_start(layer.name)}weight", layer.table)

    def linear(self, layer: LinearLayer) -> Places:
        start = _start(layer.name)
        return Places(
            self._checked(layer.name, f"{start}weight", layer.weight), None,
            self._biases(layer.name, (f"{start}bias",), (layer.bias,)),
        )  # fmt: skip

    def recurrent(self, layer: Layer) -> Iterator[tuple[str, Places]]:
        """Engines of a recurrent layer of any kind by name; none for other layers."""
        if isinstance(layer, ParallelLayer):
            for branch in layer.branches:
                yield from self._cell(branch)
        elif isinstance(layer, RecurrentLayer):
            yield from self._cell(layer)
        elif isinstance(layer, FactorisedLayer):
            start = self._own(layer.name, "weight_in")
            pairs = (("weight_in", layer.weight_in), ("weight_rec", layer.weight_rec), ("weight_out", layer.weight_out))
            inputs, rec, out = (self._checked(layer.name, f"{start}{leaf}", array) for leaf, array in pairs)
            yield f"{layer.name}.inner", Places(inputs, rec)
            yield layer.name, Places(out, None, self._biases(layer.name, (f"{start}bias",), (layer.bias,)))
        elif isinstance(layer, GroupedLayer):
            yield from self._grouped(layer)

    def _cell(self, layer: RecurrentLayer) -> Iterator[tuple[str, Places]]:
        if layer.h_0 is not None or layer.c_0 is not None:
            raise _refused(layer.name, "begins with a state of its own")
        path, _, number = layer.name.rpartition(".")
        start, end = (f"{path}." if path else "", f"_{number}")
        if not _NUMBERED.fullmatch(number) or f"{start}weight_ih{end}" not in self._model:
            start, end = self._own(layer.name, "weight_ih"), ""
        names = tuple(f"{start}bias_{half}{end}" for half in ("ih", "hh"))
        yield layer.name, Places(
            self._checked(layer.name, f"{start}weight_ih{end}", layer.weight_ih),
            self._checked(layer.name, f"{start}weight_hh{end}", layer.weight_hh),
            self._biases(layer.name, names, (layer.bias_ih, layer.bias_hh)),
        )
        if layer.weight_hr is not None:
            hr = self._checked(layer.name, f"{start}weight_hr{end}", layer.weight_hr)
            yield f"{layer.name}.projection", Places(hr)

    def _grouped(self, layer: GroupedLayer) -> Iterator[tuple[str, Places]]:
        start = self._own(layer.name, "weight_ih")
        weight_ih, weight_hh = (
            self._checked(layer.name, f"{start}{leaf}", np.stack([getattr(group, leaf) for group in layer.groups]))
            for leaf in ("weight_ih", "weight_hh")
        )
        bias = self._biases(layer.name, (f"{start}bias",), (np.stack([group.bias for group in layer.groups]),))
        for index, group in enumerate(layer.groups):
            yield group.name, Places(weight_ih, weight_hh, bias, index)
        projection = self._checked(layer.name, f"{start}projection", layer.projection)
        yield f"{layer.name}.projection", Places(projection)

    def _own(self, name: str, leaf: str) -> str:
        """Start of the names of a module's parameters: its path, or nothing where the model itself is the layer."""
        return _start(name) if f"{_start(name)}{leaf}" in self._model else ""

    def _biases(self, layer: str, names: Sequence[str], arrays: Sequence[FloatArray]) -> tuple[str, ...]:
        """Names of the biases; none where the model has none and the layer's are zeros."""
        if not any(name in self._model for name in names) and not any(array.any() for array in arrays):
            return ()
        return tuple(self._checked(layer, name, array) for name, array in zip(names, arrays))

    def _checked(self, layer: str, name: str, array: FloatArray) -> str:
        """The name, if the model's parameter has this value."""
        value = self._model.get(name)
        if value is None or not np.array_equal(value.detach().cpu().double().numpy(), array):
            raise _refused(layer, f"does not compute with the parameter '{name}' as it is (something was folded in)")
        return name


def _start(path: str) -> str:
    return f"{path}." if path else ""
