"""Random sparse networks: circuit = emulator in every bit, cycle and counter, and the values are a dense circuit's.

Layers, banks, non-zeros a bank and rows that share places are random, and so are the places; degenerate ones are
frequent: one bank, no non-zero, all of them, a bank of one place.  Each example builds a simulator, so a plain run
takes a few; ``make regress`` takes many (RNNGEN_CIRCUITS).
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest

from rnngen.emit.design import read_design, write_design
from rnngen.emulate.network import run_values
from rnngen.flow import simulate
from rnngen.ir.layers import Layer, LinearLayer, ParallelLayer, RecurrentLayer
from rnngen.ir.network import Network
from rnngen.ir.quantised import QuantisedNetwork
from rnngen.ir.sparse import BankedMask, bank_length
from rnngen.passes.quantise import quantise
from rnngen.plan.search import Budget, plan_for_budget
from rnngen.plan.shapes import block_shapes
from rnngen.plan.timing import PIPELINES
from tests.random_networks import make_input, make_network

CIRCUITS = int(os.environ.get("RNNGEN_CIRCUITS", "2"))
FIRST = int(os.environ.get("RNNGEN_FIRST", "0"))
"""Number of the first circuit: each number is a network with its options, the same every time."""

CELLS = ("lstm", "gru", "rnn_tanh", "rnn_relu")
GATES = {"lstm": 4, "gru": 3}


def random_mask(random: Random, shape: tuple[int, int], banks: int, kept: int, shared: int, gates: int) -> BankedMask:
    """So many random places of each bank, in each group of rows."""
    rows, columns = shape
    mask = np.zeros(shape, dtype=np.bool_)
    height = rows // gates
    for first in range(0, rows, height):
        for start in range(first, first + height, shared):
            stop = min(start + shared, first + height)
            for bank in range(banks):
                mask[start:stop, random.sample(range(bank, columns, banks), kept)] = True
    return BankedMask(banks, kept, shared, mask, gates)


def random_kept(random: Random, columns: int, banks: int) -> int | None:
    """Non-zeros of a bank; None: the matrix is dense."""
    most = columns // banks
    return random.choice([0, 1, most, random.randint(0, most)]) if most and random.random() < 0.85 else None


def sparse_layer(
    random: Random, layer: RecurrentLayer | LinearLayer, kept: dict[str, int | None], banks: int, shared: int
) -> tuple[Layer, dict[str, BankedMask]]:
    """A layer that keeps so many weights of its matrices, and their masks by ``LAYER.FIELD``."""
    gates = GATES.get(layer.cell, 1) if isinstance(layer, RecurrentLayer) else 1
    masks = {
        field: random_mask(random, getattr(layer, field).shape, banks, number, shared, gates)
        for field, number in kept.items()
        if number is not None
    }
    changed: dict[str, object] = {field: mask.apply(getattr(layer, field)) for field, mask in masks.items()}
    if isinstance(layer, RecurrentLayer) and masks:
        changed["h_0"] = None
    return replace(layer, **changed), {f"{layer.name}.{field}": mask for field, mask in masks.items()}


def sparse_layers(
    random: Random, layer: Layer, banks: int, shared: int
) -> tuple[Layer, dict[str, BankedMask]]:
    """A layer or both directions of one, which keep as many weights."""
    branches = layer.branches if isinstance(layer, ParallelLayer) else (layer,)
    fields = ("weight",) if isinstance(layer, LinearLayer) else ("weight_ih", "weight_hh")
    kept = {field: random_kept(random, getattr(branches[0], field).shape[1], banks) for field in fields}
    made = [sparse_layer(random, branch, kept, banks, shared) for branch in branches]
    masks = {name: mask for _, found in made for name, mask in found.items()}
    parts = tuple(part for part, _ in made)
    return (replace(layer, branches=parts) if isinstance(layer, ParallelLayer) else parts[0]), masks


def random_sparse(random: Random, number: int) -> tuple[Network, dict[str, BankedMask], int]:
    banks, shared = random.choice([1, 2, 3, 4, 6, 8]), random.choice([1, 1, 2, 3, 4])
    items: list[tuple[object, ...]] = []
    for _ in range(random.randint(1, 2)):
        direction = random.choice(["", "", "reversed ", "bidirectional "])
        items.append((f"{direction}{random.choice(CELLS)}", random.randint(banks, 20)))
    if random.random() < 0.5:
        items.append(("linear", random.randint(1, 9)))
    network = make_network(number, random.randint(banks, 16), tuple(items), random.choice([0.5, 2.0]))
    layers, masks = [], {}
    for layer in network.layers:
        sparse, found = sparse_layers(random, layer, banks, shared)
        layers.append(sparse)
        masks |= found
    return replace(network, layers=tuple(layers)), masks, banks


def masked(quantised: QuantisedNetwork, masks: dict[str, BankedMask]) -> QuantisedNetwork:
    layers = []
    for layer in quantised.layers:
        x, h = (masks.get(f"{layer.name}.{field}") for field in ("weight_ih", "weight_hh"))
        layers.append(replace(layer, mask_x=x or masks.get(f"{layer.name}.weight"), mask_h=h))
    return replace(quantised, layers=tuple(layers))


@pytest.mark.verilator
@pytest.mark.parametrize("number", range(FIRST, FIRST + CIRCUITS))
def test_circuit_equals_emulator(number: int, tmp_path: Path) -> None:
    random = Random(1000 + number)
    network, masks, _ = random_sparse(random, number)
    dense = quantise(network, random.randint(2, 18), random.randint(4, 18), None)
    quantised = masked(dense, masks)
    steps = random.randint(1, 6)
    shapes = block_shapes(quantised)
    least = sum(layer.gates * (layer.banked.banks if layer.banked else 1) for shape in shapes for layer in shape.layers)
    pipeline = PIPELINES[random.choice(["balanced", "deep", "short", "shortest"])]
    plan = plan_for_budget(shapes, Budget(least + random.randint(0, 200)), pipeline, capacity=steps)
    write_design(tmp_path / "d", network, quantised, plan, top="net", clock_hz=10**8, board=None)
    design = read_design(tmp_path / "d")
    assert design.plan == plan
    assert [layer.mask_x is None for layer in design.quantised.layers] == [
        layer.mask_x is None for layer in quantised.layers
    ]
    x = make_input(network, number, random.randint(1, 4), steps)
    result = simulate(design, x)
    assert result.comparison.cycle_exact, result.comparison.sentence
    assert np.array_equal(result.output, dense.output_format.to_float(run_values(dense, x).output))
    assert simulate(design, x, stall=0.4).comparison.bit_exact
    # What the plan counts as useful work are the non-zeros alone.
    for layer, engine in zip(quantised.layers, plan.engines):
        kept = [mask for mask in (layer.mask_x, layer.mask_h) if mask is not None]
        if len(kept) == 1 + (layer.weight_h is not None):
            assert engine.shape.macs == sum(mask.nonzeros for mask in kept)


def test_masks_are_drawn_as_asked() -> None:
    """The drawing itself: banks of every length hold their number, and rows of a group are alike."""
    mask = random_mask(Random(0), (6, 7), 3, 2, 2, 1)
    assert bank_length(7, 3) == 3
    assert all(len({tuple(row) for row in mask.mask[start : start + 2]}) == 1 for start in (0, 2, 4))
