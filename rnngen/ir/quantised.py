"""The network in integers: what the emulator computes and the circuit holds.

A layer is a matrix product over one or two operands (x, and for recurrent
layers h) followed by element-wise work.  Both operands share one accumulator:
their binary points are brought together by a constant left shift of the
operand, which is wiring and costs nothing in a circuit.

Layers are listed flat, one an engine; ``Block`` says which of them work as one layer of the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from rnngen.arith.format import Format, IntArray
from rnngen.arith.points import (
    GruFormats,
    LayerFormats,
    LinearFormats,
    LstmFormats,
    ProductFormats,
    rounding_constants,
)
from rnngen.ir.sparse import BankedMask

__all__ = [
    "Block",
    "Branch",
    "GruFormats",
    "LayerFormats",
    "LinearFormats",
    "LstmFormats",
    "Post",
    "ProductFormats",
    "QuantisedArgmax",
    "QuantisedLayer",
    "QuantisedMap",
    "QuantisedNetwork",
    "with_states",
]

@dataclass(frozen=True, eq=False)
class QuantisedLayer:
    """Integer parameters of one engine.

    Attributes:
        weight_x: (gates * units, I); no columns where x is a symbol.
        weight_h: (gates * units, P), None where no h is multiplied.
        bias: (bias slots * units,); one row a symbol, (V, bias slots * units), where x is a symbol.
        x_offset, h_offset: First word of x and of h that the engine reads, where it reads a slice of a longer vector.
        h_0: The whole h that a sequence begins with, and state_0 (units,): what the units remember then; None: zeros.
        mask_x, mask_h: The places of non-zeros, where zeros are not multiplied; None beside another one: all places.
        apart: x is multiplied somewhere else (``passes.apart``): the words of a step are the sums of x with biases and
            rounding constants, at the accumulator's point, unit by unit and in a unit by ``formats.sum_slots``; the
            biases of those slots are 0 here.
    """

    name: str
    weight_x: IntArray
    weight_h: IntArray | None
    bias: IntArray
    formats: LayerFormats
    x_offset: int = 0
    h_offset: int = 0
    h_0: IntArray | None = None
    state_0: IntArray | None = None
    mask_x: BankedMask | None = None
    mask_h: BankedMask | None = None
    apart: bool = False

    @property
    def banks(self) -> int:
        """Banks over which the rows are balanced; 0: rows are dense."""
        mask = self.mask_x or self.mask_h
        return mask.banks if mask else 0

    @property
    def kind(self) -> str:
        """Kind of element-wise path: ``"lstm"``, ``"gru"``, ``"linear"`` or ``"table"``."""
        return self.formats.kind

    @property
    def gates(self) -> tuple[str, ...]:
        """Rows of a unit, in order."""
        return self.formats.gates

    @property
    def symbols(self) -> int:
        """V where x is a symbol, else 0."""
        return len(self.bias) if self.bias.ndim == 2 else 0

    @property
    def input_words(self) -> int:
        """Words of an input step that it reads: of x, or a symbol, or the sums of x."""
        if self.apart:
            return len(self.formats.sum_slots) * self.output_size
        return 1 if self.symbols else self.formats.product.input_size

    @property
    def output_size(self) -> int:
        """Words of one output step."""
        return int(self.bias.shape[-1]) // len(self.formats.bias_slots)

    @property
    def output_format(self) -> Format:
        """Format of an output word."""
        return self.formats.output

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one step, without those of zeros that are known to be such."""
        of_x = self.mask_x.nonzeros if self.mask_x else int(self.weight_x.size)
        of_h = 0 if self.weight_h is None else int(self.weight_h.size)
        return of_x + (self.mask_h.nonzeros if self.mask_h else of_h)

    def rounded_bias(self) -> IntArray:
        """Biases (V or 1, bias slots * units) with the rounding constants of their narrowings added.

        Those that are inside the sums of x are 0.
        """
        inside = self.formats.sum_slots if self.apart else ()
        constants = zip(self.formats.bias_slots, rounding_constants(self.formats))
        halves = np.array([0 if slot in inside else half for slot, half in constants], dtype=np.int64)
        return np.atleast_2d(self.bias) + np.repeat(halves, self.output_size)


@dataclass(frozen=True)
class QuantisedMap:
    """A function of each word on its way to the next layer: y = function((scale * x + bias) >> shift).

    It is a Linear layer of one weight, so its formats are those; nothing is multiplied where the scale is 1.
    """

    name: str
    size: int
    scale: int
    bias: int
    formats: LinearFormats

    @property
    def output_size(self) -> int:
        """Words of one output step."""
        return self.size

    @property
    def output_format(self) -> Format:
        """Format of an output word."""
        return self.formats.y


