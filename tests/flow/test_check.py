"""``rnngen check``: the three proofs on a user's own model, and what it says of one that is wrong or refused."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rnngen.cli import main
from rnngen.errors import DataError, ModelError
from rnngen.flow.accuracy import ErrorFigures
from rnngen.flow.check import CheckOptions, CheckReport, FloatCheck, check
from rnngen.flow.proof import (
    Choices,
    CircuitCheck,
    EmulatorCheck,
    LayerErrors,
    compare_emulator,
    relative_difference,
)
from rnngen.frontend.framework import judge
from rnngen.ir.layers import (
    ActivationLayer,
    ArgmaxLayer,
    FloatArray,
    LastStepLayer,
    Layer,
    LinearLayer,
    ParallelLayer,
    RecurrentLayer,
)
from rnngen.ir.network import Network
from rnngen.passes.quantise import quantise

torch.set_num_threads(1)

flow = importlib.import_module("rnngen.flow.check")  # the name in the package is the function

QUICK = CheckOptions(circuit=False, steps=5, sequences=2)


class Tagger(torch.nn.Module):
    """Embedding, GRU of two directions, Linear, the name of the largest."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(9, 4)
        self.rnn = torch.nn.GRU(4, 5, batch_first=True, bidirectional=True)
        self.fc = torch.nn.Linear(10, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.rnn(self.table(x))[0])


class Squashed(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = torch.nn.LSTM(4, 5)
        self.fc = torch.nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.fc(self.rnn(x)[0][-1]))


class Between(torch.nn.Module):
    """Not supported: something else between two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = torch.nn.GRU(3, 4), torch.nn.GRU(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.two(torch.nn.functional.gelu(self.one(x)[0]))[0]


def save(path: Path, module: torch.nn.Module, example: torch.Tensor) -> Path:
    """A .pt2 file with parameters in float32."""
    axes = dict.fromkeys((0, 1), torch.export.Dim.AUTO)
    torch.export.save(torch.export.export(module.eval(), (example,), dynamic_shapes=(axes,)), path)
    return path


def of_kind(module: torch.nn.Module) -> tuple[torch.nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    return module, torch.arange(6).reshape(2, 3) if isinstance(module, Tagger) else torch.randn(2, 3, 4)


@pytest.mark.parametrize("kind", [Tagger, Squashed])
def test_own_forward_is_the_judge_of_a_program_and_of_a_module(kind: type[torch.nn.Module], tmp_path: Path) -> None:
    module, example = of_kind(kind())
    program = judge(save(tmp_path / "m.pt2", module, example))
    live = judge(module)
    assert program is not None
    assert live is not None
    assert re.fullmatch(r"the exported program's own operations \(torch \S+, float64\)", program.judge)
    assert re.fullmatch(r"the module's own forward \(torch \S+, float64\)", live.judge)
    assert program.difference <= 1e-12
    assert live.difference <= 1e-12
    assert program.words > 0


def test_a_forward_that_does_something_else_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operations of the file are run, not what was imported of them: with gelu for tanh they differ."""
    module, example = of_kind(Squashed())
    path = save(tmp_path / "m.pt2", module, example)
    monkeypatch.setattr(torch.ops.aten.tanh, "default", torch.ops.aten.gelu.default)
    found = judge(path)
    assert found is not None
    assert found.difference > 1e-3
    monkeypatch.undo()
    again = judge(path)
    assert again is not None
    assert again.difference <= 1e-12


def test_no_forward_to_run_no_judgement(tmp_path: Path) -> None:
    torch.save(torch.nn.LSTM(3, 4).state_dict(), tmp_path / "m.pt")
    assert judge(tmp_path / "m.pt") is None

    class Host(Squashed):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.softmax(super().forward(x), dim=-1)

    assert judge(Host()) is None


def test_check_of_a_module() -> None:
    module, _ = of_kind(Squashed())
    report = check(module, QUICK)
    assert report.holds
    assert report.emulator is not None
    assert report.emulator.judged
    assert report.emulator.scale == 1.0
    assert 0 < report.emulator.output.max_abs <= 2e-4
    assert [layer.name for layer in report.emulator.layers][0] == "rnn.l0.last"
    assert report.circuit is None
    assert (report.sequences, report.steps) == (2, 5)


