"""Cycle numbers of the datapath: the one place where a latency is written down.

The leaves' header comments state the same numbers; `tests/sim` holds them equal.

Cycle 0 of an engine's column word is the cycle in which its address is presented to
the vector memory ("issue").
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from rnngen.errors import PlanError

OPERAND_CYCLES = 2
"""Issue to the multiplier array's input: memory read (1), choice of x or h and broadcast register (1)."""

INDEX_CYCLES = 2
"""What reading the places of non-zeros adds in front of the operands: the weights' memory, and a register behind it."""

HANDOVER_CYCLES = 1
"""A step written completely in cycle n lets its reader start ("go") in cycle n + 1; a freed slot likewise."""

GO_TO_ISSUE_CYCLES = 1
"""Start decision to the first issue."""

OUTPUT_CYCLES = 2
"""A word written to the output buffer in cycle n is on m_axis in cycle n + 2 at the earliest."""

JOIN_CYCLES = 1
"""From the cycle in which a beat of sums of every device is taken to that in which the total is there."""

PARTIAL_CYCLES = 1
"""What an engine of several passes adds to its sums' latency: the partial sum of the pass before."""

STATE_AHEAD = 3
"""Address of an old state to its place at the element-wise path: memory read, a register, and one behind the choice."""

PARTIAL_GAP = 4
"""Sums of a pass to the sums of the next one that read them back: adder, write, read, and a register behind it."""

GATHER_CYCLES = 1
"""What gathering the sums of gates in turn adds, where a tile has several groups of units."""

SHARE_CYCLES = 1
"""What an array that engines share adds: a register of each engine, 0 while it is not its turn."""

ARGMAX_CYCLES = 2
"""Last words of a step to the number of its largest."""

MERGE_GO_CYCLES = 2
"""A sequence's last word written to the buffer behind a stored block, to the first word that leaves it."""


