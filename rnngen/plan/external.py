"""Weights in external memory: how they lie there, and the buffers that they are read into ahead of their use.

Every engine's words lie in the order of use, a step's one behind the other, from a multiple of a burst's bytes on.  A
word of more bits than a beat takes as many beats as it needs; of smaller words a beat holds as many whole ones as it
can.  Bits that are left over are 0.  One port serves all engines, burst by burst in turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rnngen.errors import PlanError
from rnngen.plan.layer import ceil_div

DATA_BITS = (32, 64, 128, 256, 512, 1024)
"""Widths of the port that AXI4 knows, and that are worth it."""

PAGE_BYTES = 4096
"""No burst crosses a multiple of so many bytes (AXI4); the image begins at one."""

LONGEST_BURST = 256
"""Beats (AXI4, INCR)."""

MOST_LATENCY = 4096
"""Cycles; a buffer holds what comes in them."""

REQUEST_CYCLES = 1
"""Room for a burst (and a turn) to the first cycle in which its address can be accepted."""

ARRIVAL_CYCLES = 2
"""A word's last beat on the port to the first cycle in which the word can be issued."""

RETURN_CYCLES = 2
"""Issue of a buffer entry's last word to the first cycle in which its room counts."""


@dataclass(frozen=True)
class MemoryPort:
    """The AXI4 read port, and the memory that the plan counts on.

    Attributes:
        data_bits: Of a beat.
        latency: Cycles from a burst's address accepted to its first beat, where no other burst is in the way; then a
            beat a cycle.
        burst: Beats of a burst, a power of two; the last one of a step may be shorter.

    Raises:
        PlanError: if a number is none that the port can have.
    """

    data_bits: int = 128
    latency: int = 40
    burst: int = 16

    def __post_init__(self) -> None:
        if self.data_bits not in DATA_BITS:
            widths = ", ".join(str(bits) for bits in DATA_BITS)
            raise PlanError(f"--memory-bits must be one of {widths}, not {self.data_bits}.")
        if not 1 <= self.latency <= MOST_LATENCY:
            raise PlanError(f"--memory-latency must be within 1..{MOST_LATENCY} cycles, not {self.latency}.")
        if self.burst & (self.burst - 1) or not 1 <= self.burst <= self.most_beats:
            raise PlanError(
                f"--memory-burst must be a power of two within 1..{self.most_beats} beats of {self.data_bits} bits, so "
                f"that no burst crosses {PAGE_BYTES} bytes, not {self.burst}."
            )

    @property
    def most_beats(self) -> int:
        """Of a burst."""
        return min(LONGEST_BURST, PAGE_BYTES // self.beat_bytes)

    @property
    def beat_bytes(self) -> int:
        """Bytes of a beat."""
        return self.data_bits // 8

    @property
    def burst_bytes(self) -> int:
        """Bytes of a whole burst."""
        return self.burst * self.beat_bytes


@dataclass(frozen=True)
class WeightStream:
    """The weights of one engine: in memory, and on their way to it.

    Attributes:
        words: Of a step.  word_bits: Of each of them.  data_bits: Of a beat.
        offset: First byte, from the start of the image.
        depth: Entries of the buffer, a power of two; an entry is a word, or a beat of several words.
    """

    words: int
    word_bits: int
    data_bits: int
    offset: int = 0
    depth: int = 0

    @property
    def beats_per_word(self) -> int:
        """Beats that a word takes; 1 where a beat holds several."""
        return ceil_div(self.word_bits, self.data_bits)

    @property
    def words_per_beat(self) -> int:
        """Words that a beat holds; 1 where a word takes several."""
        return max(1, self.data_bits // self.word_bits)

    @property
    def beats(self) -> int:
        """Beats of a step."""
        return ceil_div(self.words, self.words_per_beat) * self.beats_per_word

    @property
    def entry_bits(self) -> int:
        """Bits of an entry of the buffer."""
        return self.word_bits * self.words_per_beat

    @property
    def capacity(self) -> int:
        """Beats that the buffer holds."""
        return self.depth * self.beats_per_word

    @property
    def bytes(self) -> int:
        """Of a step."""
        return self.beats * self.data_bits // 8


@dataclass(frozen=True)
class Demand:
    """What an engine needs of its weights.

    Attributes:
        words: Of a step.  word_bits: Of each of them.
        idle: Cycles of its interval without an issue; the buffer fills in them.
    """

    words: int
    word_bits: int
    idle: int


def weight_streams(port: MemoryPort, demands: Sequence[Demand]) -> tuple[WeightStream, ...]:
    """Of every engine, one behind the other in memory.

    A buffer holds what the memory delivers between a request and its first beat, a burst of every engine and one more,
    what comes while the engine does not issue, and two words: enough that neither the memory nor the engine ever waits
    for room where the other one could go on.
    """
    made: list[WeightStream] = []
    offset = 0
    for demand in demands:
        bare = WeightStream(demand.words, demand.word_bits, port.data_bits)
        way = port.latency + REQUEST_CYCLES + ARRIVAL_CYCLES + RETURN_CYCLES
        beats = way + (len(demands) + 1) * port.burst + demand.idle + 2 * bare.beats_per_word
        depth = 1 << (ceil_div(beats, bare.beats_per_word) - 1).bit_length()
        made.append(WeightStream(demand.words, demand.word_bits, port.data_bits, offset, depth))
        offset += ceil_div(bare.bytes, port.burst_bytes) * port.burst_bytes
    return tuple(made)