def test_an_import_that_differs_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    module, _ = of_kind(Squashed())
    real = flow.load

    def wrong(*arguments: Any, **options: Any) -> Network:
        network = real(*arguments, **options)
        first = network.layers[0]
        assert isinstance(first, RecurrentLayer)
        changed = RecurrentLayer(**{**vars(first), "bias_ih": first.bias_ih + 1e-9})
        monkeypatch.setattr(flow, "run_layers", lambda n, x: [real_run(Network("n", (changed, *n.layers[1:])), x)[-1]])
        return network

    real_run = flow.run_layers
    monkeypatch.setattr(flow, "load", wrong)
    report = check(module, QUICK)
    assert report.imported is not None
    assert report.imported.difference > 1e-12
    assert not report.holds


def test_check_of_a_refused_model() -> None:
    report = check(Between(), QUICK)
    reason = (
        "Module Between: 'two' is a recurrent layer behind what stays on the host ('gelu' (gelu) is computed on the "
        "host); the layers of the accelerator must follow one another."
    )
    assert report == CheckReport("torch.nn.Module Between", reason)
    assert not report.holds
    assert report.to_dict() == {
        "source": "torch.nn.Module Between", "converted": False, "holds": False, "refused": reason,
    }  # fmt: skip


def random_layer(cell: str, reverse: bool = False, h_0: FloatArray | None = None) -> RecurrentLayer:
    random = np.random.default_rng(3)
    rows = {"lstm": 4, "gru": 3}.get(cell, 1) * 4
    arrays = [random.uniform(-0.5, 0.5, shape) for shape in ((rows, 3), (rows, 4), (rows,), (rows,))]
    return RecurrentLayer("l", cell, *arrays, reverse=reverse, h_0=h_0)


LINEAR = LinearLayer("fc", np.full((2, 4), 0.5), np.array([3.0, -3.0]))

JUDGED: dict[str, tuple[tuple[Layer, ...], bool]] = {
    "LSTM": ((random_layer("lstm"),), True),
    "last step of a GRU": ((random_layer("gru"), LastStepLayer("s", 4)), True),
    "RNN tanh of two directions": ((ParallelLayer("p", (random_layer("rnn_tanh"),) * 2),), True),
    "RNN relu": ((random_layer("rnn_relu"),), False),
    "GRU that begins beyond 1": ((random_layer("gru", h_0=np.full(4, 1.5)),), False),
    "Linear": ((random_layer("lstm"), LINEAR), False),
    "sigmoid": ((random_layer("lstm"), LINEAR, ActivationLayer("a", "sigmoid", 2)), True),
    "relu": ((random_layer("lstm"), LINEAR, ActivationLayer("a", "relu", 2)), False),
    "relu of an LSTM": ((random_layer("lstm"), ActivationLayer("a", "relu", 4)), True),
    "hardtanh": ((random_layer("lstm"), LINEAR, ActivationLayer("a", "hardtanh", 2)), True),
    "hardtanh to 6": ((random_layer("lstm"), LINEAR, ActivationLayer("a", "hardtanh", 2, 0.0, 6.0)), False),
    "argmax": ((random_layer("lstm"), LINEAR, ArgmaxLayer("m", 2)), False),
}


@pytest.mark.parametrize("name", JUDGED)
def test_bounds_are_for_words_within_one_or_for_a_scale(name: str) -> None:
    layers, bounded = JUDGED[name]
    network = Network("n", layers)
    x = np.random.default_rng(0).uniform(-1.0, 1.0, (2, 6, 3))
    plain, scaled = (compare_emulator(network, quantise(network, 16, 16, x), x, scaled=s) for s in (False, True))
    assert (plain.judged, scaled.judged) == (bounded, True)
    assert plain.scale == 1.0
    assert scaled.scale >= 1.0
    if bounded:
        assert scaled.scale == 1.0
    if name in ("Linear", "argmax"):
        assert 2.5 < scaled.scale < 3.5  # the bias of 3
    assert compare_emulator(network, quantise(network, 8, 16, x), x, scaled=True).judged is False


def emulator(**changes: Any) -> EmulatorCheck:
    figures = (LayerErrors("l", ErrorFigures(1.9e-4, 4.9e-5, 80.0)),)
    made = {"layers": figures, "scale": 1.0, "judged": True, "choices": None, "saturations": 0}
    return EmulatorCheck(**made | changes)


