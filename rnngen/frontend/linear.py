"""What stands around a recurrent stack in a state dict: Linear layers, embeddings and batch norms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnngen.errors import ModelError
from rnngen.frontend.naming import canonical, display
from rnngen.frontend.tensors import Checkpoint, Tensor, listing
from rnngen.ir.layers import AffineLayer, EmbeddingLayer, LinearLayer

BATCH_NORM_EPS = 1e-5
"""PyTorch's default; a state dict does not hold it."""


@dataclass(frozen=True)
class Matrix:
    """A 2-D ``weight`` under a prefix, with its ``bias`` if there is one."""

    prefix: str
    kind: str
    weight: Tensor
    bias: Tensor | None

    @property
    def name(self) -> str:
        """How the user names it: the prefix, ``.`` at the top of the model."""
        return display(self.prefix)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All there are."""
        return tuple(tensor for tensor in (self.weight, self.bias) if tensor is not None)


@dataclass(frozen=True)
class Norm:
    """The parameters of a batch norm under a prefix; weight and bias may be missing."""

    prefix: str
    mean: Tensor
    variance: Tensor
    weight: Tensor | None
    bias: Tensor | None
    counter: Tensor | None

    @property
    def name(self) -> str:
        """How the user names it: the prefix, ``.`` at the top of the model."""
        return display(self.prefix)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All there are."""
        there = (self.weight, self.bias, self.mean, self.variance, self.counter)
        return tuple(tensor for tensor in there if tensor is not None)


def _kind(declared: str | None, bias: Tensor | None) -> str:
    """``linear``, ``matrix`` (a file's weight without bias: a Linear or an Embedding), or another module's kind."""
    return declared or ("matrix" if bias is None else "linear")


def _find_weights(checkpoint: Checkpoint) -> dict[str, Matrix]:
    """All that have a 2-D weight, by prefix, in the order of the model."""
    found = {}
    for name, weight in checkpoint.tensors.items():
        prefix, _, leaf = name.rpartition(".")
        if leaf == "weight" and len(weight.shape) == 2:
            bias = checkpoint.tensors.get(f"{prefix}.bias".lstrip("."))
            found[prefix] = Matrix(prefix, _kind(checkpoint.kind_of(prefix), bias), weight, bias)
    return found


def find_matrices(checkpoint: Checkpoint) -> dict[str, Matrix]:
    """Linear layers, embeddings, and what may be one, by prefix, in the order of the model."""
    kinds = ("linear", "matrix", "embedding")
    return {prefix: matrix for prefix, matrix in _find_weights(checkpoint).items() if matrix.kind in kinds}


def find_linears(checkpoint: Checkpoint) -> dict[str, Matrix]:
    """Those that can be a Linear layer."""
    return {prefix: matrix for prefix, matrix in find_matrices(checkpoint).items() if matrix.kind != "embedding"}


def find_tables(checkpoint: Checkpoint) -> dict[str, Matrix]:
    """Those that can be an embedding."""
    return {prefix: matrix for prefix, matrix in find_matrices(checkpoint).items() if matrix.kind != "linear"}


def find_norms(checkpoint: Checkpoint) -> dict[str, Norm]:
    """Batch norms with running statistics, by prefix, in the order of the model."""
    found = {}
    for name, mean in checkpoint.tensors.items():
        prefix, _, leaf = name.rpartition(".")
        roles = ("running_var", "weight", "bias", "num_batches_tracked")
        variance, weight, bias, counter = (checkpoint.tensors.get(f"{prefix}.{role}".lstrip(".")) for role in roles)
        if leaf == "running_mean" and variance is not None and checkpoint.kind_of(prefix) in (None, "batchnorm"):
            found[prefix] = Norm(prefix, mean, variance, weight, bias, counter)
    return found


def build_linear(matrix: Matrix) -> LinearLayer:
    """The layer with float64 parameters; a missing bias is zeros.

    Raises:
        ModelError: if a parameter has a wrong type or shape, or is not finite.
    """
    _check_matrix(matrix)
    weight = matrix.weight.read()
    bias = np.zeros(weight.shape[0]) if matrix.bias is None else matrix.bias.read()
    return LinearLayer(matrix.prefix or "head", weight, bias)


def _check_matrix(matrix: Matrix) -> None:
    if 0 in matrix.weight.shape:
        raise ModelError(
            f"Parameter '{matrix.weight.name}' must have 2 dimensions of at least 1, "
            f"not the shape {matrix.weight.shape}; save the complete state dict of the layer."
        )


def choose_embedding(name: str, checkpoint: Checkpoint) -> Matrix:
    """The embedding of a name.

    Raises:
        ModelError: if there is none, or it is something else; the message lists those there are.
    """
    tables = find_tables(checkpoint)
    prefix = canonical(name)
    if prefix not in tables:
        there = f"embeddings here: {listing([table.name for table in tables.values()])}"
        if not _holds(prefix, checkpoint):
            raise ModelError(f"Embedding '{name}' is not in {checkpoint.source}; {there}.")
        raise ModelError(
            f"Embedding '{name}' must have a 2-D weight and no bias, but it {_describe(prefix, checkpoint)}; {there}."
        )
    return tables[prefix]


