"""Typed access to what config.json says of one layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rnngen.errors import ModelError


@dataclass(frozen=True, eq=False)
class LayerConfig:
    """One entry of the model's list of layers.

    Attributes:
        kind: Class name, for instance ``LSTM``.
        name: Name of the layer in the model.
        settings: Its ``config``.
        group: Where its arrays are in model.weights.h5, for instance ``layers/lstm_1``.
    """

    kind: str
    name: str
    settings: Mapping[str, Any]
    group: str

    def _get(self, key: str, kinds: tuple[type, ...], default: object) -> Any:
        value = self.settings.get(key, default)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise ModelError(
                f"Layer '{self.name}' ({self.kind}): config.json gives {value!r} as its '{key}', which is not of the "
                f"kind {kinds[0].__name__}; save the model again with model.save(path)."
            )
        return value

    def flag(self, key: str, default: bool = False) -> bool:
        """A truth value."""
        return bool(self._get(key, (bool,), default))

    def number(self, key: str, default: float | None = None) -> float:
        """A number; needed if it has no default."""
        return float(self._get(key, (float, int), default))

    def count(self, key: str) -> int:
        """A whole number of at least 1."""
        value = int(self._get(key, (int,), None))
        if value < 1:
            raise ModelError(f"Layer '{self.name}' ({self.kind}): '{key}' must be at least 1, not {value}.")
        return value

    def function(self, key: str, default: str = "linear") -> str:
        """Name of an activation function, Keras' own; of another's function the name it is registered by."""
        value = self.settings.get(key, default)
        if value is None:
            return "linear"
        if isinstance(value, str):
            return value
        if isinstance(value, Mapping):
            return f"custom {value.get('registered_name') or value.get('config') or value.get('class_name')}"
        return repr(value)

    def inner(self, key: str, part: str) -> LayerConfig:
        """The layer that this one wraps under ``key``; its arrays are in the group ``part`` of this one's."""
        value = self.settings.get(key)
        if not isinstance(value, Mapping):
            raise ModelError(
                f"Layer '{self.name}' ({self.kind}) has no layer under '{key}' in config.json; "
                f"save the model again with model.save(path)."
            )
        return read_entry(value, f"{self.group}/{part}")

    def precision(self) -> str:
        """Type that the layer computes in: ``float32``, ``float64``, ``float16`` or ``bfloat16``.

        Raises:
            ModelError: if it is another, for instance that of a quantised layer.
        """
        policy = self.settings.get("dtype", "float32")
        if isinstance(policy, Mapping):
            inner = policy.get("config")
            if policy.get("class_name") != "DTypePolicy" or not isinstance(inner, Mapping):
                raise ModelError(
                    f"Layer '{self.name}' ({self.kind}) has the dtype policy {policy.get('class_name')}; rnngen "
                    f"quantises the network itself, so save the model before quantisation."
                )
            policy = inner.get("name")
        known = str(policy).removeprefix("mixed_")
        if known not in ("float32", "float64", "float16", "bfloat16"):
            raise ModelError(
                f"Layer '{self.name}' ({self.kind}) has the dtype {policy}, which is no floating-point type; rnngen "
                f"quantises the network itself, so save the model before quantisation."
            )
        return known


def read_entry(entry: object, group: str) -> LayerConfig:
    """A layer from its entry in config.json, with the group of its arrays.

    Raises:
        ModelError: if the entry is malformed, or its class is not one of Keras' own layers.
    """
    if not isinstance(entry, Mapping) or not isinstance(entry.get("config"), Mapping):
        raise ModelError("An entry of config.json's layers is no layer; save the model again with model.save(path).")
    kind, settings = str(entry.get("class_name")), entry["config"]
    name = str(settings.get("name", entry.get("name", kind)))
    module = str(entry.get("module"))
    if kind in ("Sequential", "Functional", "Model"):
        raise ModelError(
            f"Layer '{name}' is a model inside the model ({kind}), which is not supported; "
            f"put its layers into the outer model, which keeps their weights, and save that."
        )
    if module.startswith("keras.src.ops"):
        raise ModelError(
            f"Operation '{name}' ({kind}) stands between the layers, which is not supported; "
            f"use layers only, or compute it on the host with a model that ends before it."
        )
    if module != "keras.layers" and not module.startswith("keras.src.layers"):
        raise ModelError(
            f"Layer '{name}' is of the custom class {kind}, whose meaning no file holds; "
            f"use a layer of Keras itself in its place."
        )
    return LayerConfig(kind, name, settings, group)
