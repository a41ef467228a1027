"""The whole job on a network nobody here trained: the LSTM of silero-vad on an ULX3S 85F.

    python examples/silero_demo.py -o demo [--no-bitstream]

Features of real sound (or of a signal named synthetic) calibrate the formats, then run through the emulator, the
simulated circuit and PyTorch; the design is placed and routed; DIR/report.html shows it all.
"""

from __future__ import annotations

import argparse
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
from silero_features import frames, load_tensors, model_file, voice_probability

from rnngen.errors import RnngenError, VerificationError
from rnngen.flow import GenerateOptions, generate, report, simulate, synthesize

CALIBRATION_FRAMES = 400
WEIGHT_BITS = 16
"""This network's weights have outliers: 8 bits leave 26 dB, 16 bits 53 dB, for block RAM that the board has anyway."""


def say(line: str) -> None:
    """Progress, at once."""
    print(f"  {line}", flush=True)


class Routing(threading.Thread):
    """Place and route beside the simulation: two cores, two jobs."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self._folder = folder
        self.figures: dict[str, Any] | None = None
        self.error: RnngenError | None = None

    def run(self) -> None:
        """Routes the design; the outcome is in ``figures`` or ``error``."""
        try:
            self.figures = synthesize(self._folder, say).to_dict()
        except RnngenError as error:
            self.error = error


def demo(folder: Path, bitstream: bool) -> list[str]:
    """Runs the job and returns the figures that matter, as lines."""
    say("computing features of the sound")
    sound = frames(limit=CALIBRATION_FRAMES)
    say(f"{sound.inputs.shape[1]} frames of {sound.description}")
    design = generate(
        model_file(),
        folder,
        GenerateOptions(
            calibrate=sound.inputs, calibration=sound.description, board="ulx3s-85f", weight_bits=WEIGHT_BITS
        ),
    )
    routing = Routing(folder)
    if bitstream:
        routing.start()
    simulated = simulate(folder, sound.inputs, description=sound.description, progress=say)
    if not simulated.comparison.cycle_exact or simulated.output is None:
        raise VerificationError(simulated.comparison.sentence or "The circuit and the emulator disagree.")
    if bitstream:
        routing.join()
        if routing.error is not None:
            raise routing.error
    page = report(folder)
    figures = simulated.figures
    return [
        f"Circuit = emulator in every bit and every cycle of {figures['steps']} frames.",
        f"Step interval {figures['step_interval_cycles']} cycles, "
        f"{figures['multiplier_utilisation']:.1%} of {design.document['multipliers']} multipliers busy (measured).",
        f"Against {figures['float_reference']}: max error {figures['float_max_abs_error']:.3g}, "
        f"mean {figures['float_mean_abs_error']:.3g}, SQNR {figures['float_sqnr_db']:.1f} dB.",
        voice_line(sound.inputs, simulated.output, design.network),
        *routing_lines(routing.figures),
        f"Report: {page}",
    ]


def voice_line(inputs: np.ndarray, output: np.ndarray, network: Any) -> str:
    """Voice decisions (probability above one half) of the circuit beside the float network's."""
    from rnngen.frontend import run_reference

    tensors = load_tensors()
    float_voice = voice_probability(run_reference(network, inputs).output, tensors) > 0.5
    circuit_voice = voice_probability(output, tensors) > 0.5
    agreement = float((float_voice == circuit_voice).mean())
    return f"Voice decisions as the float network's in {agreement:.1%} of frames ({circuit_voice.mean():.0%} voice)."


def routing_lines(figures: dict[str, Any] | None) -> list[str]:
    """What place and route measured."""
    if figures is None:
        return ["Bitstream: not asked for."]
    return [
        f"Placed and routed: {figures['fmax_hz'] / 1e6:.1f} MHz, {figures['luts']:,} LUTs, {figures['ffs']:,} "
        f"flip-flops, {figures['dsps']} DSPs, {figures['block_rams']} block RAMs; bitstream {figures['bitstream']}."
    ]


def main(arguments: list[str] | None = None) -> int:
    """Runs the demo; 2 on bad input or a missing tool, said in one sentence."""
    parser = argparse.ArgumentParser(description="silero-vad on an ULX3S 85F, from checkpoint to bitstream")
    parser.add_argument("-o", dest="folder", metavar="DIR", type=Path, required=True)
    parser.add_argument("--no-bitstream", action="store_true", help="skip place and route")
    options = parser.parse_args(arguments)
    try:
        lines = demo(options.folder, not options.no_bitstream)
    except RnngenError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
