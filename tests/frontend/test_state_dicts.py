"""State dicts of every cell and option of PyTorch: the imported network computes what the module itself computes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import safetensors.torch
import torch

from rnngen.errors import ModelError
from rnngen.frontend import inspect, load, run_reference
from rnngen.ir.reference import run_layers

INPUTS, HIDDEN, SEQUENCES, STEPS = 3, 5, 2, 7
TOLERANCE = 1e-12
CELLS = {
    "lstm": (torch.nn.LSTM, {}),
    "gru": (torch.nn.GRU, {}),
    "rnn_tanh": (torch.nn.RNN, {"nonlinearity": "tanh"}),
    "rnn_relu": (torch.nn.RNN, {"nonlinearity": "relu"}),
}


def choices_of(options):
    """What a state dict does not tell: a plain RNN's nonlinearity."""
    return {"nonlinearity": options["nonlinearity"]} if "nonlinearity" in options else {}


def save(module, folder, extension):
    path = folder / f"model{extension}"
    if extension == ".safetensors":
        safetensors.torch.save_file(module.state_dict(), path)
    else:
        torch.save(module.state_dict(), path)
    return path


def sequences(inputs=INPUTS):
    return np.random.default_rng(1).uniform(-2, 2, (SEQUENCES, STEPS, inputs))


def agrees(network, x, expected):
    """The network in NumPy and by the judge gives the expected output (sequences, steps, size)."""
    expected = expected.detach().numpy()
    for output in (run_layers(network, x)[-1], run_reference(network, x).output):
        assert output.shape == expected.shape
        assert np.abs(output - expected).max() < TOLERANCE


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(3)
    torch.set_num_threads(1)


GRID = [
    (cell, layers, bidirectional, bias, projection)
    for cell, layers, bidirectional, bias, projection in itertools.product(
        CELLS, (1, 2, 3), (False, True), (True, False), (0, 2)
    )
    if cell == "lstm" or not projection
]


@pytest.mark.parametrize("extension", [".safetensors", ".pt"])
@pytest.mark.parametrize("cell, layers, bidirectional, bias, projection", GRID)
def test_every_cell_and_option(tmp_path, extension, cell, layers, bidirectional, bias, projection):
    kind, options = CELLS[cell]
    if projection:
        options = {"proj_size": projection}
    module = kind(INPUTS, HIDDEN, layers, bias=bias, bidirectional=bidirectional, batch_first=True, **options).double()
    path, choices = save(module, tmp_path, extension), choices_of(options)
    x = sequences()
    output, state = module(torch.from_numpy(x))
    h_n = state[0] if isinstance(state, tuple) else state
    ways = 1 + bidirectional
    size = projection or HIDDEN

    network = load(path, **choices)
    assert len(network.layers) == layers
    assert network.output_size == ways * size
    agrees(network, x, output)
    agrees(load(path, output="sequence", **choices), x, output)
    agrees(load(path, output="last", **choices), x, output[:, -1:])
    final = h_n[-ways:].transpose(0, 1).reshape(SEQUENCES, 1, ways * size)
    agrees(load(path, output="final", **choices), x, final)
    if bidirectional:
        assert not torch.equal(final, output[:, -1:])  # else the test would not tell them apart
        agrees(load(path, output="forward", **choices), x, output[..., :size])
        agrees(load(path, output="backward", **choices), x, output[..., size:])
        agrees(load(path, output="forward+last", **choices), x, output[:, -1:, :size])
        agrees(load(path, output="forward+final", **choices), x, h_n[-2][:, None])
        agrees(load(path, output="backward+last", **choices), x, output[:, -1:, size:])
        agrees(load(path, output="backward+final", **choices), x, h_n[-1][:, None])
        pruned = load(path, output="backward", **choices)
        assert [layer.output_size for layer in pruned.layers] == [2 * size] * (layers - 1) + [size]
        assert pruned.layers[-1].reverse


