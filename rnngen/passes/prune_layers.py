"""Pruning all layers of a model to banks, or recognising that they are: one number of banks, ratios for x and h."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from rnngen.errors import ModelError
from rnngen.ir.layers import (
    FactorisedLayer,
    FloatArray,
    GroupedLayer,
    Layer,
    LinearLayer,
    ParallelLayer,
    RecurrentLayer,
)
from rnngen.ir.network import Network
from rnngen.ir.sparse import SHOWN, BankedMask, WeightMatrix
from rnngen.passes.prune import Ratio, bank_mask, find_banks, fit_banks, kept_of, ratio


@dataclass(frozen=True)
class PruneOptions:
    """How a model is pruned.

    Attributes:
        banks: B, of all its matrices.
        sparsity: Share of zeros in W_ih, a projection and Linear layers.
        sparsity_recurrent: That in W_hh; None: the same.
        shared_rows: N neighbouring rows of a gate that keep the same columns.
        dense: Modules, layers or parameters that are left as they are.
        linear: Linear layers that are pruned too.
    """

    banks: int
    sparsity: Ratio
    sparsity_recurrent: Ratio | None = None
    shared_rows: int = 1
    dense: tuple[str, ...] = ()
    linear: tuple[str, ...] = ()

    def ratio_of(self, matrix: WeightMatrix) -> Ratio:
        """The share of zeros in a matrix."""
        if matrix.recurrent and self.sparsity_recurrent is not None:
            return self.sparsity_recurrent
        return self.sparsity


@dataclass(frozen=True, eq=False)
class PrunedMatrix:
    """A matrix with its mask.

    Attributes:
        matrix: With its weights before.
        mask: None where it is left dense.
    """

    matrix: WeightMatrix
    mask: BankedMask | None

    @property
    def weights(self) -> FloatArray:
        """The weights with zeros in place of those that are not kept."""
        return self.matrix.weights if self.mask is None else self.mask.apply(self.matrix.weights)

    @property
    def stored(self) -> int:
        """Weights that a memory holds: the kept ones, or all of a dense matrix."""
        return int(self.matrix.weights.size) if self.mask is None else self.mask.nonzeros

    @property
    def zeros(self) -> int:
        """Weights that are kept and yet 0; such a matrix fits the same banks again only if it is padded."""
        return 0 if self.mask is None else self.stored - int(np.count_nonzero(self.weights))

    @property
    def energy(self) -> tuple[float, float]:
        """Sum of the squares of the weights: of those that are kept, and of all."""
        return float(np.square(self.weights).sum()), float(np.square(self.matrix.weights).sum())

    @property
    def index_memory_bits(self) -> int:
        """Bits of the indices; none of a dense matrix."""
        return 0 if self.mask is None else self.mask.index_memory_bits


def _choose(
    matrices: Sequence[WeightMatrix], dense: Sequence[str], others: Mapping[str, str]
) -> list[tuple[WeightMatrix, bool]]:
    """Each matrix, and whether it is sparse.

    Raises:
        ModelError: if a name matches nothing, if a layer cannot be pruned and is not left dense, or if none is left.
    """
    known = {name for matrix in matrices for name in matrix.names} | set(others)
    for name in dense:
        if name not in known:
            there = list(dict.fromkeys([*(matrix.layer for matrix in matrices), *others]))
            shown = ", ".join(f"'{layer}'" for layer in there[: 2 * SHOWN]) + " and others" * (len(there) > 2 * SHOWN)
            raise ModelError(f"Layer '{name}', which is to be left dense, is none of the layers to prune: {shown}.")
    for name, kind in others.items():
        if name not in dense:
            raise ModelError(
                f"Layer '{name}' is a {kind}, which cannot be pruned; name it as one to be left dense, or select "
                f"another one."
            )
    chosen = [(matrix, not set(matrix.names) & set(dense)) for matrix in matrices]
    if not any(sparse for _, sparse in chosen):
        raise ModelError("All layers are left dense, so there is nothing to prune; name fewer of them.")
    return chosen


def prune_matrices(
    matrices: Sequence[WeightMatrix], options: PruneOptions, others: Mapping[str, str] | None = None
) -> tuple[PrunedMatrix, ...]:
    """A mask for each matrix, by magnitude.

    Args:
        matrices: All that can be pruned.
        options: How.
        others: Kinds of layers that cannot be pruned, by name; each must be named to be left dense.

    Raises:
        ModelError: if an option does not fit a matrix; the sentence has its name, and what is legal.
    """
    ratio(options.sparsity)
    if options.sparsity_recurrent is not None:
        ratio(options.sparsity_recurrent, "Sparsity of the recurrent weights")

    def mask(matrix: WeightMatrix) -> BankedMask:
        title = f"Parameter '{matrix.name}'"
        kept = kept_of(options.ratio_of(matrix), matrix.weights.shape[1], options.banks, title)
        return bank_mask(matrix.weights, options.banks, kept, options.shared_rows, matrix.gates, title)

    chosen = _choose(matrices, options.dense, others or {})
    return tuple(PrunedMatrix(matrix, mask(matrix) if sparse else None) for matrix, sparse in chosen)


@dataclass(frozen=True)
class FitOptions:
    """What banks a sparse model is taken to have.

    Attributes:
        banks: B, of all its matrices; None: the most that fit all of them, of the powers of two.
        shared_rows: N neighbouring rows of a gate with the same columns.
        pad: Whether zeros are added where banks hold unequal numbers of non-zeros.
        dense: Modules, layers or parameters that are dense.
        linear: Linear layers that are sparse, too.
    """

    banks: int | None = None
    shared_rows: int = 1
    pad: bool = False
    dense: tuple[str, ...] = ()
    linear: tuple[str, ...] = ()


def fit_matrices(
    matrices: Sequence[WeightMatrix], options: FitOptions, others: Mapping[str, str] | None = None
) -> tuple[PrunedMatrix, ...]:
    """The mask of each matrix of a model that is sparse already.

    Args:
        matrices: All that may be sparse.
        options: What is known of their banks.
        others: Kinds of layers that are not sparse, by name; each must be named as dense.

    Raises:
        ModelError: if a matrix does not fit; the sentence has its name, its rows and banks at fault.
    """
    chosen, banks = _choose(matrices, options.dense, others or {}), options.banks
    titles = {matrix.name: f"Parameter '{matrix.name}'" for matrix in matrices}
    sparse = [matrix for matrix, is_sparse in chosen if is_sparse]
    if banks is None and not options.pad:
        shared = options.shared_rows
        banks = min(find_banks(one.weights, shared, one.gates, titles[one.name]) for one in sparse)

    def fit(one: WeightMatrix) -> BankedMask:
        return fit_banks(one.weights, banks, options.shared_rows, options.pad, one.gates, titles[one.name])

    return tuple(PrunedMatrix(matrix, fit(matrix) if is_sparse else None) for matrix, is_sparse in chosen)


_OTHERS = {FactorisedLayer: "factorised LSTM", GroupedLayer: "grouped LSTM"}


def _recurrent(layer: RecurrentLayer, *holders: str) -> Iterator[WeightMatrix]:
    for role in ("weight_ih", "weight_hh", "weight_hr"):
        weights = getattr(layer, role)
        if weights is not None:
            name, gates = f"{layer.name}.{role}", 1 if role == "weight_hr" else len(layer.gates)
            yield WeightMatrix(name, layer.name, (name, layer.name, *holders), role, weights, gates)


def _layer(layer: Layer, linear: Sequence[str]) -> Iterator[WeightMatrix]:
    if isinstance(layer, RecurrentLayer):
        yield from _recurrent(layer)
    elif isinstance(layer, ParallelLayer):
        for branch in layer.branches:
            yield from _recurrent(branch, layer.name)
    elif isinstance(layer, LinearLayer) and layer.name in linear:
        yield WeightMatrix(
            f"{layer.name}.weight", layer.name, (f"{layer.name}.weight", layer.name), "weight", layer.weight, 1
        )


def network_matrices(network: Network, linear: Sequence[str] = ()) -> tuple[tuple[WeightMatrix, ...], dict[str, str]]:
    """The matrices of a network that can be pruned, named ``LAYER.weight_ih`` and so on, and the kinds of its other
    recurrent layers, by name.

    Raises:
        ModelError: if a Linear layer that is named is not there, or a layer was trained as integers.
    """
    lines = [layer.name for layer in network.layers if isinstance(layer, LinearLayer)]
    for name in linear:
        if name not in lines:
            there = ", ".join(f"'{line}'" for line in lines) or "none"
            raise ModelError(f"Layer '{name}' is no Linear layer of network '{network.name}'; there are: {there}.")
    if network.trained:
        raise ModelError(
            f"Layer '{next(iter(network.trained))}' was trained as integers, which pruning would not change; "
            f"prune the model before it is quantised."
        )
    others = {layer.name: _OTHERS[type(layer)] for layer in network.layers if type(layer) in _OTHERS}
    return tuple(chain.from_iterable(_layer(layer, linear) for layer in network.layers)), others


def _branch(layer: RecurrentLayer, weights: Mapping[str, FloatArray]) -> RecurrentLayer:
    """A layer with new matrices, by the names of ``network_matrices``."""

    def new(role: str) -> FloatArray:
        return weights[f"{layer.name}.{role}"]

    hr = None if layer.weight_hr is None else new("weight_hr")
    return replace(layer, weight_ih=new("weight_ih"), weight_hh=new("weight_hh"), weight_hr=hr)


def _replaced(layer: Layer, weights: Mapping[str, FloatArray]) -> Layer:
    if isinstance(layer, ParallelLayer):
        return replace(layer, branches=tuple(_branch(branch, weights) for branch in layer.branches))
    if isinstance(layer, RecurrentLayer):
        return _branch(layer, weights)
    if isinstance(layer, LinearLayer) and f"{layer.name}.weight" in weights:
        return replace(layer, weight=weights[f"{layer.name}.weight"])
    return layer


def prune_network(network: Network, options: PruneOptions) -> tuple[Network, tuple[PrunedMatrix, ...]]:
    """A network with pruned layers, and their masks.

    Raises:
        ModelError: as ``prune_matrices`` and ``network_matrices``.
    """
    matrices, others = network_matrices(network, options.linear)
    pruned = prune_matrices(matrices, options, others)
    weights = {one.matrix.name: one.weights for one in pruned}
    return replace(network, layers=tuple(_replaced(layer, weights) for layer in network.layers)), pruned
