"""Shapes of the layers of a quantised network, as the planner takes them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rnngen.errors import PlanError
from rnngen.ir.quantised import Block, QuantisedArgmax, QuantisedLayer, QuantisedNetwork
from rnngen.plan.engine import LayerShape
from rnngen.plan.schedule import post_cycles
from rnngen.plan.timing import DEFAULT_PIPELINE, tail_timing

MOST_STREAMS = 1 << 16
"""Streams that TID can name."""


@dataclass(frozen=True)
class BlockShape:
    """What a plan needs to know of a block.

    Attributes:
        branches: Stages of layers of each branch.
        stored: Whether it works on whole stored sequences.
        select, post_cycles, post_units: As in ``BlockPlan``.
    """

    branches: tuple[tuple[tuple[LayerShape, ...], ...], ...]
    stored: bool = False
    select: str = "every"
    post_cycles: int = 0
    post_units: int = 0

    @property
    def unnamed(self) -> BlockShape:
        """Equal for blocks that differ in names only."""
        return replace(
            self,
            branches=tuple(
                tuple(tuple(replace(layer, name="") for layer in stage) for stage in branch) for branch in self.branches
            ),
        )

    @property
    def layers(self) -> tuple[LayerShape, ...]:
        """All layers, flat."""
        return tuple(layer for branch in self.branches for stage in branch for layer in stage)


def alone(shape: LayerShape, post_units: int = 0) -> BlockShape:
    """A block of one engine."""
    return BlockShape((((shape,),),), post_units=post_units)


def _layer_shape(layer: QuantisedLayer, feeds_itself: bool, streams: int) -> LayerShape:
    product = layer.formats.product
    return LayerShape(
        name=layer.name,
        kind=layer.kind,
        gates=len(layer.gates),
        inputs=product.input_size,
        units=layer.output_size,
        hidden=product.hidden_size,
        symbols=layer.symbols,
        alone=feeds_itself,
        x_offset=layer.x_offset,
        h_offset=layer.h_offset,
        streams=streams,
    )


def _block_shape(network: QuantisedNetwork, block: Block, streams: int) -> BlockShape:
    branches = tuple(
        tuple(
            tuple(_layer_shape(network.layers[index], len(branch.stages) == 1, streams) for index in stage)
            for stage in branch.stages
        )
        for branch in block.branches
    )
    functions = [post.formats.kind for post in block.post if not isinstance(post, QuantisedArgmax)]
    maps = [tail_timing(kind, DEFAULT_PIPELINE).output for kind in functions]
    argmax = any(isinstance(post, QuantisedArgmax) for post in block.post)
    return BlockShape(branches, block.stored, block.select, post_cycles(maps, argmax), int(argmax))


def block_shapes(network: QuantisedNetwork, streams: int = 1) -> tuple[BlockShape, ...]:
    """One shape a block, in network order; ``streams`` interleaved sequences share every engine.

    Raises:
        PlanError: if there cannot be so many streams.
    """
    if not 1 <= streams <= MOST_STREAMS:
        raise PlanError(f"Streams must be within 1..{MOST_STREAMS}, not {streams}.")
    if streams > 1 and any(block.stored for block in network.blocks):
        raise PlanError(
            f"Sequences that are stored (backward layers) cannot be interleaved, but {streams} streams are "
            f"asked for: send sequences whole, one behind the other."
        )
    return tuple(_block_shape(network, block, streams) for block in network.blocks)
