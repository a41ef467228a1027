"""The examples' main jobs in Verilator: real networks, all their data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from examples import japanese_vowels

pytestmark = pytest.mark.verilator


def test_every_frame_of_silero_vad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(japanese_vowels.__file__).parent))
    from examples import silero_demo

    lines = silero_demo.demo(tmp_path / "demo", bitstream=False)
    figures = json.loads((tmp_path / "demo" / "simulation.json").read_text())
    assert figures["cycle_exact"] is True
    assert figures["steps"] >= 300
    assert figures["step_interval_cycles"] == 4 * 128 * 256 / 128  # the bound
    assert figures["multiplier_utilisation"] == 1.0
    assert figures["float_sqnr_db"] > 50
    assert lines[-1].startswith("Report: ")


def test_accuracy_on_japanese_vowels(tmp_path: Path) -> None:
    training, test = japanese_vowels.load_data()
    model = japanese_vowels.train(training)
    japanese_vowels.save(tmp_path / "vowels", model, training, test)
    path = tmp_path / "vowels" / "japanese_vowels.pt"
    emulated, simulated = japanese_vowels.compare(path, training, test, tmp_path / "design")
    assert (emulated.accuracy, emulated.cycles, emulated.sqnr_db) == (
        simulated.accuracy, simulated.cycles, pytest.approx(simulated.sqnr_db)
    )  # fmt: skip
    assert abs(emulated.accuracy - japanese_vowels.evaluate(model, test)) <= 0.01
    assert emulated.accuracy > 0.95
    (narrow,) = japanese_vowels.narrowed(path, training, test, tmp_path, [2])
    assert narrow.sqnr_db < emulated.sqnr_db
    japanese_vowels.plot([emulated, narrow], tmp_path / "accuracy.svg")
    assert f">{emulated.accuracy:.3f}</text>" in (tmp_path / "accuracy.svg").read_text()
    assert japanese_vowels.table([emulated])[1].split()[:2] == ["emulated", f"{emulated.accuracy:.4f}"]
