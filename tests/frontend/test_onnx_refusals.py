"""Every sentence with which an ONNX model is refused."""

import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, external_data_helper, helper

from rnngen.errors import ModelError, ToolError
from rnngen.frontend.onnx_graph import file
from rnngen.frontend.onnx_model import read_onnx, read_onnx_model
from tests.frontend.onnx_cases import HIDDEN, X, model, node, rnn, run_chain, weights

HEAD = "Model 'small': 'rnn'"


def _refused(proto, sentence, constants=None, **options):
    with pytest.raises(ModelError) as error:
        read_onnx_model(proto, constants, **options)
    assert str(error.value) == sentence


def _small(operation="LSTM", inputs="x W R B", outputs="y", arrays=(), shape=X, nodes=(), **attributes):
    stored = weights(operation, directions=2 if attributes.get("direction") == "bidirectional" else 1)
    stored |= dict(arrays)
    part = rnn(operation, inputs, outputs, **attributes)
    return model([part, *nodes], stored, inputs=shape)


# The file


def _save(tmp_path, proto=None, name="m.onnx"):
    path = tmp_path / name
    onnx.save(proto or _small(), path)
    return path


def _refused_file(path, sentence):
    with pytest.raises(ModelError) as error:
        read_onnx(path)
    assert str(error.value) == sentence


def test_a_file_is_read(tmp_path):
    chain = read_onnx(_save(tmp_path))
    assert (chain.title, chain.stem, chain.source, chain.kind) == ("Model 'm.onnx'", "m", "m.onnx", "onnx")


def test_without_the_package(tmp_path, monkeypatch):
    path = _save(tmp_path)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ToolError) as error:
        read_onnx(path)
    assert str(error.value) == (
        "Reading Model 'm.onnx' needs the package onnx, which is not installed; run 'python -m pip install onnx'."
    )


def test_no_file(tmp_path):
    _refused_file(
        tmp_path / "no.onnx",
        "Model 'no.onnx' cannot be read (No such file or directory); check the file and its permissions.",
    )


def test_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr(file, "FILE_BYTES", 100)
    path = _save(tmp_path)
    size = path.stat().st_size
    _refused_file(
        path,
        f"Model 'm.onnx': file 'm.onnx' must be below 2 GiB, not {size} bytes; export the recurrent part alone.",
    )


