"""The float network as the judge of everything that follows: PyTorch in float64, or NumPy without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from rnngen.ir.inputs import check_input
from rnngen.ir.layers import (
    ActivationLayer,
    AffineLayer,
    ArgmaxLayer,
    EmbeddingLayer,
    FactorisedLayer,
    FloatArray,
    GroupedLayer,
    LastStepLayer,
    Layer,
    LinearLayer,
    ParallelLayer,
    RecurrentLayer,
)
from rnngen.ir.network import Network
from rnngen.ir.reference import State, States, cell_size, check_states, run_network

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class ReferenceRun:
    """Outputs of the float64 network.

    Attributes:
        judge: What computed them, for instance ``torch 2.13.0 float64`` or ``numpy float64``.
        layers: Output of every layer, each (sequences, steps, output size); behind a ``LastStepLayer`` one step.
        states: What each recurrent layer was left with, h_n and c_n (``rnngen.ir.reference.State``).
    """

    judge: str
    layers: list[FloatArray]
    states: dict[str, State]

    @property
    def output(self) -> FloatArray:
        """Output of the last layer, (sequences, steps, output size)."""
        return self.layers[-1]


_TorchState: TypeAlias = "tuple[torch.Tensor, torch.Tensor | None]"
_Final: TypeAlias = "tuple[str, torch.Tensor, torch.Tensor | None]"


@dataclass(frozen=True)
class _Run:
    """Output (sequences, steps, size) of a layer, and of a recurrent one h_n and c_n of each of its directions."""

    output: torch.Tensor
    finals: tuple[_Final, ...] = ()


def _tensor(array: FloatArray) -> torch.Tensor:
    import torch

    return torch.from_numpy(np.array(array, dtype=np.float64))


def _module(layer: RecurrentLayer, bidirectional: bool) -> torch.nn.RNNBase:
    import torch

    sizes = (layer.input_size, layer.hidden_size)
    if layer.cell == "lstm":
        projection = 0 if layer.weight_hr is None else layer.output_size
        return torch.nn.LSTM(*sizes, batch_first=True, bidirectional=bidirectional, proj_size=projection)
    if layer.cell == "gru":
        return torch.nn.GRU(*sizes, batch_first=True, bidirectional=bidirectional)
    nonlinearity = layer.cell.removeprefix("rnn_")
    return torch.nn.RNN(*sizes, batch_first=True, bidirectional=bidirectional, nonlinearity=nonlinearity)


def _begin(layer: RecurrentLayer | FactorisedLayer | GroupedLayer, states: States, sequences: int) -> _TorchState:
    """h and c that sequences begin with, (sequences, size): given ones, else the layer's own, else zeros."""
    import torch

    own = (layer.h_0, layer.c_0) if isinstance(layer, RecurrentLayer) else (None, None)
    h, c = states.get(layer.name, own)
    sizes = (layer.output_size, cell_size(layer))

    def start(state: FloatArray | None, size: int) -> torch.Tensor:
        row = torch.zeros(size).double() if state is None else _tensor(state)
        return row.expand(sequences, -1)

    return start(h, sizes[0]), start(c, sizes[1]) if sizes[1] else None


def _run_module(branches: tuple[RecurrentLayer, ...], x: torch.Tensor, states: States) -> _Run:
    """One module of PyTorch for a forward layer, or for a forward and a reversed one of the same sizes."""
    import torch

    module = _module(branches[0], len(branches) == 2)
    parameters = {}
    for branch, suffix in zip(branches, ("_l0", "_l0_reverse")):
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"):
            array = getattr(branch, name)
            if array is not None:
                parameters[f"{name}{suffix}"] = _tensor(array)
    module.double().load_state_dict(parameters)
    begun = [_begin(branch, states, len(x)) for branch in branches]
    h_0, c_0 = torch.stack([h for h, _ in begun]), [c for _, c in begun if c is not None]
    output, state = module(x, (h_0, torch.stack(c_0)) if c_0 else h_0)
    h_n, c_n = state if c_0 else (state, [None] * len(branches))
    return _Run(output, tuple((branch.name, h, c) for branch, h, c in zip(branches, h_n, c_n)))


