"""Cuts inside a layer, as data: what each device computes of it, and what crosses the links in every step.

* ``rows``: each device has as many of the units, all of x and all of h; h is exchanged in every step.
* ``x/h``: one device multiplies x, the other one h; partial sums cross the link.
* ``outputs`` (LOP): each device has as many of a Linear layer's outputs and all of its inputs.
* ``inputs`` (LIP): each device has as many of its inputs, and the first one adds the partial sums of all.
* ``groups``: each device has a group of a G-LSTM and the rows of the projection that give the group's own slice of h;
  only what the projection mixes is exchanged.

``GENERATED`` says which can be generated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from rnngen.ir.quantised import Block, QuantisedLayer, QuantisedNetwork
from rnngen.passes.slices import sums_format
from rnngen.plan.layer import LayerShape
from rnngen.plan.partition.exchange import Exchange
from rnngen.plan.shapes import BlockShape, block_shapes

CUTS = ("rows", "x/h", "outputs", "inputs", "groups")
X_AND_H = "x/h"
CORES = "cores"
"""No cut inside a layer: a device computes layers that are no neighbours, with a core for each run of them."""
INPUTS = "inputs"
SHARED: frozenset[str] = frozenset({"rows", "outputs", INPUTS, "groups"})
"""Kinds of cuts in which devices share a layer (``partition.groups``); but for a Linear layer one of each kind."""
GENERATED: frozenset[str] = SHARED | {X_AND_H}
"""Kinds of cuts for which there is hardware."""


@dataclass(frozen=True)
class Share:
    """What one device computes of a layer.

    Attributes:
        stages: Its engines, stage by stage.
        units: Rows of the layer's output that it gives; empty: partial sums.
        inputs: Words of x that it multiplies.
    """

    stages: tuple[LayerShape, ...]
    units: range
    inputs: range


@dataclass(frozen=True)
class Cut:
    """A layer over several devices.

    Attributes:
        kind: Of ``CUTS``.  block: Its index in the network.
        shares: By device; alike but for "x/h".
        exchange: What crosses the links in a step.
    """

    kind: str
    block: int
    shares: tuple[Share, ...]
    exchange: Exchange

    @property
    def devices(self) -> int:
        """How many devices it takes."""
        return len(self.shares)

    @property
    def is_generated(self) -> bool:
        """Whether there is hardware for it."""
        return self.kind in GENERATED


def block_cuts(network: QuantisedNetwork, block: int, devices: int, shape: BlockShape | None = None) -> list[Cut]:
    """The ways to cut a block into equal parts for so many devices; empty where there are none.

    Args:
        shape: Of the block, if another one than that of one product a multiplier.
    """
    own = network.blocks[block]
    shape = shape or block_shapes(network)[block]
    whole = not (shape.stored or any(layer.banked or layer.apart for layer in shape.layers))
    if devices < 2 or own.select != "every" or not whole:
        return []
    return list(_cuts(network, own, shape, block, devices))


def _cuts(
    network: QuantisedNetwork, own: Block, shape: BlockShape, block: int, devices: int
) -> Iterator[Cut]:
    stages = shape.branches[0]
    layers = [network.layers[index] for index in own.branches[0].indices]
    if len(stages[0]) > 1:
        if len(stages[0]) == devices and stages[1][0].units % devices == 0:
            yield _groups(stages, layers, block)
        return
    if len(stages) > 1:
        return  # projected and factorised layers: whole ones only
    layer, (one,) = stages[0][0], layers
    if not layer.hidden:
        yield from _linear(layer, one, block, devices)
        return
    if layer.units % devices == 0:
        yield _rows(layer, one, block, devices)
    if devices == 2 and layer.inputs:
        yield _x_and_h(layer, one, block)


def _rows(layer: LayerShape, one: QuantisedLayer, block: int, devices: int) -> Cut:
    each = layer.units // devices
    shape = replace(layer, units=each, shares=devices)
    shares = tuple(Share((shape,), units, range(layer.inputs)) for units in _ranges(layer.units, devices))
    return Cut("rows", block, shares, Exchange("all", each, one.formats.product.h.width, "h"))


def _x_and_h(layer: LayerShape, one: QuantisedLayer, block: int) -> Cut:
    """The device of x gives the sums of each gate; a GRU keeps them apart from those of h anyhow."""
    sums = layer.gates * layer.units
    x = LayerShape(f"{layer.name}.x", "linear", 1, layer.inputs, sums, 0)
    h = replace(layer, inputs=0)
    shares = (Share((x,), range(0), range(layer.inputs)), Share((h,), range(layer.units), range(0)))
    return Cut("x/h", block, shares, Exchange("reduce", sums, one.formats.product.accumulator_width, "partial sums"))


def _linear(layer: LayerShape, one: QuantisedLayer, block: int, devices: int) -> Iterator[Cut]:
    if layer.units % devices == 0:
        each = layer.units // devices
        shape = replace(layer, units=each)
        shares = tuple(Share((shape,), units, range(layer.inputs)) for units in _ranges(layer.units, devices))
        yield Cut("outputs", block, shares, Exchange("gather", each, one.output_format.width, "outputs"))
    if layer.inputs % devices == 0 and not layer.symbols:
        shape = replace(layer, kind="linear", inputs=layer.inputs // devices)  # the function is of the total
        every = range(layer.units)
        shares = tuple(
            Share((shape,), every if number == 0 else range(0), inputs)
            for number, inputs in enumerate(_ranges(layer.inputs, devices))
        )
        bits = sums_format(one).width
        yield Cut(INPUTS, block, shares, Exchange("reduce", layer.units, bits, "partial sums"))


def _groups(stages: tuple[tuple[LayerShape, ...], ...], layers: list[QuantisedLayer], block: int) -> Cut:
    groups, (projection,) = stages
    devices, units = len(groups), projection.units
    shares = []
    for number, (group, rows) in enumerate(zip(groups, _ranges(units, devices))):
        gates = replace(group, x_offset=number * group.inputs, h_offset=0)
        mixed = replace(projection, inputs=group.units, hidden=(devices - 1) * group.units, shares=devices, alone=False)
        own = replace(mixed, units=len(rows), name=f"{projection.name}.{number}")
        inputs = range(number * group.inputs, (number + 1) * group.inputs)
        shares.append(Share((gates, own), rows, inputs))
    bits = layers[0].output_format.width
    return Cut("groups", block, tuple(shares), Exchange("all", groups[0].units, bits, "group outputs"))


def _ranges(count: int, parts: int) -> list[range]:
    each = count // parts
    return [range(number * each, (number + 1) * each) for number in range(parts)]


def needs_exchange(first: Cut, second: Cut) -> bool:
    """Whether anything crosses links between two layers on the same devices, each of which the next one follows.

    A device with outputs of a Linear layer has the inputs that it needs of one that is cut by inputs.
    """
    alike = first.devices == second.devices and [s.units for s in first.shares] == [s.inputs for s in second.shares]
    return not (first.kind == "outputs" and second.kind == "inputs" and alike)
