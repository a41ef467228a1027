"""Networks nobody here trained, from their files to the circuit: ``python -m bench.real_networks`` (``make real``).

One table and JSON, a row an accelerator:

* agreement: how often the emulated accelerator decides as the float network does (of the ONNX file: as the file does
  in onnx's own evaluator), over all real input: words of g2p_en that have the same phonemes (encoder and decoder
  together), epochs of a night in the same sleep stage, frames of sound in which a voice is heard or not;
  ``differing`` in the JSON lists the others of words and epochs, with the lead that the float network's choice had;
  of a pruned network also how often its float self decides as before, and what pruning left of the output, in dB;
* sqnr_db: of the accelerator's output against the float network's; of g2p_en on the simulated word;
* bits and cycles: whether the circuit, in Verilator, gave every output bit of the emulator, each in its cycle, over so
  many ``simulated`` steps;
* interval: cycles a step, measured as ``rnngen simulate`` does.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.table import print_table
from examples import g2p, silero_features, silero_onnx, sleep_stages
from rnngen.emit.design import Design
from rnngen.flow import FitOptions, GenerateOptions, SimulationReport, emulate, generate, prune, simulate
from rnngen.flow.accuracy import error_figures
from rnngen.frontend import ImportOptions, load, run_reference
from rnngen.ir.network import (
    ActivationLayer,
    EmbeddingLayer,
    FloatArray,
    LastStepLayer,
    Layer,
    Network,
    ParallelLayer,
    RecurrentLayer,
)
from rnngen.passes.prune_layers import PruneOptions

WORD = "verilog"
NIGHT_MINUTES, NIGHTS, EPOCHS = 480, 2, 60
FRAMES, SIMULATED_FRAMES = 400, 48
MULTIPLIERS = {"g2p": 192, "sleep": 64, "silero": 130}
SPARSE_BANKS, SPARSE_MULTIPLIERS = 16, 64
VOICE = 0.5


@dataclass(frozen=True)
class Row:
    """One accelerator; the fields are those of the table."""

    network: str
    layers: str
    weight_bits: int
    agreement: str
    sqnr_db: float
    simulated: int
    bits: bool
    cycles: bool
    interval: float
    multipliers: int
    differing: Mapping[str, float] = field(default_factory=dict)


def describe(network: Network) -> str:
    """Its layers, for instance ``embedding 29x256, gru 256-256``."""
    return ", ".join(_describe(layer) for layer in network.layers)


def _describe(layer: Layer) -> str:
    if isinstance(layer, ActivationLayer):
        return layer.function
    if isinstance(layer, LastStepLayer):
        return "last"
    if isinstance(layer, EmbeddingLayer):
        return f"embedding {layer.symbols}-{layer.output_size}"
    kind = type(layer).__name__.removesuffix("Layer").lower()
    if isinstance(layer, RecurrentLayer | ParallelLayer):
        kind = f"bidirectional {layer.branches[0].cell}" if isinstance(layer, ParallelLayer) else layer.cell
    return f"{kind} {layer.input_size}-{layer.output_size}"


def _row(
    name: str, network: Network, weight_bits: int, agreement: str, report: SimulationReport, steps: int,
    multipliers: int, sqnr_db: float | None = None, differing: Mapping[str, float] | None = None,
) -> Row:  # fmt: skip
    exact = report.comparison
    sqnr = report.figures["float_sqnr_db"] if sqnr_db is None else sqnr_db
    return Row(
        name, describe(network), weight_bits, agreement, round(sqnr, 1), steps, exact.bit_exact,
        exact.cycle_exact, report.figures["step_interval_cycles"], multipliers, differing or {},
    )  # fmt: skip


def spoken_words(folder: Path) -> Iterator[Row]:
    """g2p_en: all words emulated, one word simulated."""
    encoder, decoder = g2p.float_networks()
    spoken = g2p.speak_all(*g2p.float_callables())
    for bits in (16, 8):
        quantised = g2p.quantised_networks(spoken, bits)
        emulated = g2p.speak_all(*g2p.emulated_callables(*quantised))
        others = {w: spoken[w].margin for w, one in emulated.items() if one.phonemes != spoken[w].phonemes}
        said = f"{len(spoken) - len(others)} of {len(spoken)} words"
        phonemes, reports = g2p.simulate_word(WORD, quantised, folder / f"g2p{bits}", MULTIPLIERS["g2p"])
        if phonemes != emulated[WORD].phonemes:
            raise AssertionError(f"The circuit says {' '.join(phonemes)} for '{WORD}'; the emulator does not.")
        steps = (2 * len(g2p.symbols(WORD)), len(phonemes) + 1)
        parts = zip(("encoder", "decoder"), (encoder, decoder), reports, steps)
        for part, network, report, count in parts:
            multipliers = g2p.planned(quantised[part == "decoder"], MULTIPLIERS["g2p"]).multipliers
            yield _row(f"g2p_en {part}", network, bits, said, report, count, multipliers, differing=others)


def sleep(folder: Path) -> Iterator[Row]:
    """sleepecg: a night emulated, two hours of it simulated as two sequences."""
    features = sleep_stages.night(NIGHT_MINUTES)
    parts = features[0, : NIGHTS * EPOCHS].reshape(NIGHTS, EPOCHS, -1)
    for name in sleep_stages.CLASSIFIERS:
        classifier = sleep_stages.read_classifier(name)
        quantised = sleep_stages.quantised_core(classifier, features)
        staged = sleep_stages.stages(classifier, quantised, features)
        others = {str(epoch): lead for epoch, lead in staged.differing.items()}
        epochs = features.shape[1]
        design = sleep_stages.core_design(classifier, quantised, folder / name, EPOCHS, MULTIPLIERS["sleep"])
        report = simulate(design, classifier.prepared(parts))
        yield _row(
            f"sleepecg {name}", classifier.core, 16, f"{epochs - len(others)} of {epochs} epochs", report,
            NIGHTS * EPOCHS, design.plan.multipliers, staged.sqnr_db, others,
        )  # fmt: skip


def _voice_row(
    name: str, design: Design, x: FloatArray, probability: Callable[[FloatArray], FloatArray], judge: FloatArray
) -> Row:
    """Probability: of a voice, of the accelerator's output.  Judge: what it should be, (frames,)."""
    emulated = emulate(design, x)
    same = int(((judge > VOICE) == (probability(emulated.output) > VOICE)).sum())
    report = simulate(design, x, steps=SIMULATED_FRAMES)
    return _row(
        name, design.network, design.quantised.weight_bits, f"{same} of {x.shape[1]} frames", report,
        SIMULATED_FRAMES, design.plan.multipliers, emulated.error.sqnr_db,
    )  # fmt: skip


