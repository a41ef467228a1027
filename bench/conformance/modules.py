"""The PyTorch module of a row, its input, and what PyTorch itself computes of it in float64."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from rnngen.nn import FactorisedLSTM, GroupedLSTM

F64 = npt.NDArray[np.float64]

SEED = 0
INPUTS, HIDDEN, PROJECTED, RANK, GROUPS, SYMBOLS, FEATURES, OUTPUTS = 6, 8, 4, 5, 2, 9, 4, 5
"""Sizes of every row; FEATURES: in front of a Linear layer."""
SEQUENCES, STEPS = 3, 8
_EXAMPLE_SEQUENCES, _EXAMPLE_STEPS = 3, 2

_ACTIVATIONS = {
    "ReLU": torch.nn.ReLU,
    "Sigmoid": torch.nn.Sigmoid,
    "Tanh": torch.nn.Tanh,
    "Hardsigmoid": torch.nn.Hardsigmoid,
    "Hardtanh": torch.nn.Hardtanh,
}


def _recurrent(choice: Mapping[str, str], inputs: int, layers: int) -> torch.nn.Module:
    """The recurrent module of a row, as one module of PyTorch."""
    cell, bias = choice["cell"], choice["bias"] == "bias"
    first = choice["order"] == "batch_first"
    if cell == "FactorisedLSTM":
        return FactorisedLSTM(inputs, HIDDEN, RANK, bias=bias, batch_first=first)
    if cell == "GroupedLSTM":
        return GroupedLSTM(inputs, HIDDEN, PROJECTED, GROUPS, bias=bias, batch_first=first)
    kind, _, nonlinearity = cell.partition(" ")
    options: dict[str, Any] = {"nonlinearity": nonlinearity} if nonlinearity else {}
    if choice["form"] == "cell form":
        made: torch.nn.Module = getattr(torch.nn, f"{kind}Cell")(inputs, HIDDEN, bias=bias, **options)
        return made
    if choice["projection"] == "proj_size":
        options["proj_size"] = PROJECTED
    dropout = 0.3 if choice["dropout"] == "dropout" and layers > 1 else 0.0
    made = getattr(torch.nn, kind)(
        inputs,
        HIDDEN,
        layers,
        bias=bias,
        batch_first=first,
        dropout=dropout,
        bidirectional=choice["directions"] == "bidirectional",
        **options,
    )
    return made


class _Parts(torch.nn.Module):
    """The modules of a row: front, norm, recurrent layers, norm, head."""

    h_0: torch.Tensor
    c_0: torch.Tensor

    def __init__(self, choice: Mapping[str, str]) -> None:
        super().__init__()
        self.choice = dict(choice)
        self.time = 1 if choice["order"] == "batch_first" else 0
        front = choice["front"]
        self.front: torch.nn.Module | None = None
        if front == "Embedding":
            self.front = torch.nn.Embedding(SYMBOLS, INPUTS)
        elif front.startswith("Linear"):
            relu = [torch.nn.ReLU()] if "ReLU" in front else []
            self.front = torch.nn.Sequential(torch.nn.Linear(FEATURES, INPUTS), *relu)
        norm = choice["norm"]
        self.first_norm = torch.nn.BatchNorm1d(INPUTS) if norm == "BatchNorm1d in front" else None
        self.layers = 2 if choice["layers"] == "2 layers" else 1
        own = choice["cell"] in ("FactorisedLSTM", "GroupedLSTM")
        self.rnn = _recurrent(choice, INPUTS, 1 if own else self.layers)
        projected = choice["projection"] == "proj_size" or choice["cell"] == "GroupedLSTM"
        self.state_size = PROJECTED if projected else HIDDEN
        between = choice["layers"] == "GELU between 2 layers"
        twice = between or (own and self.layers == 2)
        self.between = torch.nn.GELU() if between else torch.nn.Identity()
        self.second = _recurrent(choice, self.state_size, 1) if twice else None
        self.directions = 2 if choice["directions"] == "bidirectional" else 1
        width = self.state_size * (1 if "half" in choice["output"] else self.directions)
        self.dropout = torch.nn.Dropout(0.3) if choice["dropout"] == "dropout" else None
        self.norm = torch.nn.BatchNorm1d(width) if norm == "BatchNorm1d behind the RNN" else None
        self.head = _head(choice["head"], width)
        self.last_norm = torch.nn.BatchNorm1d(OUTPUTS) if norm == "BatchNorm1d behind the Linear" else None
        if choice["state"] == "given initial state":
            count = self.layers * self.directions if not own else 1
            self.register_buffer("h_0", torch.empty(count, 1, self.state_size))
            self.register_buffer("c_0", torch.empty(count, 1, HIDDEN))

    def _before(self, x: torch.Tensor) -> torch.Tensor:
        """What the recurrent layers take."""
        x = x if self.front is None else self.front(x)
        return x if self.first_norm is None else self._normalised(self.first_norm, x)

    def _normalised(self, norm: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
        """BatchNorm1d over the words, which it takes as the second axis."""
        if x.dim() == 2:
            alone: torch.Tensor = norm(x)
            return alone
        forth, back = ((0, 2, 1), (0, 2, 1)) if self.time else ((1, 2, 0), (2, 0, 1))
        normed: torch.Tensor = norm(x.permute(forth))
        return normed.permute(back)

    def _behind(self, y: torch.Tensor) -> torch.Tensor:
        """What becomes of the chosen output."""
        y = y if self.dropout is None else self.dropout(y)
        y = y if self.norm is None else self._normalised(self.norm, y)
        for layer in self.head:
            y = layer(y)
            if self.last_norm is not None and isinstance(layer, torch.nn.Linear):
                y = self._normalised(self.last_norm, y)
        if self.choice["head"] == "Linear softmax":
            return torch.softmax(y, dim=-1)
        return torch.argmax(y, dim=-1) if self.choice["head"] == "Linear argmax" else y


class Row(_Parts):
    """A row in the layer form."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x in the order of ``batch_first``; the output in the same, without the axis of steps where one is taken."""
        y, h_n = self._run(self._before(x))
        return self._behind(self._chosen(y, h_n))

    def _start(self, x: torch.Tensor) -> tuple[Any, ...]:
        if self.choice["state"] == "h_0 from the input":
            axis = 1 - self.time
            h_0 = x.mean(dim=self.time)[:, :1].expand(x.shape[axis], self.state_size).unsqueeze(0)
            return ((h_0, torch.zeros_like(h_0)),)
        if self.choice["state"] != "given initial state":
            return ()
        batch = x.shape[1 - self.time]
        h_0, c_0 = (state.expand(-1, batch, -1).contiguous() for state in (self.h_0, self.c_0))
        return ((h_0, c_0),) if self.choice["cell"].endswith("LSTM") else (h_0,)

    def _run(self, x: torch.Tensor) -> tuple[torch.Tensor, Any]:
        if self.choice["output"] == "packed sequence":
            lengths = torch.full((x.shape[1 - self.time],), x.shape[self.time])
            packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=bool(self.time))
            return torch.nn.utils.rnn.pad_packed_sequence(self.rnn(packed)[0], batch_first=bool(self.time))[0], None
        y, state = self.rnn(x, *self._start(x))
        if self.second is not None:
            y, state = self.second(self.between(y))
        if self.choice["output"] == "c_n":
            return y, state[1]
        return y, state[0] if isinstance(state, tuple) else state

    def _chosen(self, y: torch.Tensor, h_n: Any) -> torch.Tensor:
        """The output that the row takes of the RNN."""
        output = self.choice["output"]
        if output == "last step":
            return y[:, -1] if self.time else y[-1]
        if output == "forward half":
            return y[..., : self.state_size]
        if output == "backward half":
            return y[..., self.state_size :]
        if output == "h_n of both layers":
            return torch.cat([h_n[0], h_n[1]], dim=1)
        if output in ("h_n", "c_n"):
            return torch.cat([h_n[-2], h_n[-1]], dim=1) if self.directions == 2 else h_n[-1]
        return y


