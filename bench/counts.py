"""Resources counted before synthesis beside what Yosys and nextpnr report: ``python -m bench.counts [FAMILY ...]``.

For ECP5, Gowin and iCE40 the designs are whole board tops, as ``rnngen synthesize`` makes them, and LUTs are those
that nextpnr packs.  For the other families, whose tools do not run here, they are cores alone, and Yosys' netlist is
what the count is held against: that says nothing of what the vendor's tool would make of it.

``--fit`` calibrates the shares of LUTs and registers first (rnngen/build/count/calibration.json); every design is then
also counted with shares that were fitted without it.  ``--cached`` takes what was synthesised before (build/counts).
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from bench.count_synthesis import measured
from bench.table import print_table
from rnngen.build.count import FAMILIES, census, elaborate
from rnngen.build.count.resources import CALIBRATION_FILE, shares_of, weighted
from rnngen.build.count.resources import blocks_of as count_blocks
from rnngen.build.count.resources import dsps as count_dsps
from rnngen.emit.design import Design
from rnngen.errors import RnngenError
from rnngen.flow import GenerateOptions, generate
from rnngen.flow.resources import board_sources
from rnngen.frontend import ImportOptions
from rnngen.passes.prune_layers import FitOptions

ROOT = Path(__file__).parents[1]
CACHE, PAGE = ROOT / "build" / "counts", ROOT / "docs" / "resources.md"
GOAL = 0.15
"""Of LUTs and registers; DSP blocks and block RAMs are to be equal."""

BOARDS: Mapping[str, str] = {
    "ecp5": "ulx3s-85f", "gowin": "tang-nano-20k", "ice40": "icebreaker", "xc7": "arty-a7-100", "xcu": "kcu105",
    "xcup": "zcu104", "cyclonev": "de10-nano", "max10": "de10-lite",
}  # fmt: skip
OPEN = ("ecp5", "gowin", "ice40")

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Trial:
    """A network and how it is built; ``banks``: of its sparse matrices, with two weights left in each."""

    kind: str
    inputs: int
    units: int
    outputs: int
    multipliers: int
    layers: int = 1
    both: bool = False
    banks: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """What it is, for the table."""
        units = f"{self.layers} x {self.units}" if self.layers > 1 else f"{self.units}"
        found = [f"{self.kind} {self.inputs}, {units}, {self.outputs}", f"{self.multipliers} multipliers"]
        found += ["both directions"] * self.both + [f"{self.banks} banks"] * bool(self.banks)
        for name, value in self.options.items():
            found.append(name.replace("_", " ") + ("" if value is True else f" {value}"))
        return ", ".join(found)

    def network(self) -> torch.nn.Module:
        """With random weights."""
        torch.manual_seed(0)
        model = torch.nn.Sequential()
        model.rnn = getattr(torch.nn, self.kind)(
            self.inputs, self.units, self.layers, batch_first=True, bidirectional=self.both
        )
        model.head = torch.nn.Linear(self.units * (1 + self.both), self.outputs)
        if self.banks:
            _thin(model.rnn, self.banks)
        return model


def _thin(rnn: torch.nn.Module, banks: int, kept: int = 2) -> None:
    """Leaves so many weights in each bank of each row."""
    places = random.Random(0)
    for name, weights in rnn.named_parameters():
        if name.startswith("weight"):
            mask = torch.zeros_like(weights)
            for row in mask:
                for bank in range(banks):
                    row[places.sample(range(bank, weights.shape[1], banks), kept)] = 1
            weights.data *= mask


_LARGE = (
    "lstm16", "lstm128", "gru64", "rnn32", "sparse32", "gru8bit", "two32", "bi24", "slow64", "double16", "gru48",
    "lstm20", "rnn128", "state96", "big256", "sgru64", "gru24", "tri48", "slowgru", "slow32", "slowrnn",
)  # fmt: skip
TRIALS: Mapping[str, Trial] = {
    "lstm16": Trial("LSTM", 8, 16, 4, 4),
    "lstm128": Trial("LSTM", 64, 128, 4, 64),
    "gru64": Trial("GRU", 32, 64, 10, 16, options={"loadable": True}),
    "rnn32": Trial("RNN", 16, 32, 4, 8),
    "sparse32": Trial("LSTM", 16, 32, 9, 32, banks=4),
    "gru8bit": Trial("GRU", 8, 64, 4, 2, options={"activation_bits": 8}),
    "two32": Trial("LSTM", 16, 32, 4, 32, layers=2, options={"fold": True}),
    "bi24": Trial("LSTM", 12, 24, 9, 24, both=True, options={"max_steps": 32}),
    "slow64": Trial("LSTM", 32, 64, 4, 128, options={"clock_mhz": 50}),
    "double16": Trial("LSTM", 16, 32, 4, 16, options={"weight_bits": 12, "double_buffer": True}),
    "gru48": Trial("GRU", 24, 48, 6, 48, layers=2, options={"activation_bits": 12}),
    "lstm20": Trial("LSTM", 6, 20, 1, 100),
    "rnn128": Trial("RNN", 64, 128, 8, 64, options={"double_buffer": True}),
    "state96": Trial("LSTM", 40, 96, 4, 96, options={"state_access": True}),
    "big256": Trial("LSTM", 128, 256, 10, 16),
    "sgru64": Trial("GRU", 32, 64, 4, 48, banks=8),
    "gru24": Trial("GRU", 12, 24, 4, 8),
    "tri48": Trial("LSTM", 16, 48, 5, 120, layers=3),
    "slowgru": Trial("GRU", 16, 48, 4, 64, options={"clock_mhz": 50}),
    "slow32": Trial("LSTM", 16, 32, 4, 32, options={"clock_mhz": 50}),
    "slowrnn": Trial("RNN", 24, 64, 4, 96, options={"clock_mhz": 62.5}),
    "tiny8": Trial("GRU", 8, 16, 4, 2, options={"weights": "spram", "activation_bits": 8}),
    "tiny24": Trial("GRU", 4, 24, 2, 2, options={"weights": "spram", "activation_bits": 8}),
    "tiny10": Trial("RNN", 8, 32, 4, 4, options={"weights": "spram", "activation_bits": 10}),
    "tinyrnn": Trial("RNN", 6, 16, 3, 4, options={"activation_bits": 8}),
    "bi12": Trial("LSTM", 8, 12, 4, 8, both=True, options={"max_steps": 16}),
    "state24": Trial("GRU", 8, 24, 4, 12, options={"state_access": True}),
    "fold16": Trial("LSTM", 8, 16, 4, 8, layers=2, options={"fold": True}),
    "sgru24": Trial("GRU", 16, 24, 4, 12, banks=4),
    "wide12": Trial("LSTM", 4, 12, 2, 16, options={"weight_bits": 16, "activation_bits": 18}),
    "narrow16": Trial("LSTM", 8, 16, 4, 8, options={"weight_bits": 4, "activation_bits": 8}),
    "tinystate": Trial("RNN", 4, 12, 2, 2, options={"state_access": True, "activation_bits": 8}),
    "tinyload": Trial("RNN", 4, 16, 2, 2, options={"loadable": True, "activation_bits": 8}),
    "tinygru": Trial("GRU", 3, 8, 2, 1, options={"activation_bits": 8}),
    "tinybi": Trial("RNN", 4, 8, 2, 2, both=True, options={"max_steps": 8, "activation_bits": 8}),
    "tinysparse": Trial("RNN", 8, 16, 3, 4, banks=2, options={"activation_bits": 8}),
    "tinytwo": Trial("RNN", 4, 12, 2, 3, layers=2, options={"activation_bits": 8, "fold": True}),
    "tiny12": Trial("RNN", 4, 16, 2, 2, options={"activation_bits": 12}),
}

_SMALL = ("rnn32", "lstm16", "gru24", "narrow16", "bi12", "state24", "fold16", "wide12")
_CORES = (*_SMALL, "gru64", "sparse32", "double16")
OF_FAMILY: Mapping[str, Sequence[str]] = {
    "ecp5": _LARGE,
    "gowin": (*_SMALL, "sgru24", "gru8bit", "double16"),
    "ice40": [name for name in TRIALS if name.startswith("tiny")],
    "xc7": (*_CORES, "slow32", "sgru24", "two32", "slow64"),
    "xcu": (*_CORES, "slow32"),
    "xcup": _CORES,
    "cyclonev": (*_CORES, "slow32", "sgru24"),
    "max10": (*_CORES, "slow32", "sgru24", "slow64"),
}
"""Which of them are built for a family: what its board has room for."""


@dataclass(frozen=True)
class Sample:
    """A design of a family: what it consists of, and what synthesis made of it."""

    name: str
    luts: Mapping[str, float]
    ffs: Mapping[str, float]
    whole_luts: float
    whole_ffs: float
    dsps: int
    block_rams: int
    planned_dsps: int
    found: Mapping[str, int]


def say(line: str) -> None:
    """Progress."""
    print(f"counts: {line}", file=sys.stderr, flush=True)


def made(name: str, family: str, folder: Path) -> Design:
    """A design for the family's board."""
    trial = TRIALS[name]
    banks = FitOptions(banks=trial.banks) if trial.banks else None
    imports = ImportOptions(select="rnn", head=("head",))
    options = GenerateOptions(
        imports=imports, board=BOARDS[family], multipliers=trial.multipliers, name="core", banks=banks, count=False,
        **trial.options,
    )  # fmt: skip
    return generate(trial.network(), folder / "design", options)


