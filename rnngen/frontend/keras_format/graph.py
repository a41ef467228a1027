"""From config.json to the layers in the order in which they run; only a chain has one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rnngen.errors import ModelError
from rnngen.frontend.keras_format.settings import LayerConfig, read_entry

_MASK_OPERATIONS = ("NotEqual", "Any")
"""Operations that newer Keras writes into a Functional model for the mask of Masking or Embedding."""


@dataclass(frozen=True, eq=False)
class Graph:
    """The layers of a model, first to last, without its InputLayer.

    Attributes:
        layers: As config.json says.
        shape: Of the input, batch first, None where any; empty if the file does not say.
    """

    layers: tuple[LayerConfig, ...]
    shape: tuple[int | None, ...]


def read_graph(title: str, config: object) -> Graph:
    """The layers of a Sequential or Functional model.

    Raises:
        ModelError: if config.json is malformed, or the model is no chain of Keras' own layers.
    """
    if not isinstance(config, Mapping) or not isinstance(config.get("config"), Mapping):
        raise ModelError(f"{title} has a damaged config.json; save the model again with model.save(path).")
    kind, inner = config.get("class_name"), config["config"]
    entries = inner.get("layers")
    own = str(config.get("module")).split(".")[0] == "keras"
    if kind not in ("Sequential", "Functional") or not own or not isinstance(entries, list) or not entries:
        raise ModelError(
            f"{title} is of the class {kind}, whose forward no file holds; a Sequential or Functional model with "
            f"layers is supported, so build it as one of these and save that."
        )
    if kind == "Sequential":
        layers = tuple(_sequential(entries))
        shape = _shape(entries[0]) or _tuple(inner.get("build_input_shape"))
        return Graph(layers, shape)
    return _Functional(title, inner).graph()


def _snake_case(kind: str) -> str:
    """Keras' own rule for the name of a class's group."""
    split = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", kind))
    return re.sub("([a-z])([A-Z])", r"\1_\2", split).lower()


def _groups(entries: Sequence[Any]) -> Iterator[str]:
    """The group of each layer: its class in snake case, numbered among the layers of that class."""
    used: dict[str, int] = {}
    for entry in entries:
        root = _snake_case(str(entry.get("class_name"))) if isinstance(entry, Mapping) else ""
        number = used.get(root, 0)
        used[root] = number + 1
        yield f"layers/{root}_{number}" if number else f"layers/{root}"


def _is_input(entry: object) -> bool:
    return isinstance(entry, Mapping) and entry.get("class_name") == "InputLayer"


def _is_operation(entry: Mapping[str, Any]) -> bool:
    return str(entry.get("module")).startswith("keras.src.ops")


def _tuple(value: object) -> tuple[int | None, ...]:
    sizes = tuple(value) if isinstance(value, list | tuple) else ()
    return sizes if all(size is None or type(size) is int for size in sizes) else ()


def _shape(entry: object) -> tuple[int | None, ...]:
    settings = entry.get("config") if isinstance(entry, Mapping) and _is_input(entry) else None
    return _tuple(settings.get("batch_shape")) if isinstance(settings, Mapping) else ()


def _sequential(entries: Sequence[Any]) -> Iterator[LayerConfig]:
    kept = [entry for entry in entries if not _is_input(entry)]
    for entry, group in zip(kept, _groups(kept)):
        yield read_entry(entry, group)


class _Functional:
    """A Functional model: every layer is called once, with the output of the one before."""

    def __init__(self, title: str, config: Mapping[str, Any]) -> None:
        self._title = title
        self._config = config
        entries = [entry for entry in config["layers"] if isinstance(entry, Mapping)]
        self._entries = {str(entry.get("name")): entry for entry in entries}
        own = {name: entry for name, entry in self._entries.items() if not _is_operation(entry)}
        self._group = dict(zip(own, _groups(list(own.values()))))
        if len(self._entries) != len(config["layers"]):
            raise ModelError(f"{title} has a damaged config.json; save the model again with model.save(path).")

    def graph(self) -> Graph:
        """The chain, found from the output back to the input."""
        first, last = self._end("input_layers"), self._end("output_layers")
        backwards: dict[str, LayerConfig] = {}
        name = last
        while name != first:
            entry = self._entry(name)
            if name in backwards or _is_input(entry):
                raise self._no_chain(f"layer '{name}' does not lead to the input '{first}'")
            backwards[name] = read_entry(entry, self._group.get(name, ""))
            name = self._source(backwards[name], entry)
        self._check_all_used({first, *backwards})
        return Graph(tuple(reversed(backwards.values())), _shape(self._entry(first)))

    def _no_chain(self, what: str) -> ModelError:
        return ModelError(
            f"{self._title} is no chain of layers: {what}; supported is one input, one output, and each layer called "
            f"once with the output of the one before, so save the part of the model that is a chain."
        )

    def _entry(self, name: str) -> Mapping[str, Any]:
        if name not in self._entries:
            raise self._no_chain(f"there is no layer '{name}'")
        return self._entries[name]

    def _end(self, key: str) -> str:
        """Name of the one layer of the input or output: ``[name, 0, 0]`` or ``[[name, 0, 0]]``."""
        value = self._config.get(key)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if not isinstance(value, list) or len(value) != 3 or not isinstance(value[0], str):
            raise self._no_chain(f"it has not one of '{key}' but {value}")
        return self._first_tensor(value)

    def _first_tensor(self, history: Sequence[Any]) -> str:
        name, node, tensor = str(history[0]), history[1], history[2]
        if node != 0 or tensor != 0:
            raise self._no_chain(f"output {tensor} of call {node} of layer '{name}' is used, and only the first can be")
        return name

    def _source(self, layer: LayerConfig, entry: Mapping[str, Any]) -> str:
        """Name of the layer whose output a layer is called with."""
        nodes = entry.get("inbound_nodes")
        if not isinstance(nodes, list) or len(nodes) != 1 or not isinstance(nodes[0], Mapping):
            calls = len(nodes) if isinstance(nodes, list) else 0
            raise self._no_chain(f"layer '{layer.name}' is called {calls} times")
        args, kwargs = nodes[0].get("args"), nodes[0].get("kwargs")
        history = _history(args[0]) if isinstance(args, list) and len(args) == 1 else None
        if history is None or not isinstance(kwargs, Mapping):
            raise self._no_chain(f"layer '{layer.name}' is called with something other than one output of one layer")
        for key, value in kwargs.items():
            self._check_argument(layer, key, value)
        return self._first_tensor(history)

    def _check_argument(self, layer: LayerConfig, key: str, value: object) -> None:
        if value is None or (key == "training" and value is False):
            return
        if key == "training":
            raise ModelError(
                f"{self._title} calls layer '{layer.name}' with training={value}, as it behaves in training and not "
                f"at inference; call it without."
            )
        if key != "mask":
            raise self._no_chain(f"layer '{layer.name}' is called with the argument '{key}'")
        if not self._is_own_mask(value):
            raise self._no_chain(f"the mask of layer '{layer.name}' is not that of a Masking or Embedding layer")

    def _is_own_mask(self, value: object) -> bool:
        """Whether a mask is Any(NotEqual(x, mask_value)) of a Masking's x, or NotEqual(x, 0) of an Embedding's."""
        test = self._operation(value, "Any")
        values = self._operation(test[0] if test else value, "NotEqual")
        if values is None or len(values) != 2:
            return False
        source = _history(values[0])
        for entry in self._entries.values():
            kind, settings = entry.get("class_name"), entry.get("config", {})
            if kind == "Masking" and test is not None and settings.get("mask_value") == values[1]:
                pass
            elif kind != "Embedding" or test is not None or settings.get("mask_zero") is not True or values[1] != 0:
                continue
            nodes = entry.get("inbound_nodes") or [{}]
            if source is not None and _history((nodes[0].get("args") or [None])[0]) == source:
                return True
        return False

    def _operation(self, value: object, kind: str) -> list[Any] | None:
        """The arguments of the operation of this kind that gave a tensor; None if another thing gave it."""
        history = _history(value)
        entry = self._entries.get(str(history[0]), {}) if history is not None else {}
        nodes = entry.get("inbound_nodes")
        own = entry.get("class_name") == kind and _is_operation(entry)
        if not own or not isinstance(nodes, list) or len(nodes) != 1 or not isinstance(nodes[0], Mapping):
            return None
        args = nodes[0].get("args")
        return args if isinstance(args, list) and args else None

    def _check_all_used(self, used: set[str]) -> None:
        for name, entry in self._entries.items():
            if name not in used and not (_is_operation(entry) and entry.get("class_name") in _MASK_OPERATIONS):
                raise self._no_chain(f"layer '{name}' stands beside it")


def _history(value: object) -> list[Any] | None:
    """``[layer, node, tensor]`` of a Keras tensor in a call's arguments."""
    if not isinstance(value, Mapping) or value.get("class_name") != "__keras_tensor__":
        return None
    config = value.get("config")
    history = config.get("keras_history") if isinstance(config, Mapping) else None
    return history if isinstance(history, list) and len(history) == 3 else None