def test_verdicts() -> None:
    def errors(largest: float, mean: float) -> tuple[LayerErrors, ...]:
        return (LayerErrors("l", ErrorFigures(largest, mean, 80.0)),)

    assert emulator().holds
    assert not emulator(layers=errors(2.1e-4, 1e-5)).holds
    assert not emulator(layers=errors(1e-4, 5.1e-5)).holds
    assert emulator(layers=errors(3.9e-4, 9.9e-5), scale=2.0).holds
    assert emulator(layers=errors(1.0, 1.0), judged=False).holds
    assert emulator(layers=errors(1.0, 1.0), choices=Choices(0, 1)).holds
    assert not emulator(choices=Choices(1, 0)).holds
    assert FloatCheck("j", 1e-12).holds
    assert not FloatCheck("j", 1.1e-12).holds
    assert not FloatCheck("j", float("inf")).holds
    exact = CircuitCheck(4, 9, True, True, True)
    assert exact.holds
    for wrong in ("bits", "cycles", "paused_bits"):
        assert not CircuitCheck(**vars(exact) | {wrong: False}).holds


def test_relative_difference() -> None:
    assert relative_difference(np.array([1.0, 4.5]), np.array([1.0, 4.0])) == 0.125
    assert relative_difference(np.array([0.25]), np.array([0.5])) == 0.25
    assert relative_difference(np.zeros((1, 2)), np.zeros((2, 1))) == float("inf")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"steps": 0}, "--steps must be at least 1, not 0."),
        ({"sequences": 0}, "--sequences must be at least 1, not 0."),
        ({"multipliers": -1}, "--multipliers must be at least 1, not -1."),
    ],
)
def test_wrong_numbers(options: dict[str, int], sentence: str) -> None:
    with pytest.raises(DataError, match=f"^{re.escape(sentence)}$"):
        check(Squashed(), CheckOptions(**options))


def test_a_file_that_is_not_there_is_an_error_and_no_refusal(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"^Model file '.*none\.pt2' does not exist; check the path\.$"):
        check(tmp_path / "none.pt2")


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    status = main(["check", *arguments])
    return status, capsys.readouterr().out


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module, example = of_kind(Squashed())
    path = str(save(tmp_path / "m.pt2", module, example))
    status, out = command(capsys, path, "--no-circuit", "--steps", "4")
    lines = out.splitlines()
    assert status == 0
    assert lines[0] == "m.pt2: converted, 3 x 4 steps."
    assert re.fullmatch(r"import = float +largest difference \S+ \(limit 1e-12\) +holds", lines[2])
    assert re.fullmatch(r"emulator ~ float: tanh +max .* \(bounds 0.0002, 5e-05\) +holds", lines[4])
    assert re.fullmatch(r"circuit = emulator +not simulated +-", lines[5])
    assert re.fullmatch(r"Judge of the import: the exported program's own operations .*\.", lines[6])
    status, out = command(capsys, path, "--no-circuit", "--json", "--sequences", "1")
    document = json.loads(out)
    assert (status, document["holds"], document["sequences"], document["circuit"]) == (0, True, 1, None)
    assert document["import"]["limit"] == 1e-12


def test_command_on_models_that_are_refused_missing_or_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = str(save(tmp_path / "between.pt2", Between(), torch.randn(2, 3, 3)))
    status, out = command(capsys, refused)
    assert status == 2
    assert re.fullmatch(r"between\.pt2 +refused: Model 'between\.pt2': 'two' is a recurrent .*\.", out.splitlines()[1])
    assert command(capsys, str(tmp_path / "none.pt2")) == (2, "")
    circuit = CircuitCheck(4, 9, True, False, True, "Output came in the wrong cycle at ...")
    report = CheckReport("m", "", 1, 2, FloatCheck("the judge", 0.0), emulator(), circuit)
    monkeypatch.setattr("rnngen.cli.check.check", lambda *arguments: report)
    status, out = command(capsys, refused)
    assert status == 1
    assert re.search(r"\ncircuit = emulator: cycles +step interval 9 +DIFFERS\n", out)
    assert out.endswith("Judge of the import: the judge.\nOutput came in the wrong cycle at ...\n")


@pytest.mark.verilator
def test_the_circuit_of_a_module_too() -> None:
    """A state dict's judge, random symbols, an argmax: bits, cycles, and bits with pauses."""
    module, _ = of_kind(Tagger())
    report = check(module, CheckOptions(steps=4, sequences=2, multipliers=40))
    assert report.circuit is not None
    assert report.circuit.multipliers <= 40
    assert report.holds, report.to_dict()
