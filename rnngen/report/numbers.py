"""Values of the JSON files, and how numbers are written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rnngen.errors import DesignError

Json = Mapping[str, Any]

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

NOT_RUN = "not run"
NOT_GIVEN = "not given"


def lookup(record: Json | None, *keys: str) -> Any:
    """The value below nested keys; None where any of them is missing."""
    value: Any = record
    for key in keys:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def number(record: Json | None, *keys: str) -> float | None:
    """A number below nested keys, or None.

    Raises:
        DesignError: if something other than a number stands there.
    """
    value = lookup(record, *keys)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DesignError(
            f"'{'.'.join(keys)}' of a design must be a number, not {value!r}; run rnngen generate or partition again."
        )
    return value


def records(record: Json | None, key: str) -> list[Json]:
    """A list of objects, empty if missing.

    Raises:
        DesignError: if something else stands there.
    """
    value = lookup(record, key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(entry, Mapping) for entry in value):
        raise DesignError(f"'{key}' of a design must be a list of objects; run rnngen generate or partition again.")
    return value


def missing(record: Json | None) -> str:
    """What to write for a value that is missing from a record."""
    return NOT_RUN if record is None else NOT_GIVEN


def whole(value: float) -> str:
    """12 345 with thin groups; a fraction keeps three digits."""
    if isinstance(value, float) and not value.is_integer():
        return f"{value:,.3f}".rstrip("0").rstrip(".").replace(",", "\u202f")
    return f"{int(value):,}".replace(",", "\u202f")


def significant(value: float, digits: int = 4) -> str:
    """A number with so many significant digits, without an exponent within reason."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if not 1e-3 <= abs(value) < 1e7:
        return f"{value:.{digits - 1}e}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{decimals}f}".replace(",", "\u202f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def power_of_ten(exponent: int) -> str:
    """-4 as 10⁻⁴."""
    return "10" + str(exponent).translate(SUPERSCRIPTS)


def small(value: float) -> str:
    """An error: three significant digits, with a power of ten when small."""
    if value == 0 or abs(value) >= 0.01 or not math.isfinite(value):
        return f"{value:.3g}"
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa}\u00b7{power_of_ten(int(exponent))}"


def percent(part: float) -> str:
    """0.9871 as 98.7 %."""
    return f"{100 * part:.1f} %"


def megahertz(value: float) -> str:
    """A frequency in hertz as MHz."""
    return f"{significant(value / 1e6)} MHz"


def microseconds(cycles: float, clock_hz: float | None) -> str | None:
    """Cycles as time at a clock; None without a clock."""
    return f"{significant(1e6 * cycles / clock_hz)} µs" if clock_hz else None


def decibels(value: float) -> str:
    """An SQNR; infinity means that every value is equal."""
    return "exact" if value == math.inf else f"{value:.1f} dB"


def flat(value: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Leaves of a nested object as (dotted path, value), in the order of the file."""
    if isinstance(value, Mapping):
        return [leaf for key, below in value.items() for leaf in flat(below, f"{prefix}.{key}" if prefix else str(key))]
    return [(prefix, value)]


def count(record: Json, key: str) -> str:
    """A whole number of a record, or that it is not given."""
    value = number(record, key)
    return NOT_GIVEN if value is None else whole(value)
