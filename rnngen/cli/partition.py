"""The command ``rnngen partition``."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rnngen.cli.count import CELLS, cells
from rnngen.cli.prune import given_banks
from rnngen.cli.text import MEGA, table
from rnngen.emit.system import SystemDesign
from rnngen.flow.partition import CUTS, PartitionOptions, partition
from rnngen.frontend import ImportOptions
from rnngen.plan.partition import GOALS
from rnngen.plan.partition.best_first import MOST_ROUTED

SUMMARY = "cut a network over several devices and generate an accelerator for each"
EXAMPLE = "rnngen partition model.safetensors --system system.toml -o design --calibrate x.npy"
WRITES = "a system's folder: DIR/system.json, and the design folder of each device in use, DIR/NAME"

Say = Callable[[str], None]
_EVERY_SECONDS = 2.0
_NOT_ALL = (
    f"Ways over devices between two parts were left out after {MOST_ROUTED:,} partial cuts; the cut is the best of "
    "those over links that join parts directly."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own grammar."""
    parser.add_argument(
        "--system", metavar="SYSTEM.toml", type=Path, required=True, help="devices, links and where the host is"
    )
    parser.add_argument(
        "--goal", metavar="WHICH", default=GOALS[0],
        help=f"what is made shortest first: {' or '.join(GOALS)} (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--cut", metavar="HOW", default=CUTS[0],
        help=f"whole layers on devices, layers over several by rows, outputs, inputs, groups or x and h, or the best: "
        f"{', '.join(CUTS)} (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--delta", metavar="D", type=float,
        help="with --cut rows: devices give each other only those words of h that changed by more than D (0: exactly "
        "what all of h gives)",
    )  # fmt: skip
    parser.add_argument(
        "--no-count", action="store_true",
        help="do not count LUTs and registers of devices on boards, nor see that they fit",
    )  # fmt: skip
    parser.add_argument("--name", metavar="NAME", help="top modules are NAME_DEVICE (default: from MODEL)")


class _Paced:
    """Progress: at most a line every two seconds."""

    def __init__(self, say: Say) -> None:
        self._say, self._last = say, time.monotonic()

    def __call__(self, line: str) -> None:
        if time.monotonic() - self._last > _EVERY_SECONDS:
            self._last = time.monotonic()
            self._say(line)


def run(arguments: argparse.Namespace, imports: ImportOptions, say: Say) -> tuple[dict[str, Any], list[str]]:
    """Plain data, and lines for people."""
    say(f"cutting {arguments.model} over the devices of {arguments.system}")
    options = PartitionOptions(
        imports=imports,
        calibrate=arguments.calibrate,
        weight_bits=arguments.weight_bits,
        activation_bits=arguments.activation_bits,
        banks=given_banks(arguments),
        loadable=arguments.loadable,
        double_buffer=arguments.double_buffer,
        state_access=arguments.state,
        fold=arguments.fold,
        max_steps=arguments.max_steps,
        name=arguments.name,
        goal=arguments.goal,
        cut=arguments.cut,
        delta=arguments.delta,
        count=not arguments.no_count,
    )
    design = partition(arguments.model, arguments.system, arguments.design, options, _Paced(say))
    return design.document, lines(design)


def lines(design: SystemDesign) -> list[str]:
    """What was generated, and what was not chosen and why."""
    document = design.document
    own_clocks = any(link["pins"] for link in document["system"]["links"])
    reason = "boards have clocks of their own" if own_clocks else "clocks differ"
    if "delta" in document:
        reason = "it depends on the data how much of h crosses"
    exact = "" if document["latency_is"] == "exact" else f", at most, as {reason}"
    return [
        *_devices(document),
        *_resources(document),
        *_links(document),
        *_paths(document),
        f"Step interval {_time(document, 'step_interval_ticks')} (planned); what binds: {document['binds']}.",
        f"Latency {_time(document, 'latency_first_output_ticks')} to the first and "
        f"{_time(document, 'latency_last_output_ticks')} to the last output word{exact}.",
        *([f"Not used: {', '.join(document['unused'])}."] if document["unused"] else []),
        *([_NOT_ALL] if "weighed_all" in document else []),
        *(_other(document, other) for other in document["others"]),
        *(_inner(advice) for advice in document["inner_cuts"]),
        f"System: {design.folder}",
    ]


