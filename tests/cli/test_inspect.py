"""``rnngen inspect`` and the import options on the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from rnngen.cli import main
from rnngen.cli.text import inspect_lines
from rnngen.frontend import ChainLayer, ModelSummary


@pytest.fixture
def model(tmp_path):
    """A bidirectional plain RNN 3 -> 2 x 4 behind an embedding, a batch norm and two Linear layers behind it."""
    random = np.random.default_rng(0)
    shapes = {"emb.weight": (9, 3), "fc1.weight": (5, 8), "fc1.bias": (5,), "fc2.weight": (2, 5)}
    for suffix in ("", "_reverse"):
        shapes |= {f"rnn.weight_ih_l0{suffix}": (4, 3), f"rnn.weight_hh_l0{suffix}": (4, 4)}
    state = {name: random.uniform(-1, 1, shape) for name, shape in shapes.items()}
    state |= {f"bn.{name}": np.full(8, 0.5) for name in ("weight", "bias", "running_mean", "running_var")}
    state["clock"] = np.zeros(1)
    path = tmp_path / "model.safetensors"
    save_file(state, path)
    return path


CHOICES = ["--embedding", "emb", "--head", "bn:eps=1e-3", "--head", "fc1:hardtanh=0,6", "--head", "fc2:argmax"]
CHOICES += ["--output", "final", "--nonlinearity", "relu"]


def run(capsys, *arguments):
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == 0
    return capsys.readouterr().out


def test_the_chain_for_people(model, capsys):
    assert run(capsys, "inspect", model, *CHOICES).splitlines() == [
        "model.safetensors (safetensors)",
        "found  kind       sizes   supported",
        "rnn    rnn        3 -> 8  yes",
        "emb    matrix     3 -> 9  yes",
        "fc1    linear     8 -> 5  yes",
        "fc2    matrix     5 -> 2  yes",
        "bn     batchnorm  8 -> 8  yes",
        "",
        "accelerator   kind         sizes   options",
        "emb           embedding    1 -> 3  symbols 9",
        "rnn.l0        rnn_relu     3 -> 8  hidden_size 4, bias no, directions forward, backward",
        "rnn.l0.final  final state  8 -> 8",
        "bn            affine       8 -> 8",
        "fc1           linear       8 -> 5  bias yes",
        "fc1.hardtanh  hardtanh     5 -> 5  low 0, high 6",
        "fc2           linear       5 -> 2  bias no",
        "fc2.argmax    argmax       2 -> 1",
    ]


def test_the_chain_as_json(model, capsys):
    document = json.loads(run(capsys, "inspect", model, *CHOICES, "--json"))
    assert (document["supported"], document["reason"], document["selected"]) == (True, "", "rnn")
    assert [layer["kind"] for layer in document["chain"]] == [
        "embedding", "rnn_relu", "final state", "affine", "linear", "hardtanh", "linear", "argmax",
    ]  # fmt: skip
    assert document["chain"][5]["options"] == {"low": 0.0, "high": 6.0}
    assert document["head"] == ["bn", "fc1", "fc2"]
    assert document["other"] == ["clock"]
    assert (document["host_before"], document["host_after"], document["notes"]) == ([], [], [])


def test_a_choice_left_to_make_is_the_reason(model, capsys):
    sentence = (
        "Layer 'rnn' is a plain RNN, whose parameters do not tell its nonlinearity; "
        "give --nonlinearity tanh or --nonlinearity relu, as it was trained."
    )
    lines = run(capsys, "inspect", model).splitlines()
    assert lines[-2:] == ["", f"refused: {sentence}"]
    assert lines[2] == f"rnn    rnn        3 -> 8  no: {sentence}"
    document = json.loads(run(capsys, "inspect", model, "--json"))
    assert (document["supported"], document["reason"], document["chain"]) == (False, sentence, [])


def test_what_the_host_does_stands_around_the_accelerator():
    layer = ChainLayer("rnn", "gru", 3, 4, 84, (("bias", True),))
    summary = ModelSummary(
        "m", "m.onnx", "onnx", (), "", (), (), (layer,), ("Scales the input.",), ("Softmax.",), ("Dropout.",), ""
    )
    assert inspect_lines(summary) == [
        "m.onnx (onnx)",
        "host, before: Scales the input.",
        "accelerator  kind  sizes   options",
        "rnn          gru   3 -> 4  bias yes",
        "host, behind: Softmax.",
        "note: Dropout.",
    ]


@pytest.mark.parametrize("command", [["inspect"], ["generate", "-o", "new"]])
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--head", "fc1:swish"], "Head 'fc1:swish' asks for 'swish', which is none of "),
        (["--head", "fc1", "--head", "none"], "Head 'none' is not in model.safetensors; "),
        (["--output", "middle"], "--output must be one of sequence, last, final, "),
        (["--nonlinearity", "gelu"], "--nonlinearity must be one of tanh, relu, not 'gelu'."),
        (["--embedding", "fc1"], "Embedding 'fc1' must have a 2-D weight and no bias, "),
        (["--mapping", "m.json"], "--mapping is for .npz files; a state dict says it itself, so leave the option out."),
        (["--select", "cell"], "Selection 'cell' matches no recurrent layer of model.safetensors; there are: 'rnn'."),
    ],
)
def test_refused_options(model, tmp_path, monkeypatch, capsys, command, options, sentence):
    monkeypatch.chdir(tmp_path)
    arguments = [command[0], model.name, *command[1:], *options]
    if "--nonlinearity" not in options:
        arguments += ["--nonlinearity", "tanh"]
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith(f"rnngen: {sentence}")
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
