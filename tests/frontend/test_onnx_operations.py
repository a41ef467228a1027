"""Every operation around a recurrent node, held to the onnx package's own evaluator in float64."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from rnngen.frontend.onnx_model import read_onnx_model
from rnngen.ir.layers import AffineLayer, LinearLayer
from tests.frontend.onnx_cases import HIDDEN, judge, model, node, rnn, run_chain, weights

RNG = np.random.default_rng(5)
SQUARE, TALL = RNG.normal(size=(HIDDEN, HIDDEN)), RNG.normal(size=(5, HIDDEN))
ROW, LONG = RNG.normal(size=HIDDEN), RNG.normal(size=5)
CONSTANTS = {
    "square": SQUARE,
    "tall": TALL,
    "wide": TALL.T.copy(),
    "row": ROW,
    "row3": ROW[None, None],
    "long": LONG,
    "positive": np.abs(ROW) + 0.5,
    "kernel": TALL[:, :, None],
    "two": np.array(2.0),
    "low": np.array(-0.25),
    "high": np.array(0.5),
    "zero": np.array(0.0),
    "a0": np.array([0]),
    "a1": np.array([1]),
    "a2": np.array([2]),
    "last": np.array(-1),
    "last1": np.array([-1]),
    "end": np.array([2**63 - 1]),
    "shape4": np.array([0, 0, 2, 2]),
    "shape3": np.array([0, 0, -1]),
    "rest": np.array([0, -1]),
    "flat": np.array([-1, HIDDEN]),
    "never": np.array(False),
    "half": np.array(0.5),
}


def _steps(*nodes):
    """Behind s (T, B, H), in y."""
    return [node("Squeeze", ["Y", "a1"], ["s"], "squeeze"), *nodes]


def _one(operation, *inputs, **attributes):
    return _steps(node(operation, ["s", *inputs], ["y"], "op", **attributes))


def _last(*nodes):
    """Behind u (B, H), the last step."""
    return _steps(node("Gather", ["s", "last"], ["u"]), *nodes)


SEQUENCE = {
    "relu": _one("Relu"),
    "sigmoid": _one("Sigmoid"),
    "tanh": _one("Tanh"),
    "hardsigmoid": _one("HardSigmoid", alpha=0.75, beta=0.25),
    "hardsigmoid default": _one("HardSigmoid"),
    "clip": _one("Clip", "low", "high"),
    "clip as relu": _one("Clip", "zero"),
    "matmul": _one("MatMul", "wide"),
    "matmul add": _steps(node("MatMul", ["s", "wide"], ["m"]), node("Add", ["m", "long"], ["y"])),
    "add": _one("Add", "row"),
    "add first": _steps(node("Add", ["row", "s"], ["y"])),
    "add of three axes": _one("Add", "row3"),
    "sub": _one("Sub", "row"),
    "sub from": _steps(node("Sub", ["row", "s"], ["y"])),
    "mul": _one("Mul", "row"),
    "mul by a number": _one("Mul", "two"),
    "div": _one("Div", "positive"),
    "dropout": _one("Dropout"),
    "dropout not in training": _one("Dropout", "half", "never"),
    "identity": _one("Identity"),
    "cast": _one("Cast", to=onnx.TensorProto.DOUBLE),
    "batch norm": _steps(
        node("Transpose", ["s"], ["t"], perm=[1, 2, 0]),
        node("BatchNormalization", ["t", "row", "row", "row", "positive"], ["n"], epsilon=0.125),
        node("Transpose", ["n"], ["y"], perm=[2, 0, 1]),
    ),
    "convolution": _steps(
        node("Transpose", ["s"], ["t"], perm=[1, 2, 0]),
        node("Conv", ["t", "kernel", "long"], ["n"], kernel_shape=[1]),
        node("Transpose", ["n"], ["y"], perm=[2, 0, 1]),
    ),
    "unsqueeze": _steps(node("Unsqueeze", ["s", "a1"], ["u"]), node("Squeeze", ["u", "a1"], ["y"])),
    "mean of one": _steps(node("Unsqueeze", ["s", "a0"], ["u"]), node("ReduceMean", ["u", "a0"], ["y"], keepdims=0)),
    "sum of one": _steps(
        node("Unsqueeze", ["s", "a0"], ["u"]),
        node("ReduceSum", ["u", "a0"], ["v"]),
        node("Squeeze", ["v", "a0"], ["y"]),
    ),
    "slice of all": _one("Slice", "a0", "end", "a2"),
    "split in one": _one("Split", axis=2, num_outputs=1),
    "concat of one": _one("Concat", axis=2),
    "argmax": _one("ArgMax", axis=2),
    "argmax squeezed": _steps(node("ArgMax", ["s"], ["u"], axis=2), node("Squeeze", ["u", "a2"], ["y"])),
    "argmax behind softmax": _steps(node("LogSoftmax", ["s"], ["l"]), node("ArgMax", ["l"], ["y"], axis=-1)),
    "second layer": _steps(
        rnn("GRU", "s W2 R2 B2", "Y2", "second", linear_before_reset=1), node("Squeeze", ["Y2", "a1"], ["y"])
    ),
}  # fmt: skip
LAST = {
    "gather": _steps(node("Gather", ["s", "last"], ["y"])),
    "gather of a list": _steps(node("Gather", ["s", "last1"], ["u"]), node("Squeeze", ["u", "a0"], ["y"])),
    "slice": _steps(node("Slice", ["s", "last1", "end", "a0"], ["u"]), node("Squeeze", ["u", "a0"], ["y"])),
    "gemm": _last(node("Gemm", ["u", "wide", "long"], ["y"], alpha=0.5, beta=2.0)),
    "gemm transposed": _last(node("Gemm", ["u", "tall", "two"], ["y"], transB=1)),
    "gemm without C": _last(node("Gemm", ["u", "tall"], ["y"], transB=1)),
    "flatten": _steps(
        node("Gather", ["s", "last1"], ["u"]),
        node("Transpose", ["u"], ["t"], perm=[1, 0, 2]),
        node("Flatten", ["t"], ["y"]),
    ),
    "flatten twice": _steps(node("Gather", ["s", "last1"], ["u"]), node("Flatten", ["u"], ["y"], axis=2)),
    "argmax without the axis": _last(node("ArgMax", ["u"], ["y"], axis=1)),
    "gru's final state": [node("Squeeze", ["Y_h", "a0"], ["y"])],
}  # fmt: skip


def _model(nodes, operation="LSTM", **options):
    arrays = weights(operation) | CONSTANTS
    arrays |= {f"{key}2": array for key, array in weights("GRU", HIDDEN, seed=1).items()}
    read = {name for part in nodes for name in part.input}
    arrays = {name: array for name, array in arrays.items() if name in read or name in "WRB"}
    return model([rnn(operation, "x W R B", "Y Y_h", "rnn"), *nodes], arrays, **options)


@pytest.mark.parametrize("name", SEQUENCE)
def test_behind_a_sequence(name):
    proto = _model(SEQUENCE[name])
    x = RNG.normal(size=(6, 2, 3))
    (expected,) = judge(proto, {"x": x})
    chain = read_onnx_model(proto)
    result = run_chain(chain, x.swapaxes(0, 1))
    expected = expected.swapaxes(0, 1).reshape(2, 6, -1)
    assert result.shape == expected.shape
    assert np.abs(result - expected).max() < 1e-12
    assert chain.host_after == ()


@pytest.mark.parametrize("name", LAST)
def test_behind_the_last_step(name):
    proto = _model(LAST[name])
    x = RNG.normal(size=(6, 2, 3))
    (expected,) = judge(proto, {"x": x})
    result = run_chain(read_onnx_model(proto), x.swapaxes(0, 1))
    assert result.shape[1] == 1
    assert np.abs(result - expected.reshape(2, 1, -1)).max() < 1e-12


def test_flat_steps_and_back():
    nodes = _steps(
        node("Reshape", ["s", "flat"], ["f"]),
        node("Gemm", ["f", "square"], ["g"]),
        node("Shape", ["s"], ["shape"]),
        node("Reshape", ["g", "shape"], ["y"]),
    )
    x = RNG.normal(size=(6, 2, 3))
    proto = _model(nodes)
    chain = read_onnx_model(proto)
    assert np.abs(run_chain(chain, x.swapaxes(0, 1)) - judge(proto, {"x": x})[0].swapaxes(0, 1)).max() < 1e-12


def test_matmul_and_add_are_one_layer():
    chain = read_onnx_model(_model(SEQUENCE["matmul add"]))
    assert isinstance(chain.layers[-1], LinearLayer)
    assert np.array_equal(chain.layers[-1].bias, LONG)


def test_hardsigmoid_of_pytorch_is_one_layer():
    chain = read_onnx_model(_model(_one("HardSigmoid", alpha=1 / 6)))
    assert not any(isinstance(layer, AffineLayer) for layer in chain.layers)


@pytest.mark.parametrize("keep", ["before", "behind"])
def test_softmax_stays_on_the_host(keep):
    nodes = _one("Softmax") if keep == "behind" else _steps(node("Identity", ["s"], ["y"]))
    chain = read_onnx_model(_model(nodes))
    assert chain.host_after == (("'op' (Softmax) is computed on the host.",) if keep == "behind" else ())


BEFORE = {
    "affine": [node("Mul", ["x", "scale"], ["m"]), node("Sub", ["m", "shift"], ["z"])],
    "linear": [node("MatMul", ["x", "map"], ["m"]), node("Add", ["m", "shift"], ["z"])],
    "relu": [node("Relu", ["x"], ["z"])],
}


@pytest.mark.parametrize("name", BEFORE)
def test_in_front(name):
    arrays = weights() | {"scale": RNG.normal(size=3), "shift": RNG.normal(size=3), "map": RNG.normal(size=(3, 3))}
    arrays["a1"] = CONSTANTS["a1"]
    proto = model([*BEFORE[name], rnn("LSTM", "z W R B"), node("Squeeze", ["Y", "a1"], ["y"])], arrays)
    x = RNG.normal(size=(6, 2, 3))
    result = run_chain(read_onnx_model(proto), x.swapaxes(0, 1))
    assert np.abs(result - judge(proto, {"x": x})[0].swapaxes(0, 1)).max() < 1e-12


def test_convolution_in_front_stays_on_the_host():
    arrays = weights() | {"kernel": RNG.normal(size=(3, 3, 2)), "a1": CONSTANTS["a1"]}
    nodes = [
        node("Conv", ["x", "kernel"], ["c"], "conv", kernel_shape=[2]),
        node("Relu", ["c"], ["r"], "relu"),
        node("Transpose", ["r"], ["z"], "transpose", perm=[2, 0, 1]),
        rnn("LSTM", "z W R B"),
        node("Squeeze", ["Y", "a1"], ["y"]),
    ]
    proto = model(nodes, arrays, inputs={"x": (2, 3, "t")})
    chain = read_onnx_model(proto)
    assert chain.host_before[0] == (
        "'conv' (Conv) is computed on the host: only kernels of length 1 are linear layers."
    )
    assert chain.host_before[1:] == (
        "'relu' (relu) is computed on the host: the number of features of its input is not fixed.",
        "'transpose' (permute) is computed on the host.",
    )
    assert [layer.name for layer in chain.layers] == ["rnn"]
    x = RNG.normal(size=(2, 3, 6))
    inner = model(nodes[:3], {"kernel": arrays["kernel"]}, inputs={"x": (2, 3, "t")}, outputs=["z"])
    (z,) = judge(inner, {"x": x})
    result = run_chain(chain, z.swapaxes(0, 1))
    assert np.abs(result - judge(proto, {"x": x})[0].swapaxes(0, 1)).max() < 1e-12


@pytest.mark.parametrize("code", ["embedding", "one hot"])
def test_symbols(code):
    arrays = weights() | {"table": RNG.normal(size=(7, 3)), "a1": CONSTANTS["a1"]}
    first = [node("Gather", ["table", "x"], ["z"])]
    if code == "one hot":
        arrays |= weights(inputs=7) | {"depth": np.array(7), "values": np.array([0.0, 1.0])}
        first = [node("OneHot", ["x", "depth", "values"], ["z"])]
    proto = model(
        [*first, rnn("LSTM", "z W R B"), node("Squeeze", ["Y", "a1"], ["y"])],
        arrays,
        inputs={"x": ("t", "b")},
        symbols=["x"],
    )
    x = RNG.integers(0, 7, (6, 2))
    result = run_chain(read_onnx_model(proto), x.T[..., None])
    assert np.abs(result - judge(proto, {"x": x})[0].swapaxes(0, 1)).max() < 1e-12


@pytest.mark.parametrize("operation", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("layout", [0, 1])
@pytest.mark.parametrize("state", [False, True])
def test_recurrent_node(operation, layout, state):
    arrays = weights(operation)
    attributes = {"linear_before_reset": 1} if operation == "GRU" else {}
    names = "x W R B"
    if state:
        rows = RNG.normal(size=(2, 1, 1, HIDDEN))
        arrays |= {"h": np.tile(rows[0], (1, 2, 1)), "c": np.tile(rows[1], (1, 2, 1))}
        names += " - h c" if operation == "LSTM" else " - h"
        if operation != "LSTM":
            del arrays["c"]
    x = RNG.normal(size=(6, 2, 3))
    proto = model([rnn(operation, names, "y", **attributes)], arrays, inputs={"x": (6, 2, 3)})
    (expected,) = judge(proto, {"x": x})
    if layout:
        swapped = {name: array.swapaxes(0, 1) if name in "hc" else array for name, array in arrays.items()}
        proto = model([rnn(operation, names, "y", layout=1, **attributes)], swapped, inputs={"x": (2, 6, 3)})
    result = run_chain(read_onnx_model(proto), x.swapaxes(0, 1))
    assert np.abs(result - expected[:, 0].swapaxes(0, 1)).max() < 1e-12


def test_directions_can_have_their_own_functions():
    arrays = weights("RNN", directions=2)
    proto = model([rnn("RNN", outputs="y", direction="bidirectional", activations=["Tanh", "Relu"])], arrays)
    chain = read_onnx_model(proto)
    assert [branch.cell for branch in chain.layers[0].branches] == ["rnn_tanh", "rnn_relu"]


def _if(condition, then_nodes, else_nodes, outputs=("y",)):
    branches = {
        f"{key}_branch": helper.make_graph(nodes, key, [], [onnx.ValueInfoProto(name=f"{key}_y")])
        for key, nodes in (("then", then_nodes), ("else", else_nodes))
    }
    for graph in branches.values():
        graph.output[0].CopyFrom(helper.make_tensor_value_info(graph.output[0].name, onnx.TensorProto.DOUBLE, None))
    return helper.make_node("If", [condition], list(outputs), name="choice", **branches)


def test_an_if_on_a_known_shape_is_taken():
    nodes = _steps(
        node("Shape", ["s"], ["shape"]),
        node("Gather", ["shape", "last"], ["size"]),
        node("Equal", ["size", "four"], ["is4"]),
        _if("is4", [node("Tanh", ["s"], ["then_y"])], [node("Exp", ["s"], ["else_y"])]),
    )
    proto = _model(nodes)
    proto.graph.initializer.extend(
        numpy_helper.from_array(np.array(value), name) for name, value in (("four", HIDDEN), ("last", -1))
        if name not in {tensor.name for tensor in proto.graph.initializer}
    )
    x = RNG.normal(size=(6, 2, 3))
    result = run_chain(read_onnx_model(proto), x.swapaxes(0, 1))
    assert np.abs(result - judge(proto, {"x": x})[0].swapaxes(0, 1)).max() < 1e-12


def test_an_if_whose_branches_are_the_same_but_for_the_batch():
    nodes = _steps(
        node("Shape", ["s"], ["shape"]),
        node("Gather", ["shape", "one"], ["size"]),
        node("Equal", ["size", "one"], ["is1"]),
        _if("is1", [node("Squeeze", ["s", "a1"], ["then_y"])], [node("Identity", ["s"], ["else_y"])]),
    )
    proto = _model(nodes)
    proto.graph.initializer.append(numpy_helper.from_array(np.array(1), "one"))
    x = RNG.normal(size=(6, 2, 3))
    result = run_chain(read_onnx_model(proto), x.swapaxes(0, 1))
    assert np.abs(result - judge(proto, {"x": x})[0].swapaxes(0, 1)).max() < 1e-12


@pytest.mark.parametrize("opset", [7, 9, 11, 13, 17, 22])
def test_versions_of_the_operations(opset):
    """Axes, limits and slices are attributes in old versions."""
    new = {"squeeze": opset >= 13, "clip": opset >= 11, "slice": opset >= 10}
    nodes = [
        node("Squeeze", ["Y", "a1"], ["s"]) if new["squeeze"] else node("Squeeze", ["Y"], ["s"], axes=[1]),
        node("Clip", ["s", "low", "high"], ["c"]) if new["clip"] else node("Clip", ["s"], ["c"], min=-0.25, max=0.5),
        node("Slice", ["c", "last1", "end", "a0"], ["l"]) if new["slice"]
        else node("Slice", ["c"], ["l"], starts=[-1], ends=[2**63 - 1], axes=[0]),
        node("Squeeze", ["l", "a0"], ["y"]) if new["squeeze"] else node("Squeeze", ["l"], ["y"], axes=[0]),
    ]  # fmt: skip
    chain = read_onnx_model(_model(nodes, opset=opset))
    x = RNG.normal(size=(6, 2, 3))
    proto = _model(_steps(
        node("Clip", ["s", "low", "high"], ["c"]), node("Gather", ["c", "last"], ["y"]),
    ))  # fmt: skip
    assert np.abs(run_chain(chain, x.swapaxes(0, 1))[:, 0] - judge(proto, {"x": x})[0]).max() < 1e-12


def test_split_and_joined_directions():
    """The backward direction first."""
    arrays = weights(directions=2) | {"shape": np.array([0, 0, -1])}
    nodes = [
        rnn("LSTM", direction="bidirectional"),
        node("Split", ["Y"], ["f", "b"], axis=1, num_outputs=2),
        node("Concat", ["b", "f"], ["bf"], axis=1),
        node("Transpose", ["bf"], ["t"], perm=[0, 2, 1, 3]),
        node("Reshape", ["t", "shape"], ["y"]),
    ]
    chain = read_onnx_model(model(nodes, arrays))
    straight = read_onnx_model(model([rnn("LSTM", outputs="y", direction="bidirectional")], weights(directions=2)))
    x = RNG.normal(size=(2, 6, 3))
    forward, backward = np.split(run_chain(straight, x), 2, axis=2)
    assert np.array_equal(run_chain(chain, x), np.concatenate([backward, forward], axis=2))


def test_final_states_with_the_batch_first():
    arrays = weights(directions=2)
    first = [rnn("LSTM", outputs="- h", direction="bidirectional"), node("Transpose", ["h"], ["t"], perm=[1, 0, 2])]
    second = [rnn("LSTM", outputs="- t", direction="bidirectional", layout=1)]
    rest = node("Reshape", ["t", "flat8"], ["y"])
    x = RNG.normal(size=(2, 6, 3))
    results = [
        run_chain(read_onnx_model(model([*nodes, rest], arrays | {"flat8": np.array([-1, 8])}, inputs=shape)), x)
        for nodes, shape in ((first, {"x": (6, 2, 3)}), (second, {"x": (2, 6, 3)}))
    ]
    assert results[0].shape == (2, 1, 8)
    assert np.array_equal(*results)


HOST = {
    "exp": (_one("Exp"), "(Exp) is computed on the host."),
    "clip of one limit": (_one("Clip", "low"), "(Clip) is computed on the host: it must have two limits."),
    "matmul of three axes": (
        _one("MatMul", "row3"),
        "(MatMul) is computed on the host: its second input has 3 axes.",
    ),
    "several entries": (
        _steps(node("Gather", ["s", "two entries"], ["y"], "op")),
        "(Gather) is computed on the host: it takes several entries of an axis.",
    ),
    "a step in the middle": (
        _steps(node("Gather", ["s", "a1"], ["y"], "op")),
        "(slice) is computed on the host: it takes step 1.",
    ),
    "empty": (
        _steps(node("Reshape", ["s", "shape3"], ["y"], "op", allowzero=1)),
        "(Reshape) is computed on the host: it makes an empty tensor.",
    ),
    "integers": (_one("Cast", to=onnx.TensorProto.INT64), "(Cast) is computed on the host: it makes integers."),
    "last of equals": (
        _one("ArgMax", axis=2, select_last_index=1),
        "(ArgMax) is computed on the host: it takes the last of equals.",
    ),
    "dropout in training": (
        _one("Dropout", "half", "always"),
        "(Dropout) is computed on the host: it is in training mode.",
    ),
    "batch norm in training": (
        [
            *_steps(node("Transpose", ["s"], ["t"], perm=[1, 2, 0])),
            node("BatchNormalization", ["t", "row", "row", "row", "positive"], ["y", "", ""], "op", training_mode=1),
        ],
        "(BatchNormalization) is computed on the host: it is in training mode or not spatial.",
    ),
    "squeeze of more": (
        _one("Squeeze", "a2"),
        "(Squeeze) is computed on the host: an axis that it drops is not of length 1.",
    ),
    "mean": (_one("ReduceMean", "a2"), "(ReduceMean) is computed on the host."),
    "softmax": (_one("Softmax"), "(Softmax) is computed on the host."),
    "gemm of what is transposed": (
        _last(node("Gemm", ["u", "square"], ["y"], "op", transA=1)),
        "(Gemm) is computed on the host: its first input is transposed.",
    ),
    "gemm whose C is a matrix": (
        _last(node("Gemm", ["u", "wide", "table"], ["y"], "op")),
        "(Gemm) is computed on the host: its C is not one number for each output.",
    ),
    "no axis": (
        _one("Squeeze", "a7"),
        "(Squeeze) is computed on the host: it names an axis that its input has not.",
    ),
    "constants of both": (
        _one("Add", "table"),
        "(add) is computed on the host: its constant has the shape (2, 5).",
    ),
}
CONSTANTS |= {
    "two entries": np.array([0, 1]),
    "always": np.array(True),
    "table": np.arange(10.0).reshape(2, 5),
    "a7": np.array([7]),
}


@pytest.mark.parametrize("name", HOST)
def test_stays_on_the_host(name):
    nodes, sentence = HOST[name]
    assert read_onnx_model(_model(nodes)).host_after[0] == f"'op' {sentence}"


def test_softmax_over_several_axes_of_old_versions():
    nodes = [node("Softmax", ["Y"], ["y"], "op")]
    assert read_onnx_model(_model(nodes, opset=11)).host_after == (
        "'op' (Softmax) is computed on the host: it is over several axes.",
    )


def test_batch_is_not_squeezed_with_the_directions():
    """A Squeeze of an axis of unknown length says that it is 1; one of directions cannot."""
    arrays = weights(directions=2) | {"a1": np.array([1])}
    proto = model([rnn("LSTM", direction="bidirectional"), node("Squeeze", ["Y", "a1"], ["y"], "op")], arrays)
    chain = read_onnx_model(proto)
    assert chain.host_after == ("'op' (Squeeze) is computed on the host: an axis that it drops is not of length 1.",)


def test_local_functions_are_expanded():
    proto = _model(_one("Tanh"))
    step = proto.graph.node[-1]
    step.domain, step.op_type = "own", "Squash"
    body = [node("Tanh", ["a"], ["b"])]
    proto.functions.append(helper.make_function("own", "Squash", ["a"], ["b"], body, [helper.make_opsetid("", 20)]))
    proto.opset_import.append(helper.make_opsetid("own", 1))
    chain = read_onnx_model(proto)
    assert [type(layer).__name__ for layer in chain.layers] == ["RecurrentLayer", "ActivationLayer"]


def test_operations_of_others_stay_on_the_host():
    proto = _model(_one("Tanh"))
    proto.graph.node[-1].domain = "own"
    proto.opset_import.append(helper.make_opsetid("own", 1))
    assert read_onnx_model(proto).host_after == ("'op' (own.Tanh) is computed on the host.",)


def test_weights_that_the_graph_computes():
    arrays = weights() | {"a": RNG.normal(size=(1, 16, 2)), "b": RNG.normal(size=(1, 2, 4))}
    del arrays["R"]
    proto = model([node("MatMul", ["a", "b"], ["R"]), rnn("LSTM", outputs="y")], arrays)
    x = RNG.normal(size=(6, 2, 3))
    result = run_chain(read_onnx_model(proto), x.swapaxes(0, 1))
    assert np.abs(result - judge(proto, {"x": x})[0][:, 0].swapaxes(0, 1)).max() < 1e-12


def test_a_random_number_stays_on_the_host():
    nodes = [node("RandomNormal", [], ["r"], "dice", shape=[3]), node("Add", ["x", "r"], ["z"], "add")]
    chain = read_onnx_model(model([*nodes, rnn("LSTM", "z W R B", "y")], weights()))
    assert chain.host_before == (
        "'dice' (RandomNormal) is computed on the host.",
        "'add' (add) is computed on the host.",
    )


def test_a_loop_reads_what_is_outside_it():
    body = helper.make_graph(
        [node("Identity", ["c"], ["d"]), node("Tanh", ["Y"], ["v"])],
        "body",
        [helper.make_tensor_value_info("n", onnx.TensorProto.INT64, []),
         helper.make_tensor_value_info("c", onnx.TensorProto.BOOL, [])],
        [helper.make_tensor_value_info("d", onnx.TensorProto.BOOL, []),
         helper.make_tensor_value_info("v", onnx.TensorProto.DOUBLE, None)],
    )  # fmt: skip
    loop = helper.make_node("Loop", ["times", ""], ["y"], name="loop", body=body)
    proto = model([rnn("LSTM"), loop], weights() | {"times": np.array(2)})
    chain = read_onnx_model(proto)
    assert [layer.name for layer in chain.layers] == ["rnn"]
    assert chain.host_after == ("'loop' (Loop) is computed on the host.",)


def test_axes_that_are_longer_are_not_squeezed():
    sentence = "'op' (Squeeze) is computed on the host: an axis that it drops is not of length 1."
    fixed = _model(_one("Squeeze", "a0"), inputs={"x": (6, 2, 3)})
    assert read_onnx_model(fixed).host_after == (sentence,)
    merged = _steps(
        node("Transpose", ["s"], ["t"], perm=[1, 0, 2]),
        node("Reshape", ["t", "rest"], ["f"]),
        node("Squeeze", ["f", "a1"], ["y"], "op"),
    )
    assert sentence in read_onnx_model(_model(merged)).host_after


def test_integers_of_unknown_number_are_no_shape():
    minus = numpy_helper.from_array(np.array([-1]), "v")
    nodes = _steps(
        node("Shape", ["x"], ["b"], start=1, end=2),
        node("ConstantOfShape", ["b"], ["shape"], value=minus),
        node("Reshape", ["s", "shape"], ["y"], "op"),
    )
    assert read_onnx_model(_model(nodes)).host_after == ("'op' (Reshape) is computed on the host.",)
