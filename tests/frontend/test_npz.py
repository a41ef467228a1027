"""``.npz`` with a mapping file: equal to PyTorch in float64, and every refusal."""

import io
import re
import zipfile

import numpy as np
import pytest
import torch

from rnngen.errors import ModelError
from rnngen.frontend import archive as archive_module
from rnngen.frontend.npz_format.mapping import KINDS
from rnngen.frontend.npz_model import read_npz
from rnngen.ir.layers import ActivationLayer, ArgmaxLayer, LastStepLayer
from rnngen.ir.network import Network
from rnngen.ir.reference import run_layers

torch.set_num_threads(1)

ORDERS = {"lstm": ("ifgo", "ifco", "iofc", "ogfi"), "gru": ("rzn", "zrh", "zrn", "nrz"), "rnn_tanh": ("",)}
MODULES = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn_tanh": torch.nn.RNN, "rnn_relu": torch.nn.RNN}


def module_of(kind, **options):
    torch.manual_seed(0)
    more = {"nonlinearity": "relu"} if kind == "rnn_relu" else {}
    return MODULES[kind](3, 4, batch_first=True, **more, **options).double()


def state_of(module):
    return {name: value.detach().numpy() for name, value in module.state_dict().items()}


def write(folder, arrays, mapping, name="net"):
    path = folder / f"{name}.npz"
    np.savez(path, **arrays)
    path.with_suffix(".toml").write_text(mapping, encoding="utf-8")
    return path


def run(path, x):
    return run_layers(Network("network", read_npz(path).layers), x)[-1]


def input_of():
    return np.random.default_rng(0).normal(size=(2, 6, 3))


def reordered(kind, order, array):
    """Rows of PyTorch's gate order in another one."""
    if not order:
        return array
    own = {"lstm": "ifgo", "gru": "rzn"}[kind]
    letters = order.replace("c", "g") if kind == "lstm" else order.replace("h", "n")
    blocks = dict(zip(own, np.split(array, len(own)), strict=True))
    return np.concatenate([blocks[letter] for letter in letters])


CELLS = [(kind, order, transposed) for kind in ORDERS for order in ORDERS[kind] for transposed in (False, True)]