def sample(name: str, family: str, cached: bool) -> Sample | None:
    """A design's parts and its synthesis; None where its board has no room for it."""
    file = CACHE / family / f"{name}.json"
    with tempfile.TemporaryDirectory(prefix="counts-") as folder:
        try:
            design = made(name, family, Path(folder))
        except RnngenError as error:
            say(f"{family} {name}: {error}")
            return None
        sources, images, top = board_sources(design, alone=family not in OPEN)
        counted = census(elaborate(sources, images, top, dissolve=FAMILIES[family].dissolves))
        if not (cached and file.is_file()):
            say(f"{family} {name}: synthesising")
            found = measured(design, family, top)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(found), encoding="utf-8")
        found = json.loads(file.read_text(encoding="utf-8"))
        planned = sum(design.document.get("dsp", {}).get(part, 0) for part in ("arrays", "elements"))
    own = FAMILIES[family]
    parts = shares_of(counted, own)
    return Sample(
        name, parts.luts, parts.ffs, parts.whole_luts, parts.whole_ffs, count_dsps(counted, own),
        count_blocks(counted, own), planned, found,
    )  # fmt: skip


PRIOR_LUTS: Mapping[int, Mapping[str, float]] = {
    4: {
        "carry": 1.0, "carry chains": 1.0, "compressed": 2.0, "equality": 1.0, "select": 0.5, "gated": 0.5,
        "parallel select": 0.5, "and or": 0.4, "xor": 0.5, "reduction": 0.8, "shift": 0.7, "table": 0.4,
        "large table": 0.1, "memory select": 0.6, "soft product": 1.2,
    },
    6: {
        "carry": 0.8, "carry chains": 0.4, "compressed": 1.0, "equality": 0.3, "select": 0.5, "gated": 0.2,
        "parallel select": 0.15, "and or": 0.3, "xor": 0.4, "reduction": 0.3, "shift": 0.5, "table": 0.2,
        "large table": 0.06, "memory select": 0.3, "soft product": 1.0,
    },
}  # fmt: skip
"""LUTs of each kind that one would expect, by a LUT's inputs: the fit leaves them only for what the designs show."""
PRIOR_FFS: Mapping[str, float] = {"register": 1.0, "memory": 1.0}
_STIFFNESS = 0.003
_LEAST, _MOST = 0.3, 2.0