class CellRow(_Parts):
    """A row in the cell form: a call is one step, the state goes in and comes out."""

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> Any:
        """x (B, I), h (B, H); the output and the new h."""
        new = self.rnn(self._before(x), h)
        return self._behind(new), new


class LstmCellRow(_Parts):
    """The same with h and c."""

    def forward(self, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> Any:
        """x (B, I), h and c (B, H); the output, the new h and c."""
        new_h, new_c = self.rnn(self._before(x), (h, c))
        return self._behind(new_h), new_h, new_c


def _head(head: str, width: int) -> torch.nn.ModuleList:
    """Linear layers and activations; what the host computes of them is no part of it."""
    made: list[Any] = []
    for word in head.split():
        if word == "Linear":
            made.append(torch.nn.Linear(width, OUTPUTS))
            if "argmax" in head:
                torch.nn.init.zeros_(made[-1].bias)  # else one number wins at every step
            width = OUTPUTS
        elif word in _ACTIVATIONS:
            made.append(_ACTIVATIONS[word]())
    return torch.nn.ModuleList(made)


@dataclass(frozen=True, eq=False)
class Case:
    """A row made ready.

    Attributes:
        module: In eval mode, float32 parameters.
        example: With which it can be called.
        x: Accelerator's input (sequences, steps, features).
        expected: What PyTorch computes of it in float64, (sequences, steps, words).
        host: What the host computes of the accelerator's output.
    """

    module: torch.nn.Module
    example: tuple[torch.Tensor, ...]
    x: F64
    expected: F64
    host: Callable[[F64], F64]


def _settle(module: torch.nn.Module) -> None:
    """Statistics and initial states that are no defaults; all else as PyTorch begins with it."""
    generator = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for name, tensor in module.named_buffers():
            low, high = {"running_var": (0.5, 1.5), "h_0": (-0.9, 0.9), "c_0": (-0.9, 0.9)}.get(
                name.rpartition(".")[2], (-0.3, 0.3)
            )
            if tensor.is_floating_point():
                tensor.copy_(torch.rand(tensor.shape, generator=generator) * (high - low) + low)
        for child in module.modules():
            if isinstance(child, torch.nn.BatchNorm1d):
                child.weight.copy_(torch.rand(child.weight.shape, generator=generator) + 0.5)
                child.bias.copy_(torch.rand(child.bias.shape, generator=generator) - 0.5)


def make(choice: Mapping[str, str]) -> Case:
    """The module of a row with PyTorch's own initial parameters of one seed, and what it computes."""
    torch.manual_seed(SEED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stepwise = choice["form"] == "cell form"
        kind = (LstmCellRow if choice["cell"] == "LSTM" else CellRow) if stepwise else Row
        module = kind(choice).eval()
    _settle(module)
    x = _input(choice)
    host = _softmax if choice["head"] == "Linear softmax" else lambda y: y
    example = _example(choice, stepwise)
    return Case(module, example, x, _expected(module, choice, x, stepwise), host)


def _softmax(y: F64) -> F64:
    return np.asarray(torch.softmax(torch.from_numpy(y), dim=-1).numpy())


def _features(choice: Mapping[str, str]) -> int:
    return FEATURES if choice["front"].startswith("Linear") else INPUTS


def _input(choice: Mapping[str, str]) -> F64:
    random = np.random.default_rng(SEED)
    if choice["front"] == "Embedding":
        return random.integers(0, SYMBOLS, (SEQUENCES, STEPS, 1)).astype(np.float64)
    return random.uniform(-1.0, 1.0, (SEQUENCES, STEPS, _features(choice)))


def _example(choice: Mapping[str, str], stepwise: bool) -> tuple[torch.Tensor, ...]:
    steps = () if stepwise else (_EXAMPLE_STEPS,)
    shape = (_EXAMPLE_SEQUENCES, *steps)
    shape = shape if choice["order"] == "batch_first" else shape[::-1]
    if choice["front"] == "Embedding":
        x = torch.arange(int(np.prod(shape))).reshape(shape) % SYMBOLS
    else:
        x = torch.rand(*shape, _features(choice))
    states = (2 if choice["cell"] == "LSTM" else 1) if stepwise else 0
    return (x, *(torch.zeros(_EXAMPLE_SEQUENCES, HIDDEN) for _ in range(states)))


def _expected(module: torch.nn.Module, choice: Mapping[str, str], x: F64, stepwise: bool) -> F64:
    """PyTorch's own output in float64."""
    tensor = torch.from_numpy(x)
    if choice["front"] == "Embedding":
        tensor = tensor[:, :, 0].long()
    twin = _double(module)
    with torch.no_grad():
        if stepwise:
            y = _steps(twin, tensor, 2 if choice["cell"] == "LSTM" else 1)
        elif choice["order"] == "batch_first":
            y = twin(tensor)
        else:
            y = twin(tensor.transpose(0, 1).contiguous())
            whole = choice["output"] in ("whole sequence", "forward half", "backward half")
            y = y.transpose(0, 1) if whole else y
    array = np.asarray(y.double().numpy())
    if choice["head"] == "Linear argmax":
        array = array[..., None]
    return array if array.ndim == 3 else array[:, None]


def _double(module: torch.nn.Module) -> torch.nn.Module:
    return copy.deepcopy(module).double()


def _steps(module: torch.nn.Module, x: torch.Tensor, states: int) -> torch.Tensor:
    state = [torch.zeros(len(x), HIDDEN, dtype=torch.float64) for _ in range(states)]
    outputs = []
    for t in range(x.shape[1]):
        y, *state = module(x[:, t], *state)
        outputs.append(y)
    return torch.stack(outputs, dim=1)
