"""From a model to its summary or to the network: ``inspect`` and ``load``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from rnngen.errors import ModelError
from rnngen.frontend.assemble import (
    Own,
    Recurrent,
    assemble,
    build_stack,
    choose_recurrent,
    find_recurrent,
    refusal,
)
from rnngen.frontend.chain import Chain
from rnngen.frontend.identifier import check_identifier, make_identifier
from rnngen.frontend.linear import (
    BATCH_NORM_EPS,
    Matrix,
    Norm,
    build_linear,
    build_norm,
    choose_embedding,
    choose_head,
    find_matrices,
    find_norms,
)
from rnngen.frontend.options import DEFAULT_IMPORT, ImportOptions
from rnngen.frontend.recurrent import read_facts, tensors_of
from rnngen.frontend.source import Model, Source, open_model
from rnngen.frontend.summary import LayerSummary, ModelSummary, describe
from rnngen.frontend.tensors import Checkpoint, Tensor
from rnngen.ir.network import Network


def load(
    model: Model, options: ImportOptions = DEFAULT_IMPORT, *, name: str | None = None, example: Any = None,
    **choices: Any,
) -> Network:  # fmt: skip
    """The network of a model, with float64 parameters.

    A ``.pt2``, ``.onnx``, ``.keras`` or ``.npz`` file and a live module say themselves what follows what.  For a
    state dict (``.safetensors``, ``.pt``, ``.pth``), a live module of which ``select`` names a part, and a live
    nn.LSTM (or another recurrent layer) the options do.

    Args:
        model: Path of a file, or a live module.
        options: What the model itself does not say.
        name: Verilog identifier for the network; made from the file or class name if omitted.
        example: Input with which a live module can be called: a tensor, or a tuple of its arguments.
        choices: Fields of ``ImportOptions``, in place of those of ``options``: ``load(path, head="fc")``.

    Raises:
        ModelError: one sentence with what is wrong and what to do.
        ToolError: if reading the model needs a package that is not installed.
    """
    if name is not None:
        check_identifier(name)
    options = replace(options, **choices)
    chain = _read_chain(open_model(model, options, example), options)
    return _network(chain, name)


def inspect(
    model: Model, options: ImportOptions = DEFAULT_IMPORT, *, example: Any = None, **choices: Any
) -> ModelSummary:
    """What a model holds, what ``load`` makes of it with the same options, and where it is refused, the reason.

    A model without recurrent layers, with unsupported ones, or with choices left to make is no error here.

    Args:
        model, options, example, choices: As for ``load``.

    Raises:
        ModelError: if a state dict cannot be read, a file is not there, an option is not for it, or ``select``,
            ``head`` or ``embedding`` name nothing in it.
        ToolError: if reading it needs a package that is not installed.
    """
    options = replace(options, **choices)
    source = open_model(model, options, example)
    chain: Chain | None = None
    reason = ""
    try:
        chain = _read_chain(source, options)
        _network(chain, None)
    except ModelError as error:
        chain, reason = None, str(error)
    found: tuple[LayerSummary, ...] = ()
    selected = ""
    heads: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    if source.checkpoint is not None:
        found = _inventory(source.checkpoint, options)
        known = {name for layer in found for name, _ in layer.shapes}
        other = tuple(name for name in source.checkpoint.tensors if name not in known)
        selected, heads = _choices(source, options)
    return ModelSummary(
        name=make_identifier(source.stem if chain is None else chain.stem),
        source=source.name,
        format=source.kind,
        layers=found,
        selected=selected,
        head=heads,
        other=other,
        chain=() if chain is None else tuple(describe(layer) for layer in chain.layers),
        host_before=() if chain is None else chain.host_before,
        host_after=() if chain is None else chain.host_after,
        notes=() if chain is None else chain.notes,
        reason=reason,
    )


def _read_chain(source: Source, options: ImportOptions) -> Chain:
    if source.chain is not None:
        return source.chain()
    assert source.checkpoint is not None
    return assemble(source.checkpoint, options)


def _network(chain: Chain, name: str | None) -> Network:
    return Network(
        name or make_identifier(chain.stem),
        chain.layers,
        chain.source,
        chain.host_before,
        chain.host_after,
        chain.caller_state,
        chain.trained,
    )


def _choices(source: Source, options: ImportOptions) -> tuple[str, tuple[str, ...]]:
    """Names of the selected stack (empty if the user has to choose) and of the head's layers.

    Raises:
        ModelError: if a name that the user gave is not there.
    """
    checkpoint = source.checkpoint
    assert checkpoint is not None
    found = find_recurrent(checkpoint)
    unsaid = options.select is None and (len(found) != 1 or source.chain is not None)
    selected = "" if unsaid else choose_recurrent(checkpoint, found, options.select).name
    if options.embedding is not None:
        choose_embedding(options.embedding, checkpoint)
    return selected, tuple(choose_head(item.name, checkpoint).name for item in options.heads if item.name)


def _inventory(checkpoint: Checkpoint, options: ImportOptions) -> tuple[LayerSummary, ...]:
    """Everything that can be selected or stand around it, each in the order of the model."""
    return (
        *(_summarise_recurrent(stack, checkpoint, options) for stack in find_recurrent(checkpoint).values()),
        *(_summarise_matrix(matrix) for matrix in find_matrices(checkpoint).values()),
        *(_summarise_norm(norm, checkpoint) for norm in find_norms(checkpoint).values()),
    )


def _dtypes(tensors: Iterable[Tensor]) -> str:
    return ", ".join(sorted({tensor.dtype for tensor in tensors}))


def _shapes(tensors: Iterable[Tensor]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    return tuple((tensor.name, tensor.shape) for tensor in tensors)


def _summarise_recurrent(stack: Recurrent, checkpoint: Checkpoint, options: ImportOptions) -> LayerSummary:
    if isinstance(stack, Own):
        return _summarise_own(stack, checkpoint)
    facts = read_facts(stack, checkpoint)
    tensors = [checkpoint.tensors[name] for name in stack.disguised] + list(tensors_of(stack, checkpoint).values())
    plain = facts.cell is not None and facts.cell.kind == "rnn"
    nonlinearity = options.nonlinearity if plain else None
    reason = refusal(lambda: build_stack(stack, checkpoint, nonlinearity))
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
        shapes=_shapes(tensors),
        supported=not reason,
        reason=reason,
    )


def _summarise_own(own: Own, checkpoint: Checkpoint) -> LayerSummary:
    tensors = own.tensors(checkpoint)
    inputs = outputs = 0
    reason = ""
    try:
        (layer,) = build_stack(own, checkpoint, None)
        inputs, outputs = layer.input_size, layer.output_size
    except ModelError as error:
        reason = str(error)
    return LayerSummary(
        name=own.name,
        kind=own.kind,
        input_size=inputs,
        output_size=outputs,
        dtype=_dtypes(tensors.values()),
        bias=any(name.endswith("bias") for name in tensors),
        layers=1,
        bidirectional=False,
        proj_size=0,
        shapes=_shapes(tensors.values()),
        supported=not reason,
        reason=reason,
    )


def _summarise_matrix(matrix: Matrix) -> LayerSummary:
    rows, columns = matrix.weight.shape
    table = matrix.kind == "embedding"
    reason = refusal(lambda: build_linear(matrix))
    return LayerSummary(
        name=matrix.name,
        kind=matrix.kind,
        input_size=1 if table else columns,
        output_size=columns if table else rows,
        dtype=_dtypes(matrix.tensors),
        bias=matrix.bias is not None,
        layers=1,
        bidirectional=False,
        proj_size=0,
        shapes=_shapes(matrix.tensors),
        supported=not reason,
        reason=reason,
    )


def _summarise_norm(norm: Norm, checkpoint: Checkpoint) -> LayerSummary:
    declared = checkpoint.declared.get(norm.prefix)
    eps = BATCH_NORM_EPS if declared is None or declared.eps is None else declared.eps
    reason = refusal(lambda: build_norm(norm, eps))
    return LayerSummary(
        name=norm.name,
        kind="batchnorm",
        input_size=norm.mean.shape[0] if norm.mean.shape else 0,
        output_size=norm.mean.shape[0] if norm.mean.shape else 0,
        dtype=_dtypes((norm.mean, norm.variance)),
        bias=norm.bias is not None,
        layers=1,
        bidirectional=False,
        proj_size=0,
        shapes=_shapes(norm.tensors),
        supported=not reason,
        reason=reason,
    )
