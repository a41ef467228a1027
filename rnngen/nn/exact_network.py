"""A network in the exact arithmetic, over the parameters of a user's own model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from rnngen.arith.format import Format
from rnngen.arith.points import LayerFormats, LinearFormats
from rnngen.errors import DataError, ModelError
from rnngen.nn.exact import Engine, Function, Weights, floor, make_engine, quantise
from rnngen.nn.masks import parameter_value


@dataclass(frozen=True)
class EngineSource:
    """An engine: its formats, and the names of the model's parameters that it computes with.

    Attributes:
        name: Of the layer, for messages.
        units: Output words a step.
        weight_x: (gates * units, I).  weight_h: (gates * units, P), None where no h is multiplied.
        bias: None, (b,) or (b_ih, b_hh), as torch.nn has them.
        part: Of weights and biases with a leading dimension, which entry; None: they have none.
        x_offset, h_offset: First word of x and of h that it reads.
        table: (V, D) of an embedding before it; weight_x is then a part of the biases, a row a symbol.
    """

    name: str
    formats: LayerFormats
    units: int
    weight_x: str
    weight_h: str | None = None
    bias: tuple[str, ...] = ()
    part: int | None = None
    x_offset: int = 0
    h_offset: int = 0
    table: str = ""

    @property
    def parameters(self) -> tuple[str, ...]:
        """All names."""
        return (self.weight_x, *(() if self.weight_h is None else (self.weight_h,)), *self.bias)


@dataclass(frozen=True)
class MapSource:
    """A function of each word between two layers: function((scale * x + bias) >> shift)."""

    scale: int
    bias: int
    formats: LinearFormats


@dataclass(frozen=True)
class BranchSource:
    """Engines of one direction, by number: one stage or two, as in ``ir.quantised.Branch``."""

    stages: tuple[tuple[int, ...], ...]
    reverse: bool = False


@dataclass(frozen=True)
class BlockSource:
    """A layer of the network: branches side by side, the steps that go on, and functions of the words."""

    branches: tuple[BranchSource, ...]
    select: str = "every"
    maps: tuple[MapSource, ...] = ()


class _Map(torch.nn.Module):
    def __init__(self, source: MapSource) -> None:
        super().__init__()
        self._source, self._function = source, Function(source.formats)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scale = 2.0 ** -self._source.formats.slot_shift("y")
        y: torch.Tensor = self._function(floor((x * float(self._source.scale) + float(self._source.bias)) * scale))
        return y


class ExactNetwork(torch.nn.Module):
    """A model as its circuit computes it, bit for bit, with straight-through gradients.

    It holds no parameters of its own: each pass quantises those of the model, with masks applied where they are held,
    to formats that are fixed.  So any optimiser over ``model.parameters()`` trains it, and what is saved is the model.
    Dropout is left out, as in the circuit.  ``rnngen.flow.exact_network`` makes one.

    Attributes:
        model: The user's model, which is not called.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        engines: Sequence[EngineSource],
        blocks: Sequence[BlockSource],
        input_format: Format,
        output_format: Format,
    ) -> None:
        super().__init__()
        self.model = model
        self.input_format, self.output_format = input_format, output_format
        self._sources, self._blocks = tuple(engines), tuple(blocks)
        self._engines = torch.nn.ModuleList(make_engine(source.formats, source.units) for source in engines)
        self._maps = torch.nn.ModuleList(
            torch.nn.Sequential(*(_Map(source) for source in block.maps)) for block in blocks
        )
        first = blocks[0].branches[0].stages[0]
        symbols = bool(engines[0].table)
        self.input_size = 1 if symbols else sum(self._sources[index].formats.product.input_size for index in first)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The network's output.

        Args:
            x: (sequences, steps, features), real values; (sequences, steps, 1), symbols before an embedding.  Each
                sequence begins from zeros.

        Returns:
            (sequences, steps or 1, words), real values that are exactly the circuit's: float64 for x in float64, else
            float32, which holds every word exactly.

        Raises:
            DataError: if x has another shape, is not finite, or is no symbol.
            ModelError: if a parameter is not finite.
        """
        y = self.integers(x) * self.output_format.step
        return y if x.dtype == torch.float64 else y.float()

    def integers(self, x: torch.Tensor) -> torch.Tensor:
        """As ``forward``: the words as integers, held in float64."""
        if x.dim() != 3 or x.shape[2] != self.input_size or x.numel() == 0:
            raise DataError(
                f"The input must have the shape (sequences, steps, {self.input_size}) with at least one sequence and "
                f"step, not {tuple(x.shape)}."
            )
        if not bool(torch.isfinite(x).all()):
            raise DataError("The input holds a value that is not finite; all values must be.")
        for source, engine in zip(self._sources, self._engines):
            assert isinstance(engine, Engine)
            engine.load(self._weights(source))
        if self._sources[0].table:
            self._check_symbols(x)
        values = quantise(x, self.input_format).transpose(0, 1)
        for block, maps in zip(self._blocks, self._maps):
            values = maps(self._select(block, [self._run(branch, values) for branch in block.branches]))
        return values.transpose(0, 1)

    def _check_symbols(self, x: torch.Tensor) -> None:
        symbols = len(parameter_value(self.model, self._sources[0].table))
        if not bool(((x >= 0) & (x < symbols) & (x == x.floor())).all()):
            raise DataError(f"The input must hold symbols, integers within 0..{symbols - 1}.")

    def _weights(self, source: EngineSource) -> Weights:
        values = [self._value(source, name) for name in source.parameters]
        weight_h = None if source.weight_h is None else values[1]
        biases = values[1 if weight_h is None else 2 :]
        if not source.table:
            return Weights(values[0], weight_h, _bias(source, biases, values[0]))
        size = values[0].shape[1]
        table = self._value(replace(source, part=None), source.table)
        rows = _product(_slice(table, (source.part or 0) * size, size), values[0])
        biases = [rows + biases[0], *biases[1:]] if biases else [rows, rows.new_zeros(rows.shape[1])]
        return Weights(values[0][:, :0], weight_h, _bias(source, biases, values[0]))

    def _value(self, source: EngineSource, name: str) -> torch.Tensor:
        value = parameter_value(self.model, name)
        if not bool(torch.isfinite(value).all()):
            raise ModelError(
                f"Layer '{source.name}': {name} holds a value that is not finite; train with smaller steps."
            )
        return (value if source.part is None else value[source.part]).double()

    def _engine(self, index: int) -> Engine:
        engine = self._engines[index]
        assert isinstance(engine, Engine)
        return engine

    def _run(self, branch: BranchSource, x: torch.Tensor) -> torch.Tensor:
        """Output (steps, sequences, words) of x (steps, sequences, words)."""
        first = [self._engine(index) for index in branch.stages[0]]
        sums = [engine.project(self._own_x(index, x)) for engine, index in zip(first, branch.stages[0])]
        if len(branch.stages) == 1 and isinstance(first[0].formats, LinearFormats) and not _recurrent(first[0]):
            return torch.cat([engine.step(part, x) for engine, part in zip(first, sums)], dim=-1)
        for index in (index for stage in branch.stages for index in stage):
            self._engine(index).begin(x.shape[1])
        h = sums[0].new_zeros(x.shape[1], sum(self._sources[index].units for index in branch.stages[-1]))
        outputs = []
        steps = range(x.shape[0])
        for t in reversed(steps) if branch.reverse else steps:
            values = self._stage(branch.stages[0], [part[t] for part in sums], h)
            for stage in branch.stages[1:]:
                values = self._stage(stage, [self._engine(index).project(values) for index in stage], h)
            h = values
            outputs.append(h)
        return torch.stack(outputs[::-1] if branch.reverse else outputs)

    def _own_x(self, index: int, x: torch.Tensor) -> torch.Tensor:
        source = self._sources[index]
        return x if source.table else _slice(x, source.x_offset, source.formats.product.input_size)

    def _stage(self, stage: Sequence[int], sums: Sequence[torch.Tensor], h: torch.Tensor) -> torch.Tensor:
        results = []
        for index, part in zip(stage, sums):
            engine = self._engine(index)
            own = _slice(h, self._sources[index].h_offset, engine.formats.product.hidden_size)
            results.append(engine.step(part, own))
        return results[0] if len(results) == 1 else torch.cat(results, dim=-1)

    @staticmethod
    def _select(block: BlockSource, outputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """The steps that go on, directions side by side."""
        if block.select == "final":
            pairs = zip(block.branches, outputs)
            return torch.cat([part[:1] if branch.reverse else part[-1:] for branch, part in pairs], dim=-1)
        whole = outputs[0] if len(outputs) == 1 else torch.cat(list(outputs), dim=-1)
        return whole[-1:] if block.select == "last" else whole


def _product(table: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """table @ weight.T in numpy's order of summation, which decides the last bit of what is rounded; with gradients."""
    through = table @ weight.T
    values = table.detach().cpu().numpy() @ weight.detach().cpu().numpy().T
    return torch.as_tensor(values, device=through.device) + (through - through.detach())


def _recurrent(engine: Engine) -> bool:
    return engine.formats.product.hidden_size > 0


def _slice(values: torch.Tensor, first: int, size: int) -> torch.Tensor:
    return values[..., first : first + size]


def _bias(source: EngineSource, biases: Sequence[torch.Tensor], weight: torch.Tensor) -> torch.Tensor:
    """(bias slots * units,), or a row a symbol: the sum; of a GRU's gate n the parts of h and x are slots apart."""
    formats, units = source.formats, source.units
    if not biases:
        return weight.new_zeros(len(formats.bias_slots) * units)
    if len(formats.bias_slots) == len(formats.gates):
        return biases[0] if len(biases) == 1 else biases[0] + biases[1]
    of_x, of_h = (bias.split(units, dim=-1) for bias in biases)
    return torch.cat([of_x[0] + of_h[0], of_x[1] + of_h[1], of_h[2].expand_as(of_x[2]), of_x[2]], dim=-1)
