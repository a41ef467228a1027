"""From a model to its summary or to the network: ``inspect`` and ``load``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias

from rnngen.errors import ModelError
from rnngen.frontend.identifier import check_identifier, make_identifier
from rnngen.frontend.linear import Matrix, build_head, build_linear, choose_head, find_matrices
from rnngen.frontend.naming import Stack, canonical, find_stacks
from rnngen.frontend.recurrent import build_recurrent, read_facts, tensors_of
from rnngen.frontend.source import read_model
from rnngen.frontend.summary import LayerSummary, ModelSummary
from rnngen.frontend.tensors import Checkpoint, Tensor, listing
from rnngen.ir.network import Layer, Network

if TYPE_CHECKING:
    import torch

Model: TypeAlias = "str | os.PathLike[str] | torch.nn.Module"
"""What can be imported: a file, or a live module."""


def inspect(
    model: Model, select: str | None = None, head: str | None = None
) -> ModelSummary:
    """All recurrent and Linear layers of a model, and whether each is supported.

    A model without recurrent layers, or with unsupported ones, is no error here.

    Args:
        model: Path of a ``.safetensors``, ``.pt`` or ``.pth`` file, or a live module.
        select: Prefix of the recurrent stack to take, as for ``load``.
        head: Name of the Linear layer to take as the head, as for ``load``.

    Raises:
        ModelError: if the model cannot be read, or ``select`` or ``head`` name nothing in it.
        ToolError: if reading it needs PyTorch and that is not installed.
    """
    checkpoint = read_model(model)
    stacks = find_stacks(checkpoint.tensors)
    matrices = find_matrices(checkpoint)
    layers = [_summarise_stack(stack, checkpoint) for stack in stacks.values()]
    layers += [_summarise_matrix(matrix) for matrix in matrices.values()]
    known = {name for layer in layers for name, _ in layer.shapes}
    return ModelSummary(
        name=make_identifier(checkpoint.stem),
        source=checkpoint.source,
        format=checkpoint.kind,
        layers=tuple(layers),
        selected="" if select is None and len(stacks) != 1 else _choose_stack(checkpoint, stacks, select).name,
        head="" if head is None else choose_head(head, checkpoint).name,
        other=tuple(name for name in checkpoint.tensors if name not in known),
    )


def load(
    model: Model,
    select: str | None = None,
    head: str | None = None,
    name: str | None = None,
) -> Network:
    """One recurrent stack of a model, with float64 parameters and optionally a Linear head.

    Args:
        model: Path of a ``.safetensors``, ``.pt`` or ``.pth`` file, or a live module.
        select: Prefix of the recurrent stack (``.`` for the top of the model), or a prefix above
            exactly one; needed only if the model has several.
        head: Name of the Linear layer that follows the last recurrent layer; none if omitted.
        name: Verilog identifier for the network; made from the file or class name if omitted.

    Raises:
        ModelError: one sentence with what is wrong and what to do.
        ToolError: if reading the model needs PyTorch and that is not installed.
    """
    if name is not None:
        check_identifier(name)
    checkpoint = read_model(model)
    stack = _choose_stack(checkpoint, find_stacks(checkpoint.tensors), select)
    layers: tuple[Layer, ...] = build_recurrent(stack, checkpoint)
    if head is not None:
        layers += (build_head(head, checkpoint, layers[-1].output_size, layers[-1].name),)
    return Network(name or make_identifier(checkpoint.stem), layers, checkpoint.source)


def _choose_stack(checkpoint: Checkpoint, stacks: dict[str, Stack], select: str | None) -> Stack:
    there = listing([stack.name for stack in stacks.values()])
    quantised = [prefix for prefix, kind in checkpoint.declared.items() if kind == "quantised"]
    if not stacks and quantised:
        raise ModelError(
            f"{checkpoint.title} holds no floating-point recurrent layer but quantised modules "
            f"({listing(quantised, 3)}); rnngen quantises the network itself, so give it the model before quantisation."
        )
    if not stacks:
        raise ModelError(
            f"{checkpoint.title} holds no recurrent layer: no parameter is named like those of nn.LSTM (weight_ih_l0, "
            f"weight_hh_l0) or nn.LSTMCell (weight_ih, weight_hh); it has {listing(list(checkpoint.tensors), 6)}."
        )
    if select is None:
        if len(stacks) > 1:
            raise ModelError(
                f"{checkpoint.title} holds {len(stacks)} recurrent layers ({there}); choose one by its name (--select)."
            )
        return next(iter(stacks.values()))
    prefix = canonical(select)
    if prefix in stacks:
        return stacks[prefix]
    below = [stack for key, stack in stacks.items() if not prefix or key.startswith(f"{prefix}.")]
    if len(below) > 1:
        raise ModelError(
            f"Selection '{select}' holds {len(below)} recurrent layers ({listing([stack.name for stack in below])}); "
            f"choose one by its full name."
        )
    if not below:
        raise ModelError(f"Selection '{select}' matches no recurrent layer of {checkpoint.source}; there are: {there}.")
    return below[0]


def _refusal(build: Callable[[], object]) -> str:
    """The sentence with which building is refused; empty if it is not."""
    try:
        build()
    except ModelError as error:
        return str(error)
    return ""


def _dtypes(tensors: Iterable[Tensor]) -> str:
    return ", ".join(sorted({tensor.dtype for tensor in tensors}))


def _summarise_stack(stack: Stack, checkpoint: Checkpoint) -> LayerSummary:
    facts = read_facts(stack, checkpoint)
    tensors = [checkpoint.tensors[name] for name in stack.disguised] + list(tensors_of(stack, checkpoint).values())
    reason = _refusal(lambda: Network("network", build_recurrent(stack, checkpoint)))
    return LayerSummary(
        name=stack.name,
        kind=facts.cell.kind if facts.cell else "unknown cell",
        input_size=facts.input_size,
        output_size=(facts.proj_size or facts.hidden_size) * (1 + facts.bidirectional),
        dtype=_dtypes(tensors),
        bias=facts.bias,
        layers=facts.layers,
        bidirectional=facts.bidirectional,
        proj_size=facts.proj_size,
        shapes=tuple((tensor.name, tensor.shape) for tensor in tensors),
        supported=not reason,
        reason=reason,
    )


def _summarise_matrix(matrix: Matrix) -> LayerSummary:
    tensors = [tensor for tensor in (matrix.weight, matrix.bias) if tensor is not None]
    reason = _refusal(lambda: build_linear(matrix))
    return LayerSummary(
        name=matrix.name,
        kind=matrix.kind,
        input_size=matrix.weight.shape[1],
        output_size=matrix.weight.shape[0],
        dtype=_dtypes(tensors),
        bias=matrix.bias is not None,
        layers=1,
        bidirectional=False,
        proj_size=0,
        shapes=tuple((tensor.name, tensor.shape) for tensor in tensors),
        supported=not reason,
        reason=reason,
    )
