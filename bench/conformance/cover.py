"""A deterministic cover of all pairs of options, by greedy choice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations

Choice = dict[str, str]
"""A value of each option, or of some of them."""
Pair = tuple[tuple[str, str], tuple[str, str]]
Legal = Callable[[Mapping[str, str]], bool]
"""Whether no rule forbids these values together; options may be missing."""


def complete(options: Mapping[str, Sequence[str]], legal: Legal, chosen: Mapping[str, str]) -> Choice | None:
    """The chosen values with the first of the legal values of every other option; None if there are none."""
    if not legal(chosen):
        return None
    missing = next((name for name in options if name not in chosen), None)
    if missing is None:
        return {name: chosen[name] for name in options}
    tries = (complete(options, legal, {**chosen, missing: value}) for value in options[missing])
    return next((made for made in tries if made is not None), None)


def _pairs(choice: Mapping[str, str]) -> Iterator[Pair]:
    """Pairs of values, in the order of the choice."""
    yield from combinations(choice.items(), 2)


def possible_pairs(options: Mapping[str, Sequence[str]], legal: Legal) -> list[Pair]:
    """Every pair of values of two options that some legal choice has."""
    found = []
    for first, second in combinations(options, 2):
        for one in options[first]:
            for two in options[second]:
                if complete(options, legal, {first: one, second: two}) is not None:
                    found.append(((first, one), (second, two)))
    return found


def cover(options: Mapping[str, Sequence[str]], legal: Legal, begun: Sequence[Choice] = ()) -> list[Choice]:
    """Legal choices that, with those begun with, hold every possible pair of values.

    Each begins with the first pair that is still missing; option by option it takes the value that adds most missing
    pairs to what it has, the first of equals.
    """
    missing = dict.fromkeys(possible_pairs(options, legal))
    for choice in begun:
        _cross_out(missing, choice)
    made: list[Choice] = []
    while missing:
        choice = dict(next(iter(missing)))
        for name in options:
            if name not in choice:
                choice[name] = _best(options, legal, missing, choice, name)
        choice = {name: choice[name] for name in options}
        _cross_out(missing, choice)
        made.append(choice)
    return made


def _cross_out(missing: dict[Pair, None], choice: Choice) -> None:
    for pair in _pairs(choice):
        missing.pop(pair, None)


def _best(
    options: Mapping[str, Sequence[str]], legal: Legal, missing: Mapping[Pair, None], choice: Choice, name: str
) -> str:
    order = list(options)

    def gain(value: str) -> int:
        return sum(
            ((other, had), (name, value)) in missing
            if order.index(other) < order.index(name)
            else ((name, value), (other, had)) in missing
            for other, had in choice.items()
        )

    legal_values = [v for v in options[name] if complete(options, legal, {**choice, name: v}) is not None]
    return max(legal_values, key=gain)