def test_no_protobuf(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(b"hello")
    _refused_file(
        path, "Model 'm.onnx' is not a valid ONNX file (not a protobuf message); copy it again or export it again."
    )


def test_truncated(tmp_path):
    path = _save(tmp_path)
    path.write_bytes(path.read_bytes()[:-100])
    _refused_file(
        path, "Model 'm.onnx' is not a valid ONNX file (not a protobuf message); copy it again or export it again."
    )


def test_empty(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(b"")
    _refused_file(
        path, "Model 'm.onnx' is not a valid ONNX file (its graph is empty); copy it again or export it again."
    )


@pytest.mark.parametrize(("version", "found"), [(6, "6"), (27, "27"), (None, "none")])
def test_operator_version(version, found):
    proto = _small()
    del proto.opset_import[:]
    if version:
        proto.opset_import.append(helper.make_opsetid("", version))
    _refused(
        proto,
        f"Model 'small' must use one operator version (opset) from 7 to 26, not {found}; "
        f"export it again with opset_version=17.",
    )


def test_against_the_rules():
    proto = _small()
    proto.graph.node[0].input[0] = "nothing"
    with pytest.raises(ModelError, match=r"^Model 'small' breaks ONNX's rules \(.*'nothing'.*\); export it again\.$"):
        read_onnx_model(proto)


def test_damaged_tensor():
    proto = _small()
    proto.graph.initializer[0].raw_data = proto.graph.initializer[0].raw_data[:-8]
    _refused(
        proto,
        "Model 'small' breaks ONNX's rules (TensorProto (tensor name: W) raw_data size (376 bytes) is too small for "
        "the declared shape and type (384 bytes required).); export it again.",
    )


def test_a_name_that_is_no_utf8(tmp_path):
    path = _save(tmp_path, _small(clip=1.0))
    path.write_bytes(path.read_bytes().replace(b"rnn", b"r\xffn"))
    _refused_file(
        path,
        "Model 'm.onnx': 'r\ufffdn' (LSTM) clips the inputs of its activations at 1, which is not supported; train "
        "and export the model without clip.",
    )


def test_an_operation_that_is_no_utf8(tmp_path):
    path = _save(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"LSTM", b"L\xffTM"))
    # Some builds of the checker lose their message with such a name.
    sentence = r"^Model 'm\.onnx' breaks ONNX's rules \(('utf-8' codec .*|ValidationError)\); export it again\.$"
    with pytest.raises(ModelError, match=sentence):
        read_onnx(path)


def test_texts_are_no_weights():
    proto = _small()
    proto.graph.initializer[0].CopyFrom(
        helper.make_tensor("W", TensorProto.STRING, [1, 16, 3], [b"a"] * 48)
    )
    _refused(proto, "Model 'small': tensor 'W' must hold floats, integers or truth values, not object.")


# Data in other files


def _external(tmp_path, location="m.data"):
    proto = _small()
    external_data_helper.convert_model_to_external_data(proto, location="m.data", size_threshold=0)
    onnx.save(proto, tmp_path / "m.onnx")
    proto = onnx.load(tmp_path / "m.onnx", load_external_data=False)
    for tensor in proto.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    return proto, tmp_path / "m.onnx"


def test_data_beside_the_file(tmp_path):
    _, path = _external(tmp_path)
    x = np.random.default_rng(0).normal(size=(2, 5, 3))
    assert np.array_equal(run_chain(read_onnx(path), x), run_chain(read_onnx_model(_small()), x))


def test_data_beside_no_file(tmp_path):
    proto, _ = _external(tmp_path)
    _refused(
        proto,
        "Model 'small': tensor 'W' has its data in another file ('m.data'); give the model as a file beside it.",
    )


@pytest.mark.parametrize("location", ["../m.data", "/m.data", "", "link/m.data"])
def test_data_outside_the_folder(tmp_path, location):
    (tmp_path / "outside").mkdir()
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "link").symlink_to(tmp_path / "outside")
    _, path = _external(tmp_path / "inside", location)
    _refused_file(
        path,
        f"Model 'm.onnx': tensor 'W' has its data in '{location}', outside the model's folder; only files inside it "
        f"are read.",
    )


def test_data_cut_off(tmp_path):
    _, path = _external(tmp_path)
    (tmp_path / "m.data").write_bytes(b"\0" * 100)
    _refused_file(
        path,
        "Model 'm.onnx': tensor 'W' names 384 bytes from byte 0 of 'm.data', which has 100; copy both files again.",
    )


def test_data_shorter_than_its_shape(tmp_path):
    proto, path = _external(tmp_path)
    next(entry for entry in proto.graph.initializer[0].external_data if entry.key == "length").value = "376"
    path.write_bytes(proto.SerializeToString())
    _refused_file(
        path,
        "Model 'm.onnx': tensor 'W' is damaged (cannot reshape array of size 47 into shape (1,16,3)); copy the file "
        "again or export it again.",
    )


def test_data_missing(tmp_path):
    _, path = _external(tmp_path)
    (tmp_path / "m.data").unlink()
    _refused_file(
        path,
        "Model 'm.onnx': tensor 'W' has its data in 'm.data', which cannot be read (No such file or directory).",
    )


# The recurrent node

