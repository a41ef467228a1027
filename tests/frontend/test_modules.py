"""Live modules: the same as their state dict, and what only a module can tell."""

import numpy as np
import pytest
import torch
from torch.nn.utils import prune
from torch.nn.utils.parametrizations import weight_norm

from rnngen.errors import ModelError
from rnngen.frontend import inspect, load


class Tagger(torch.nn.Module):
    """Embedding, LSTM, cell and heads, as larger models have them."""

    def __init__(self, **options):
        super().__init__()
        self.embedding = torch.nn.Embedding(9, 4)
        self.lstm = torch.nn.LSTM(3, 4, **options)
        self.cell = torch.nn.LSTMCell(4, 4)
        self.plain = torch.nn.Linear(4, 2, bias=False)
        self.fc = torch.nn.Linear(4, 2)


def test_larger_model():
    model = Tagger(num_layers=2)
    network = load(model, "lstm", "plain")
    assert (network.name, network.source) == ("tagger", "torch.nn.Module Tagger")
    assert [layer.name for layer in network.layers] == ["lstm.l0", "lstm.l1", "plain"]
    assert np.array_equal(network.layers[2].weight, model.plain.weight.detach().double().numpy())
    assert load(model, "cell", "fc").layers[0].name == "cell"
    assert [(layer.name, layer.kind) for layer in inspect(model).layers] == [
        ("lstm", "lstm"),
        ("cell", "lstm"),
        ("plain", "linear"),
        ("fc", "linear"),
    ]


def test_later_training_does_not_change_the_network():
    model = torch.nn.LSTM(3, 4).double()
    network = load(model)
    before = network.layers[0].weight_ih.copy()
    with torch.no_grad():
        model.weight_ih_l0.zero_()
    assert np.array_equal(network.layers[0].weight_ih, before)


def test_embedding_is_no_head():
    message = (
        r"^Head 'embedding' must be a Linear layer \(a 2-D weight\), but it has a weight of shape \(9, 4\) "
        r"and is of the kind 'embedding'; Linear layers here: 'plain', 'fc'\.$"
    )
    with pytest.raises(ModelError, match=message):
        load(Tagger(), "lstm", "embedding")


@pytest.mark.parametrize(
    "module, message",
    [
        (torch.nn.GRU(3, 4), r"^Layer '\.' is a GRU, which is not supported; "),
        (torch.nn.GRUCell(3, 4), r"^Layer '\.' is a GRU, "),
        (torch.nn.RNN(3, 4), r"^Layer '\.' is a plain RNN, which is not supported; "),
        (torch.nn.RNNCell(3, 4), r"^Layer '\.' is a plain RNN, "),
        (torch.nn.LSTM(3, 4, bidirectional=True), r"^Layer '\.' is bidirectional, which is not supported; "),
        (torch.nn.LSTM(3, 4, proj_size=2), r"^Layer '\.' has a projection, which is not supported; "),
        (torch.nn.LSTM(3, 4, proj_size=2, bidirectional=True), r"^Layer '\.' is bidirectional, "),
        (weight_norm(torch.nn.LSTM(3, 4), "weight_hh_l0"), r"^Layer '\.' has its weights in another form \('param"),
        (torch.nn.Linear(3, 4), r"^Module Linear holds no recurrent layer: "),
    ],
)
def test_refused_modules(module, message):
    with pytest.raises(ModelError, match=message):
        load(module)


def test_module_of_another_kind_than_its_shapes():
    gru = torch.nn.GRU(3, 4)
    gru.weight_ih_l0 = torch.nn.Parameter(torch.zeros(16, 3))
    gru.weight_hh_l0 = torch.nn.Parameter(torch.zeros(16, 4))
    message = (
        r"^Layer '\.' has the parameters of LSTM cells but its module is of the kind 'gru'; "
        r"the unidirectional LSTM without projection is supported, so use nn\.LSTM\.$"
    )
    with pytest.raises(ModelError, match=message):
        load(gru)


@pytest.mark.parametrize("model, kind", [(3, "int"), ({}, "dict"), (None, "NoneType")])
def test_not_a_model(model, kind):
    with pytest.raises(ModelError, match=rf"^Model must be a file path or a torch\.nn\.Module, not a {kind}\.$"):
        load(model)


def test_batch_first_and_dropout_make_no_difference():
    torch.manual_seed(0)
    plain = torch.nn.LSTM(3, 4, num_layers=2)
    other = torch.nn.LSTM(3, 4, num_layers=2, dropout=0.5, batch_first=True)
    other.load_state_dict(plain.state_dict())
    assert np.array_equal(load(plain).layers[1].weight_hh, load(other).layers[1].weight_hh)


@pytest.mark.filterwarnings("ignore")  # PyTorch announces that it will remove quantised tensors
def test_quantised_module():
    model = torch.nn.Sequential(torch.nn.LSTM(3, 4))
    message = (
        r"^Module Sequential holds no floating-point recurrent layer but quantised modules \('0'.*\); "
        r"rnngen quantises the network itself, so give it the model before quantisation\.$"
    )
    with pytest.raises(ModelError, match=message):
        load(torch.ao.quantization.quantize_dynamic(model, {torch.nn.LSTM}))


def test_pruned_module():
    lstm = torch.nn.LSTM(3, 4)
    prune.l1_unstructured(lstm, "weight_hh_l0", 0.5)
    with pytest.raises(ModelError, match=r"^Layer '\.' has its weights in another form \('weight_hh_l0_orig': "):
        load(lstm)
    prune.remove(lstm, "weight_hh_l0")
    assert np.count_nonzero(load(lstm).layers[0].weight_hh) == 32


@pytest.mark.filterwarnings("ignore")  # PyTorch calls TorchScript deprecated
def test_scripted_module():
    lstm = torch.nn.LSTM(3, 4)
    assert np.array_equal(load(torch.jit.script(lstm)).layers[0].weight_ih, load(lstm).layers[0].weight_ih)
