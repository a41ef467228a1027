"""The plan of one engine: lanes, schedule of a step, memories; everything counted, nothing estimated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from rnngen.arith.format import IntArray
from rnngen.errors import PlanError
from rnngen.plan.layer import BankedShape, Cycle, LayerShape, at_most, ceil_div, turn_choices
from rnngen.plan.timing import (
    DEFAULT_PIPELINE,
    GATHER_CYCLES,
    INDEX_CYCLES,
    OPERAND_CYCLES,
    PARTIAL_CYCLES,
    PARTIAL_GAP,
    SHARE_CYCLES,
    STATE_AHEAD,
    Pipeline,
    TailTiming,
    tail_stages,
    tail_timing,
)


def result_cycles(kind: str, columns: int, pipeline: Pipeline) -> int:
    """Issue of a tile's last word to the write of its first group's output words, in one pass, at least."""
    return OPERAND_CYCLES + pipeline.array_cycles(columns) + tail_timing(kind, pipeline).output


@dataclass(frozen=True)
class EnginePlan:
    """A dense engine: gates x rows x columns multipliers that sweep the matrix tile by tile.

    Gates in turn: only some of the gates are multiplied at once, and a tile is swept as often as that takes; its sums
    are gathered behind the array until those of its last gates are there.

    In several passes the columns are cut, and each pass sweeps its own words of all tiles, one tile behind the
    other; sums are kept between passes.  So the x-part of all tiles runs before h is needed, or words that
    come slowly are multiplied as they come.

    A spaced engine has two passes that start on their own, first h and then x; cycles of a step are counted from the
    first issue of its x pass, and words of x and of h each from their pass's first one.

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

    def __post_init__(self) -> None:
        if self.turns not in turn_choices(self.shape):
            at_once = " or ".join(str(self.shape.gates // turns) for turns in turn_choices(self.shape))
            raise PlanError(
                f"Layer '{self.shape.name}': {at_once} of its {self.shape.gates} gates can be multiplied at once, not "
                f"those of {self.turns} turns."
            )
        limit = self.shape.inputs + self.shape.hidden if self.x_lanes else max(self.shape.inputs, self.shape.hidden)
        for label, value, largest in (
            ("row", self.rows, self.shape.units),
            ("column", self.columns, limit),
            ("element-wise", self.elements, self.rows),
        ):
            if not 1 <= value <= largest:
                raise PlanError(f"Layer '{self.shape.name}': {label} lanes must be within 1..{largest}, not {value}.")
        if self.shape.banked:
            self._check_banked(self.shape.banked)
        if self.shape.shares > 1:
            self._check_shared_rows()
        if self.shape.apart:
            self._check_apart()
        if self.shape.spaced and not self._may_be_spaced():
            raise PlanError(
                f"Layer '{self.shape.name}': its h-part cannot be computed before x comes; it needs a whole x and an h "
                f"of its own, of one stream, in no other order of passes."
            )
        if self.x_lanes and not self._may_be_side_by_side():
            raise PlanError(
                f"Layer '{self.shape.name}': x and h cannot be multiplied side by side in {self.x_lanes} and "
                f"{self.columns - self.x_lanes} columns, but one behind the other."
            )
        for what, offset in (("x", self.shape.x_offset), ("h", self.shape.h_offset)):
            if offset % self.columns:
                raise PlanError(
                    f"Layer '{self.shape.name}': column lanes must divide the slice of {what} that begins at {offset}, "
                    f"not be {self.columns}."
                )
        if self.passes and not are_legal(self, self.passes):
            raise PlanError(
                f"Layer '{self.shape.name}': passes of {self.passes} words must make up a sweep of {self.sweep} "
                f"words, each with time for {self.groups} groups of units."
            )
        if self.elements < self.fewest_elements:
            raise PlanError(
                f"Layer '{self.shape.name}': with its gates in turn, element-wise lanes must be at least "
                f"{self.fewest_elements}, so that a tile's groups take no longer than its {self.h_words} words of h, "
                f"not {self.elements}."
            )

    def _check_banked(self, banked: BankedShape) -> None:
        if self.columns != banked.banks or self.x_lanes:
            raise PlanError(
                f"Layer '{self.shape.name}': its rows are balanced over {banked.banks} banks, so its column lanes must "
                f"be {banked.banks}, not {self.columns}."
            )
        if not banked.allows(self.rows):
            raise PlanError(
                f"Layer '{self.shape.name}': {banked.shared_rows} rows share their places, so its row lanes must be a "
                f"multiple or a divisor of that, not {self.rows}."
            )
        plain = self.shape.alone and not (self.shape.x_offset or self.shape.h_offset or self.shape.pair_width)
        if not plain or self.shared:
            raise PlanError(
                f"Layer '{self.shape.name}': rows of a projected, factorised or grouped layer, or of one on a shared "
                f"array, cannot be sparse; take a layer and an array of its own."
            )

    def _check_shared_rows(self) -> None:
        """A word of h is of one device only, and every word of h is read behind those of x."""
        shape = self.shape
        plain = not (shape.x_offset or shape.h_offset or shape.symbols or shape.banked or shape.spaced)
        if not plain or shape.streams > 1 or self.x_lanes or self.shared:
            raise PlanError(
                f"Layer '{shape.name}': its rows cannot be cut over {shape.shares} devices; that takes a dense layer "
                f"of one stream and an array of its own, which multiplies x before h."
            )
        if self.device_h % self.columns:
            raise PlanError(
                f"Layer '{shape.name}': column lanes must divide the {self.device_h} units of a device, not be "
                f"{self.columns}."
            )

    def _check_apart(self) -> None:
        """The sums of x come in the order of units, and a group's are read at once."""
        shape = self.shape
        plain = shape.alone and shape.hidden > 0 and not (shape.inputs or shape.symbols or shape.banked or shape.spaced)
        if not plain or shape.h_offset or shape.shares > 1 or shape.streams > 1 or self.shared:
            raise PlanError(
                f"Layer '{shape.name}': its x cannot be multiplied apart; that takes a dense recurrent layer of one "
                f"stage, one stream and one device, and an array of its own."
            )
        if not is_aligned(self):
            raise PlanError(
                f"Layer '{shape.name}': its x is multiplied apart, so that element-wise lanes must divide its "
                f"{self.rows} row lanes, not be {self.elements}."
            )

    def _may_be_side_by_side(self) -> bool:
        """A GRU keeps two sums of gate n apart; slices, symbols and passes are only read one behind the other."""
        shape = self.shape
        apart = shape.kind != "gru" and shape.alone and not (shape.symbols or shape.x_offset or shape.h_offset)
        apart = apart and shape.shares == 1
        x_fits, h_fits = 1 <= self.x_columns <= shape.inputs, 1 <= self.h_columns <= shape.hidden
        return apart and x_fits and h_fits and not self.passes

    def _may_be_spaced(self) -> bool:
        shape = self.shape
        own = shape.alone and shape.inputs > 0 and shape.hidden > 0 and not (shape.x_offset or shape.h_offset)
        return own and not shape.symbols and shape.streams == 1 and not (self.passes or self.x_lanes)

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

    @property
    def bias_ahead(self) -> int:
        """Cycles by which a group is known before its sums, for its biases.

        The memory, a register that block RAM can hold and one beside the adder, as far as there is time.
        """
        return min(3, self.array_cycles - (1 if self.shape.symbols else 0))

    @cached_property
    def is_unrolled(self) -> bool:
        """Whether all of a step is one word: nothing is accumulated, and h goes straight back to the multipliers."""
        shape = self.shape
        whole = self.sweeps == 1 and self.sweep == 1 and self.elements == shape.units
        whole = whole and bool(self.x_lanes or not shape.hidden) and not shape.banked
        read_in_order = not (shape.symbols or shape.x_offset or shape.h_offset)
        one = shape.kind != "gru" and shape.alone and shape.streams == 1 and not self.shared
        return whole and one and read_in_order

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
    def operand_cycles(self) -> int:
        """Issue to the array's input; where zeros are not multiplied the place of an operand is read first."""
        return OPERAND_CYCLES + self.index_cycles

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
    def h_first(self) -> int:
        """Place of the first word of h in a sweep."""
        return 0 if self.x_lanes or self.shape.spaced else self.x_words

    @cached_property
    def sweep(self) -> int:
        """Column words of a tile."""
        return max(self.x_words, self.h_words) if self.x_lanes else self.x_words + self.h_words

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

    @cached_property
    def spacing(self) -> int:
        """Cycles between the first issues of two sweeps of the last pass; more than its words only if E is small."""
        halves = self.last_words - self.x_words + self.groups if self.halved else 0
        return max(self.last_words, self.groups, halves)

    @cached_property
    def last_words(self) -> int:
        """Words of the last pass."""
        if self.shape.spaced:
            return self.x_words
        return self.passes[-1] if self.passes else self.sweep

    @cached_property
    def h_spacing(self) -> int:
        """Cycles between the first issues of two tiles of a spaced engine's h pass."""
        return max(self.h_words, self.groups)

    @cached_property
    def x_to_h(self) -> int:
        """Of a spaced engine: first issue of a step's x pass to the earliest one of the next step's h pass.

        All words of x are issued by then, and each word of h is written before it is read.
        """
        return max(self.tiles * self.spacing, self._wait_for_h())

    @cached_property
    def h_to_x(self) -> int:
        """Of a spaced engine: first issue of a step's h pass to the earliest one of its x pass.

        All words of h are issued by then, the groups of the last tile leave the array before others come, and the
        sums that are kept are written before they are read.
        """
        before, after, tiles = self.h_spacing, self.spacing, self.tiles - 1
        ends = self.h_words - self.x_words
        written = ends + PARTIAL_GAP + max(0, tiles * (before - after))
        return max(self.tiles * before, tiles * before + ends + self.last_groups, written)

    @cached_property
    def last_pass(self) -> int:
        """First issue of the last pass, counted from the step's first one."""
        return self.sweeps * sum(self.passes[:-1])

    @cached_property
    def issue_cycles(self) -> int:
        """Cycles from a step's first issue to the earliest one of the next step that the multipliers allow."""
        ahead = self.tiles * self.h_spacing if self.shape.spaced else 0
        return ahead + self.last_pass + self.sweeps * self.spacing

    def turn_cycles(self, after: EnginePlan) -> int:
        """First issue to the earliest one of another engine on the same array, whose sums let the groups leave."""
        return self.issue_cycles + max(0, self.groups - (self.spacing - self.sweep) - after.sweep)

    @cached_property
    def _starts(self) -> IntArray:
        """First word of each pass."""
        return np.cumsum((0, *self.passes[:-1]))

    def first_read(self, word: Cycle) -> Cycle:
        """Issue, counted from the step's first one, at which the first sweep reads a word (x words first, then h)."""
        if not self.passes:
            return word
        start = self._starts[np.searchsorted(self._starts, word, side="right") - 1]
        cycle: Cycle = self.sweeps * start + word - start
        return cycle

    def sweep_distance(self, word: int) -> int:
        """Issue of a word in one sweep to that in the next one."""
        return self.passes[np.searchsorted(self._starts, word, side="right") - 1] if self.passes else self.spacing

    def last_read(self, word: int) -> int:
        """Issue at which the last sweep reads a word."""
        return int(self.first_read(word)) + (self.sweeps - 1) * self.sweep_distance(word)

    def wait(self, written: Callable[[Any], Any], first: int, last: int) -> int:
        """Cycles that a step must start behind a writer, for each word to be written before it is read.

        Args:
            written: Cycle in which a word is complete; takes a word or an array of them.
            first, last: The words first .. last - 1 are written by it, in their order, at most one a cycle.
        """
        if not self.passes:  # they are read one a cycle: only the last two can be late
            return max(int(written(word)) + 1 - word for word in range(max(first, last - 2), last))
        ends = np.minimum(np.append(self._starts[1:], self.sweep), last)
        words = np.concatenate([ends - 2, ends - 1])
        words = words[(words >= first) & (words < last)]
        return int(np.max(written(words) + 1 - self.first_read(words)))

    @property
    def words(self) -> int:
        """Weight memory words: one for every issue of a step."""
        return self.sweeps * self.sweep

    @cached_property
    def sum_cycles(self) -> int:
        """Issue of a tile's last word to its first group's sums."""
        return self.result_cycles - self.tail.output

    @property
    def tail(self) -> TailTiming:
        """Latencies of the element-wise path."""
        return tail_timing(self.shape.kind, self.pipeline)

    @cached_property
    def array_cycles(self) -> int:
        """Issue of the last word of a tile of any pass to the first group at the multiplier array's output."""
        own = self.share_cycles + self.pipeline.array_cycles(self.array_columns, not self.is_unrolled)
        return self.operand_cycles + own

    @cached_property
    def array_columns(self) -> int:
        """Columns of the array, whose sums an adder tree forms."""
        return self.shared or self.columns

    @cached_property
    def share_cycles(self) -> int:
        """What the way into a shared array adds."""
        return SHARE_CYCLES if self.shared else 0

    @cached_property
    def result_cycles(self) -> int:
        """Issue of a tile's last word to the write of its first group's output words."""
        partial = PARTIAL_CYCLES if self.keeps_sums else 0
        return self.array_cycles + partial + self.gather_cycles + self.tail.output

    @cached_property
    def gather_cycles(self) -> int:
        """Sums of a tile's last gates to all of the group's sums together: none where they wait in registers."""
        return GATHER_CYCLES if self.turns > 1 and self.groups > 1 else 0

    @property
    def recurrence_latency(self) -> int:
        """L: issue of a tile's last word to the first issue that may read its first group's h."""
        return self.result_cycles + (1 - self.index_cycles if not self.forwards else -self.operand_cycles)

    @property
    def forwards(self) -> bool:
        """Whether h is kept where its way ends and multiplied from there: it is never read from a memory."""
        return self.is_unrolled and self.shape.hidden > 0

    def latency_stages(self) -> list[tuple[str, int]]:
        """L stage by stage, from the issue of a tile's last word to the first issue that may read its first h."""
        pipeline = self.pipeline
        product, array = pipeline.product_registers(not self.is_unrolled), self.array_cycles - self.operand_cycles
        tail = tail_stages(self.shape.kind, pipeline)
        if self.is_unrolled:
            way = [("product", product), ("adder tree", array - product), *tail]
            operands = [("memory read", 1), ("broadcast", OPERAND_CYCLES - 1)]
            return way if self.forwards else [*operands, *way, ("write-back", 1)]
        tree = array - product - 1 - self.share_cycles
        way = [("way into the shared array", self.share_cycles)] if self.shared else []
        kept = [("partial sums", PARTIAL_CYCLES)] if self.keeps_sums else []
        kept += [("gates gathered", self.gather_cycles)] if self.gather_cycles else []
        return [
            ("memory read", 1),
            ("choice of x or h, broadcast", OPERAND_CYCLES - 1),
            *way,
            ("product", product),
            ("adder tree", tree),
            ("accumulator", 1),
            *kept,
            *tail,
            ("write-back", 1),
        ]

    def write_cycle(self, unit: Cycle) -> Cycle:
        """Cycle, counted from the step's first issue, in which the unit's output word is written."""
        return self.group_cycle(unit // self.rows * self.groups + unit % self.rows // self.elements)

    def group_cycle(self, group: Cycle) -> Cycle:
        """Cycle, counted from the step's first issue, in which a group's output words are written."""
        first = self.last_pass + (self.turns - 1) * self.spacing + self.last_words - 1 + self.result_cycles
        return first + group // self.groups * (self.turns * self.spacing) + group % self.groups

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

    @cached_property
    def unhidden_interval(self) -> int:
        """The least interval that the recurrence alone allows: each h word is written before the next step reads it."""
        if not self.shape.hidden or not self.shape.alone:
            return 1
        if self.forwards:
            return self.recurrence_latency
        return self.x_to_h + self.h_to_x if self.shape.spaced else self._wait_for_h()

    def _wait_for_h(self) -> int:
        """Cycles from a step's first issue to the one behind which the next words of h are read in time."""
        return self.wait(lambda word: self.write_cycle(self.unit_of(word)) - self.index_cycles, *self.h_places)

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

    @cached_property
    def interval(self) -> int:
        """P: cycles between the starts of two steps of one stream, of this engine."""
        return max(self.shape.streams * self.issue_cycles, self.unhidden_interval, self._tail_interval)

    @property
    def _tail_interval(self) -> int:
        """A step's state must be written before the next step reads it."""
        timing = self.tail
        if timing.state_read is None or timing.state_write is None:
            return 1
        return timing.state_write - (timing.state_read - STATE_AHEAD) + 1

    @property
    def release_cycle(self) -> int:
        """Cycle, from the first issue, of the step's last read of its input slot."""
        if self.shape.apart:  # with the biases of the last group
            return self.last_write_cycle - self.tail.output - self.bias_ahead
        return self.last_read((self.sweep if self.shape.symbols else self.x_words) - 1) + self.index_cycles

    @property
    def first_write_cycle(self) -> int:
        """Cycle, from the first issue, in which the step's first output words are written."""
        return self.write_cycle(0)

    @property
    def last_write_cycle(self) -> int:
        """Cycle, from the first issue, in which the step's last output words are written."""
        return self.write_cycle(self.shape.units - 1)

    def is_hidden(self) -> bool:
        """Whether the recurrence latency costs nothing."""
        return self.unhidden_interval <= self.shape.streams * self.issue_cycles

    def with_slots(self, slots: int) -> EnginePlan:
        """The same engine with another depth of input buffer."""
        return replace(self, input_slots=slots)


def are_legal(plan: EnginePlan, passes: tuple[int, ...]) -> bool:
    """Whether a sweep can be cut like that.

    A tile's groups leave the array before the next tile ends, and a sum is written before it is read back.
    """
    if plan.shape.spaced or sum(passes) != plan.sweep or len(set(passes[2:])) > 1 or min(passes) < plan.groups:
        return False
    if plan.shape.symbols or plan.shape.apart or plan.halved:
        return False  # nothing of x is multiplied
    if plan.shape.kind == "gru" and passes != (plan.x_words, plan.h_words):
        return False  # a GRU keeps the x-part of gate n apart from its h-part
    # From a sweep's end in one pass to its end in the next: least for the first or the last one.
    ends = ((plan.sweeps * before - before + after, plan.sweeps * after) for before, after in pairwise(passes[:4]))
    return plan.sweeps > 1 and min((min(pair) for pair in ends), default=0) >= PARTIAL_GAP


def least_elements(plan: EnginePlan, limit: int, soon: bool = False) -> EnginePlan:
    """The engine with the fewest element-wise lanes (at most ``limit``) that reach the best interval of its lanes.

    ``soon``: and the least latency, too.

    Among equals, a number that divides columns and rows is preferred: the vector memories then need no rotation.
    """
    most = max(1, min(plan.rows, plan.h_columns if plan.shape.hidden else plan.rows, limit))
    *smaller, largest = element_choices(plan.shape, plan.rows, plan.fewest_elements, most)
    best = replace(plan, elements=largest)
    candidates = [best]
    for elements in smaller:
        fewer = replace(plan, elements=elements)
        late = soon and fewer.last_write_cycle > best.last_write_cycle
        if fewer.interval == best.interval and not late:
            candidates.append(fewer)
            if is_aligned(fewer):
                break
    fewest = min(found.elements for found in candidates)
    near = [found for found in candidates if found.elements <= 2 * fewest and is_aligned(found)]
    return min(near or candidates, key=lambda found: found.elements)


def is_aligned(plan: EnginePlan) -> bool:
    """Whether every group of E units starts at a multiple of E: E divides R, or there is one tile."""
    return plan.rows % plan.elements == 0 or plan.tiles == 1


def element_choices(shape: LayerShape, rows: int, fewest: int, most: int) -> Sequence[int]:
    """Element-wise lanes that are legal, from the fewest to the most, ascending; one at least.

    Where x is multiplied apart those that divide the row lanes, or any where there is one tile.
    """
    if not shape.apart or rows == shape.units:
        return range(min(fewest, most), most + 1)
    legal = [elements for elements in range(1, most + 1) if rows % elements == 0]
    return [elements for elements in legal if elements >= fewest] or legal[-1:]


def unit_order(plan: EnginePlan) -> IntArray:
    """Unit of every (group, lane) of a step; -1 where a lane is empty."""
    order = np.full((plan.group_count, plan.elements), -1, dtype=np.int64)
    for unit in range(plan.shape.units):
        tile, row = divmod(unit, plan.rows)
        order[tile * plan.groups + row // plan.elements, row % plan.elements] = unit
    return order