def build_embedding(name: str, checkpoint: Checkpoint) -> EmbeddingLayer:
    """The embedding of a name with its table in float64.

    Raises:
        ModelError: as ``choose_embedding``, and if the table has a wrong type or shape, or is not finite.
    """
    chosen = choose_embedding(name, checkpoint)
    checkpoint.check_plain(chosen.prefix)
    _check_matrix(chosen)
    return EmbeddingLayer(chosen.prefix or "embedding", chosen.weight.read())


def build_norm(norm: Norm, eps: float) -> AffineLayer:
    """A batch norm at inference: (x - mean) / sqrt(variance + eps) * weight + bias, as scale and shift.

    Raises:
        ModelError: if a parameter has a wrong type or shape, is not finite, or is a variance of 0 or less with eps.
    """
    mean, variance = norm.mean.read(), norm.variance.read()
    for tensor in (norm.mean, norm.variance, norm.weight, norm.bias):
        if tensor is not None and (tensor.shape != mean.shape or len(tensor.shape) != 1 or 0 in tensor.shape):
            raise ModelError(
                f"Parameter '{tensor.name}' must have 1 dimension and the size of '{norm.mean.name}' "
                f"{norm.mean.shape}, not the shape {tensor.shape}; save the complete state dict of the layer."
            )
    bad = np.flatnonzero((variance < 0) | (variance + eps <= 0))
    if len(bad):
        raise ModelError(
            f"Parameter '{norm.variance.name}' holds {variance[bad[0]]} at [{bad[0]}], which with eps {eps:g} gives "
            f"no positive variance; repair the checkpoint, or give the eps it was trained with."
        )
    scale = 1.0 / np.sqrt(variance + eps)
    if norm.weight is not None:
        scale = scale * norm.weight.read()
    shift = -mean * scale
    return AffineLayer(norm.prefix or "norm", scale, shift if norm.bias is None else shift + norm.bias.read())


def _holds(prefix: str, checkpoint: Checkpoint) -> bool:
    return any(name.startswith(f"{prefix}." if prefix else "") for name in checkpoint.tensors)


def _describe(prefix: str, checkpoint: Checkpoint) -> str:
    """What a prefix that is not what the user takes it for is, for a message."""
    weight = checkpoint.tensors.get(f"{prefix}.weight".lstrip("."))
    if weight is None:
        return "has no weight of its own"
    kind = checkpoint.kind_of(prefix)
    bias = " and a bias" if f"{prefix}.bias".lstrip(".") in checkpoint.tensors else ""
    return f"has a weight of shape {weight.shape}{bias}" + (f" and is of the kind '{kind}'" if kind else "")


def choose_head(head: str, checkpoint: Checkpoint) -> Matrix | Norm:
    """The Linear layer or batch norm of the name ``head``.

    Raises:
        ModelError: if there is no such layer, or it is something else; the message lists those there are.
    """
    matrices, norms = find_linears(checkpoint), find_norms(checkpoint)
    prefix = canonical(head)
    chosen = matrices.get(prefix) or norms.get(prefix)
    if chosen is not None:
        return chosen
    there = f"Linear layers here: {listing([matrix.name for matrix in matrices.values()])}"
    there += f", batch norms: {listing([norm.name for norm in norms.values()])}" if norms else ""
    if _holds(prefix, checkpoint):
        raise ModelError(
            f"Head '{head}' must be a Linear layer (a 2-D weight) or a batch norm (running_mean and running_var), "
            f"but it {_describe(prefix, checkpoint)}; {there}."
        )
    raise ModelError(f"Head '{head}' is not in {checkpoint.source}; {there}.")


def build_head(
    head: str, eps: float | None, checkpoint: Checkpoint, features: int, before: str
) -> LinearLayer | AffineLayer:
    """The layer ``head``, which takes the ``features`` outputs of the layer ``before``.

    Raises:
        ModelError: as ``choose_head`` and the layer's build, if it takes another number of inputs, or if eps is
            given where there is none or the module tells it.
    """
    chosen = choose_head(head, checkpoint)
    checkpoint.check_plain(chosen.prefix)
    if isinstance(chosen, Norm):
        return _build_norm_head(chosen, head, eps, checkpoint, features, before)
    if eps is not None:
        raise ModelError(f"Head '{head}' is a Linear layer, which has no eps; leave it out.")
    inputs = chosen.weight.shape[1]
    if inputs != features:
        fitting = [other.name for other in find_linears(checkpoint).values() if other.weight.shape[1] == features]
        raise ModelError(
            f"Head '{head}' takes {inputs} inputs but '{before}' before it gives {features}; "
            f"choose a Linear layer with {features} inputs (there are: {listing(fitting)})."
        )
    return build_linear(chosen)


def _build_norm_head(
    norm: Norm, head: str, eps: float | None, checkpoint: Checkpoint, features: int, before: str
) -> AffineLayer:
    declared = checkpoint.declared.get(norm.prefix)
    if declared is not None and declared.eps is not None:
        if eps is not None:
            raise ModelError(
                f"Head '{head}': eps is for state dicts; the module says it itself ({declared.eps:g}), so leave it out."
            )
        eps = declared.eps
    layer = build_norm(norm, BATCH_NORM_EPS if eps is None else eps)
    if layer.input_size != features:
        raise ModelError(
            f"Head '{head}' takes {layer.input_size} inputs but '{before}' before it gives {features}; "
            f"a batch norm must have as many features as the layer before it."
        )
    return layer
