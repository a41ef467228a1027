"""Shapes of the layers of a quantised network, as the planner takes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import gcd

from rnngen.errors import PlanError
from rnngen.ir.quantised import Block, QuantisedArgmax, QuantisedLayer, QuantisedNetwork
from rnngen.ir.sparse import bank_length
from rnngen.plan.dsp import Dsp, pair_width
from rnngen.plan.layer import BankedShape, LayerShape
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
        return self._with(lambda layer: replace(layer, name=""))

    @property
    def unpaired(self) -> BlockShape:
        """With one product in each multiplier."""
        return self._with(lambda layer: replace(layer, pair_width=0))

    def _with(self, change: Callable[[LayerShape], LayerShape]) -> BlockShape:
        branches = (tuple(tuple(change(layer) for layer in stage) for stage in branch) for branch in self.branches)
        return replace(self, branches=tuple(branches))

    @property
    def layers(self) -> tuple[LayerShape, ...]:
        """All layers, flat."""
        return tuple(layer for branch in self.branches for stage in branch for layer in stage)


def alone(shape: LayerShape, post_units: int = 0) -> BlockShape:
    """A block of one engine."""
    return BlockShape((((shape,),),), post_units=post_units)


def _layer_shape(
    layer: QuantisedLayer, feeds_itself: bool, streams: int, spaced: bool, dsp: Dsp | None
) -> LayerShape:
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
        spaced=spaced and product.hidden_size > 0,
        pair_width=0 if layer.banks else pair_width(product, dsp),
        banked=_banked(layer) if layer.banks else None,
        apart=layer.apart,
    )


def _banked(layer: QuantisedLayer) -> BankedShape:
    """The non-zeros of a layer's rows."""
    sizes = (layer.formats.product.input_size, layer.formats.product.hidden_size)
    parts = [(mask, bank_length(size, layer.banks)) for mask, size in zip((layer.mask_x, layer.mask_h), sizes)]
    kept_x, kept_h = (length if mask is None else mask.kept for mask, length in parts)
    shared = {mask.shared_rows for mask, _ in parts if mask is not None}
    bits = max((length - 1).bit_length() for _, length in parts if length)
    return BankedShape(layer.banks, kept_x, kept_h, gcd(*shared), max(1, bits))


def _block_shape(
    network: QuantisedNetwork, block: Block, streams: int, spaced: bool, dsp: Dsp | None
) -> BlockShape:
    branches = tuple(
        tuple(
            tuple(
                _layer_shape(network.layers[index], len(branch.stages) == 1, streams, spaced, dsp) for index in stage
            )
            for stage in branch.stages
        )
        for branch in block.branches
    )
    functions = [post.formats.kind for post in block.post if not isinstance(post, QuantisedArgmax)]
    maps = [tail_timing(kind, DEFAULT_PIPELINE).output for kind in functions]
    argmax = any(isinstance(post, QuantisedArgmax) for post in block.post)
    return BlockShape(branches, block.stored, block.select, post_cycles(maps, argmax), int(argmax))


def block_shapes(
    network: QuantisedNetwork, streams: int = 1, spaced: bool = False, dsp: Dsp | None = None
) -> tuple[BlockShape, ...]:
    """One shape a block, in network order; ``streams`` interleaved sequences share every engine.

    Args:
        spaced: The h-part of each recurrent layer is computed before x comes.
        dsp: The device's multiplier, which may give two products at once; None: each gives one.

    Raises:
        PlanError: if there cannot be so many streams, or no spaced mode.
    """
    if not 1 <= streams <= MOST_STREAMS:
        raise PlanError(f"Streams must be within 1..{MOST_STREAMS}, not {streams}.")
    if streams > 1 and any(block.stored for block in network.blocks):
        raise PlanError(
            f"Sequences that are stored (backward layers) cannot be interleaved, but {streams} streams are "
            f"asked for: send sequences whole, one behind the other."
        )
    if streams > 1:
        _check_whole(network, streams)
    if spaced:
        _check_spaced(network, streams)
    shapes = tuple(_block_shape(network, block, streams, spaced, dsp) for block in network.blocks)
    for shape in shapes:
        _check_directions(shape)
    return shapes


def _check_directions(block: BlockShape) -> None:
    """Stops where directions, which run in step, do not multiply as many words."""
    one, *others = (stage[0] for branch in block.branches for stage in branch[-1:])
    for other in others:
        if one.banked != other.banked:
            raise PlanError(
                f"Layers '{one.name}' and '{other.name}' run in step and have {_kept(one)} and {_kept(other)}: prune "
                f"both alike, or leave both dense."
            )


def _kept(layer: LayerShape) -> str:
    if layer.banked is None:
        return "no zeros that are left out"
    return f"{layer.banked.kept_x} and {layer.banked.kept_h} non-zeros of x and h in a bank"


def _check_whole(network: QuantisedNetwork, streams: int) -> None:
    """Stops at a layer that takes the sums of x, which one stream alone gives."""
    for layer in network.layers:
        if layer.apart:
            raise PlanError(
                f"Layer '{layer.name}' takes the sums of its x in every step, of one stream, but {streams} streams are "
                f"asked for: leave its x and h together."
            )


def _check_spaced(network: QuantisedNetwork, streams: int) -> None:
    """Stops at what cannot be computed before x comes."""
    if streams > 1:
        raise PlanError(
            f"Spaced mode computes one stream's h-part ahead and there are {streams} streams, which fill the wait for "
            f"each other: take one of the two."
        )
    for block in network.blocks:
        name = network.layers[block.branches[0].last].name
        if block.stored:
            raise PlanError(
                f"Layer '{name}' works on whole stored sequences (a backward layer), whose steps do not come one by "
                f"one, so that it cannot be spaced: leave out spaced mode."
            )
        if len(block.branches[0].stages) > 1:
            raise PlanError(
                f"Layer '{name}' has two stages (projected, factorised or grouped), which start together, so that it "
                f"cannot be spaced: leave out spaced mode, or take a layer of one stage."
            )
    recurrent = [layer for layer in network.layers if layer.formats.product.hidden_size]
    if not recurrent:
        raise PlanError(
            "The network has no recurrent layer, so that nothing can be computed before x comes: leave out spaced mode."
        )
    for layer in recurrent:
        if layer.apart:
            raise PlanError(
                f"Layer '{layer.name}' takes the sums of its x, and nothing of x is multiplied, so that it cannot be "
                f"spaced: leave out spaced mode."
            )
        if layer.symbols:
            raise PlanError(
                f"Layer '{layer.name}' reads a table of {layer.symbols} symbols, and nothing of x is multiplied, so "
                f"that it cannot be spaced: leave out spaced mode."
            )
