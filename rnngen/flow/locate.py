"""Where a wrong output was born: layer, unit, gate and cycle, from a second run with data probes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from rnngen.arith.beats import split_bits
from rnngen.arith.format import IntArray
from rnngen.emit.design import Design
from rnngen.emulate.network import Emulation
from rnngen.gateware.tails import part_width
from rnngen.ir.quantised import LinearFormats, LstmFormats, QuantisedLayer
from rnngen.plan.elements import unit_order
from rnngen.plan.engine import EnginePlan
from rnngen.verify.compare import Difference
from rnngen.verify.locate import Trace, locate

LONGEST_SEARCH = 200_000
"""Cycles that are probed at most; a later first difference is reported at the port only."""

Samples = Mapping[str, npt.NDArray[np.uint8]]


def _path(design: Design, index: int) -> str:
    """Where engine ``index`` sits in the circuit."""
    blocks = enumerate(design.quantised.blocks)
    block = next(k for k, block in blocks if any(index in branch.indices for branch in block.branches))
    return f"block{block}.engine{index}"


def data_probes(design: Design) -> tuple[str, ...]:
    """Probes that carry values, with their valid flags."""
    names: list[str] = []
    for index, layer in enumerate(design.quantised.layers):
        for point in dict.fromkeys(point for point, *_ in _points(layer)):
            names += [f"{_path(design, index)}.probe_{point}", f"{_path(design, index)}.probe_{point}_valid"]
    return tuple(names)


def _sampled(
    plan: EnginePlan, samples: Samples, name: str, width: int, gates: int, start: int
) -> tuple[IntArray, IntArray]:
    """Values (steps, units, gates) of a point and the cycles (steps, units) they passed in."""
    valid = samples[f"{name}_valid"][:, 0].astype(bool)
    groups = plan.group_count
    steps = int(valid.sum()) // groups
    cycles = np.flatnonzero(valid)[: steps * groups] + start
    words = split_bits(samples[name][valid][: steps * groups], width, plan.elements * gates)
    words = words.reshape(steps, groups, plan.elements, gates)
    order = unit_order(plan)
    filled = order >= 0
    rank = np.argsort(order[filled])
    values = words[:, filled][:, rank]
    at = np.broadcast_to(cycles.reshape(steps, groups, 1), (steps, groups, plan.elements))[:, filled][:, rank]
    return values, at


def find_origin(design: Design, emulation: Emulation, samples: Samples, start: int, steps: int) -> Difference | None:
    """The first difference in pipeline order.

    Args:
        emulation: With traces.  samples: Probes of ``data_probes``.
        start: Cycle of the first sample.  steps: Steps of each sequence.
    """
    traces: list[Trace] = []
    for index, (layer, plan) in enumerate(zip(design.quantised.layers, design.plan.engines)):
        for point, gate, key, width, lanes, lane in _points(layer):
            values, cycles = _sampled(plan, samples, f"{_path(design, index)}.probe_{point}", width, lanes, start)
            expected = emulation.traces[index][key].transpose(2, 0, 1).reshape(-1, plan.shape.units)
            count = min(len(values), len(expected))
            last_only = steps > 1 and emulation.traces[index][key].shape[0] == 1
            got = values[:count, :, lane]
            traces.append(Trace(layer.name, point, gate, expected[:count], got, cycles[:count], last_only))
    return locate(traces, [steps] * emulation.output.shape[0])


Point = tuple[str, str | None, str, int, int, int]
"""Probe, gate, the emulator's name, width, words a unit, and which of them."""


def _points(layer: QuantisedLayer) -> list[Point]:
    """The points of a layer in pipeline order."""
    formats = layer.formats
    if isinstance(formats, LinearFormats):
        return [("h", None, "y", layer.output_format.width, 1, 0)]
    slots, width = formats.bias_slots, part_width(formats)
    named: list[Point] = [("z", slot, f"z_{slot}", width, len(slots), k) for k, slot in enumerate(slots)]
    state = formats.c if isinstance(formats, LstmFormats) else formats.state
    return [*named, ("c", None, "c", state.width, 1, 0), ("h", None, "h", formats.h.width, 1, 0)]
