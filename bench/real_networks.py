"""Networks nobody here trained, from their files to the circuit: ``python -m bench.real_networks`` (``make real``).

One table and JSON, a row an accelerator:

* agreement: how often the emulated accelerator decides as the float network does (of the ONNX file: as the file does
  in onnx's own evaluator), over all real input: words of g2p_en that have the same phonemes (encoder and decoder
  together), epochs of a night in the same sleep stage, frames of sound in which a voice is heard or not;
  ``differing`` in the JSON lists the others of words and epochs, with the lead that the float network's choice had;
* sqnr_db: of the accelerator's output against the float network's; of g2p_en on the simulated word;
* bits and cycles: whether the circuit, in Verilator, gave every output bit of the emulator, each in its cycle, over so
  many ``simulated`` steps;
* interval: cycles a step, measured; of a network that takes whole sequences, those between the ends of the last two
  sequences by their steps.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from examples import g2p, silero_features, silero_onnx, sleep_stages
from rnngen.emit.design import Design
from rnngen.flow import GenerateOptions, SimulationReport, emulate, generate, simulate
from rnngen.frontend import ImportOptions, run_reference
from rnngen.ir.network import FloatArray, Network, ParallelLayer, RecurrentLayer

WORD = "verilog"
NIGHT_MINUTES, NIGHTS, EPOCHS = 480, 2, 60
FRAMES, SIMULATED_FRAMES = 400, 48
MULTIPLIERS = {"g2p": 192, "sleep": 64, "silero": 130}
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
    return ", ".join(
        f"{_kind(layer)} {layer.symbols if hasattr(layer, 'symbols') else layer.input_size}-{layer.output_size}"
        for layer in network.layers
        if layer.macs or hasattr(layer, "symbols") or hasattr(layer, "function")
    )


def _kind(layer: Any) -> str:
    if isinstance(layer, RecurrentLayer):
        return layer.cell
    if isinstance(layer, ParallelLayer):
        return f"bidirectional {layer.branches[0].cell}"
    return str(getattr(layer, "function", type(layer).__name__.removesuffix("Layer").lower()))


def interval(report: SimulationReport, sequences: int, steps: int) -> float:
    """Measured cycles a step."""
    if sequences == 1:
        return float(report.figures["step_interval_cycles"])
    ends = report.run.out_cycle.reshape(sequences, -1)[:, -1]
    return float(ends[-1] - ends[-2]) / steps


def _row(
    name: str, network: Network, weight_bits: int, agreement: str, report: SimulationReport, shape: tuple[int, int],
    multipliers: int, sqnr_db: float | None = None, differing: Mapping[str, float] | None = None,
) -> Row:  # fmt: skip
    exact = report.comparison
    sqnr = report.figures["float_sqnr_db"] if sqnr_db is None else sqnr_db
    return Row(
        name, describe(network), weight_bits, agreement, round(sqnr, 1), shape[0] * shape[1], exact.bit_exact,
        exact.cycle_exact, interval(report, *shape), multipliers, differing or {},
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
        shapes = ((2, len(g2p.symbols(WORD))), (1, len(phonemes) + 1))
        parts = zip(("encoder", "decoder"), (encoder, decoder), reports, shapes)
        for part, network, report, shape in parts:
            multipliers = g2p.planned(quantised[part == "decoder"], MULTIPLIERS["g2p"]).multipliers
            yield _row(f"g2p_en {part}", network, bits, said, report, shape, multipliers, differing=others)


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
            (NIGHTS, EPOCHS), design.plan.multipliers, staged.sqnr_db, others,
        )  # fmt: skip


def _voice_row(
    name: str, design: Design, x: FloatArray, probability: Callable[[FloatArray], FloatArray], judge: FloatArray
) -> Row:
    """Probability: of a voice, of the accelerator's output.  Judge: what it should be, (frames,)."""
    emulated = emulate(design, x)
    same = float(((judge > VOICE) == (probability(emulated.output) > VOICE)).mean())
    report = simulate(design, x, steps=SIMULATED_FRAMES)
    return _row(
        name, design.network, design.quantised.weight_bits, f"{same:.1%} of {x.shape[1]} frames", report,
        (1, SIMULATED_FRAMES), design.plan.multipliers, emulated.error.sqnr_db,
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


def table(rows: list[Row]) -> str:
    """Rows as columns of equal width."""
    names = [name for name in asdict(rows[0]) if name != "differing"]
    cells = [names] + [[_cell(getattr(row, name)) for name in names] for row in rows]
    widths = [max(len(line[k]) for line in cells) for k in range(len(names))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in cells)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "exact" if value else "DIFFER"
    return f"{value:g}" if isinstance(value, float) else str(value)


PARTS: dict[str, Callable[[Path], Iterator[Row]]] = {"g2p": spoken_words, "sleep": sleep, "silero": voices}


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
    print(table(rows))
    figures = [asdict(row) for row in rows]
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(figures))
    return 0 if all(row.bits and row.cycles for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
