"""Random float networks of everything a network can be made of, from short descriptions.

A description is a tuple of items: ``("embedding", V, D)``, ``(cell, H)`` for the cells, each also as ``"reversed
CELL"`` and ``"bidirectional CELL"``, ``("projected", H, P)`` with the same prefixes, ``("factorised", H, r)``,
``("grouped", H per group, P per group)``, ``("linear", O)``, the names of activations, ``("hardtanh", low, high)``,
``("last",)``, ``("final",)`` and ``("argmax",)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np
from hypothesis import strategies as st

from rnngen.ir.layers import (
    ActivationLayer,
    ArgmaxLayer,
    EmbeddingLayer,
    FactorisedLayer,
    GroupCell,
    GroupedLayer,
    LastStepLayer,
    Layer,
    LinearLayer,
    ParallelLayer,
    RecurrentLayer,
)
from rnngen.ir.network import Network

Item = tuple[object, ...]
Description = tuple[Item, ...]

CELLS = ("lstm", "gru", "rnn_tanh", "rnn_relu")
DIRECTIONS = ("", "reversed ", "bidirectional ")
ACTIVATIONS = ("relu", "sigmoid", "tanh", "hardsigmoid", "hardtanh")
RECURRENT = tuple(f"{direction}{cell}" for direction in DIRECTIONS for cell in (*CELLS, "projected")) + (
    "factorised",
    "grouped",
)


class _Maker:
    """Weights uniform within +-scale / sqrt(fan); a ReLU's recurrence is kept below 1, so that it stays bounded."""

    def __init__(self, random: np.random.Generator, scale: float) -> None:
        self._random, self._scale = random, scale

    def array(self, *shape: int) -> np.ndarray:
        bound = self._scale / np.sqrt(shape[-1])
        return self._random.uniform(-bound, bound, shape)

    def cell(self, name: str, cell: str, inputs: int, hidden: int, projection: int, reverse: bool) -> RecurrentLayer:
        rows, size = {"lstm": 4, "gru": 3}.get(cell, 1) * hidden, projection or hidden
        weight_ih, weight_hh = self.array(rows, inputs), self.array(rows, size)
        if cell == "rnn_relu":
            weight_hh *= 0.8 / max(0.8, float(np.abs(weight_hh).sum(axis=1).max()))
        weight_hr = self.array(projection, hidden) if projection else None
        biases = self.array(rows), self.array(rows)
        begun = self._random.random() < 0.3  # a state that the model begins with
        h_0 = self._random.uniform(-1.5, 1.5, size) if begun else None
        c_0 = self._random.uniform(-2, 2, hidden) if begun and cell == "lstm" else None
        return RecurrentLayer(name, cell, weight_ih, weight_hh, *biases, weight_hr, reverse, h_0, c_0)

    def directed(self, name: str, kind: str, inputs: int, sizes: Sequence[int]) -> Layer:
        direction, _, cell = kind.rpartition(" ")
        hidden, projection = sizes if cell == "projected" else (sizes[0], 0)
        cell = "lstm" if cell == "projected" else cell
        if direction != "bidirectional":
            return self.cell(name, cell, inputs, hidden, projection, direction == "reversed")
        parts = [
            self.cell(f"{name}.{way}", cell, inputs, hidden, projection, reverse)
            for way, reverse in (("forward", False), ("backward", True))
        ]
        return ParallelLayer(name, tuple(parts))

    def factorised(self, name: str, inputs: int, hidden: int, rank: int) -> Layer:
        shapes = ((rank, inputs), (rank, hidden), (4 * hidden, rank), (4 * hidden,))
        return FactorisedLayer(name, *(self.array(*shape) for shape in shapes))

    def grouped(self, name: str, inputs: int, hidden: int, projection: int) -> Layer:
        """As many groups as divide the inputs, up to 3."""
        count = next(n for n in (3, 2, 1) if inputs % n == 0)
        shapes = ((4 * hidden, inputs // count), (4 * hidden, projection), (4 * hidden,))
        groups = tuple(GroupCell(f"{name}.{n}", *(self.array(*shape) for shape in shapes)) for n in range(count))
        return GroupedLayer(name, groups, self.array(count * projection, count * hidden))

    def layer(self, index: int, item: Item, inputs: int) -> Layer:
        kind, *rest = item
        kind, name = str(kind), f"l{index}"
        sizes = [int(size) for size in rest]
        if kind == "embedding":
            return EmbeddingLayer(name, self._random.uniform(-1, 1, (sizes[0], sizes[1])))
        if kind == "linear":
            return LinearLayer(name, self.array(sizes[0], inputs), self.array(sizes[0]))
        if kind in ACTIVATIONS:
            return ActivationLayer(name, kind, inputs, *rest)
        if kind in ("last", "final"):
            return LastStepLayer(name, inputs, kind == "final")
        if kind == "argmax":
            return ArgmaxLayer(name, inputs)
        if kind == "factorised":
            return self.factorised(name, inputs, *sizes)
        return self.grouped(name, inputs, *sizes) if kind == "grouped" else self.directed(name, kind, inputs, sizes)


def make_network(seed: int, inputs: int, description: Description, scale: float = 1.0) -> Network:
    """The network of a description."""
    maker = _Maker(np.random.default_rng(seed), scale)
    layers: list[Layer] = []
    for index, item in enumerate(description):
        layers.append(maker.layer(index, item, inputs))
        inputs = layers[-1].output_size
    return Network("net", tuple(layers))


def make_input(network: Network, seed: int, sequences: int, steps: int, amplitude: float = 1.0) -> np.ndarray:
    """Uniform real input, or symbols."""
    random = np.random.default_rng(seed)
    if network.symbols:
        return random.integers(0, network.symbols, (sequences, steps, 1)).astype(np.float64)
    return random.uniform(-amplitude, amplitude, (sequences, steps, network.input_size))


def _recurrent(random: Random, largest: int) -> Item:
    kind = random.choice(RECURRENT)
    two = kind.endswith("projected") or kind in ("factorised", "grouped")
    return (kind, *(random.randint(1, largest) for _ in range(1 + two)))


def _activation(random: Random) -> Item:
    name = random.choice(ACTIVATIONS)
    if name == "hardtanh" and random.random() < 0.5:
        return (name, random.choice([-1.5, -0.25, 0.0]), random.choice([0.125, 0.7, 2.0]))
    return (name,)


def _computed(random: Random, largest: int, recurrent: bool) -> list[Item]:
    """A recurrent layer or a Linear one, and what may stand behind it."""
    layer: Item = _recurrent(random, largest) if recurrent else ("linear", random.randint(1, largest))
    return [layer, *(_activation(random) for _ in range(random.choice([0, 0, 1, 2])))]


def random_description(random: Random, largest: int, most: int = 3) -> Description:
    """A legal description with up to ``most`` layers that multiply, of sizes 1 .. ``largest``."""
    symbols = random.random() < 0.2
    chain: list[Item] = [("embedding", random.randint(2, 9), random.randint(1, largest))] if symbols else []
    groups = [
        _computed(random, largest, (symbols and number == 0) or random.random() < 0.75)
        for number in range(random.randint(1, most))
    ]
    chosen = random.randrange(2 * len(groups))  # behind which group one step is taken, if any
    for number, group in enumerate(groups):
        if number == chosen and group[0][0] != "linear" and random.random() < 0.5:
            chain += [group[0], ("final",), *group[1:]]  # directly behind the recurrent layer
        else:
            chain += [*group, ("last",)] if number == chosen else group
    return (*chain, ("argmax",)) if random.random() < 0.25 else tuple(chain)


def descriptions(largest: int, most: int = 3) -> st.SearchStrategy[Description]:
    """``random_description`` for hypothesis."""
    randoms = st.randoms(use_true_random=False)
    return randoms.map(lambda random: random_description(random, largest, most))
