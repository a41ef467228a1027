"""Import options: how they are written, and which model takes which."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from rnngen.errors import ModelError
from rnngen.frontend import ImportOptions, inspect, load
from rnngen.frontend.chain import Chain
from rnngen.frontend.head import Function, HeadItem, parse_head
from rnngen.ir.layers import ActivationLayer, LinearLayer, RecurrentLayer

SEQUENCE = "state dicts and a selected layer of a live module"


@pytest.mark.parametrize(
    "text, name, eps, functions",
    [
        ("fc", "fc", None, ()),
        (".", ".", None, ()),
        ("a.fc:relu", "a.fc", None, (Function("relu"),)),
        ("bn:eps=1e-3", "bn", 1e-3, ()),
        ("bn:eps=0:tanh:argmax", "bn", 0.0, (Function("tanh"), Function("argmax"))),
        (":hardtanh", "", None, (Function("hardtanh", -1.0, 1.0),)),
        ("fc:hardtanh=-0.5,6:hardsigmoid", "fc", None, (Function("hardtanh", -0.5, 6.0), Function("hardsigmoid"))),
    ],
)
def test_heads(text, name, eps, functions):
    assert parse_head(text) == HeadItem(text, name, eps, functions)
    assert ImportOptions(head=text).heads == (parse_head(text),)
    assert ImportOptions(head=(text, "x")).heads == (parse_head(text), parse_head("x"))


LIMITS = r"hardtanh's limits must be LOW,HIGH with LOW below HIGH"


@pytest.mark.parametrize(
    "text, message",
    [
        ("", r"Head '' names nothing; write the name of a layer \('\.' for the top of the model\)\."),
        (
            "fc:swish",
            r"Head 'fc:swish' asks for 'swish', which is none of relu, sigmoid, tanh, hardsigmoid, hardtanh, argmax; "
            r"write NAME\[:eps=VALUE\]\[:FUNCTION\], for instance 'fc:relu'\.",
        ),
        ("fc:", r"Head 'fc:' asks for '', which is none of .*"),
        ("fc:relu:eps=1", r"Head 'fc:relu:eps=1' asks for 'eps=1', which is none of .*"),
        ("bn:eps=small", r"Head 'bn:eps=small': eps must be a number of at least 0, not 'small'\."),
        ("bn:eps=-1", r"Head 'bn:eps=-1': eps must be a number of at least 0, not '-1'\."),
        ("bn:eps=inf", r"Head 'bn:eps=inf': eps must be a number of at least 0, not 'inf'\."),
        (":eps=1", r"Head ':eps=1': eps needs the name of a batch norm before it\."),
        ("fc:relu=1", r"Head 'fc:relu=1': only hardtanh has limits, not 'relu'\."),
        ("fc:hardtanh=1", rf"Head 'fc:hardtanh=1': {LIMITS}, not '1'\."),
        ("fc:hardtanh=", rf"Head 'fc:hardtanh=': {LIMITS}, not ''\."),
        ("fc:hardtanh=2,1", rf"Head 'fc:hardtanh=2,1': {LIMITS}, not '2,1'\."),
        ("fc:hardtanh=0,1,2", rf"Head 'fc:hardtanh=0,1,2': {LIMITS}, not '0,1,2'\."),
        ("fc:hardtanh=a,1", rf"Head 'fc:hardtanh=a,1': {LIMITS}, not 'a,1'\."),
        ("fc:hardtanh=nan,1", rf"Head 'fc:hardtanh=nan,1': {LIMITS}, not 'nan,1'\."),
    ],
)
def test_heads_that_cannot_be_read(text, message):
    with pytest.raises(ModelError, match=f"^{message}$"):
        ImportOptions(head=("fc", text))


def test_choices_that_are_not_there():
    outputs = (
        r"sequence, last, final, forward, backward, forward\+last, forward\+final, backward\+last, backward\+final"
    )
    with pytest.raises(ModelError, match=rf"^--output must be one of {outputs}, not 'middle'\.$"):
        ImportOptions(output="middle")
    with pytest.raises(ModelError, match=r"^--nonlinearity must be one of tanh, relu, not 'gelu'\.$"):
        ImportOptions(nonlinearity="gelu")


def test_choices_can_be_keywords_beside_the_options(arrays, save):
    path = save({**arrays(3, 4, "a."), **arrays(3, 5, "b.")})
    options = ImportOptions(select="a", output="last")
    assert [layer.name for layer in load(path, options).layers] == ["a.l0", "a.l0.last"]
    assert [layer.name for layer in load(path, options, select="b").layers] == ["b.l0", "b.l0.last"]
    assert inspect(path, options, select="b").selected == "b"
    with pytest.raises(TypeError, match="selct"):
        load(path, selct="b")


ALL = {
    "select": ("a", "state dicts, live modules and ONNX files"),
    "embedding": ("e", SEQUENCE),
    "head": (("fc",), SEQUENCE),
    "output": ("last", SEQUENCE),
    "nonlinearity": ("tanh", "state dicts"),
    "mapping": (Path("m.json"), r"\.npz files"),
}
TAKEN = {
    ".safetensors": ("a state dict", {"select", "embedding", "head", "output", "nonlinearity"}),
    ".pt": ("a state dict", {"select", "embedding", "head", "output", "nonlinearity"}),
    ".pt2": ("an exported program (.pt2)", set()),
    ".onnx": ("an ONNX file", {"select"}),
    ".keras": ("a Keras file", set()),
    ".npz": ("an .npz file with its mapping", {"mapping"}),
}


@pytest.mark.parametrize("call", [load, inspect])
@pytest.mark.parametrize(
    "extension, option",
    [(extension, option) for extension in TAKEN for option in ALL if option not in TAKEN[extension][1]],
)
def test_options_that_a_format_does_not_take(tmp_path, call, extension, option):
    title = TAKEN[extension][0]
    (tmp_path / f"m{extension}").write_bytes(b"")
    value, purpose = ALL[option]
    message = rf"^--{option} is for {purpose}; {re.escape(title)} says it itself, so leave the option out\.$"
    with pytest.raises(ModelError, match=message):
        call(tmp_path / f"m{extension}", **{option: value})


class Forward(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = torch.nn.RNN(3, 4, nonlinearity="relu")
        self.fc = torch.nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(self.rnn(x)[0])


@pytest.mark.parametrize("option", sorted(ALL.keys() - {"select"}))
def test_a_live_module_says_what_its_forward_does(option):
    value, purpose = ALL[option]
    message = rf"^--{option} is for {purpose}; the forward of a live module says it itself, so leave the option out\.$"
    with pytest.raises(ModelError, match=message):
        load(Forward(), **{option: value})


def test_a_selected_layer_has_no_mapping():
    message = r"^--mapping is for \.npz files; a live module says it itself, so leave the option out\.$"
    with pytest.raises(ModelError, match=message):
        load(Forward(), select="rnn", mapping=Path("m.json"))


def test_examples_are_for_live_modules(arrays, save):
    message = r"^An example input is for live modules; a file needs none, so leave it out\.$"
    with pytest.raises(ModelError, match=message):
        load(save(arrays()), example=torch.zeros(1, 2, 3))
    message = (
        r"^An example input is for a live module whose forward is followed, not for a selected layer of it; "
        r"leave it out\.$"
    )
    with pytest.raises(ModelError, match=message):
        load(Forward(), select="rnn", example=torch.zeros(1, 2, 3))


def chain(kind="onnx"):
    zeros = np.zeros(4)
    layers = (
        RecurrentLayer("rnn", "rnn_tanh", np.ones((4, 3)), np.ones((4, 4)), zeros, zeros),
        ActivationLayer("relu", "relu", 4),
    )
    before, after = ("The host scales the input.",), ("The host takes the softmax.",)
    return Chain("Model 'm'", "stem of m", "m.x", kind, layers, before, after, ("A dropout is no part of inference.",))


READERS = {
    ".pt2": ("exported", "read_pt2", {}, {}),
    ".onnx": ("onnx_model", "read_onnx", {"select": "node"}, {"select": "node"}),
    ".keras": ("keras_model", "read_keras", {}, {}),
    ".npz": ("npz_model", "read_npz", {"mapping": Path("m.json")}, {"mapping": Path("m.json")}),
}


@pytest.fixture
def reader(monkeypatch):
    """Put a reader in the place of one of the frontend's modules; gives the calls of it."""

    def replace(module, function, result):
        calls = []

        def read(*arguments, **options):
            calls.append((arguments, options))
            if isinstance(result, Exception):
                raise result
            return result

        stand_in = types.ModuleType(f"rnngen.frontend.{module}")
        setattr(stand_in, function, read)
        monkeypatch.setitem(sys.modules, f"rnngen.frontend.{module}", stand_in)
        return calls

    return replace


