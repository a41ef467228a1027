"""A trained LSTM as an F-LSTM of a given rank: its big matrix as the product of two small ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rnngen.errors import ModelError
from rnngen.ir.layers import FactorisedLayer, FloatArray, RecurrentLayer


@dataclass(frozen=True)
class FactorReport:
    """What a factorisation loses and saves.

    Attributes:
        rank: r.
        largest_rank: min(4 * H, I + H): the rank that loses nothing whatever the weights.
        relative_error: ||W - W2 W1|| / ||W||, Frobenius norms, W = [weight_ih weight_hh]; 0 for a W of zeros.
        macs_before, macs_after: Multiply-accumulates of one step.
        warning: One sentence if nothing is saved, else empty.
    """

    rank: int
    largest_rank: int
    relative_error: float
    macs_before: int
    macs_after: int
    warning: str

    @property
    def energy_kept(self) -> float:
        """Share of ||W||^2 in the kept singular values: 1 - relative_error^2, as the rest is orthogonal to them."""
        return 1.0 - self.relative_error**2


def _matrix(layer: RecurrentLayer) -> FloatArray:
    """W (4 * H, I + H)."""
    return np.concatenate([layer.weight_ih, layer.weight_hh], axis=1)


def _check(layer: RecurrentLayer, rank: int) -> None:
    refused = {
        f"its cell is '{layer.cell}'": layer.cell != "lstm",
        "it has a projection": layer.weight_hr is not None,
        "it runs from the end to the start": layer.reverse,
        "it begins with a state of its own": layer.h_0 is not None or layer.c_0 is not None,
    }
    for reason, present in refused.items():
        if present:
            raise ModelError(
                f"Layer '{layer.name}' cannot be factorised because {reason}; "
                f"the forward LSTM without projection that begins at zero can be."
            )
    largest = min(_matrix(layer).shape)
    if not 1 <= rank <= largest:
        raise ModelError(
            f"The rank of layer '{layer.name}' must be within 1..{largest} (the smaller of 4 x hidden size and "
            f"input size + hidden size), not {rank}."
        )


def factorise(layer: RecurrentLayer, rank: int) -> tuple[FactorisedLayer, FactorReport]:
    """The F-LSTM nearest to an LSTM, and how near it is.

    The truncated singular value decomposition U S V^T of W = [weight_ih weight_hh] is the best approximation of a
    rank in the Frobenius norm (Eckart & Young 1936).  W1 = sqrt(S) V^T and W2 = U sqrt(S): the singular values are
    shared out evenly, so that both factors use the range of a fixed-point format alike.

    Args:
        layer: A forward LSTM without projection.
        rank: 1 .. min(4 * H, I + H).

    Raises:
        ModelError: if the layer is another one, or the rank is out of range.
    """
    _check(layer, rank)
    u, s, v = np.linalg.svd(_matrix(layer), full_matrices=False)
    root = np.sqrt(s[:rank])
    inner, outer = root[:, np.newaxis] * v[:rank], u[:, :rank] * root
    first, rest = np.ascontiguousarray(inner[:, : layer.input_size]), np.ascontiguousarray(inner[:, layer.input_size :])
    factorised = FactorisedLayer(layer.name, first, rest, outer, layer.bias_ih + layer.bias_hh)
    return factorised, compare(layer, factorised)


def compare(layer: RecurrentLayer, factorised: FactorisedLayer) -> FactorReport:
    """What is lost and saved with an F-LSTM in place of an LSTM of the same sizes; measured on the factors given."""
    matrix = _matrix(layer)
    product = factorised.weight_out @ np.concatenate([factorised.weight_in, factorised.weight_rec], axis=1)
    norm = float(np.linalg.norm(matrix))
    error = float(np.linalg.norm(matrix - product)) / norm if norm else 0.0
    warning = ""
    if factorised.macs >= layer.macs:
        saving = math.ceil(layer.macs / sum(matrix.shape)) - 1
        warning = (
            f"Rank {factorised.rank} saves nothing in layer '{layer.name}': {factorised.macs} multiply-accumulates a "
            f"step and not {layer.macs}; a rank of at most {saving} saves some."
        )
    return FactorReport(factorised.rank, min(matrix.shape), error, layer.macs, factorised.macs, warning)
