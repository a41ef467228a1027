"""The mapping file: which keys each kind of layer takes, and nothing else is accepted."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnngen.arith.points import GATES
from rnngen.errors import ModelError

ADVICE = "see rnngen.frontend.npz_model for the keys of each kind"


@dataclass(frozen=True)
class Keys:
    """Keys of a kind of layer: arrays that it needs and may have, and settings with their type."""

    arrays: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    settings: tuple[tuple[str, type], ...] = ()
    tables: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Every key that is accepted, ``kind`` and ``name`` first."""
        return ("kind", "name", *self.arrays, *self.more, *(key for key, _ in self.settings), *self.tables)


_RECURRENT = Keys(
    ("weight_ih", "weight_hh"),
    ("bias_ih", "bias_hh", "bias", "h_0"),
    (("order", str), ("transposed", bool), ("reverse", bool)),
)

KINDS: dict[str, Keys] = {
    "lstm": Keys(_RECURRENT.arrays, (*_RECURRENT.more, "weight_hr", "c_0"), _RECURRENT.settings),
    "gru": Keys(_RECURRENT.arrays, _RECURRENT.more, (*_RECURRENT.settings, ("reset_after", bool))),
    "rnn_tanh": Keys(_RECURRENT.arrays, _RECURRENT.more, _RECURRENT.settings[1:]),
    "rnn_relu": Keys(_RECURRENT.arrays, _RECURRENT.more, _RECURRENT.settings[1:]),
    "bidirectional": Keys(tables=("forward", "backward")),
    "linear": Keys(("weight",), ("bias",), (("transposed", bool),)),
    "embedding": Keys(("table",)),
    "affine": Keys(("scale", "shift")),
    "batch_norm": Keys(("mean", "variance"), ("weight", "bias"), (("eps", float),)),
    "activation": Keys(settings=(("function", str), ("low", float), ("high", float))),
    "last": Keys(settings=(("final", bool),)),
    "argmax": Keys(),
}
"""Every kind of layer."""


@dataclass(frozen=True, eq=False)
class Entry:
    """One layer of a mapping, its keys and their types checked.

    Attributes:
        kind: A key of ``KINDS``.
        name: Of the layer.
        arrays: Name of the array of each role that is given.
        settings: Values that are given.
        parts: ``forward`` and ``backward``, of a bidirectional layer.
    """

    kind: str
    name: str
    arrays: Mapping[str, str]
    settings: Mapping[str, Any]
    parts: tuple[Entry, ...] = ()


def read_mapping(path: Path) -> tuple[Entry, ...]:
    """The layers of a mapping file, in order.

    Raises:
        ModelError: if the file cannot be read, is no TOML, or has a key that is unknown, missing or of another type.
    """
    title = f"Mapping '{path.name}'"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"{title} cannot be read ({error.strerror}); check the path.") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{title} is no TOML file ({str(error).rstrip('.')}); correct it.") from error
    entries = document.get("layer")
    if set(document) != {"layer"} or not isinstance(entries, list) or not entries:
        raise ModelError(f"{title} must consist of [[layer]] tables, one a layer; {ADVICE}.")
    return tuple(_entry(title, f"layer{number}", entry, tuple(KINDS)) for number, entry in enumerate(entries))


def _entry(title: str, default: str, entry: object, kinds: tuple[str, ...]) -> Entry:
    table = entry if isinstance(entry, dict) else {}
    kind = table.get("kind")
    if not isinstance(kind, str) or kind not in kinds:
        raise ModelError(f"{title}: 'kind' of '{default}' must be one of {', '.join(kinds)}, not {kind!r}.")
    keys = KINDS[kind]
    name = table.get("name", default)
    if not isinstance(name, str) or not name:
        raise ModelError(f"{title}: 'name' of '{default}' must be a text, not {name!r}.")
    for key in table:
        if key not in keys.all:
            known = ", ".join(keys.all)
            raise ModelError(f"{title}: '{name}' ({kind}) has the unknown key '{key}'; it may have {known}.")
    for key in (*keys.arrays, *keys.tables):
        if key not in table:
            raise ModelError(f"{title}: '{name}' ({kind}) has no '{key}', which it needs; {ADVICE}.")
    for key, value in table.items():
        _check_type(title, name, kind, key, value)
    arrays = {key: table[key] for key in (*keys.arrays, *keys.more) if key in table}
    settings = {key: table[key] for key, _ in keys.settings if key in table}
    parts = tuple(_entry(title, f"{name}.{part}", table[part], tuple(GATES)) for part in keys.tables)
    return Entry(kind, name, arrays, settings, parts)


def _check_type(title: str, name: str, kind: str, key: str, value: object) -> None:
    keys = KINDS[kind]
    if key in keys.arrays or key in keys.more:
        right, wanted = isinstance(value, str), "the name of an array"
    elif key in dict(keys.settings):
        want = dict(keys.settings)[key]
        right = isinstance(value, (int, float) if want is float else want) and isinstance(value, bool) == (want is bool)
        wanted = {str: "a text", bool: "true or false", float: "a number"}[want]
    elif key in keys.tables:
        right, wanted = isinstance(value, dict), "a table"
    else:
        return
    if not right:
        raise ModelError(f"{title}: '{key}' of '{name}' ({kind}) must be {wanted}, not {value!r}.")