@pytest.mark.parametrize(("kind", "order", "transposed"), CELLS)
def test_recurrent(tmp_path, kind, order, transposed):
    module = module_of(kind)
    arrays = {name: reordered(kind, order, array) for name, array in state_of(module).items()}
    if transposed:
        arrays = {name: array.T if array.ndim == 2 else array for name, array in arrays.items()}
    roles = "\n".join(f'{role} = "{role}_l0"' for role in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    extra = (f'order = "{order}"\n' if order else "") + ("transposed = true\n" if transposed else "")
    path = write(tmp_path, arrays, f'[[layer]]\nkind = "{kind}"\n{roles}\n{extra}')
    expected = module(torch.from_numpy(input_of()))[0].detach().numpy()
    assert np.abs(run(path, input_of()) - expected).max() < 1e-12


def test_relu_without_bias(tmp_path):
    module = module_of("rnn_relu", bias=False)
    mapping = '[[layer]]\nkind = "rnn_relu"\nweight_ih = "weight_ih_l0"\nweight_hh = "weight_hh_l0"'
    path = write(tmp_path, state_of(module), mapping)
    expected = module(torch.from_numpy(input_of()))[0].detach().numpy()
    assert np.abs(run(path, input_of()) - expected).max() < 1e-12


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_stacked_biases(tmp_path, kind):
    module = module_of(kind)
    state = state_of(module)
    arrays = {
        "w": state["weight_ih_l0"],
        "u": state["weight_hh_l0"],
        "b": np.stack([state["bias_ih_l0"], state["bias_hh_l0"]]),
    }
    path = write(tmp_path, arrays, f'[[layer]]\nkind = "{kind}"\nweight_ih = "w"\nweight_hh = "u"\nbias = "b"')
    expected = module(torch.from_numpy(input_of()))[0].detach().numpy()
    assert np.abs(run(path, input_of()) - expected).max() < 1e-12


def test_one_bias(tmp_path):
    module = module_of("lstm")
    state = state_of(module)
    arrays = {"w": state["weight_ih_l0"], "u": state["weight_hh_l0"], "b": state["bias_ih_l0"] + state["bias_hh_l0"]}
    path = write(tmp_path, arrays, '[[layer]]\nkind = "lstm"\nweight_ih = "w"\nweight_hh = "u"\nbias = "b"')
    expected = module(torch.from_numpy(input_of()))[0].detach().numpy()
    assert np.abs(run(path, input_of()) - expected).max() < 1e-12


@pytest.mark.parametrize("transposed", [False, True])
def test_projection_and_state(tmp_path, transposed):
    module = module_of("lstm", proj_size=2)
    h_0, c_0 = np.array([0.5, -0.25]), np.array([0.5, 1.0, -0.5, 0.25])
    arrays = {name: array.T if transposed else array for name, array in state_of(module).items()}
    mapping = f"""
[[layer]]
kind = "lstm"
weight_ih = "weight_ih_l0"
weight_hh = "weight_hh_l0"
weight_hr = "weight_hr_l0"
bias_ih = "bias_ih_l0"
bias_hh = "bias_hh_l0"
h_0 = "h"
c_0 = "c"
transposed = {str(transposed).lower()}
"""
    path = write(tmp_path, arrays | {"h": h_0, "c": c_0}, mapping)
    state = [torch.from_numpy(np.tile(value, (1, 2, 1))) for value in (h_0, c_0)]
    expected = module(torch.from_numpy(input_of()), tuple(state))[0].detach().numpy()
    assert np.abs(run(path, input_of()) - expected).max() < 1e-12


def directions(suffix):
    roles = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return "\n".join(f'{role} = "{role}_l0{suffix}"' for role in roles)


BIDIRECTIONAL = f"""
[[layer]]
kind = "bidirectional"
name = "both"
[layer.forward]
kind = "gru"
{directions("")}
[layer.backward]
kind = "gru"
{directions("_reverse")}
"""


@pytest.mark.parametrize("final", [None, False, True])
def test_bidirectional(tmp_path, final):
    module = module_of("gru", bidirectional=True)
    last = "" if final is None else f'[[layer]]\nkind = "last"\nfinal = {str(final).lower()}\n'
    path = write(tmp_path, state_of(module), BIDIRECTIONAL + last)
    output, h_n = module(torch.from_numpy(input_of()))
    expected = {None: output, False: output[:, -1:], True: torch.cat([h_n[0], h_n[1]], dim=1)[:, None]}[final]
    assert np.abs(run(path, input_of()) - expected.detach().numpy()).max() < 1e-12


def test_reverse(tmp_path):
    module = module_of("rnn_tanh")
    path = write(tmp_path, state_of(module), f'[[layer]]\nkind = "rnn_tanh"\nreverse = true\n{directions("")}')
    expected = module(torch.from_numpy(input_of()).flip(1))[0].flip(1).detach().numpy()
    assert np.abs(run(path, input_of()) - expected).max() < 1e-12


AROUND = """
[[layer]]
kind = "embedding"
table = "table"
[[layer]]
kind = "affine"
scale = "scale"
shift = "shift"
[[layer]]
kind = "batch_norm"
mean = "running_mean"
variance = "running_var"
weight = "weight"
bias = "bias"
eps = 0.01
[[layer]]
kind = "linear"
weight = "w"
bias = "b"
[[layer]]
kind = "activation"
function = "hardtanh"
low = 0
high = 1.5
[[layer]]
kind = "linear"
name = "head"
weight = "wt"
transposed = true
[[layer]]
kind = "last"
[[layer]]
kind = "argmax"
"""


def test_around(tmp_path):
    rng, symbols = np.random.default_rng(1), np.array([[3, 0, 4, 1]])
    norm = torch.nn.BatchNorm1d(3, eps=0.01).double().eval()
    for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        tensor.data = torch.from_numpy(rng.uniform(0.5, 1.5, 3))
    arrays = {name: value.numpy() for name, value in norm.state_dict().items() if value.ndim}
    shapes = {"table": (5, 3), "scale": (3,), "shift": (3,), "w": (4, 3), "b": (4,), "wt": (4, 6)}
    arrays |= {name: rng.normal(size=shape) for name, shape in shapes.items()}
    path = write(tmp_path, arrays, AROUND)
    outputs = run_layers(Network("network", read_npz(path).layers), symbols[..., None].astype(float))
    x = torch.from_numpy(arrays["table"][symbols] * arrays["scale"] + arrays["shift"])
    x = norm(x.transpose(1, 2)).transpose(1, 2)
    x = torch.nn.functional.hardtanh(x @ torch.from_numpy(arrays["w"].T) + torch.from_numpy(arrays["b"]), 0.0, 1.5)
    expected = (x @ torch.from_numpy(arrays["wt"])).detach().numpy()
    assert np.abs(outputs[5] - expected).max() < 1e-12
    assert outputs[7].tolist() == [[[float(expected[0, -1].argmax())]]]


def test_chain(tmp_path):
    module = module_of("gru", bidirectional=True)
    path = write(tmp_path, state_of(module) | {"other": np.zeros(2)}, BIDIRECTIONAL + '[[layer]]\nkind = "last"')
    chain = read_npz(path)
    assert (chain.title, chain.stem, chain.source, chain.kind) == ("Model 'net.npz'", "net", "net.npz", "npz")
    assert chain.notes == ("Arrays of the file that the mapping does not name: 'other'.",)
    assert [layer.name for layer in chain.layers] == ["both", "layer1"]
    assert [branch.name for branch in chain.layers[0].branches] == ["both.forward", "both.backward"]


def test_mapping_given(tmp_path):
    module = module_of("gru", bidirectional=True)
    path = write(tmp_path, state_of(module), "nothing")
    other = tmp_path / "other.toml"
    other.write_text(BIDIRECTIONAL)
    assert len(read_npz(path, other).layers) == 1


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4"])
def test_types(tmp_path, dtype):
    path = write(tmp_path, {"w": np.arange(6.0).reshape(2, 3).astype(dtype)}, '[[layer]]\nkind="linear"\nweight="w"')
    assert read_npz(path).layers[0].weight.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]