def fitted(rows: Array, wanted: Array, prior: Array) -> Array:
    """Shares within 0.3 and 2 times the prior, least squares of relative errors with a weak pull to it."""
    scaled = rows / wanted[:, None] * prior
    square, sides = scaled.T @ scaled + _STIFFNESS * np.eye(len(prior)), scaled.sum(axis=0) + _STIFFNESS
    found = np.ones(len(prior))
    for _ in range(1000):
        for place in range(len(prior)):
            step = (sides[place] - square[place] @ found) / square[place, place]
            found[place] = min(_MOST, max(_LEAST, found[place] + step))
    return np.asarray(found * prior)


def fit(family: str, samples: Sequence[Sample]) -> dict[str, dict[str, float]]:
    """Shares of LUTs and registers."""
    priors = {"luts": dict(PRIOR_LUTS[FAMILIES[family].lut_inputs]), "ffs": dict(PRIOR_FFS)}
    if FAMILIES[family].cell_holds_both:
        priors["luts"]["register"] = 0.3
    found = {}
    for what, prior in priors.items():
        rows = np.array([[_amounts(each, what).get(kind, 0.0) for kind in prior] for each in samples])
        whole = np.array([each.whole_luts if what == "luts" else each.whole_ffs for each in samples])
        wanted = np.array([each.found[what] for each in samples], dtype=float)
        shares = fitted(rows, wanted - whole, np.array(list(prior.values())))
        found[what] = {kind: round(float(share), 4) for kind, share in zip(prior, shares)}
    return found


def _amounts(each: Sample, what: str) -> Mapping[str, float]:
    return each.luts if what == "luts" else each.ffs


def counted(each: Sample, shares: Mapping[str, Mapping[str, float]]) -> dict[str, int]:
    """LUTs and registers by these shares."""
    luts = each.whole_luts + weighted(_amounts(each, "luts"), shares["luts"])
    return {"luts": round(luts), "ffs": round(each.whole_ffs + weighted(each.ffs, shares["ffs"]))}


