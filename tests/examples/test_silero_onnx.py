"""silero-vad's ONNX file as an accelerator, judged by what the file itself computes of real sound."""

from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest

from examples import silero_onnx
from examples.silero_features import SOUND_VARIABLE, load_sound
from rnngen.emit.design import Design
from rnngen.errors import ToolError
from rnngen.flow import GenerateOptions, emulate, generate, simulate
from rnngen.frontend import ImportOptions

FRAMES = 200


@pytest.fixture(scope="module")
def own() -> silero_onnx.OwnRun:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(SOUND_VARIABLE, raising=False)
        return silero_onnx.run_file(load_sound().samples, FRAMES)


@pytest.fixture(scope="module")
def design(own: silero_onnx.OwnRun, tmp_path_factory: pytest.TempPathFactory) -> Design:
    options = GenerateOptions(
        imports=ImportOptions(select=silero_onnx.NODE), calibrate=own.features, multipliers=130, weight_bits=16
    )
    return generate(silero_onnx.model_file(), tmp_path_factory.mktemp("silero") / "design", options)


def test_voice_is_heard_where_the_file_hears_it(own: silero_onnx.OwnRun, design: Design) -> None:
    voice = own.probabilities > 0.5
    assert 0.2 < voice.mean() < 0.9
    emulated = emulate(design, own.features)
    assert [layer.kind for layer in design.quantised.layers] == ["lstm", "table"]
    assert np.array_equal(emulated.output[0, :, 0] > 0.5, voice)
    assert np.abs(emulated.output[0, :, 0] - own.probabilities).max() < 0.005
    assert emulated.error.sqnr_db > 60


@pytest.mark.verilator
def test_circuit(own: silero_onnx.OwnRun, design: Design) -> None:
    report = simulate(design, own.features, steps=48)
    assert report.comparison.cycle_exact  # bits, too
    assert report.figures["steps"] == 48
    assert report.figures["step_interval_cycles"] == 4 * 128 * 256 / 128  # the bound of the LSTM
    assert report.figures["float_sqnr_db"] > 60


def test_missing_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    onnx_missing = r"^This needs onnx, which is not installed; run 'pip install rnngen\[onnx\]'\.$"
    with pytest.raises(ToolError, match=onnx_missing):
        silero_onnx.run_file(np.zeros(512))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ToolError, match=r"^This needs silero-vad, which is not installed; run 'pip install --no-deps "):
        silero_onnx.model_file()