def voices(folder: Path) -> Iterator[Row]:
    """silero-vad from both its files: all frames emulated, some simulated."""
    tensors = silero_features.load_tensors()
    sound = silero_features.frames(limit=FRAMES).inputs
    options = GenerateOptions(calibrate=sound, multipliers=MULTIPLIERS["silero"], weight_bits=16)
    design = generate(silero_features.model_file(), folder / "silero", options)
    judge = silero_features.voice_probability(run_reference(design.network, sound).output, tensors)[0]
    yield _voice_row(
        "silero-vad safetensors", design, sound, lambda h: silero_features.voice_probability(h, tensors)[0], judge
    )
    own = silero_onnx.run_file(silero_features.load_sound().samples, FRAMES)
    for bits in (16, 8):
        options = GenerateOptions(
            imports=ImportOptions(select=silero_onnx.NODE), calibrate=own.features, multipliers=MULTIPLIERS["silero"],
            weight_bits=bits,
        )  # fmt: skip
        design = generate(silero_onnx.model_file(), folder / f"silero_onnx{bits}", options)
        yield _voice_row("silero-vad onnx", design, own.features, lambda y: y[0, :, 0], own.probabilities)


def sparse_voices(folder: Path) -> Iterator[Row]:
    """silero-vad with 75 % of its LSTM's weights pruned, as it is after pruning: judged by the network before it."""
    tensors = silero_features.load_tensors()
    sound = silero_features.frames(limit=FRAMES).inputs
    dense = run_reference(load(silero_features.model_file()), sound).output
    judge = silero_features.voice_probability(dense, tensors)[0]
    for shared_rows in (1, 4):
        pruned = folder / f"pruned{shared_rows}.safetensors"
        prune(silero_features.model_file(), pruned, PruneOptions(SPARSE_BANKS, "75%", shared_rows=shared_rows))
        options = GenerateOptions(
            calibrate=sound, multipliers=SPARSE_MULTIPLIERS, weight_bits=16,
            banks=FitOptions(SPARSE_BANKS, shared_rows),
        )  # fmt: skip
        design = generate(pruned, folder / f"sparse{shared_rows}", options)
        pruned_float = run_reference(design.network, sound).output
        same = int(((silero_features.voice_probability(pruned_float, tensors)[0] > VOICE) == (judge > VOICE)).sum())
        shared = f", {shared_rows} rows a set" * (shared_rows > 1)
        row = _voice_row(
            f"silero-vad 75% zeros{shared}", design, sound,
            lambda h: silero_features.voice_probability(h, tensors)[0], judge,
        )  # fmt: skip
        left = error_figures(pruned_float, dense).sqnr_db
        yield replace(row, agreement=f"{row.agreement} (pruned float {same}, {left:.1f} dB)")


def as_table(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Rows for the terminal."""
    exact = {True: "exact", False: "DIFFER"}
    return [
        {name: exact[value] if isinstance(value, bool) else value for name, value in asdict(row).items()
         if name != "differing"}
        for row in rows
    ]  # fmt: skip


PARTS: dict[str, Callable[[Path], Iterator[Row]]] = {
    "g2p": spoken_words,
    "sleep": sleep,
    "silero": voices,
    "sparse": sparse_voices,
}


def main(arguments: list[str] | None = None) -> int:
    """Prints rows as they come to standard error, then the table and JSON; 1 if a circuit is not exact."""
    parser = argparse.ArgumentParser(prog="bench.real_networks")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    options = parser.parse_args(arguments)
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        parser.error(f"Parts are {', '.join(PARTS)}, not {unknown[0]}.")
    rows: list[Row] = []
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        for part in options.parts or PARTS:
            for row in PARTS[part](Path(folder)):
                rows.append(row)
                print(f"{time.perf_counter() - started:6.1f} s  {row.network}, {row.weight_bits} bits", file=sys.stderr)
    print_table(as_table(rows))
    figures = [asdict(row) for row in rows]
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(figures))
    return 0 if all(row.bits and row.cycles for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
