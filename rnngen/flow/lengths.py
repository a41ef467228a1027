"""Sequences of different lengths in one padded array: the float network's run of them, and what is no padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rnngen.arith.format import FloatArray
from rnngen.frontend import ReferenceRun, run_reference
from rnngen.ir.layers import LastStepLayer
from rnngen.ir.network import Network
from rnngen.ir.reference import States


def reference_of(network: Network, values: FloatArray, lengths: Sequence[int], states: States) -> ReferenceRun:
    """The float network's run, sequences of each length together; zeros behind a sequence's end.

    Args:
        values: (sequences, longest, features).
        states: What the sequences begin with.

    Returns:
        Without the states that are left, unless all sequences are of one length.
    """
    every = np.asarray(lengths)
    if len(set(lengths)) == 1:
        return run_reference(network, values, states)
    layers = network.layers
    last = next((k for k, layer in enumerate(layers) if isinstance(layer, LastStepLayer)), len(layers))
    steps = values.shape[1]
    whole = [np.zeros((len(every), steps if k < last else 1, layer.output_size)) for k, layer in enumerate(layers)]
    for length in np.unique(every):
        members = np.flatnonzero(every == length)
        given = {name: (h[members], None if c is None else c[members]) for name, (h, c) in states.items()}
        run = run_reference(network, values[members, :length], given)
        for target, y in zip(whole, run.layers):
            target[members, : y.shape[1]] = y
    return replace(run, layers=whole, states={})


def without_padding(values: FloatArray, lengths: Sequence[int], one_step: bool) -> FloatArray:
    """All steps of all sequences; ``one_step``: of each sequence the one there is, or its last."""
    if one_step and values.shape[1] == 1:
        return values[:, 0]
    if one_step:
        ends: FloatArray = values[np.arange(len(values)), np.asarray(lengths) - 1]
        return ends
    return np.concatenate([words[:length] for words, length in zip(values, lengths)])
