"""The weight matrices of a state dict or live module that can be pruned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rnngen.errors import ModelError
from rnngen.frontend.assemble import Own, choose_recurrent, find_recurrent
from rnngen.frontend.linear import Norm, build_linear, choose_head
from rnngen.frontend.naming import Slot, Stack
from rnngen.frontend.recurrent import build_recurrent, read_facts
from rnngen.frontend.tensors import Checkpoint
from rnngen.ir.layers import ParallelLayer, RecurrentLayer
from rnngen.ir.sparse import WeightMatrix

_RECURRENT_ROLES = ("weight_ih", "weight_hh", "weight_hr")


def weight_matrices(
    checkpoint: Checkpoint, select: str | None = None, linear: Sequence[str] = ()
) -> tuple[tuple[WeightMatrix, ...], dict[str, str]]:
    """The matrices of recurrent layers, in their order, and of the Linear layers that are named.

    Args:
        checkpoint: The parameters.
        select: One of several recurrent modules; None: all.
        linear: Names of Linear layers.

    Returns:
        The matrices, and the kinds of recurrent modules that have none that can be pruned, by name.

    Raises:
        ModelError: if there is no recurrent layer, if a name matches nothing, or if a layer is not sound.
    """
    found = find_recurrent(checkpoint)
    stacks = list(found.values())
    if select is not None or not found:
        stacks = [choose_recurrent(checkpoint, found, select)]
    matrices = [matrix for stack in stacks if isinstance(stack, Stack) for matrix in _stack(stack, checkpoint)]
    others = {stack.name: f"{stack.kind} LSTM" for stack in stacks if isinstance(stack, Own)}
    return (*matrices, *(_linear(name, checkpoint) for name in linear)), others


def _stack(stack: Stack, checkpoint: Checkpoint) -> Iterator[WeightMatrix]:
    facts, declared = read_facts(stack, checkpoint), checkpoint.declared.get(stack.prefix)
    plain = facts.cell is not None and facts.cell.kind == "rnn" and not (declared and declared.nonlinearity)
    layers = build_recurrent(stack, checkpoint, "tanh" if plain else None)  # either: only its weights are taken
    for number, layer in zip(stack.layers, layers):
        branches = layer.branches if isinstance(layer, ParallelLayer) else (layer,)
        for branch in branches:
            assert isinstance(branch, RecurrentLayer)
            holders = (branch.name, layer.name, stack.name)
            for role in _RECURRENT_ROLES:
                weights = getattr(branch, role)
                if weights is not None:
                    name = stack.names[Slot(number, branch.reverse, role)]
                    gates = 1 if role == "weight_hr" else len(branch.gates)
                    yield WeightMatrix(name, branch.name, (name, *holders), role, weights, gates)


def _linear(name: str, checkpoint: Checkpoint) -> WeightMatrix:
    chosen = choose_head(name, checkpoint)
    checkpoint.check_plain(chosen.prefix)
    if isinstance(chosen, Norm):
        raise ModelError(f"Layer '{name}' is a batch norm, which has no matrix; name Linear layers alone.")
    layer = build_linear(chosen)
    return WeightMatrix(
        chosen.weight.name, chosen.name, (chosen.weight.name, chosen.name), "weight", layer.weight, gates=1
    )
