"""Another checkpoint of a network, in the formats that were made for the first one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from rnngen.errors import ModelError
from rnngen.ir.layers import Layer, ParallelLayer
from rnngen.ir.network import Network
from rnngen.ir.quantised import QuantisedLayer, QuantisedNetwork
from rnngen.passes.quantise import Widths, built
from rnngen.passes.ranges import LayerRanges


def requantise(network: Network, like: Network, made: QuantisedNetwork) -> QuantisedNetwork:
    """Another checkpoint of a network in the formats, and with the masks, that were made for the first one.

    Args:
        network: The checkpoint; names of its layers may differ.
        like: What ``made`` was quantised from.

    Raises:
        ModelError: if anything differs but the values of parameters, or one is not 0 where a mask has none.
        FormatError: if parameters would saturate where formats of their own would not.
    """
    layers = _alike(network.layers, like.layers)
    kept = {layer.name: layer.formats for layer in made.layers}
    widths = Widths(made.weight_bits, made.activation_bits, kept)
    trained = {own.name: network.trained[theirs.name] for theirs, own in zip(network.layers, layers)
               if theirs.name in network.trained}  # fmt: skip
    checkpoint = replace(network, name=like.name, layers=layers, trained=trained)
    builder = built(widths, made.input_format, checkpoint, [_unit_ranges(layer) for layer in layers])
    found = tuple(_as_masked(layer, own) for layer, own in zip(builder.layers, made.layers))
    return replace(made, layers=found)


def _alike(layers: Sequence[Any], like: Sequence[Any]) -> tuple[Any, ...]:
    """The layers under the names of those that they are like.

    Raises:
        ModelError: if they are not.
    """
    kinds, wanted = ([type(layer).__name__.removesuffix("Layer") for layer in chain] for chain in (layers, like))
    if kinds != wanted:
        raise ModelError(
            f"The design has the layers {', '.join(wanted)}, and the model {', '.join(kinds)}; load a model of the "
            f"same structure."
        )
    found = []
    for layer, own in zip(layers, like):
        changed: dict[str, Any] = {"name": own.name}
        for each in fields(own):
            theirs, its = getattr(layer, each.name), getattr(own, each.name)
            if isinstance(theirs, tuple):
                changed[each.name] = _alike(theirs, its)
            elif each.name != "name":
                theirs, its = (value.shape if isinstance(value, np.ndarray) else value for value in (theirs, its))
                if theirs != its:
                    raise ModelError(
                        f"Layer '{own.name}' of the design has {each.name} {its}, and that of the model {theirs}; load "
                        f"a model of the same structure."
                    )
        found.append(replace(layer, **changed))
    return tuple(found)


def _unit_ranges(layer: Layer) -> LayerRanges:
    """Of a layer whose formats are there: nobody asks for more than that there is a range."""
    branches = layer.branches if isinstance(layer, ParallelLayer) else ()
    return LayerRanges(1.0, 1.0, 1.0, 1.0, tuple(_unit_ranges(branch) for branch in branches))


def _as_masked(layer: QuantisedLayer, own: QuantisedLayer) -> QuantisedLayer:
    """With the other one's masks, which must leave out zeros alone, and the state that sequences begin with there."""
    for what, weights, mask in (("x", layer.weight_x, own.mask_x), ("h", layer.weight_h, own.mask_h)):
        if mask is not None and weights is not None and np.any(weights[~mask.mask]):
            raise ModelError(
                f"Layer '{own.name}' has weights of {what} that are not 0 where the design multiplies none: prune the "
                f"model with the masks of the design, or generate a design of it."
            )
    for what in ("h_0", "state_0"):
        if not np.array_equal(getattr(layer, what), getattr(own, what)):
            raise ModelError(
                f"Layer '{own.name}' begins with another state than in the design, where it cannot be loaded; generate "
                f"a design of this model."
            )
    return replace(layer, mask_x=own.mask_x, mask_h=own.mask_h)