@pytest.mark.parametrize("extension", [*READERS, ".ONNX"])
def test_formats_that_say_it_themselves(tmp_path, reader, extension):
    module, function, choices, expected = READERS[extension.lower()]
    path = tmp_path / f"m{extension}"
    path.write_bytes(b"")
    made = chain(extension[1:])
    calls = reader(module, function, made)
    network = load(path, **choices)
    (arguments, options) = calls[0]
    assert (arguments, options) in [((path,), expected), ((path,), {**expected, "select": None})]
    assert network.layers == made.layers
    assert (network.name, network.source) == ("stem_of_m", "m.x")
    assert (network.host_before, network.host_after) == (made.host_before, made.host_after)
    summary = inspect(path, **choices)
    assert [(layer.name, layer.kind) for layer in summary.chain] == [("rnn", "rnn_tanh"), ("relu", "relu")]
    assert (summary.host_before, summary.host_after, summary.notes) == (
        made.host_before, made.host_after, made.notes,
    )  # fmt: skip
    assert (summary.layers, summary.selected, summary.head, summary.other) == ((), "", (), ())


@pytest.mark.parametrize("extension", READERS)
def test_a_refused_model_is_inspected_with_its_reason(tmp_path, reader, extension):
    module, function, choices, _ = READERS[extension]
    path = tmp_path / f"m{extension}"
    path.write_bytes(b"")
    reader(module, function, ModelError("Operator 'Loop' is not supported."))
    with pytest.raises(ModelError, match=r"^Operator 'Loop' is not supported\.$"):
        load(path, **choices)
    summary = inspect(path, **choices)
    assert (summary.supported, summary.reason) == (False, "Operator 'Loop' is not supported.")
    assert (summary.name, summary.source, summary.chain, summary.format) == ("m", f"m{extension}", (), extension[1:])


