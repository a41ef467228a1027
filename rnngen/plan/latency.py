"""From the issue of a word to the write of its results: registers, stage by stage."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from rnngen.plan.layer import Cycle
from rnngen.plan.sweeps import EngineSweeps
from rnngen.plan.timing import (
    GATHER_CYCLES,
    OPERAND_CYCLES,
    PARTIAL_CYCLES,
    SHARE_CYCLES,
    Pipeline,
    TailTiming,
    tail_stages,
    tail_timing,
)


def result_cycles(kind: str, columns: int, pipeline: Pipeline) -> int:
    """Issue of a tile's last word to the write of its first group's output words, in one pass, at least."""
    return OPERAND_CYCLES + pipeline.array_cycles(columns) + tail_timing(kind, pipeline).output


@dataclass(frozen=True)
class EngineLatency(EngineSweeps):
    """How long an engine's results take, and in which cycle of a step each of them is written."""

    @cached_property
    def operand_cycles(self) -> int:
        """Issue to the array's input; where zeros are not multiplied the place of an operand is read first."""
        return OPERAND_CYCLES + self.index_cycles

    @cached_property
    def array_cycles(self) -> int:
        """Issue of the last word of a tile of any pass to the first group at the multiplier array's output."""
        own = self.share_cycles + self.pipeline.array_cycles(self.array_columns, not self.is_unrolled)
        return self.operand_cycles + own

    @cached_property
    def share_cycles(self) -> int:
        """What the way into a shared array adds."""
        return SHARE_CYCLES if self.shared else 0

    @cached_property
    def sum_cycles(self) -> int:
        """Issue of a tile's last word to its first group's sums."""
        return self.result_cycles - self.tail.output

    @cached_property
    def gather_cycles(self) -> int:
        """Sums of a tile's last gates to all of the group's sums together: none where they wait in registers."""
        return GATHER_CYCLES if self.turns > 1 and self.groups > 1 else 0

    @cached_property
    def result_cycles(self) -> int:
        """Issue of a tile's last word to the write of its first group's output words."""
        partial = PARTIAL_CYCLES if self.keeps_sums else 0
        return self.array_cycles + partial + self.gather_cycles + self.tail.output

    @property
    def tail(self) -> TailTiming:
        """Latencies of the element-wise path."""
        return tail_timing(self.shape.kind, self.pipeline)

    @property
    def bias_ahead(self) -> int:
        """Cycles by which a group is known before its sums, for its biases.

        The memory, a register that block RAM can hold and one beside the adder, as far as there is time.
        """
        return min(3, self.array_cycles - (1 if self.shape.symbols else 0))

    @property
    def recurrence_latency(self) -> int:
        """L: issue of a tile's last word to the first issue that may read its first group's h."""
        return self.result_cycles + (1 - self.index_cycles if not self.forwards else -self.operand_cycles)

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

    @property
    def first_write_cycle(self) -> int:
        """Cycle, from the first issue, in which the step's first output words are written."""
        return self.write_cycle(0)

    @property
    def last_write_cycle(self) -> int:
        """Cycle, from the first issue, in which the step's last output words are written."""
        return self.write_cycle(self.shape.units - 1)

    @property
    def release_cycle(self) -> int:
        """Cycle, from the first issue, of the step's last read of its input slot."""
        if self.shape.apart:  # with the biases of the last group
            return self.last_write_cycle - self.tail.output - self.bias_ahead
        return self.last_read((self.sweep if self.shape.symbols else self.x_words) - 1) + self.index_cycles