@pytest.mark.parametrize("extension", [".safetensors", ".pth"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_form(tmp_path, extension, bias, cell):
    kind = {"lstm": torch.nn.LSTMCell, "gru": torch.nn.GRUCell}.get(cell, torch.nn.RNNCell)
    options = CELLS[cell][1]
    module = kind(INPUTS, HIDDEN, bias=bias, **options).double()
    x = sequences()
    state, output = None, []
    for step in torch.from_numpy(x).unbind(1):
        state = module(step, state)
        output.append(state[0] if isinstance(state, tuple) else state)
    network = load(save(module, tmp_path, extension), **choices_of(options))
    assert [(layer.name, layer.cell) for layer in network.layers] == [("l0", cell)]
    agrees(network, x, torch.stack(output, dim=1))


class Model(torch.nn.Module):
    """Embedding, recurrent stack, batch norm, two Linear layers."""

    def __init__(self, eps=1e-5, **options):
        super().__init__()
        self.table = torch.nn.Embedding(9, INPUTS)
        self.rnn = torch.nn.GRU(INPUTS, HIDDEN, batch_first=True, **options)
        width = HIDDEN * (1 + self.rnn.bidirectional)
        self.norm = torch.nn.BatchNorm1d(width, eps=eps)
        self.fc1 = torch.nn.Linear(width, 6)
        self.fc2 = torch.nn.Linear(6, 4, bias=False)
        with torch.no_grad():  # statistics of some training
            for value, low in ((self.norm.running_mean, -1), (self.norm.running_var, 0.1), (self.norm.weight, -1)):
                value.uniform_(low, 1)
            self.norm.bias.uniform_(-1, 1)
        self.double().eval()

    def normed(self, y):
        return self.norm(y.transpose(1, 2)).transpose(1, 2)


FUNCTIONS = {
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "hardsigmoid": torch.nn.functional.hardsigmoid,
    "hardtanh": torch.nn.functional.hardtanh,
    "hardtanh=0,6": torch.nn.functional.relu6,
    "hardtanh=-0.25,0.5": lambda y: torch.nn.functional.hardtanh(y, -0.25, 0.5),
    "relu:tanh": lambda y: torch.tanh(torch.relu(y)),
}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("extension", [".safetensors", ".pt"])
def test_what_stands_around(tmp_path, extension, function):
    model = Model(bidirectional=True)
    path = save(model, tmp_path, extension)
    symbols = np.random.default_rng(2).integers(0, 9, (SEQUENCES, STEPS))
    y = model.rnn(model.table(torch.from_numpy(symbols)))[0]
    head = ("norm", f"fc1:{function}", "fc2")
    network = load(path, embedding="table", head=head)
    assert (network.symbols, network.input_size, network.output_size) == (9, 1, 4)
    expected = model.fc2(FUNCTIONS[function](model.fc1(model.normed(y))))
    agrees(network, symbols[:, :, None], expected)
    assert np.abs(run_reference(network, symbols).output - expected.detach().numpy()).max() < TOLERANCE
    numbers = load(path, embedding="table", head=(*head[:-1], "fc2:argmax"))
    agrees(numbers, symbols[:, :, None], expected.argmax(dim=2, keepdim=True).double())
    agrees(load(path, head=":relu"), sequences(), torch.relu(model.rnn(torch.from_numpy(sequences()))[0]))


def test_a_batch_norm_with_its_eps(tmp_path):
    model = Model(eps=0.25)
    path = save(model, tmp_path, ".safetensors")
    x = sequences()
    expected = model.normed(model.rnn(torch.from_numpy(x))[0])
    agrees(load(path, head="norm:eps=0.25"), x, expected)
    agrees(load(model, select="rnn", head="norm"), x, expected)  # a module tells it
    wrong = run_layers(load(path, head="norm"), x)[-1]
    assert np.abs(wrong - expected.detach().numpy()).max() > 1e-3


def test_a_batch_norm_without_weight_and_bias(tmp_path):
    model = torch.nn.Sequential()
    model.rnn, model.norm = torch.nn.GRU(INPUTS, HIDDEN, batch_first=True), torch.nn.BatchNorm1d(HIDDEN, affine=False)
    model.norm.running_mean.uniform_(-1, 1)
    model.norm.running_var.uniform_(0.1, 1)
    model.double().eval()
    x = sequences()
    expected = model.norm(model.rnn(torch.from_numpy(x))[0].transpose(1, 2)).transpose(1, 2)
    path = save(model, tmp_path, ".pt")
    agrees(load(path, head="norm"), x, expected)
    assert [(layer.name, layer.kind, layer.output_size) for layer in inspect(path).layers[1:]] == [
        ("norm", "batchnorm", HIDDEN)
    ]
    assert inspect(path).other == ()


@pytest.mark.parametrize("output", ["last", "final", "backward"])
def test_the_head_stands_behind_the_chosen_output(tmp_path, output):
    model = Model(bidirectional=True, num_layers=2)
    if output == "backward":
        model.fc1 = torch.nn.Linear(HIDDEN, 6).double()
    x = sequences()
    y, h_n = model.rnn(torch.from_numpy(x))
    chosen = {
        "last": y[:, -1:],
        "final": torch.cat([h_n[-2], h_n[-1]], dim=1)[:, None],
        "backward": y[..., HIDDEN:],
    }[output]
    agrees(load(save(model, tmp_path, ".pt"), output=output, head="fc1:tanh"), x, torch.tanh(model.fc1(chosen)))


def test_equal_names_get_numbers(tmp_path):
    path = save(Model(), tmp_path, ".pt")
    network = load(path, head=(":relu", ":relu", "fc1", "fc2:tanh:tanh"))
    assert [layer.name for layer in network.layers] == [
        "rnn.l0", "rnn.l0.relu", "rnn.l0.relu.relu", "fc1", "fc2", "fc2.tanh", "fc2.tanh.tanh",
    ]  # fmt: skip
    twice = load(save(Square(), tmp_path, ".safetensors"), head=("fc", "fc"))
    assert [layer.name for layer in twice.layers] == ["rnn.l0", "fc", "fc_2"]


class Square(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = torch.nn.GRU(3, 4)
        self.fc = torch.nn.Linear(4, 4)


def test_names_of_directions(tmp_path):
    path = save(torch.nn.GRU(INPUTS, HIDDEN, 2, bidirectional=True), tmp_path, ".pt")
    network = load(path, output="final")
    assert [layer.name for layer in network.layers] == ["l0", "l1", "l1.final"]
    assert [branch.name for branch in network.layers[1].branches] == ["l1", "l1_reverse"]
    assert [branch.reverse for branch in network.layers[1].branches] == [False, True]


@pytest.mark.parametrize("kind", ["factorised", "grouped"])
def test_modules_of_rnngen_nn(tmp_path, kind):
    from rnngen import nn

    model = torch.nn.Sequential()
    model.rnn = nn.FactorisedLSTM(4, 6, 2) if kind == "factorised" else nn.GroupedLSTM(4, 8, 6, 2)
    model.fc = torch.nn.Linear(6, 3)
    model.double()
    x = sequences(4)
    expected = model.fc(model.rnn(torch.from_numpy(x))[0])
    if not model.rnn.batch_first:
        expected = model.fc(model.rnn(torch.from_numpy(x).transpose(0, 1))[0].transpose(0, 1))
    path = save(model, tmp_path, ".safetensors")
    agrees(load(path, head="fc"), x, expected)
    agrees(load(path, head="fc", output="final"), x, expected[:, -1:])
    agrees(load(model, select="rnn", head="fc"), x, expected)
    (recurrent, _) = inspect(path).layers
    assert (recurrent.name, recurrent.kind, recurrent.input_size, recurrent.output_size) == ("rnn", kind, 4, 6)
    assert inspect(path).selected == "rnn"


def test_inspect_shows_the_chain(tmp_path):
    path = save(Model(bidirectional=True), tmp_path, ".pt")
    summary = inspect(path, embedding="table", head=("norm", "fc1:hardtanh=0,6", "fc2:argmax"), output="final")
    assert [(layer.name, layer.kind, layer.input_size, layer.output_size) for layer in summary.chain] == [
        ("table", "embedding", 1, 3),
        ("rnn.l0", "gru", 3, 10),
        ("rnn.l0.final", "final state", 10, 10),
        ("norm", "affine", 10, 10),
        ("fc1", "linear", 10, 6),
        ("fc1.hardtanh", "hardtanh", 6, 6),
        ("fc2", "linear", 6, 4),
        ("fc2.argmax", "argmax", 4, 1),
    ]
    options = [dict(layer.options) for layer in summary.chain]
    assert options[:2] == [{"symbols": 9}, {"hidden_size": 5, "bias": True, "directions": "forward, backward"}]
    assert options[4:7] == [{"bias": True}, {"low": 0.0, "high": 6.0}, {"bias": False}]
    assert summary.chain[1].macs == 2 * 3 * 5 * (3 + 5)
    assert (summary.supported, summary.reason, summary.selected, summary.head) == (
        True, "", "rnn", ("norm", "fc1", "fc2"),
    )  # fmt: skip
    assert [(layer.name, layer.kind) for layer in summary.layers] == [
        ("rnn", "gru"), ("table", "matrix"), ("fc1", "linear"), ("fc2", "matrix"), ("norm", "batchnorm"),
    ]  # fmt: skip
    assert summary.other == ()


def test_the_nonlinearity_is_for_the_plain_rnns_of_a_model(tmp_path):
    model = torch.nn.Sequential()
    model.rnn, model.lstm = torch.nn.RNN(3, 4, nonlinearity="relu"), torch.nn.LSTM(3, 4)
    path = save(model, tmp_path, ".pt")
    summary = inspect(path, select="rnn", nonlinearity="relu")
    assert [(layer.name, layer.supported) for layer in summary.layers] == [("rnn", True), ("lstm", True)]
    assert summary.chain[0].kind == "rnn_relu"


def test_a_module_of_rnngen_nn_has_no_choice_of_nonlinearity(tmp_path):
    from rnngen import nn

    path = save(nn.FactorisedLSTM(4, 6, 2), tmp_path, ".pt")
    message = r"^--nonlinearity is for plain RNNs, but layer '\.' is a factorised LSTM; leave the option out\.$"
    with pytest.raises(ModelError, match=message):
        load(path, nonlinearity="tanh")


def test_an_unsound_module_of_rnngen_nn(tmp_path):
    from rnngen import nn

    state = nn.FactorisedLSTM(4, 6, 2).state_dict()
    torch.save(state | {"weight_rec": torch.zeros(2, 5)}, tmp_path / "m.pt")
    with pytest.raises(ModelError) as caught:
        load(tmp_path / "m.pt")
    (layer,) = inspect(tmp_path / "m.pt").layers
    assert (layer.supported, layer.reason, layer.input_size) == (False, str(caught.value), 0)


def test_an_empty_embedding(tmp_path):
    state = torch.nn.GRU(3, 4).state_dict() | {"emb.weight": torch.zeros(0, 3)}
    torch.save(state, tmp_path / "m.pt")
    message = (
        r"^Parameter 'emb\.weight' must have 2 dimensions of at least 1, not the shape \(0, 3\); "
        r"save the complete state dict of the layer\.$"
    )
    with pytest.raises(ModelError, match=message):
        load(tmp_path / "m.pt", embedding="emb")
