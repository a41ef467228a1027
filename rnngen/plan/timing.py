"""Cycle numbers of the datapath: the one place where a latency is written down.

The leaves' header comments state the same numbers; `tests/sim` holds them equal.

Cycle 0 of an engine's column word is the cycle in which its address is presented to
the vector memory ("issue").
"""

from __future__ import annotations

from dataclasses import dataclass

OPERAND_CYCLES = 2
"""Issue to the multiplier array's input: memory read (1), choice of x or h and broadcast register (1)."""

HANDOVER_CYCLES = 1
"""A step written completely in cycle n lets its reader start ("go") in cycle n + 1; a freed slot likewise."""

GO_TO_ISSUE_CYCLES = 1
"""Start decision to the first issue."""

OUTPUT_CYCLES = 2
"""A word written to the output buffer in cycle n is on m_axis in cycle n + 2 at the earliest."""


NARROW_CYCLES = 2
"""Sums and bias to the narrowed pre-activation (or Linear output)."""


@dataclass(frozen=True)
class TailTiming:
    """Latencies of an element-wise path, counted from a group's sums at the array's output.

    Attributes:
        state_read: The old state must be presented (None: no state).
        state_write: The new state is valid.
        output: The output words are valid (and written to the memories in that cycle).
    """

    state_read: int | None
    state_write: int | None
    output: int


TAILS = {
    "lstm": TailTiming(7, 11, 20),
    "gru": TailTiming(16, 20, 20),
    "linear": TailTiming(None, None, 2),
    "table": TailTiming(None, None, 7),
}
"""Element-wise path of each kind of engine; a "table" is a Linear layer or plain RNN with tanh or sigmoid."""

PARTIAL_CYCLES = 1
"""What an engine of several passes adds to its sums' latency: the partial sum of the pass before."""

PARTIAL_GAP = 4
"""Sums of a pass to the sums of the next one that read them back: adder, write, read, and a register behind it."""

ARGMAX_CYCLES = 2
"""Last words of a step to the number of its largest."""

MERGE_GO_CYCLES = 2
"""A sequence's last word written to the buffer behind a stored block, to the first word that leaves it."""


@dataclass(frozen=True)
class Pipeline:
    """Depth of the multiplier array.

    Attributes:
        product_stages: Registers of a product, 1..4 (output; input; pipeline; fabric register behind).
        tree_stages_every: Adder levels between two registers of the adder tree.
    """

    product_stages: int = 4
    tree_stages_every: int = 1

    def array_cycles(self, columns: int) -> int:
        """Latency of the array: a tile's last word at its input to the tile's first sums at its output."""
        levels = (columns - 1).bit_length()
        return self.product_stages + -(-levels // self.tree_stages_every) + 1


DEFAULT_PIPELINE = Pipeline()
"""Deep enough for 100 MHz and more on the ECP5 with 128 multipliers."""
