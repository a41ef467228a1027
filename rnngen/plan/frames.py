"""How a step of results crosses a link: one frame, its values packed to their width."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rnngen.plan.layer import ceil_div
from rnngen.plan.network import NetworkPlan


@dataclass(frozen=True)
class StepFrame:
    """A step of ``values`` values of ``width`` bits in words of ``word_bits``, at least as wide as a value.

    Values do not straddle words.  The top bit of the last word is set where the sequence ends with the step; where the
    values leave no room for it there, it has a word of its own.

    Attributes:
        most: Values of a word at most; 0: as many as fit.
    """

    values: int
    width: int
    word_bits: int
    most: int = 0

    def __post_init__(self) -> None:
        assert self.width <= self.word_bits, "a word has room for a value"

    @property
    def values_a_word(self) -> int:
        """Values of a word that is full."""
        fit = min(self.values, self.word_bits // self.width)
        return min(fit, self.most) if self.most else fit

    @property
    def port_values(self) -> int:
        """Values of a beat of the core that gives them."""
        return self.values_a_word

    @property
    def beats(self) -> int:
        """Words that hold values."""
        return ceil_div(self.values, self.values_a_word)

    @property
    def last_values(self) -> int:
        """Values of the last one of them."""
        return self.values - (self.beats - 1) * self.values_a_word

    @property
    def own_flag_word(self) -> bool:
        """Whether the end of a sequence has a word of its own."""
        return self.last_values * self.width == self.word_bits

    @property
    def words(self) -> int:
        """Of the frame's payload."""
        return self.beats + self.own_flag_word


@dataclass(frozen=True)
class DeltaFrame(StepFrame):
    """A step of which only those values cross that changed: a bit for each value, then these, packed as in a step.

    The top bit of the last word of bits is set where the sequence ends with the step.  ``words`` is the most there are.

    Attributes:
        beat: Values that a core gives in a beat, as many as words are full of, or a multiple; 0: as many.
    """

    beat: int = 0

    @property
    def port_values(self) -> int:
        """Values of a beat of the core that gives them."""
        return self.beat or self.values_a_word

    @property
    def port_beats(self) -> int:
        """Beats of a step there."""
        return ceil_div(self.values, self.port_values)

    @property
    def own_flag_word(self) -> bool:
        """The flag is beside the bits."""
        return False

    @property
    def mask_words(self) -> int:
        """Words that say which values follow."""
        return ceil_div(self.port_beats * self.port_values + 1, self.word_bits)

    @property
    def words(self) -> int:
        """Of the frame's payload, where every value changed."""
        return self.mask_words + self.beats

    @property
    def sent_behind(self) -> int:
        """Cycles from a step's last beat given to its first word (``gateware.system.delta``)."""
        return 2

    def shown_behind(self, beat: int, values: int) -> int:
        """Cycles from the first word delivered to a beat, of so many values each, at most: all having changed."""
        return self.mask_words + 1 + max(beat, ceil_div((beat + 1) * values, self.values_a_word) - 1)


def even_values(values: int, width: int, word_bits: int) -> int:
    """The most values of a word with which every word of a step has as many."""
    return next(n for n in range(min(values, word_bits // width), 0, -1) if values % n == 0)


def fitted(plan: NetworkPlan, takes: StepFrame | None, gives: StepFrame | None) -> NetworkPlan:
    """The plan with ports as wide as the words of the links on both sides; None: the host is there.

    An input port takes a word in several beats where its first layer's columns are fewer than the word's values.
    """
    if gives is not None:
        plan = replace(plan, output_words=gives.port_values)
    if takes is not None:
        first = plan.blocks[0].first
        divisors = (n for n in range(takes.values_a_word, 0, -1) if takes.values_a_word % n == 0)
        plan = replace(plan, input_words=next(n for n in divisors if n <= first.port_columns))
    return plan
