"""States of recurrent layers between real values by layer and the integers that the engines hold, and their files."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from rnngen.arith.format import FloatArray, Format, IntArray
from rnngen.emit.folder import write_atomically
from rnngen.errors import DataError
from rnngen.ir.network import Network
from rnngen.ir.quantised import Branch, GruFormats, LstmFormats, QuantisedNetwork
from rnngen.ir.reference import State, States, check_states, recurrent_layers

EngineStates: TypeAlias = Mapping[int, Mapping[str, IntArray]]
"""By engine ``h`` and ``state``, (sequences, words), as ``ir.quantised.with_states`` takes them."""


def recurrent_branches(network: Network, quantised: QuantisedNetwork) -> dict[str, Branch]:
    """The engines of each recurrent layer, by its name."""
    branches = [
        branch
        for block in quantised.blocks
        for branch in block.branches
        if any(quantised.layers[index].weight_h is not None for index in branch.indices)
    ]
    return {layer.name: branch for layer, branch in zip(recurrent_layers(network), branches, strict=True)}


def _h_format(quantised: QuantisedNetwork, branch: Branch) -> Format:
    return quantised.layers[branch.stages[0][0]].formats.product.h


def _cells(quantised: QuantisedNetwork, branch: Branch) -> list[tuple[int, Format]]:
    """Engines of a branch that keep a cell state c, and its format."""
    found = [(index, quantised.layers[index].formats) for index in branch.indices]
    return [(index, formats.c) for index, formats in found if isinstance(formats, LstmFormats)]


def _integers(name: str, what: str, target: Format, values: FloatArray) -> IntArray:
    """Values in a format that must hold them but for its last unit."""
    integers = target.quantise(values)
    if np.any(np.abs(target.to_float(integers) - values) > 2.0**-target.fraction):
        limits = (float(target.to_float(np.array(limit))) for limit in (target.minimum, target.maximum))
        raise DataError(
            "The state {} of layer '{}' reaches {:g}, but its format {} holds {:g} to {:g}; calibrate with input that "
            "leads to such states.".format(what, name, float(values.flat[np.abs(values).argmax()]), target, *limits)
        )
    return integers


def encode_states(network: Network, quantised: QuantisedNetwork, states: States) -> dict[int, dict[str, IntArray]]:
    """Integers of the engines for states by layer, each (sequences, words).

    h goes into every engine that multiplies it, in its format of the product; c to the engines that keep it (a grouped
    layer's in slices); a GRU's h also into the unit's own state, which has more bits.

    Raises:
        DataError: if a state is none of the network's, has a wrong shape or lies outside its format.
    """
    sequences = max((len(h) for h, _ in states.values()), default=0)
    check_states(network, states, sequences)
    branches = recurrent_branches(network, quantised)
    found: dict[int, dict[str, IntArray]] = {}
    for name, (h, c) in states.items():
        branch = branches[name]
        integers = _integers(name, "h", _h_format(quantised, branch), h)
        for index in branch.indices:
            if quantised.layers[index].weight_h is not None:
                found[index] = {"h": integers}
            formats = quantised.layers[index].formats
            if isinstance(formats, GruFormats):
                found[index]["state"] = _integers(name, "h", formats.state, h)
        cells = _cells(quantised, branch)
        parts = np.split(c, len(cells), axis=1) if c is not None else []
        for (index, target), part in zip(cells, parts):
            found.setdefault(index, {})["state"] = _integers(name, "c", target, part)
    return found


def decode_states(network: Network, quantised: QuantisedNetwork, left: EngineStates) -> dict[str, State]:
    """States by layer of what the engines were left with; a GRU's h is the one that its units remember."""
    found: dict[str, State] = {}
    for name, branch in recurrent_branches(network, quantised).items():
        first = branch.stages[0][0]
        formats = quantised.layers[first].formats
        if isinstance(formats, GruFormats):
            h = formats.state.to_float(left[first]["state"])
        else:
            h = _h_format(quantised, branch).to_float(left[first]["h"])
        cells = [target.to_float(left[index]["state"]) for index, target in _cells(quantised, branch)]
        found[name] = h, np.concatenate(cells, axis=1) if cells else None
    return found


_PARTS = {"h_0": "h", "h_n": "h", "c_0": "c", "c_n": "c"}


def _names(network: Network) -> list[str]:
    return [layer.name for layer in recurrent_layers(network)]


def read_states(path: Path, network: Network, sequences: int) -> dict[str, State]:
    """States of an .npz file with arrays LAYER.h_0 and, of an LSTM, LAYER.c_0.

    Each is (sequences, words), or (1, words) for a state that all sequences begin with.  A file of final states
    (LAYER.h_n, LAYER.c_n) can be given as it is.

    Raises:
        DataError: if the file is missing or damaged, or a state is not what it should be.
    """
    if not path.is_file():
        raise DataError(f"State '{path}' does not exist or is not a file; give an .npz file.")
    try:
        archive = np.load(path, allow_pickle=False)
        arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, AttributeError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"State '{path}' cannot be read as .npz ({error}); save it with numpy.savez.") from error
    parts: dict[str, dict[str, FloatArray]] = {}
    for key, array in arrays.items():
        layer, _, what = key.rpartition(".")
        if what not in _PARTS or not layer or _PARTS[what] in parts.get(layer, {}):
            names = ", ".join(f"{name}.h_0" for name in _names(network))
            raise DataError(f"State '{path}' holds '{key}'; give each state once, by names such as {names}.")
        if array.dtype.kind not in "fiu":
            raise DataError(f"State '{path}': '{key}' must hold numbers, not {array.dtype}.")
        values = np.asarray(array, dtype=np.float64)
        if values.ndim == 2 and len(values) == 1:
            values = np.repeat(values, sequences, axis=0)
        parts.setdefault(layer, {})[_PARTS[what]] = values
    for layer, found in parts.items():
        if "h" not in found:
            raise DataError(f"State '{path}' gives layer '{layer}' a c but no h; give both.")
    states: dict[str, State] = {layer: (found["h"], found.get("c")) for layer, found in parts.items()}
    check_states(network, states, sequences)
    return states


def write_states(path: Path, states: States) -> None:
    """Writes final states as LAYER.h_n and LAYER.c_n into an .npz file, whole or not at all.

    Raises:
        DesignError: if it cannot be written.
    """
    arrays: dict[str, Any] = {f"{name}.h_n": h for name, (h, _) in states.items()}
    arrays |= {f"{name}.c_n": c for name, (_, c) in states.items() if c is not None}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_atomically(path, buffer.getvalue())