_PEEPHOLES = np.ones((1, 3 * HIDDEN))
NODES = {
    "direction": (
        {"direction": "backward"},
        "(LSTM) must have the direction forward, reverse, bidirectional, not 'backward'.",
    ),
    "activations": (
        {"activations": ["Sigmoid", "Tanh", "Relu"]},
        "(LSTM) must have the activations Sigmoid, Tanh, Tanh in each direction, not Sigmoid, Tanh, Relu; train the "
        "model with them.",
    ),
    "activations of one direction": (
        {"direction": "bidirectional", "activations": ["Sigmoid", "Tanh", "Tanh"]},
        "(LSTM) must have the activations Sigmoid, Tanh, Tanh in each direction, not Sigmoid, Tanh, Tanh; train the "
        "model with them.",
    ),
    "rnn activation": (
        {"operation": "RNN", "activations": ["Softsign"]},
        "(RNN) must have the activations Tanh or Relu in each direction, not Softsign; train the model with them.",
    ),
    "alpha": (
        {"activation_alpha": [0.5]},
        "(LSTM) gives activation_alpha, which Sigmoid, Tanh and Relu do not have; export it without.",
    ),
    "beta": (
        {"activation_beta": [0.5]},
        "(LSTM) gives activation_beta, which Sigmoid, Tanh and Relu do not have; export it without.",
    ),
    "clip": (
        {"clip": 3.0},
        "(LSTM) clips the inputs of its activations at 3, which is not supported; train and export the model without "
        "clip.",
    ),
    "input_forget": (
        {"input_forget": 1},
        "(LSTM) couples the input and forget gates (input_forget=1), which is not supported; only LSTMs with both "
        "gates are.",
    ),
    "layout": ({"layout": 2}, "(LSTM) must have layout 0 or 1, not 2."),
    "reset before": (
        {"operation": "GRU"},
        "(GRU) multiplies h by the reset gate before the product with R (linear_before_reset=0), which is another "
        "network than PyTorch's; only linear_before_reset=1 is supported, so train the model in that form.",
    ),
    "peepholes": (
        {"inputs": "x W R B - - - P", "arrays": {"P": _PEEPHOLES}},
        "(LSTM) has peephole weights P that are not zero, which are not supported; train and export the model without "
        "peepholes.",
    ),
    "sequence_lens": (
        {"inputs": "x W R B n", "arrays": {"n": np.array([5, 5], np.int32)}},
        "(LSTM) is given sequence_lens, which is not supported; export the model without it, and end each sequence at "
        "the accelerator's input.",
    ),
    "state of a batch": (
        {"inputs": "x W R B - h", "arrays": {"h": np.arange(8.0).reshape(1, 2, 4)}},
        "(LSTM): initial_h must be the same for every sequence of the batch; export the model with a batch of 1.",
    ),
    "state of another size": (
        {"inputs": "x W R B - h c", "arrays": {"h": np.zeros((1, 1, 4)), "c": np.zeros((1, 1, 5))}},
        "(LSTM): initial_c must have 1 directions of 4 units, not the shape (1, 1, 5); torch.onnx.export(dynamo=True) "
        "writes such a file for proj_size, so give the state dict instead.",
    ),
    "W of two axes": (
        {"arrays": {"W": np.zeros((16, 3))}},
        "(LSTM): W must have the shape (directions, gates * hidden size, inputs), not the shape (16, 3).",
    ),
    "W of other rows": (
        {"arrays": {"W": np.zeros((1, 12, 3))}},
        "(LSTM): W must have the shape (1, 16, 3), not (1, 12, 3).",
    ),
    "R of other rows": (
        {"arrays": {"R": np.zeros((2, 16, 4))}},
        "(LSTM): R must have the shape (1, 16, 4), not (2, 16, 4).",
    ),
    "hidden_size": ({"hidden_size": 5}, "(LSTM): W must have the shape (1, 20, 3), not (1, 16, 3)."),
    "one bias": ({"arrays": {"B": np.zeros((1, 16))}}, "(LSTM): B must have the shape (1, 32), not (1, 16)."),
    "constant X": (
        {"inputs": "k W R B", "arrays": {"k": np.zeros((5, 2, 3))}},
        "(LSTM): X must come from the model's input, not be constant.",
    ),
    "W an input": (
        {"inputs": "x W2 R B", "shape": {**X, "W2": (1, 16, 3)}},
        "(LSTM): W must be constant, not computed from the model's input.",
    ),
    "state an input, c not": (
        {"inputs": "x W R B - h", "shape": {**X, "h": (1, "b", 4)}},
        "(LSTM) takes one of initial_h and initial_c from an input of the model ('h') and the other one not; take both "
        "from inputs.",
    ),
    "one state twice": (
        {"inputs": "x W R B - h h", "shape": {**X, "h": (1, "b", 4)}},
        "(LSTM) begins with entries of the model's input 'h' that are a state already; give each state entries of its "
        "own.",
    ),
}


