"""Linear layers: which there are, and one of them as the head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnngen.errors import ModelError
from rnngen.frontend.naming import canonical, display
from rnngen.frontend.tensors import Checkpoint, Tensor, listing
from rnngen.ir.network import LinearLayer


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


def _kind(declared: str | None, bias: Tensor | None) -> str:
    """``linear``, ``matrix`` (a file's weight without bias: a Linear or an Embedding), or another module's kind."""
    return declared or ("matrix" if bias is None else "linear")


def find_matrices(checkpoint: Checkpoint) -> dict[str, Matrix]:
    """Linear layers, and what may be one, by prefix, in the order of the model."""
    found = {}
    for name, weight in checkpoint.tensors.items():
        prefix, _, leaf = name.rpartition(".")
        if leaf == "weight" and len(weight.shape) == 2:
            bias = checkpoint.tensors.get(f"{prefix}.bias".lstrip("."))
            kind = _kind(checkpoint.declared.get(prefix), bias)
            if kind in ("linear", "matrix"):
                found[prefix] = Matrix(prefix, kind, weight, bias)
    return found


def build_linear(matrix: Matrix) -> LinearLayer:
    """The layer with float64 parameters; a missing bias is zeros.

    Raises:
        ModelError: if a parameter has a wrong type or shape, or is not finite.
    """
    if 0 in matrix.weight.shape:
        raise ModelError(
            f"Parameter '{matrix.weight.name}' must have 2 dimensions of at least 1, "
            f"not the shape {matrix.weight.shape}; save the complete state dict of the layer."
        )
    weight = matrix.weight.read()
    bias = np.zeros(weight.shape[0]) if matrix.bias is None else matrix.bias.read()
    return LinearLayer(matrix.prefix or "head", weight, bias)


def _describe(prefix: str, checkpoint: Checkpoint) -> str:
    """What a prefix that is no Linear layer is, for a message."""
    weight = checkpoint.tensors.get(f"{prefix}.weight".lstrip("."))
    if weight is None:
        return "has no weight of its own"
    kind = checkpoint.declared.get(prefix)
    return f"has a weight of shape {weight.shape}" + (f" and is of the kind '{kind}'" if kind else "")


def choose_head(head: str, checkpoint: Checkpoint) -> Matrix:
    """The Linear layer of the name ``head``.

    Raises:
        ModelError: if there is no such layer, or it is not a Linear layer; the message lists those there are.
    """
    matrices = find_matrices(checkpoint)
    prefix = canonical(head)
    if prefix in matrices:
        return matrices[prefix]
    there = f"Linear layers here: {listing([matrix.name for matrix in matrices.values()])}"
    if any(name.startswith(f"{prefix}." if prefix else "") for name in checkpoint.tensors):
        raise ModelError(
            f"Head '{head}' must be a Linear layer (a 2-D weight), but it {_describe(prefix, checkpoint)}; {there}."
        )
    raise ModelError(f"Head '{head}' is not in {checkpoint.source}; {there}.")


def build_head(head: str, checkpoint: Checkpoint, features: int, before: str) -> LinearLayer:
    """The head as a layer that takes the ``features`` outputs of the layer ``before``.

    Raises:
        ModelError: as ``choose_head`` and ``build_linear``, and if its number of inputs is another.
    """
    matrix = choose_head(head, checkpoint)
    inputs = matrix.weight.shape[1]
    if inputs != features:
        fitting = [other.name for other in find_matrices(checkpoint).values() if other.weight.shape[1] == features]
        raise ModelError(
            f"Head '{head}' takes {inputs} inputs but '{before}' before it gives {features}; "
            f"choose a Linear layer with {features} inputs (there are: {listing(fitting)})."
        )
    return build_linear(matrix)
