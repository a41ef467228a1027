"""A state dict in which the layers of one LSTM stand as modules of ``rnngen.nn``; all else is copied bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnngen.errors import ModelError
from rnngen.frontend.assemble import build_stack, choose_recurrent, find_recurrent
from rnngen.frontend.naming import Stack
from rnngen.frontend.raw import CODES, Raw, encode, open_tensors, read_raw
from rnngen.frontend.recurrent import read_facts
from rnngen.frontend.tensors import Checkpoint
from rnngen.ir.layers import FactorisedLayer, RecurrentLayer, parameters


@dataclass(frozen=True, eq=False)
class DenseStack:
    """An LSTM of a state dict that can be exchanged.

    Attributes:
        path: The file.
        checkpoint: All of it.
        names: Full names of the LSTM's own parameters.
        layers: Its layers, all forward.
        prefixes: Where each layer's new parameters go: the LSTM's own prefix if it has one layer, else
            ``PREFIX.0``, ``PREFIX.1`` and so on, as a torch.nn.ModuleList there names them.
        dtype: Type of new parameters: float64 if the LSTM's are, else float32.
    """

    path: Path
    checkpoint: Checkpoint
    names: frozenset[str]
    layers: tuple[RecurrentLayer, ...]
    prefixes: tuple[str, ...]
    dtype: str


def read_dense(path: Path, select: str | None) -> DenseStack:
    """The LSTM to exchange.

    Args:
        path: A state dict: ``.safetensors``, ``.pt`` or ``.pth``.
        select: As for ``load``; needed only if there are several recurrent layers.

    Raises:
        ModelError: if the file cannot be read or is no state dict, if the choice is missing or matches nothing, if
            the layer is no dense forward LSTM, or if there is something else where the new parameters go.
        ToolError: if reading it needs PyTorch and that is not installed.
    """
    checkpoint = open_tensors(path, "to have a layer exchanged")
    stack = choose_recurrent(checkpoint, find_recurrent(checkpoint), select)
    if not isinstance(stack, Stack):
        raise ModelError(f"Layer '{stack.name}' is a {stack.kind} LSTM already; select a dense one.")
    cell = read_facts(stack, checkpoint).cell
    if cell is not None and cell.kind != "lstm":
        raise ModelError(f"Layer '{stack.name}' is a {cell.title} and cannot be factorised; select an LSTM.")
    layers = tuple(layer for layer in build_stack(stack, checkpoint, None) if isinstance(layer, RecurrentLayer))
    if len(layers) < len(stack.layers):
        raise ModelError(
            f"Layer '{stack.name}' is bidirectional and cannot be factorised; select an LSTM of one direction."
        )
    start = f"{stack.prefix}." if stack.prefix else ""
    prefixes = (stack.prefix,) if len(layers) == 1 else tuple(f"{start}{number}" for number in range(len(layers)))
    names = frozenset(stack.names.values())
    for name in checkpoint.tensors:
        if name not in names and name.rpartition(".")[0] in prefixes:
            raise ModelError(
                f"Parameter '{name}' stands where the parameters of the factorised layer must stand alone; "
                f"rename it, or put the LSTM in a module of its own."
            )
    wide = all(checkpoint.tensors[name].dtype == "float64" for name in names)
    return DenseStack(path, checkpoint, names, layers, prefixes, "float64" if wide else "float32")


def rounded(stack: DenseStack, layer: FactorisedLayer) -> FactorisedLayer:
    """A layer with the values that its parameters have once they are written."""
    values = (layer.weight_in, layer.weight_rec, layer.weight_out, layer.bias)
    return FactorisedLayer(layer.name, *(array.astype(stack.dtype).astype(np.float64) for array in values))


def exchange(stack: DenseStack, layers: Sequence[FactorisedLayer]) -> bytes:
    """The state dict as a safetensors file: the LSTM's parameters gone, those of its new layers in their place.

    Args:
        stack: From ``read_dense``.
        layers: One for each of its layers; bias always there.

    Raises:
        ModelError: if another parameter is of a type that the format does not have.
    """
    metadata, tensors = read_raw(stack.path, stack.checkpoint, stack.names)
    for prefix, layer in zip(stack.prefixes, layers):
        for field, array in parameters(layer).items():
            values = np.ascontiguousarray(array, dtype=np.dtype(stack.dtype).newbyteorder("<"))
            name = f"{prefix}.{field}" if prefix else field
            tensors[name] = Raw(CODES[stack.dtype], array.shape, values.tobytes())
    return encode(metadata, tensors)
