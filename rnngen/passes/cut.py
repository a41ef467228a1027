"""Cuts a quantised network into parts that follow each other, one a device, and joins them again.

The network is quantised once and whole, so a part's input format is the output format of the part before, and the
parts one behind the other compute the whole in every bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from rnngen.errors import ModelError
from rnngen.ir.layers import Layer
from rnngen.ir.network import Network
from rnngen.ir.quantised import Block, Branch, QuantisedLayer, QuantisedNetwork
from rnngen.passes.slices import sliced, unsliced


@dataclass(frozen=True, eq=False)
class Part:
    """Neighbouring blocks of a network as a network of their own: its float layers and their integers."""

    network: Network
    quantised: QuantisedNetwork


def part_of(network: QuantisedNetwork, blocks: range, name: str | None = None) -> QuantisedNetwork:
    """Neighbouring blocks as a network; its layers and the blocks' sources are counted from its own first one."""
    chosen = [network.blocks[index] for index in blocks]
    first = min(_indices(chosen[0]))
    layers = tuple(network.layers[index] for block in chosen for index in _indices(block))
    before = network.blocks[blocks.start - 1].source + 1 if blocks.start else 0
    return QuantisedNetwork(
        name or network.name,
        layers,
        tuple(_moved(block, first, before) for block in chosen),
        network.weight_bits,
        network.activation_bits,
    )


def cut(network: Network, quantised: QuantisedNetwork, ranges: Sequence[range], names: Sequence[str]) -> list[Part]:
    """The parts of a network, one for each range of blocks.

    Args:
        ranges: Of the blocks; together all of them, in order.  names: Of the parts.

    Raises:
        ModelError: if ranges leave a block out, take one twice, or are empty.
    """
    check_ranges(ranges, len(quantised.blocks))
    for here, following in pairwise(ranges):
        block, reader = quantised.blocks[here[-1]], part_of(quantised, following)
        assert quantised.block_format(block) == reader.input_format, "a block reads what the one before gives"
    return [
        Part(float_part(network, quantised, blocks, name), part_of(quantised, blocks, name))
        for blocks, name in zip(ranges, names, strict=True)
    ]


def shares_of(part: Part, names: Sequence[str], order: Sequence[int], by_inputs: bool = False) -> list[Part]:
    """The parts of devices, under their names, that share a part of one layer; of one device the part.

    The float layer stays whole.

    Args:
        order: In which each of them multiplies what they give (``slices``).
        by_inputs: Each of them multiplies some of its inputs, and the first one adds what all give.
    """
    if len(names) == 1:
        return [part]
    return [
        Part(replace(part.network, name=name), replace(sliced(part.quantised, number, order, by_inputs), name=name))
        for number, name in enumerate(names)
    ]


def of_shares(parts: Sequence[Part], order: Sequence[int]) -> Part:
    """The part that devices share: the inverse of ``shares_of``."""
    if len(parts) == 1:
        return parts[0]
    return Part(parts[0].network, unsliced([part.quantised for part in parts], order))


def join(parts: Sequence[Part], name: str) -> Part:
    """The network that parts were cut from, under a name."""
    first, last = parts[0].network, parts[-1].network
    layers: list[QuantisedLayer] = []
    blocks: list[Block] = []
    floats: list[Layer] = []
    for part, following in zip(parts, (*parts[1:], None)):
        blocks += (_moved(block, -len(layers), -len(floats)) for block in part.quantised.blocks)
        layers += part.quantised.layers
        # Where the next part begins with half a layer, that has the float one.
        floats += part.network.layers[: -1 if following and following.quantised.layers[0].apart else None]
    return Part(
        replace(first, name=name, layers=tuple(floats), host_after=last.host_after),
        replace(parts[0].quantised, name=name, layers=tuple(layers), blocks=tuple(blocks)),
    )


def check_ranges(ranges: Sequence[range], count: int) -> None:
    """Raises ModelError unless ranges are all blocks in order."""
    flat = [index for blocks in ranges for index in blocks]
    if flat != list(range(count)) or not all(ranges):
        raise ModelError(
            f"Parts must take the blocks 0..{count - 1} in order, each part at least one and each block once, not "
            f"{', '.join(f'{blocks.start}..{blocks.stop - 1}' for blocks in ranges) or 'none'}."
        )


def _indices(block: Block) -> tuple[int, ...]:
    """All layers of a block, in order."""
    return tuple(sorted(index for branch in block.branches for index in branch.indices))


def _moved(block: Block, layers: int, source: int) -> Block:
    """With indices counted from another layer on."""
    branches = (Branch(tuple(_less(stage, layers) for stage in branch.stages), branch.reverse)
                for branch in block.branches)  # fmt: skip
    return replace(block, branches=tuple(branches), source=block.source - source)


def _less(indices: Iterable[int], first: int) -> tuple[int, ...]:
    return tuple(index - first for index in indices)


def float_part(
    network: Network, quantised: QuantisedNetwork, blocks: range, name: str, behind: tuple[Layer, ...] = ()
) -> Network:
    """The float layers of a part; what the host does is done before the first and behind the last one.

    Args:
        behind: Layers that follow them.
    """
    first = quantised.blocks[blocks.start - 1].source + 1 if blocks.start else 0
    layers = network.layers[first : quantised.blocks[blocks[-1]].source + 1]
    whole = len(quantised.blocks)
    return replace(
        network,
        name=name,
        layers=layers + behind,
        host_before=network.host_before if blocks.start == 0 else (),
        host_after=network.host_after if blocks.stop == whole else (),
    )
