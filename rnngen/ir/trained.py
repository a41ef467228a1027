"""Weights that were trained as integers: what the accelerator holds is exactly these."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from rnngen.arith.format import FloatArray, Format, IntArray


@dataclass(frozen=True, eq=False)
class QuantisedWeights:
    """A tensor that was trained as integers: ``value = integers * scale``.

    Attributes:
        integers: All at one scale, in the shape of the float tensor.
        fraction: Fraction bits; scale = 2 ** -fraction.
        bits: Signed width that the module's own widths and the shifts between its scales need.
    """

    integers: IntArray
    fraction: int
    bits: int

    @property
    def scale(self) -> float:
        """Value of one unit."""
        return math.ldexp(1.0, -self.fraction)

    @property
    def values(self) -> FloatArray:
        """What the integers stand for, exact."""
        return np.ldexp(self.integers.astype(np.float64), -self.fraction)

    @property
    def format(self) -> Format:
        """The format in which the circuit holds them."""
        return Format(self.bits, self.fraction)


@dataclass(frozen=True, eq=False)
class TrainedLayer:
    """The integers of one direction of one recurrent layer.

    Attributes:
        weight_ih, weight_hh: Gates in PyTorch's order, as in the ``RecurrentLayer`` of the same name.
        bias: Both biases together; None where they are not quantised, or there are none.
    """

    weight_ih: QuantisedWeights
    weight_hh: QuantisedWeights
    bias: QuantisedWeights | None


Trained: TypeAlias = Mapping[str, TrainedLayer]
"""By the name of a ``RecurrentLayer``; branches of a parallel layer each by its own."""