def _lstm_update(z: torch.Tensor, c: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """o * tanh(c') and c' of pre-activations (sequences, 4 * H)."""
    import torch

    i, f, g, o = z.chunk(4, dim=1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def _run_wide_projection(layer: RecurrentLayer, x: torch.Tensor, states: States) -> _Run:
    """A projection that does not make h smaller: nn.LSTM refuses it, so nn.LSTM's equations step by step."""
    import torch

    assert layer.weight_hr is not None
    weights = (layer.weight_ih, layer.weight_hh, layer.bias_ih, layer.bias_hh, layer.weight_hr)
    weight_ih, weight_hh, bias_ih, bias_hh, weight_hr = (_tensor(array) for array in weights)
    h, c = _begin(layer, states, len(x))
    assert c is not None
    output = []
    for step in x.unbind(1):
        m, c = _lstm_update(step @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh, c)
        h = m @ weight_hr.T
        output.append(h)
    return _Run(torch.stack(output, dim=1), ((layer.name, h, c),))


def _run_direction(layer: RecurrentLayer, x: torch.Tensor, states: States) -> _Run:
    ordered = x.flip(1) if layer.reverse else x
    wide = layer.weight_hr is not None and layer.output_size >= layer.hidden_size
    run = _run_wide_projection(layer, ordered, states) if wide else _run_module((layer,), ordered, states)
    return _Run(run.output.flip(1), run.finals) if layer.reverse else run


def _bidirectional(branches: tuple[RecurrentLayer, ...]) -> bool:
    """Whether one module of PyTorch computes these layers."""
    kinds = {(branch.cell, branch.hidden_size, branch.output_size, branch.weight_hr is None) for branch in branches}
    wide = branches[0].weight_hr is not None and branches[0].output_size >= branches[0].hidden_size
    return [branch.reverse for branch in branches] == [False, True] and len(kinds) == 1 and not wide


def _run_parallel(layer: ParallelLayer, x: torch.Tensor, states: States) -> _Run:
    import torch

    if _bidirectional(layer.branches):
        return _run_module(layer.branches, x, states)
    runs = [_run_direction(branch, x, states) for branch in layer.branches]
    return _Run(torch.cat([run.output for run in runs], dim=2), tuple(final for run in runs for final in run.finals))


def _run_factorised(layer: FactorisedLayer, x: torch.Tensor, states: States) -> _Run:
    """z = W_out (W_in x + W_rec h) + b."""
    import torch

    weights = (layer.weight_in, layer.weight_rec, layer.weight_out, layer.bias)
    weight_in, weight_rec, weight_out, bias = (_tensor(array) for array in weights)
    h, c = _begin(layer, states, len(x))
    assert c is not None
    output = []
    for step in x.unbind(1):
        inner = torch.cat([step, h], dim=1) @ torch.cat([weight_in, weight_rec], dim=1).T
        h, c = _lstm_update(inner @ weight_out.T + bias, c)
        output.append(h)
    return _Run(torch.stack(output, dim=1), ((layer.name, h, c),))


def _run_grouped(layer: GroupedLayer, x: torch.Tensor, states: States) -> _Run:
    """Group j takes the j-th slice of x and of h and gives m_j; h = projection [m_1 .. m_k]."""
    import torch

    names = ("weight_ih", "weight_hh", "bias")
    groups = [tuple(_tensor(getattr(group, name)) for name in names) for group in layer.groups]
    projection = _tensor(layer.projection)
    h, c = _begin(layer, states, len(x))
    assert c is not None
    cells = list(c.chunk(len(groups), dim=1))
    output = []
    for step in x.unbind(1):
        mixed = []
        slices = zip(step.chunk(len(groups), dim=1), h.chunk(len(groups), dim=1), strict=True)
        for index, (group, (part_x, part_h)) in enumerate(zip(groups, slices, strict=True)):
            weight_ih, weight_hh, bias = group
            z = torch.nn.functional.linear(part_x, weight_ih, bias) + torch.nn.functional.linear(part_h, weight_hh)
            m, cells[index] = _lstm_update(z, cells[index])
            mixed.append(m)
        h = torch.cat(mixed, dim=1) @ projection.T
        output.append(h)
    return _Run(torch.stack(output, dim=1), ((layer.name, h, torch.cat(cells, dim=1)),))


def _activate(layer: ActivationLayer, x: torch.Tensor) -> torch.Tensor:
    from torch.nn import functional

    if layer.function == "hardtanh":
        return functional.hardtanh(x, layer.low, layer.high)
    functions = {
        "relu": functional.relu,
        "sigmoid": functional.sigmoid,
        "tanh": functional.tanh,
        "hardsigmoid": functional.hardsigmoid,
    }
    output: torch.Tensor = functions[layer.function](x)
    return output


def _run_plain(layer: Layer, before: _Run) -> torch.Tensor:
    """Output of a layer without a state."""
    import torch
    from torch.nn import functional

    x = before.output
    if isinstance(layer, LinearLayer):
        return functional.linear(x, _tensor(layer.weight), _tensor(layer.bias))
    if isinstance(layer, EmbeddingLayer):
        return functional.embedding(x[:, :, 0].long(), _tensor(layer.table))
    if isinstance(layer, AffineLayer):
        return torch.addcmul(_tensor(layer.shift), _tensor(layer.scale), x)
    if isinstance(layer, ActivationLayer):
        return _activate(layer, x)
    if isinstance(layer, ArgmaxLayer):
        return torch.argmax(x, dim=2, keepdim=True).double()
    assert isinstance(layer, LastStepLayer)
    if not layer.final:
        return x[:, -1:]
    return torch.cat([h for _, h, _ in before.finals], dim=1)[:, None]


def _run(layer: Layer, before: _Run, states: States) -> _Run:
    if isinstance(layer, RecurrentLayer):
        return _run_direction(layer, before.output, states)
    if isinstance(layer, ParallelLayer):
        return _run_parallel(layer, before.output, states)
    if isinstance(layer, FactorisedLayer):
        return _run_factorised(layer, before.output, states)
    if isinstance(layer, GroupedLayer):
        return _run_grouped(layer, before.output, states)
    return _Run(_run_plain(layer, before))


def _run_torch(network: Network, x: FloatArray, states: States) -> tuple[list[FloatArray], dict[str, State]]:
    import torch

    outputs: list[FloatArray] = []
    finals: dict[str, State] = {}
    run = _Run(_tensor(x))
    with torch.no_grad():
        for layer in network.layers:
            run = _run(layer, run, states)
            outputs.append(run.output.numpy())
            finals |= {name: (h.numpy(), None if c is None else c.numpy()) for name, h, c in run.finals}
    return outputs, finals


def run_reference(network: Network, x: npt.ArrayLike, states: States | None = None) -> ReferenceRun:
    """Run the float64 network, each sequence on its own, from its initial state or from given ones.

    Args:
        network: The network.
        x: As ``rnngen.ir.inputs.check_input`` takes it: (sequences, steps, features), or symbols for a network that
            begins with an embedding.
        states: As for ``rnngen.ir.reference.run_network``.

    Returns:
        The outputs of PyTorch in float64 (its own nn.LSTM, GRU and RNN; factorised and grouped layers by their
        equations); without PyTorch those of NumPy.

    Raises:
        DataError: if x has another shape, is empty, or is not finite, or holds something that is no symbol; if a state
            is none of the network's or has another shape.
    """
    values, given = check_input(x, network, "Input"), states or {}
    check_states(network, given, len(values))
    try:
        import torch
    except ImportError:
        run = run_network(network, values, given)
        return ReferenceRun("numpy float64", run.layers, run.states)
    judge = f"torch {torch.__version__.partition('+')[0]} float64"
    return ReferenceRun(judge, *_run_torch(network, values, given))
