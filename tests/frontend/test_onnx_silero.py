"""silero-vad's own ONNX files: the LSTM that the user names, with what follows it, held to the onnx package."""

import importlib.util
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx.reference import ReferenceEvaluator

from rnngen.errors import ModelError
from rnngen.frontend.onnx_model import read_onnx
from rnngen.ir.reference import run_recurrent
from tests.frontend.onnx_cases import judge, model, node, run_chain

THEN, ELSE = "If_0_then_branch__Inline_0__", "If_0_else_branch__Inline_0__"
LSTM = "/decoder/rnn/LSTM"


@pytest.fixture(scope="module")
def folder() -> Path:
    spec = importlib.util.find_spec("silero_vad")  # importing it would need torchaudio
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "data"


def _branch(path, key):
    """The graph that an If on the sample rate holds, as a model that also gives the LSTM's features and the state."""
    proto = onnx.load(path)
    (choice,) = [part for part in proto.graph.node if part.op_type == "If"]
    (graph,) = [attribute.g for attribute in choice.attribute if attribute.name == f"{key}_branch"]
    prefix = {"then": THEN, "else": ELSE}[key]
    outputs = [f"{prefix}/decoder/If_output_0", f"{prefix}_outputs_0", f"{prefix}_outputs_1"]
    outputs = [outputs[0], *(name.replace("__Inline_0__", "__Inline_0") for name in outputs[1:])]
    alone = helper.make_graph(
        list(graph.node),
        "branch",
        [entry for entry in proto.graph.input if entry.name != "sr"],
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in outputs],
    )
    return ReferenceEvaluator(helper.make_model(alone, opset_imports=proto.opset_import)), outputs


@pytest.mark.parametrize(("key", "prefix", "samples"), [("then", THEN, 576), ("else", ELSE, 288)])
def test_the_state_kept_inside_is_the_state_carried_outside(folder, key, prefix, samples):
    """Six calls of the whole model, its state carried from call to call, are six steps of one sequence."""
    chain = read_onnx(folder / "silero_vad.onnx", prefix + LSTM)
    evaluator, outputs = _branch(folder / "silero_vad.onnx", key)
    x = (0.1 * np.random.default_rng(0).normal(size=(6, 2, samples))).astype(np.float32)
    state = np.zeros((2, 2, 128), np.float32)
    features, expected = [], []
    for step in x:
        made, y, state = evaluator.run(outputs, {"input": step, "state": state})
        features.append(made)
        expected.append(y)
    result = run_chain(chain, np.stack(features, axis=1))
    assert result.shape == (2, 6, 1)
    assert np.abs(result - np.stack(expected, axis=1)).max() < 1e-6  # the file computes in float32


def test_chain_of_the_selected_node(folder):
    chain = read_onnx(folder / "silero_vad.onnx", THEN + LSTM)
    assert [(type(layer).__name__, layer.input_size, layer.output_size) for layer in chain.layers] == [
        ("RecurrentLayer", 128, 128),
        ("ActivationLayer", 128, 128),
        ("LinearLayer", 128, 1),
        ("ActivationLayer", 1, 1),
    ]
    assert chain.host_before[0] == f"'{THEN}/stft/padding/Pad' (Pad) is computed on the host."
    assert chain.host_after == ()
    assert chain.notes == tuple(
        f"Model 'silero_vad.onnx': '{THEN + LSTM}' (LSTM): {key} is an input of the model ('state'); it is kept "
        f"inside the accelerator and begins with zeros."
        for key in ("initial_h", "initial_c")
    ) + ("The output 'stateN' of the model is not taken; 'output' is.",)
    assert (chain.stem, chain.source, chain.kind) == ("silero_vad", "silero_vad.onnx", "onnx")


