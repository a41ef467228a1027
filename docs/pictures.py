"""Draws the pictures of schedule.md from real plans: python docs/pictures.py FOLDER.

Each is the report's own timeline of a network's plan, without a simulation beside it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnngen.emulate.network import run_cycles
from rnngen.flow.trace import Window, choose_window, planned_flags, spans
from rnngen.ir.network import Network, RecurrentLayer
from rnngen.passes.quantise import quantise
from rnngen.plan.network import NetworkPlan
from rnngen.plan.search import Budget, plan_for_lanes, plan_with_folding
from rnngen.plan.shapes import BlockShape, block_shapes
from rnngen.plan.timing import PIPELINES, Pipeline
from rnngen.report.figures import timeline
from rnngen.report.style import STYLE
from rnngen.report.views import Lane, Span, TraceView

BALANCED = PIPELINES["balanced"]
INTERVALS = 1.75
"""Of the step interval that a picture shows, so that the next step's beginning is in it."""


@dataclass(frozen=True)
class Picture:
    """A network, as (input size, units) of its LSTM layers, and how it is planned."""

    layers: tuple[tuple[int, int], ...]
    plan: Callable[[tuple[BlockShape, ...]], NetworkPlan]
    streams: int = 1
    spaced: bool = False
    gap: int = 0


MakePlan = Callable[[tuple[BlockShape, ...]], NetworkPlan]


def lanes(gates: int, rows: int, columns: int, pipeline: Pipeline = BALANCED) -> MakePlan:
    """A plan of these lanes."""
    return lambda shapes: plan_for_lanes(shapes, gates, rows, columns, pipeline, 256)


def budget(multipliers: int, pipeline: Pipeline, fold: bool) -> MakePlan:
    """The best plan of so many multipliers."""
    return lambda shapes: plan_with_folding(shapes, Budget(multipliers), pipeline, 256, fold)


PICTURES: Mapping[str, Picture] = {
    "hidden": Picture(((48, 64),), lanes(4, 16, 4)),
    "passes": Picture(((24, 32),), lanes(4, 8, 4)),
    "uncovered": Picture(((8, 16),), lanes(4, 16, 4)),
    "unrolled": Picture(((4, 8),), budget(384, PIPELINES["least"], False)),
    "streams": Picture(((8, 16),), lanes(4, 16, 4), streams=4),
    "layers": Picture(((12, 24), (24, 24)), lanes(4, 8, 4)),
    "folded": Picture(((12, 16), (16, 16)), budget(16, BALANCED, True)),
    "spaced": Picture(((16, 16),), lanes(4, 4, 4), spaced=True, gap=120),
}


def network(layers: tuple[tuple[int, int], ...]) -> Network:
    """LSTM layers of random weights: a plan does not depend on them."""
    random = np.random.default_rng(0)
    made = [
        RecurrentLayer(
            f"l{k}", "lstm", random.uniform(-0.3, 0.3, (4 * h, i)), random.uniform(-0.3, 0.3, (4 * h, h)),
            random.uniform(-0.3, 0.3, 4 * h), np.zeros(4 * h),
        )
        for k, (i, h) in enumerate(layers)
    ]  # fmt: skip
    return Network("picture", tuple(made))


def plan_of(picture: Picture) -> NetworkPlan:
    """The plan that a picture shows."""
    quantised = quantise(network(picture.layers), 8, 16)
    return picture.plan(block_shapes(quantised, picture.streams, picture.spaced))


def view_of(picture: Picture) -> TraceView:
    """Its timeline: a settled step, and the beginning of the next one."""
    plan = plan_of(picture)
    steps = 12
    arrivals = [picture.gap * (k + 1) for k in range(steps)] if picture.gap else []
    cycles = run_cycles(plan, [steps] * picture.streams, arrivals)
    found = choose_window(plan, cycles)
    start = found.start
    if picture.spaced:  # the h-part of a step runs before its x comes
        start -= picture.gap // 2
    end = max(found.end, start + int(INTERVALS * plan.interval))
    window = Window(found.step, start, end)
    drawn = [
        Lane(stage, engine.shape.name, tuple(Span(a, b) for a, b in spans(flags)))
        for engine, stages in zip(plan.engines, planned_flags(plan, cycles, window))
        for stage, flags in stages.items()
    ]
    length = window.end - window.start
    return TraceView(tuple(drawn), 0, length, [0] * length, interval=found.start - start + plan.interval)


def svg(view: TraceView) -> str:
    """The timeline as a picture of its own: its colours inside, on white."""
    drawn = re.fullmatch(r"<div class=\"figure\">(<svg.*</svg>)</div>", timeline(view), re.DOTALL)
    assert drawn is not None, "a figure is one SVG"
    root = re.search(r":root \{.*?\n\}", STYLE, re.DOTALL)
    assert root is not None, "the style sheet begins with its colours"
    rules = "\n".join(line.removeprefix("svg ") for line in STYLE.splitlines() if line.startswith("svg ."))
    font = "text { font: 13px system-ui, sans-serif; fill: var(--ink); }"
    style = f"<style>{root[0].replace('color-scheme: light dark;', '')}\n{font}\n{rules}</style>"
    paper = '<rect width="100%" height="100%" fill="#ffffff"/>'
    return re.sub(r"<svg([^>]*)>", rf'<svg xmlns="http://www.w3.org/2000/svg"\1>{style}{paper}', drawn[1], count=1)


def draw(folder: Path) -> list[Path]:
    """Writes every picture; returns their files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, picture in PICTURES.items():
        files.append(folder / f"{name}.svg")
        files[-1].write_text(svg(view_of(picture)), encoding="utf-8")
    return files


if __name__ == "__main__":
    print(*draw(Path(sys.argv[1])), sep="\n")