def test_layers_of_unknown_size(tmp_path):
    mapping = '[[layer]]\nkind="linear"\nweight="w"\n[[layer]]\nkind="activation"\nfunction="relu"\n[[layer]]\n'
    path = write(tmp_path, {"w": np.ones((2, 3))}, mapping + 'kind="last"\n[[layer]]\nkind="argmax"')
    assert [type(layer) for layer in read_npz(path).layers[1:]] == [ActivationLayer, LastStepLayer, ArgmaxLayer]
    assert {layer.input_size for layer in read_npz(path).layers[1:]} == {2}


# ---- refusals


ARRAYS = {
    "w": np.zeros((8, 3)),
    "u": np.zeros((8, 2)),
    "b": np.zeros(8),
    "w3": np.zeros((6, 3)),
    "u3": np.zeros((6, 2)),
    "b3": np.zeros(6),
    "v": np.zeros(2),
    "negative": np.array([-1.0, 1.0]),
    "whole": np.zeros((2, 2), dtype=np.int8),
    "infinite": np.full((2, 2), np.inf),
}
LSTM = 'kind = "lstm"\nweight_ih = "w"\nweight_hh = "u"\n'
GRU = 'kind = "gru"\nweight_ih = "w3"\nweight_hh = "u3"\n'
NAMES = "'w', 'u', 'b', 'w3', 'u3', 'b3', 'v', 'negative', 'whole', 'infinite'"
BARE = NAMES.replace("'", "")
PAGE = "see rnngen.frontend.npz_model for the keys of each kind."