def test_a_chain_that_does_not_fit_is_refused(tmp_path, reader):
    path = tmp_path / "m.keras"
    path.write_bytes(b"")
    layers = (*chain().layers, LinearLayer("fc", np.ones((2, 5)), np.zeros(2)))
    reader("keras_model", "read_keras", Chain("Model 'm'", "m", "m", "keras", layers))
    assert inspect(path).reason == "Layer 'fc' takes 5 inputs but 'relu' before it gives 4."


def test_a_live_module_without_a_selection(reader):
    model, example = Forward(), torch.zeros(1, 2, 3)
    calls = reader("exported", "read_live", chain("module"))
    assert load(model, example=example).layers[0].name == "rnn"
    assert calls == [((model, example), {})]
    summary = inspect(model)
    assert [layer.name for layer in summary.layers] == ["rnn", "fc"]
    assert [layer.name for layer in summary.chain] == ["rnn", "relu"]
    assert (summary.selected, summary.format) == ("", "module")


def test_a_recurrent_layer_with_a_forward_of_its_own_is_followed(reader):
    class Odd(torch.nn.GRU):
        def forward(self, x, state=None):
            return super().forward(-x, state)

    calls = reader("exported", "read_live", chain("module"))
    load(Odd(3, 4))
    load(torch.nn.GRU(3, 4))
    assert len(calls) == 1


def test_a_live_module_that_is_refused_shows_what_can_be_selected(reader):
    reader("exported", "read_live", ModelError("The forward has a loop."))
    summary = inspect(Forward())
    assert summary.reason == "The forward has a loop."
    assert [(layer.name, layer.supported) for layer in summary.layers] == [("rnn", True), ("fc", True)]