@pytest.mark.parametrize("case", NODES)
def test_recurrent_node(case):
    options, sentence = NODES[case]
    _refused(_small(**options), f"{HEAD} {sentence}")


def test_zero_peepholes_and_state_change_nothing():
    arrays = {"P": 0 * _PEEPHOLES, "h": np.zeros((1, 2, 4))}
    chain = read_onnx_model(_small(inputs="x W R B - h - P", arrays=arrays))
    assert chain.layers[0].h_0 is None


def test_state_that_the_model_computes():
    state = node("Tanh", ["h"], ["k"], "tanh")
    proto = model([state, rnn("LSTM", "x W R B - k", "y")], weights(), inputs={**X, "h": (1, "b", 4)})
    sentence = (
        f"{HEAD} (LSTM): initial_h ('k') is computed by the model from its input, which is not supported; a sequence "
        f"can begin with constants or zeros."
    )
    _refused(proto, sentence)
    _refused(proto, sentence, select="rnn")


def test_a_decoder_does_not_begin_with_zeros_in_place_of_its_encoders_state():
    arrays = weights() | {f"{key}2": array for key, array in weights(seed=1).items()}
    nodes = [rnn("LSTM", "x W R B", "Y h", "encoder"), rnn("LSTM", "z W2 R2 B2 - h", "y", "decoder")]
    proto = model(nodes, arrays, inputs={**X, "z": ("u", "b", 3)})
    sentence = (
        "Model 'small': 'decoder' (LSTM): initial_h ('h') is computed by the model from its input, which is not "
        "supported; a sequence can begin with constants or zeros."
    )
    _refused(proto, sentence)
    _refused(proto, sentence, select="decoder")


@pytest.mark.parametrize("bounds", [(3, 5), (0, 1)])
def test_a_state_for_each_sequence(bounds):
    """Cut out of a batch whose size is not known: there may be no such rows."""
    arrays = weights() | {"h0": np.ones((1, 1, 4)), "one": np.array([1]), "four": np.array([4])}
    arrays |= {"from": np.array([bounds[0]]), "to": np.array([bounds[1]])}
    nodes = [
        node("Shape", ["x"], ["batch"], start=1, end=2),
        node("Concat", ["one", "batch", "four"], ["shape"], axis=0),
        node("Expand", ["h0", "shape"], ["h"]),
        node("Slice", ["h", "from", "to", "one"], ["k"]),
        rnn("LSTM", "x W R B - k", "y"),
    ]
    _refused(
        model(nodes, arrays),
        f"{HEAD} (LSTM): initial_h ('k') is computed by the model from its input, which is not supported; a sequence "
        f"can begin with constants or zeros.",
    )


def test_state_kept_inside():
    proto = _small(inputs="x W R B - h", shape={**X, "h": (1, "b", 4)})
    chain = read_onnx_model(proto, select="rnn")
    x = np.random.default_rng(0).normal(size=(2, 5, 3))
    assert np.array_equal(run_chain(chain, x), run_chain(read_onnx_model(_small()), x))
    assert chain.notes == (
        f"{HEAD} (LSTM): initial_h is an input of the model ('h'); it is kept inside the accelerator and begins with "
        f"zeros.",
    )


# The graph


def test_no_recurrent_node():
    _refused(
        model([node("Tanh", ["x"], ["y"])], {}),
        "Model 'small' holds no recurrent node (LSTM, GRU, RNN); cells written out as single operations, as "
        "torch.onnx.export writes nn.LSTMCell and, with dynamo=True, nn.RNN, cannot be read, so export a recurrent "
        "layer with dynamo=False or give the state dict.",
    )


