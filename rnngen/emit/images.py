"""Memory images: integer parameters in the order in which the circuit reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from rnngen.arith.activation import TanhTable
from rnngen.arith.format import IntArray
from rnngen.ir.quantised import LinearFormats, QuantisedLayer
from rnngen.ir.sparse import stored
from rnngen.plan.branch import BranchPlan
from rnngen.plan.elements import unit_order
from rnngen.plan.engine import EnginePlan
from rnngen.plan.memory import kept_slots, state_width
from rnngen.plan.network import NetworkPlan

BitArray = npt.NDArray[np.uint8]


def hex_lines(words: IntArray, width: int) -> str:
    """Memory words as a ``$readmemh`` file, one a line.

    Args:
        words: (depth, fields) integers; field 0 goes to the low bits.
        width: Bits of a field, two's complement.
    """
    return _hex(_bits(words, width))


def two_images(text: str) -> str:
    """The file of a memory that holds two images, equal at first: their words take turns."""
    return "".join(2 * line for line in text.splitlines(keepends=True))


def _hex(bits: BitArray) -> str:
    """Bits of memory words, the lowest first, as a ``$readmemh`` file."""
    depth = len(bits)
    padding = -bits.shape[1] % 4
    if padding:
        bits = np.concatenate([bits, np.zeros((depth, padding), dtype=np.uint8)], axis=1)
    digits = (bits.reshape(depth, -1, 4) * np.array([1, 2, 4, 8], dtype=np.uint8)).sum(axis=2, dtype=np.uint8)
    text = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)[digits[:, ::-1]]
    newline = np.full((depth, 1), ord("\n"), dtype=np.uint8)
    return np.concatenate([text, newline], axis=1).tobytes().decode("ascii")


def _bits(words: IntArray, width: int) -> BitArray:
    """Memory words (depth, fields) as bits, the lowest first: (depth, fields * width)."""
    depth, fields = words.shape
    return ((words[:, :, None] >> np.arange(width)) & 1).astype(np.uint8).reshape(depth, fields * width)


def _pad(array: IntArray, shape: tuple[int, ...]) -> IntArray:
    """The array with zeros behind it on every axis, up to ``shape``."""
    return np.pad(array, [(0, size - have) for have, size in zip(array.shape, shape)])


def weight_words(layer: QuantisedLayer, plan: EnginePlan) -> IntArray:
    """Weights in schedule order: (tiles * turns * sweep, rows * gates at once * columns).

    Pass by pass, tile by tile, turn by turn, column word by column word (x columns first, then h columns, and spaced
    the other way round; in a single pass of one turn word tile * sweep + k is column word k of the tile); in a word the
    column runs fastest, then the gate, then the row.  Where x and h are multiplied side by side, a word's columns are
    those of its x, then those of its h.
    """
    return _in_order(_stored(layer, plan)[0], plan)


def index_words(layer: QuantisedLayer, plan: EnginePlan) -> IntArray:
    """Places of non-zeros in their banks, word by word as ``weight_words``: those of rows that share them once.

    Where tiles share them, words of their first tile only.  In a word the gate runs fastest, then the row, then the
    bank.
    """
    shared = plan.shape.banked.shared_rows if plan.shape.banked else 1
    words = _in_order(_stored(layer, plan)[1], plan, shared, plan.tiles_a_set)
    return words.reshape(len(words), -1, plan.columns).transpose(0, 2, 1).reshape(len(words), -1)


def _stored(layer: QuantisedLayer, plan: EnginePlan) -> tuple[list[IntArray], list[IntArray]]:
    """Weights of x and of h, (rows, columns of whole words), and of banked rows the non-zeros and their places."""
    matrices = [(layer.weight_x, layer.mask_x)]
    if layer.weight_h is not None:
        matrices.append((layer.weight_h, layer.mask_h))
    if plan.shape.banked is None:
        return [weights for weights, _ in matrices], []
    pairs = [stored(weights, mask, layer.banks) for weights, mask in matrices]
    values, places = ([part.reshape(len(part), -1) for part in parts] for parts in zip(*pairs))
    return values, places


def _in_order(matrices: list[IntArray], plan: EnginePlan, row_step: int = 1, tile_step: int = 1) -> IntArray:
    """Elements of x and of h, (gates * units, columns), as memory words.

    Of ``row_step`` rows of a tile, and of ``tile_step`` tiles, the first.
    """
    gates, units, at_once = plan.shape.gates, plan.shape.units, plan.gates_at_once
    side_by_side = plan.x_lanes > 0
    sizes = [(plan.x_words, plan.x_columns), (plan.h_words, plan.h_columns)]
    blocks = []
    for matrix, (own_words, columns) in zip(matrices, sizes):
        words = plan.sweep if side_by_side else own_words
        cube = _pad(matrix.reshape(gates, units, -1), (gates, plan.tiles * plan.rows, words * columns))
        cube = cube.reshape(plan.turns, at_once, plan.tiles, plan.rows, words, columns)
        cube = cube[:, :, ::tile_step, ::row_step]
        tiles, rows = cube.shape[2:4]
        cube = cube.transpose(2, 0, 4, 3, 1, 5)  # tile, turn, word, row, gate, column
        blocks.append(cube.reshape(tiles * plan.turns, words, rows, at_once, columns))
    passes = plan.passes
    if plan.shape.spaced:
        blocks, passes = blocks[::-1], (plan.h_words, plan.x_words)
    sweeps = np.concatenate(blocks, axis=4 if side_by_side else 1)
    ends = np.cumsum(np.array(passes[:-1], dtype=np.int64))
    parts_of_passes = np.split(sweeps, ends, axis=1)
    each = rows * at_once * plan.columns
    return np.concatenate([part.reshape(-1, each) for part in parts_of_passes])


def _weight_bits(layer: QuantisedLayer, plan: EnginePlan) -> BitArray:
    """Weight memory words as bits: weights, and behind them the places of non-zeros, unless those are apart."""
    bits = _bits(weight_words(layer, plan), layer.formats.product.weight_width)
    if plan.shape.banked is None or plan.places_apart:
        return bits
    return np.concatenate([bits, _bits(index_words(layer, plan), plan.shape.banked.index_bits)], axis=1)


def as_handed_over(layer: QuantisedLayer, branch: BranchPlan) -> QuantisedLayer:
    """The second stage with its columns in the order in which several engines side by side write them.

    A write holds E units of each of them; lanes without a unit get columns of zeros.
    """
    count, writer = len(branch.stages[0]), branch.first
    if count == 1:
        return layer
    order = unit_order(writer)  # (groups, elements), -1 where a lane is empty
    each = np.where(order[:, None] >= 0, order[:, None] + np.arange(count)[:, None] * writer.shape.units, -1)
    columns = each.reshape(-1)
    weight = np.where(columns >= 0, layer.weight_x[:, columns], 0)
    return replace(layer, weight_x=weight)


def bias_words(layer: QuantisedLayer, plan: EnginePlan) -> IntArray:
    """Biases with their rounding constants, group by group: (groups of a step, elements * bias slots).

    Where x is a symbol, one symbol's groups behind the other's.  Lanes without a unit hold 0.  Slots whose biases come
    with the sums of x are left out.
    """
    kept, units = kept_slots(layer), plan.shape.units
    slots = len(kept)
    chosen = [layer.formats.bias_slots.index(slot) for slot in kept]
    rows = []
    for bias in layer.rounded_bias():
        by_unit = bias.reshape(-1, units)[chosen].T
        for tile in range(plan.tiles):
            part = by_unit[tile * plan.rows : (tile + 1) * plan.rows]
            groups = -(-len(part) // plan.elements)
            rows.append(_pad(part, (groups * plan.elements, slots)).reshape(groups, plan.elements * slots))
    return np.concatenate(rows)


def table_image(table: TanhTable, signed: bool = False) -> str:
    """An activation table as a ``$readmemh`` file; ``signed``: with its negative half."""
    digits = -(-(table.base_width + signed + table.slope_width) // 4)
    return "".join(f"{word:0{digits}x}\n" for word in (table.signed_words if signed else table.words))


def h_words(h: IntArray, plan: EnginePlan) -> IntArray:
    """A whole h (words,) as memory words: (column words, columns)."""
    depth = -(-len(h) // plan.h_columns)
    return _pad(h, (depth * plan.h_columns,)).reshape(depth, plan.h_columns)


def state_words(state: IntArray, plan: EnginePlan) -> IntArray:
    """What the units remember (units,) as memory words: (groups of a step, elements); lanes without a unit hold 0."""
    order = unit_order(plan)
    return np.where(order >= 0, state[np.maximum(order, 0)], 0)


def external_image(layers: Sequence[QuantisedLayer], plan: NetworkPlan) -> bytes:
    """The weights of all engines as they lie in external memory (``rnngen.plan.external``)."""
    parts: list[bytes] = []
    length = 0
    for layer, engine, stream in zip(layers, plan.engines, plan.weights, strict=True):
        words = _weight_bits(layer, engine)
        # Words to entries: several in a beat, or one in several beats; what is left over is 0.
        entries = -(-stream.words // stream.words_per_beat)
        words = np.pad(words, ((0, entries * stream.words_per_beat - len(words)), (0, 0))).reshape(entries, -1)
        spare = stream.beats_per_word * stream.data_bits - words.shape[1]
        content = np.packbits(np.pad(words, ((0, 0), (0, spare))), axis=1, bitorder="little").tobytes()
        parts += [bytes(stream.offset - length), content]
        length = stream.offset + len(content)
    return b"".join(parts)


def memory_images(
    layer: QuantisedLayer, plan: EnginePlan, h_size: int, state_access: bool, external: bool = False
) -> dict[str, str]:
    """Texts of an engine's images by what they hold.

    ``weights`` (unless they are ``external``), ``bias`` and, where it has them, ``places``, ``table``, ``h_0`` and
    ``state_0``; with ``state_access`` the last two are there even if they are zeros.
    """
    product, formats = layer.formats.product, layer.formats
    images = {} if external else {"weights": _hex(_weight_bits(layer, plan))}
    if plan.shape.banked and plan.places_apart:
        images["places"] = hex_lines(index_words(layer, plan), plan.shape.banked.index_bits)
    if kept_slots(layer):
        images["bias"] = hex_lines(bias_words(layer, plan), product.bias.width)
    if not isinstance(formats, LinearFormats) or formats.preactivation is not None:
        images["table"] = table_image(formats.table, plan.pipeline.signed_table)
    if plan.shape.hidden and (state_access or layer.h_0 is not None):
        h_0 = np.zeros(h_size, dtype=np.int64) if layer.h_0 is None else layer.h_0
        images["h_0"] = hex_lines(h_words(h_0, plan), product.h.width)
    width = state_width(layer)
    if width and (state_access or layer.state_0 is not None):
        state_0 = np.zeros(plan.shape.units, dtype=np.int64) if layer.state_0 is None else layer.state_0
        images["state_0"] = hex_lines(state_words(state_0, plan), width)
    return images