REFUSALS = [
    (
        'kind = "conv"',
        f"Mapping 'net.toml': 'kind' of 'layer0' must be one of {', '.join(KINDS)}, not 'conv'.",
    ),
    ('name = "x"', f"Mapping 'net.toml': 'kind' of 'layer0' must be one of {', '.join(KINDS)}, not None."),
    ('kind = "last"\nname = 1', "Mapping 'net.toml': 'name' of 'layer0' must be a text, not 1."),
    (
        'kind = "linear"\nweight = "w"\nbiass = "b"',
        "Mapping 'net.toml': 'layer0' (linear) has the unknown key 'biass'; it may have kind, name, weight, bias, "
        "transposed.",
    ),
    (
        'kind = "lstm"\nweight_ih = "w"',
        f"Mapping 'net.toml': 'layer0' (lstm) has no 'weight_hh', which it needs; {PAGE}",
    ),
    (
        'kind = "bidirectional"',
        f"Mapping 'net.toml': 'layer0' (bidirectional) has no 'forward', which it needs; {PAGE}",
    ),
    (
        'kind = "linear"\nweight = 3',
        "Mapping 'net.toml': 'weight' of 'layer0' (linear) must be the name of an array, not 3.",
    ),
    (
        LSTM + "order = 1",
        "Mapping 'net.toml': 'order' of 'layer0' (lstm) must be a text, not 1.",
    ),
    (
        LSTM + "transposed = 1",
        "Mapping 'net.toml': 'transposed' of 'layer0' (lstm) must be true or false, not 1.",
    ),
    (
        'kind = "activation"\nfunction = "hardtanh"\nlow = true',
        "Mapping 'net.toml': 'low' of 'layer0' (activation) must be a number, not True.",
    ),
    (
        'kind = "bidirectional"\nforward = 1\nbackward = 2',
        "Mapping 'net.toml': 'forward' of 'layer0' (bidirectional) must be a table, not 1.",
    ),
    (
        'kind = "bidirectional"\nforward = {kind = "linear"}\nbackward = {kind = "lstm"}',
        "Mapping 'net.toml': 'kind' of 'layer0.forward' must be one of lstm, gru, rnn_tanh, rnn_relu, not 'linear'.",
    ),
    (
        'kind = "linear"\nweight = "x"',
        f"Layer 'layer0': its weight is to be the array 'x', which Model 'net.npz' does not hold; there are: {NAMES}.",
    ),
    (
        'kind = "lstm"\nweight_ih = "x"\nweight_hh = "y"\nbias = "b"',
        f"Layer 'layer0': the file holds none of the arrays weight_ih 'x', weight_hh 'y'; it has {BARE}.",
    ),
    (
        'kind = "linear"\nweight = "whole"',
        "Array 'whole' of Model 'net.npz' has the type int8, which is not floating-point; save floating-point "
        "parameters, from before any quantisation.",
    ),
    (
        'kind = "linear"\nweight = "infinite"',
        "Array 'infinite' of Model 'net.npz' holds values that are not finite; all must be, so repair the model or "
        "take an earlier one.",
    ),
    ('kind = "linear"\nweight = "b"', "Layer 'layer0': weight must be a matrix, not of shape (8,)."),
    (
        LSTM + 'order = "ifgg"',
        "Layer 'layer0': order must hold each of the gates i, f, g, o once ('c' stands for 'g' too), for instance "
        "'ifgo', not 'ifgg'.",
    ),
    (
        GRU + 'order = "rz"',
        "Layer 'layer0': order must hold each of the gates r, z, n once ('h' stands for 'n' too), for instance 'rzn', "
        "not 'rz'.",
    ),
    (
        LSTM + "transposed = true",
        "Layer 'layer0': weight_ih must have a multiple of 4 rows, one block a gate, not 3; if it has them as columns, "
        "say transposed = true.",
    ),
    (
        LSTM + 'bias = "b"\nbias_ih = "b"',
        "Layer 'layer0' has bias beside bias_ih or bias_hh; give the one or the other two.",
    ),
    (
        GRU + 'bias = "b3"',
        "Layer 'layer0': bias of a GRU must have shape (2, 6), since bias_hh stands inside the product with r, not "
        "(6,); give bias_ih and bias_hh, or leave out the one that is zero.",
    ),
    (LSTM + 'bias_hh = "b3"', "Layer 'layer0': bias_hh must have shape (8,), not (6,)."),
    (
        GRU + "reset_after = false",
        "Layer 'layer0' (gru) has reset_after = false, which is another network (r multiplies h before the product, "
        "not after) and is not supported; train it with the form of PyTorch (Keras: reset_after=True).",
    ),
    (
        f'kind = "bidirectional"\n[layer.forward]\n{LSTM}reverse = true\n[layer.backward]\n{LSTM}',
        "Layer 'layer0' is bidirectional, so that its backward part runs in reverse; leave reverse out.",
    ),
    (
        'kind = "batch_norm"\nmean = "v"\nvariance = "b"',
        "Layer 'layer0': variance must have shape (2,), not (8,).",
    ),
    (
        'kind = "batch_norm"\nmean = "v"\nvariance = "negative"\neps = 0.5',
        "Layer 'layer0': variance + eps must be positive, not -0.5.",
    ),
    ('kind = "last"', "Layer 'layer0' (last) must not be the first layer; name one before it."),
    (
        'kind = "activation"\nfunction = "gelu"',
        "Layer 'layer0': function must be one of relu, sigmoid, tanh, hardsigmoid, hardtanh, not 'gelu'.",
    ),
    (
        'kind = "activation"\nfunction = "relu"\nlow = 1.0',
        "Layer 'layer0': only hardtanh has the limits low and high, not relu.",
    ),
    (
        f'kind = "linear"\nweight = "w"\n[[layer]]\n{LSTM}',
        "Layer 'layer1' takes 3 inputs but 'layer0' before it gives 8.",
    ),
]


def refused(path, sentence, mapping=None):
    with pytest.raises(ModelError, match=f"^{re.escape(sentence)}$"):
        read_npz(path, mapping)


@pytest.mark.parametrize(("layer", "sentence"), REFUSALS)
def test_refusals(tmp_path, layer, sentence):
    refused(write(tmp_path, ARRAYS, f"[[layer]]\n{layer}\n"), sentence)