def test_names():
    _refused(
        _small(), "Selection 'r' matches no recurrent node of onnx.ModelProto; there are: 'rnn' (LSTM).", select="r"
    )
    _refused(_small(), "Model 'small' has no output 'z'; there are: y.", output="z")
    _refused(_small(), "Model 'small' has no input 'z' to be constant; check the names.", {"z": np.zeros(1)})


def test_nothing_recurrent_comes_out():
    proto = model([rnn("LSTM", outputs="Y"), node("Tanh", ["x"], ["y"])], weights())
    _refused(proto, "Model 'small' has no output that a recurrent node makes; its outputs are y.")


def test_the_output_is_a_shape():
    nodes = [node("Shape", ["Y"], ["s"]), node("Cast", ["s"], ["y"], to=TensorProto.INT64)]
    proto = model([rnn("LSTM", outputs="Y"), *nodes], weights())
    _refused(proto, "Model 'small' has a constant output; there is nothing to compute.")


def test_two_outputs():
    nodes = [rnn("LSTM", outputs="y Y_h"), node("Tanh", ["y"], ["z"])]
    proto = model(nodes, weights(), outputs=["y", "z"])
    _refused(
        proto,
        "Model 'small' has the outputs y, z, and 'z' is no final state; one output is supported, so export a model "
        "that returns it alone.",
    )
    chain = read_onnx_model(proto, output="z")
    assert [layer.name for layer in chain.layers] == ["rnn", "z"]
    assert chain.notes == ("The output 'y' of the model is not taken; 'z' is.",)


def test_a_second_output_of_more_than_states():
    nodes = [rnn("LSTM", outputs="y h"), node("Tanh", ["y"], ["z"]), node("Concat", ["h", "z"], ["w"], axis=0)]
    _refused(
        model(nodes, weights(), outputs=["y", "w"]),
        "Model 'small' has the outputs y, w, and 'w' is no final state; one output is supported, so export a model "
        "that returns it alone.",
    )


def test_final_states_beside_the_output():
    proto = _small(outputs="y h c")
    proto.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.DOUBLE, [None] * 3) for name in "hc")
    assert read_onnx_model(proto).notes == (
        "The output 'h' of the model is a final state, which is read over the control port.",
        "The output 'c' of the model is a final state, which is read over the control port.",
    )
    assert read_onnx_model(proto).caller_state
    assert not read_onnx_model(proto, output="y").caller_state


def test_a_final_state_of_a_node_that_is_not_needed():
    arrays = weights() | {f"{key}2": array for key, array in weights(seed=1).items()}
    nodes = [rnn("LSTM", "x W R B", "y", "one"), rnn("LSTM", "x W2 R2 B2", "- h", "two")]
    _refused(
        model(nodes, arrays, outputs=["y", "h"]),
        "Model 'small' gives as 'h' the final state of 'two', which its first output does not need; leave it out.",
    )


def test_some_of_the_states_of_a_batch():
    arrays = weights("GRU") | {"from": np.array([0]), "to": np.array([2]), "zero": np.array([0])}
    nodes = [
        node("Slice", ["h", "from", "to", "zero"], ["k"]),
        rnn("GRU", "x W R B - k", "y", linear_before_reset=1, layout=1),
    ]
    _refused(
        model(nodes, arrays, inputs={"x": (2, "t", 3), "h": (4, 1, 4)}),
        "Model 'small': 'rnn' (GRU) begins with a part of the model's input 'h', which with layout 1 is some of the "
        "sequences; give it the whole input.",
    )


def test_a_state_that_is_moved_about():
    proto = model(
        [node("Transpose", ["h"], ["k"], perm=[1, 0, 2]), rnn("GRU", "x W R B - k", "y", linear_before_reset=1)],
        weights("GRU"), inputs={**X, "h": ("b", 1, 4)},
    )  # fmt: skip
    _refused(
        proto,
        "Model 'small': 'rnn' (GRU): initial_h is an input of the model ('h') that is moved about; give the input "
        "itself or entries of its first axis, or name the node (--select) to begin every sequence with zeros and keep "
        "the state inside the accelerator.",
    )