def error(found: int, counted_as: int) -> float:
    """Of a count, as a part of what was found."""
    return counted_as / found - 1 if found else float(counted_as != 0)


def unseen(family: str, samples: Sequence[Sample]) -> list[dict[str, int]]:
    """Each design counted by shares that were fitted to all others."""
    return [counted(each, fit(family, [other for other in samples if other is not each])) for each in samples]


def rows_of(
    family: str, samples: Sequence[Sample], shares: Mapping[str, Mapping[str, float]], without: Sequence[dict[str, int]]
) -> list[dict[str, Any]]:
    """The table of a family; ``without``: what ``unseen`` gives, or nothing."""
    rows = []
    for place, each in enumerate(samples):
        count = counted(each, shares)
        row: dict[str, Any] = {"family": family, "design": TRIALS[each.name].words}
        for name, words in (("luts", "LUTs"), ("ffs", "registers")):
            row[words] = f"{each.found[name]:,}"
            row[f"{words} counted"] = f"{count[name]:,} ({error(each.found[name], count[name]):+.1%})"
            if without:
                row[f"{words} unseen"] = f"{error(each.found[name], without[place][name]):+.1%}"
        row["DSP blocks"] = f"{each.found['dsps']} ({each.dsps} counted, {each.planned_dsps or '-'} planned)"
        row["block RAMs"] = f"{each.found['block_rams']} ({each.block_rams} counted)"
        rows.append(row)
    return rows


def calibrated(family: str, samples: Sequence[Sample], without: Sequence[dict[str, int]]) -> dict[str, Any]:
    """A family's entry in calibration.json; its margin is what a design took more that was not fitted to."""
    shares, kinds = fit(family, samples), ("luts", "ffs")
    worst = max(abs(error(each.found[what], counted(each, shares)[what])) for each in samples for what in kinds)
    more = max(each.found[what] / count[what] - 1 for each, count in zip(samples, without) for what in kinds)
    fewer = max(each.found["block_rams"] / each.block_rams - 1 if each.block_rams else 0.0 for each in samples)
    margins = {
        "margin": max(GOAL, math.ceil(100 * max(more, worst)) / 100),
        "block_margin": max(0.0, math.ceil(100 * fewer) / 100),
        "worst": round(worst, 4),
    }
    against = "Yosys and nextpnr, board tops" if family in OPEN else "Yosys' netlist, cores alone"
    return {**shares, **margins, "designs": len(samples), "against": against}


_BEGIN, _END = "<!-- begin: written by bench.counts -->\n", "<!-- end -->\n"


def write_page(tables: Sequence[Sequence[Mapping[str, Any]]]) -> None:
    """Puts the tables into the page on resources."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(_BEGIN)
    text = "".join(f"### {rows[0]['family']}\n\n{_markdown(rows)}\n" for rows in tables if rows)
    PAGE.write_text(f"{before}{_BEGIN}\n{text}{_END}{rest.partition(_END)[2]}", encoding="utf-8")


def _markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    names = [name for name in rows[0] if name != "family"]
    lines = [names, ["---"] * len(names), *([str(row[name]) for name in names] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> int:
    """Counts, synthesises, compares; 1 if a goal is missed."""
    parser = argparse.ArgumentParser(prog="bench.counts", description=__doc__)
    parser.add_argument("families", metavar="FAMILY", nargs="*", help=f"of {', '.join(BOARDS)} (default: all)")
    parser.add_argument("--fit", action="store_true", help="calibrate first")
    parser.add_argument("--cached", action="store_true", help="synthesise only what has not been")
    arguments = parser.parse_args()
    document = json.loads(CALIBRATION_FILE.read_text(encoding="utf-8"))
    missed, tables = 0, []
    for family in arguments.families or list(BOARDS):
        samples = [each for name in OF_FAMILY[family] if (each := sample(name, family, arguments.cached)) is not None]
        without = unseen(family, samples) if arguments.fit else []
        if arguments.fit:
            document["families"][family] = calibrated(family, samples, without)
            CALIBRATION_FILE.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        shares = document["families"][family]
        rows = rows_of(family, samples, shares, without)
        print_table(rows)
        tables.append(rows)
        for each in samples:
            count = counted(each, shares)
            wrong = [name for name in ("luts", "ffs") if abs(error(each.found[name], count[name])) > GOAL]
            wrong += [name for name in ("dsps", "block_rams") if each.found[name] != getattr(each, name)]
            if wrong:
                missed = 1
                print(f"counts: {family} {each.name} misses the goal: {', '.join(wrong)}", file=sys.stderr)
    if arguments.fit and not arguments.families:
        write_page(tables)
    return missed


if __name__ == "__main__":
    sys.exit(main())
