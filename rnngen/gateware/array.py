"""The multiplier array (``rnn_mac_array``): its widths and depth, of one engine's own or of one that engines share."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import ClockSignal, Const, Instance, Signal, Value

from rnngen.gateware.tails import sum_width
from rnngen.ir.quantised import QuantisedLayer
from rnngen.plan.engine import EnginePlan
from rnngen.plan.timing import Pipeline


@dataclass(frozen=True)
class ArrayShape:
    """A multiplier array.

    Attributes:
        rows, columns: Multipliers: a row for each gate of a unit that is computed at once.
        group_rows: Rows whose sums leave in a cycle.
        weight_width, vector_width, sum_width: Bits of a weight, an operand, a sum.
        pipeline: Depth.
        multiplier: ``generic`` or ``ecp5``.
        pair_width: Bits of a multiplier's wide operand where two neighbouring rows share it; else 0.
        addend_width: Bits of what enters a row's sum where nothing is accumulated; 0: words are accumulated.
        split: The last third of the gates keeps its sum of x apart (gate n of a GRU).
    """

    rows: int
    columns: int
    group_rows: int
    weight_width: int
    vector_width: int
    sum_width: int
    pipeline: Pipeline
    multiplier: str
    pair_width: int = 0
    addend_width: int = 0
    split: bool = False

    @property
    def group_width(self) -> int:
        """Bits of a group's sums."""
        return self.group_rows * self.sum_width

    def instance(
        self, first: Value, last: Value, weights: Value, vector: Value, group: Signal, group_x: Signal | None = None,
        first_h: Value | None = None, addend: Value | None = None,
    ) -> Instance:  # fmt: skip
        """The leaf; its header says when what is taken and when sums leave.

        Args:
            first, last: A sum begins, ends with this word.  first_h: The sum of x ends before it (``split``).
            weights, vector: The word, row by row and column by column.
            group: A group's sums.  group_x: Its sums of x (``split``).
            addend: Enters the sums, row by row (``addend_width``).
        """
        accumulates = not self.addend_width
        addend_width = self.addend_width or _NO_ADDEND
        return Instance(
            "rnn_mac_array",
            p_ROWS=self.rows,
            p_COLUMNS=self.columns,
            p_GROUP_ROWS=self.group_rows,
            p_WEIGHT_WIDTH=self.weight_width,
            p_VECTOR_WIDTH=self.vector_width,
            p_ACC_WIDTH=self.sum_width,
            p_PRODUCT_STAGES=self.pipeline.product_registers(accumulates),
            p_TREE_STAGES_EVERY=self.pipeline.tree_stages_every,
            p_MULTIPLIER=self.multiplier,
            p_PAIR_WIDTH=self.pair_width,
            p_SPLIT=int(self.split),
            p_ACCUMULATE=int(accumulates),
            p_ADDEND_WIDTH=addend_width,
            i_clk=ClockSignal(),
            i_first=first,
            i_first_h=Const(0, 1) if first_h is None else first_h,
            i_last=last,
            i_weights=weights,
            i_vector=vector,
            i_addend=Const(0, self.rows * addend_width) if addend is None else addend,
            o_group=group,
            o_group_x=Signal(self.sum_width, name="no_sums_x") if group_x is None else group_x,
        )


_NO_ADDEND = 2
"""Bits of the port where nothing is added."""


def engine_array(layer: QuantisedLayer, plan: EnginePlan, multiplier: str) -> ArrayShape:
    """The array of an engine that has one of its own."""
    product = layer.formats.product
    return ArrayShape(
        rows=plan.rows * plan.gates_at_once,
        columns=plan.columns,
        group_rows=plan.elements * plan.gates_at_once,
        weight_width=product.weight_width,
        vector_width=product.operand_width,
        sum_width=sum_width(layer, plan),
        pipeline=plan.pipeline,
        multiplier=multiplier,
        pair_width=plan.shape.pair_width,
        addend_width=product.bias.width + product.bias_shift if plan.is_unrolled else 0,
        split=layer.kind == "gru" and plan.shape.inputs > 0 and not plan.keeps_sums and plan.turns == 1,
    )