def test_states_of_two_layers_together():
    arrays = weights() | {f"{key}2": array for key, array in weights(inputs=4, seed=1).items()} | {"a1": np.array([1])}
    nodes = [
        rnn("LSTM", outputs="Y h1", name="first"),
        node("Squeeze", ["Y", "a1"], ["s"]),
        rnn("LSTM", "s W2 R2 B2", "Y2 h2", "second"),
        node("Concat", ["h1", "h2"], ["y"], "both", axis=0),
    ]
    _refused(
        model(nodes, arrays),
        "Model 'small': 'both' (cat) joins branches of the network; only a chain of layers is supported, so use a "
        "model whose layers follow one another.",
    )


def test_a_value_that_is_stored_as_sparse():
    proto = _small()
    dense = proto.graph.initializer[2]
    assert dense.name == "B"
    values = helper.make_tensor("B", TensorProto.DOUBLE, [1], [1.0])
    indices = helper.make_tensor("i", TensorProto.INT64, [1], [3])
    proto.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [1, 32]))
    del proto.graph.initializer[2]
    _refused(proto, f"{HEAD} reads 'B', which is no value of the model; export it again.")


def test_a_constant_of_text():
    proto = model([node("Constant", [], ["B"], "text", value_string=b"a"), rnn("LSTM", outputs="y")], {
        name: array for name, array in weights().items() if name != "B"
    })  # fmt: skip
    _refused(
        proto, "Model 'small': 'text' (Constant) holds neither numbers nor truth values; export it without."
    )


def test_x_of_two_axes():
    proto = _small(shape={"x": ("t", 3)})
    _refused(proto, f"{HEAD} must take X of three axes.")


def _choice(then_nodes, else_nodes, name="y"):
    graphs = {
        f"{key}_branch": helper.make_graph(
            nodes, key, [], [helper.make_tensor_value_info(f"{key}_y", TensorProto.DOUBLE, None)]
        )
        for key, nodes in (("then", then_nodes), ("else", else_nodes))
    }
    return helper.make_node("If", ["flag"], [name], name="choice", **graphs)


def _with_flag(nodes, arrays):
    proto = model(nodes, arrays)
    proto.graph.input.append(helper.make_tensor_value_info("flag", TensorProto.BOOL, []))
    return proto


def test_recurrent_nodes_in_branches():
    nodes = [_choice([rnn("LSTM", outputs="then_y", name="one")], [rnn("LSTM", outputs="else_y", name="two")])]
    proto = _with_flag(nodes, weights())
    _refused(
        proto,
        "Model 'small': 'choice' (If) holds recurrent nodes in branches that the model's input chooses; choose one of "
        "them by its name (--select): 'two' (LSTM), 'one' (LSTM).",
    )
    assert read_onnx_model(proto, select="two").layers[0].name == "two"


def test_branches_behind_the_recurrent_node():
    nodes = [
        rnn("LSTM", outputs="Y"),
        _choice([node("Tanh", ["Y"], ["then_y"])], [node("Relu", ["Y"], ["else_y"])]),
    ]
    _refused(
        _with_flag(nodes, weights()),
        "Model 'small': 'choice' (If) joins branches of the network; only a chain of layers is supported, so use a "
        "model whose layers follow one another.",
    )


def test_a_node_in_a_branch_that_is_never_taken():
    arrays = weights() | {"flag": np.array(False)}
    nodes = [_choice([rnn("LSTM", outputs="then_y", name="one")], [rnn("LSTM", outputs="else_y", name="two")])]
    proto = model(nodes, arrays)
    assert read_onnx_model(proto).layers[0].name == "two"
    _refused(
        proto, "Selection 'one' is a node of onnx.ModelProto that 'y' does not need; choose another.", select="one"
    )
