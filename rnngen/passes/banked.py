"""Masks of a sparse network to its quantised layers: from then on their zeros are not multiplied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rnngen.errors import ModelError
from rnngen.ir.network import Network
from rnngen.ir.quantised import QuantisedLayer, QuantisedNetwork
from rnngen.ir.sparse import BankedMask
from rnngen.passes.prune_layers import FitOptions, PrunedMatrix, fit_matrices, network_matrices


def fit_network(network: Network, options: FitOptions) -> tuple[PrunedMatrix, ...]:
    """The masks of a network that is sparse; a matrix without any zero is dense, as one that is named so.

    Raises:
        ModelError: if a matrix does not fit its banks, or none is sparse.
    """
    matrices, others = network_matrices(network, options.linear)
    dense = tuple(matrix.name for matrix in matrices if np.all(matrix.weights))
    if len(dense) == len(matrices):
        raise ModelError(
            f"No weight of network '{network.name}' is 0, so it has no banks; prune it first, or leave --banks away."
        )
    return fit_matrices(matrices, replace(options, dense=(*options.dense, *dense, *others)), others)


def with_masks(network: QuantisedNetwork, pruned: Sequence[PrunedMatrix]) -> QuantisedNetwork:
    """The network with the masks of its layers.

    Raises:
        ModelError: if a masked layer is one of several engines, or its sequences do not begin with zeros.
    """
    masks = {one.matrix.name: one.mask for one in pruned if one.mask is not None}
    names = {layer.name for layer in network.layers}
    for name in masks:
        layer = name.rpartition(".")[0]
        if layer not in names:
            raise ModelError(
                f"Layer '{layer}' is computed by several engines, whose rows cannot be sparse; name it as dense."
            )
    return replace(network, layers=tuple(_masked(layer, masks) for layer in network.layers))


def _masked(layer: QuantisedLayer, masks: dict[str, BankedMask]) -> QuantisedLayer:
    mask_x = masks.get(f"{layer.name}.weight_ih", masks.get(f"{layer.name}.weight"))
    mask_h = masks.get(f"{layer.name}.weight_hh")
    if mask_x is None and mask_h is None:
        return layer
    if layer.h_0 is not None:
        raise ModelError(
            f"Layer '{layer.name}' begins with an h that is not 0, which sparse rows cannot read; name it as dense."
        )
    return replace(layer, mask_x=None if layer.symbols else mask_x, mask_h=mask_h)