def test_lstm_alone(folder):
    """Its weights, put into a node of our own."""
    layer = read_onnx(folder / "silero_vad.onnx", THEN + LSTM).layers[0]
    proto = onnx.load(folder / "silero_vad.onnx")
    (choice,) = [part for part in proto.graph.node if part.op_type == "If"]
    (graph,) = [attribute.g for attribute in choice.attribute if attribute.name == "then_branch"]
    constants = {
        part.output[0].removeprefix(THEN): onnx.numpy_helper.to_array(part.attribute[0].t)
        for part in graph.node
        if part.op_type == "Constant"
    }
    order = np.r_[0:128, 384:512, 128:384]  # i f g o to i o f c
    w, r, b, d = (constants[f"decoder.rnn.{name}"][order].astype(np.float64) for name in (
        "weight_ih", "weight_hh", "bias_ih", "bias_hh"
    ))  # fmt: skip
    arrays = {"W": w[None], "R": r[None], "B": np.concatenate([b, d])[None]}
    alone = model([node("LSTM", ["x", "W", "R", "B"], ["y"], hidden_size=128)], arrays, inputs={"x": (9, 2, 128)})
    x = np.random.default_rng(1).normal(size=(9, 2, 128))
    (expected,) = judge(alone, {"x": x})
    assert np.abs(run_recurrent(layer, x.swapaxes(0, 1)).output - expected[:, 0].swapaxes(0, 1)).max() < 1e-12


def test_sequence_file(folder):
    """The file that takes a whole sequence: its LSTM reads what the convolutions give."""
    chain = read_onnx(folder / "silero_vad_16k_sequence.onnx", "/recurrent/LSTM")
    evaluator = ReferenceEvaluator(onnx.load(folder / "silero_vad_16k_sequence.onnx"))
    x = (0.1 * np.random.default_rng(2).normal(size=(7, 576))).astype(np.float32)
    zeros = np.zeros((1, 1, 128), np.float32)
    values = evaluator.run(None, {"input": x, "h": zeros, "c": zeros}, intermediate=True)
    features = values["/Transpose_output_0"]
    assert np.abs(run_chain(chain, features.swapaxes(0, 1)).ravel() - values["speech_probs"]).max() < 1e-6


@pytest.mark.parametrize("name", ["silero_vad_16k_op15.onnx", "silero_vad_half.onnx"])
def test_other_files(folder, name):
    prefix = "/model" if "16k" in name else ""
    chain = read_onnx(folder / name, prefix + LSTM)
    assert [type(layer).__name__ for layer in chain.layers] == [
        "RecurrentLayer", "ActivationLayer", "LinearLayer", "ActivationLayer",
    ]  # fmt: skip


REFUSED = {
    ("silero_vad.onnx", None): (
        "Model 'silero_vad.onnx': 'If_0' (If) holds recurrent nodes in branches that the model's input chooses; choose "
        f"one of them by its name (--select): '{ELSE}/decoder/rnn/LSTM' (LSTM), '{ELSE}/decoder/rnn_1/LSTM' (LSTM), "
        f"'{THEN}/decoder/rnn/LSTM' (LSTM), '{THEN}/decoder/rnn_1/LSTM' (LSTM)."
    ),
    ("silero_vad_16k_op15.onnx", None): (
        "Model 'silero_vad_16k_op15.onnx': '/model/decoder/rnn/LSTM' (LSTM): initial_h is an input of the model "
        "('state') that is moved about; give the input itself or entries of its first axis, or name the node "
        "(--select) to begin every sequence with zeros and keep the state inside the accelerator."
    ),
    ("silero_vad_16k_sequence.onnx", "lstm"): (
        "Selection 'lstm' matches no recurrent node of silero_vad_16k_sequence.onnx; there are: "
        "'/recurrent/LSTM' (LSTM)."
    ),
    ("silero_vad_op18_ifless.onnx", None): (
        "Model 'silero_vad_op18_ifless.onnx' holds no recurrent node (LSTM, GRU, RNN); cells written out as single "
        "operations, as torch.onnx.export writes nn.LSTMCell and, with dynamo=True, nn.RNN, cannot be read, so export "
        "a recurrent layer with dynamo=False or give the state dict."
    ),
}


@pytest.mark.parametrize(("name", "select"), REFUSED)
def test_refused(folder, name, select):
    with pytest.raises(ModelError) as error:
        read_onnx(folder / name, select)
    assert str(error.value) == REFUSED[name, select]