@dataclass(frozen=True)
class Pipeline:
    """Registers of an engine's datapath: more of them for a faster clock, and each costs the recurrence a cycle.

    Attributes:
        product_stages: Of a product of the multiplier array, 1..4 (output; input; pipeline; fabric register behind); 0
            where there is no accumulator (1 elsewhere): it runs into the first levels of the adder tree.
        tree_stages_every: Adder levels between two registers of the adder tree.
        narrow_stages: Of a narrowing of sums, 0, 1 (saturation) or 2 (and the sum with its bias).
        table_stages: Of an activation, 2 (table; result), 3 (and its product's operands), 4 (and the product), 5 (and
            the sum).
        element_stages: Of a product of the element-wise path, 0, 1 (output) or 2 (and input).
        round_stages: Behind such products, 0 (what ends the path keeps its register), 1 (the rounded sum where a table
            follows, else saturation) or 2 (both).
        signed_table: Activation tables hold the negative half, too: twice the memory, and no sign in front of the table
            and behind the sum.

    Raises:
        ValueError: if a number is none of these.
    """

    product_stages: int = 4
    tree_stages_every: int = 1
    narrow_stages: int = 2
    table_stages: int = 5
    element_stages: int = 2
    round_stages: int = 2
    signed_table: bool = False

    def __post_init__(self) -> None:
        for what, (low, high) in _STAGES.items():
            if not low <= getattr(self, what) <= high:
                raise ValueError(f"Pipeline: {what} must be within {low}..{high}, not {getattr(self, what)}.")

    def product_registers(self, accumulates: bool) -> int:
        """Registers of a product of the array: an accumulator needs one."""
        return max(1, self.product_stages) if accumulates else self.product_stages

    def array_cycles(self, columns: int, accumulates: bool = True) -> int:
        """Latency of the array: a tile's last word at its input to the tile's first sums at its output.

        Without an accumulator the biases are one more word of the adder tree, and its last levels have no register.
        """
        levels = (columns - 1 if accumulates else columns).bit_length()
        tree = -(-levels // self.tree_stages_every)
        return self.product_registers(accumulates) + tree + (1 if accumulates else -1)


_STAGES = {
    "product_stages": (0, 4), "tree_stages_every": (1, 16), "narrow_stages": (0, 2), "table_stages": (2, 5),
    "element_stages": (0, 2), "round_stages": (0, 2),
}  # fmt: skip


@dataclass(frozen=True)
class TailTiming:
    """Latencies of an element-wise path, counted from a group's sums at the array's output.

    Attributes:
        narrow: The first narrowings are valid.
        state_read: The old state must be presented (None: no state).
        state_write: The new state is valid.
        output: The output words are valid (and written to the memories in that cycle).
        candidate: Whether the argument of a GRU's gate n was saturated is known.
    """

    narrow: int
    state_read: int | None
    state_write: int | None
    output: int
    candidate: int = 0


@cache
def tail_timing(kind: str, pipeline: Pipeline) -> TailTiming:
    """Of the element-wise path of a kind of engine.

    Args:
        kind: ``lstm``, ``gru``, ``linear``, or ``table``: a Linear layer or plain RNN with tanh or sigmoid.
    """
    narrow, table = pipeline.narrow_stages, pipeline.table_stages
    update = pipeline.element_stages + pipeline.round_stages
    kept = pipeline.element_stages + max(1, pipeline.round_stages)
    saturated = pipeline.element_stages + min(2, pipeline.round_stages + 1)  # one register stands in front of it
    gates = narrow + table
    if kind == "lstm":  # c' = f*c + i*g, h = o*tanh(c')
        return TailTiming(narrow, gates, gates + saturated, gates + update + table + kept)
    if kind == "gru":  # n = tanh(n_x + r*n_h), h' = (1-z)*n + z*h
        ready = gates + update + table
        return TailTiming(narrow, ready, ready + kept, ready + kept, gates + saturated)
    narrow = max(1, narrow) if kind == "linear" else narrow
    return TailTiming(narrow, None, None, gates if kind == "table" else narrow)


def tail_stages(kind: str, pipeline: Pipeline) -> list[tuple[str, int]]:
    """The element-wise path stage by stage: what it does, and its cycles; they add up to ``tail_timing``'s output."""
    narrow = ("bias, rounding and saturation", pipeline.narrow_stages)
    product, rounding = pipeline.element_stages, pipeline.round_stages
    if kind == "linear":
        return [(narrow[0], max(1, narrow[1]))]
    if kind == "table":
        return [narrow, ("activation", pipeline.table_stages)]
    middle, end = ("f*c + i*g", "o*tanh(c)") if kind == "lstm" else ("n_x + r*n_h", "(1-z)*n + z*h")
    second = "tanh(c)" if kind == "lstm" else "gate n"
    return [
        narrow,
        ("gates", pipeline.table_stages),
        (f"{middle}: products", product),
        (f"{middle}: sum, rounding and saturation", rounding),
        (second, pipeline.table_stages),
        (f"{end}: products", product),
        (f"{end}: sum, rounding and saturation", max(1, rounding)),
    ]


DEFAULT_PIPELINE = Pipeline()
"""Every register: of plans that are made for no clock, and of element-wise layers behind an engine."""

PIPELINES = {
    "deep": DEFAULT_PIPELINE,
    "balanced": Pipeline(4, 1, 1, 4, 1, 1),
    "short": Pipeline(2, 2, 1, 2, 1, 1),
    "shortest": Pipeline(1, 3, 1, 2, 1, 1),
    "least": Pipeline(0, 3, 0, 2, 0, 0, signed_table=True),
}
"""Depths by name, from the most registers to the fewest cycles."""

ROUTED_HZ = {"deep": 115_000_000, "balanced": 133_600_000, "short": 54_000_000}
"""Clock that each reached on the LFE5U-85F-6 with LSTM(128,128), 128 multipliers, dense (figures: ARCHITECTURE.md)."""


def pipeline_for(clock_hz: float) -> Pipeline:
    """The one of the fewest registers that place and route has shown to reach a clock.

    Raises:
        PlanError: if none has; the message names the fastest one.
    """
    for name in reversed(PIPELINES):
        if ROUTED_HZ.get(name, 0) >= clock_hz:
            return PIPELINES[name]
    fastest = max(ROUTED_HZ, key=lambda name: ROUTED_HZ[name])
    raise PlanError(
        f"No pipeline was routed at {clock_hz / 1e6:g} MHz, the fastest, {fastest}, at {ROUTED_HZ[fastest] / 1e6:g} "
        f"on an ECP5 of speed grade 6: ask for a slower --clock, or name a --pipeline for your device."
    )
