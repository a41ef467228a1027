"""The lanes of an engine, and what they make of a step: tiles, sweeps, words and groups; all of it counted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from rnngen.plan.layer import Cycle, LayerShape, at_most, ceil_div
from rnngen.plan.timing import DEFAULT_PIPELINE, INDEX_CYCLES, Pipeline


@dataclass(frozen=True)
class EngineLanes:
    """What an engine has of multipliers and buffers, and in how many words it sweeps its layer.

    Attributes:
        shape: The layer.
        rows, columns: R and C.
        elements: E, units that the element-wise path takes a cycle.
        pipeline: Depth of the multiplier array.
        input_slots: Steps that the engine's input buffer holds.
        x_lanes: Columns that multiply words of x while the others multiply words of h (operation-level, Kwon et al. DAC
            2020); 0: all of them multiply x, then h.
        passes: Words of a sweep in each pass, alike from the third one on; none: all words in one pass.
        turns: Sweeps of a tile, each of as many of its gates, in their order.
        shared: Columns of the array that the engine shares with others, one gate at once; 0: it has one of its own.
    """

    shape: LayerShape
    rows: int
    columns: int
    elements: int
    pipeline: Pipeline = DEFAULT_PIPELINE
    input_slots: int = 2
    passes: tuple[int, ...] = ()
    x_lanes: int = 0
    turns: int = 1
    shared: int = 0

    @cached_property
    def x_columns(self) -> int:
        """Words of x that are read at a time."""
        return self.x_lanes or self.columns

    @cached_property
    def h_columns(self) -> int:
        """Words of h that are read at a time."""
        return self.columns - self.x_lanes

    @property
    def port_columns(self) -> int:
        """Words of the input that are read at a time, and so may be written at one: of x, or the sums of a group."""
        if self.shape.apart:
            return self.shape.gates * self.elements
        return 1 if self.shape.symbols else self.x_columns

    @cached_property
    def is_unrolled(self) -> bool:
        """Whether all of a step is one word: nothing is accumulated, and h goes straight back to the multipliers."""
        shape = self.shape
        whole = self.sweeps == 1 and self.sweep == 1 and self.elements == shape.units
        whole = whole and bool(self.x_lanes or not shape.hidden) and not shape.banked
        read_in_order = not (shape.symbols or shape.x_offset or shape.h_offset)
        one = shape.kind != "gru" and shape.alone and shape.streams == 1 and not self.shared
        return whole and one and read_in_order

    @property
    def forwards(self) -> bool:
        """Whether h is kept where its way ends and multiplied from there: it is never read from a memory."""
        return self.is_unrolled and self.shape.hidden > 0

    @cached_property
    def multipliers(self) -> int:
        """M: products a cycle."""
        return self.gates_at_once * self.rows * self.columns

    @cached_property
    def gates_at_once(self) -> int:
        """Gates whose rows are multiplied at the same time."""
        return self.shape.gates // self.turns

    @cached_property
    def halved(self) -> bool:
        """Whether the sweep of the last gate alone gives two sums: of x and of h (a GRU keeps both of gate n apart)."""
        return self.shape.halves(self.turns)

    @cached_property
    def partial_turns(self) -> int:
        """Sums that a row lane gives for a tile, one after the other: those of each turn, two of one that is halved."""
        return self.turns + self.halved

    @cached_property
    def fewest_elements(self) -> int:
        """E with which a tile's groups leave the array before the next sums come, whatever the distance of sweeps."""
        shortest = min(self.passes) if self.passes else self.h_words if self.halved else self.rows
        return ceil_div(self.rows, shortest)

    @cached_property
    def array_dsps(self) -> int:
        """DSP blocks of the multiplier array: as many as multipliers, or half where each gives two products."""
        return self.shape.array_dsps(self.gates_at_once * self.rows, self.columns)

    @cached_property
    def array_columns(self) -> int:
        """Columns of the array, whose sums an adder tree forms."""
        return self.shared or self.columns

    @cached_property
    def tiles(self) -> int:
        """Tiles of R units in a step; the last one may be partly empty."""
        return ceil_div(self.shape.units, self.rows)

    @cached_property
    def sweeps(self) -> int:
        """Sweeps of a pass: of every tile in every turn."""
        return self.tiles * self.turns

    @cached_property
    def x_words(self) -> int:
        """Column words of the x-part of a sweep."""
        return self.shape.x_words(self.x_columns)

    @cached_property
    def h_words(self) -> int:
        """Column words of the h-part of a sweep."""
        return self.shape.h_words(self.h_columns)

    @cached_property
    def h_first(self) -> int:
        """Place of the first word of h in a sweep."""
        return 0 if self.x_lanes or self.shape.spaced else self.x_words

    @cached_property
    def sweep(self) -> int:
        """Column words of a tile."""
        return max(self.x_words, self.h_words) if self.x_lanes else self.x_words + self.h_words

    @property
    def words(self) -> int:
        """Weight memory words: one for every issue of a step."""
        return self.sweeps * self.sweep

    @cached_property
    def keeps_sums(self) -> bool:
        """Whether sums are kept between passes."""
        return self.shape.spaced or bool(self.passes)

    @cached_property
    def groups(self) -> int:
        """Groups of E units in a full tile."""
        return ceil_div(self.rows, self.elements)

    @cached_property
    def last_groups(self) -> int:
        """Groups of E units in the last tile."""
        return ceil_div(self.shape.units - (self.tiles - 1) * self.rows, self.elements)

    @cached_property
    def group_count(self) -> int:
        """Groups of E units in a step: words of the bias and state memories."""
        return (self.tiles - 1) * self.groups + self.last_groups

    @property
    def index_cycles(self) -> int:
        """Issue to the read of x and h: the places of non-zeros are read before."""
        return INDEX_CYCLES if self.shape.banked else 0

    @cached_property
    def index_sets(self) -> int:
        """Sets of places in a weight word: rows that share one read the same words of x and h."""
        banked = self.shape.banked
        return ceil_div(self.rows, banked.shared_rows) * self.gates_at_once if banked else 0

    @cached_property
    def index_width(self) -> int:
        """Bits of the places of a weight word."""
        return self.index_sets * self.columns * self.shape.banked.index_bits if self.shape.banked else 0

    @cached_property
    def tiles_a_set(self) -> int:
        """Tiles, one behind the other, whose rows have the same places: more than one where R < N."""
        return ceil_div(self.shape.banked.shared_rows, self.rows) if self.shape.banked else 1

    @property
    def places_apart(self) -> bool:
        """Whether places have a memory of their own, which each tile of a set reads; else they are in weight words."""
        return self.tiles_a_set > 1

    @property
    def index_words(self) -> int:
        """Memory words with places."""
        return ceil_div(self.tiles, self.tiles_a_set) * self.turns * self.sweep if self.shape.banked else 0

    @property
    def h_places(self) -> tuple[int, int]:
        """Words of the engine's own h in a sweep: from the first to before the second place."""
        return self.h_first, self.h_first + self.own_h_words

    @property
    def own_h_words(self) -> int:
        """Words of h that the engine gives; the others come from other devices."""
        return self.h_words - self.shape.others * self.device_h_words

    @property
    def device_h(self) -> int:
        """Elements of h that each device gives; of a layer on one device all."""
        shape = self.shape
        return shape.hidden // max(1, shape.shares if shape.gives_h else shape.others)

    @property
    def device_h_words(self) -> int:
        """Words of h that each other device gives."""
        return self.device_h // self.h_columns if self.shape.others else 0

    @property
    def others_h(self) -> range:
        """Places in a sweep of words that come from other devices: all of one of them, then those of the next one."""
        first = self.h_first + self.own_h_words
        return range(first, first + self.shape.others * self.device_h_words)

    def unit_of(self, word: Cycle) -> Cycle:
        """The last word of a whole h that may be in a word of a sweep.

        The places of a bank's non-zeros ascend, so behind each as many places are left as non-zeros.
        """
        left_out = ceil_div(self.shape.hidden, self.h_columns) - self.h_words
        last = (word - self.h_first + 1 + left_out) * self.h_columns
        return self.shape.h_offset + at_most(last, self.shape.hidden) - 1


def is_aligned(plan: EngineLanes) -> bool:
    """Whether every group of E units starts at a multiple of E: E divides R, or there is one tile."""
    return plan.rows % plan.elements == 0 or plan.tiles == 1
