"""Fixed-point formats: an integer with a binary point.

The one rounding rule of the project is *round half up* (``floor(x + 1/2)``):
in a circuit it is one constant added before a shift, and that constant can be
folded into a bias that is added anyway.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnngen.errors import FormatError

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Format:
    """``value = integer * 2**-fraction``, the integer held in ``width`` bits.

    ``fraction`` may be negative or exceed ``width``: it only places the point.

    Raises:
        FormatError: if the width is not within 1..64 bits.
    """

    width: int
    fraction: int
    signed: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.width <= 64:
            raise FormatError(f"Format width must be within 1..64 bits, not {self.width}.")

    @property
    def minimum(self) -> int:
        """Smallest integer of the format."""
        return -(1 << (self.width - 1)) if self.signed else 0

    @property
    def maximum(self) -> int:
        """Largest integer of the format."""
        return (1 << (self.width - int(self.signed))) - 1

    @property
    def step(self) -> float:
        """Value of one unit in the last place."""
        return 2.0**-self.fraction

    def quantise(self, values: npt.ArrayLike) -> IntArray:
        """Round real values half up to integers of this format, saturating."""
        scaled = np.floor(np.asarray(values, dtype=np.float64) * 2.0**self.fraction + 0.5)
        return np.clip(scaled, self.minimum, self.maximum).astype(np.int64)

    def count_saturated(self, values: npt.ArrayLike) -> int:
        """How many real values ``quantise`` has to saturate."""
        scaled = np.floor(np.asarray(values, dtype=np.float64) * 2.0**self.fraction + 0.5)
        return int(np.count_nonzero((scaled < self.minimum) | (scaled > self.maximum)))

    def to_float(self, integers: npt.ArrayLike) -> FloatArray:
        """Real values of integers of this format."""
        return np.asarray(integers, dtype=np.float64) * self.step

    def __str__(self) -> str:
        return f"{'s' if self.signed else 'u'}{self.width}.{self.fraction}"


def round_shift(integers: IntArray, shift: int) -> IntArray:
    """``floor(integers / 2**shift + 1/2)``; a negative shift is an exact left shift."""
    if shift <= 0:
        return integers << -shift
    return (integers + (1 << (shift - 1))) >> shift


def narrow(integers: IntArray, fraction: int, target: Format) -> tuple[IntArray, int]:
    """Bring integers with ``fraction`` fraction bits to ``target``.

    Returns:
        The rounded and saturated integers, and how many were saturated.
    """
    rounded = round_shift(integers, fraction - target.fraction)
    saturated = int(np.count_nonzero((rounded < target.minimum) | (rounded > target.maximum)))
    return np.clip(rounded, target.minimum, target.maximum), saturated
