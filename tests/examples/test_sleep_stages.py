"""sleepecg's bidirectional GRUs as accelerators: two hours emulated, one of them simulated."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from examples import sleep_stages
from rnngen.emulate.network import run_values
from rnngen.errors import ModelError
from rnngen.flow import simulate
from rnngen.flow.accuracy import error_figures
from rnngen.passes.fold import fold
from rnngen.passes.quantise import quantise

EPOCHS = 60


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    return sleep_stages.night(120)


@pytest.mark.parametrize("name", sleep_stages.CLASSIFIERS)
def test_stages_are_those_of_the_float_network(features: np.ndarray, name: str) -> None:
    classifier = sleep_stages.read_classifier(name)
    staged = sleep_stages.stages(classifier, sleep_stages.quantised_core(classifier, features), features)
    assert staged.scores.shape == staged.judge.shape
    assert staged.sqnr_db > 44
    assert all(lead < 0.04 for lead in staged.differing.values())
    assert len(staged.differing) <= 3


def test_batch_norm_belongs_to_the_host(features: np.ndarray) -> None:
    """Folded, it costs the precision that the head of the example says."""
    classifier = sleep_stages.read_classifier("wrn-gru-mesa")
    folded = quantise(fold(classifier.network), 16, 16, features)
    output = folded.output_format.to_float(run_values(folded, features).output)
    assert folded.input_format.fraction < 0
    assert error_figures(output, classifier.scores(features)).sqnr_db < 20


def test_the_cut_changes_nothing(features: np.ndarray) -> None:
    classifier = sleep_stages.read_classifier("wrn-gru-mesa")
    scaled = classifier.norm.scale * features + classifier.norm.shift
    assert np.abs(classifier.prepared(features)).max() <= sleep_stages.LIMIT
    small = np.abs(scaled) <= sleep_stages.LIMIT
    assert np.array_equal(classifier.prepared(features)[small], scaled[small])
    assert [layer.name for layer in classifier.core.layers] == [layer.name for layer in classifier.network.layers[1:]]


def test_differing_epochs_and_their_leads() -> None:
    judge = np.array([[[1.0, 0.5, 0.0], [0.0, 2.0, 1.75], [3.0, 0.0, 0.0]]])
    scores = np.array([[[1.0, 0.5, 0.0], [0.0, 1.8, 1.9], [3.0, 0.0, 0.0]]])
    assert sleep_stages.Staged(scores, judge).differing == {1: 0.25}


def test_another_network(monkeypatch: pytest.MonkeyPatch) -> None:
    core = sleep_stages.read_classifier("ws-gru-mesa").core
    monkeypatch.setattr(sleep_stages, "load", lambda _path: core)
    sentence = "Classifier 'ws-gru-mesa' must begin with a batch norm, not with 'dense'."
    with pytest.raises(ModelError, match=f"^{re.escape(sentence)}$"):
        sleep_stages.read_classifier("ws-gru-mesa")


def test_command(
    features: np.ndarray, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sleep_stages, "night", lambda minutes: features[:, : minutes * 2])
    monkeypatch.setattr(sleep_stages, "CLASSIFIERS", ("wrn-gru-mesa",))
    assert sleep_stages.main(["--hours", "0.5"]) == 0
    assert capsys.readouterr().out.startswith("wrn-gru-mesa: ")
    assert sleep_stages.main(["--weights", "1"]) == 2
    assert capsys.readouterr().err == "error: Weight bits must be within 2..18, not 1.\n"


@pytest.mark.verilator
def test_circuit(tmp_path: Path, features: np.ndarray) -> None:
    classifier = sleep_stages.read_classifier("wrn-gru-mesa")
    quantised = sleep_stages.quantised_core(classifier, features)
    design = sleep_stages.core_design(classifier, quantised, tmp_path / "design", EPOCHS)
    x = classifier.prepared(features[0, : 2 * EPOCHS].reshape(2, EPOCHS, -1))
    report = simulate(design, x)
    assert report.comparison.cycle_exact  # bits, too
    assert report.figures["steps"] == 2 * EPOCHS
    assert report.figures["step_interval_cycles"] == design.plan.interval
    assert report.figures["multiplier_utilisation"] == design.plan.bound / design.plan.interval
    assert report.figures["float_sqnr_db"] > 60