@dataclass(frozen=True)
class QuantisedArgmax:
    """The number of the largest of ``size`` words, the first of equals."""

    name: str
    size: int

    output_size: ClassVar[int] = 1

    @property
    def output_format(self) -> Format:
        """Format of the number: not negative, with a sign bit like every word."""
        return Format(max(2, (self.size - 1).bit_length() + 1), 0)


Post = QuantisedMap | QuantisedArgmax


@dataclass(frozen=True)
class Branch:
    """Engines of one direction, as indices of ``QuantisedNetwork.layers``.

    Attributes:
        stages: One or two; the engines of a stage work side by side, the second stage takes the first one's results.
            What the last stage gives is the h that the first stage multiplies.
        reverse: Runs from a sequence's end to its start.
    """

    stages: tuple[tuple[int, ...], ...]
    reverse: bool = False

    @property
    def last(self) -> int:
        """Index of the layer that gives the branch's output."""
        return self.stages[-1][-1]

    @property
    def indices(self) -> tuple[int, ...]:
        """All its layers."""
        return tuple(index for stage in self.stages for index in stage)


@dataclass(frozen=True)
class Delta:
    """A recurrent layer by rows whose devices send each other only those words of h that changed.

    Attributes:
        devices: Each has as many rows, in their order.
        threshold: In the last place of h: a word is sent where it differs by more from what was sent last.
    """

    devices: int
    threshold: int


@dataclass(frozen=True)
class Block:
    """Engines that work as one layer of the network.

    Attributes:
        branches: Outputs side by side; more than one, or a reversed one, work on whole stored sequences.
        select: ``"every"`` step goes on, or of each sequence the ``"last"``, or each branch's ``"final"`` one.
        post: What each output word passes on its way.
        source: Index of the float layer whose output this block's is.
        inputs: Words of an input step where the engines read only a slice of it; else 0.
        joins: Other devices that give sums of the same outputs, of other inputs: what is behind takes the total.
        delta: What devices that have its rows know of each other's h; None: all of it.
    """

    branches: tuple[Branch, ...]
    select: str = "every"
    post: tuple[Post, ...] = ()
    source: int = 0
    inputs: int = 0
    joins: int = 0
    delta: Delta | None = None

    @property
    def stored(self) -> bool:
        """Whether it works on whole stored sequences."""
        return len(self.branches) > 1 or self.branches[0].reverse


@dataclass(frozen=True, eq=False)
class QuantisedNetwork:
    """Integer layers and how they are connected.

    Attributes:
        name: The network's name.
        layers: One an engine, in order.
        blocks: A chain; each block's output format is the x format of the next one's layers.
        weight_bits, activation_bits: Widths the formats were chosen for.
    """

    name: str
    layers: tuple[QuantisedLayer, ...]
    blocks: tuple[Block, ...]
    weight_bits: int
    activation_bits: int

    @property
    def symbols(self) -> int:
        """How many symbols the input has, where it is one symbol a step; else 0."""
        return self.layers[0].symbols

    @property
    def input_size(self) -> int:
        """Words of one input step."""
        first = self.blocks[0].branches[0].stages[0]
        return self.blocks[0].inputs or (1 if self.symbols else sum(self.layers[index].input_words for index in first))

    @property
    def input_format(self) -> Format:
        """Format of an input word."""
        return self.layers[0].formats.product.x

    def block_size(self, block: Block) -> int:
        """Words of a block's output step."""
        if block.post:
            return block.post[-1].output_size
        return sum(self.layers[branch.last].output_size for branch in block.branches)

    def block_format(self, block: Block) -> Format:
        """Format of a block's output words."""
        return block.post[-1].output_format if block.post else self.layers[block.branches[0].last].output_format

    @property
    def output_size(self) -> int:
        """Words of one output step."""
        return self.block_size(self.blocks[-1])

    @property
    def output_format(self) -> Format:
        """Format of an output word."""
        return self.block_format(self.blocks[-1])

    @property
    def one_step(self) -> bool:
        """Whether a sequence gives one output step and not one for each of its own."""
        return any(block.select != "every" for block in self.blocks)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one step."""
        return sum(layer.macs for layer in self.layers)


def with_states(network: QuantisedNetwork, states: Mapping[int, Mapping[str, IntArray]]) -> QuantisedNetwork:
    """The network with sequences that begin with given states.

    Args:
        states: By layer, ``h`` (the whole one that the layer multiplies) and ``state`` (units,), as integers; what
            is not given stays.  For the emulator alone also one for each sequence, (sequences, words).
    """
    layers = list(network.layers)
    for index, given in states.items():
        layer = layers[index]
        layers[index] = replace(layer, h_0=given.get("h", layer.h_0), state_0=given.get("state", layer.state_0))
    return replace(network, layers=tuple(layers))
