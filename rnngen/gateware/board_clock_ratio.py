"""Dividers of a PLL whose oscillator feeds its output: out = input * feedback / (reference * output), exactly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rnngen.errors import PlanError


@dataclass(frozen=True)
class PllRange:
    """What a PLL allows.

    Attributes:
        comparator_hz: Of the input behind its divider: least and most.
        vco_hz: Of the oscillator: least and most, of the slowest speed grade.
        reference: Most that divides the input.
        feedback, output: Least and most, in steps of 1 / ``parts``.
        parts: 8: dividers have eighths; 1: whole ones.
    """

    comparator_hz: tuple[int, int]
    vco_hz: tuple[int, int]
    reference: int
    feedback: tuple[int, int]
    output: tuple[int, int]
    parts: int = 1


@dataclass(frozen=True)
class Ratio:
    """Dividers; ``feedback`` and ``output`` are in steps of 1 / ``parts``."""

    reference: int
    feedback: int
    output: int
    parts: int
    output_hz: int


def no_such_clock(input_hz: int, target_hz: int, made_hz: Iterable[int]) -> PlanError:
    """What is said of a clock that is none of those that can be made, with the two of these that are nearest."""
    nearest = sorted(sorted(made_hz, key=lambda hz: abs(hz - target_hz))[:2])
    return PlanError(
        f"The board's PLL cannot make {target_hz / 1e6:g} MHz of {input_hz / 1e6:g} MHz: "
        f"ask for {' or '.join(f'{hz / 1e6:g}' for hz in nearest)} MHz."
    )


def find_ratio(limits: PllRange, input_hz: int, target_hz: int) -> Ratio:
    """The dividers that make exactly ``target_hz``: whole ones first, the least reference, the fastest oscillator.

    Raises:
        PlanError: if none make it; the message names the nearest clocks, in whole Hz, that can be made.
    """
    found: list[tuple[tuple[int, int, int], Ratio]] = []
    below, above = 0, 0
    for reference, feedback in _loops(limits, input_hz):
        # The oscillator is input * feedback / (reference * parts), and the output that * parts / output.
        product = input_hz * feedback
        exact = product / (reference * target_hz)
        for output in {int(exact), int(exact) + 1}:
            if not limits.output[0] <= output <= limits.output[1] or product % (reference * output):
                continue
            output_hz = product // (reference * output)
            if output_hz == target_hz:
                eighths = int(feedback % limits.parts > 0) + int(output % limits.parts > 0)
                rank = eighths, reference, -feedback
                found.append((rank, Ratio(reference, feedback, output, limits.parts, output_hz)))
            elif output_hz < target_hz:
                below = max(below, output_hz)
            else:
                above = min(above or output_hz, output_hz)
    if not found:
        nearest = " or ".join(f"{hertz / 1e6:.9g}" for hertz in (below, above) if hertz)
        raise PlanError(
            f"The board's PLL cannot make {target_hz / 1e6:.9g} MHz of {input_hz / 1e6:.9g} MHz: ask for {nearest} MHz."
        )
    return min(found, key=lambda entry: entry[0])[1]


def _loops(limits: PllRange, input_hz: int) -> Iterator[tuple[int, int]]:
    """Reference and feedback where comparator and oscillator are in their ranges."""
    for reference in range(1, limits.reference + 1):
        if not limits.comparator_hz[0] * reference <= input_hz <= limits.comparator_hz[1] * reference:
            continue
        for feedback in range(limits.feedback[0], limits.feedback[1] + 1):
            scale = reference * limits.parts
            if limits.vco_hz[0] * scale <= input_hz * feedback <= limits.vco_hz[1] * scale:
                yield reference, feedback
