"""The float network as plain data and arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from rnngen.errors import DesignError
from rnngen.ir.layers import (
    ActivationLayer,
    AffineLayer,
    ArgmaxLayer,
    EmbeddingLayer,
    FactorisedLayer,
    GroupCell,
    GroupedLayer,
    LastStepLayer,
    Layer,
    LinearLayer,
    ParallelLayer,
    RecurrentLayer,
    parameters,
    parts,
)
from rnngen.ir.network import Network

_KINDS = {
    "recurrent": RecurrentLayer,
    "factorised": FactorisedLayer,
    "grouped": GroupedLayer,
    "group": GroupCell,
    "parallel": ParallelLayer,
    "linear": LinearLayer,
    "embedding": EmbeddingLayer,
    "affine": AffineLayer,
    "activation": ActivationLayer,
    "last": LastStepLayer,
    "argmax": ArgmaxLayer,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}
_PARTS = {"parallel": "branches", "grouped": "groups"}

Arrays = Mapping[str, Any]


def network_dict(network: Network) -> dict[str, Any]:
    """The network without its arrays."""
    return {
        "name": network.name,
        "source": network.source,
        "host_before": list(network.host_before),
        "host_after": list(network.host_after),
        "caller_state": network.caller_state,
        "layers": [_layer_dict(layer) for layer in network.layers],
    }


def _layer_dict(layer: Layer | GroupCell) -> dict[str, Any]:
    kind = _NAMES[type(layer)]
    plain = {field.name: getattr(layer, field.name) for field in fields(layer)}
    own = {name: value for name, value in plain.items() if isinstance(value, str | bool | int | float)}
    inner = parts(layer) if not isinstance(layer, GroupCell) else ()
    return {"kind": kind} | own | ({"parts": [_layer_dict(part) for part in inner]} if inner else {})


def float_arrays(network: Network) -> dict[str, Any]:
    """Every array, named ``INDEX.FIELD``."""
    return {
        f"{index}.{field}": np.ascontiguousarray(array)
        for index, layer in enumerate(network.layers)
        for field, array in parameters(layer).items()
    }


def read_network(document: Mapping[str, Any], arrays: Arrays) -> Network:
    """The inverse of ``network_dict`` and ``float_arrays``."""
    data = document["network"]
    layers = tuple(_read_layer(item, arrays, f"{index}.") for index, item in enumerate(data["layers"]))
    host = (tuple(data["host_before"]), tuple(data["host_after"]))
    return Network(data["name"], layers, data["source"], *host, caller_state=bool(data["caller_state"]))


def _read_layer(item: Mapping[str, Any], arrays: Arrays, prefix: str) -> Any:
    name = str(item["kind"])
    if name not in _KINDS:
        raise DesignError(f"The design has a layer of the unknown kind '{name}'; generate the design again.")
    values = {key: value for key, value in item.items() if key not in ("kind", "parts")}
    if "parts" in item:
        inner = tuple(_read_layer(part, arrays, f"{prefix}{k}.") for k, part in enumerate(item["parts"]))
        values[_PARTS[name]] = inner
    own = {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}
    values |= {field: array for field, array in own.items() if "." not in field}
    return _KINDS[name](**values)