def test_mapping_files(tmp_path):
    path = write(tmp_path, ARRAYS, "")
    for text in ("", "layer = []", "layer = 1", "[[layer]]\nkind = 'last'\n[other]"):
        path.with_suffix(".toml").write_text(text)
        refused(path, f"Mapping 'net.toml' must consist of [[layer]] tables, one a layer; {PAGE}")
    path.with_suffix(".toml").write_text("[[layer")
    with pytest.raises(ModelError, match=r"^Mapping 'net\.toml' is no TOML file \(.+\); correct it\.$"):
        read_npz(path)
    path.with_suffix(".toml").unlink()
    refused(
        path,
        f"Model 'net.npz' holds arrays ({NAMES}) but does not say what they are; give a mapping file that lists the "
        f"layers, or put it beside as 'net.toml'.",
    )
    refused(path, "Mapping 'no.toml' cannot be read (No such file or directory); check the path.", tmp_path / "no.toml")


def rewritten(path, name, data):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, data)
    return path


def npy(array, **options):
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


def test_damaged_arrays(tmp_path):
    path = write(tmp_path, {"w": np.ones((2, 3))}, '[[layer]]\nkind="linear"\nweight="w"')
    data = npy(np.ones((2, 3)))
    damaged = "Array 'w' of Model 'net.npz' is damaged; save it again with numpy.savez(path, ...)."
    wrong = [
        data[:-1],
        data + b"x",
        b"",
        b"x" + data,
        data.replace(b"(2, 3)", b"(2,-3)"),
        data.replace(b"(2, 3)", b"(2, 3"),
        data.replace(b"(2, 3), }  ", b"(999999999, 999999)"),
        data.replace(b"<f8", b"<f4"),
        data.replace(b"<f8", b"<x8"),
    ]
    for broken in wrong:
        refused(rewritten(path, "w.npy", broken), damaged)
    refused(
        rewritten(path, "w.npy", npy(np.array([[None]], dtype=object), allow_pickle=True)),
        "Array 'w' of Model 'net.npz' holds pickled Python objects, which are never loaded because they can run code; "
        "save plain arrays with numpy.savez(path, ...).",
    )


def test_archives(tmp_path, monkeypatch):
    again = "save it again with numpy.savez(path, ...)."
    path = write(tmp_path, {"w": np.ones((2, 3))}, '[[layer]]\nkind="linear"\nweight="w"')
    whole = path.read_bytes()
    position = whole.index(np.ones(1).tobytes())
    path.write_bytes(whole[:position] + b"\x01" + whole[position + 1 :])
    refused(path, f"Model 'net.npz' is damaged or of another format (its 'w.npy' cannot be unpacked); {again}")
    size = len(npy(np.ones((2, 3))))
    path.write_bytes(whole)
    monkeypatch.setattr(archive_module, "MEMBER_LIMIT", 10)
    refused(
        path,
        f"Model 'net.npz' says that its 'w.npy' has {size} bytes unpacked; at most 10 are read, so {again}",
    )
    path.write_bytes(b"no")
    refused(path, f"Model 'net.npz' is damaged or of another format (it is no ZIP archive); {again}")

    def denied(*_args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(archive_module.zipfile, "ZipFile", denied)
    refused(path, "Model 'net.npz' cannot be read (Permission denied); check the file and its permissions.")


def test_understated_size(tmp_path, monkeypatch):
    """A member whose directory entry says fewer bytes than it unpacks to."""
    path = write(tmp_path, {"w": np.ones((2, 3))}, '[[layer]]\nkind="linear"\nweight="w"')

    class Longer:
        def __enter__(self):
            return self

        def __exit__(self, *_error):
            return None

        def read(self, count):
            return b"x" * count

    monkeypatch.setattr(archive_module.zipfile.ZipFile, "open", lambda *_args: Longer())
    refused(
        path,
        "Model 'net.npz' is damaged or of another format (its 'w.npy' has not the size that it says); save it again "
        "with numpy.savez(path, ...).",
    )


def test_damage_is_always_a_sentence(tmp_path):
    choose = np.random.default_rng(0)
    path = write(tmp_path, {"w": np.ones((2, 3))}, '[[layer]]\nkind="linear"\nweight="w"')
    header = npy(np.ones((2, 3)))
    for _ in range(400):
        data = bytearray(header)
        for position in choose.integers(0, len(data), 3):
            data[position] = choose.integers(0, 256)
        try:
            read_npz(rewritten(path, "w.npy", bytes(data)))
        except ModelError as error:
            assert str(error).endswith(".")