def _devices(document: Mapping[str, Any]) -> list[str]:
    rows = [("device", "layers", "clock", "interval", "latency", "load", "multipliers", "memory bits")]
    described = {device["name"]: device for device in document["system"]["devices"]}
    for device in document["devices"]:
        memory = described[device["name"]]["memory_bits"]
        rows.append(
            (
                device["name"] + (f", on {device['on']}" if "on" in device else ""),
                ", ".join(device["layers"]),
                f"{device['clock_hz'] / MEGA:g} MHz",
                f"{device['step_interval_cycles']} cycles",
                f"{device['latency_last_output_cycles']} cycles",
                f"{device['load']:.1%}",
                f"{device['multipliers']} of {described[device['name']]['multipliers']}",
                f"{device['memory_bits']:,}" + ("" if memory is None else f" of {memory:,}"),
            )
        )
    return table(rows)


def _resources(document: Mapping[str, Any]) -> list[str]:
    """What devices take of their boards, links among it, where that was counted."""
    if not any("resources" in device for device in document["devices"]):
        return []
    described = {device["name"]: device for device in document["system"]["devices"]}
    rows: list[tuple[str, ...]] = [("counted before synthesis", *CELLS)]
    for device in document["devices"]:
        board = described[described[device["name"]].get("on") or device["name"]].get("board")
        if board is not None and ("resources" in device or "on" not in device):
            rows.append((f"{device['name']}, {board}", *cells(device.get("resources"))))
    return table(rows)


def _links(document: Mapping[str, Any]) -> list[str]:
    if not document["links"]:
        return []
    rows = [("link", "words", "latency", "frame", "load")]
    for link in document["links"]:
        rows.append(
            (
                f"{link['from']} to {link['to']}",
                f"{link['word_bits']} bits",
                f"{link['latency_cycles']} cycles",
                f"{link['frame_words']} words for {link['values']} values of {link['value_bits']} bits"
                + (f", {link['frames_a_step']} a step" if link.get("frames_a_step", 1) > 1 else ""),
                f"{link['load']:.1%}",
            )
        )
    return table(rows)


def _paths(document: Mapping[str, Any]) -> list[str]:
    """Ways over devices between two that compute one part behind the other, and the one back to the host."""
    found, parts = [], document["devices"][-1]["part"] + 1
    for number, (source, *between, target) in enumerate(document.get("paths", ())):
        over = f" over {' and '.join(between)}" if between else ""
        if number == parts - 1:
            found.append(f"Results go{over} from {source} back to {target}, where the host is.")
        elif between:
            found.append(f"What {source} gives goes{over} to {target}.")
    return found


def _time(document: Mapping[str, Any], key: str) -> str:
    """Ticks as time."""
    return _microseconds(document, document[key])


def _microseconds(document: Mapping[str, Any], ticks: int) -> str:
    return f"{ticks / document['ticks_hz'] * MEGA:.2f} us"


def _other(document: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Why another cut lost."""
    count = f"{other['devices']} device{'s' * (other['devices'] != 1)}"
    if "refused" in other:
        return f"Over {count}: none, as {other['refused']}."
    cut = ", ".join(f"{part['device']} {part['blocks'][0]}..{part['blocks'][1]}" for part in other["parts"])
    return (
        f"Over {count}: step interval {_microseconds(document, other['step_interval_ticks'])}, latency "
        f"{_microseconds(document, other['latency_last_output_ticks'])} (blocks {cut}); what binds: {other['binds']}."
    )


def _inner(advice: Mapping[str, Any]) -> str:
    """A cut inside the layer that binds."""
    whole = advice["whole_layer_interval_cycles"]
    against = "which fits no device whole" if whole is None else f"{whole} cycles whole"
    state = "with a frame a tile, where circuits send one a step" if advice["generated"] else "cannot be generated"
    return (
        f"Layer '{advice['layer']}' cut by {advice['kind']} over {', '.join(advice['devices'])}: "
        f"{advice['step_interval_cycles']} cycles, {against}; {advice['exchange']} over {advice['links']} links, "
        f"{advice['link_words']} words a step; planned, {state}."
    )
