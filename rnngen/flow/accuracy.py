"""Error of the accelerator's integers against the float network."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rnngen.arith.format import FloatArray


@dataclass(frozen=True)
class ErrorFigures:
    """Absolute errors, and the signal to quantisation noise ratio (infinite where all is equal)."""

    max_abs: float
    mean_abs: float
    sqnr_db: float


def error_figures(values: FloatArray, reference: FloatArray) -> ErrorFigures:
    """Errors of values against a reference of the same shape."""
    error = np.abs(values - reference)
    noise, signal = float(np.square(error).mean()), float(np.square(reference).mean())
    sqnr = math.inf if noise == 0.0 else (10.0 * math.log10(signal / noise) if signal > 0.0 else -math.inf)
    return ErrorFigures(float(error.max()), float(error.mean()), sqnr)


def finite_or_none(value: float) -> float | None:
    """JSON has no infinity: equality (or silence) is told by null."""
    return value if math.isfinite(value) else None
